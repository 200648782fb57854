"""Posting: balanced transfers into the books, each under a business key, never twice.

Decides how a business event becomes legs. Whether an event may happen is the caller's question;
that nothing unbalanced, doubled or below a minimum gets in is the database's.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from kernel.arrays import IntegerArray, TextArray, UuidArray
from kernel.errors import BudgetExhausted
from kernel.ids import AccountId, new_id
from kernel.unit import Unit

INSTALLATION = UUID(int=0)
"""Owner of the platform's own accounts (its fees)."""

BELOW_MINIMUM = "ck_account_minimum"
DEBIT, CREDIT = "D", "C"


class AccountKind(StrEnum):
    """The accounts of both books; `budget` ones belong to a funding line or to a budget."""

    # budget book, of a bureau's budget
    APPROVED = "approved"  # what was approved, on the credit side
    UNALLOCATED = "unallocated"  # what may still be issued
    ALLOCATED = "allocated"  # what stands on lines
    TREASURY = "treasury"  # what lapsed and went back
    # budget book, of a line
    APPROPRIATION = "appropriation"  # what the budget gave, on the credit side
    AVAILABLE = "available"
    COMMITTED = "committed"
    ACCRUED = "accrued"
    PAID = "paid"
    # money book
    CLEARING = "clearing"  # what a payer owes, on the debit side
    PAYABLE = "payable"  # what a vendor is owed
    SCHOOL_SHARE = "school_share"  # what the author's school is owed (职务作品)
    FEE = "fee"
    RETENTION = "retention"
    GATEWAY = "gateway"  # what the gateway holds for the platform
    TAX_PAYABLE = "tax_payable"  # what was withheld of teachers and is owed to the tax office
    # credit book, in ten-thousandths of a credit
    CREDITS = "credits"  # what a teacher earned
    CREDITS_GRANTED = "credits_granted"  # what was granted, on the credit side
    # money book
    BANK = "bank"  # what treasuries paid the platform for its fee


FUNDING_KINDS = (
    AccountKind.AVAILABLE,
    AccountKind.COMMITTED,
    AccountKind.ACCRUED,
    AccountKind.PAID,
)
"""The four accounts of a funding line; none may fall below zero."""

BUDGET_KINDS = (
    AccountKind.APPROVED,
    AccountKind.UNALLOCATED,
    AccountKind.ALLOCATED,
    AccountKind.TREASURY,
)
"""The accounts of a bureau's budget; more than is unallocated is never issued (R20)."""


CREDIT_KINDS = (AccountKind.CREDITS, AccountKind.CREDITS_GRANTED)
"""The accounts of teachers' credits, in a unit of their own (R48)."""


class AccountKey(NamedTuple):
    """An account by its business key: who owns it, and what it holds."""

    owner_id: UUID
    kind: AccountKind

    @property
    def book(self) -> str:
        if self.kind in CREDIT_KINDS:
            return "credit"
        of_line = self.kind in FUNDING_KINDS or self.kind is AccountKind.APPROPRIATION
        return "budget" if of_line or self.kind in BUDGET_KINDS else "money"

    @property
    def minimum(self) -> int | None:
        guarded = self.kind in FUNDING_KINDS
        guarded |= self.kind in (AccountKind.UNALLOCATED, AccountKind.CREDITS)
        return 0 if guarded else None

    @property
    def unit(self) -> str:
        return "CREDIT" if self.kind in CREDIT_KINDS else "CNY"


@dataclass(frozen=True, slots=True)
class Entry:
    """An amount moved to `debit` from `credit`, in fen; zero is left out, negative is refused."""

    debit: AccountKey
    credit: AccountKey
    amount_fen: int


@dataclass(frozen=True, slots=True)
class Move:
    """A change of one account, in fen: above zero a debit, below zero a credit.

    For an event with more than two sides, where entries would touch one account many times. The
    moves of a draft add up to zero in each book, or the database refuses them.
    """

    account: AccountKey
    amount_fen: int


@dataclass(frozen=True, slots=True)
class TransferDraft:
    """One business event to be posted: its unique key, a memo, and what it moves in both books."""

    key: str
    memo: str
    entries: Sequence[Entry] = field(default_factory=tuple)
    moves: Sequence[Move] = field(default_factory=tuple)

    def legs(self) -> Iterator[tuple[AccountKey, str, int]]:
        """Yield (account, side, amount) of all that is not zero."""
        for entry in self.entries:
            if entry.amount_fen:
                yield entry.debit, DEBIT, entry.amount_fen
                yield entry.credit, CREDIT, entry.amount_fen
        for move in self.moves:
            if move.amount_fen > 0:
                yield move.account, DEBIT, move.amount_fen
            elif move.amount_fen < 0:
                yield move.account, CREDIT, -move.amount_fen


def post(unit: Unit, drafts: Sequence[TransferDraft]) -> int:
    """Post the drafts that are not in the books yet; return how many that were.

    All legs go in by one statement, so that the database checks and moves each account once. A
    draft whose amounts are all zero is nothing and is left out. Raises `BudgetExhausted` if a
    funding account would fall below zero; the caller's unit is then lost as a whole.
    """
    legs = {draft.key: list(draft.legs()) for draft in drafts}
    wanted = [draft for draft in drafts if legs[draft.key]]
    if not wanted:
        return 0
    fresh: dict[str, UUID] = dict(
        unit.session.execute(
            text(
                "INSERT INTO transfer (id, key, at, memo) "
                "SELECT t.id, t.key, :at, t.memo FROM unnest(CAST(:ids AS uuid[]), "
                "CAST(:keys AS text[]), CAST(:memos AS text[])) AS t(id, key, memo) "
                "ON CONFLICT (key) DO NOTHING RETURNING key, id"
            ),
            {
                "at": unit.clock.now(),
                "ids": UuidArray.of([new_id() for _ in wanted]),
                "keys": TextArray.of([draft.key for draft in wanted]),
                "memos": TextArray.of([draft.memo for draft in wanted]),
            },
        ).all()
    )
    new = {fresh[key]: legs[key] for key in fresh}
    accounts = open_accounts(unit, {account for one in new.values() for account, _, _ in one})
    _insert_legs(unit, new, accounts=accounts)
    return len(new)


def open_accounts(unit: Unit, keys: Iterable[AccountKey]) -> dict[AccountKey, AccountId]:
    """Return the accounts of these keys; those that don't exist are opened at zero."""
    wanted = sorted(set(keys), key=lambda key: (key.owner_id, key.kind))
    found = _find_accounts(unit, wanted)
    missing = [key for key in wanted if key not in found]
    if missing:
        unit.session.execute(
            text(
                "INSERT INTO account (id, owner_id, book, kind, unit, minimum, balance) "
                "SELECT k.id, k.owner_id, k.book, k.kind, k.unit, k.minimum, 0 "
                "FROM unnest(CAST(:ids AS uuid[]), CAST(:owners AS uuid[]), "
                "CAST(:books AS text[]), CAST(:kinds AS text[]), CAST(:units AS text[]), "
                "CAST(:minimums AS bigint[])) "
                "AS k(id, owner_id, book, kind, unit, minimum) ON CONFLICT DO NOTHING"
            ),
            {
                "ids": UuidArray.of([new_id() for _ in missing]),
                "owners": UuidArray.of([key.owner_id for key in missing]),
                "books": TextArray.of([key.book for key in missing]),
                "kinds": TextArray.of([key.kind.value for key in missing]),
                "units": TextArray.of([key.unit for key in missing]),
                "minimums": IntegerArray.of([key.minimum for key in missing]),
            },
        )
        found.update(_find_accounts(unit, missing))
    return found


def _find_accounts(unit: Unit, keys: Sequence[AccountKey]) -> dict[AccountKey, AccountId]:
    rows = unit.session.execute(
        text(
            "SELECT a.owner_id, a.kind, a.id FROM account a "
            "JOIN unnest(CAST(:owners AS uuid[]), CAST(:kinds AS text[])) AS k(owner_id, kind) "
            "ON k.owner_id = a.owner_id AND k.kind = a.kind"
        ),
        {
            "owners": UuidArray.of([key.owner_id for key in keys]),
            "kinds": TextArray.of([key.kind.value for key in keys]),
        },
    )
    return {
        AccountKey(owner, AccountKind(kind)): AccountId(account_id)
        for owner, kind, account_id in rows
    }


def _insert_legs(
    unit: Unit,
    legs: Mapping[UUID, Sequence[tuple[AccountKey, str, int]]],
    *,
    accounts: Mapping[AccountKey, AccountId],
) -> None:
    transfer_ids: list[UUID] = []
    positions: list[int] = []
    account_ids: list[UUID] = []
    sides: list[str] = []
    amounts: list[int] = []
    for transfer_id, own in legs.items():
        for position, (account, side, amount_fen) in enumerate(own, start=1):
            transfer_ids.append(transfer_id)
            positions.append(position)
            account_ids.append(accounts[account])
            sides.append(side)
            amounts.append(amount_fen)
    if not transfer_ids:
        return
    try:
        unit.session.execute(
            text(
                "INSERT INTO leg (transfer_id, position, account_id, side, amount_fen) "
                "SELECT * FROM unnest(CAST(:t AS uuid[]), CAST(:p AS smallint[]), "
                "CAST(:a AS uuid[]), CAST(:s AS text[]), CAST(:m AS bigint[]))"
            ),
            {
                "t": UuidArray.of(transfer_ids),
                "p": IntegerArray.of(positions),
                "a": UuidArray.of(account_ids),
                "s": TextArray.of(sides),
                "m": IntegerArray.of(amounts),
            },
        )
    except IntegrityError as error:
        if constraint_of(error) == BELOW_MINIMUM:
            raise BudgetExhausted(
                short_fen=None, short_yuan="?", line="?", year="?", source="?"
            ) from error
        raise


def constraint_of(error: IntegrityError) -> str | None:
    """Return the name of the constraint that refused a statement."""
    diagnostics = getattr(error.orig, "diag", None)
    return getattr(diagnostics, "constraint_name", None)
