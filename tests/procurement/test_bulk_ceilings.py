"""Own ceilings of a signed bulk purchase lowered: how far, what it asks, what it waits for.

The total stays committed, so that what the schools may use together stays at least as much.
"""

import re
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError

from kernel.clock import FixedClock, parse_month
from kernel.errors import CeilingOutOfReach, Conflict, SchoolNotPaidFor
from kernel.ids import SelectionId
from kernel.unit import Units
from procurement.agreement_requests import request_ceiling
from procurement.approvals import sign
from procurement.verification import verify
from settlement.agreement_schools import decline
from settlement.metering.partitions import lock_usage_alone
from settlement.models import AgreementDraw
from settlement.periods import seal_periods
from tests.support.bulk_builders import (
    Buyer,
    a_buyer,
    another_ceiling,
    joins,
    on,
    standings,
)
from tests.support.settlement_builders import SYSTEM
from tests.support.site_builders import counted_queries


@pytest.fixture
def buyer(units: Units, clock: FixedClock) -> Buyer:
    clock.at = datetime(2026, 8, 20, 1, tzinfo=UTC)
    return a_buyer(units)


def ceilings(buyer: Buyer, number: str) -> list[int | None]:
    return [ceiling for ceiling, *_ in standings(buyer, number)]


def asked(buyer: Buyer, number: str, fen: int) -> SelectionId:
    """Request another total."""
    with buyer.units(buyer.county.actor("bureau")) as unit:
        return request_ceiling(unit, number, ceilings={2026: fen}, reason="用量变化")


def signed(buyer: Buyer, number: str, fen: int) -> None:
    buyer.sign(asked(buyer, number, fen))


def test_lower_ceilings_leave_no_committed_money_that_no_school_may_use(buyer: Buyer) -> None:
    """R24, R23: 1 + 1 + 500 fen of a total of 15.00; from one school to another is free."""
    number = buyer.bought(dict.fromkeys(buyer.codes, 500))
    first, second, _ = buyer.codes
    with pytest.raises(CeilingOutOfReach) as refused:
        buyer.propose(number, another_ceiling(first, 1), another_ceiling(second, 1))
    assert "could use 5.02 yuan together, less than the 15.00" in str(refused.value)
    buyer.change(number, another_ceiling(first, 100), another_ceiling(second, 900))
    assert ceilings(buyer, number) == [100, 900, 500]
    assert verify(buyer.units, SYSTEM) == []


def test_after_a_raise_ceilings_are_shared_anew_and_fall_together_no_further(buyer: Buyer) -> None:
    """R24: a raise comes before it can be shared, since none may have more than the total."""
    number = buyer.bought(dict.fromkeys(buyer.codes, 500))
    first, second, third = buyer.codes
    signed(buyer, number, 2_000)
    with pytest.raises(CeilingOutOfReach):
        buyer.propose(number, another_ceiling(first, 499))
    buyer.change(number, another_ceiling(first, 400), another_ceiling(second, 600))
    buyer.change(number, another_ceiling(third, 1_000))
    assert ceilings(buyer, number) == [400, 600, 1_000]
    with pytest.raises(CeilingOutOfReach):
        buyer.propose(number, another_ceiling(third, 999))


def test_of_a_school_that_declined_only_what_it_was_billed_counts(
    buyer: Buyer, clock: FixedClock
) -> None:
    """R24: nobody holds a school; afterwards 10.00 of 12.00 may be used, and no fen less."""
    number = buyer.bought(dict.fromkeys(buyer.codes, 500), ceiling_fen=1_200)
    first, second, _ = buyer.codes
    clock.at = on(9, 1)
    with buyer.units(buyer.county.actor(f"principal-{first}")) as unit:
        decline(unit, number, from_day=date(2026, 9, 2), reason="自有资源")
    with pytest.raises(CeilingOutOfReach):
        buyer.propose(number, another_ceiling(second, 499))
    buyer.change(number, another_ceiling(second, 700))
    assert ceilings(buyer, number) == [500, 700, 500]
    assert verify(buyer.units, SYSTEM) == []


def test_lowering_asks_as_much_for_ten_schools_as_for_one(units: Units, clock: FixedClock) -> None:
    """R24: the payer's months are drafted once, by whoever proposes and by whoever checks."""
    clock.at = datetime(2026, 8, 20, 1, tzinfo=UTC)
    buyer = a_buyer(units, schools=10)
    number = buyer.bought(dict.fromkeys(buyer.codes, 500), ceiling_fen=2_000)
    clock.at = on(9, 20)
    buyer.use(dict.fromkeys(buyer.codes, 1))
    asked = []
    for codes, fen in ((buyer.codes[:1], 450), (buyer.codes, 400)):
        with counted_queries(units.engine) as sent:
            buyer.change(number, *(another_ceiling(code, fen) for code in codes))
        asked.append(len(sent))
    assert asked[0] == asked[1]
    assert ceilings(buyer, number) == [400] * 10


def test_joining_asks_as_much_for_eight_schools_as_for_one(units: Units, clock: FixedClock) -> None:
    """R24, R18: whom earmarked money may pay for is asked once for all who join."""
    clock.at = datetime(2026, 8, 20, 1, tzinfo=UTC)
    buyer = a_buyer(units, schools=10)
    buyer.earmarked(buyer.codes, fen=500)
    number = buyer.bought({buyer.codes[0]: 500})
    asked = []
    for codes in (buyer.codes[1:2], buyer.codes[2:]):
        with counted_queries(units.engine) as sent:
            buyer.change(number, *(joins(code, 100, date(2026, 9, 3)) for code in codes))
        asked.append(len(sent))
    assert asked[0] == asked[1]


# What stands against it


def test_no_ceiling_is_lowered_while_a_statement_is_made(buyer: Buyer, clock: FixedClock) -> None:
    """R24, R33: what September bills was read already, or will be; a higher one may come."""
    number = buyer.bought(dict.fromkeys(buyer.codes, 500), ceiling_fen=1_000)
    proposal = buyer.propose(number, another_ceiling(buyer.codes[0], 400))
    clock.at = on(9, 20)
    buyer.use({buyer.codes[0]: 1})
    clock.at = on(10, 3)
    with buyer.units(SYSTEM) as unit:
        assert seal_periods(unit, parse_month("2026-09"), payer_ids=[buyer.payer_id]) == 1
    with pytest.raises(Conflict) as refused:
        buyer.check(proposal)
    assert refused.value.facts["state"] == "being billed"
    buyer.change(number, another_ceiling(buyer.codes[1], 600))
    assert ceilings(buyer, number) == [500, 600, 500]


def test_for_whom_money_may_not_pay_is_judged_again_at_the_check(buyer: Buyer) -> None:
    """R18, R24: between proposal and check a raise was committed on money for two schools."""
    first, second, third = buyer.codes
    number = buyer.bought(dict.fromkeys([first, second], 500))
    proposal = buyer.propose(number, joins(third, 300, date(2026, 9, 10)))
    buyer.earmarked([first, second], fen=1_000)
    signed(buyer, number, 2_000)
    with pytest.raises(SchoolNotPaidFor):
        buyer.check(proposal)
    assert ceilings(buyer, number) == [500, 500]


def test_who_lowers_the_total_waits_for_a_seal_before_holding_the_agreement(buyer: Buyer) -> None:
    """R23, R24: in the order of all who need both, so that none waits for another in a circle."""
    number = buyer.bought(dict.fromkeys(buyer.codes, 500))
    selection = asked(buyer, number, 1_000)
    with buyer.units(SYSTEM) as sealing:
        lock_usage_alone(sealing)
        with (
            counted_queries(buyer.units.engine) as sent,
            pytest.raises(OperationalError),
            buyer.units(buyer.county.actor("checker")) as unit,
        ):
            unit.session.execute(text("SET LOCAL lock_timeout = '100ms'"))
            sign(unit, selection)
    assert "pg_advisory_xact_lock_shared" in sent[-1]
    assert [
        one for one in sent if re.search(r"FROM agreement\s.*FOR NO KEY UPDATE", one, re.S)
    ] == []
    buyer.sign(selection)
    assert ceilings(buyer, number) == [500, 500, 500]


def test_a_line_on_which_nothing_is_committed_any_more_keeps_no_school_out(buyer: Buyer) -> None:
    """R18, R24: what was raised on money for two schools was taken back; a third may join."""
    first, second, third = buyer.codes
    number = buyer.bought(dict.fromkeys([first, second], 500))
    buyer.earmarked([first, second], fen=1_000)
    signed(buyer, number, 2_000)
    joining = joins(third, 300, date(2026, 9, 10))
    with pytest.raises(SchoolNotPaidFor):
        buyer.propose(number, joining)
    signed(buyer, number, 1_000)
    with buyer.units(SYSTEM) as unit:
        draws = unit.session.scalars(
            select(AgreementDraw.ceiling_fen).order_by(AgreementDraw.position)
        ).all()
    buyer.change(number, joining)
    assert (draws, ceilings(buyer, number)) == ([1_000, 0], [500, 500, 300])
