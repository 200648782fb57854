"""Use of 2027 that no money came for, after its year's close: decided, corrected, credited."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import select

from kernel.clock import FixedClock, Month, parse_month
from kernel.ids import FundingLineId
from kernel.unit import Units
from procurement.funding.year_end_rules import YearEndRuleRow, record_year_end_rule
from procurement.funding.year_ends import close_year
from procurement.waiting_years import commit_waiting
from settlement.closing import settle
from settlement.dispute_models import Dispute
from settlement.dispute_rules import DisputeOutcome
from settlement.disputes import decide_dispute
from settlement.early_use_models import UnfundedOutcome
from settlement.queries.unfunded import unfunded
from settlement.unfunded_decisions import answer_write_off, decide_unfunded
from tests.support.agreement_builders import a_line_of_2027, across, on
from tests.support.early_use_builders import (
    JANUARY,
    Agreeing,
    both_agree,
    posted,
    stated,
    who_agree,
)
from tests.support.settlement_builders import SYSTEM, Market, a_use, deliver

FEBRUARY, JULY, AUGUST, SEPTEMBER = (
    parse_month(f"2027-{month}") for month in ("02", "07", "08", "09")
)
PAID, WRITTEN_OFF = UnfundedOutcome.CARRIED_OVER, UnfundedOutcome.WRITTEN_OFF
NEAR, CLOSED = on(2027, 1, 5), on(2028, 4, 2)
"""When two uses are near each other; a day on which the books of 2027 are closed."""


def who_agreed_and_used(units: Units, market: Market, clock: FixedClock) -> Agreeing:
    """Both agree; a January of 4.00 of which nothing was covered, posted.

    Two of its uses lie 40 s apart.
    """
    agreeing = who_agree(units, market)
    both_agree(units, agreeing)
    across(units, market, first_fen=500, later_fen=800)
    clock.at = on(2027, 1, 31)
    late(
        units, market, [on(2027, 1, 2), on(2027, 1, 3), NEAR, NEAR + timedelta(seconds=40)], "uses"
    )
    clock.at = on(2027, 2, 1)
    posted(units, market, JANUARY)
    return agreeing


def the_number(market: Market) -> str:
    return f"{market.school.code}-X-1"


def money_of_2027(
    units: Units, market: Market, clock: FixedClock, *, carry_until: str = "12-31"
) -> FundingLineId:
    """2027's line comes in June and is carried over with its commitments; 2027 is closed."""
    clock.at = on(2027, 6, 20)
    line_id = a_line_of_2027(units, market, fen=2_000)
    with units(SYSTEM) as unit:
        assert commit_waiting(unit) == 1
        record_year_end_rule(
            unit,
            YearEndRuleRow(
                region_code=market.bureau.region_code,
                source="per_student",
                valid_from=date(2026, 1, 1),
                outcome="carry_over",
                carry_until=carry_until,
                commitments="carried",
                origin="文件",
            ),
        )
    clock.at = CLOSED
    return line_id


def closed_until_june(units: Units, *, ends_year: bool = True) -> None:
    for month in range(2, 7):
        settle(units, SYSTEM, parse_month(f"2027-0{month}"))
    if ends_year:
        with units(SYSTEM) as unit:
            close_year(unit, fiscal_year=2027)


def decided(
    units: Units, market: Market, agreeing: Agreeing, outcome: UnfundedOutcome = WRITTEN_OFF
) -> str:
    with units(agreeing.maker) as unit:
        return decide_unfunded(
            unit, the_number(market), JANUARY, outcome=outcome, reason="双方协商"
        )


def written_off(units: Units, market: Market, agreeing: Agreeing) -> None:
    number = decided(units, market, agreeing)
    with units(agreeing.vendor) as unit:
        answer_write_off(unit, number, agrees=True)


def late(units: Units, market: Market, times: Sequence[datetime], name: str = "late") -> None:
    deliver(
        units,
        [a_use(units, market, f"{name}-{at.isoformat()}", at) for at in times],
        name=name,
    )


def two_late_uses(units: Units, market: Market) -> None:
    late(units, market, [on(2027, 1, 20), on(2027, 1, 21)])


def the_dispute(units: Units) -> UUID:
    with units(SYSTEM) as unit:
        return unit.session.scalars(select(Dispute.id)).one()


def dispute_decided(
    units: Units, agreeing: Agreeing, outcome: DisputeOutcome, *, credit_fen: int = 0
) -> None:
    dispute_id = the_dispute(units)
    with units(agreeing.checker) as unit:
        decide_dispute(unit, dispute_id, outcome=outcome, credit_fen=credit_fen, note="核实")


def queue(units: Units, agreeing: Agreeing) -> list[tuple[int, int, str]]:
    """Return (unfunded, of it to be paid from the carried line, standing) of each month."""
    with units(agreeing.maker) as unit:
        return [(row.unfunded_fen, row.carried_fen, row.standing) for row in unfunded(unit)]


def taken_up(units: Units, month: Month) -> list[int]:
    return [line[5] for line in stated(units, month) if line[1] == "take_up"]


def one_use_less(units: Units, market: Market) -> None:
    """A use between the two that lie 40 s apart: all three count as one."""
    late(units, market, [NEAR + timedelta(seconds=20)])


def disputes_dismissed(units: Units, agreeing: Agreeing) -> None:
    """Dismiss whatever is disputed and not decided yet."""
    with units(agreeing.checker) as unit:
        for one in unit.session.scalars(select(Dispute.id).where(Dispute.outcome.is_(None))).all():
            decide_dispute(unit, one, outcome=DisputeOutcome.DISMISSED, credit_fen=0, note="核实")


def corrected_after_the_decision(units: Units, market: Market, agreeing: Agreeing) -> None:
    """4.00 are decided to be paid, a correction makes them 3.00, July pays these.

    2.00 more come in late and are billed in August; nobody can object to them any more.
    """
    closed_until_june(units)
    decided(units, market, agreeing, PAID)
    one_use_less(units, market)
    posted(units, market, JULY)
    assert taken_up(units, JULY) == [300]
    two_late_uses(units, market)
    posted(units, market, AUGUST)
    disputes_dismissed(units, agreeing)
