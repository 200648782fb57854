"""Moves March 2026 on the database in argv[1] and kills itself at the step in argv[3].

argv[2] is the folder of its state, argv[4] `archive` or `restore`. Run by test_killed_archive.
"""

import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from kernel.clock import FixedClock
from kernel.db import open_engine
from kernel.jobs import RecordingDispatcher
from kernel.settings import Settings
from kernel.unit import Units
from settlement.metering import archive, archive_files
from tests.support.settlement_builders import MARCH, SYSTEM

DONE = 3
STEPS: dict[str, tuple[Any, str]] = {
    "written": (archive_files, "place"),
    "named": (archive, "prints_of_file"),
    "proved": (archive, "_drop"),
    "dropping": (archive, "partition_name"),
    "recorded": (archive, "record"),
    "loaded": (archive, "attach"),
}
"""By name: the function before whose call, in that module, the process dies."""


def dies(_function: Callable[..., Any]) -> Callable[..., Any]:
    def kill(*_args: Any, **_kwargs: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    return kill


def main(url: str, home: str, step: str, act: str) -> None:
    if step in STEPS:
        module, name = STEPS[step]
        setattr(module, name, dies(getattr(module, name)))
    clock = FixedClock(datetime(2026, 8, 3, 2, tzinfo=UTC))
    told = Settings.load({"DATABASE_URL": url, "MARKET_SECRET_KEY": "test", "MARKET_HOME": home})
    units = Units(open_engine(url), clock, told, RecordingDispatcher())
    move = archive.archive_month if act == "archive" else archive.restore_month
    move(units, SYSTEM, MARCH)
    if step == "committed":
        os.kill(os.getpid(), signal.SIGKILL)
    sys.exit(DONE)
