"""Orders that were made again before anybody marked what of them had been taxed (R64)."""

from datetime import timedelta

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import insert, select, update

from kernel.clock import FixedClock, month_of, shanghai_day
from kernel.ids import new_id
from kernel.unit import Units
from market.schema import alembic_config
from settlement.payment_models import Payment, PaymentItem, PaymentRun
from settlement.payments.taxes import taxation_of, taxed_before
from settlement.payout_models import Withholding
from settlement.queries.withholding import filing_of
from settlement.rate_tables import RateKind, table_in_force
from settlement.taxation import tax_on
from settlement.verify.recompute import verify
from tests.settlement.payments.test_tax_over_time import TREASURY, answer, orders
from tests.settlement.payments.test_withholding import EARNED_FEN, tax_of
from tests.support.payment_builders import Payables, payables, released, sells_as_a_teacher
from tests.support.settlement_builders import MARCH, SYSTEM

TAX_FEN = tax_of(EARNED_FEN)


@pytest.fixture
def owed(units: Units) -> Payables:
    found = payables(units)
    with units(SYSTEM) as unit:
        sells_as_a_teacher(unit, found.other)
    return found


def ordered_again(units: Units, clock: FixedClock, owed: Payables, *, days: int) -> str:
    """Have a teacher's orders come back, their tax paid, and order them again; return the run."""
    first = released(units, owed, method=TREASURY)
    for one in orders(units, owed, first):
        result = "paid" if one.kind == "withholding" else "returned"
        answer(units, owed, one.key, result, one.amount_fen)
    clock.advance(timedelta(days=days))
    return released(units, owed, method=TREASURY)


def reckoned(units: Units, owed: Payables, number: str, *, earlier_fen: int) -> None:
    """Keep how a run reckoned the tax by the rule of before: all that it pays is income."""
    income_fen = EARNED_FEN - TAX_FEN
    with units(SYSTEM) as unit:
        month = month_of(shanghai_day(unit.clock.now()))
        table = table_in_force(unit, RateKind.WITHHOLDING, day=month)
        steps = tax_on(earlier_fen + income_fen, table.table)
        run_id = select(PaymentRun.id).where(PaymentRun.number == number).scalar_subquery()
        unit.session.execute(
            insert(Withholding).values(
                run_id=run_id,
                payee_id=owed.other.id,
                month=month,
                version=table.version,
                earlier_fen=earlier_fen,
                earlier_tax_fen=earlier_fen,
                income_fen=income_fen,
                tax_fen=max(0, steps.tax_fen - earlier_fen),
                steps=steps.facts(),
            )
        )


def upgraded_from_before(units: Units) -> None:
    """Take the database back to before anything was marked, and forward again."""
    scripts = ScriptDirectory.from_config(alembic_config()).walk_revisions()
    marking = next(one for one in scripts if hasattr(one.module, "REMITTED"))
    with units.engine.begin() as connection:
        command.downgrade(alembic_config(connection), str(marking.down_revision))
    with units.engine.begin() as connection:
        command.upgrade(alembic_config(connection), "head")
    units.engine.dispose()


def marked(units: Units, number: str) -> int:
    with units(SYSTEM) as unit:
        found = unit.session.scalars(
            select(PaymentItem.taxed_before_fen)
            .join(Payment, Payment.id == PaymentItem.payment_id)
            .where(Payment.key.startswith(f"{number}:"))
        )
        return sum(found)


def test_what_was_ordered_again_within_its_month_was_taxed_before(
    units: Units, clock: FixedClock, owed: Payables
):
    """R64: its steps counted the tax, so neither is it income twice, nor anything else exempt."""
    again = ordered_again(units, clock, owed, days=0)
    reckoned(units, owed, again, earlier_fen=TAX_FEN)
    assert marked(units, again) == EARNED_FEN - TAX_FEN

    upgraded_from_before(units)

    assert marked(units, again) == EARNED_FEN - TAX_FEN
    with units(SYSTEM) as unit:
        assert taxed_before(unit, [owed.other.id]) == {}
        earlier = taxation_of(unit, [owed.other.id]).earlier[owed.other.id]
    assert (earlier.income_fen, earlier.tax_fen) == (EARNED_FEN, TAX_FEN)
    for one in orders(units, owed, again):
        answer(units, owed, one.key, "paid", one.amount_fen)
    with units(SYSTEM) as unit:
        (row,) = filing_of(unit, month_of(shanghai_day(unit.clock.now())))
    assert (row.income_fen, row.withheld_fen) == (EARNED_FEN, TAX_FEN)
    assert verify(units, SYSTEM) == []


def test_what_a_later_month_taxed_anew_is_not_marked(
    units: Units, clock: FixedClock, owed: Payables
):
    """R64: the steps say that it was income once more; what was taxed twice stays exempt once."""
    again = ordered_again(units, clock, owed, days=31)
    reckoned(units, owed, again, earlier_fen=0)

    upgraded_from_before(units)

    assert marked(units, again) == 0
    with units(SYSTEM) as unit:
        assert sum(taxed_before(unit, [owed.other.id]).values()) == EARNED_FEN - TAX_FEN


def test_what_was_marked_stays_as_it_is(units: Units, clock: FixedClock, owed: Payables):
    again = ordered_again(units, clock, owed, days=31)

    upgraded_once_more(units)

    assert marked(units, again) == EARNED_FEN - TAX_FEN
    assert verify(units, SYSTEM) == []


def test_of_a_line_that_is_marked_no_other_order_is(
    units: Units, clock: FixedClock, owed: Payables
):
    """R64: another order paid the line with income that was taxed, and the marked one came back."""
    again = ordered_again(units, clock, owed, days=0)
    clock.advance(timedelta(minutes=5))
    further_fen = 500
    with units(SYSTEM) as unit:
        line_id, payer_id = unit.session.execute(
            select(PaymentItem.line_id, Payment.payer_id)
            .join(Payment, Payment.id == PaymentItem.payment_id)
            .where(Payment.key.startswith(f"{again}:"), PaymentItem.taxed_before_fen > 0)
        ).first()
        run_id, payment_id, month = new_id(), new_id(), month_of(shanghai_day(unit.clock.now()))
        run = {"number": "X-1", "bureau_id": owed.market.bureau.id, "month": MARCH}
        run |= {"method": "treasury", "purpose": "pay", "state": "proposed", "note": ""}
        run |= {"proposed_at": unit.clock.now(), "proposed_by": owed.maker.person_id}
        run |= {"proposed_by_name": "", "decided_by_name": ""}
        unit.session.execute(insert(PaymentRun).values(id=run_id, **run))
        order = {"kind": "order", "key": "X-1:order", "attempt": 1, "state": "proposed"}
        order |= {"amount_fen": further_fen, "paid_fen": 0, "failure": "", "run_id": run_id}
        order |= {"payer_id": payer_id, "payee_id": owed.other.id}
        unit.session.execute(insert(Payment).values(id=payment_id, **order))
        item = {"line_id": line_id, "amount_fen": further_fen, "taxed_before_fen": 0}
        unit.session.execute(insert(PaymentItem).values(payment_id=payment_id, **item))
        taxation = taxation_of(unit, [owed.other.id])
        earlier = taxation.earlier[owed.other.id]
        steps = {"earlier_fen": earlier.income_fen, "earlier_tax_fen": earlier.tax_fen}
        steps |= {"run_id": run_id, "payee_id": owed.other.id, "month": month, "steps": {}}
        steps |= {"version": taxation.version, "income_fen": further_fen, "tax_fen": 0}
        unit.session.execute(insert(Withholding).values(**steps))
    with units(SYSTEM) as unit:
        decided = {"decided_at": unit.clock.now(), "decided_by": owed.checker.person_id}
        held = update(PaymentRun).where(PaymentRun.id == run_id)
        unit.session.execute(held.values(state="released", **decided))
        unit.session.execute(update(Payment).where(Payment.id == payment_id).values(state="ready"))
    clock.advance(timedelta(minutes=5))
    for one in orders(units, owed, again):
        if one.payee_id == owed.other.id:
            answer(units, owed, one.key, "returned", one.amount_fen)

    upgraded_once_more(units)

    assert marked(units, "X-1") == 0


def upgraded_once_more(units: Units) -> None:
    """Take the database back to before the upgrade that marks, as it stands, and up again."""
    engine = units.engine
    scripts = ScriptDirectory.from_config(alembic_config()).walk_revisions()
    telling = next(one for one in scripts if hasattr(one.module, "GIVEN_UP_UNTOLD"))
    with engine.begin() as connection:
        command.downgrade(alembic_config(connection), str(telling.down_revision))
    with engine.begin() as connection:
        command.upgrade(alembic_config(connection), "head")
    engine.dispose()
