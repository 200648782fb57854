"""Any plan, in any order, with copies and late use: the same bytes, all fen kept (R38, R39)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random
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
from settlement.exports import export_statements
from settlement.metering.ingest import UsageRow
from tests.support.database import fresh_units
from tests.support.plan_builders import a_line_of, a_purchase, counted_pupils
from tests.support.settlement_builders import APRIL, MARCH, SYSTEM, a_market, a_use, at, deliver
from tests.support.usage_builders import a_launch, a_report

PLANS: Sequence[dict[str, Any]] = (
    {"plan": "per_unique_use", "unit_price": "0.3333"},
    {"plan": "per_unique_use", "unit_price": "0.3333", "learner_cap": 2},
    {"plan": "per_learner", "unit_price": "1.2345", "free_allowance": 1},
    {"plan": "per_class", "unit_price": "2.0005"},
    {"plan": "flat", "unit_price": "3.3350"},
    {
        "plan": "per_use",
        "unit_price": "0.3333",
        "tiers": [{"up_to": 4, "unit_price": "0.3333"}, {"up_to": None, "unit_price": "0.1011"}],
        "period_cap": "2.0000",
    },
)
SPLITS = (
    {},
    {"fee_rate": "0.0000", "retention_rate": "0.0000"},
    {"fee_rate": "0.0333", "retention_rate": "0.1111", "school_rate": "0.3000"},
)
COUNTS = ("statement", "statement_line", "statement_draw", "transfer", "leg", "late_use", "period")


@dataclass(frozen=True)
class Use:
    """A use of March under one of two agreements; `lesson`: of a launch for a class."""

    learner: str
    second: int
    session: str
    lesson: bool
    agreement: int
    late: bool


uses = st.builds(
    Use,
    learner=st.sampled_from(["L1", "L2"]),
    second=st.integers(0, 40),  # so dense that many are of the very same moment
    session=st.sampled_from(["", "a", "b"]),
    lesson=st.booleans(),
    agreement=st.integers(0, 1),
    late=st.booleans(),
)


def statements(
    units: Units,
    seen: Sequence[Use],
    plans: Sequence[dict[str, Any]],
    *,
    ceiling_fen: int,
    order: Random | None = None,
    batch_size: int = 5_000,
) -> bytes:
    """Settle March and April, with March's late use between, and return both months' statements."""
    market = a_market(units, learners=["L1", "L2"])
    counted_pupils(units, market.school, 1)
    with units(SYSTEM) as unit:
        lines = [
            a_line_of(unit, market.school, source=source, amount_fen=4_000)
            for source in ("surcharge", "own_funds")
        ]
    bought = [
        a_purchase(
            units,
            market,
            sku=f"SKU-{number}",
            terms={**plan, **with_school(plan, market.school.id)},
            draws=[Draw(lines[0], 50 + 10 * number), Draw(lines[1], ceiling_fen)],
        )
        for number, plan in enumerate(plans, start=2)
    ]
    launches = [
        a_launch(units, one, kind="class", class_name="一班", session_id="lesson", issued_at=at(2))
        for one in bought
    ]

    def row(number: int, use: Use) -> UsageRow:
        when = at(2) + timedelta(seconds=use.second)
        if use.lesson:
            return a_report(launches[use.agreement], f"e{number}", occurred_at=when)
        one = bought[use.agreement]
        return a_use(units, one, f"e{number}", when, learner=use.learner, session=use.session)

    for late, month in ((False, MARCH), (True, APRIL)):
        rows = [row(number, use) for number, use in enumerate(seen) if use.late is late]
        if order is not None:
            order.shuffle(rows)
            rows += order.sample(rows, k=len(rows) // 3)
        deliver(units, rows, batch_size=batch_size, name=f"late {late}")
        settle(units, SYSTEM, month)
    post_all(units)
    with units(SYSTEM) as unit:
        return export_statements(unit, MARCH) + export_statements(unit, APRIL)


def with_school(plan: dict[str, Any], school_id: object) -> dict[str, str]:
    return {"author_school_id": str(school_id)} if "school_rate" in plan else {}


def post_all(units: Units) -> None:
    """Let silence confirm both months; then every fen that was drawn is somebody's."""
    assert isinstance(units.clock, FixedClock)
    units.clock.advance(timedelta(days=30))
    for month in (MARCH, APRIL):
        settle(units, SYSTEM, month)
    assert verify(units, SYSTEM) == []
    with units(SYSTEM) as unit:
        drawn = unit.session.scalar(text("SELECT COALESCE(sum(drawn_fen), 0) FROM statement_line"))
        held = dict(
            unit.session.execute(
                text(
                    "SELECT a.kind, sum(CASE l.side WHEN 'D' THEN l.amount_fen "
                    "ELSE -l.amount_fen END)::bigint FROM leg l JOIN account a "
                    "ON a.id = l.account_id GROUP BY a.kind"
                )
            ).all()
        )
    gains = ("payable", "fee", "retention", "school_share")
    assert held.get("accrued", 0) == held.get("clearing", 0) == drawn
    assert -sum(held.get(kind, 0) for kind in gains) == drawn


def rows_of(units: Units) -> list[int | None]:
    with units(SYSTEM) as unit:
        return [unit.session.scalar(text(f"SELECT count(*) FROM {table}")) for table in COUNTS]


@profile(
    max_examples=5,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    seen=st.lists(uses, min_size=1, max_size=40),
    plans=st.lists(st.sampled_from(PLANS), min_size=2, max_size=2),
    splits=st.lists(st.sampled_from(SPLITS), min_size=2, max_size=2),
    ceiling_fen=st.sampled_from([10, 1_500]),
    order=st.randoms(use_true_random=False),
    size=st.integers(1, 45),
)
def test_any_plans_and_splits_give_the_same_bytes_and_keep_every_fen(
    server: str,
    settings: Settings,
    *,
    seen: list[Use],
    plans: list[dict[str, Any]],
    splits: list[dict[str, Any]],
    ceiling_fen: int,
    order: Random,
    size: int,
) -> None:
    """R38, R39: whatever the order, the batches and the copies; settling again is nothing."""
    terms = [{**plan, **split} for plan, split in zip(plans, splits, strict=True)]
    with fresh_units(server, settings) as units:
        plain = statements(units, seen, terms, ceiling_fen=ceiling_fen)
        before = rows_of(units)
        for month in (MARCH, APRIL, MARCH):
            settle(units, SYSTEM, month)
        assert rows_of(units) == before
        with units(SYSTEM) as unit:
            assert export_statements(unit, MARCH) + export_statements(unit, APRIL) == plain
    with fresh_units(server, settings) as units:
        shuffled = statements(
            units, seen, terms, ceiling_fen=ceiling_fen, order=order, batch_size=size
        )
    assert shuffled == plain
