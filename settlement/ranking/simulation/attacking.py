"""What a place costs: how many captive schools move a bad vendor up by one, under each method.

The schools are of the sly kind, the worst that an attacker can do here: they use three times what
is usual, two of their five teachers give four stars and the others five, and nobody complains, so
that guards see nothing. Everything else of the month stays as it is, and only the order is looked
at again.
"""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Final

import numpy as np

from settlement.ranking.numbers import Flags, Real, Whole
from settlement.ranking.simulation.living import PRAISES_SLYLY, WINDOW, Market
from settlement.ranking.simulation.methods import (
    OURS,
    Variant,
    baseline_views,
    evidence_of,
    score_month,
)
from settlement.ranking.simulation.world import MONTHS, draw_world

BOUGHT: Final = 5
"""Schools that are bought at once."""

FEWEST_RIVALS: Final = 8
Key = tuple[str, float]


def places_gained(
    seed: int, schools: int, *, variant: Variant, baselines: Iterable[Key]
) -> dict[str, tuple[int, int]]:
    """Return, by method, the schools bought and the places that they gained, over some vendors.

    In each thick cell the third of the vendors from the bottom of the true order attacks.
    """
    rng = np.random.default_rng([seed, schools, 1])
    world = draw_world(rng, schools)
    market = Market(rng, world)
    for _ in range(MONTHS):
        market.live()
    keys = tuple(baselines)
    before = _orders(market, variant, keys)
    known = market.customers() > 0
    found = dict.fromkeys(before, (0, 0))
    for cell in range(world.needs.shape[1]):
        members = np.flatnonzero(known & (world.cell == cell))
        if len(members) < FEWEST_RIVALS:
            continue
        attacker = int(members[world.quality[members, -1].argsort(kind="stable")[2]])
        after = _orders(_bought(market, attacker), variant, keys)
        for name, (paid, gained) in found.items():
            rise = _rank(before[name], members, attacker) - _rank(after[name], members, attacker)
            found[name] = paid + BOUGHT, gained + rise
    return found


def _bought(market: Market, vendor: int) -> Market:
    """Return the market as it were, had the vendor bought schools that never used it."""
    other = deepcopy(market)
    free: Flags = (other.link_of[:, vendor] < 0) & (
        np.arange(len(other.world.size)) != other.world.home[vendor]
    )
    hired: Whole = np.flatnonzero(free)[:BOUGHT]
    other.hire(hired, vendor, PRAISES_SLYLY)
    rows = other.link_of[hired, vendor]
    other.stars[rows, :5] = [5, 5, 5, 4, 4]
    other.rated_at[rows] = other.month
    recent = [(other.month - back) % WINDOW for back in range(3)]
    usual = 3 * 0.6 * other.world.size[hired] * other.world.sticky[vendor]
    other.uses[np.ix_(rows, recent)] = usual.astype(np.int64)[:, None]
    other.months[np.ix_(rows, recent)] = 1
    return other


def _orders(market: Market, variant: Variant, keys: tuple[Key, ...]) -> Mapping[str, Real]:
    views = baseline_views(market)
    evidence = evidence_of(market, variant.config.guards)
    ours, _ = score_month(variant, evidence)
    return {OURS: ours} | {key[0]: views[key].order for key in keys}


def _rank(order: Real, members: Whole, one: int) -> int:
    return int((order[members] > order[one]).sum())
