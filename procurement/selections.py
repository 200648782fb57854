"""Selections: a school's requests to use listed resources, each up to a ceiling (R21).

Decides what a request must satisfy and whose signatures it waits for. The offer in force on the
first day is copied into the selection's terms, together with the installation's rates. Signing and
the commitment of money are `approvals`.

Served now: selections within one fiscal year. One that would cross 1 January is refused, since its
later part needs a ceiling on lines that don't exist yet.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import insert

from catalog.kinds import Ownership, ResourceKind
from catalog.models import Offer, Resource, Version
from catalog.plans import is_free, normalised
from kernel.actors import ROLES_OF, OrganisationKind, Role
from kernel.errors import (
    AlreadyExists,
    BasicIsFree,
    CrossesFiscalYear,
    InvalidInput,
    NoOffer,
    NoRule,
    NotFound,
    NotListed,
    Refused,
)
from kernel.identity.grants import PersonView
from kernel.identity.models import Organisation
from kernel.identity.people import persons_by_no
from kernel.identity.recording import FieldError, lock_recording, require_text
from kernel.ids import OrganisationId, PersonId, ResourceId, SelectionId, VersionId, new_id
from kernel.money import plain_yuan
from kernel.outcomes import ACCEPTED, DUPLICATE, Fate, RowOutcome, conflicting
from kernel.settings import Settings
from kernel.trail import record
from kernel.unit import Unit
from procurement.models import ApprovalStep, Selection
from procurement.policy import steps_for
from procurement.selection_facts import Facts, SelectionKey, SelectionRow, gather_facts
from procurement.states import SelectionState, StepState

REQUESTING_ROLES: Final = ROLES_OF[OrganisationKind.SCHOOL] - {Role.LEARNER}
SELECTION_RECORDERS: Final = (Role.OPERATOR, Role.BUREAU_FINANCE)


def record_selections(unit: Unit, rows: Sequence[SelectionRow]) -> list[RowOutcome]:
    """Record selections as requested by the people they name; return each row's fate, in order.

    A school's own reference is the identity: the same content again is a duplicate, another one a
    conflict.
    """
    unit.actor.require("record selections", *SELECTION_RECORDERS)
    lock_recording(unit)
    facts = gather_facts(unit, rows)
    people = persons_by_no(unit, {row.requested_by for row in rows})
    fresh: dict[SelectionKey, _Request] = {}
    outcomes: list[RowOutcome] = []
    for row in rows:
        try:
            requested_by = _requester(row, facts, people)
            outcomes.append(
                _judge(row, facts, requested_by=requested_by, fresh=fresh, settings=unit.settings)
            )
        except FieldError as error:
            outcomes.append(error.outcome)
    _write(unit, fresh.values())
    return outcomes


def request_selection(
    unit: Unit,
    *,
    reference: str,
    vendor_code: str,
    sku: str,
    starts_on: date,
    ends_on: date,
    ceiling_fen: int,
    reason: str,
) -> SelectionId:
    """Request a resource for the actor's own school; the actor is who requests it.

    Raises `NotListed`, `NoOffer`, `BasicIsFree`, `CrossesFiscalYear`, `NoRule`, `InvalidInput`, or
    `AlreadyExists` for a reference that the school has used for something else. The same request
    again returns the selection that is there.
    """
    actor = unit.actor
    actor.require("request a selection", *REQUESTING_ROLES)
    if actor.person_id is None or actor.organisation_id is None:
        raise Refused(act="request a selection", needs="a person of the school", actor=actor.name)
    row = SelectionRow(
        reference=reference,
        school_code=actor.organisation_code,
        vendor_code=vendor_code,
        sku=sku,
        starts_on=starts_on,
        ends_on=ends_on,
        ceiling_fen=ceiling_fen,
        reason=reason,
        requested_by="",
    )
    lock_recording(unit)
    facts = gather_facts(unit, [row])
    fresh: dict[SelectionKey, _Request] = {}
    try:
        outcome = _judge(
            row, facts, requested_by=actor.person_id, fresh=fresh, settings=unit.settings
        )
    except FieldError as error:
        raise error.error from None
    if outcome.error is not None:
        raise outcome.error
    if outcome.fate is Fate.DUPLICATE:
        return SelectionId(facts.recorded[(actor.organisation_id, reference)].id)
    _write(unit, fresh.values())
    return next(iter(fresh.values())).id


def amount_to_commit(terms: Mapping[str, Any], ceiling_fen: int) -> int:
    """Return the fen a selection needs on funding lines: none if its price is zero, else all."""
    return 0 if is_free(terms) else ceiling_fen


@dataclass(frozen=True, kw_only=True, slots=True)
class _Request:
    """A selection that may be written, with the steps it has to take."""

    id: SelectionId
    row: SelectionRow
    school: Organisation
    resource_id: ResourceId
    version_id: VersionId
    terms: dict[str, Any]
    requested_by: PersonId
    steps: list[dict[str, Any]]


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


def _judge(
    row: SelectionRow,
    facts: Facts,
    *,
    requested_by: PersonId,
    fresh: dict[SelectionKey, _Request],
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
        recorded.reason,
        recorded.requested_by,
    ) == (resource.id, row.starts_on, row.ends_on, row.ceiling_fen, row.reason, requested_by)


def _request(
    row: SelectionRow,
    facts: Facts,
    *,
    school: Organisation,
    resource: Resource,
    requested_by: PersonId,
    settings: Settings,
) -> _Request:
    """Check a new selection and give it its terms and steps; raise `FieldError` if it can't be."""
    require_text(row.reference, field="reference")
    if row.ends_on < row.starts_on:
        expected = f"{row.starts_on} or later"
        raise FieldError(
            InvalidInput(value=row.ends_on, field="ends_on", expected=expected), field="ends_on"
        )
    if row.ends_on.year != row.starts_on.year:
        raise FieldError(
            CrossesFiscalYear(starts_on=row.starts_on, ends_on=row.ends_on), field="ends_on"
        )
    resource_id, shown = ResourceId(resource.id), " ".join(row.resource_key)
    version = facts.versions.get(resource_id)
    if version is None:
        raise FieldError(NotListed(key=shown), field="sku")
    offer = facts.offers[row.starts_on].get(resource_id)
    if offer is None:
        raise FieldError(NoOffer(key=shown, day=row.starts_on), field="starts_on")
    terms = _terms(offer, version, sku=row.sku, settings=settings)
    if version.kind == ResourceKind.BASIC and not is_free(terms):
        # Priced as something else before this version was listed; R1 holds all the same.
        priced = BasicIsFree(key=shown, price=terms["unit_price"], day=row.starts_on)
        raise FieldError(priced, field="sku")
    if row.ceiling_fen < 0 or (row.ceiling_fen == 0 and not is_free(terms)):
        shown_yuan = plain_yuan(row.ceiling_fen)
        raise FieldError(
            InvalidInput(value=shown_yuan, field="ceiling_yuan", expected="more than 0"),
            field="ceiling_yuan",
        )
    selection_id = SelectionId(new_id())
    return _Request(
        id=selection_id,
        row=row,
        school=school,
        resource_id=resource_id,
        version_id=VersionId(version.id),
        terms=terms,
        requested_by=requested_by,
        steps=_steps(
            selection_id, facts, school=school, amount=amount_to_commit(terms, row.ceiling_fen)
        ),
    )


def _terms(offer: Offer, version: Version, *, sku: str, settings: Settings) -> dict[str, Any]:
    """Return the offer's whole plan with the rates of this moment, decimals as text of 4 places."""
    return {
        **normalised(offer.plan),
        "fee_rate": f"{settings.platform_fee_rate:.4f}",
        "retention_rate": f"{settings.retention_rate:.4f}",
        "retention_months": settings.retention_months,
        **_school_share(version),
        "resource_kind": version.kind,
        "title": version.title,
        "sku": sku,
        "trial": False,
        # What costs nothing has no ceiling at which to stop.
        "stop_at_ceiling": settings.stop_at_ceiling and not is_free(offer.plan),
    }


def _school_share(version: Version) -> dict[str, Any]:
    """Return what the terms say of the author's school, for a teacher's service work (R40)."""
    metadata = version.metadata_
    if metadata.get("ownership") != Ownership.SERVICE_WORK:
        return {}
    return {
        "school_rate": metadata["school_share"],
        "author_school_id": metadata["author_school_id"],
        "author_school_code": metadata["author_school_code"],
    }


def _steps(
    selection_id: SelectionId, facts: Facts, *, school: Organisation, amount: int
) -> list[dict[str, Any]]:
    """Return the rows of the signatures that are needed, each with the organisation that signs."""
    region = school.region_code
    steps = steps_for(amount, facts.rules.get(region, []))
    if not steps:
        raise FieldError(
            NoRule(rule="approval", region=region, day=facts.today), field="school_code"
        )
    rows = []
    for step in steps:
        signer = facts.bureaus.get(region) if step.above_school else school.id
        if signer is None:
            raise FieldError(NotFound(what="bureau", key=region), field="school_code")
        rows.append(
            {
                "selection_id": selection_id,
                "position": step.position,
                "role": step.role,
                "organisation_id": signer,
                "state": StepState.WAITING,
                "note": "",
            }
        )
    return rows


def _write(unit: Unit, requests: Iterable[_Request]) -> None:
    requests = list(requests)
    if not requests:
        return
    now = unit.clock.now()
    unit.session.execute(
        insert(Selection),
        [
            {
                "id": request.id,
                "school_id": OrganisationId(request.school.id),
                "reference": request.row.reference,
                "resource_id": request.resource_id,
                "version_id": request.version_id,
                "terms": request.terms,
                "ceiling_fen": request.row.ceiling_fen,
                "starts_on": request.row.starts_on,
                "ends_on": request.row.ends_on,
                "reason": request.row.reason,
                "requested_by": request.requested_by,
                "requested_at": now,
                "state": SelectionState.REQUESTED,
            }
            for request in requests
        ],
    )
    unit.session.execute(
        insert(ApprovalStep), [step for request in requests for step in request.steps]
    )
    for request in requests:
        record(
            unit,
            "selection.requested",
            subject_kind="selection",
            subject_id=request.id,
            school=request.school.code,
            reference=request.row.reference,
            resource="/".join(request.row.resource_key),
            ceiling_fen=request.row.ceiling_fen,
            requested_by=str(request.requested_by),
        )
