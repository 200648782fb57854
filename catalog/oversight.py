"""What auditors read of the admission desk: each review by a bureau of their subtree (R10, R49).

They read findings, evidence, names, acts, takedowns and appeals, and act on none of them.
"""

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import aliased

from catalog.models import Admission, Version
from catalog.reviewers import answered_for
from kernel.actors import OrganisationKind, Role
from kernel.errors import NotFound
from kernel.unit import Unit


def only_audits(unit: Unit) -> bool:
    """Whether the actor reads the desk as an auditor, not as one of its reviewers."""
    actor = unit.actor
    return (
        actor.organisation_kind is OrganisationKind.BUREAU
        and actor.may(Role.AUDITOR)
        and not actor.may(Role.ADMISSION)
    )


def was_reviewed_below(unit: Unit) -> ColumnElement[bool]:
    """Return the condition that the actor's bureau or one below it reviewed a version, or does."""
    review = aliased(Admission)
    return (
        select(review.id)
        .where(review.version_id == Version.id, review.bureau_id.in_(answered_for(unit)))
        .exists()
    )


def require_audited(unit: Unit, version: Version) -> None:
    """Raise `NotFound` for an auditor whom the version's reviews don't concern."""
    if not only_audits(unit):
        return
    found = select(Version.id).where(Version.id == version.id, was_reviewed_below(unit))
    if unit.session.scalar(found) is None:
        raise NotFound(what="version", key=version.id)
