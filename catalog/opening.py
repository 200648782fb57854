"""Which versions may be opened by schools that agreed on them (R4, R14; ADR 0039).

Decides between what ends and what stops: a version that its vendor withdrew, or that a newer one
follows, is opened until the agreements on it end, for nobody else; what is taken down stops at
once, whatever its vendor does with it afterwards, and nothing else of the resource is listed until
the takedown is lifted (ADR 0052).
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, Text, and_, cast, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from catalog.admission_models import Takedown
from catalog.models import Admission, Version
from catalog.states import AdmissionState, VersionState
from kernel.errors import UnderTakedown
from kernel.identity.recording import among
from kernel.unit import Unit


def is_open(version: type[Version] = Version) -> ColumnElement[bool]:
    """Return the condition that a version may be opened under an agreement that runs.

    `version`: the class, or an alias of it.
    """
    return or_(
        version.state == VersionState.LISTED,
        and_(
            version.state == VersionState.WITHDRAWN,
            _was_admitted(version),
            ~_is_taken_down(version),
        ),
    )


def may_open(unit: Unit, version: Version) -> bool:
    """Whether a version may be opened under an agreement that runs."""
    if version.state != VersionState.WITHDRAWN:
        return version.state == VersionState.LISTED
    found = unit.session.scalar(select(Version.id).where(Version.id == version.id, is_open()))
    return found is not None


def is_under_takedown(resource_id: InstrumentedAttribute[UUID]) -> ColumnElement[bool]:
    """Return the condition that a takedown of the resource is open."""
    return (
        select(Takedown.id)
        .where(Takedown.resource_id == resource_id, Takedown.restored_at.is_(None))
        .exists()
    )


def refuse_under_takedown(unit: Unit, versions: Sequence[Version]) -> None:
    """Raise `UnderTakedown` for a version whose resource is taken down.

    The versions are locked: a takedown locks them all before it stops any.
    """
    title = unit.session.scalars(
        select(Version.title)
        .where(
            among(Version.id, [version.id for version in versions]),
            is_under_takedown(Version.resource_id),
        )
        .order_by(Version.id)
        .limit(1)
    ).first()
    if title is not None:
        raise UnderTakedown(key=title)


def _was_admitted(version: type[Version]) -> ColumnElement[bool]:
    return (
        select(Admission.id)
        .where(Admission.version_id == version.id, Admission.state == AdmissionState.ADMITTED)
        .correlate(version)
        .exists()
    )


def _is_taken_down(version: type[Version]) -> ColumnElement[bool]:
    return (
        select(Takedown.id)
        .where(
            Takedown.resource_id == version.resource_id,
            Takedown.restored_at.is_(None),
            Takedown.versions.has_key(cast(version.id, Text)),
        )
        .correlate(version)
        .exists()
    )
