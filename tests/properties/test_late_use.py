"""Use that comes late and is adjusted ends where use in time would have (R37, R38)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st
from sqlalchemy import text

from kernel.clock import FixedClock
from kernel.settings import Settings
from kernel.unit import Units
from procurement.verification import verify
from settlement.agreements import Draw
from settlement.closing import settle
from tests.support.database import fresh_units
from tests.support.plan_builders import (
    a_line_of,
    a_purchase,
    a_teaching_point,
    also_enrolled,
    counted_pupils,
)
from tests.support.settlement_builders import APRIL, MARCH, SYSTEM, a_market, a_use, at, deliver
from tests.support.statement_readings import Sums, sums_of

PRICED = {"unit_price": "0.3333"}
PLANS: Sequence[dict[str, Any]] = (
    {"plan": "per_use", **PRICED},
    {
        "plan": "per_use",
        **PRICED,
        "tiers": [
            {"up_to": 5, "unit_price": "0.3333"},
            {"up_to": 9, "unit_price": "0.2111"},
            {"up_to": None, "unit_price": "0.0555"},
        ],
    },
    {"plan": "per_use", **PRICED, "free_allowance": 7},
    {"plan": "per_use", **PRICED, "period_cap": "2.5050"},
    {"plan": "per_use", **PRICED, "learner_cap": 3},
    {"plan": "per_unique_use", **PRICED, "learner_cap": 2},
    {"plan": "per_unique_use", **PRICED},
    {"plan": "per_learner", "unit_price": "1.2345"},
    {"plan": "flat", "unit_price": "3.3350"},
)
LEARNERS = ("L1", "L2", "both")
SPLITS = ({}, {"fee_rate": "0.0333", "retention_rate": "0.1250"}, {"fee_rate": "0.0000"})


@dataclass(frozen=True)
class Use:
    """A use of March by a learner, some of it late. `at_point`: at the teaching point."""

    learner: str
    at_point: bool
    second: int
    session: str
    late: bool


uses = st.builds(
    Use,
    learner=st.sampled_from(LEARNERS),
    at_point=st.booleans(),
    second=st.integers(0, 240),  # dense, so that late use joins chains and opens new ones
    session=st.sampled_from(["", "a", "b"]),
    late=st.booleans(),
)


def settled(
    units: Units,
    seen: Sequence[Use],
    *,
    plan: dict[str, Any],
    pupils: int | None,
    ceiling_fen: int,
    in_time: bool,
) -> Sums:
    """Close March and April, with March's late use in time or after March's seal."""
    market = a_market(units, learners=LEARNERS)
    point = a_teaching_point(units, market)
    for learner in ("both", "L2"):
        also_enrolled(units, point.id, learner)
    if pupils is not None:
        counted_pupils(units, market.school, pupils)
    with units(SYSTEM) as unit:
        draws = [
            Draw(a_line_of(unit, market.school, source=source, amount_fen=fen), fen)
            for source, fen in (("surcharge", 150), ("own_funds", ceiling_fen - 150))
        ]
    bought = a_purchase(units, market, schools=[market.school, point], terms=plan, draws=draws)
    rows = [
        (
            use,
            a_use(
                units,
                bought,
                f"e{n}",
                at(2) + timedelta(seconds=use.second),
                learner=use.learner,
                session=use.session,
                school_code=(point if use.at_point and use.learner != "L1" else market.school).code,
            ),
        )
        for n, use in enumerate(seen)
    ]
    deliver(units, [row for use, row in rows if in_time or not use.late], name="march")
    april = [a_use(units, bought, f"a{n}", at(2, 9, n, month=4), learner="L1") for n in range(4)]
    deliver(units, april, name="april")
    settle(units, SYSTEM, MARCH)
    deliver(units, [row for use, row in rows if not in_time and use.late], name="late")
    settle(units, SYSTEM, APRIL)
    check_books(units, ceiling_fen=ceiling_fen)
    return sums_of(units, MARCH)


def check_books(units: Units, *, ceiling_fen: int) -> None:
    """Post all by silence; nothing is lost, nothing is above the ceiling, every check is clean."""
    assert verify(units, SYSTEM) == []
    assert isinstance(units.clock, FixedClock)
    units.clock.advance(timedelta(days=30))
    for month in (MARCH, APRIL):
        settle(units, SYSTEM, month)
    assert verify(units, SYSTEM) == []
    with units(SYSTEM) as unit:
        billed = unit.session.scalar(
            text("SELECT COALESCE(sum(amount_fen), 0) FROM statement_line")
        )
        waiting = unit.session.scalar(
            text("SELECT count(*) FROM statement_line WHERE state <> 'posted'")
        )
    assert (billed or 0) <= ceiling_fen
    assert waiting == 0


SMALL = profile(
    max_examples=5,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
WORLDS = {
    "seen": st.lists(uses, min_size=1, max_size=25),
    "plan": st.sampled_from(PLANS),
    "split": st.sampled_from(SPLITS),
    "pupils": st.sampled_from([None, 1, 2]),
}


@SMALL
@given(**WORLDS)
def test_adjusted_late_use_is_billed_as_if_it_had_come_in_time(
    server: str,
    settings: Settings,
    *,
    seen: list[Use],
    plan: dict[str, Any],
    split: dict[str, Any],
    pupils: int | None,
) -> None:
    """R37: unless a ceiling was reached; quantities, amounts, draws, shares and schools agree."""
    terms = {**plan, **split}
    sums = []
    for in_time in (True, False):
        with fresh_units(server, settings) as units:
            sums.append(
                settled(units, seen, plan=terms, pupils=pupils, ceiling_fen=20_000, in_time=in_time)
            )
    assert sums[0] == sums[1]


@SMALL
@given(**WORLDS, ceiling_fen=st.integers(151, 400))
def test_late_use_under_a_tight_ceiling_is_rated_alike_and_never_billed_above_it(
    server: str,
    settings: Settings,
    *,
    seen: list[Use],
    plan: dict[str, Any],
    split: dict[str, Any],
    pupils: int | None,
    ceiling_fen: int,
) -> None:
    """R33, R37, R38: what was billed before the late use came leaves less, but nothing is lost."""
    terms = {**plan, **split}
    sums = []
    for in_time in (True, False):
        with fresh_units(server, settings) as units:
            sums.append(
                settled(
                    units,
                    seen,
                    plan=terms,
                    pupils=pupils,
                    ceiling_fen=ceiling_fen,
                    in_time=in_time,
                )
            )
    for name in ("quantity", "rated_fen"):
        assert sums[0].figures[name] == sums[1].figures[name]
    for one in sums:
        assert one.figures["rated_fen"] == (
            one.figures["above_ceiling_fen"] + one.figures["amount_fen"]
        )
        assert one.figures["amount_fen"] == (
            one.figures["drawn_fen"] + one.figures["uncovered_fen"]
        )
