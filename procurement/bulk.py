"""Bulk purchase: a bureau buys a resource for many schools out of its own lines (R24).

Decides what a bulk purchase must satisfy: whom it is for, ceilings of each and in all. It is a
selection whose payer is the bureau, signed by the bureau's own table (thresholds of the kind
`bulk`); the last signature opens one agreement, as for a school. Schools go on choosing for
themselves beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from uuid import UUID

from sqlalchemy import insert, select

from catalog.models import Resource
from catalog.plans import is_free
from kernel.actors import OrganisationKind, Role
from kernel.errors import (
    AlreadyExists,
    InvalidInput,
    MarketError,
    MissingValue,
    NotFound,
    Refused,
)
from kernel.identity.models import Organisation
from kernel.identity.recording import FieldError, among, lock_recording
from kernel.identity.visibility import visible_organisations
from kernel.ids import PersonId, SelectionId
from kernel.money import plain_yuan
from kernel.outcomes import ACCEPTED, DUPLICATE, RowOutcome, conflicting
from kernel.unit import Unit
from procurement.approval_rules import approval_rules_in_force
from procurement.bulk_users import home_codes
from procurement.models import Selection, SelectionSchool
from procurement.policy import BULK
from procurement.request_previews import ItemPreview, item_preview
from procurement.requests import BUYING_ROLES, next_reference, require_buyer
from procurement.selection_facts import Facts, SelectionKey, SelectionRow, gather_facts
from procurement.selection_steps import needed_steps
from procurement.selections import Request, judge_row, write_requests
from procurement.states import SelectionKind
from procurement.waiting_years import purse_to_plan


@dataclass(frozen=True, kw_only=True, slots=True)
class BulkWanted:
    """What a bureau wants to buy; `ceilings` by the code of school or teaching point, in fen.

    `later_fen`: the part of `ceiling_fen` for use from 1 January on; needed if the days cross it.
    """

    vendor_code: str
    sku: str
    starts_on: date
    ends_on: date
    ceiling_fen: int
    reason: str
    ceilings: Mapping[str, int]
    later_fen: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class BulkPreview:
    """What requesting a bulk purchase would mean, or the error that stands against it."""

    item: ItemPreview
    amount_fen: int = 0
    places: int = 0
    school_ceilings_fen: int = 0
    signers: Sequence[Role] = field(default_factory=tuple)


@dataclass(frozen=True, kw_only=True, slots=True)
class BulkRow:
    """One row of a list of bulk purchases: a school, and the bulk purchase that it belongs to."""

    reference: str
    vendor_code: str
    sku: str
    starts_on: date
    ends_on: date
    ceiling_fen: int
    reason: str
    school_code: str
    school_ceiling_fen: int
    later_fen: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Judged:
    """A bulk purchase that may be written, with whom it is for."""

    facts: Facts
    request: Request
    places: Mapping[UUID, int]


def request_bulk(unit: Unit, wanted: BulkWanted) -> SelectionId:
    """Request a bulk purchase of the actor's bureau under its next reference.

    Raises what a request raises (`NotListed`, `NoOffer`, `CrossesFiscalYear` …), `NoRule` if no
    table says who signs bulk purchases, `NotFound` for a school outside the bureau's subtree, and
    `InvalidInput` naming the field.
    """
    requested_by = _buyer(unit)
    lock_recording(unit)
    try:
        judged = _judge(unit, wanted, reference=next_reference(unit), requested_by=requested_by)
    except FieldError as error:
        raise error.error from None
    return _write(unit, judged)


def preview_bulk(unit: Unit, wanted: BulkWanted) -> BulkPreview:
    """Return what requesting a bulk purchase would mean; nothing is written."""
    requested_by = _buyer(unit)
    try:
        judged = _judge(unit, wanted, reference="preview", requested_by=requested_by)
    except FieldError as error:
        return BulkPreview(item=ItemPreview(error=error.error))
    request, facts = judged.request, judged.facts
    steps = needed_steps(
        facts,
        request.school,
        request.version,
        amount_fen=request.amount_fen,
        parts=request.parts,
        users=request.users,
    )
    return BulkPreview(
        item=item_preview(request, facts.purse),
        amount_fen=request.amount_fen,
        places=len(judged.places),
        school_ceilings_fen=sum(judged.places.values()),
        signers=list(dict.fromkeys(step.role for step in steps)),
    )


def record_bulk(unit: Unit, rows: Sequence[BulkRow]) -> list[RowOutcome]:
    """Record bulk purchases from a list, one for each reference; return each row's fate.

    The actor is who requests them. A bureau's reference is the identity: the same content again is
    a duplicate, another one a conflict. What is wrong with a bulk purchase stands at its first row,
    what is wrong with a school at its own.
    """
    requested_by = _buyer(unit)
    lock_recording(unit)
    outcomes: dict[int, RowOutcome] = {}
    for positions in _by_reference(rows).values():
        group = [rows[position] for position in positions]
        first = positions[0]
        wrong = _wrong_rows(unit, group)
        outcomes |= {positions[place]: outcome for place, outcome in wrong.items()}
        if wrong:
            continue
        try:
            outcome = _record_one(unit, group, requested_by=requested_by)
        except FieldError as error:
            outcomes[first] = error.outcome
            continue
        outcomes |= dict.fromkeys(positions, outcome)
    # What is right in a bulk purchase that is not has nothing against it; the file is refused.
    return [outcomes.get(position, ACCEPTED) for position in range(len(rows))]


def schools_bought_for(unit: Unit, selection_id: UUID) -> list[tuple[Organisation, int]]:
    """Return for whom a bulk purchase is, by code, with their own ceilings in fen.

    The caller has found the selection as the actor may see it.
    """
    rows = unit.session.execute(
        select(Organisation, SelectionSchool.ceiling_fen)
        .join(SelectionSchool, SelectionSchool.school_id == Organisation.id)
        .where(SelectionSchool.selection_id == selection_id)
        .order_by(Organisation.code)
    )
    return [(school, fen) for school, fen in rows]


def _buyer(unit: Unit) -> PersonId:
    """Return who buys: a person of a bureau's finance."""
    act = "request a bulk purchase"
    unit.actor.require(act, *BUYING_ROLES)
    if unit.actor.organisation_kind is not OrganisationKind.BUREAU:
        raise Refused(act=act, needs="a person of the bureau", actor=unit.actor.name)
    return require_buyer(unit)


def _judge(unit: Unit, wanted: BulkWanted, *, reference: str, requested_by: PersonId) -> _Judged:
    places = _places(unit, wanted)
    row = _row(unit, wanted, reference=reference)
    facts = _facts(unit, row)
    fresh: dict[SelectionKey, Request] = {}
    outcome = judge_row(row, facts, requested_by=requested_by, fresh=fresh, settings=unit.settings)
    if outcome.error is not None:
        raise FieldError(outcome.error, field=outcome.field)
    [request] = fresh.values()
    if is_free(request.terms):
        costs = InvalidInput(field="sku", value=wanted.sku, expected="a resource that costs money")
        raise FieldError(costs, field="sku")
    users = home_codes(unit, places)
    bought = replace(request, terms={**request.terms, "kind": BULK}, users=users)
    return _Judged(facts=facts, request=bought, places=places)


def _places(unit: Unit, wanted: BulkWanted) -> dict[UUID, int]:
    """Return whom it is for by id; raise `FieldError` for a place or a ceiling that can't be."""
    if not wanted.ceilings:
        raise FieldError(MissingValue(field="schools"), field="school_code")
    known = _visible(unit, list(wanted.ceilings))
    for code, fen in wanted.ceilings.items():
        if code not in known:
            raise FieldError(NotFound(what="school", key=code), field="school_code")
        _require_ceiling(code, fen, most_fen=wanted.ceiling_fen)
    together = sum(wanted.ceilings.values())
    if together < wanted.ceiling_fen:
        raise FieldError(
            InvalidInput(
                field="ceiling_yuan",
                value=plain_yuan(wanted.ceiling_fen),
                expected="at most {together}, what the schools may use together",
                limits={"together": plain_yuan(together)},
            ),
            field="ceiling_yuan",
        )
    return {known[code]: fen for code, fen in wanted.ceilings.items()}


def _visible(unit: Unit, codes: Sequence[str]) -> dict[str, UUID]:
    return {
        school.code: school.id
        for school in unit.session.scalars(
            visible_organisations(unit, OrganisationKind.SCHOOL).where(
                among(Organisation.code, codes)
            )
        )
    }


def _require_ceiling(code: str, fen: int, *, most_fen: int) -> None:
    if not 0 < fen <= most_fen:
        raise FieldError(
            InvalidInput(
                field="school_ceiling_yuan",
                value=f"{plain_yuan(fen)} ({code})" if fen >= 0 else f"{fen} fen ({code})",
                expected="0.01 – {most}, the ceiling of all together",
                limits={"most": plain_yuan(most_fen)},
            ),
            field="school_ceiling_yuan",
        )


def _row(unit: Unit, wanted: BulkWanted, *, reference: str) -> SelectionRow:
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
    )


def _facts(unit: Unit, row: SelectionRow) -> Facts:
    """Return what the request refers to, with the actor's bureau as the one who pays."""
    facts = gather_facts(unit, [row])
    bureau = unit.session.get_one(Organisation, unit.actor.organisation_id)
    recorded = unit.session.scalars(
        select(Selection).where(
            Selection.school_id == bureau.id, Selection.reference == row.reference
        )
    )
    region = bureau.region_code
    return replace(
        facts,
        schools={bureau.code: bureau},
        rules=approval_rules_in_force(unit, [region], day=facts.today),
        bureaus={region: bureau.id},
        recorded={(one.school_id, one.reference): one for one in recorded},
        purse=purse_to_plan(unit, [bureau.id]),
    )


def _write(unit: Unit, judged: _Judged) -> SelectionId:
    write_requests(unit, [judged.request], judged.facts, bulk=True)
    unit.session.execute(
        insert(SelectionSchool),
        [
            {"selection_id": judged.request.id, "school_id": school_id, "ceiling_fen": fen}
            for school_id, fen in judged.places.items()
        ],
    )
    return judged.request.id


def _by_reference(rows: Sequence[BulkRow]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for position, row in enumerate(rows):
        groups.setdefault(row.reference, []).append(position)
    return groups


def _wrong_rows(unit: Unit, group: Sequence[BulkRow]) -> dict[int, RowOutcome]:
    """Return what is wrong with single rows of a bulk purchase, by their place in it."""
    known = _visible(unit, [row.school_code for row in group])
    seen: set[str] = set()
    found: dict[int, RowOutcome] = {}
    for place, row in enumerate(group):
        try:
            if _purchase(row) != _purchase(group[0]):
                raise FieldError(
                    InvalidInput(
                        field="reference",
                        value=row.reference,
                        expected="the same resource, days, ceiling and reason in all its rows",
                    ),
                    field="reference",
                )
            if row.school_code not in known:
                missing = NotFound(what="school", key=row.school_code)
                raise FieldError(missing, field="school_code")
            if row.school_code in seen:
                raise FieldError(
                    InvalidInput(
                        field="school_code", value=row.school_code, expected="each school once"
                    ),
                    field="school_code",
                )
            _require_ceiling(row.school_code, row.school_ceiling_fen, most_fen=row.ceiling_fen)
        except FieldError as error:
            found[place] = error.outcome
        seen.add(row.school_code)
    return found


def _purchase(row: BulkRow) -> tuple[object, ...]:
    return (
        *(row.vendor_code, row.sku, row.starts_on, row.ends_on),
        *(row.ceiling_fen, row.later_fen or 0, row.reason),
    )


def _record_one(unit: Unit, group: Sequence[BulkRow], *, requested_by: PersonId) -> RowOutcome:
    first = group[0]
    ceilings = {row.school_code: row.school_ceiling_fen for row in group}
    known = unit.session.scalars(
        select(Selection).where(
            Selection.school_id == unit.actor.organisation_id,
            Selection.reference == first.reference,
        )
    ).one_or_none()
    if known is not None:
        same = _is_same(unit, known, first, ceilings, requested_by=requested_by)
        taken: MarketError = AlreadyExists(what="selection", key=first.reference)
        return DUPLICATE if same else conflicting(taken, field="reference")
    wanted = BulkWanted(
        vendor_code=first.vendor_code,
        sku=first.sku,
        starts_on=first.starts_on,
        ends_on=first.ends_on,
        ceiling_fen=first.ceiling_fen,
        later_fen=first.later_fen,
        reason=first.reason,
        ceilings=ceilings,
    )
    _write(unit, _judge(unit, wanted, reference=first.reference, requested_by=requested_by))
    return ACCEPTED


def _is_same(
    unit: Unit,
    known: Selection,
    first: BulkRow,
    ceilings: Mapping[str, int],
    *,
    requested_by: PersonId,
) -> bool:
    recorded = {school.code: fen for school, fen in schools_bought_for(unit, known.id)}
    vendor_code = unit.session.scalar(
        select(Organisation.code)
        .join(Resource, Resource.vendor_id == Organisation.id)
        .where(Resource.id == known.resource_id)
    )
    return (
        known.kind == SelectionKind.BULK
        and recorded == ceilings
        and known.requested_by == requested_by
        and _purchase(first)
        == (
            *(vendor_code, known.terms["sku"], known.starts_on, known.ends_on),
            *(known.ceiling_fen, known.later_fen, known.reason),
        )
    )
