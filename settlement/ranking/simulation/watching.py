"""One simulated marketplace, watched by every method side by side.

Nobody is really removed: each method looks at the same months, so that they differ in nothing but
what they make of them. What each would do is recorded and judged afterwards.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from settlement.ranking.numbers import Flags, Real, Whole, np
from settlement.ranking.simulation.living import Market
from settlement.ranking.simulation.measures import NEW_MONTHS, exposure, kendall_tau, ndcg
from settlement.ranking.simulation.methods import (
    LOOKS,
    OURS,
    Ours,
    Variant,
    View,
    baseline_views,
    evidence_of,
)
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
    """A marketplace and what each method made of it.

    `bars`: vendors × months of each baseline; `removed`: the month of each of ours; `p_bad`:
    vendors × months of ours, nan for who is new or not there.
    """

    world: World
    served: "Flags"
    orders: dict[Key, Order] = field(default_factory=dict)
    bars: "dict[Key, Real]" = field(default_factory=dict)
    removed: "dict[str, Whole]" = field(default_factory=dict)
    p_bad: "Real" = field(default_factory=lambda: np.zeros((0, 0)))


def watch(
    seed: int, schools: int, *, variants: Mapping[str, Variant], baselines: Iterable[Key] | None
) -> Watched:
    """Let a marketplace live and each method look on; `baselines` None: with every parameter."""
    rng = np.random.default_rng([seed, schools])
    world = draw_world(rng, schools)
    market = Market(rng, world)
    count = len(world.cell)
    ours = {name: Ours(variant, count) for name, variant in variants.items()}
    wanted = None if baselines is None else set(baselines)
    found = Watched(world=world, served=np.zeros((count, MONTHS), dtype=bool))
    found.p_bad = np.full((count, MONTHS), np.nan)
    seen: dict[Key, list[tuple[float, ...]]] = {}
    for month in range(MONTHS):
        market.live()
        evidence = evidence_of(market)
        columns = evidence.columns
        using = columns.per_subject((columns.months > 0).astype(np.int64))
        found.served[:, month] = using >= FEWEST_IN_CELL
        orders: dict[Key, Real] = {}
        for name, one in ours.items():
            order, p_bad = one.look(market, evidence)
            orders[name, 0.0] = order
            if name == OURS:
                judged = world.present(month) & found.served[:, month]
                found.p_bad[judged, month] = p_bad[judged]
        views = baseline_views(market)
        for key in views.keys() if wanted is None else wanted:
            _keep_bar(found, key, views[key], month)
            orders[key] = views[key].order
        if month in LOOKED_AT:
            known = columns.per_subject(np.ones_like(columns.subject)) > 0
            for key, order in orders.items():
                reserved = 0.0
                if key[0] in variants:
                    reserved = float(variants[key[0]].config.newcomers.share)
                seen.setdefault(key, []).extend(_compare(world, order, known, month, reserved))
    found.removed = {name: one.removed for name, one in ours.items()}
    found.orders = {key: _averaged(rows) for key, rows in seen.items()}
    return found


def removed_below(bars: "Real", bar: float) -> "Whole":
    """Return the month in which each vendor had been below the bar for `LOOKS` looks in a row."""
    below = bars < bar
    out = below.copy()
    for back in range(1, LOOKS):
        out[:, back:] &= below[:, :-back]
        out[:, :back] = False
    found: Whole = np.where(out.any(axis=1), out.argmax(axis=1), -1)
    return found


def _keep_bar(found: Watched, key: Key, view: View, month: int) -> None:
    bars = found.bars.setdefault(key, np.full(found.served.shape, np.nan))
    present = found.world.present(month)
    bars[present, month] = view.bar[present]


def _compare(
    world: World, order: "Real", known: "Flags", month: int, reserved: float
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
