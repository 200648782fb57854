"""Closes March 2026 on the database in argv[1] and kills itself at the unit of work in argv[2].

argv[3] says when: `before` its commit, or right `after` it. Run by test_killed_close.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from kernel.actors import Actor
from kernel.clock import FixedClock
from kernel.db import open_engine
from kernel.jobs import RecordingDispatcher
from kernel.settings import Settings
from kernel.unit import Unit, Units
from settlement.closing import settle
from tests.support.settlement_builders import MARCH, SYSTEM

SETTLED = 3


class MortalUnits(Units):
    """Units of work whose process dies at a chosen one."""

    def arm(self, *, at: int, moment: str) -> None:
        self.left, self.moment = at, moment

    @contextmanager
    def __call__(self, actor: Actor) -> Iterator[Unit]:
        self.left -= 1
        with super().__call__(actor) as unit:
            yield unit
            unit.session.flush()
            if self.left == 0 and self.moment == "before":
                os.kill(os.getpid(), signal.SIGKILL)
        if self.left == 0 and self.moment == "after":
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    url, at, moment = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    clock = FixedClock(datetime(2026, 8, 3, 2, tzinfo=UTC))
    told = Settings.load({"DATABASE_URL": url, "MARKET_SECRET_KEY": "test"})
    units = MortalUnits(open_engine(url), clock, told, RecordingDispatcher())
    units.arm(at=at, moment=moment)
    settle(units, SYSTEM, MARCH)
    clock.advance(timedelta(days=30))
    settle(units, SYSTEM, MARCH)
    sys.exit(SETTLED)


if __name__ == "__main__":
    main()
