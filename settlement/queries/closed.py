"""What a reader is told of a resource, or an agreement, whose vendor takes no new schools (R44)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

from sqlalchemy import ARRAY, Text, cast, func, select, true
from sqlalchemy.orm import aliased

from kernel.actors import OrganisationKind
from kernel.arrays import UuidArray
from kernel.clock import shanghai_day
from kernel.i18n import msgid
from kernel.identity.models import Organisation
from kernel.unit import Unit
from settlement.agreement_states import RUNNING
from settlement.models import Agreement
from settlement.queries.statements import visible_payers
from settlement.ranking.effects import CLOSING, RESTRICTED, openness_of
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
GRAVITY: Final = tuple(CONSEQUENCES)


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


def closed_among(unit: Unit, version_ids: Collection[UUID]) -> dict[UUID, str]:
    """Return of these versions the standing of those whose vendor takes no new schools, or nobody.

    One statement for a page of a list. Of a pack the standing that closes most.
    """
    if not version_ids:
        return {}
    rows = unit.session.execute(RESTRICTED, {"versions": UuidArray.of(sorted(set(version_ids)))})
    found: dict[UUID, str] = {}
    for row in rows:
        found[row.version_id] = max(
            row.state, found.get(row.version_id, row.state), key=GRAVITY.index
        )
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class ClosedAgreement:
    """A running agreement with a vendor that takes no new schools, or nobody, in a cell of it."""

    number: str
    title: str
    vendor_name: str
    ends_on: date
    closed: Closed

    @property
    def may_go_on(self) -> bool:
        """Whether schools that use it may agree on another term."""
        return self.closed.state == VendorStanding.NO_NEW_SCHOOLS


def closed_agreements(unit: Unit, payer_code: str) -> list[ClosedAgreement]:
    """Return a visible payer's running agreements on what is closed to new schools, or to all.

    Those that nobody may renew first; of an agreement on several cells the one that closes most.
    """
    vendor = aliased(Organisation)
    payers = visible_payers(unit).where(Organisation.code == payer_code)
    rows = unit.session.execute(
        select(
            Agreement.number,
            Agreement.terms["title"].astext,
            vendor.name,
            Agreement.ends_on,
            CLOSING.c.cell,
            CLOSING.c.state,
        )
        .join(vendor, vendor.id == Agreement.vendor_id)
        .join(CLOSING, true())
        .where(
            Agreement.payer_id.in_(payers),
            Agreement.state.in_(RUNNING),
            Agreement.ends_on >= shanghai_day(unit.clock.now()),
        )
        .order_by(func.array_position(cast(list(GRAVITY), ARRAY(Text)), CLOSING.c.state).desc())
        .order_by(Agreement.ends_on, Agreement.number, CLOSING.c.cell)
    )
    found: dict[str, ClosedAgreement] = {}
    for number, title, vendor_name, ends_on, cell, state in rows:
        one = ClosedAgreement(
            number=number,
            title=title,
            vendor_name=vendor_name,
            ends_on=ends_on,
            closed=Closed(cell, state),
        )
        found.setdefault(number, one)
    return sorted(found.values(), key=lambda one: (one.may_go_on, one.ends_on, one.number))


def closed_cells(unit: Unit, vendor: str) -> tuple[Closed, ...]:
    """Return the cells in which a vendor (its code) takes no new schools, or nobody."""
    rows = unit.session.execute(
        select(Standing.cell, Standing.state)
        .join(Organisation, Organisation.id == Standing.vendor_id)
        .where(Organisation.code == vendor, Standing.state.in_(list(CONSEQUENCES)))
        .order_by(Standing.cell)
    )
    return tuple(Closed(cell, state) for cell, state in rows)
