"""Bank accounts to which treasuries pay: recorded by the payee or the operator, the last counts.

An order keeps the account that it was proposed with. Whether an account exists is the bank's word.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import insert, select

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
from settlement.payout_models import BankAccount

MAY_RECORD: Final = (Role.VENDOR_MANAGER, Role.OPERATOR)
NUMBER: Final = re.compile(r"\d{8,30}", re.ASCII)
BRANCH: Final = re.compile(r"(\d{12})?", re.ASCII)
SHOWN_DIGITS: Final = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class BankAccountRow:
    """A payee's account; `branch_code` is the bank's number in the payment system (联行号)."""

    kind: str
    code: str
    holder: str
    bank: str
    number: str
    branch_code: str = ""


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
    rows = unit.session.scalars(
        select(BankAccount)
        .where(among(BankAccount.organisation_id, payees))
        .order_by(BankAccount.recorded_at, BankAccount.id)
    )
    return {row.organisation_id: row for row in rows}


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
    facts = {
        "holder": require_text(row.holder, field="holder"),
        "bank": require_text(row.bank, field="bank"),
        "branch_code": row.branch_code,
        "number": number,
    }
    known = accounts_of(unit, [payee_id]).get(payee_id)
    if known is not None and all(getattr(known, name) == value for name, value in facts.items()):
        return DUPLICATE
    unit.session.execute(
        insert(BankAccount).values(
            id=new_id(),
            organisation_id=payee_id,
            recorded_at=unit.clock.now(),
            recorded_by=unit.actor.name,
            **facts,
        )
    )
    return ACCEPTED


def _wrong(field: str, value: str, expected: str) -> FieldError:
    return FieldError(InvalidInput(field=field, value=value, expected=expected), field=field)
