"""A move to the archive that is killed at any step leaves the month whole somewhere, never lost."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from kernel.unit import Units
from settlement.metering.archive import archive_month, restore_month
from settlement.verify.recompute import verify
from tests.faults import archiving_child
from tests.support.archive_builders import a_closed_month
from tests.support.settlement_builders import MARCH, SYSTEM

pytestmark = pytest.mark.faults

ROOT = Path(__file__).parents[2]


def run_child(url: str, home: Path, *, step: str, act: str) -> int:
    command = [sys.executable, str(Path(archiving_child.__file__)), url, str(home), step, act]
    return subprocess.run(
        command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, check=False, timeout=120
    ).returncode


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
    units: Units, database_url: str, tmp_path: Path, step: str
) -> None:
    a_closed_month(units)
    died = run_child(database_url, tmp_path, step=step, act="archive")
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
    units: Units, database_url: str, tmp_path: Path, step: str
) -> None:
    a_closed_month(units)
    archive_month(units, SYSTEM, MARCH)
    died = run_child(database_url, tmp_path, step=step, act="restore")
    assert died == -signal.SIGKILL
    assert where(units) == ((40, 0) if step == "committed" else (0, 40))
    assert verify(units, SYSTEM) == []

    if step != "committed":
        restore_month(units, SYSTEM, MARCH)
    assert where(units) == (40, 0)
    assert verify(units, SYSTEM) == []


def test_a_move_that_is_not_killed_ends(units: Units, database_url: str, tmp_path: Path) -> None:
    """The child does what it is for: the kills above cut a move that would have worked."""
    a_closed_month(units)
    done = run_child(database_url, tmp_path, step="none", act="archive")
    assert done == archiving_child.DONE
    assert where(units) == (0, 40)
