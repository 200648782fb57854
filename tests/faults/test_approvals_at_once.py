"""Many approvals on one line at the same moment commit exactly what fits (R20, R23)."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import Engine, func, select, text

from kernel.actors import Actor
from kernel.clock import FixedClock
from kernel.db import open_engine
from kernel.errors import BudgetExhausted
from kernel.ids import SelectionId
from kernel.jobs import RecordingDispatcher
from kernel.settings import Settings
from kernel.unit import Units
from procurement.approvals import sign
from procurement.models import Selection
from procurement.queries import budget_board
from procurement.verification import verify
from settlement.models import Agreement
from tests.support.funding_builders import SCHOOL, a_county, a_selection
from tests.support.settlement_builders import SYSTEM

pytestmark = pytest.mark.faults

THREADS = 32
ACADEMIC, FINANCE = f"academic-{SCHOOL}", f"school_finance-{SCHOOL}"


def test_32_threads_commit_exactly_what_fits(
    database_url: str, clock: FixedClock, settings: Settings
) -> None:
    """R23: 6,500.00 on the line, 32 ceilings of 300.00: 21 are approved, 11 refused by how much."""
    engine: Engine = open_engine(database_url, pool_size=THREADS)
    units = Units(engine=engine, clock=clock, settings=settings, dispatcher=RecordingDispatcher())
    county = a_county(units)
    county.issue()
    county.select(*(a_selection(f"S-{n}", ceiling_fen=30_000) for n in range(THREADS)))
    county.sign_as(ACADEMIC)
    finance = county.actor(FINANCE)
    with units(SYSTEM) as unit:
        ids = [SelectionId(one) for one in unit.session.scalars(select(Selection.id))]
    ready = Barrier(THREADS)

    def approve(selection_id: SelectionId) -> int:
        ready.wait()
        return approved(units, finance, selection_id)

    with ThreadPoolExecutor(THREADS) as pool:
        short = list(pool.map(approve, ids))

    fitting = 650_000 // 30_000
    assert sum(fen == 0 for fen in short) == fitting == 21
    # 6,500.00 - 21 x 300.00 = 200.00 are left, so that each refused one is 100.00 short.
    assert {fen for fen in short if fen} == {10_000}
    with units(finance) as unit:
        assert unit.actor.organisation_id is not None
        board = budget_board(unit, unit.actor.organisation_id, fiscal_year=2026).total
        agreed = unit.session.scalar(select(func.count()).select_from(Agreement))
        posted = unit.session.scalar(text("SELECT count(*) FROM transfer WHERE key ~ '^commit'"))
    assert (board.available_fen, board.committed_fen) == (20_000, 630_000)
    assert (agreed, posted) == (fitting, fitting)
    assert verify(units, SYSTEM) == []
    engine.dispose()


def approved(units: Units, finance: Actor, selection_id: SelectionId) -> int:
    """Sign as the finance person; return 0, or by how much the line is short."""
    try:
        with units(finance) as unit:
            sign(unit, selection_id)
    except BudgetExhausted as error:
        return {f"{SCHOOL} 2026 per_student": int(error.facts["short_fen"])}[error.facts["line"]]
    return 0
