"""What a ranking is worth against hidden quality: order, and whom it removes, when, and rightly."""

from typing import Final, NamedTuple

from settlement.ranking.numbers import Flags, Real, Whole, np
from settlement.ranking.simulation.world import BAD_BELOW, MONTHS, NONE, World

AROUND: Final = 3
"""Months before and after a decision over which quality is averaged to say if it was right."""

LONG_BAD: Final = 12
BRUSHES: Final = 6
"""Months of being bad that make a vendor one to be removed, and of buying while bad."""

TOP: Final = 10
NEW_MONTHS: Final = 6


class Tally(NamedTuple):
    """Counts that add up over marketplaces. `waits`, `ended`: of each bad spell, for survival."""

    good: int
    unjust: int
    long_bad: int
    long_bad_removed: int
    brushers: int
    brushers_removed: int
    waits: list[int]
    ended: list[bool]


def kendall_tau(order: "Real", truth: "Real") -> float:
    """Return Kendall's tau-b of two orders of the same things; 0 where one tells nothing apart."""
    upper = np.triu_indices(len(order), 1)
    one = np.sign(order[:, None] - order[None, :])[upper]
    other = np.sign(truth[:, None] - truth[None, :])[upper]
    apart = float(np.sqrt((one != 0).sum() * (other != 0).sum()))
    return float((one * other).sum() / apart) if apart else 0.0


def ndcg(order: "Real", truth: "Real", top: int = TOP) -> float:
    """Return the normalised discounted gain of the first places; gains grow with the true rank."""
    gain = 2.0 ** (4 * truth.argsort(kind="stable").argsort(kind="stable") / max(len(truth) - 1, 1))
    gain -= 1
    discount = 1 / np.log2(np.arange(2, min(top, len(truth)) + 2))
    shown = gain[np.argsort(-order, kind="stable")][:top]
    best = np.sort(gain)[::-1][:top]
    return float((shown * discount).sum() / (best * discount).sum())


def right_to_remove(world: World) -> "Flags":
    """Vendors × months in which removing would be just: bad on average around the decision."""
    quality = np.pad(world.quality, ((0, 0), (AROUND, AROUND)), mode="edge")
    width = 2 * AROUND + 1
    around = np.lib.stride_tricks.sliding_window_view(quality, width, axis=1).mean(axis=2)
    found: Flags = around < BAD_BELOW
    return found


def there(world: World) -> "Flags":
    """Vendors × months in which the vendor is there."""
    months = np.arange(MONTHS)
    found: Flags = (world.entered[:, None] <= months) & (months < world.left[:, None])
    return found


def tally(world: World, removed: "Whole", served: "Flags") -> Tally:
    """Count what a method removed: `removed` is the month, -1 for never.

    `served`: vendors × months with three schools or more, without which nothing can be known.
    """
    bad, seen = right_to_remove(world), there(world)
    at = np.maximum(removed, 0)
    was_removed = removed >= 0
    just = was_removed & bad[np.arange(len(removed)), at]
    good = (seen & ~bad).any(axis=1)
    long_bad = (bad & seen & served).sum(axis=1) >= LONG_BAD
    buys = (world.brushing != NONE)[:, None] & (np.arange(MONTHS) >= world.brushes_from[:, None])
    brushers = (bad & seen & served & buys).sum(axis=1) >= BRUSHES
    # Who was removed before it could buy anything tells nothing of whether buying helps.
    brushers &= ~was_removed | (removed >= world.brushes_from)
    waits: list[int] = []
    ended: list[bool] = []
    for vendor in np.flatnonzero((bad & seen & served).any(axis=1)):
        first = int((bad & seen & served)[vendor].argmax())
        later = np.flatnonzero(~(bad & seen)[vendor, first:])
        end = first + int(later[0]) if len(later) else MONTHS
        gone = int(removed[vendor])
        if was_removed[vendor] and gone < first:
            continue
        happened = bool(was_removed[vendor]) and gone < end
        waits.append((gone if happened else end) - first)
        ended.append(happened)
    return Tally(
        good=int(good.sum()),
        unjust=int((was_removed & ~just).sum()),
        long_bad=int(long_bad.sum()),
        long_bad_removed=int((just & long_bad).sum()),
        brushers=int(brushers.sum()),
        brushers_removed=int((just & brushers).sum()),
        waits=waits,
        ended=ended,
    )


def exposure(order: "Real", new: "Flags", reserved: float) -> tuple[float, float]:
    """Return newcomers' share of what is seen on a first page, and their share of all offered.

    A place is seen by one over the logarithm of its number. `reserved`: share of the page's places
    kept for newcomers, rounded up, taken up by those of them who stand best and not on it already.
    """
    count = min(TOP, len(order))
    ranked = np.argsort(-order, kind="stable")
    page = list(ranked[:count])
    kept = int(np.ceil(reserved * count - 1e-9)) if len(order) > count else 0
    waiting = [one for one in ranked[count:] if new[one]]
    missing = max(0, kept - int(new[page].sum()))
    for place, one in zip(range(count - 1, -1, -1), waiting[:missing], strict=False):
        page[place] = one
    seen = 1 / np.log2(np.arange(2, count + 2))
    return float((seen * new[page]).sum() / seen.sum()), float(new.mean())
