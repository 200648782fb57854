"""Closes a month on the database in argv[1] and kills itself at the unit of work in argv[2].

argv[3] says when: `before` its commit, or right `after` it; argv[4] how many payers a shard may
have, if not as many as ever; argv[5] which month, if not March 2026. It is August of that year. Run
by test_killed_close and test_sharded_close.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count

from kernel.actors import Actor
from kernel.clock import FixedClock, parse_month
from kernel.db import open_engine
from kernel.jobs import RecordingDispatcher
from kernel.settings import Settings
from kernel.unit import Unit, Units
from settlement import periods
from settlement.closing import settle
from tests.support.settlement_builders import MARCH, SYSTEM

SETTLED = 3


class MortalUnits(Units):
    """Units of work whose process dies at a chosen one."""

    def arm(self, *, at: int, moment: str) -> None:
        self.last, self.moment, self.opened = at, moment, count(1)

    @contextmanager
    def __call__(self, actor: Actor) -> Iterator[Unit]:
        number = next(self.opened)  # shards open theirs on threads
        with super().__call__(actor) as unit:
            yield unit
            unit.session.flush()
            if number == self.last and self.moment == "before":
                os.kill(os.getpid(), signal.SIGKILL)
        if number == self.last and self.moment == "after":
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    url, at, moment = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    if len(sys.argv) > 4:
        periods.SHARD = int(sys.argv[4])
    month = parse_month(sys.argv[5]) if len(sys.argv) > 5 else MARCH
    clock = FixedClock(datetime(month.year, 8, 3, 2, tzinfo=UTC))
    told = Settings.load({"DATABASE_URL": url, "MARKET_SECRET_KEY": "test"})
    units = MortalUnits(open_engine(url), clock, told, RecordingDispatcher())
    units.arm(at=at, moment=moment)
    settle(units, SYSTEM, month)
    clock.advance(timedelta(days=30))
    settle(units, SYSTEM, month)
    sys.exit(SETTLED)


if __name__ == "__main__":
    main()
