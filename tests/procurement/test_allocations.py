"""Issuing the per-student lines of a county's schools (R15-R20)."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from kernel.actors import system_actor
from kernel.clock import FixedClock
from kernel.errors import InvalidInput, NoCensus, NoRule, NotFound, NoVerifiedQuota, Refused
from kernel.identity.models import NATION
from kernel.outcomes import Fate, RowOutcome
from kernel.unit import Units
from procurement.funding.allocations import IssueSummary, preview_lines
from procurement.funding.explanation import explain
from procurement.funding.funding_rules import FundingRuleRow, record_funding_rule
from procurement.funding.proposals import propose_lines
from procurement.funding.quotas import QuotaRow, quotas_in_force, record_quotas
from procurement.funding.rules import QuotaKind
from procurement.funding.shipped import record_shipped
from procurement.models import Allocation, FundingRule, Quota
from procurement.queries import allocations_of, budget_board, budget_boards
from tests.support.funding_builders import (
    CITY,
    COUNTY,
    OTHER_COUNTY,
    SCHOOL,
    CountyBuilder,
)
from tests.support.worlds import a_world

POINT = "3299010002"
SECOND = "3299010003"


@pytest.fixture
@a_world
def county(units: Units) -> CountyBuilder:
    county = CountyBuilder(units).with_bureau()
    county.school()
    return county


def a_quota(region: str, *, fen: int, **facts: Any) -> QuotaRow:
    given = {
        "stage": "primary",
        "kind": "base",
        "valid_from": date(2026, 1, 1),
        "source": "青财教〔2026〕1号",
        "verified": True,
    }
    return QuotaRow(region_code=region, amount_fen=fen, **{**given, **facts})


def record(county: CountyBuilder, *rows: QuotaRow, by: str = "") -> list[RowOutcome]:
    actor = county.actor(by) if by else system_actor("test")
    with county.units(actor) as unit:
        return record_quotas(unit, rows)


def line_of(county: CountyBuilder, code: str = SCHOOL, *, year: int = 2026) -> dict[str, Any]:
    """The computation of one school's line as it would be issued now."""
    with county.units(county.actor("bureau")) as unit:
        (found,) = [line for line in preview_lines(unit, fiscal_year=year) if line.code == code]
    if found.error is not None:
        raise found.error
    return found.computation


def test_a_line_is_issued_once_and_can_be_explained(county: CountyBuilder) -> None:
    """R15, R17, R20: 200 pupils x 650 yuan x 5 % of the fund; a second issue adds nothing."""
    county.counted(pupils=200)
    first, second = county.issue(), county.issue()
    assert (first.issued, first.amount_fen) == (1, 650_000)
    assert second == IssueSummary(fiscal_year=2026, unchanged=1)

    with county.units(county.actor(f"principal-{SCHOOL}")) as unit:
        (board,) = budget_boards(unit, fiscal_year=2026)
        assert board.total.allocated_fen == board.total.available_fen == 650_000
        (allocation,) = allocations_of(unit, board.lines[0].line_id)
    assert allocation.amount_fen == 650_000
    lines = explain(allocation.computation)
    assert f"School {SCHOOL} 第{SCHOOL}学校" in lines
    assert "    Primary: 200 pupils × 650.00 yuan = 130,000.00 yuan" in lines
    assert "× 0.0500 = 6,500.00 yuan, rounded to fen: 6,500.00 yuan" in lines


def test_points_are_computed_by_themselves_and_paid_with_their_school(
    county: CountyBuilder,
) -> None:
    """R15: the point is marked and has its own floor, the school has neither."""
    county.school(POINT, parent=SCHOOL, small_rural=True)
    county.counted(pupils=90)
    county.counted(POINT, pupils=12)
    summary = county.issue()
    assert (summary.issued, summary.amount_fen) == (1, (90 + 100) * 65_000 * 5 // 100)
    places = line_of(county)["places"]
    assert [(place["code"], place["teaching_point"]) for place in places] == [
        (SCHOOL, False),
        (POINT, True),
    ]


def test_before_the_autumn_census_the_one_of_spring_stands_in(
    county: CountyBuilder, clock: FixedClock
) -> None:
    """R15, R19: and once it is there, the difference is a top-up."""
    county.counted(pupils=200)
    county.issue()
    spring, autumn = line_of(county)["places"][0]["terms"]
    assert spring["census"] == {"basis": "spring", "as_of": "2026-03-10", "stands_in": False}
    assert autumn["census"] == {"basis": "spring", "as_of": "2026-03-10", "stands_in": True}

    county.counted(pupils=220, basis="autumn", as_of=date(2026, 9, 10))
    assert county.issue().amount_fen == 0, "a census dated after today does not count"

    clock.at = datetime(2026, 9, 11, tzinfo=UTC)
    topped_up = county.issue()
    assert (topped_up.topped_up, topped_up.amount_fen) == (1, 10 * 65_000 * 5 // 100)
    assert line_of(county)["places"][0]["terms"][1]["census"]["stands_in"] is False


def test_a_census_of_boarders_alone_does_not_stand_for_the_school(
    county: CountyBuilder, clock: FixedClock
) -> None:
    clock.at = datetime(2026, 9, 11, tzinfo=UTC)
    county.counted(pupils=200)
    county.counted(pupils=20, kind="boarding", basis="autumn", as_of=date(2026, 9, 10))
    _, autumn = line_of(county)["places"][0]["terms"]
    assert autumn["census"] == {"basis": "spring", "as_of": "2026-03-10", "stands_in": True}
    assert autumn["steps"][0]["pupils"] == 200


def test_a_verification_that_is_withdrawn_counts_no_more(
    county: CountyBuilder, clock: FixedClock
) -> None:
    """R16: the nation's verified row decides again; what was known before stays known."""
    county.counted(pupils=200)
    record(county, a_quota(COUNTY, fen=80_000))
    verified_at = clock.now()
    clock.advance(timedelta(days=1))
    record(county, a_quota(COUNTY, fen=80_000, verified=False))
    with county.units(system_actor("test")) as unit:
        then, now = (
            quotas_in_force(unit, [COUNTY], day=date(2026, 3, 1), known_at=known_at)[COUNTY]
            for known_at in (verified_at, clock.now())
        )
    key = (QuotaKind.BASE, "primary")
    assert (then[key].amount_fen, now[key].amount_fen) == (80_000, 65_000)


def test_at_the_start_of_a_year_the_last_census_of_the_year_before_stands_in(
    county: CountyBuilder, clock: FixedClock
) -> None:
    clock.at = datetime(2026, 1, 5, tzinfo=UTC)
    county.counted(pupils=180, as_of=date(2025, 3, 10))
    county.counted(pupils=190, as_of=date(2025, 9, 10), basis="autumn")
    county.counted(pupils=195, as_of=date(2025, 10, 10), basis="autumn")  # a correction
    spring, autumn = line_of(county)["places"][0]["terms"]
    assert spring["census"] == autumn["census"]
    assert spring["census"] == {"basis": "autumn", "as_of": "2025-10-10", "stands_in": True}
    assert spring["steps"][0]["pupils"] == 195


def test_fewer_pupils_take_nothing_back(county: CountyBuilder, clock: FixedClock) -> None:
    county.counted(pupils=200)
    county.issue()
    clock.at = datetime(2026, 9, 11, tzinfo=UTC)
    county.counted(pupils=100, basis="autumn", as_of=date(2026, 9, 10))
    summary = county.issue()
    assert (summary.unchanged, summary.above, summary.amount_fen) == (1, 1, 0)


def test_a_rise_announced_after_the_term_is_a_top_up(
    county: CountyBuilder, clock: FixedClock
) -> None:
    """R16: the row of the past stays what it was; what was issued keeps its computation."""
    county.counted(pupils=200)
    county.issue()
    clock.advance(timedelta(days=60))
    record(county, a_quota(NATION, fen=72_000, valid_from=date(2026, 1, 1)))
    summary = county.issue()
    assert (summary.topped_up, summary.amount_fen) == (1, 200 * 7_000 * 5 // 100)
    with county.units(system_actor("test")) as unit:
        issued = unit.session.scalars(select(Allocation).order_by(Allocation.id)).all()
    paid_with = [
        one.computation["places"][0]["terms"][0]["steps"][0]["quota_fen"] for one in issued
    ]
    assert paid_with == [65_000, 72_000]
    assert issued[1].computation["issued_before_fen"] == 650_000


def test_the_nearest_region_with_a_verified_row_decides(
    county: CountyBuilder, clock: FixedClock
) -> None:
    """R16: nation, then city, then county; an unverified row and a later one decide nothing."""
    county.counted(pupils=200)
    record(county, a_quota(CITY, fen=70_000), a_quota(OTHER_COUNTY, fen=99_000))
    clock.advance(timedelta(days=1))
    record(
        county,
        a_quota(COUNTY, fen=80_000, verified=False),
        a_quota(COUNTY, fen=81_000, valid_from=date(2026, 9, 2)),
    )
    spring, autumn = line_of(county)["places"][0]["terms"]
    assert spring["steps"][0]["quota_fen"] == autumn["steps"][0]["quota_fen"] == 70_000
    clock.advance(timedelta(days=1))
    record(county, a_quota(COUNTY, fen=80_000), by="operator")
    assert line_of(county)["places"][0]["terms"][0]["steps"][0]["quota_fen"] == 80_000


def test_a_quota_that_begins_in_autumn_counts_for_autumn_alone(county: CountyBuilder) -> None:
    county.counted(pupils=200)
    record(county, a_quota(COUNTY, fen=80_000, valid_from=date(2026, 9, 1)))
    spring, autumn = line_of(county)["places"][0]["terms"]
    assert (spring["steps"][0]["quota_fen"], autumn["steps"][0]["quota_fen"]) == (65_000, 80_000)


def test_heating_without_a_verified_quota_leaves_the_school_out_alone(
    county: CountyBuilder,
) -> None:
    county.school(SECOND)
    county.counted(SECOND, pupils=100)
    county.counted(pupils=200)
    county.counted(pupils=200, kind="heating", stage="")
    summary = county.issue()
    assert summary.issued == 1
    (left_out,) = summary.left_out
    assert left_out.code == SCHOOL
    assert isinstance(left_out.error, NoVerifiedQuota)
    assert left_out.error.facts["kind"] == "heating"

    record(county, a_quota(COUNTY, fen=10_000, kind="heating", stage=""))
    assert county.issue().issued == 1


def test_shipped_rows_that_are_not_verified_are_there_and_not_used(county: CountyBuilder) -> None:
    county.counted(pupils=100, kind="boarding", stage="")
    county.counted(pupils=10, kind="special", stage="")
    steps = line_of(county)["places"][0]["terms"][0]["steps"]
    assert [(step["step"], step["quota_fen"]) for step in steps] == [
        ("boarding", 20_000),
        ("special", 600_000),
    ]
    with county.units(system_actor("test")) as unit:
        unverified = unit.session.scalars(
            select(Quota.amount_fen).where(~Quota.verified).order_by(Quota.amount_fen)
        ).all()
    assert unverified == [30_000, 72_000, 94_000, 700_000]


def test_shipping_again_adds_nothing_and_overrules_nobody(
    county: CountyBuilder, clock: FixedClock
) -> None:
    clock.advance(timedelta(days=1))
    correction = a_quota(NATION, fen=66_000, valid_from=date(2016, 1, 1))
    assert record(county, correction)[0].fate is Fate.ACCEPTED
    clock.advance(timedelta(days=1))
    with county.units(system_actor("test")) as unit:
        assert record_shipped(unit) == 0
    county.counted(pupils=200)
    assert line_of(county)["places"][0]["terms"][0]["steps"][0]["quota_fen"] == 66_000


def test_a_school_that_was_never_counted_is_left_out(county: CountyBuilder) -> None:
    (left_out,) = county.issue().left_out
    assert isinstance(left_out.error, NoCensus)


def test_a_point_that_was_never_counted_is_not_taken_for_empty(county: CountyBuilder) -> None:
    county.school(POINT, parent=SCHOOL)
    county.counted(pupils=200)
    (left_out,) = county.issue().left_out
    assert isinstance(left_out.error, NoCensus)
    assert POINT in left_out.error.facts["school"]


def test_a_year_before_any_rule_has_none(county: CountyBuilder) -> None:
    county.counted(pupils=200, as_of=date(2012, 9, 10), basis="autumn")
    with pytest.raises(NoRule):
        line_of(county, year=2012)


def a_rule(region: str = COUNTY, *, share: str = "0.0800", **facts: Any) -> FundingRuleRow:
    given = {
        "valid_from": date(2026, 1, 1),
        "floor_pupils": 100,
        "short_stage": "primary",
        "share_minimum": Decimal("0.05"),
        "share_maximum": Decimal("0.10"),
        "origin": "青教〔2026〕3号",
    }
    return FundingRuleRow(region_code=region, digital_share=Decimal(share), **{**given, **facts})


def test_a_region_s_own_rule_decides_its_share(county: CountyBuilder) -> None:
    """R17: with a minimum and a maximum; recorded again, nothing happens."""
    county.counted(pupils=200)
    with county.units(county.actor("operator")) as unit:
        assert record_funding_rule(unit, a_rule())
        assert not record_funding_rule(unit, a_rule())
    assert county.issue().amount_fen == 200 * 65_000 * 8 // 100


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        (a_rule(share="0.1100"), InvalidInput),
        (a_rule(share="0.0400"), InvalidInput),
        (a_rule(floor_pupils=-1), InvalidInput),
        (a_rule(short_stage="nursery"), InvalidInput),
        (a_rule(origin=" "), InvalidInput),
        (a_rule(OTHER_COUNTY), NotFound),
    ],
)
def test_a_rule_that_can_t_be_is_refused(
    county: CountyBuilder, rule: FundingRuleRow, error: type[Exception]
) -> None:
    with pytest.raises(error), county.units(county.actor("operator")) as unit:
        record_funding_rule(unit, rule)
    with county.units(system_actor("test")) as unit:
        assert len(unit.session.scalars(select(FundingRule)).all()) == 1


def test_each_quota_row_has_its_fate(county: CountyBuilder) -> None:
    good = a_quota(COUNTY, fen=80_000)
    outcomes = record(
        county,
        good,
        good,
        a_quota(COUNTY, fen=81_000),
        a_quota(OTHER_COUNTY, fen=1),
        a_quota(COUNTY, fen=1, kind="snacks"),
        a_quota(COUNTY, fen=1, stage=""),
        a_quota(COUNTY, fen=1, kind="boarding"),
        a_quota(COUNTY, fen=-1, valid_from=date(2027, 1, 1)),
        a_quota(COUNTY, fen=100_000_001, valid_from=date(2027, 1, 1)),
        a_quota(COUNTY, fen=1, valid_from=date(2027, 1, 1), source=" "),
        by="operator",
    )
    assert [(outcome.fate.value, outcome.field) for outcome in outcomes] == [
        ("accepted", ""),
        ("duplicate", ""),
        ("conflict", "amount_yuan"),
        ("rejected", "region_code"),
        ("rejected", "kind"),
        ("rejected", "stage"),
        ("rejected", "stage"),
        ("rejected", "amount_yuan"),
        ("rejected", "amount_yuan"),
        ("rejected", "source"),
    ]
    assert record(county, good, by="operator")[0].fate is Fate.DUPLICATE
    with pytest.raises(Refused):
        record(county, good, by="reviewer-1")


def test_only_a_bureau_s_finance_issues_and_only_below_itself(county: CountyBuilder) -> None:
    """R49: a school of another county is neither computed nor seen."""
    county.counted(pupils=200)
    elsewhere = county.school("3299020001", region=OTHER_COUNTY)
    county.counted("3299020001", pupils=200)
    for login in ("reviewer-1", f"principal-{SCHOOL}"):
        with pytest.raises(Refused), county.units(county.actor(login)) as unit:
            propose_lines(unit, fiscal_year=2026)
    assert county.issue().issued == 1
    with pytest.raises(NotFound), county.units(county.actor("bureau")) as unit:
        budget_board(unit, elsewhere, fiscal_year=2026)


def test_chinese_readers_get_the_computation_in_chinese(county: CountyBuilder) -> None:
    county.counted(pupils=60)
    lines = explain(line_of(county), locale="zh_CN")
    assert any("60" in line and "小学" in line for line in lines)
    assert not any("pupils" in line for line in lines)
