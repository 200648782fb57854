"""A preview at the end of a month, everything in, is the statement that a settle then writes."""

from typing import Any

from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from kernel.clock import FixedClock
from kernel.settings import Settings
from settlement.closing import settle
from settlement.preview import PreviewLine, preview
from settlement.queries.lines import LineRow, lines_of
from settlement.simulation import Changes, simulate
from tests.support.database import fresh_units
from tests.support.plans import plans
from tests.support.settlement_builders import MARCH, SYSTEM, a_market, a_use, at, deliver

uses = st.lists(
    st.tuples(
        st.sampled_from(["L1", "L2", "L3"]),
        st.integers(0, 59),
        st.sampled_from(["", "a", "b"]),
        st.integers(1, 40),
    ),
    max_size=30,
)


@profile(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(plan=plans(), seen=uses, ceiling_fen=st.integers(1, 50_000))
def test_a_preview_is_the_statement_to_come(
    *,
    server: str,
    settings: Settings,
    clock: FixedClock,
    plan: dict[str, Any],
    seen: list[tuple[str, int, str, int]],
    ceiling_fen: int,
) -> None:
    """R33, R39: under any plan; a simulation that changes nothing is the same once more."""
    with fresh_units(server, settings, clock) as units:
        market = a_market(
            units,
            ceiling_fen=ceiling_fen,
            learners=["L1", "L2", "L3"],
            terms=plan,
        )
        rows = [
            a_use(
                units,
                market,
                f"e{n}",
                at(2, 8, minute),
                learner=who,
                session=session,
                quantity=quantity,
            )
            for n, (who, minute, session, quantity) in enumerate(seen)
        ]
        deliver(units, rows)
        with units(market.finance) as unit:
            expected = [figures(line) for line in preview(unit, MARCH).lines]
            unchanged = simulate(unit, MARCH, Changes())
        settle(units, SYSTEM, MARCH)
        with units(SYSTEM) as unit:
            assert [figures(line) for line in lines_of(unit, month=MARCH)] == expected
            assert [figures(line) for line in preview(unit, MARCH).lines] == expected
        assert [figures(line) for line in unchanged.after.lines] == expected
        assert not any(one.difference_fen for one in unchanged.differences)


def figures(line: PreviewLine | LineRow) -> tuple[Any, ...]:
    return (
        line.agreement_number,
        line.kind,
        line.of_month,
        line.quantity,
        line.rated_fen,
        line.above_ceiling_fen,
        line.amount_fen,
        line.uncovered_fen,
    )
