"""What a reader is told of a resource whose vendor takes no new schools, or nobody (R44)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import select

from kernel.actors import OrganisationKind
from kernel.i18n import msgid
from kernel.identity.models import Organisation
from kernel.unit import Unit
from settlement.ranking.effects import openness_of
from settlement.ranking.models import Standing
from settlement.ranking.standing_states import VendorStanding

CONSEQUENCES: Final[Mapping[str, str]] = {
    VendorStanding.NO_NEW_SCHOOLS: msgid(
        "No new school may choose it. Schools that use it already may go on, for another term too."
    ),
    VendorStanding.EXITING: msgid(
        "The vendor is leaving: nothing is agreed or renewed any more. What runs goes on to its"
        " end."
    ),
    VendorStanding.LEFT: msgid("The vendor has left: nothing is agreed any more."),
}
"""What follows for schools, by the standing of a vendor in a cell."""


@dataclass(frozen=True, slots=True)
class Closed:
    """A cell that is closed to new schools, or to everybody; `words` say what follows."""

    cell: str
    state: str

    @property
    def words(self) -> str:
        return CONSEQUENCES[self.state]


@dataclass(frozen=True, kw_only=True, slots=True)
class Openings:
    """What of a version is closed, and whether the reader's school gets no agreement on it."""

    closed: tuple[Closed, ...] = ()
    is_refused: bool = False


def openings_of(unit: Unit, version_id: UUID) -> Openings:
    """Return what a version's page says of who may choose it."""
    school_id = unit.actor.organisation_id
    is_school = unit.actor.organisation_kind is OrganisationKind.SCHOOL
    places = [school_id] if is_school and school_id is not None else []
    known = openness_of(unit, [version_id], places=places)
    closed = [Closed(one.cell, one.state.value) for one in known.restricted.get(version_id, ())]
    return Openings(
        closed=tuple(dict.fromkeys(closed)),  # of a pack several parts may be of one cell
        is_refused=bool(places) and known.refusal(version_id, places) is not None,
    )


def closed_cells(unit: Unit, vendor: str) -> tuple[Closed, ...]:
    """Return the cells in which a vendor (its code) takes no new schools, or nobody."""
    rows = unit.session.execute(
        select(Standing.cell, Standing.state)
        .join(Organisation, Organisation.id == Standing.vendor_id)
        .where(Organisation.code == vendor, Standing.state.in_(list(CONSEQUENCES)))
        .order_by(Standing.cell)
    )
    return tuple(Closed(cell, state) for cell, state in rows)
