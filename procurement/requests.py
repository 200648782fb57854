"""Requests: what a person asks for their own school, one resource or several together (R21).

Decides under which reference a request goes. What must hold of it is `selections`'.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import count
from typing import Final

from sqlalchemy import select

from kernel.actors import ROLES_OF, OrganisationKind, Role
from kernel.clock import shanghai_day
from kernel.errors import InvalidInput, MarketError, MissingValue, Refused
from kernel.identity.recording import FieldError, lock_recording
from kernel.ids import OrganisationId, PersonId, SelectionId
from kernel.outcomes import Fate, RowOutcome
from kernel.settings import Settings
from kernel.unit import Unit
from procurement.models import Selection
from procurement.selection_facts import Facts, SelectionKey, SelectionRow, gather_facts
from procurement.selections import Request, judge_row, write_requests
from settlement.models import Agreement

REQUESTING_ROLES: Final = ROLES_OF[OrganisationKind.SCHOOL] - {Role.LEARNER}
BUYING_ROLES: Final = frozenset({Role.BUREAU_FINANCE})


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What a person requests for their own school; see `SelectionRow`."""

    vendor_code: str
    sku: str
    starts_on: date
    ends_on: date
    ceiling_fen: int
    reason: str
    later_fen: int | None = None
    trial: bool = False


def request_selection(unit: Unit, wanted: Wanted, *, reference: str) -> SelectionId:
    """Request a resource for the actor's own school; the actor is who requests it.

    Raises `NotListed`, `NoOffer`, `BasicIsFree`, `CrossesFiscalYear`, `NoRule`, `TrialUsed`,
    `InvalidInput`, or `AlreadyExists` for a reference that the school has used for something else.
    The same request again returns the selection that is there.
    """
    actor = require_requester(unit)
    lock_recording(unit)
    row = row_of(unit, wanted, reference=reference)
    facts = gather_facts(unit, [row])
    fresh: dict[SelectionKey, Request] = {}
    outcome = _judged(row, facts, requested_by=actor, fresh=fresh, settings=unit.settings)
    if outcome.fate is Fate.DUPLICATE:
        return SelectionId(facts.recorded[(_own_school(unit), reference)].id)
    write_requests(unit, fresh.values(), facts)
    return next(iter(fresh.values())).id


def request_basket(
    unit: Unit, wanted: Sequence[Wanted], *, of_agreement: Agreement | None = None
) -> list[SelectionId]:
    """Request several resources together, under references of the next number of the school.

    All or none; the errors are those of `request_selection`, with `item` (from 1) beside their
    facts. `of_agreement`: the one that a single request renews.
    """
    actor = require_requester(unit)
    if not wanted:
        raise MissingValue(field="items")
    _require_each_once(wanted)
    lock_recording(unit)
    basket = next_reference(unit)
    single = len(wanted) == 1
    rows = [
        row_of(unit, one, reference=basket if single else f"{basket}-{number}")
        for number, one in enumerate(wanted, start=1)
    ]
    facts = gather_facts(unit, rows)
    fresh: dict[SelectionKey, Request] = {}
    for number, row in enumerate(rows, start=1):
        try:
            _judged(row, facts, requested_by=actor, fresh=fresh, settings=unit.settings)
        except MarketError as error:
            error.facts["item"] = number
            raise
    write_requests(unit, fresh.values(), facts, basket=basket, of_agreement=of_agreement)
    return [request.id for request in fresh.values()]


def _require_each_once(wanted: Sequence[Wanted]) -> None:
    seen: set[tuple[str, str]] = set()
    for number, one in enumerate(wanted, start=1):
        if (one.vendor_code, one.sku) in seen:
            raise InvalidInput(
                field="sku", value=one.sku, expected="each resource once in a request", item=number
            )
        seen.add((one.vendor_code, one.sku))


def require_requester(unit: Unit) -> PersonId:
    """Return the person of a school who requests; raise `Refused` for others."""
    actor = unit.actor
    actor.require("request a selection", *REQUESTING_ROLES)
    if actor.person_id is None or actor.organisation_id is None:
        raise Refused(act="request a selection", needs="a person of the school", actor=actor.name)
    return actor.person_id


def require_buyer(unit: Unit) -> PersonId:
    """Return who requests for their own organisation: a school, or a bureau that buys."""
    actor = unit.actor
    if actor.organisation_kind is not OrganisationKind.BUREAU:
        return require_requester(unit)
    actor.require("request a bulk purchase", *BUYING_ROLES)
    if actor.person_id is None:
        raise Refused(act="request a bulk purchase", needs="a person", actor=actor.name)
    return actor.person_id


def next_reference(unit: Unit) -> str:
    """Return the next reference of the actor's school; recording is locked."""
    year = shanghai_day(unit.clock.now()).year
    known = set(
        unit.session.scalars(
            select(Selection.basket).where(
                Selection.school_id == _own_school(unit), Selection.basket != ""
            )
        )
    ) | set(
        unit.session.scalars(
            select(Selection.reference).where(Selection.school_id == _own_school(unit))
        )
    )
    return next(
        reference for number in count(1) if (reference := f"{year}-{number:04d}") not in known
    )


def _own_school(unit: Unit) -> OrganisationId:
    if unit.actor.organisation_id is None:
        raise Refused(act="request a selection", needs="a school", actor=unit.actor.name)
    return unit.actor.organisation_id


def row_of(unit: Unit, wanted: Wanted, *, reference: str) -> SelectionRow:
    """Return the row of what is wanted for the actor's own school."""
    return SelectionRow(
        reference=reference,
        school_code=unit.actor.organisation_code,
        vendor_code=wanted.vendor_code,
        sku=wanted.sku,
        starts_on=wanted.starts_on,
        ends_on=wanted.ends_on,
        ceiling_fen=wanted.ceiling_fen,
        later_fen=wanted.later_fen,
        reason=wanted.reason,
        requested_by="",
        trial=wanted.trial,
    )


def _judged(
    row: SelectionRow,
    facts: Facts,
    *,
    requested_by: PersonId,
    fresh: dict[SelectionKey, Request],
    settings: Settings,
) -> RowOutcome:
    """Return one's own row's fate; what stands against it is raised."""
    try:
        outcome = judge_row(row, facts, requested_by=requested_by, fresh=fresh, settings=settings)
    except FieldError as error:
        raise error.error from None
    if outcome.error is not None:
        raise outcome.error
    return outcome
