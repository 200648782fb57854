"""Two test runs that start together: what a killed run left behind is stopped once."""

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support import database

pytestmark = pytest.mark.faults

NOBODY = 2**22 + 1
"""Above the largest process id that Linux gives."""


def test_what_a_killed_run_left_is_discarded_by_one_of_two_that_start_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = tmp_path / f"{database.HOMES}{NOBODY}"
    left.mkdir()
    discarded: list[Path] = []

    def discard(home: Path) -> None:
        discarded.append(home)
        time.sleep(0.3)
        shutil.rmtree(home)

    monkeypatch.setattr(database, "MEMORY", tmp_path)
    monkeypatch.setattr(database, "discard", discard)
    monkeypatch.setattr(database.tempfile, "gettempdir", lambda: str(tmp_path))
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(database.home_of_run) for _ in range(2)]
        homes = {run.result() for run in runs}
    assert discarded == [left]
    assert len(homes) == 1
