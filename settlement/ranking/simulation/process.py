"""Due process in the simulated marketplace, the same for every method: only the number differs.

Who is new is left alone; who is found bad gets a notice and a term to mend it; who is found bad
after that, in two looks in a row and by newly affected schools, is suspended, which is what counts
as removed here. Recovery withdraws the notice. People always sign, nobody appeals.
"""

from typing import Final

import numpy as np

from settlement.ranking.config import Gates
from settlement.ranking.numbers import Flags, Whole

DAYS_A_MONTH: Final = 30.5


def suspended(
    bad: Flags, recovered: Flags, *, judged: Flags, affected: Whole, gates: Gates
) -> Whole:
    """Return the month of each suspension, -1 for none: rules × vendors.

    `bad`, `recovered`: rules × vendors × months, as each of several rules sees it. `judged`:
    vendors × months in which they are there and not new. `affected`: vendors × months × months,
    schools that by the second month have spoken against a vendor after the first.
    """
    rules, vendors, months = bad.shape
    term = int(np.ceil(gates.probation_days / DAYS_A_MONTH))
    noticed = np.full((rules, vendors), -1, dtype=np.int64)
    looks = np.zeros((rules, vendors), dtype=np.int64)
    removed = np.full((rules, vendors), -1, dtype=np.int64)
    each = np.arange(vendors)[None, :]
    for month in range(months):
        noticed[recovered[:, :, month]] = -1
        found = bad[:, :, month] & judged[:, month]
        looks = np.where(found & (noticed >= 0) & (noticed < month), looks + 1, 0)
        fresh = affected[each, noticed, month]
        out = (looks >= gates.looks) & (month - noticed >= term) & (fresh >= gates.fresh_schools)
        removed[out & (noticed >= 0) & (removed < 0)] = month
        noticed[found & (noticed < 0)] = month
    return removed


def lately(flags: Flags, looks: int) -> Flags:
    """Return the months by which something held for so many looks in a row."""
    held = flags.copy()
    for back in range(1, looks):
        held[..., back:] &= flags[..., :-back]
        held[..., :back] = False
    return held
