"""Where use before the funds meets closes, disputes, closed years and schools' own ceilings."""

from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select

from kernel.clock import FixedClock, parse_month
from kernel.errors import Conflict, Refused, SchoolCeilingReached
from kernel.unit import Units
from procurement.waiting_years import commit_waiting
from settlement.agreement_schools import decline
from settlement.agreements import AgreementDraft, Draw, YearPart, open_agreement
from settlement.closing import settle
from settlement.early_use_models import UnfundedOutcome
from settlement.memorandum import note_uncovered
from settlement.metering.launches import agreement_in_force
from settlement.models import Agreement
from settlement.periods import month_to_close
from settlement.unfunded_decisions import decide_unfunded
from tests.support.agreement_builders import TERMS, a_line_of_2027, on
from tests.support.builders import a_listed_version
from tests.support.early_use_builders import (
    JANUARY,
    a_used_january,
    both_agree,
    entries,
    posted,
    used,
    who_agree,
)
from tests.support.settlement_builders import SYSTEM, Market, a_market, a_use, deliver


@pytest.fixture
def market(units: Units, clock: FixedClock) -> Market:
    market = a_market(units)
    clock.at = on(2026, 9, 1)
    return market


@pytest.fixture
def agreeing(units: Units, market: Market) -> Any:
    return who_agree(units, market)


def settled(units: Units, *months: int) -> None:
    for month in months:
        settle(units, SYSTEM, parse_month(f"2027-{month:02d}"))


def test_a_month_in_which_money_pays_what_waited_is_offered_to_be_closed(
    units: Units, market: Market, agreeing: Any, clock: FixedClock
) -> None:
    """R25, R35: the agreement is over and all its months are closed; then the money came."""
    both_agree(units, agreeing)
    a_used_january(units, market, clock)
    clock.at = on(2027, 9, 1)
    settled(units, *range(2, 7))
    with units(SYSTEM) as unit:
        assert month_to_close(unit) is None
    a_line_of_2027(units, market, fen=2_000)
    with units(SYSTEM) as unit:
        assert commit_waiting(unit) == 1
    clock.at = on(2027, 10, 5)
    with units(SYSTEM) as unit:
        assert month_to_close(unit) == parse_month("2027-07")


def test_a_correction_downwards_leaves_the_memorandum_even_of_a_closed_year(
    units: Units, market: Market, agreeing: Any, clock: FixedClock
) -> None:
    """R25: what is not owed any more stands nowhere."""
    both_agree(units, agreeing)
    a_used_january(units, market, clock)
    number = f"{market.school.code}-X-1"
    with units(SYSTEM) as unit:
        agreement_id = unit.session.scalars(
            select(Agreement.id).where(Agreement.number == number)
        ).one()
        correction: Any = SimpleNamespace(
            agreement_id=agreement_id,
            kind="adjustment",
            of_month=JANUARY,
            rated=SimpleNamespace(uncovered_fen=-100),
            year_is_closed=True,
        )
        note_uncovered(unit, parse_month("2028-04"), [correction])
    assert sum(entry[2] for entry in entries(units)) == 300


def test_nothing_is_written_off_while_a_line_of_the_month_is_disputed(
    units: Units, market: Market, agreeing: Any, clock: FixedClock
) -> None:
    """R25, R36: a credit and a write-off would take off the same fen."""
    both_agree(units, agreeing)
    a_used_january(units, market, clock)
    clock.at = on(2027, 7, 2)
    settled(units, *range(2, 7))
    clock.at = on(2028, 4, 1)
    deliver(units, [a_use(units, market, "late", on(2027, 1, 20))], name="late")
    settled(units, 7)
    with pytest.raises(Conflict), units(agreeing.maker) as unit:
        decide_unfunded(
            unit,
            f"{market.school.code}-X-1",
            JANUARY,
            outcome=UnfundedOutcome.WRITTEN_OFF,
            reason="文件",
        )


def test_a_schools_own_ceiling_stops_launches_in_a_year_that_waits_for_money(
    units: Units, market: Market, agreeing: Any, clock: FixedClock
) -> None:
    """R24, R25: the memorandum has room, the school's ceiling has none."""
    both_agree(units, agreeing, cap_fen=600)
    with units(SYSTEM) as unit:
        open_agreement(
            unit,
            AgreementDraft(
                number="B-1",
                payer_id=market.school.id,
                vendor_id=market.vendor.id,
                resource_id=market.resource_id,
                version_id=a_listed_version(unit, market.resource_id),
                terms={**TERMS, "kind": "bulk", "stop_at_ceiling": True},
                ceiling_fen=1_300,
                starts_on=date(2026, 9, 1),
                ends_on=date(2027, 6, 30),
                draws=[Draw(market.line_id, 500)],
                school_ids=[market.school.id],
                school_ceilings={market.school.id: 200},
                years=[YearPart(2026, 500), YearPart(2027, 800, 800)],
            ),
        )
    clock.at = on(2027, 1, 31)
    used(units, market, JANUARY, 4)
    clock.at = on(2027, 2, 1)
    posted(units, market, JANUARY)
    with pytest.raises(SchoolCeilingReached), units(SYSTEM) as unit:
        agreement_in_force(
            unit,
            school=market.school,
            resource_id=market.resource_id,
            sku="x",
            day=date(2027, 2, 1),
        )


def test_only_a_school_declines_a_bulk_purchase(units: Units, market: Market) -> None:
    """R24: not the system in the name of all schools."""
    with pytest.raises(Refused), units(SYSTEM) as unit:
        decline(unit, "B-1", from_day=date(2026, 10, 1), reason="文件")
