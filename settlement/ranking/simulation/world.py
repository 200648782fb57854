"""The hidden side of the simulated marketplace: vendors' quality over time, schools, attackers.

Nothing here looks like the model that scores it: quality is a path on an unbounded scale, schools
differ in how strict they are and in what suits them, districts share opinions, marketing is
unrelated to quality, and some vendors buy uses, opinions, or a rival's fall. What people do in it
month by month is `living`'s.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from settlement.ranking.numbers import Flags, Real, Whole

MONTHS: Final = 36
BAD_BELOW: Final = -0.9
"""Hidden quality below which a vendor is bad: most schools would rather not have used it."""

CELL_VENDORS: Final = (24, 16, 12, 10, 8, 6, 4, 3)
CELL_SHARE: Final = (0.95, 0.90, 0.85, 0.80, 0.60, 0.45, 0.30, 0.20)
"""Vendors at the start, and the share of schools that need something, from thick cells to thin."""

NONE, NAIVE, SLY = 0, 1, 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Mix:
    """How often what happens to vendors happens: shares of vendors, unless said otherwise."""

    bad: float = 0.15
    good: float = 0.25
    brushers_among_bad: float = 0.35
    brushers_among_others: float = 0.05
    in_rings: float = 0.04
    bombers: float = 0.05
    decliners: float = 0.07
    dippers: float = 0.05
    improvers_among_bad: float = 0.15
    entries_per_month: float = 0.8
    leaving_per_month: float = 0.003
    sly: float = 0.5
    captive_schools: float = 0.03


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """Everything hidden. `quality`: vendors × months; `entered`, `left`: first month, month after.

    `brushing`: how a vendor buys uses and opinions, from month `brushes_from`; `bombs`: how it has
    its best-selling rival rated. `ring`: number of its ring, -1 for none; `home`: its own school.
    """

    cell: Whole
    quality: Real
    entered: Whole
    left: Whole
    marketing: Real
    sticky: Real
    fragile: Real
    brushing: Whole
    brushes_from: Whole
    bombs: Whole
    bombs_from: Whole
    ring: Whole
    home: Whole
    needs: Whole
    size: Real
    lenient: Real
    speaks: Real
    complains: Real
    district: Whole
    district_taste: Real
    captives: int

    @property
    def bad(self) -> Flags:
        """Vendors × months in which the vendor is bad."""
        found: Flags = self.quality < BAD_BELOW
        return found

    def present(self, month: int) -> Flags:
        """Vendors that are there in a month."""
        found: Flags = (self.entered <= month) & (month < self.left)
        return found


def draw_world(rng: np.random.Generator, schools: int, mix: Mix | None = None) -> World:
    """Draw a marketplace of so many schools."""
    mix = mix or Mix()
    cell, entered = _vendors(rng, mix)
    count = len(cell)
    kind = rng.choice(3, size=count, p=[mix.bad, 1 - mix.bad - mix.good, mix.good])
    base = np.choose(
        kind,
        [rng.normal(-1.6, 0.35, count), rng.normal(0.15, 0.5, count), rng.normal(1.2, 0.4, count)],
    )
    is_bad = kind == 0
    quality = _paths(rng, base, is_bad, entered, mix)
    brushes = rng.random(count) < np.where(
        is_bad, mix.brushers_among_bad, mix.brushers_among_others
    )
    bombs = rng.random(count) < mix.bombers
    ring = np.full(count, -1, dtype=np.int64)
    members = rng.permutation(count)[: max(4, round(mix.in_rings * count))]
    ring[members] = np.arange(len(members)) // 2
    districts = max(3, schools // 12)
    sly = np.where(rng.random(count) < mix.sly, SLY, NAIVE)
    start = rng.integers(0, MONTHS // 2, count)
    return World(
        cell=cell,
        quality=quality,
        entered=entered,
        left=entered + rng.geometric(mix.leaving_per_month, count),
        marketing=rng.normal(0, 1.0, count),
        sticky=rng.lognormal(0, 0.6, count),
        fragile=rng.gamma(2, 0.5, count),
        brushing=np.where(brushes, sly, NONE),
        brushes_from=np.maximum(start, entered),
        bombs=np.where(bombs, np.where(rng.random(count) < mix.sly, SLY, NAIVE), NONE),
        bombs_from=np.maximum(rng.integers(6, MONTHS - 6, count), entered),
        ring=ring,
        home=rng.integers(0, schools, count),
        needs=(rng.random((schools, len(CELL_SHARE))) < np.array(CELL_SHARE)).astype(np.int64)
        * (1 + (rng.random((schools, len(CELL_SHARE))) < 0.3)),
        size=rng.lognormal(6.3, 0.8, schools),
        lenient=rng.standard_t(4, schools) * 0.45,
        speaks=rng.beta(1.2, 3.0, schools) * 0.45,
        complains=rng.gamma(0.7, 1 / 0.7, schools) * (rng.random(schools) > 0.3),
        district=rng.integers(0, districts, schools),
        district_taste=rng.normal(0, 0.25, (districts, count)),
        captives=2 + round(mix.captive_schools * schools),
    )


def _vendors(rng: np.random.Generator, mix: Mix) -> tuple[Whole, Whole]:
    """Return the cell of each vendor and the month in which it enters; 0 for who is there."""
    start = np.repeat(np.arange(len(CELL_VENDORS)), CELL_VENDORS)
    entries = rng.poisson(mix.entries_per_month, MONTHS - 3)
    months = np.repeat(np.arange(1, MONTHS - 2), entries)
    share = np.array(CELL_VENDORS) / sum(CELL_VENDORS)
    cells = rng.choice(len(CELL_VENDORS), size=len(months), p=share)
    return np.concatenate([start, cells]), np.concatenate([np.zeros_like(start), months])


def _paths(rng: np.random.Generator, base: Real, is_bad: Flags, entered: Whole, mix: Mix) -> Real:
    """Let quality wander about a level that for some falls, falls and comes back, or rises."""
    count = len(base)
    months = np.arange(MONTHS)
    fate = rng.random(count)
    falls = ~is_bad & (fate < mix.decliners)
    dips = ~is_bad & ~falls & (fate < mix.decliners + mix.dippers)
    rises = is_bad & (fate < mix.improvers_among_bad)
    at = np.maximum(rng.integers(6, MONTHS - 4, count), entered + 3)[:, None]
    size = rng.uniform(1.3, 2.2, count)[:, None]
    ramp = np.clip((months - at) / 3, 0, 1)
    back = np.clip((months - at - rng.integers(4, 8, count)[:, None]) / 2, 0, 1)
    level = base[:, None] - falls[:, None] * size * ramp - dips[:, None] * size * (ramp - back)
    level = level + rises[:, None] * (size + 0.3) * ramp
    drift = np.zeros(count)
    wandering = np.empty((count, MONTHS))
    for month in range(MONTHS):
        drift = 0.97 * drift + rng.normal(0, 0.06, count)
        wandering[:, month] = drift
    return level + wandering
