"""What a month's bill would be now, and what it had been under other terms (R33)."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text, update
from sqlalchemy.exc import DBAPIError

from kernel.actors import Role
from kernel.errors import InvalidInput, NotFound, NothingToSettle, Refused, TooManyPayers
from kernel.identity.census import CensusRow, record_census
from kernel.identity.models import Organisation
from kernel.unit import Units
from settlement.closing import settle
from settlement.models import StatementLine
from settlement.preview import Preview, preview
from settlement.queries.lines import lines_of
from settlement.simulation import Changes, Simulation, simulate
from tests.support.builders import a_person
from tests.support.plan_builders import a_neighbour
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

TIERS = [{"up_to": 5, "unit_price": "1.0000"}, {"up_to": None, "unit_price": "0.5000"}]


def used(units: Units, market: Market, count: int, *, day: int = 2, learner: str = "L1") -> None:
    """A learner's uses, a minute apart."""
    deliver(
        units,
        [
            a_use(units, market, f"{learner}-{day}-{n}", at(day, 8, n), learner=learner)
            for n in range(count)
        ],
        name=f"{learner}-{day}.csv",
    )


def previewed(units: Units, market: Market) -> Preview:
    with units(market.finance) as unit:
        return preview(unit, MARCH)


def simulated(units: Units, market: Market, **changes: Any) -> Simulation:
    with units(market.finance) as unit:
        return simulate(unit, MARCH, Changes(**changes))


def figures(shown: Preview) -> list[tuple[Any, ...]]:
    return [
        (
            line.agreement_number,
            line.kind,
            line.quantity,
            line.rated_fen,
            line.above_ceiling_fen,
            line.amount_fen,
            line.uncovered_fen,
        )
        for line in shown.lines
    ]


def stated(units: Units) -> list[tuple[Any, ...]]:
    with units(SYSTEM) as unit:
        return [
            (
                line.agreement_number,
                line.kind,
                line.quantity,
                line.rated_fen,
                line.above_ceiling_fen,
                line.amount_fen,
                line.uncovered_fen,
            )
            for line in lines_of(unit, month=MARCH)
        ]


def test_a_preview_shows_an_open_month_up_to_now(units: Units) -> None:
    """R33: with tiers and a free allowance, as a statement would."""
    market = a_market(units, unit_price="1.0000", terms={"tiers": TIERS, "free_allowance": 2})
    used(units, market, 9)
    (line,) = previewed(units, market).lines
    assert (line.quantity, line.amount_fen) == (9, 600)
    assert line.arithmetic == "9 − 2 free = 7; 5 × 1.0000 + 2 × 0.5000 = 6.00"
    used(units, market, 1, day=3)
    assert previewed(units, market).total_fen("amount_fen") == 650


def test_a_running_estimate_warns_at_four_fifths_of_the_ceiling(units: Units) -> None:
    """R33."""
    market = a_market(units, unit_price="1.0000", ceiling_fen=1_000)
    used(units, market, 7)
    assert not previewed(units, market).lines[0].warns
    used(units, market, 1, day=3)
    assert previewed(units, market).lines[0].warns


def test_a_preview_writes_nothing_and_the_database_would_refuse_it(units: Units) -> None:
    market = a_market(units)
    used(units, market, 3)
    with pytest.raises(DBAPIError, match="read-only"), units(market.finance) as unit:
        preview(unit, MARCH)
        unit.session.execute(update(Organisation).values(name="x"))


def test_a_stated_month_is_previewed_as_its_own_lines(units: Units) -> None:
    """Also when a later month has used up more of the ceiling since."""
    market = a_market(units, unit_price="1.0000", ceiling_fen=1_000)
    used(units, market, 8)
    settle(units, SYSTEM, MARCH)
    deliver(
        units,
        [a_use(units, market, f"a{n}", at(2, 8, n, month=4)) for n in range(5)],
        name="april.csv",
    )
    settle(units, SYSTEM, APRIL)
    assert figures(previewed(units, market)) == stated(units)


def test_an_earlier_month_that_is_not_stated_is_named(units: Units) -> None:
    market = a_market(units)
    used(units, market, 3)
    with units(market.finance) as unit:
        assert preview(unit, APRIL).earlier_open == "2026-03"
        assert preview(unit, MARCH).earlier_open == ""


def test_only_who_answers_for_money_sees_a_preview(units: Units) -> None:
    market = a_market(units)
    with units(SYSTEM) as unit:
        teacher = a_person(unit, market.school, [Role.TEACHER], person_no="X-1")
    with pytest.raises(Refused), units(teacher) as unit:
        preview(unit, MARCH)
    with pytest.raises(NotFound), units(market.finance) as unit:
        preview(unit, MARCH, payer_code=market.bureau.code)
    with pytest.raises(NothingToSettle), units(market.finance) as unit:
        preview(unit, MARCH.replace(year=2024))


@pytest.mark.parametrize(
    ("changes", "after_fen"),
    [
        ({"plan": {"unit_price": "2.0000"}}, 1_600),
        ({"plan": {"period_cap": "3.0000"}}, 300),
        ({"plan": {"free_allowance": 5}}, 300),
        ({"plan": {"tiers": TIERS}}, 650),
        ({"plan": {"learner_cap": 2}}, 200),
        ({"plan": {"plan": "per_learner", "unit_price": "1.5000"}}, 150),
        ({"plan": {"plan": "flat", "unit_price": "4.0000", "tiers": None}}, 400),
        ({"ceiling_fen": 500}, 500),
        ({"plan": {"unit_price": "20.0000"}, "ceiling_fen": 16_000}, 16_000),
        ({"plan": {"unit_price": "20.0000"}}, 10_000),  # the ceiling holds
        ({}, 800),
    ],
)
def test_a_simulation_says_what_another_plan_had_cost(
    units: Units, changes: dict[str, Any], after_fen: int
) -> None:
    """R33: before 8 uses at 1.00 yuan, ceiling 100.00; after as changed."""
    market = a_market(units, unit_price="1.0000")
    used(units, market, 8)
    (one,) = simulated(units, market, **changes).differences
    assert (one.before_fen, one.after_fen) == (800, after_fen)
    assert one.after is not None
    assert one.after.uncovered_fen == 0


def test_a_higher_ceiling_commits_no_more_than_the_lines_have(units: Units) -> None:
    market = a_market(units, unit_price="20.0000", available_fen=12_000)
    used(units, market, 8)
    (one,) = simulated(units, market, ceiling_fen=16_000).differences
    assert one.after is not None
    assert (one.after_fen, one.after.uncovered_fen) == (16_000, 4_000)


def test_fewer_pupils_make_the_last_learners_use_not_billable(units: Units) -> None:
    """R30: more learners than pupils; those whose first use came last go beyond."""
    market = a_market(units, unit_price="1.0000")
    used(units, market, 5)
    used(units, market, 2, day=3, learner="L2")
    with units(SYSTEM) as unit:
        row = CensusRow(
            school_code=market.school.code,
            stage="primary",
            kind="enrolled",
            as_of=at(1).date(),
            basis="spring",
            pupils=2,
        )
        record_census(unit, [row])
    (same,) = simulated(units, market, pupils={market.school.code: 2}).differences
    (fewer,) = simulated(units, market, pupils={market.school.code: 1}).differences
    assert (same.before_fen, same.after_fen) == (700, 700)
    assert (fewer.before_fen, fewer.after_fen) == (700, 500)


def test_a_simulation_is_for_one_agreement_or_one_resource(units: Units) -> None:
    market = a_market(units, unit_price="1.0000")
    used(units, market, 3)
    free = {"plan": {"unit_price": "0.0000"}}
    number = f"{market.school.code}-A-1"
    for which in ({"agreement_number": number}, {"sku": "SKU-1"}):
        assert simulated(units, market, **free, **which).after.total_fen("amount_fen") == 0
    for nowhere in ({"agreement_number": "none"}, {"sku": "none"}, {"pupils": {"none": 1}}):
        with pytest.raises(NotFound):
            simulated(units, market, **free, **nowhere)
    for wrong in ({"plan": {"unit_price": "-1"}}, {"plan": {"plan": "x"}}, {"ceiling_fen": -1}):
        with pytest.raises(InvalidInput):
            simulated(units, market, **wrong)


def test_a_simulation_changes_no_table(units: Units) -> None:
    """Not a row is written, nor one version of it."""
    market = a_market(units)
    used(units, market, 4)
    before = contents(units)
    simulated(units, market, plan={"unit_price": "2.0000"}, ceiling_fen=5, pupils={})
    assert contents(units) == before


def contents(units: Units) -> dict[str, tuple[int, str]]:
    """Return each table's rows and a digest of their places and versions."""
    with units(SYSTEM) as unit:
        names = unit.session.scalars(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        ).all()
        return {
            name: tuple(
                unit.session.execute(
                    text(
                        "SELECT count(*), COALESCE(md5(string_agg("
                        f"ctid::text || xmin::text, ',' ORDER BY ctid)), '') FROM \"{name}\""
                    )
                ).one()
            )
            for name in names
        }


def test_late_use_is_previewed_as_the_adjustment_that_it_becomes(units: Units) -> None:
    """R37: of a month that is stated, in the next one."""
    market = a_market(units, unit_price="1.0000")
    used(units, market, 2)
    settle(units, SYSTEM, MARCH)
    used(units, market, 1, day=9)
    with units(market.finance) as unit:
        shown = preview(unit, APRIL)
        assert unit.session.query(StatementLine).count() == 1
    assert [(line.kind, line.of_month, line.amount_fen) for line in shown.lines] == [
        ("adjustment", MARCH, 100)
    ]
    assert units.clock.now() - at(9) > timedelta(days=30)


def test_more_payers_than_are_drafted_at_once_are_refused_with_the_way_out(
    units: Units, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R33: a preview counts live; a whole province is not drafted in passing."""
    market = a_market(units)
    a_neighbour(units, market, code="2199000002", learner="N1")
    monkeypatch.setattr("settlement.preview.MOST_PAYERS", 1)
    with units(SYSTEM) as unit, pytest.raises(TooManyPayers, match="2 payers; at most 1"):
        preview(unit, MARCH)
    with units(SYSTEM) as unit:
        assert preview(unit, MARCH, payer_code=market.school.code).payers == 1
