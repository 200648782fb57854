"""Fapiao numbers of statements: many per statement and vendor, red-letter ones for credits (R64).

Decides what may be recorded: blue ones up to what was billed and is not covered yet, red ones up to
what of the corrected one is left. Whether a number is a true one is the tax office's word.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

from sqlalchemy import func, insert, select

from kernel.actors import OrganisationKind, Role
from kernel.clock import shanghai_day
from kernel.errors import AlreadyExists, InvalidInput, MissingValue, NotFound
from kernel.identity.models import Organisation
from kernel.identity.recording import FieldError, lock_recording, trail_recording
from kernel.identity.visibility import visible_organisations
from kernel.money import plain_yuan
from kernel.outcomes import ACCEPTED, DUPLICATE, RowOutcome, conflicting
from kernel.unit import Unit
from settlement.dispute_models import CreditNote
from settlement.models import Statement, StatementLine
from settlement.payment_models import Fapiao

MAY_RECORD: Final = (Role.VENDOR_MANAGER, Role.OPERATOR)
DIGITS: Final = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class FapiaoRow:
    """One invoice; `corrects` names the one that a red-letter one takes back of."""

    number: str
    vendor_code: str
    statement: str
    amount_fen: int
    issued_on: date
    corrects: str = ""
    credit_note: str = ""


def record_fapiao(unit: Unit, rows: Sequence[FapiaoRow]) -> list[RowOutcome]:
    """Record invoices of vendors that the actor may see; each row's fate for itself."""
    unit.actor.require("fapiao.record", *MAY_RECORD)
    lock_recording(unit)
    outcomes = []
    for row in rows:
        try:
            outcomes.append(_record(unit, row))
        except FieldError as error:
            outcomes.append(error.outcome)
    trail_recording(unit, "fapiao", outcomes)
    return outcomes


def _record(unit: Unit, row: FapiaoRow) -> RowOutcome:
    if not (len(row.number) == DIGITS and row.number.isascii() and row.number.isdigit()):
        raise _wrong("number", row.number, "20 digits")
    if row.issued_on > shanghai_day(unit.clock.now()):
        raise _wrong("issued_on", row.issued_on.isoformat(), "a day that has come")
    vendor_id = unit.session.scalars(
        visible_organisations(unit, OrganisationKind.VENDOR)
        .with_only_columns(Organisation.id)
        .where(Organisation.code == row.vendor_code)
    ).one_or_none()
    if vendor_id is None:
        raise FieldError(NotFound(what="vendor", key=row.vendor_code), field="vendor_code")
    statement_id = unit.session.scalars(
        select(Statement.id)
        .join(StatementLine, StatementLine.statement_id == Statement.id)
        .where(Statement.number == row.statement, StatementLine.vendor_id == vendor_id)
        .limit(1)
    ).one_or_none()
    if statement_id is None:
        raise FieldError(NotFound(what="statement", key=row.statement), field="statement")
    known = unit.session.get(Fapiao, row.number)
    if known is not None:
        told = (statement_id, vendor_id, row.amount_fen, row.issued_on, row.corrects)
        same = told == (
            known.statement_id,
            known.vendor_id,
            known.amount_fen,
            known.issued_on,
            known.corrects or "",
        )
        error = AlreadyExists(what="fapiao", key=row.number)
        return DUPLICATE if same else conflicting(error, field="number")
    note_id = _credit_note(unit, row, statement_id=statement_id, vendor_id=vendor_id)
    left = _left(unit, row, statement_id=statement_id, vendor_id=vendor_id)
    if not 0 < row.amount_fen <= left:
        raise _wrong("amount_yuan", plain_yuan(row.amount_fen), f"0.01–{plain_yuan(left)}")
    unit.session.execute(
        insert(Fapiao).values(
            number=row.number,
            kind="red" if row.corrects else "blue",
            statement_id=statement_id,
            vendor_id=vendor_id,
            amount_fen=row.amount_fen,
            issued_on=row.issued_on,
            corrects=row.corrects or None,
            credit_note_id=note_id,
            recorded_at=unit.clock.now(),
            recorded_by=unit.actor.name,
        )
    )
    return ACCEPTED


def _left(unit: Unit, row: FapiaoRow, *, statement_id: UUID, vendor_id: UUID) -> int:
    """Return what may still be invoiced: of the statement, or back of the corrected invoice."""
    if row.corrects:
        corrected = unit.session.get(Fapiao, row.corrects)
        if corrected is None or (corrected.statement_id, corrected.vendor_id, corrected.kind) != (
            statement_id,
            vendor_id,
            "blue",
        ):
            raise FieldError(NotFound(what="fapiao", key=row.corrects), field="corrects")
        if row.issued_on < corrected.issued_on:
            expected = f"{corrected.issued_on.isoformat()} or later, the day of {row.corrects}"
            raise _wrong("issued_on", row.issued_on.isoformat(), expected)
        taken = unit.session.scalar(
            select(func.coalesce(func.sum(Fapiao.amount_fen), 0)).where(
                Fapiao.corrects == row.corrects
            )
        )
        return corrected.amount_fen - int(taken or 0)
    of_vendor = (StatementLine.statement_id == statement_id, StatementLine.vendor_id == vendor_id)
    billed = unit.session.scalar(
        select(func.coalesce(func.sum(StatementLine.drawn_fen), 0)).where(*of_vendor)
    )
    credited = unit.session.scalar(
        select(func.coalesce(func.sum(CreditNote.drawn_fen), 0))
        .join(StatementLine, StatementLine.id == CreditNote.line_id)
        .where(*of_vendor)
    )
    invoiced = unit.session.scalar(
        select(
            func.coalesce(func.sum(Fapiao.amount_fen).filter(Fapiao.kind == "blue"), 0)
            - func.coalesce(func.sum(Fapiao.amount_fen).filter(Fapiao.kind == "red"), 0)
        ).where(Fapiao.statement_id == statement_id, Fapiao.vendor_id == vendor_id)
    )
    return int(billed or 0) - int(credited or 0) - int(invoiced or 0)


def _credit_note(unit: Unit, row: FapiaoRow, *, statement_id: UUID, vendor_id: UUID) -> UUID | None:
    if not row.credit_note:
        return None
    if not row.corrects:
        raise FieldError(MissingValue(field="corrects"), field="corrects")
    found = unit.session.scalars(
        select(CreditNote.id)
        .join(StatementLine, StatementLine.id == CreditNote.line_id)
        .where(
            CreditNote.number == row.credit_note,
            StatementLine.statement_id == statement_id,
            StatementLine.vendor_id == vendor_id,
        )
    ).one_or_none()
    if found is None:
        raise FieldError(NotFound(what="credit note", key=row.credit_note), field="credit_note")
    return found


def _wrong(field: str, value: str, expected: str) -> FieldError:
    return FieldError(InvalidInput(field=field, value=value, expected=expected), field=field)
