"""Budgets: what a bureau may issue of a fiscal year and source, before any line has it (R20).

Decides that nothing is issued that no budget holds: an approval credits what was approved and
debits what is unallocated; an issue moves unallocated to allocated, beside the line's own two legs.
Who gets how much is procurement's matter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import case, func, select
from sqlalchemy.dialects.postgresql import insert

from kernel.actors import OrganisationKind, Role
from kernel.clock import FIRST_YEAR, LAST_YEAR
from kernel.errors import (
    AlreadyExists,
    BudgetTooSmall,
    InvalidInput,
    MarketError,
    NoBudget,
    NotFound,
)
from kernel.identity.models import Organisation
from kernel.identity.recording import (
    FieldError,
    among,
    lock_recording,
    require_text,
    require_word,
)
from kernel.identity.visibility import visible_organisations
from kernel.ids import new_id
from kernel.money import LARGEST_AMOUNT_FEN, plain_yuan, yuan
from kernel.outcomes import ACCEPTED, DUPLICATE, RowOutcome, conflicting
from kernel.trail import record
from kernel.unit import Unit
from settlement.budget_models import Budget, BudgetEntry
from settlement.ledger.models import Account, Leg
from settlement.ledger.posting import AccountKey, AccountKind, Entry, TransferDraft, post

SOURCES = ("per_student", "surcharge", "special_fund", "own_funds")
BUDGET_RECORDERS = (Role.BUREAU_FINANCE, Role.OPERATOR)

BudgetKey = tuple[UUID, int, str]
"""Bureau, fiscal year, source."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BudgetRow:
    """One approval to record; `amount_fen` below zero takes back what is not allocated."""

    region_code: str
    fiscal_year: int
    source: str
    amount_fen: int
    document: str
    approved_on: date


@dataclass(frozen=True, kw_only=True, slots=True)
class EntryView:
    """One approval as it was recorded."""

    document: str
    amount_fen: int
    approved_on: date
    recorded_at: datetime
    recorded_by: str


@dataclass(frozen=True, kw_only=True, slots=True)
class BudgetView:
    """A budget with its amounts: approved = unallocated + allocated + treasury."""

    id: UUID
    bureau_code: str
    bureau_name: str
    fiscal_year: int
    source: str
    approved_fen: int
    unallocated_fen: int
    allocated_fen: int
    treasury_fen: int
    entries: Sequence[EntryView] = field(default_factory=tuple)


def record_budgets(unit: Unit, rows: Sequence[BudgetRow]) -> list[RowOutcome]:
    """Record approvals, each once under its document; return each row's fate, in order.

    A document again with another amount is a conflict; what a row below zero takes back must be
    unallocated, or it is rejected with by how much it is not.
    """
    unit.actor.require("record a budget", *BUDGET_RECORDERS)
    lock_recording(unit)
    bureaus = {
        bureau.code: bureau.id
        for bureau in unit.session.scalars(
            visible_organisations(unit, OrganisationKind.BUREAU).where(
                among(Organisation.code, {row.region_code for row in rows})
            )
        )
    }
    outcomes: list[RowOutcome] = []
    for row in rows:
        try:
            outcomes.append(_record(unit, row, bureaus))
        except FieldError as error:
            outcomes.append(error.outcome)
    return outcomes


def _record(unit: Unit, row: BudgetRow, bureaus: Mapping[str, UUID]) -> RowOutcome:
    document = _check(row, bureaus)
    key: BudgetKey = (bureaus[row.region_code], row.fiscal_year, row.source)
    budget = _find_budget(unit, key)
    known = (
        unit.session.scalars(
            select(BudgetEntry).where(
                BudgetEntry.budget_id == budget.id, BudgetEntry.document == document
            )
        ).one_or_none()
        if budget
        else None
    )
    if known is not None:
        if (known.amount_fen, known.approved_on) == (row.amount_fen, row.approved_on):
            return DUPLICATE
        return conflicting(AlreadyExists(what="budget", key=document), field="document")
    short = -row.amount_fen - (unallocated(unit, budget.id) if budget else 0)
    if short > 0:
        raise FieldError(_too_small(row, short), field="amount_yuan")
    budget = budget or _open_budget(unit, key)
    unit.session.add(
        BudgetEntry(
            id=new_id(),
            budget_id=budget.id,
            document=document,
            amount_fen=row.amount_fen,
            approved_on=row.approved_on,
            recorded_at=unit.clock.now(),
            recorded_by=unit.actor.name,
        )
    )
    unit.session.flush()
    post(unit, [_approval(row, budget.id, document)])
    record(
        unit,
        "budget.recorded",
        subject_kind="budget",
        subject_id=budget.id,
        bureau=row.region_code,
        fiscal_year=row.fiscal_year,
        source=row.source,
        amount_fen=row.amount_fen,
        document=document,
    )
    return ACCEPTED


def _check(row: BudgetRow, bureaus: Mapping[str, UUID]) -> str:
    """Raise `FieldError` for the first thing that is wrong with a row; return its document."""
    if row.region_code not in bureaus:
        raise FieldError(NotFound(what="bureau", key=row.region_code), field="region_code")
    if not FIRST_YEAR <= row.fiscal_year <= LAST_YEAR:
        wrong = InvalidInput(
            field="fiscal_year", value=row.fiscal_year, expected=f"{FIRST_YEAR} to {LAST_YEAR}"
        )
        raise FieldError(wrong, field="fiscal_year")
    require_word(row.source, frozenset(SOURCES), field="source")
    if row.amount_fen == 0 or abs(row.amount_fen) > LARGEST_AMOUNT_FEN:
        wrong = InvalidInput(
            field="amount_yuan",
            value=plain_yuan(row.amount_fen),
            expected="an amount other than zero",
        )
        raise FieldError(wrong, field="amount_yuan")
    return require_text(row.document, field="document")


def _too_small(row: BudgetRow, short_fen: int) -> MarketError:
    return BudgetTooSmall(
        bureau=row.region_code,
        year=row.fiscal_year,
        source=row.source,
        short_fen=short_fen,
        short_yuan=yuan(short_fen),
    )


def _approval(row: BudgetRow, budget_id: UUID, document: str) -> TransferDraft:
    more, less = AccountKind.UNALLOCATED, AccountKind.APPROVED
    if row.amount_fen < 0:
        more, less = less, more
    return TransferDraft(
        key=f"budget:{row.region_code}:{row.fiscal_year}:{row.source}:{document}",
        memo=f"budget {row.source} {row.fiscal_year} of {row.region_code}, {document}",
        entries=[
            Entry(
                debit=AccountKey(budget_id, more),
                credit=AccountKey(budget_id, less),
                amount_fen=abs(row.amount_fen),
            )
        ],
    )


def _open_budget(unit: Unit, key: BudgetKey) -> Budget:
    bureau_id, fiscal_year, source = key
    unit.session.execute(
        insert(Budget)
        .values(id=new_id(), bureau_id=bureau_id, fiscal_year=fiscal_year, source=source)
        .on_conflict_do_nothing()
    )
    return lock_budget(unit, key)


def lock_budget(unit: Unit, key: BudgetKey) -> Budget:
    """Lock and return a budget, or raise `NoBudget`: nothing is issued before there is one."""
    bureau_id, fiscal_year, source = key
    found = _find_budget(unit, key)
    if found is None:
        code = unit.session.scalar(select(Organisation.code).where(Organisation.id == bureau_id))
        raise NoBudget(bureau=code, year=fiscal_year, source=source)
    return found


def _find_budget(unit: Unit, key: BudgetKey) -> Budget | None:
    bureau_id, fiscal_year, source = key
    return unit.session.scalars(
        select(Budget)
        .where(
            Budget.bureau_id == bureau_id,
            Budget.fiscal_year == fiscal_year,
            Budget.source == source,
        )
        .with_for_update()
    ).one_or_none()


def unallocated(unit: Unit, budget_id: UUID) -> int:
    """Return what may still be issued out of a budget, in fen."""
    balance = unit.session.scalar(
        select(Account.balance).where(
            Account.owner_id == budget_id, Account.kind == AccountKind.UNALLOCATED
        )
    )
    return balance or 0


def require_unallocated(unit: Unit, budget: Budget, amount_fen: int) -> None:
    """Raise `BudgetTooSmall` with by how much, unless the locked budget holds the amount."""
    short = amount_fen - unallocated(unit, budget.id)
    if short > 0:
        code = unit.session.scalar(
            select(Organisation.code).where(Organisation.id == budget.bureau_id)
        )
        raise BudgetTooSmall(
            bureau=code,
            year=budget.fiscal_year,
            source=budget.source,
            short_fen=short,
            short_yuan=yuan(short),
        )


def budgets(unit: Unit, *, fiscal_year: int | None = None) -> list[BudgetView]:
    """Return the budgets of the bureaus that the actor sees, the latest year first."""
    wanted = (
        select(Budget, Organisation.code, Organisation.name)
        .join(Organisation, Organisation.id == Budget.bureau_id)
        .where(
            Budget.bureau_id.in_(
                visible_organisations(unit, OrganisationKind.BUREAU).with_only_columns(
                    Organisation.id
                )
            )
        )
        .order_by(Budget.fiscal_year.desc(), Organisation.code, Budget.source)
    )
    if fiscal_year is not None:
        wanted = wanted.where(Budget.fiscal_year == fiscal_year)
    rows = unit.session.execute(wanted).all()
    held = _sums(unit, [budget.id for budget, _, _ in rows])
    entries: dict[UUID, list[EntryView]] = {}
    for entry in unit.session.scalars(
        select(BudgetEntry)
        .where(among(BudgetEntry.budget_id, [budget.id for budget, _, _ in rows]))
        .order_by(BudgetEntry.recorded_at, BudgetEntry.id)
    ):
        entries.setdefault(entry.budget_id, []).append(
            EntryView(
                document=entry.document,
                amount_fen=entry.amount_fen,
                approved_on=entry.approved_on,
                recorded_at=entry.recorded_at,
                recorded_by=entry.recorded_by,
            )
        )
    return [
        BudgetView(
            id=budget.id,
            bureau_code=code,
            bureau_name=name,
            fiscal_year=budget.fiscal_year,
            source=budget.source,
            approved_fen=-held.get((budget.id, AccountKind.APPROVED), 0),
            unallocated_fen=held.get((budget.id, AccountKind.UNALLOCATED), 0),
            allocated_fen=held.get((budget.id, AccountKind.ALLOCATED), 0),
            treasury_fen=held.get((budget.id, AccountKind.TREASURY), 0),
            entries=tuple(entries.get(budget.id, ())),
        )
        for budget, code, name in rows
    ]


def _sums(unit: Unit, budget_ids: Sequence[UUID]) -> dict[tuple[UUID, str], int]:
    signed: Any = case((Leg.side == "D", Leg.amount_fen), else_=-Leg.amount_fen)
    rows = unit.session.execute(
        select(Account.owner_id, Account.kind, func.sum(signed))
        .join(Leg, Leg.account_id == Account.id)
        .where(among(Account.owner_id, budget_ids))
        .group_by(Account.owner_id, Account.kind)
    )
    return {(owner_id, kind): int(fen) for owner_id, kind, fen in rows}
