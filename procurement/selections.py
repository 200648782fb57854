"""Selections: a school's requests to use listed resources, each up to a ceiling (R21).

Decides what a request must satisfy and whose signatures it waits for. The offer in force on the
first day is copied into the selection's terms, together with the installation's rates. Signing and
the commitment of money are `approvals`.

Several that are requested together are selections of their own under one basket: each may be
approved, returned or refused by itself, and all together decide who signs. One that crosses 1
January says how much of its ceiling is for either fiscal year (R19). How a person requests is
`requests`'.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import insert

from catalog.kinds import ResourceKind
from catalog.models import Resource, Version
from catalog.plans import is_free
from kernel.actors import Role
from kernel.errors import (
    AlreadyExists,
    BasicIsFree,
    CrossesFiscalYear,
    InvalidInput,
    NoOffer,
    NotFound,
    NotListed,
    TrialUsed,
)
from kernel.identity.grants import PersonView
from kernel.identity.models import Organisation
from kernel.identity.people import persons_by_no
from kernel.identity.recording import FieldError, lock_recording, require_text
from kernel.ids import OrganisationId, PersonId, ResourceId, SelectionId, VersionId, new_id
from kernel.money import plain_yuan
from kernel.outcomes import ACCEPTED, DUPLICATE, RowOutcome, conflicting
from kernel.settings import Settings
from kernel.trail import record
from kernel.unit import Unit
from procurement.bulk_users import Users
from procurement.models import ApprovalStep, Selection
from procurement.purses import Part, parts_of
from procurement.selection_facts import Facts, SelectionKey, SelectionRow, gather_facts
from procurement.selection_steps import needed_steps, step_rows
from procurement.selection_terms import amount_to_commit, terms_of
from procurement.states import SelectionKind, SelectionState
from settlement.models import Agreement

SELECTION_RECORDERS: Final = (Role.OPERATOR, Role.BUREAU_FINANCE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """A selection that may be written, and what its signatures depend on.

    `users`: for whom a bureau buys.
    """

    id: SelectionId
    row: SelectionRow
    school: Organisation
    resource_id: ResourceId
    version: Version
    terms: dict[str, Any]
    requested_by: PersonId
    users: Users = frozenset()

    @property
    def amount_fen(self) -> int:
        return amount_to_commit(self.terms, self.row.ceiling_fen)

    @property
    def parts(self) -> list[Part]:
        return parts_of(
            starts_on=self.row.starts_on,
            ends_on=self.row.ends_on,
            ceiling_fen=self.amount_fen,
            later_fen=amount_to_commit(self.terms, self.row.later_fen or 0),
        )


def record_selections(unit: Unit, rows: Sequence[SelectionRow]) -> list[RowOutcome]:
    """Record selections as requested by the people they name; return each row's fate, in order.

    A school's own reference is the identity: the same content again is a duplicate, another one a
    conflict.
    """
    unit.actor.require("record selections", *SELECTION_RECORDERS)
    lock_recording(unit)
    facts = gather_facts(unit, rows)
    people = persons_by_no(unit, {row.requested_by for row in rows})
    fresh: dict[SelectionKey, Request] = {}
    outcomes: list[RowOutcome] = []
    for row in rows:
        try:
            requested_by = _requester(row, facts, people)
            outcomes.append(
                judge_row(
                    row, facts, requested_by=requested_by, fresh=fresh, settings=unit.settings
                )
            )
        except FieldError as error:
            outcomes.append(error.outcome)
    write_requests(unit, fresh.values(), facts)
    return outcomes


def _requester(row: SelectionRow, facts: Facts, people: Mapping[str, PersonView]) -> PersonId:
    """Return who requests; they must hold a role in the row's school."""
    school = facts.school(row)
    person = people.get(row.requested_by)
    if person is None or person.organisation_id != school.id or not person.roles:
        # A person number is not repeated in an error, which may be logged.
        raise FieldError(
            InvalidInput(
                value="…", field="requested_by", expected="a person with a role in the school"
            ),
            field="requested_by",
        )
    return person.id


def judge_row(
    row: SelectionRow,
    facts: Facts,
    *,
    requested_by: PersonId,
    fresh: dict[SelectionKey, Request],
    settings: Settings,
) -> RowOutcome:
    """Return one row's fate; an accepted one is put into `fresh`. Raises `FieldError`.

    What is recorded already is recognised before anything else is asked: a resource may have been
    withdrawn or priced anew since.
    """
    school = facts.school(row)
    resource = facts.resources.get(row.resource_key)
    if resource is None:
        raise FieldError(NotFound(what="resource", key=" ".join(row.resource_key)), field="sku")
    key = (school.id, row.reference)
    if key in facts.recorded or key in fresh:
        same = (
            _same_as_recorded(row, facts.recorded[key], resource, requested_by)
            if key in facts.recorded
            else (fresh[key].row, fresh[key].requested_by) == (row, requested_by)
        )
        if same:
            return DUPLICATE
        return conflicting(AlreadyExists(what="selection", key=row.reference), field="reference")
    fresh[key] = _request(
        row, facts, school=school, resource=resource, requested_by=requested_by, settings=settings
    )
    return ACCEPTED


def _same_as_recorded(
    row: SelectionRow, recorded: Selection, resource: Resource, requested_by: PersonId
) -> bool:
    return (
        recorded.resource_id,
        recorded.starts_on,
        recorded.ends_on,
        recorded.ceiling_fen,
        recorded.later_fen,
        recorded.reason,
        recorded.requested_by,
        recorded.kind == SelectionKind.TRIAL,
    ) == (
        resource.id,
        row.starts_on,
        row.ends_on,
        row.ceiling_fen,
        row.later_fen or 0,
        row.reason,
        requested_by,
        row.trial,
    )


def _request(
    row: SelectionRow,
    facts: Facts,
    *,
    school: Organisation,
    resource: Resource,
    requested_by: PersonId,
    settings: Settings,
) -> Request:
    """Check a new selection and give it its terms; raise `FieldError` if it can't be."""
    require_text(row.reference, field="reference")
    require_text(row.reason, field="reason")
    if row.ends_on < row.starts_on:
        raise FieldError(
            InvalidInput(
                value=row.ends_on,
                field="ends_on",
                expected="{first} or later",
                limits={"first": row.starts_on},
            ),
            field="ends_on",
        )
    _check_years(row)
    resource_id, shown = ResourceId(resource.id), " ".join(row.resource_key)
    version = facts.versions.get(resource_id)
    if version is None:
        raise FieldError(NotListed(key=shown), field="sku")
    refusal = facts.openness.refusal(version.id, [school.id])
    if refusal is not None:
        raise FieldError(refusal, field="sku")
    offer = facts.offers[row.starts_on].get(resource_id)
    if offer is None:
        raise FieldError(NoOffer(key=shown, day=row.starts_on), field="starts_on")
    terms = terms_of(offer, version, sku=row.sku, settings=settings, trial=row.trial)
    if row.trial:
        _check_trial(row, facts, school=school, resource_id=resource_id, settings=settings)
    if version.kind == ResourceKind.BASIC and not is_free(terms):
        # Priced as something else before this version was listed; R1 holds all the same, and
        # a free price begins the day after (`catalog.proposed_offers.enter_policy`).
        priced = BasicIsFree(
            key=shown,
            price=terms["unit_price"],
            day=row.starts_on,
            free_from=min(day for day in facts.free_days[resource_id] if day > row.starts_on),
        )
        raise FieldError(priced, field="sku")
    if row.ceiling_fen < 0 or (row.ceiling_fen == 0 and not is_free(terms)):
        shown_yuan = plain_yuan(row.ceiling_fen)
        raise FieldError(
            InvalidInput(value=shown_yuan, field="ceiling_yuan", expected="more than 0"),
            field="ceiling_yuan",
        )
    request = Request(
        id=SelectionId(new_id()),
        row=row,
        school=school,
        resource_id=resource_id,
        version=version,
        terms=terms,
        requested_by=requested_by,
    )
    _steps(request, facts, amount_fen=request.amount_fen)  # whether there is a table at all
    return request


def _check_years(row: SelectionRow) -> None:
    """Raise `FieldError` unless each fiscal year that the days touch has its part (R19)."""
    years = row.ends_on.year - row.starts_on.year
    if years > 1 or (years == 1 and row.later_fen is None):
        raise FieldError(
            CrossesFiscalYear(
                starts_on=row.starts_on, ends_on=row.ends_on, year=row.starts_on.year + 1
            ),
            field="ends_on" if years > 1 else "next_year_ceiling_yuan",
        )
    later_fen = row.later_fen or 0
    if not 0 <= later_fen <= (row.ceiling_fen if years else 0):
        expected = f"0.00 – {plain_yuan(row.ceiling_fen)}" if years else "nothing"
        raise FieldError(
            InvalidInput(
                value=plain_yuan(later_fen), field="next_year_ceiling_yuan", expected=expected
            ),
            field="next_year_ceiling_yuan",
        )


def _check_trial(
    row: SelectionRow,
    facts: Facts,
    *,
    school: Organisation,
    resource_id: ResourceId,
    settings: Settings,
) -> None:
    """Raise `FieldError` for a second trial, one that is too long, or one with money (R21)."""
    if (school.id, resource_id) in facts.tried:
        raise FieldError(TrialUsed(school=school.name, key=row.sku), field="trial")
    latest = row.starts_on + timedelta(days=settings.trial_days - 1)
    if row.ends_on > latest:
        raise FieldError(
            InvalidInput(
                value=row.ends_on,
                field="ends_on",
                expected="{latest} or earlier: a trial lasts at most {days} days",
                limits={"latest": latest, "days": settings.trial_days},
            ),
            field="ends_on",
        )
    if row.ceiling_fen:
        raise FieldError(
            InvalidInput(
                value=plain_yuan(row.ceiling_fen), field="ceiling_yuan", expected="0, for a trial"
            ),
            field="ceiling_yuan",
        )


def _steps(request: Request, facts: Facts, *, amount_fen: int) -> list[dict[str, Any]]:
    """Return the rows of the signatures that are needed for an amount."""
    steps = needed_steps(
        facts,
        request.school,
        request.version,
        amount_fen=amount_fen,
        parts=request.parts,
        users=request.users,
    )
    return step_rows(steps, facts, selection_id=request.id, school=request.school)


def write_requests(
    unit: Unit,
    requests: Iterable[Request],
    facts: Facts,
    *,
    basket: str = "",
    of_agreement: Agreement | None = None,
    bulk: bool = False,
) -> None:
    """Write requests with their signatures; those of one basket are signed for by their sum.

    `bulk`: they are a bureau's, for schools that the caller names.
    """
    requests = list(requests)
    if not requests:
        return
    together_fen = sum(request.amount_fen for request in requests) if basket else 0
    now = unit.clock.now()
    unit.session.execute(
        insert(Selection),
        [
            {
                "id": request.id,
                "school_id": OrganisationId(request.school.id),
                "reference": request.row.reference,
                "resource_id": request.resource_id,
                "version_id": VersionId(request.version.id),
                "terms": request.terms,
                "ceiling_fen": request.row.ceiling_fen,
                "later_fen": request.row.later_fen or 0,
                "starts_on": request.row.starts_on,
                "ends_on": request.row.ends_on,
                "reason": request.row.reason,
                "requested_by": request.requested_by,
                "requested_at": now,
                "recorded_by": unit.actor.person_id,
                "state": SelectionState.REQUESTED,
                "kind": SelectionKind.BULK if bulk else _kind(request, of_agreement),
                "basket": basket,
                "of_agreement_id": of_agreement.id if of_agreement is not None else None,
            }
            for request in requests
        ],
    )
    unit.session.execute(
        insert(ApprovalStep),
        [
            step
            for request in requests
            for step in _steps(request, facts, amount_fen=max(together_fen, request.amount_fen))
        ],
    )
    for request in requests:
        record(
            unit,
            "selection.requested",
            subject_kind="selection",
            subject_id=request.id,
            school=request.school.code,
            reference=request.row.reference,
            basket=basket,
            kind=SelectionKind.BULK if bulk else _kind(request, of_agreement),
            resource="/".join(request.row.resource_key),
            ceiling_fen=request.row.ceiling_fen,
            requested_by=str(request.requested_by),
        )


def _kind(request: Request, of_agreement: Agreement | None) -> SelectionKind:
    if of_agreement is not None:
        return SelectionKind.RENEWAL
    return SelectionKind.TRIAL if request.row.trial else SelectionKind.PURCHASE
