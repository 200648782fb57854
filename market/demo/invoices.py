"""Fapiao of the sample county: a firm's invoices of its statements, and a red-letter one.

Decides who issues what on which day of the sample's year: one vendor, for what each statement bills
as soon as it is stated; what a dispute then credits is taken back by a red-letter one. Numbers have
twenty digits and the area 99, which no tax office has. May be repeated: what is recorded stays, and
a month that was paid before there were invoices stays without.
"""

from datetime import timedelta
from typing import Final

from sqlalchemy import func, select

from kernel.clock import Month, shanghai_day
from kernel.identity.models import Organisation
from kernel.unit import Unit, Units
from market.demo.county import VENDORS
from market.demo.payments import paid_step
from market.demo.rehearsal import SYSTEM, mark_done, person, steps_done
from settlement.dispute_models import CreditNote
from settlement.models import Statement, StatementLine
from settlement.payment_models import Fapiao
from settlement.payments.fapiao import FapiaoRow, record_fapiao

ISSUED_AFTER: Final = timedelta(days=2, hours=9)
CORRECTED_AFTER: Final = timedelta(days=10, hours=9)
"""Counted from the first moment after the month, like the days of `run`."""
ISSUER: Final = "zhisui"
BLUE, RED = 1, 2


def issue(units: Units, month: Month) -> None:
    """Have the vendor record an invoice of each statement that bills anything of it, once."""
    step = f"fapiao {month:%Y-%m}"
    with units(SYSTEM) as unit:
        if {step, paid_step(month)} & steps_done(unit):
            return
        billed = unit.session.execute(
            select(Statement.number, func.sum(StatementLine.drawn_fen))
            .join(StatementLine, StatementLine.statement_id == Statement.id)
            .join(Organisation, Organisation.id == StatementLine.vendor_id)
            .where(Statement.month == month, Organisation.code == _issuer())
            .group_by(Statement.number)
            .having(func.sum(StatementLine.drawn_fen) > 0)
            .order_by(Statement.number)
        ).all()
    with units(person(units, ISSUER)) as unit:
        rows = [
            _row(unit, _number(month, BLUE, place), statement, int(fen))
            for place, (statement, fen) in enumerate(billed, start=1)
        ]
        _take_in(unit, rows)
    with units(SYSTEM) as unit:
        mark_done(unit, step)


def correct(units: Units, month: Month) -> None:
    """Have the vendor take back what the month's disputes credited, once."""
    step = f"red fapiao {month:%Y-%m}"
    with units(SYSTEM) as unit:
        if {step, paid_step(month)} & steps_done(unit):
            return
        credited = unit.session.execute(
            select(Statement.number, CreditNote.number, CreditNote.drawn_fen, Fapiao.number)
            .join(StatementLine, StatementLine.id == CreditNote.line_id)
            .join(Statement, Statement.id == StatementLine.statement_id)
            .join(Fapiao, Fapiao.statement_id == Statement.id)
            .where(
                Statement.month == month,
                Fapiao.vendor_id == StatementLine.vendor_id,
                Fapiao.kind == "blue",
                CreditNote.drawn_fen > 0,
            )
            .order_by(CreditNote.number)
        ).all()
    with units(person(units, ISSUER)) as unit:
        rows = [
            _row(
                unit,
                _number(month, RED, place),
                statement,
                fen,
                corrects=corrected,
                credit_note=note,
            )
            for place, (statement, note, fen, corrected) in enumerate(credited, start=1)
        ]
        _take_in(unit, rows)
    with units(SYSTEM) as unit:
        mark_done(unit, step)


def _take_in(unit: Unit, rows: list[FapiaoRow]) -> None:
    wrong = [one.error for one in record_fapiao(unit, rows) if one.error is not None]
    assert not wrong, wrong


def _row(
    unit: Unit,
    number: str,
    statement: str,
    amount_fen: int,
    *,
    corrects: str = "",
    credit_note: str = "",
) -> FapiaoRow:
    return FapiaoRow(
        number=number,
        vendor_code=_issuer(),
        statement=statement,
        amount_fen=amount_fen,
        issued_on=shanghai_day(unit.clock.now()),
        corrects=corrects,
        credit_note=credit_note,
    )


def _issuer() -> str:
    return next(one.code for one in VENDORS if one.slug == ISSUER)


def _number(month: Month, kind: int, place: int) -> str:
    return f"{month:%y}99{month:%m}{kind}{place:013d}"
