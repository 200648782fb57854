"""Late use beside what happened meanwhile: other agreements, credit notes, a closed year (R37)."""

from datetime import date, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError

from kernel.clock import FixedClock
from kernel.identity.census import CensusRow, record_census
from kernel.unit import Units
from settlement.adjusting import lock_corrected
from settlement.agreements import Draw
from settlement.closing import settle
from settlement.dispute_rules import DisputeOutcome
from settlement.disputes import decide_dispute
from settlement.metering.judging import ENDLESS, Scope
from settlement.metering.launches import is_exhausted
from settlement.models import Agreement
from settlement.queries.lines import lines_of
from settlement.verify.recompute import verify
from tests.support.builders import a_resource, took
from tests.support.dispute_builders import a_quarrel, decided, disputed
from tests.support.settlement_builders import (
    APRIL,
    MARCH,
    SYSTEM,
    a_market,
    a_use,
    an_agreement,
    at,
    confirm_all,
    deliver,
)


def test_late_use_of_one_agreement_corrects_another_whose_billable_use_it_changes(
    units: Units, clock: FixedClock
) -> None:
    """R37, R30: who comes late as the first takes the place of who was the last enrolled."""
    market = a_market(units)
    with units(SYSTEM) as unit:
        an_agreement(
            unit,
            market.school,
            vendor_id=market.vendor.id,
            resource_id=a_resource(unit, market.vendor, "SKU-2", unit_price="0.5000"),
            draws=[Draw(market.line_id, 5_000)],
            reference="A-2",
        )
        row = CensusRow(
            school_code=market.school.code,
            stage="primary",
            kind="enrolled",
            as_of=date(2026, 2, 1),
            basis="spring",
            pupils=1,
        )
        took(record_census(unit, [row]))
    first = a_use(units, market, "first", at(3), learner="L1")
    beyond = a_use(units, market, "beyond", at(4), learner="L2", sku="SKU-2")
    deliver(units, [first, beyond])
    settle(units, SYSTEM, MARCH)
    deliver(units, [a_use(units, market, "late", at(2), learner="L2")], name="late")
    settle(units, SYSTEM, APRIL)
    quantities: dict[str, int] = {}
    with units(SYSTEM) as unit:
        for line in lines_of(unit):
            key = line.agreement_number[-3:]
            quantities[key] = quantities.get(key, 0) + line.quantity
    assert quantities == {"A-1": 1, "A-2": 1}
    assert verify(units, SYSTEM) == []


def test_late_use_of_a_year_whose_books_are_over_goes_to_the_bureau_before_any_sweep(
    units: Units, clock: FixedClock
) -> None:
    """R37, R39: the calendar decides, not whether a worker marked the period as closed yet."""
    market = a_market(units)
    deliver(units, [a_use(units, market, "own", at(3))])
    settle(units, SYSTEM, MARCH)
    confirm_all(units, market)
    assert settle(units, SYSTEM, MARCH)["states"] == {"posted": 1}
    deliver(units, [a_use(units, market, "late", at(4))], name="late")
    clock.at = at(5, month=4).replace(year=2027)
    settle(units, SYSTEM, APRIL)
    with units(SYSTEM) as unit:
        (line,) = (one for one in lines_of(unit) if one.kind == "adjustment")
    assert (line.state, line.drawn_fen, line.uncovered_fen) == ("disputed", 0, line.amount_fen)
    assert verify(units, SYSTEM) == []


def test_what_a_credit_note_freed_can_be_launched_again(units: Units, clock: FixedClock) -> None:
    quarrel = a_quarrel(units, ceiling_fen=1_033)
    number = f"{quarrel.market.school.code}-A-1"
    with units(SYSTEM) as unit:
        agreement = unit.session.scalars(select(Agreement).where(Agreement.number == number)).one()
        assert is_exhausted(unit, agreement, day=MARCH)
    dispute_id = disputed(units, quarrel)
    clock.advance(timedelta(days=30))
    decided(units, quarrel, dispute_id, credit_fen=500)
    with units(SYSTEM) as unit:
        agreement = unit.session.scalars(select(Agreement).where(Agreement.number == number)).one()
        assert (agreement.state, is_exhausted(unit, agreement, day=MARCH)) == ("open", False)


def test_late_use_after_a_credit_note_verifies(units: Units, clock: FixedClock) -> None:
    """R38, R41: the shares of lines and notes together are those of what remains drawn."""
    quarrel = a_quarrel(units)
    dispute_id = disputed(units, quarrel)
    clock.advance(timedelta(days=30))
    decided(units, quarrel, dispute_id, credit_fen=14)  # the lines alone would be off by a fen
    deliver(units, [a_use(units, quarrel.market, "late", at(9))], name="late")
    settle(units, SYSTEM, APRIL)
    assert verify(units, SYSTEM) == []


def test_a_credit_and_the_correction_of_its_month_do_not_cross(
    units: Units, clock: FixedClock
) -> None:
    """What a dispute credits just now can't be taken back by a late adjustment, too."""
    quarrel = a_quarrel(units)
    dispute_id = disputed(units, quarrel)
    deliver(units, [a_use(units, quarrel.market, "late", at(9))], name="late")
    clock.advance(timedelta(days=30))
    scope = Scope(APRIL, [quarrel.market.school.id], ENDLESS)
    with units(SYSTEM) as closing:
        lock_corrected(closing, APRIL, scope=scope)
        with pytest.raises(OperationalError), units(quarrel.bureau) as deciding:
            deciding.session.execute(text("SET LOCAL lock_timeout = '100ms'"))
            decide_dispute(
                deciding, dispute_id, outcome=DisputeOutcome.UPHELD, credit_fen=100, note="成立"
            )
