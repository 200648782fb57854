"""Requests about an agreement: another ceiling, or the same resource for another term.

Both ask for signatures like any purchase, by the table of today. A raise asks for those of the
ceiling that the agreement would then have, so that no purchase is cut into raises below a
threshold; a lower ceiling for those of what goes. A renewal is a selection of its own at the offer
of its first day, which says what it renews.
"""

from collections.abc import Mapping
from datetime import date

from sqlalchemy import insert, select

from catalog.models import Resource, Version
from kernel.clock import shanghai_day
from kernel.errors import AlreadyExists, InvalidInput, NotFound
from kernel.identity.models import Organisation
from kernel.identity.recording import FieldError, lock_recording, require_text
from kernel.ids import SelectionId, new_id
from kernel.money import plain_yuan
from kernel.trail import record
from kernel.unit import Unit
from procurement.bulk_users import users_of_agreements
from procurement.models import ApprovalStep, Selection
from procurement.purses import parts_of
from procurement.requests import (
    Wanted,
    next_reference,
    request_basket,
    require_buyer,
    require_requester,
)
from procurement.selection_facts import gather_facts_of
from procurement.selection_steps import needed_steps, step_rows
from procurement.selection_terms import amount_to_commit, amount_to_sign
from procurement.states import CHANGES, SelectionKind, SelectionState
from settlement.agreement_changes import require_running
from settlement.models import Agreement
from settlement.remaining import agreement_states


def own_agreement(unit: Unit, number: str) -> Agreement:
    """Return an agreement of the actor's own school, or raise `NotFound`."""
    found = unit.session.scalars(
        select(Agreement).where(
            Agreement.number == number, Agreement.payer_id == unit.actor.organisation_id
        )
    ).one_or_none()
    if found is None:
        raise NotFound(what="agreement", key=number)
    return found


def ceilings_of(unit: Unit, agreement: Agreement) -> dict[int, int]:
    """Return an agreement's ceilings by the fiscal years of its days, in fen."""
    state = agreement_states(unit, [agreement.id])[agreement.id]
    years = range(agreement.starts_on.year, agreement.ends_on.year + 1)
    return {year: state.ceiling_in(year) for year in years}


def request_ceiling(
    unit: Unit, number: str, *, ceilings: Mapping[int, int], reason: str
) -> SelectionId:
    """Request other ceilings for an agreement's fiscal years; all go up, or all go down.

    Raises `NotFound`, `Conflict` for one that is over, `InvalidInput` for a ceiling that says
    nothing new or is for a year that is past, `AlreadyExists` if such a request is under way.
    """
    requested_by = require_buyer(unit)
    lock_recording(unit)
    agreement = own_agreement(unit, number)
    require_running(agreement, wanted="changed")
    if amount_to_commit(agreement.terms, 1) == 0:
        raise InvalidInput(field="ceiling", value=number, expected="an agreement that costs money")
    _require_none_under_way(unit, agreement)
    by_year = _differences(unit, agreement, ceilings)
    kind = SelectionKind.RAISE if sum(by_year.values()) > 0 else SelectionKind.LOWER
    first_year = agreement.starts_on.year
    later_fen = sum(abs(fen) for year, fen in by_year.items() if year != first_year)
    ceiling_fen = sum(abs(fen) for fen in by_year.values())
    try:
        reason = require_text(reason, field="reason")
    except FieldError as error:
        raise error.error from None
    selection_id = SelectionId(new_id())
    reference = next_reference(unit)
    _write(
        unit,
        Selection(
            id=selection_id,
            school_id=agreement.payer_id,
            reference=reference,
            resource_id=agreement.resource_id,
            version_id=agreement.version_id,
            terms=agreement.terms,
            ceiling_fen=ceiling_fen,
            later_fen=later_fen,
            starts_on=agreement.starts_on,
            ends_on=agreement.ends_on,
            reason=reason,
            requested_by=requested_by,
            requested_at=unit.clock.now(),
            recorded_by=requested_by,
            state=SelectionState.REQUESTED,
            kind=kind,
            basket="",
            of_agreement_id=agreement.id,
        ),
        signed_fen=amount_to_sign(kind, ceiling_fen, agreement),
    )
    return selection_id


def request_renewal(
    unit: Unit,
    number: str,
    *,
    starts_on: date,
    ends_on: date,
    ceiling_fen: int,
    reason: str,
    later_fen: int | None = None,
) -> SelectionId:
    """Request an agreement's resource for another term, at the offer that is then in force.

    The new term begins after the old one's last day. Raises as `request_basket`, and `NotFound`.
    """
    require_requester(unit)
    agreement = own_agreement(unit, number)
    if starts_on <= agreement.ends_on:
        raise InvalidInput(
            field="starts_on",
            value=starts_on,
            expected="a day after {last}, the last of the agreement",
            limits={"last": agreement.ends_on},
        )
    vendor_code, sku = unit.session.execute(
        select(Organisation.code, Resource.sku)
        .join(Resource, Resource.vendor_id == Organisation.id)
        .where(Resource.id == agreement.resource_id)
    ).one()
    wanted = Wanted(
        vendor_code=vendor_code,
        sku=sku,
        starts_on=starts_on,
        ends_on=ends_on,
        ceiling_fen=ceiling_fen,
        later_fen=later_fen,
        reason=reason,
    )
    return request_basket(unit, [wanted], of_agreement=agreement)[0]


def _require_none_under_way(unit: Unit, agreement: Agreement) -> None:
    found = unit.session.scalars(
        select(Selection.reference).where(
            Selection.of_agreement_id == agreement.id,
            Selection.kind.in_(CHANGES),
            Selection.state == SelectionState.REQUESTED,
        )
    ).first()
    if found is not None:
        raise AlreadyExists(what="selection", key=found)


def _differences(unit: Unit, agreement: Agreement, ceilings: Mapping[int, int]) -> dict[int, int]:
    """Return by how much each year's ceiling would change, without those that stay."""
    known = ceilings_of(unit, agreement)
    this_year = shanghai_day(unit.clock.now()).year
    found: dict[int, int] = {}
    for year, ceiling_fen in sorted(ceilings.items()):
        if year not in known:
            expected = ", ".join(str(one) for one in known)
            raise InvalidInput(field="fiscal_year", value=year, expected=expected)
        if ceiling_fen < 0:
            raise InvalidInput(
                field=f"ceiling_{year}", value=plain_yuan(ceiling_fen), expected="0.00 or more"
            )
        if ceiling_fen != known[year]:
            if year < this_year:
                raise InvalidInput(
                    field=f"ceiling_{year}",
                    value=plain_yuan(ceiling_fen),
                    expected="{ceiling}: the year is over",
                    limits={"ceiling": plain_yuan(known[year])},
                )
            found[year] = ceiling_fen - known[year]
    if not found or min(found.values()) < 0 < max(found.values()):
        raise InvalidInput(
            field=f"ceiling_{min(known)}",
            value=", ".join(plain_yuan(fen) for fen in ceilings.values()),
            expected="another ceiling; of two years both higher or both lower",
        )
    return found


def _write(unit: Unit, selection: Selection, *, signed_fen: int) -> None:
    """Write a request for another ceiling with the signatures that `signed_fen` asks for."""
    school = unit.session.get_one(Organisation, selection.school_id)
    version = unit.session.get_one(Version, selection.version_id)
    facts = gather_facts_of(unit, school)
    parts = parts_of(
        starts_on=selection.starts_on,
        ends_on=selection.ends_on,
        ceiling_fen=selection.ceiling_fen,
        later_fen=selection.later_fen,
    )
    assert selection.of_agreement_id is not None  # it changes one
    bought = users_of_agreements(unit, [selection.of_agreement_id])
    users = bought.get(selection.of_agreement_id, frozenset())
    try:
        steps = needed_steps(
            facts, school, version, amount_fen=signed_fen, parts=parts, users=users
        )
        rows = step_rows(steps, facts, selection_id=SelectionId(selection.id), school=school)
    except FieldError as error:
        raise error.error from None
    unit.session.add(selection)
    unit.session.flush()
    unit.session.execute(insert(ApprovalStep), rows)
    record(
        unit,
        "selection.requested",
        subject_kind="selection",
        subject_id=selection.id,
        school=school.code,
        reference=selection.reference,
        kind=selection.kind,
        agreement=str(selection.of_agreement_id),
        ceiling_fen=selection.ceiling_fen,
        later_fen=selection.later_fen,
        requested_by=str(selection.requested_by),
    )
