"""How plain-text accounting writes our books: account names, amounts, transactions, assertions.

Pure: knows nothing of the database. Debits are positive, as both programs have it. Names are
made of business keys; what a program does not take in a name is written as its code point, so
that two accounts never share one.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, Protocol

import msgspec

from kernel.money import plain_yuan
from settlement.ledger.posting import AccountKind

ROOTS: Final[Mapping[str, tuple[str, ...]]] = {
    AccountKind.APPROVED: ("equity", "budget"),
    AccountKind.UNALLOCATED: ("assets", "budget"),
    AccountKind.ALLOCATED: ("assets", "budget"),
    AccountKind.TREASURY: ("assets", "budget"),
    AccountKind.APPROPRIATION: ("equity", "budget"),
    AccountKind.AVAILABLE: ("assets", "budget"),
    AccountKind.COMMITTED: ("assets", "budget"),
    AccountKind.ACCRUED: ("assets", "budget"),
    AccountKind.PAID: ("assets", "budget"),
    AccountKind.CLEARING: ("assets", "clearing"),
    AccountKind.GATEWAY: ("assets", "gateway"),
    AccountKind.BANK: ("assets", "bank"),
    AccountKind.PAYABLE: ("liabilities", "payable"),
    AccountKind.SCHOOL_SHARE: ("liabilities", "school_share"),
    AccountKind.FEE: ("revenues", "fee"),
    AccountKind.CREDITS: ("assets", "credits"),
    AccountKind.CREDITS_GRANTED: ("equity", "credits"),
    AccountKind.TAX_PAYABLE: ("liabilities", "tax_payable"),
    AccountKind.RETENTION: ("liabilities", "retention"),
}
"""Where each kind of account stands; the accounts of a funding line or a budget end with it."""

BEANCOUNT_ROOTS: Final = {
    "assets": "Assets",
    "liabilities": "Liabilities",
    "equity": "Equity",
    "revenues": "Income",
}
PLATFORM: Final = "platform"
CURRENCY: Final = "CNY"
OUR_WORD: Final = re.compile("[a-z_]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class JournalAccount:
    """An account by what people know it by; `fiscal_year` and on are a funding line's
    or a budget's.

    `owner_kind`: school | bureau | vendor, empty for the platform itself.
    """

    kind: str
    owner_kind: str
    owner_code: str
    fiscal_year: int | None = None
    source: str | None = None
    restriction: Mapping[str, Any] | None = None


Posting = tuple[str, int]
"""An account's name and its change in fen: debits positive."""


class JournalFormat(Protocol):
    """One program's way to write a journal; every method returns whole lines."""

    def name(self, account: JournalAccount) -> str:
        """Return the account's name."""

    def head(self, names: Sequence[str], *, opened_on: date) -> str:
        """Declare the commodity and the accounts."""

    def transaction(self, day: date, memo: str, key: str, postings: Iterable[Posting]) -> str:
        """Write one balanced transaction."""

    def assertions(self, day: date, balances: Iterable[Posting]) -> str:
        """State what each account holds at the end of `day`."""


class Hledger:
    """The journal of hledger (and Ledger)."""

    def name(self, account: JournalAccount) -> str:
        return ":".join(_escaped(part, also="-_+=", mark="%") for part in _parts(account))

    def head(self, names: Sequence[str], *, opened_on: date) -> str:  # noqa: ARG002 - has no opening
        lines = ["decimal-mark .", f"commodity 1000.00 {CURRENCY}", ""]
        return "\n".join([*lines, *(f"account {name}" for name in names), "", ""])

    def transaction(self, day: date, memo: str, key: str, postings: Iterable[Posting]) -> str:
        description = _one_line(memo).replace(";", ",")
        if description.startswith("("):
            description = f"() {description}"  # else what follows the bracket is read as a code
        lines = [f"{day} * {description}  ; key: {_one_line(key)}"]
        lines += [f"    {name}  {plain_yuan(fen)} {CURRENCY}" for name, fen in postings]
        return "\n".join([*lines, "", ""])

    def assertions(self, day: date, balances: Iterable[Posting]) -> str:
        lines = [f"{day} * balances"]
        lines += [
            f"    {name}  0.00 {CURRENCY} = {plain_yuan(fen)} {CURRENCY}" for name, fen in balances
        ]
        return "\n".join([*lines, "", ""])


class Beancount:
    """The journal of Beancount: capital names, opened accounts, balances at a day's beginning."""

    def name(self, account: JournalAccount) -> str:
        root, *rest = _parts(account, prefixed=True)
        return ":".join([BEANCOUNT_ROOTS[root], *(_escaped(_capital(p), mark="-") for p in rest)])

    def head(self, names: Sequence[str], *, opened_on: date) -> str:
        lines = [f'option "operating_currency" "{CURRENCY}"', f"{opened_on} commodity {CURRENCY}"]
        opened = [f"{opened_on} open {name} {CURRENCY}" for name in names]
        return "\n".join([*lines, "", *opened, "", ""])

    def transaction(self, day: date, memo: str, key: str, postings: Iterable[Posting]) -> str:
        lines = [f"{day} * {_quoted(memo)}", f"  key: {_quoted(key)}"]
        lines += [f"  {name}  {plain_yuan(fen)} {CURRENCY}" for name, fen in postings]
        return "\n".join([*lines, "", ""])

    def assertions(self, day: date, balances: Iterable[Posting]) -> str:
        morning_after = day + timedelta(days=1)
        lines = [
            f"{morning_after} balance {name}  {plain_yuan(fen)} {CURRENCY}"
            for name, fen in balances
        ]
        return "\n".join([*lines, ""])


FORMATS: Final[Mapping[str, JournalFormat]] = {"hledger": Hledger(), "beancount": Beancount()}


def _parts(account: JournalAccount, *, prefixed: bool = False) -> list[str]:
    code = account.owner_code or PLATFORM
    if prefixed and account.owner_kind:
        code = account.owner_kind[0].upper() + code
    parts = [*ROOTS[account.kind], code]
    if account.fiscal_year is not None:
        parts += [str(account.fiscal_year), account.source or ""]
        if account.restriction:
            parts.append(_restriction(account.restriction))
        parts.append(account.kind)
    return parts


def _restriction(restriction: Mapping[str, Any]) -> str:
    """Return what a line may pay for as one word: `subject=数学+语文`."""
    words = []
    for name, value in sorted(restriction.items()):
        if isinstance(value, list) and all(isinstance(one, str) and one.isalnum() for one in value):
            words.append(f"{name}={'+'.join(sorted(value))}")
        else:
            words.append(f"{name}={msgspec.json.encode(value, order='sorted').decode()}")
    return "=".join(words)


def _capital(part: str) -> str:
    """Return one of our words as `PerStudent`, anything else with a capital in front."""
    words = part.split("_") if OUR_WORD.fullmatch(part) else [part]
    return "".join(word[:1].upper() + word[1:] for word in words)


def _escaped(text: str, *, mark: str, also: str = "") -> str:
    """Write what is neither a letter, a digit nor in `also` as its code point between marks."""
    return "".join(
        char if char.isalnum() or char in also else f"{mark}{ord(char):X}{mark}" for char in text
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _quoted(text: str) -> str:
    return '"' + _one_line(text).replace("\\", "\\\\").replace('"', '\\"') + '"'
