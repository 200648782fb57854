"""Who may sign against a vendor in a cell: the bureau that answers for all that was let in there.

Whoever lets a resource in answers for it (R10), for it and no more: a county that let one resource
in does not judge what a vendor sells elsewhere. Where bureaus of several regions let something of
the cell in, the nearest bureau above all of them signs, and those above it may. Where none did, the
topmost bureau does. The database keeps the same rule (trigger of 0028).
"""

from uuid import UUID

from sqlalchemy import ColumnElement, Select, distinct, exists, func, select
from sqlalchemy.orm import InstrumentedAttribute

from catalog.models import Admission, Resource, Version
from catalog.reviewers import answered_for
from catalog.states import AdmissionState
from kernel.actors import OrganisationKind
from kernel.errors import Refused
from kernel.identity.models import Organisation, RegionClosure
from kernel.unit import Unit
from settlement.ranking.models import Standing

Named = ColumnElement[UUID] | InstrumentedAttribute[UUID] | UUID
Cell = ColumnElement[str] | InstrumentedAttribute[str] | str
NEEDED = "a reviewer of the bureau that answers for all that was let in here"


def let_in(vendor_id: Named, cell: Cell) -> Select[UUID]:
    """Select the bureaus that let something of a vendor's in, in a cell."""
    return (
        select(Admission.bureau_id)
        .join(Version, Version.id == Admission.version_id)
        .join(Resource, Resource.id == Version.resource_id)
        .where(
            Resource.vendor_id == vendor_id,
            Version.stage + "/" + Version.subject + "/" + Version.type == cell,
            Admission.state == AdmissionState.ADMITTED,
        )
    )


def answers_for(unit: Unit, vendor_id: UUID, *, cell: str) -> bool:
    """Return whether the acting bureau, or bureaus below it, let in all of a vendor's in a cell."""
    found = let_in(vendor_id, cell).distinct().subquery()
    bureaus, below = unit.session.execute(
        select(
            func.count(distinct(found.c.bureau_id)),
            func.count(distinct(found.c.bureau_id)).filter(
                found.c.bureau_id.in_(answered_for(unit))
            ),
        )
    ).one()
    return bureaus == below if bureaus else not _has_bureau_above(unit)


def require_answer_for(unit: Unit, standing: Standing, act: str) -> None:
    """Raise `Refused` unless the acting bureau answers for a standing."""
    if not answers_for(unit, standing.vendor_id, cell=standing.cell):
        raise Refused(act=act, needs=NEEDED, actor=unit.actor.name)


def _has_bureau_above(unit: Unit) -> bool:
    above = exists().where(
        RegionClosure.region_code == unit.actor.region_code,
        RegionClosure.distance > 0,
        Organisation.region_code == RegionClosure.ancestor_code,
        Organisation.kind == OrganisationKind.BUREAU,
    )
    return bool(unit.session.scalar(select(above)))
