"""Issues: what a budget puts on lines, takes back from them, or gets back when they lapse (R20).

Decides the legs: on the line, appropriation against available; on its budget, what moves between
unallocated, allocated and treasury. Each is one balanced transfer under its business key.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Text, case, cast, func, select
from sqlalchemy.orm import aliased

from kernel.errors import ReductionNotGiven, ReductionTooLarge
from kernel.identity.recording import among
from kernel.money import yuan
from kernel.unit import Unit
from settlement.funding_lines import line_balances
from settlement.ledger.models import Account, Leg
from settlement.ledger.posting import AccountKey, AccountKind, Entry, TransferDraft, post


@dataclass(frozen=True, kw_only=True, slots=True)
class Issue:
    """An amount that a budget puts on a line; below zero it is taken back."""

    line_id: UUID
    budget_id: UUID
    amount_fen: int
    key: str
    memo: str
    line: str
    """How an error calls the line."""


def issue_amounts(unit: Unit, issues: Sequence[Issue]) -> int:
    """Post issues, each once; return how many are new. The caller has locked lines and budget.

    Raises `ReductionTooLarge` for the first line that has less available than is taken back, and
    `ReductionNotGiven` for the first to which the budget gave less, each with by how much.
    """
    wanted: dict[UUID, int] = {}
    by_budget: dict[tuple[UUID, UUID], int] = {}
    for issue in issues:
        key = (issue.line_id, issue.budget_id)
        wanted[issue.line_id] = wanted.get(issue.line_id, 0) + issue.amount_fen
        by_budget[key] = by_budget.get(key, 0) + issue.amount_fen
    balances = line_balances(unit, sorted(wanted))
    reduced = sorted({line for (line, _), fen in by_budget.items() if fen < 0})
    given = given_by_budgets(unit, reduced) if reduced else {}
    for issue in issues:
        line_id, budget_id = issue.line_id, issue.budget_id
        require_reducible(
            issue.line, wanted[line_id], available_fen=balances[line_id].available_fen
        )
        require_given(
            issue.line,
            by_budget[line_id, budget_id],
            given_fen=given.get(line_id, {}).get(budget_id, 0),
        )
    return post(unit, [_transfer(issue) for issue in issues])


def require_reducible(line: str, amount_fen: int, *, available_fen: int) -> None:
    """Raise `ReductionTooLarge` if a line has less available than is to be taken back from it."""
    short = -amount_fen - available_fen
    if short > 0:
        raise ReductionTooLarge(
            line=line,
            wanted_yuan=yuan(-amount_fen),
            available_yuan=yuan(available_fen),
            short_fen=short,
            short_yuan=yuan(short),
        )


def require_given(line: str, amount_fen: int, *, given_fen: int) -> None:
    """Raise `ReductionNotGiven` if more is to be taken back than the budget gave to the line.

    Otherwise a budget could hand out money that another one, or none, put on the line.
    """
    short = -amount_fen - given_fen
    if short > 0:
        raise ReductionNotGiven(
            line=line,
            wanted_yuan=yuan(-amount_fen),
            given_yuan=yuan(given_fen),
            short_fen=short,
            short_yuan=yuan(short),
        )


def _transfer(issue: Issue) -> TransferDraft:
    line, budget, amount = issue.line_id, issue.budget_id, abs(issue.amount_fen)
    if issue.amount_fen > 0:
        entries = [
            Entry(
                AccountKey(line, AccountKind.AVAILABLE),
                AccountKey(line, AccountKind.APPROPRIATION),
                amount,
            ),
            Entry(
                AccountKey(budget, AccountKind.ALLOCATED),
                AccountKey(budget, AccountKind.UNALLOCATED),
                amount,
            ),
        ]
    else:
        entries = [
            _withdrawn(line, amount),
            Entry(
                AccountKey(budget, AccountKind.UNALLOCATED),
                AccountKey(budget, AccountKind.ALLOCATED),
                amount,
            ),
        ]
    return TransferDraft(key=issue.key, memo=issue.memo, entries=entries)


def lapse_entries(line_id: UUID, amount_fen: int, given: Mapping[UUID, int]) -> list[Entry]:
    """Return how an amount lapses: off the line, and back through the budgets that gave it.

    `given`: net by budget, in the order in which they first gave; the last one gets back first.
    What no budget gave, on lines that are older than budgets, leaves the line alone.
    """
    entries = [_withdrawn(line_id, amount_fen)]
    left = amount_fen
    for budget_id, fen in reversed(list(given.items())):
        back = min(left, fen)
        if back > 0:
            entries.append(
                Entry(
                    AccountKey(budget_id, AccountKind.TREASURY),
                    AccountKey(budget_id, AccountKind.ALLOCATED),
                    back,
                )
            )
            left -= back
    return entries


def _withdrawn(line_id: UUID, amount_fen: int) -> Entry:
    return Entry(
        AccountKey(line_id, AccountKind.APPROPRIATION),
        AccountKey(line_id, AccountKind.AVAILABLE),
        amount_fen,
    )


def given_by_budgets(unit: Unit, line_ids: Sequence[UUID]) -> dict[UUID, dict[UUID, int]]:
    """Return for each line what each budget has given it, net, the earliest giver first."""
    line_leg, line_account = aliased(Leg), aliased(Account)
    signed = case((Leg.side == "D", Leg.amount_fen), else_=-Leg.amount_fen)
    touching = (
        select(line_account.owner_id.label("line_id"), line_leg.transfer_id)
        .join(line_leg, line_leg.account_id == line_account.id)
        .where(
            among(line_account.owner_id, line_ids),
            line_account.kind == AccountKind.APPROPRIATION,
        )
        .subquery()
    )
    rows = unit.session.execute(
        select(touching.c.line_id, Account.owner_id, func.sum(signed))
        .join(Leg, Leg.transfer_id == touching.c.transfer_id)
        .join(Account, Account.id == Leg.account_id)
        .where(Account.kind == AccountKind.ALLOCATED)
        .group_by(touching.c.line_id, Account.owner_id)
        .order_by(touching.c.line_id, func.min(cast(Leg.transfer_id, Text)))
    )
    found: dict[UUID, dict[UUID, int]] = {}
    for line_id, budget_id, fen in rows:
        found.setdefault(line_id, {})[budget_id] = int(fen)
    return found
