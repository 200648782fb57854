"""One simulated marketplace, watched by every method side by side.

Nobody is really removed: each method looks at the same months, so that they differ in nothing but
what they make of them. What each would do is worked out afterwards, by the same due process.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

import numpy as np

from settlement.ranking.config import SHIPPED, Gates
from settlement.ranking.numbers import Flags, Real, Whole
from settlement.ranking.simulation.living import Market
from settlement.ranking.simulation.measures import NEW_MONTHS, exposure, kendall_tau, ndcg
from settlement.ranking.simulation.methods import (
    Variant,
    View,
    baseline_views,
    evidence_of,
    score_month,
)
from settlement.ranking.simulation.process import lately, suspended
from settlement.ranking.simulation.world import MONTHS, World, draw_world

LOOKED_AT: Final = tuple(range(12, MONTHS, 3))
"""Months in which orders are compared with the truth: each quarter, once the market has settled."""

FEWEST_IN_CELL: Final = 3
Key = tuple[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """How well a method orders, on average over months and cells."""

    kendall_tau: float
    ndcg10: float
    newcomer_exposure: float
    newcomer_share: float


@dataclass(slots=True)
class Watched:
    """A marketplace and what each method made of it; arrays are vendors × months.

    `served`: three schools or more use the vendor. `judged`: it is there and not new. `affected`:
    see `process`. `bars`: of each baseline, the lower the worse. `p_bad`: of each of ours.
    """

    world: World
    served: Flags
    judged: Flags
    affected: Whole
    orders: dict[Key, Order] = field(default_factory=dict)
    bars: dict[Key, Real] = field(default_factory=dict)
    p_bad: dict[str, Real] = field(default_factory=dict)


def watch(
    seed: int, schools: int, *, variants: Mapping[str, Variant], baselines: Iterable[Key] | None
) -> Watched:
    """Let a marketplace live and each method look on; `baselines` None: with every parameter."""
    rng = np.random.default_rng([seed, schools])
    world = draw_world(rng, schools)
    market = Market(rng, world)
    shape = len(world.cell), MONTHS
    wanted = None if baselines is None else set(baselines)
    found = Watched(
        world=world,
        served=np.zeros(shape, dtype=bool),
        judged=np.zeros(shape, dtype=bool),
        affected=np.zeros((*shape, MONTHS), dtype=np.int64),
        p_bad={name: np.zeros(shape) for name in variants},
    )
    seen: dict[Key, list[tuple[float, ...]]] = {}
    for month in range(MONTHS):
        market.live()
        evidence = evidence_of(market, SHIPPED.guards)
        columns = evidence.columns
        using = columns.per_subject((columns.months > 0).astype(np.int64))
        found.served[:, month] = using >= FEWEST_IN_CELL
        known = columns.per_subject(np.ones_like(columns.subject))
        new = SHIPPED.newcomers
        settled = (known >= new.schools) & (columns.listed_days >= new.days)
        found.judged[:, month] = world.present(month) & settled
        found.affected[:, :, month] = market.affected()
        orders: dict[Key, Real] = {}
        for name, one in variants.items():
            orders[name, 0.0], found.p_bad[name][:, month] = score_month(one, evidence)
        views = baseline_views(market)
        for key in views.keys() if wanted is None else wanted:
            _keep_bar(found, key, views[key], month)
            orders[key] = views[key].order
        if month in LOOKED_AT:
            for key, order in orders.items():
                reserved = Decimal(0)
                if key[0] in variants:
                    reserved = variants[key[0]].config.newcomers.share
                compared = _compare(world, order, known > 0, month, reserved)
                seen.setdefault(key, []).extend(compared)
    found.orders = {key: _averaged(rows) for key, rows in seen.items()}
    return found


def removed_by(market: Watched, name: str, gates: Gates) -> Whole:
    """Return the month in which one of ours suspends each vendor, -1 for never."""
    p_bad = market.p_bad[name][None]
    found: Whole = suspended(
        p_bad >= float(gates.probation),
        p_bad < float(gates.recovery),
        judged=market.judged,
        affected=market.affected,
        gates=gates,
    )[0]
    return found


def removed_below(market: Watched, key: Key, bars: Sequence[float], gates: Gates) -> Whole:
    """Return the month in which a baseline suspends each vendor, for each of some bars.

    Bad is who lies below the bar; two looks in a row that do not find so are a recovery.
    """
    said = market.bars[key][None]
    below = said < np.array(bars)[:, None, None]
    return suspended(
        below,
        lately(~below, gates.looks),
        judged=market.judged,
        affected=market.affected,
        gates=gates,
    )


def _keep_bar(found: Watched, key: Key, view: View, month: int) -> None:
    bars = found.bars.setdefault(key, np.full(found.served.shape, np.nan))
    present = found.world.present(month)
    bars[present, month] = view.bar[present]


def _compare(
    world: World, order: Real, known: Flags, month: int, reserved: Decimal
) -> list[tuple[float, ...]]:
    rows: list[tuple[float, ...]] = []
    new = month - world.entered < NEW_MONTHS
    for cell in range(world.needs.shape[1]):
        members = np.flatnonzero(known & world.present(month) & (world.cell == cell))
        if len(members) < FEWEST_IN_CELL:
            continue
        truth = world.quality[members, month]
        shown, share = exposure(order[members], new[members], reserved)
        pairs = len(members) * (len(members) - 1) / 2
        tau, gain = kendall_tau(order[members], truth), ndcg(order[members], truth)
        rows.append((pairs, tau, gain, shown, share))
    return rows


def _averaged(rows: list[tuple[float, ...]]) -> Order:
    """Average over cells and months; tau by pairs, the others by cell."""
    table = np.array(rows)
    tau, gain, shown, share = (
        float(np.average(table[:, 1], weights=table[:, 0])),
        *(float(table[:, at].mean()) for at in (2, 3, 4)),
    )
    return Order(kendall_tau=tau, ndcg10=gain, newcomer_exposure=shown, newcomer_share=share)
