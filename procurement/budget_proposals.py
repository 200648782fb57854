"""Budget proposals: an approval is made by one person and counts once another checked it (R20).

Decides what of a list waits, is known already or contradicts what is known. The approval itself,
with its legs in the ledger, is `settlement.budgets`'.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from kernel.clock import parse_day
from kernel.errors import AlreadyExists
from kernel.identity.models import Organisation
from kernel.identity.recording import FieldError, lock_recording
from kernel.outcomes import ACCEPTED, DUPLICATE, Fate, RowOutcome, conflicting
from kernel.unit import Unit
from procurement.record_proposals import (
    MAKERS,
    RecordKind,
    RecordState,
    claim_to_check,
    decide_record,
    make_record_proposal,
    waiting_contents,
)
from settlement.budgets import BudgetRow, budget_bureaus, judge_budget, record_budgets

WaitingKey = tuple[UUID, int, str, str]
"""Bureau, fiscal year, source, document."""


def propose_budgets(unit: Unit, rows: Sequence[BudgetRow]) -> list[RowOutcome]:
    """Propose approvals, each on its own; return each row's fate, in order.

    A document again with the same amount is a duplicate whether it waits or is recorded, with
    another one a conflict; one that was returned or withdrawn may be proposed anew.
    """
    unit.actor.require("propose a budget", *MAKERS)
    lock_recording(unit)
    bureaus = budget_bureaus(unit, rows)
    waiting: dict[WaitingKey, tuple[int, date]] = {}
    for bureau_id, content in waiting_contents(unit, RecordKind.BUDGET, list(bureaus.values())):
        row = budget_row(content)
        waiting[_key(row, bureau_id)] = (row.amount_fen, row.approved_on)
    outcomes: list[RowOutcome] = []
    for row in rows:
        try:
            outcomes.append(_propose(unit, row, bureaus, waiting))
        except FieldError as error:
            outcomes.append(error.outcome)
    return outcomes


def check_budget(unit: Unit, number: str) -> BudgetRow:
    """Record a waiting approval, as another person than who made it; return it.

    Raises as `claim_to_check`, `AlreadyExists` if the document was recorded since, and
    `BudgetTooSmall` if what it takes back was issued meanwhile.
    """
    lock_recording(unit)
    proposal = claim_to_check(unit, number, kind=RecordKind.BUDGET)
    row = budget_row(proposal.content)
    (outcome,) = record_budgets(unit, [row], made_by=proposal.made_by_name)
    if outcome.error is not None:
        raise outcome.error
    if outcome.fate is Fate.DUPLICATE:
        raise AlreadyExists(what="budget", key=row.document)
    decide_record(unit, proposal, RecordState.RECORDED)
    return row


def budget_row(content: Mapping[str, Any]) -> BudgetRow:
    """Return the approval that a proposal holds."""
    return BudgetRow(**{**content, "approved_on": parse_day(content["approved_on"])})


def _propose(
    unit: Unit,
    row: BudgetRow,
    bureaus: Mapping[str, UUID],
    waiting: dict[WaitingKey, tuple[int, date]],
) -> RowOutcome:
    judged = judge_budget(unit, row, bureaus)
    if judged is not ACCEPTED:
        return judged
    bureau = unit.session.get_one(Organisation, bureaus[row.region_code])
    key = _key(row, bureau.id)
    known = waiting.get(key)
    if known == (row.amount_fen, row.approved_on):
        return DUPLICATE
    if known is not None:
        return conflicting(AlreadyExists(what="budget", key=row.document), field="document")
    waiting[key] = (row.amount_fen, row.approved_on)
    make_record_proposal(
        unit,
        RecordKind.BUDGET,
        bureau,
        content={
            "region_code": row.region_code,
            "fiscal_year": row.fiscal_year,
            "source": row.source,
            "amount_fen": row.amount_fen,
            "document": row.document.strip(),
            "approved_on": row.approved_on.isoformat(),
        },
        reason=row.document.strip(),
    )
    return ACCEPTED


def _key(row: BudgetRow, bureau_id: UUID) -> WaitingKey:
    return (bureau_id, row.fiscal_year, row.source, row.document.strip())
