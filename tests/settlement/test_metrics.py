"""What each plan pays for, counted from events, and the fen that come of it (R27, R33)."""

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from kernel.unit import Units
from settlement.closing import settle
from settlement.metering.ingest import UsageRow
from settlement.models import StatementLine
from settlement.queries.lines import line_view
from settlement.verify.recompute import verify
from tests.support.plan_builders import a_purchase, a_teaching_point, also_enrolled, counted_pupils
from tests.support.settlement_builders import (
    MARCH,
    SYSTEM,
    Market,
    a_market,
    a_use,
    at,
    deliver,
)
from tests.support.statement_readings import adds_up, the_line
from tests.support.usage_builders import a_launch, a_report


@pytest.fixture
def market(units: Units) -> Market:
    return a_market(units, learners=["L1", "L2", "L3"])


def bought(units: Units, market: Market, plan: str, price: str = "1.0000", **more: Any) -> Market:
    """Buy under a plan; `schools` are who may use it."""
    schools = more.pop("schools", ())
    terms = {"plan": plan, "unit_price": price, **more}
    return a_purchase(units, market, terms=terms, schools=schools, ceiling_fen=50_000)


def use(units: Units, market: Market, learner: str, *, day: int = 2, minute: int = 0, s: str = ""):
    name = f"{learner} {day} {minute} {s}"
    when = at(day) + timedelta(minutes=minute)
    return a_use(units, market, name, when, learner=learner, session=s)


def stated(units: Units, market: Market, *rows: UsageRow) -> StatementLine:
    """Deliver, close March, check the books and the sums by school; return the line."""
    deliver(units, rows)
    settle(units, SYSTEM, MARCH)
    assert verify(units, SYSTEM) == []
    line = the_line(units, market, MARCH)
    with units(SYSTEM) as unit:
        schools = line_view(unit, line.id).schools
    assert sum(part.quantity for part in schools) == line.quantity
    assert sum(part.amount_fen for part in schools) == line.amount_fen
    assert adds_up(line.explanation)
    assert all(adds_up(part.explanation) for part in schools)
    return line


def by_school(units: Units, line: StatementLine) -> dict[str, tuple[int, int]]:
    with units(SYSTEM) as unit:
        return {
            part.code: (part.quantity, part.amount_fen) for part in line_view(unit, line.id).schools
        }


def test_a_unique_use_is_one_per_learner_and_session_and_without_session_per_hour(
    units: Units, market: Market
) -> None:
    """R27: unique use = once per resource per session."""
    one = bought(units, market, "per_unique_use")
    line = stated(
        units,
        one,
        use(units, one, "L1", minute=0, s="a"),
        use(units, one, "L1", minute=30, s="a"),
        use(units, one, "L1", day=9, s="a"),
        use(units, one, "L1", minute=45, s="b"),
        use(units, one, "L2", minute=1, s="a"),
        use(units, one, "L3", minute=0),
        use(units, one, "L3", minute=59),
        use(units, one, "L3", minute=60),
    )
    assert (line.metric, line.quantity, line.explanation["uses"]) == ("unique_uses", 5, 8)
    assert line.amount_fen == 500


def test_a_session_that_is_called_like_an_hour_is_not_that_hour(
    units: Units, market: Market
) -> None:
    one = bought(units, market, "per_unique_use")
    line = stated(
        units,
        one,
        use(units, one, "L1", minute=0),
        use(units, one, "L1", minute=5, s="2026-03-02 00:00:00+00"),
    )
    assert line.quantity == 2


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_sessions_at_one_moment_the_same_counts_in_any_order(
    units: Units, market: Market, order: int
) -> None:
    """R39: what is a repeat of what does not hang on which came in first."""
    one = bought(units, market, "per_unique_use")
    rows = [use(units, one, "L1", s="a"), use(units, one, "L1", s="b")]
    line = stated(units, one, *rows[::order], use(units, one, "L1", minute=9, s="b"))
    assert (line.quantity, line.explanation["repeats"]) == (1, 1)


def test_learners_are_counted_once_a_month(units: Units, market: Market) -> None:
    one = bought(units, market, "per_learner", "2.5000")
    rows = [use(units, one, who, day=day) for who in ("L1", "L2") for day in (2, 3, 30)]
    line = stated(units, one, *rows)
    assert (line.metric, line.quantity, line.amount_fen) == ("learners", 2, 500)


def test_a_learner_without_a_billable_use_is_not_paid_for(units: Units, market: Market) -> None:
    """R30: a learner beyond the enrolment is no learner of the bill."""
    counted_pupils(units, market.school, 1)
    one = bought(units, market, "per_learner")
    line = stated(units, one, use(units, one, "L1"), use(units, one, "L2", minute=1))
    assert line.quantity == 1


@pytest.mark.parametrize(
    ("plan", "more", "quantity"),
    [
        ("per_learner", {}, 1),
        ("per_use", {"learner_cap": 3}, 3),
        ("per_unique_use", {"learner_cap": 2}, 2),
        ("per_unique_use", {}, 4),
        ("flat", {}, 1),
    ],
)
def test_a_learner_of_a_school_and_its_point_counts_once_where_the_first_use_was(
    units: Units, market: Market, plan: str, more: Mapping[str, Any], quantity: int
) -> None:
    """R24: one agreement over school and point; a pupil who moved between them is one learner."""
    point = a_teaching_point(units, market, learners=["P1"])
    also_enrolled(units, market.school.id, "P1", joined_on=date(2026, 3, 10))
    one = bought(units, market, plan, schools=[market.school, point], **more)
    rows = [
        a_use(units, one, f"{code} {day}", at(day), learner="P1", school_code=code)
        for code, days in ((point.code, (2, 3)), (market.school.code, (12, 13)))
        for day in days
    ]
    line = stated(units, one, *rows)
    assert line.quantity == quantity
    assert by_school(units, line)[point.code][0] == quantity
    assert by_school(units, line)[market.school.code][0] == 0


def test_class_sessions_are_lessons_that_were_opened_for_a_class(
    units: Units, market: Market
) -> None:
    """R27: what pupils use by themselves is no lesson, and the same lesson is one."""
    one = bought(units, market, "per_class", "3.0000")
    lessons = [
        a_launch(
            units,
            one,
            kind=kind,
            class_name="三年二班",
            session_id=session,
            issued_at=at(day),
        )
        for day, session, kind in (
            (2, "lesson-1", "class"),
            (3, "lesson-2", "class"),
            (3, "lesson-2", "class"),
            (4, "alone", "learner"),
        )
    ]
    rows = [
        a_report(launch_id, f"{n} {minute}", occurred_at=at(day, 8, minute))
        for n, (launch_id, day) in enumerate(zip(lessons, (2, 3, 3, 4), strict=True))
        for minute in (1 + n, 20 + n)
    ]
    line = stated(units, one, *rows, use(units, one, "L2"))
    assert (line.metric, line.quantity, line.amount_fen) == ("class_sessions", 2, 600)
    assert line.explanation["uses"] == 9


def test_a_flat_plan_is_due_once_in_a_month_with_billable_use(units: Units, market: Market) -> None:
    one = bought(units, market, "flat", "99.5000")
    line = stated(units, one, *[use(units, one, "L1", day=day) for day in range(2, 9)])
    assert (line.metric, line.quantity, line.amount_fen) == ("periods", 1, 9_950)


def test_a_flat_plan_is_not_due_for_use_that_is_not_billable(units: Units, market: Market) -> None:
    counted_pupils(units, market.school, 0)
    one = bought(units, market, "flat", "99.5000")
    line = stated(units, one, use(units, one, "L1"))
    assert (line.quantity, line.amount_fen) == (0, 0)
    assert line.explanation["excluded"] == {"over-enrolment": {"events": 1, "uses": 1}}


def test_a_flat_amount_is_shared_by_the_uses_of_the_schools(units: Units, market: Market) -> None:
    """R24: the breakdown adds up, by largest remainder."""
    point = a_teaching_point(units, market, learners=["P1"])
    one = bought(units, market, "flat", "1.0000", schools=[market.school, point])
    rows = [use(units, one, "L1", day=day) for day in (2, 3)] + [use(units, one, "P1", day=4)]
    line = stated(units, one, *rows)
    assert by_school(units, line) == {market.school.code: (1, 67), point.code: (0, 33)}


def test_no_more_than_the_cap_of_a_learners_uses_is_paid(units: Units, market: Market) -> None:
    one = bought(units, market, "per_use", "0.1000", learner_cap=3)
    rows = [use(units, one, "L1", minute=n) for n in range(10)] + [use(units, one, "L2")]
    line = stated(units, one, *rows)
    assert (line.quantity, line.explanation["uses"], line.amount_fen) == (4, 11, 40)


@pytest.mark.parametrize(
    ("more", "uses", "fen"),
    [
        ({"free_allowance": 4}, 10, 50),
        ({"free_allowance": 40}, 10, 0),
        ({"tiers": [(3, "0.0800"), (6, "0.0500"), (None, "0.0111")]}, 10, 43),
        ({"free_allowance": 2, "tiers": [(3, "0.0833"), (None, "0.0111")]}, 10, 31),
        ({"period_cap": "0.3550"}, 10, 36),
        ({"period_cap": "0.3450"}, 10, 34),
        ({"tiers": [(3, "0.0800"), (None, "0.0500")], "period_cap": "0.4000"}, 6, 39),
        ({"tiers": [(3, "0.0800"), (None, "0.0500")], "period_cap": "0.4000"}, 7, 40),
    ],
)
def test_tiers_allowance_and_cap_settle_to_the_fen(
    units: Units, market: Market, more: dict[str, Any], uses: int, fen: int
) -> None:
    """R33: computed by hand, rounded once, half to even."""
    terms = dict(more)
    price = "0.0833"
    if "tiers" in terms:
        terms["tiers"] = [{"up_to": end, "unit_price": price} for end, price in terms["tiers"]]
        price = terms["tiers"][0]["unit_price"]
    one = bought(units, market, "per_use", price, **terms)
    line = stated(units, one, *[use(units, one, "L1", minute=n) for n in range(uses)])
    assert (line.quantity, line.rated_fen, line.amount_fen) == (uses, fen, fen)
    assert line.unit_price == Decimal(price)
