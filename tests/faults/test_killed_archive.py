"""A move to the archive that is killed at any step leaves the month whole somewhere, never lost."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from kernel.unit import Units
from procurement.verification import verify
from settlement.metering.archive import archive_month, restore_month
from tests.faults import archiving_child
from tests.support.archive_builders import a_closed_month
from tests.support.children import Run, children_of
from tests.support.settlement_builders import MARCH, SYSTEM

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def run_child() -> Iterator[Run]:
    with children_of(archiving_child) as run:
        yield run


def where(units: Units) -> tuple[int, int]:
    """Return how many of March's uses the database has, and how many its records of archives."""
    with units(SYSTEM) as unit:
        present = unit.session.scalar(text("SELECT count(*) FROM usage_event WHERE event_id ~ 'u'"))
        archived = unit.session.scalar(
            text("SELECT COALESCE(sum(rows), 0) FROM usage_archive WHERE state = 'detached'")
        )
    return int(present or 0), int(archived or 0)


@pytest.mark.parametrize(
    "step", ["written", "named", "proved", "dropping", "recorded", "committed"]
)
def test_a_killed_archive_is_done_again(
    units: Units, database_url: str, tmp_path: Path, run_child: Run, step: str
) -> None:
    a_closed_month(units)
    died = run_child(database_url, tmp_path, step, "archive")
    assert died == -signal.SIGKILL
    assert where(units) == ((0, 40) if step == "committed" else (40, 0))
    assert verify(units, SYSTEM) == []

    if step != "committed":
        archive_month(units, SYSTEM, MARCH)
    assert where(units) == (0, 40)
    assert verify(units, SYSTEM) == []
    assert restore_month(units, SYSTEM, MARCH).rows == 40
    assert where(units) == (40, 0)


@pytest.mark.parametrize("step", ["loaded", "recorded", "committed"])
def test_a_killed_restore_is_done_again(
    units: Units, database_url: str, tmp_path: Path, run_child: Run, step: str
) -> None:
    a_closed_month(units)
    archive_month(units, SYSTEM, MARCH)
    died = run_child(database_url, tmp_path, step, "restore")
    assert died == -signal.SIGKILL
    assert where(units) == ((40, 0) if step == "committed" else (0, 40))
    assert verify(units, SYSTEM) == []

    if step != "committed":
        restore_month(units, SYSTEM, MARCH)
    assert where(units) == (40, 0)
    assert verify(units, SYSTEM) == []


def test_a_move_that_is_not_killed_ends(
    units: Units, database_url: str, tmp_path: Path, run_child: Run
) -> None:
    """The child does what it is for: the kills above cut a move that would have worked."""
    a_closed_month(units)
    done = run_child(database_url, tmp_path, "none", "archive")
    assert done == archiving_child.DONE
    assert where(units) == (0, 40)
