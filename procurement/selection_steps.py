"""The signatures a request waits for: its region's table read for its amount, kind and money.

Decides which organisation gives each, and until when the first is due. What is requested together
is one amount, so that a purchase can't be cut into parts below a threshold (R22).
"""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from catalog.models import Version
from kernel.actors import OrganisationKind
from kernel.errors import NoBulkRule, NoRule, NotFound
from kernel.identity.models import Organisation
from kernel.identity.recording import FieldError
from kernel.ids import SelectionId
from procurement.bulk_users import Users
from procurement.funding.plan import Purpose
from procurement.policy import About, Step, Threshold, steps_for
from procurement.purses import Part, Purse, purpose_of
from procurement.selection_facts import Facts
from procurement.states import StepState
from settlement.workdays import after_workdays


def needed_steps(
    facts: Facts,
    school: Organisation,
    version: Version,
    *,
    amount_fen: int,
    parts: Sequence[Part],
    users: Users = frozenset(),
) -> list[Step]:
    """Return the signatures needed; raise `FieldError` if no table says so.

    `users`: for whom a bureau buys.
    """
    region = school.region_code
    rules = facts.rules.get(region, [])
    sources = frozenset[str]() if not amount_fen else None
    if amount_fen and any(rule.source for rule in rules):
        purpose = purpose_of(school, version, users=users)
        sources = planned_sources(facts.purse, school, parts=parts, purpose=purpose)
    bulk = school.kind == OrganisationKind.BUREAU
    about = About(bulk=bulk, kind=version.kind, tier=version.tier, sources=sources)
    steps = steps_for(amount_fen, rules, about=about)
    if not steps:
        missing = NoBulkRule if bulk else NoRule
        error = missing(rule="approval", region=region, day=facts.today)
        raise FieldError(error, field="school_code")
    return steps


def planned_sources(
    purse: Purse, school: Organisation, *, parts: Sequence[Part], purpose: Purpose
) -> frozenset[str] | None:
    """Return the sources that would pay now; None where they do not suffice, and any may."""
    found: set[str] = set()
    for plan in purse.plan_together(school.id, parts, purpose=purpose):
        if plan.short_fen:
            return None
        source_of = {line.id: line.source for line in plan.lines}
        found |= {source_of[draw.line_id] for draw in plan.draws}
    return frozenset(found)


def step_rows(
    steps: Sequence[Step], facts: Facts, *, selection_id: SelectionId, school: Organisation
) -> list[dict[str, Any]]:
    """Return the rows of steps, the first of them due from today on."""
    rows = []
    for number, step in enumerate(steps):
        signer: UUID | None = school.id
        if step.above_school:
            signer = facts.bureaus.get(school.region_code)
        if signer is None:
            missing = NotFound(what="bureau", key=school.region_code)
            raise FieldError(missing, field="school_code")
        rows.append(
            {
                "selection_id": selection_id,
                "position": step.position,
                "role": step.role,
                "organisation_id": signer,
                "state": StepState.WAITING,
                "note": "",
                "may_repeat": step.may_repeat,
                "due_workdays": step.due_workdays,
                "due_on": None if number else due_day(facts.today, step.due_workdays),
            }
        )
    return rows


def due_day(today: date, due_workdays: int) -> date:
    """Return the last day on which a signature that becomes due today is in time."""
    return after_workdays(today, due_workdays)


def rules_say(
    rules: Sequence[Threshold],
    *,
    amount_fen: int,
    version: Version,
    sources: frozenset[str],
    bulk: bool,
) -> list[Step]:
    """Return what a table asks for once it is known which sources pay."""
    about = About(bulk=bulk, kind=version.kind, tier=version.tier, sources=sources)
    return steps_for(amount_fen, rules, about=about)
