"""Bank accounts to which treasuries pay: recorded by the payee or the operator.

The first counts at once. Another one waits, so that a payee whose login somebody else has sees it
in time: what is recorded meanwhile takes its place, and it never counts. One that counted before
counts again at once, and whatever it replaces has to wait anew; so does one that the operator
records with a reason, which alone is believed from then on.
An order keeps the account that it was proposed with. Whether an account exists is the bank's word.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import exists, insert, select
from sqlalchemy.orm import aliased

from kernel.actors import OrganisationKind, Role
from kernel.errors import InvalidInput, NotFound
from kernel.identity.models import Organisation
from kernel.identity.recording import (
    FieldError,
    among,
    lock_recording,
    require_text,
    trail_recording,
)
from kernel.identity.visibility import visible_organisations
from kernel.ids import new_id
from kernel.outcomes import ACCEPTED, DUPLICATE, RowOutcome
from kernel.unit import Unit
from settlement.payment_models import Payment, PaymentRun
from settlement.payout_models import BankAccount

MAY_RECORD: Final = (Role.VENDOR_MANAGER, Role.OPERATOR)
NUMBER: Final = re.compile(r"\d{8,30}", re.ASCII)
BRANCH: Final = re.compile(r"(\d{12})?", re.ASCII)
SHOWN_DIGITS: Final = 4
LATELY_DAYS: Final = 30
"""For how long who pays is told that an account replaced another one."""
WAITS: Final = timedelta(days=3)
"""How long another account stands beside the one that counts before it counts itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BankAccountRow:
    """A payee's account; `branch_code` is the bank's number in the payment system (联行号).

    `because`: why the operator has it count at once; nobody else gives a reason.
    """

    kind: str
    code: str
    holder: str
    bank: str
    number: str
    branch_code: str = ""
    because: str = ""


def record_bank_accounts(unit: Unit, rows: Sequence[BankAccountRow]) -> list[RowOutcome]:
    """Record accounts of payees that the actor answers for; each row's fate for itself."""
    unit.actor.require("bank_account.record", *MAY_RECORD)
    lock_recording(unit)
    outcomes = []
    for row in rows:
        try:
            outcomes.append(_record(unit, row))
        except FieldError as error:
            outcomes.append(error.outcome)
    trail_recording(unit, "bank_account", outcomes)
    return outcomes


def accounts_of(unit: Unit, payees: Collection[UUID]) -> dict[UUID, BankAccount]:
    """Return the account that counts now of each payee that has one."""
    now = unit.clock.now()
    return {payee_id: counting(rows, now=now) for payee_id, rows in _recorded(unit, payees).items()}


def counting(rows: Sequence[BankAccount], *, now: datetime) -> BankAccount:
    """Return which of a payee's accounts, as they were recorded, counts at a moment."""
    return [row for row, since in _course(rows) if since is not None and since <= now][-1]


def _course(rows: Sequence[BankAccount]) -> list[tuple[BankAccount, datetime | None]]:
    """Return a payee's accounts with since when each counts, None where it never does."""
    counts = rows[0]
    known = {_facts(counts)}
    course: list[tuple[BankAccount, datetime | None]] = [(counts, counts.recorded_at)]
    for row, following in zip_longest(rows[1:], rows[2:]):
        since = row.recorded_at
        if row.because:
            known = {_facts(row)}
        elif _facts(row) in known:
            known -= {_facts(counts)} - {_facts(row)}
        elif following is None or following.recorded_at - since >= WAITS:
            since += WAITS
            known.add(_facts(row))
        else:
            course.append((row, None))
            continue
        course.append((row, since))
        counts = row
    return course


class AccountNews(NamedTuple):
    """That another account of a payee was recorded: by whom, and since when it counts.

    `since` is None where another one took its place before it did.
    """

    bank: str
    masked: str
    recorded_at: datetime
    recorded_by: str
    since: datetime | None


def account_news(unit: Unit, payee_id: UUID) -> list[AccountNews]:
    """Return what of a payee's account was changed lately, the latest first.

    For all who answer for the payee: who has the login of one can't change it unseen by the others.
    """
    rows = _recorded(unit, [payee_id]).get(payee_id)
    lately = unit.clock.now() - timedelta(days=LATELY_DAYS)
    return [
        AccountNews(row.bank, masked(row.number), row.recorded_at, row.recorded_by, since)
        for row, since in reversed(_course(rows)[1:] if rows else [])
        if row.recorded_at > lately
    ]


def is_same(one: BankAccount, other: BankAccount) -> bool:
    """Whether two records are of one account, whoever recorded it and when."""
    return _facts(one) == _facts(other)


class ChangedAccount(NamedTuple):
    """A payee's account that a run's orders name and that replaced another one lately."""

    payee_name: str
    bank: str
    masked: str
    recorded_at: datetime
    recorded_by: str


def changed_lately(unit: Unit, number: str) -> list[ChangedAccount]:
    """Return which accounts that a run's orders name replaced others in the last days."""
    earlier = aliased(BankAccount)
    rows = unit.session.execute(
        select(Organisation.name, BankAccount)
        .join(BankAccount, BankAccount.organisation_id == Organisation.id)
        .where(
            BankAccount.id.in_(
                select(Payment.account_id)
                .join(PaymentRun, PaymentRun.id == Payment.run_id)
                .where(PaymentRun.number == number)
            ),
            BankAccount.recorded_at > unit.clock.now() - timedelta(days=LATELY_DAYS),
            exists().where(
                earlier.organisation_id == BankAccount.organisation_id,
                earlier.recorded_at < BankAccount.recorded_at,
            ),
        )
        .order_by(Organisation.code)
    )
    return [
        ChangedAccount(name, one.bank, masked(one.number), one.recorded_at, one.recorded_by)
        for name, one in rows
    ]


class AccountsOfPayee(NamedTuple):
    """The account that counts, and the one recorded last if it waits to count `since` a moment."""

    counts: BankAccount | None
    waits: BankAccount | None = None
    since: datetime | None = None


def accounts_of_payee(unit: Unit, payee_id: UUID) -> AccountsOfPayee:
    """Return a payee's account that counts now and the one that waits, by one question."""
    rows = _recorded(unit, [payee_id]).get(payee_id)
    if not rows:
        return AccountsOfPayee(None)
    counts, last = counting(rows, now=unit.clock.now()), rows[-1]
    if is_same(last, counts):
        return AccountsOfPayee(counts)
    return AccountsOfPayee(counts, last, last.recorded_at + WAITS)


def _facts(row: BankAccount) -> tuple[str, str, str, str]:
    """Return what tells one account from another, whoever recorded it and when."""
    return row.holder, row.bank, row.branch_code, row.number


def _recorded(unit: Unit, payees: Collection[UUID]) -> dict[UUID, list[BankAccount]]:
    """Return the accounts of payees in the order in which they were recorded."""
    recorded: dict[UUID, list[BankAccount]] = defaultdict(list)
    for row in unit.session.scalars(
        select(BankAccount)
        .where(among(BankAccount.organisation_id, payees))
        .order_by(BankAccount.recorded_at, BankAccount.id)
    ):
        recorded[row.organisation_id].append(row)
    return dict(recorded)


def masked(number: str) -> str:
    """Return an account's number as a page shows it: its last digits alone."""
    return f"…{number[-SHOWN_DIGITS:]}"


def _record(unit: Unit, row: BankAccountRow) -> RowOutcome:
    payees = (OrganisationKind.VENDOR, OrganisationKind.SCHOOL)
    if row.kind not in payees:
        raise _wrong("kind", row.kind, ", ".join(payees))
    payee_id = unit.session.scalars(
        visible_organisations(unit, OrganisationKind(row.kind))
        .with_only_columns(Organisation.id)
        .where(Organisation.code == row.code)
    ).one_or_none()
    if payee_id is None:
        raise FieldError(NotFound(what=row.kind, key=row.code), field="code")
    number = row.number.replace(" ", "")
    if not NUMBER.fullmatch(number):
        raise _wrong("number", row.number, "8 to 30 digits")
    if not BRANCH.fullmatch(row.branch_code):
        raise _wrong("branch_code", row.branch_code, "12 digits, or nothing")
    because = row.because.strip()
    if because and not unit.actor.may(Role.OPERATOR):
        raise _wrong("because", row.because, "nothing: only the operator gives a reason")
    facts = {
        "holder": require_text(row.holder, field="holder"),
        "bank": require_text(row.bank, field="bank"),
        "branch_code": row.branch_code,
        "number": number,
    }
    known = _recorded(unit, [payee_id]).get(payee_id)
    if known and all(getattr(known[-1], name) == value for name, value in facts.items()):
        counts = counting(known, now=unit.clock.now())
        if not because or is_same(counts, known[-1]):
            return DUPLICATE
    unit.session.execute(
        insert(BankAccount).values(
            id=new_id(),
            organisation_id=payee_id,
            recorded_at=unit.clock.now(),
            recorded_by=unit.actor.name,
            because=because,
            **facts,
        )
    )
    return ACCEPTED


def _wrong(field: str, value: str, expected: str) -> FieldError:
    return FieldError(InvalidInput(field=field, value=value, expected=expected), field=field)
