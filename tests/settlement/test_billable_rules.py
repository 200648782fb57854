"""The four rules on use that is not billable, each alone and in their order (R30)."""

from datetime import date, timedelta

import pytest

from kernel.clock import FixedClock, parse_month
from kernel.unit import Units
from settlement.closing import settle
from settlement.preview import preview
from settlement.verify.recompute import verify
from tests.support.builders import a_learner, a_school, a_selling_teacher
from tests.support.plan_builders import (
    a_purchase,
    a_teaching_point,
    counted_pupils,
    learner_of,
    works_for,
)
from tests.support.settlement_builders import (
    APRIL,
    MARCH,
    SYSTEM,
    Market,
    a_market,
    a_use,
    at,
    deliver,
)
from tests.support.statement_readings import (
    adds_up,
    events_by_judgement,
    lines_by_month,
    the_line,
)
from tests.support.usage_builders import a_launch, a_report

MAY = parse_month("2026-05")


@pytest.fixture
def market(units: Units) -> Market:
    return a_market(units, learners=["L1", "L2", "L3", "L4"])


def judge(units: Units, market: Market, **uses: tuple[str, int]) -> dict[str, set[str]]:
    """Deliver one use per name, (learner, minute), close March, and return the judgements.

    On the way, what the line tells must add up and agree with the list of its events.
    """
    rows = [
        a_use(units, market, name, at(2) + timedelta(minutes=minute), learner=learner)
        for name, (learner, minute) in uses.items()
    ]
    deliver(units, rows)
    return judgements(units, market)


def judgements(units: Units, market: Market) -> dict[str, set[str]]:
    settle(units, SYSTEM, MARCH)
    line = the_line(units, market, MARCH)
    found = events_by_judgement(units, line.id)
    told = line.explanation
    assert adds_up(told)
    assert len(found.get("counted", ())) == told["counted"]
    assert len(found.get("repeat", ())) == told["repeats"]
    assert {rule: one["events"] for rule, one in told["excluded"].items()} == {
        rule: len(events) for rule, events in found.items() if rule not in ("counted", "repeat")
    }
    assert verify(units, SYSTEM) == []
    return found


def test_use_by_the_school_of_a_selling_teacher_is_not_billable(
    units: Units, market: Market
) -> None:
    """R30: the author's own school does not pay its own teacher."""
    with units(SYSTEM) as unit:
        teacher = a_selling_teacher(unit, market.school)
    own = a_purchase(units, market, vendor=teacher)
    assert judge(units, own, a=("L1", 0), b=("L2", 1)) == {"own-school": {"a", "b"}}
    line = the_line(units, own, MARCH)
    assert (line.quantity, line.rated_fen) == (0, 0)


def test_a_teaching_point_and_its_school_are_one_school_to_their_teacher(
    units: Units, market: Market
) -> None:
    """R30: a teacher of the school sells to its teaching point, and the other way round."""
    point = a_teaching_point(units, market, learners=["P1"])
    with units(SYSTEM) as unit:
        of_school = a_selling_teacher(unit, market.school)
        of_point = a_selling_teacher(unit, point)
    both = [market.school, point]
    first = a_purchase(units, market, vendor=of_school, sku="SKU-T1", schools=both)
    second = a_purchase(units, market, vendor=of_point, sku="SKU-T2", schools=both)
    deliver(
        units,
        [
            a_use(units, one, f"{one.sku} {who}", at(2), learner=who)
            for one in (first, second)
            for who in ("L1", "P1")
        ],
    )
    for one in (first, second):
        assert judgements(units, one) == {"own-school": {f"{one.sku} L1", f"{one.sku} P1"}}


def test_a_firm_or_another_schools_teacher_is_paid(units: Units, market: Market) -> None:
    with units(SYSTEM) as unit:
        from_elsewhere = a_selling_teacher(unit, a_school(unit))
    bought = a_purchase(units, market, vendor=from_elsewhere)
    assert judge(units, bought, a=("L1", 0)) == {"counted": {"a"}}


@pytest.mark.parametrize(
    ("since", "until", "rule"),
    [
        (at(1, month=1), None, "vendor-staff"),
        (at(31, 23, 59, 59), None, "vendor-staff"),
        (at(1, 0, month=4), None, "counted"),
        (at(1, month=1), at(1, 0), "counted"),
        (at(1, month=1), at(1, 0, 0, 1), "vendor-staff"),
        (at(5), at(9), "vendor-staff"),
    ],
)
def test_use_by_who_works_for_the_vendor_in_the_month_is_not_billable(
    units: Units, market: Market, since, until, rule: str
) -> None:
    """R30: staff is who held a role at the vendor for any moment of the month."""
    works_for(units, market.vendor, "L1", since=since, until=until)
    found = judge(units, market, staff=("L1", 0), pupil=("L2", 1))
    assert "staff" in found[rule]
    assert "pupil" in found["counted"]


def test_staff_of_another_vendor_is_a_user_like_others(units: Units, market: Market) -> None:
    with units(SYSTEM) as unit:
        other = a_selling_teacher(unit, market.school)
    works_for(units, other, "L1", since=at(1, month=1))
    assert judge(units, market, a=("L1", 0)) == {"counted": {"a"}}


def test_learners_beyond_the_pupils_of_the_census_are_those_who_began_last(
    units: Units, market: Market
) -> None:
    """R30: with two pupils counted, the third and fourth learner to begin are beyond."""
    counted_pupils(units, market.school, 2)
    found = judge(
        units,
        market,
        late=("L1", 9),
        first=("L4", 0),
        second=("L2", 1),
        third=("L3", 5),
        **{"first again": ("L4", 20), "late again": ("L1", 30)},
    )
    assert found == {
        "counted": {"first", "first again", "second"},
        "over-enrolment": {"third", "late", "late again"},
    }


@pytest.mark.parametrize("by_number", [1, -1])
def test_of_learners_who_begin_at_one_moment_the_ids_of_their_uses_decide(
    units: Units, market: Market, by_number: int
) -> None:
    """R30, R39: never the learner's number, which is drawn by lot on each installation."""
    counted_pupils(units, market.school, 2)
    with units(SYSTEM) as unit:
        numbers = sorted(["L1", "L2", "L3"], key=lambda no: learner_of(unit, no))[::by_number]
    found = judge(
        units,
        market,
        **{"c": (numbers[0], 0), "b": (numbers[1], 0), "a": (numbers[2], 0), "0": (numbers[0], 9)},
    )
    assert found == {"counted": {"a", "b"}, "over-enrolment": {"c", "0"}}


def test_use_outside_the_enrolment_takes_no_place(units: Units, market: Market) -> None:
    with units(SYSTEM) as unit:
        a_learner(unit, market.school, "gone", left_on=date(2026, 3, 1))
    counted_pupils(units, market.school, 1)
    found = judge(units, market, gone=("gone", 0), stays=("L1", 1), beyond=("L2", 2))
    assert found == {"outside": {"gone"}, "counted": {"stays"}, "over-enrolment": {"beyond"}}


def test_a_lesson_of_a_class_counts_no_learner(units: Units, market: Market) -> None:
    """R30: a launch for a class is the teacher's; it neither takes a place nor needs one."""
    counted_pupils(units, market.school, 1)
    lesson = a_launch(units, market, kind="class", class_name="三年二班", session_id="lesson-1")
    deliver(units, [a_report(lesson, "lesson", occurred_at=at(2, 8, 1))], name="lesson")
    rows = [
        a_use(units, market, who, at(2, 9, minute), learner=who)
        for minute, who in enumerate(["L2", "L1"])
    ]
    deliver(units, rows)
    assert judgements(units, market) == {"counted": {"lesson", "L2"}, "over-enrolment": {"L1"}}


def test_without_a_census_the_rule_rests(units: Units, market: Market) -> None:
    assert judge(units, market, a=("L1", 0), b=("L2", 1)) == {"counted": {"a", "b"}}


def test_pupils_are_the_last_counts_of_the_school_year_of_all_kinds(
    units: Units, market: Market
) -> None:
    """Special-education pupils are counted beside; an older count and one after March are not."""
    counted_pupils(units, market.school, 50, as_of=date(2025, 2, 20))
    counted_pupils(units, market.school, 90, as_of=date(2026, 2, 20))
    counted_pupils(units, market.school, 1, as_of=date(2026, 3, 10))
    counted_pupils(units, market.school, 1, as_of=date(2025, 9, 20), kind="special")
    counted_pupils(units, market.school, 70, as_of=date(2026, 3, 10), kind="boarding")
    counted_pupils(units, market.school, 80, as_of=date(2026, 4, 1))
    found = judge(units, market, a=("L1", 0), b=("L2", 1), c=("L3", 2))
    assert found == {"counted": {"a", "b"}, "over-enrolment": {"c"}}


def test_a_teaching_point_goes_by_its_own_census(units: Units, market: Market) -> None:
    """R15, R30: a point's pupils are counted at the point, not at its school."""
    point = a_teaching_point(units, market, learners=["P1", "P2"])
    counted_pupils(units, market.school, 1)
    counted_pupils(units, point, 1)
    bought = a_purchase(units, market, schools=[market.school, point])
    found = judge(units, bought, p2=("P2", 0), p1=("P1", 1), l1=("L1", 2), l2=("L2", 3))
    assert found == {"counted": {"p2", "l1"}, "over-enrolment": {"p1", "l2"}}


def test_a_point_without_a_census_has_no_limit_beside_a_school_with_one(
    units: Units, market: Market
) -> None:
    point = a_teaching_point(units, market, learners=["P1", "P2"])
    counted_pupils(units, market.school, 1)
    bought = a_purchase(units, market, schools=[market.school, point])
    found = judge(units, bought, p2=("P2", 0), p1=("P1", 1), l1=("L1", 2), l2=("L2", 3))
    assert found == {"counted": {"p2", "p1", "l1"}, "over-enrolment": {"l2"}}


def test_a_place_counts_once_over_all_resources_of_a_school(units: Units, market: Market) -> None:
    """Learners are counted at the school, whichever agreement they use."""
    counted_pupils(units, market.school, 1)
    bought = a_purchase(units, market)
    deliver(units, [a_use(units, market, "L1 elsewhere", at(2))])
    assert judge(units, bought, beyond=("L2", 5), within=("L1", 6)) == {
        "over-enrolment": {"beyond"},
        "counted": {"within"},
    }


def test_the_rules_are_asked_in_their_order_and_repeats_before_them(
    units: Units, market: Market
) -> None:
    """R30: own school > vendor staff > outside > over-enrolment; a repeat is none of them."""
    counted_pupils(units, market.school, 1)
    with units(SYSTEM) as unit:
        teacher = a_selling_teacher(unit, market.school)
        a_learner(unit, market.school, "gone", left_on=date(2026, 3, 1))
    works_for(units, teacher, "gone", since=at(1, month=1))
    works_for(units, market.vendor, "gone", since=at(1, month=1))
    works_for(units, market.vendor, "L2", since=at(1, month=1))
    own = a_purchase(units, market, vendor=teacher)
    deliver(
        units,
        [
            a_use(units, own, "own: repeat", at(2), learner="gone"),
            a_use(units, own, "own", at(2, 8, 0, 20), learner="gone"),
        ],
        name="own",
    )
    found = judge(
        units,
        market,
        **{"first": ("L1", 0), "staff and gone": ("gone", 1), "staff and beyond": ("L2", 2)},
        beyond=("L3", 3),
    )
    assert found == {
        "counted": {"first"},
        "vendor-staff": {"staff and gone", "staff and beyond"},
        "over-enrolment": {"beyond"},
    }
    assert judgements(units, own) == {"repeat": {"own: repeat"}, "own-school": {"own"}}


def test_what_becomes_known_later_does_not_change_a_sealed_month(
    units: Units, market: Market
) -> None:
    """R30: a census, a role or a teacher's vendor of later days leaves the statement as it is."""
    before = judge(units, market, a=("L1", 0), b=("L2", 1))
    counted_pupils(units, market.school, 1)
    works_for(units, market.vendor, "L1", since=at(1, month=1))
    assert judgements(units, market) == before == {"counted": {"a", "b"}}


def test_an_agreement_that_is_backdated_into_a_sealed_month_does_not_escape_the_rules(
    units: Units, market: Market, clock: FixedClock
) -> None:
    """R30, R37: its seal could keep nothing for it; what is known when late use comes is kept."""
    with units(SYSTEM) as unit:
        teacher = a_selling_teacher(unit, market.school)
    deliver(units, [a_use(units, market, "m", at(2))], name="march")
    settle(units, SYSTEM, MARCH)
    clock.advance(timedelta(days=1))
    own = a_purchase(units, market, vendor=teacher)
    deliver(units, [a_use(units, own, "late", at(3))], name="late")
    with units(SYSTEM) as unit:
        drafted = {line.agreement_id: line.rated_fen for line in preview(unit, APRIL).lines}
    assert drafted == {own.agreement_id: 0}
    settle(units, SYSTEM, APRIL)
    late = lines_by_month(units, own)["2026-04", "2026-03"]
    assert (late.quantity, late.rated_fen) == (0, 0)
    assert late.explanation["excluded"] == {"own-school": {"events": 1, "uses": 1}}
    assert verify(units, SYSTEM) == []


def test_late_use_of_a_month_that_was_over_without_a_use_does_not_escape_the_rules(
    units: Units, market: Market
) -> None:
    """R30, R37: that month was never sealed by itself."""
    with units(SYSTEM) as unit:
        teacher = a_selling_teacher(unit, market.school)
    own = a_purchase(units, market, vendor=teacher)
    deliver(units, [a_use(units, market, "a", at(2, month=4))], name="april")
    settle(units, SYSTEM, APRIL)
    deliver(units, [a_use(units, own, "late", at(3))], name="late")
    settle(units, SYSTEM, MAY)
    late = lines_by_month(units, own)["2026-05", "2026-03"]
    assert late.explanation["excluded"] == {"own-school": {"events": 1, "uses": 1}}
    assert verify(units, SYSTEM) == []
