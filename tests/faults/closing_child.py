"""Closes a month on a database and kills itself at a chosen unit of work.

Run by test_killed_close, test_killed_taking_up and test_sharded_close, through
`tests.support.children` or by itself.
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


def main(url: str, at: str, moment: str, shard: str = "", period: str = "") -> None:
    """`moment`: `before` the unit's commit or `after` it; `shard`: its most payers, if given.

    `period`: which month, if not March 2026; it is August of its year.
    """
    if shard:
        periods.SHARD = int(shard)
    month = parse_month(period) if period else MARCH
    clock = FixedClock(datetime(month.year, 8, 3, 2, tzinfo=UTC))
    told = Settings.load({"DATABASE_URL": url, "MARKET_SECRET_KEY": "test"})
    units = MortalUnits(open_engine(url), clock, told, RecordingDispatcher())
    units.arm(at=int(at), moment=moment)
    settle(units, SYSTEM, month)
    clock.advance(timedelta(days=30))
    settle(units, SYSTEM, month)
    sys.exit(SETTLED)


if __name__ == "__main__":
    main(*sys.argv[1:])
