"""What a ranking is worth against hidden quality: order, and whom it removes, when, and rightly."""

from decimal import Decimal
from typing import Final, NamedTuple

import numpy as np

from settlement.ranking.kept_places import kept_of, spread
from settlement.ranking.numbers import Flags, Real, Whole
from settlement.ranking.simulation.world import BAD_BELOW, MONTHS, NONE, World

AROUND: Final = 3
"""Months before and after a decision over which quality is averaged to say if it was right."""

LONG_BAD: Final = 12
BRUSHES: Final = 6
"""Months of being bad that make a vendor one to be removed, and of buying while bad."""

TOP: Final = 10
NEW_MONTHS: Final = 6


class Truth(NamedTuple):
    """What was right to do, vendors × months: `bad` to remove, of those that are `seen` there.

    `known`: bad, there, and used by three schools or more, without which nothing can be known.
    `buys`: months in which a vendor that buys uses and opinions does so, from `buys_from` on.
    """

    bad: Flags
    seen: Flags
    known: Flags
    buys: Flags
    buys_from: Whole


class Tally(NamedTuple):
    """Counts that add up over marketplaces."""

    good: int
    unjust: int
    long_bad: int
    long_bad_removed: int
    brushers: int
    brushers_removed: int


def kendall_tau(order: Real, truth: Real) -> float:
    """Return Kendall's tau-b of two orders of the same things; 0 where one tells nothing apart."""
    upper = np.triu_indices(len(order), 1)
    one = np.sign(order[:, None] - order[None, :])[upper]
    other = np.sign(truth[:, None] - truth[None, :])[upper]
    apart = float(np.sqrt((one != 0).sum() * (other != 0).sum()))
    return float((one * other).sum() / apart) if apart else 0.0


def ndcg(order: Real, truth: Real, top: int = TOP) -> float:
    """Return the normalised discounted gain of the first places; gains grow with the true rank."""
    gain = 2.0 ** (4 * truth.argsort(kind="stable").argsort(kind="stable") / max(len(truth) - 1, 1))
    gain -= 1
    discount = 1 / np.log2(np.arange(2, min(top, len(truth)) + 2))
    shown = gain[np.argsort(-order, kind="stable")][:top]
    best = np.sort(gain)[::-1][:top]
    return float((shown * discount).sum() / (best * discount).sum())


def truth_of(world: World, served: Flags) -> Truth:
    """Return what was right: removing is just if quality about the decision is bad on average.

    `served`: vendors × months with three schools or more.
    """
    quality = np.pad(world.quality, ((0, 0), (AROUND, AROUND)), mode="edge")
    width = 2 * AROUND + 1
    around = np.lib.stride_tricks.sliding_window_view(quality, width, axis=1).mean(axis=2)
    months = np.arange(MONTHS)
    bad: Flags = around < BAD_BELOW
    seen: Flags = (world.entered[:, None] <= months) & (months < world.left[:, None])
    buys = (world.brushing != NONE)[:, None] & (months >= world.brushes_from[:, None])
    return Truth(bad, seen, bad & seen & served, buys, world.brushes_from)


def tally(truth: Truth, removed: Whole) -> Tally:
    """Count what a method removed: `removed` is the month, -1 for never."""
    was_removed = removed >= 0
    just = was_removed & truth.bad[np.arange(len(removed)), np.maximum(removed, 0)]
    good = (truth.seen & ~truth.bad).any(axis=1)
    long_bad = truth.known.sum(axis=1) >= LONG_BAD
    brushers = (truth.known & truth.buys).sum(axis=1) >= BRUSHES
    # Who was removed before it could buy anything tells nothing of whether buying helps.
    brushers &= ~was_removed | (removed >= truth.buys_from)
    return Tally(
        good=int(good.sum()),
        unjust=int((was_removed & ~just).sum()),
        long_bad=int(long_bad.sum()),
        long_bad_removed=int((just & long_bad).sum()),
        brushers=int(brushers.sum()),
        brushers_removed=int((just & brushers).sum()),
    )


def waits(truth: Truth, removed: Whole) -> list[tuple[int, bool]]:
    """Return of each vendor's first bad spell how long it was seen, and if removal ended it.

    Who got better, left, or was still there at the end was seen until then.
    """
    found = []
    for vendor in np.flatnonzero(truth.known.any(axis=1)):
        first = int(truth.known[vendor].argmax())
        over = np.flatnonzero(~(truth.bad & truth.seen)[vendor, first:])
        end = first + int(over[0]) if len(over) else MONTHS
        gone = int(removed[vendor])
        if 0 <= gone < first:
            continue
        happened = 0 <= gone < end
        found.append(((gone if happened else end) - first, happened))
    return found


def exposure(order: Real, new: Flags, reserved: Decimal) -> tuple[float, float]:
    """Return newcomers' share of what is seen on a first page, and their share of all offered.

    A place is seen by one over the logarithm of its number. `reserved`: share of the page's places
    kept for newcomers, rounded up and spread over the page; those of them who stand best and are
    not on it already are shown there, and the last of the others give way.
    """
    count = min(TOP, len(order))
    ranked = np.argsort(-order, kind="stable").tolist()
    page, waiting = ranked[:count], [one for one in ranked[count:] if new[one]]
    kept = kept_of(count, reserved)
    missing = min(kept - int(new[page].sum()), len(waiting))
    for place, one in zip(spread(count, missing), waiting, strict=False):
        page.insert(place - 1, one)
        last = next(at for at in reversed(range(len(page))) if not new[page[at]])
        page.pop(last)
    seen = 1 / np.log2(np.arange(2, count + 2))
    return float((seen * new[page]).sum() / seen.sum()), float(new.mean())
