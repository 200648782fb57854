"""Ways to rank the simulated marketplace: ours with the real scoring and gates, and four others.

Ours sees what the product would see: settled ratings, terms, upheld defects, audits, learners
enrolled, and whose school a seller's is. The others see the same ratings and uses.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final, NamedTuple

import numpy as np

from settlement.ranking.columns import Columns
from settlement.ranking.config import SHIPPED, Guards, RankingConfig, Weights
from settlement.ranking.guards import heard, signs_of
from settlement.ranking.numbers import Real, Whole
from settlement.ranking.priors import estimate
from settlement.ranking.scoring import measure
from settlement.ranking.simulation.living import WINDOW, Market

DAYS: Final = 30
WORST, BEST = 1, 5
OURS: Final = "ours"
RAW_AVERAGE, RAW_USAGE, WILSON, BAYESIAN = "raw_average", "raw_usage", "wilson", "bayesian_average"
BASELINES: Final[Mapping[str, tuple[float, ...]]] = {
    RAW_AVERAGE: (3, 5, 10),
    RAW_USAGE: (1, 3, 6),
    WILSON: (1.0, 1.645, 1.96, 2.576),
    BAYESIAN: (2, 5, 10, 20, 40),
}
"""Each baseline's parameter as it may be tuned: least ratings, months, z, ratings of the prior."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """A way to run ours: its configuration, and what is left out in an ablation."""

    config: RankingConfig = SHIPPED
    guarded: bool = True
    by_mean: bool = False


class View(NamedTuple):
    """What a method shows of a month, by vendor: by what it orders, and whom it would remove.

    `bar`: the lower it is the worse; nan where the method says nothing about removal.
    """

    order: Real
    bar: Real


def ablations(config: RankingConfig) -> dict[str, Variant]:
    """Return ours without one part at a time; the others' weights are scaled up."""
    weights = config.weights
    found = {
        f"without_{part}": Variant(config=replace(config, weights=_without(weights, part)))
        for part in ("satisfaction", "renewal", "defects", "audit")
    }
    nearly, nothing = (Decimal("0.01"), Decimal("0.01")), Decimal("0.01")
    shrunken = replace(
        config,
        k_satisfaction_bounds=nearly,
        k_renewal=nothing,
        k_defects=Decimal(1),
        k_audit=nothing,
    )
    return found | {
        "without_leniency": Variant(config=replace(config, k_leniency=Decimal(10**6))),
        "without_guards": Variant(config=config, guarded=False),
        "without_cap": Variant(config=replace(config, cap=Decimal(1))),
        "without_fading": Variant(config=replace(config, half_life_days=10**6)),
        "without_shrinking": Variant(config=shrunken),
        "ordered_by_score_alone": Variant(config=config, by_mean=True),
    }


def _without(weights: Weights, part: str) -> Weights:
    left = replace(weights, **{part: Decimal(0)})
    total = left.satisfaction + left.renewal + left.defects + left.audit
    return Weights(
        satisfaction=left.satisfaction / total,
        renewal=left.renewal / total,
        defects=left.defects / total,
        audit=left.audit / total,
    )


class Evidence(NamedTuple):
    """The month's evidence in columns, all of it and what guards leave of it."""

    columns: Columns
    guarded: Columns


def evidence_of(market: Market, guards: Guards) -> Evidence:
    """Return what is settled by the end of the month, as the product reads it."""
    world, month = market.world, market.month
    raters = (market.stars > 0).sum(axis=1)
    said = (
        (raters > 0)
        | (market.months.sum(axis=1) > 0)
        | ((market.renewed + market.ended).sum(axis=1) > 0)
    )
    own = world.home[market.vendor] == market.school
    rows = np.flatnonzero(said & ~own & world.present(month)[market.vendor])
    count, schools = len(world.cell), len(world.size)
    columns = Columns(
        subjects=range(count),
        cells=range(world.needs.shape[1]),
        schools=range(schools),
        cell_of=world.cell,
        audits_passed=market.passed.sum(axis=1),
        audits=market.audited.sum(axis=1),
        listed_days=DAYS * (month + 1 - world.entered),
        subject=market.vendor[rows],
        school=market.school[rows],
        independent=np.ones(len(rows), dtype=np.int64),
        wronged=np.zeros(len(rows), dtype=np.int64),
        rating_points=(market.stars - (market.stars > 0)).sum(axis=1)[rows],
        raters=raters[rows],
        rating_age_days=DAYS * (month - market.rated_at[rows]),
        renewed=market.renewed.sum(axis=1)[rows],
        ended=market.ended.sum(axis=1)[rows],
        defects=market.defects.sum(axis=1)[rows],
        months=market.months.sum(axis=1)[rows],
        best=(market.stars == BEST).sum(axis=1)[rows],
        worst=(market.stars == WORST).sum(axis=1)[rows],
    )
    signs = signs_of(
        columns,
        uses=market.uses.sum(axis=1)[rows],
        learners=world.size[market.school[rows]].astype(np.int64),
        homes={vendor: [int(school)] for vendor, school in enumerate(world.home)},
        guards=guards,
    )
    wrongs_stay = guards.wrongs_stay is True
    return Evidence(columns, heard(columns, signs.any(), wrongs_stay=wrongs_stay))


def score_month(variant: Variant, evidence: Evidence) -> tuple[Real, Real]:
    """Score a month with ours; return what vendors are ordered by, and how likely each is bad."""
    config = variant.config
    columns = evidence.guarded if variant.guarded else evidence.columns
    found = measure(columns, estimate(columns, config), config)
    return (found.score if variant.by_mean else found.score - found.sd), found.p_bad


def baseline_views(market: Market) -> "dict[tuple[str, float], View]":
    """Return what each baseline, with each of its parameters, makes of the month."""
    count = len(market.world.cell)
    heard = market.stars > 0
    own = market.world.home[market.vendor] == market.school
    per_link = np.where(own, 0, heard.sum(axis=1))
    ratings = _sums(market.vendor, per_link, count)
    points = _sums(market.vendor, np.where(own, 0, market.stars.sum(axis=1)), count)
    liked = _sums(market.vendor, np.where(own, 0, (market.stars >= 4).sum(axis=1)), count)
    mean = points / np.maximum(ratings, 1)
    overall = points.sum() / max(ratings.sum(), 1)
    found: dict[tuple[str, float], View] = {}
    for least in BASELINES[RAW_AVERAGE]:
        order = np.where(ratings > 0, mean, 0.0)
        found[RAW_AVERAGE, least] = View(order, np.where(ratings >= least, mean, np.nan))
    for months in BASELINES[RAW_USAGE]:
        recent = [(market.month - back) % WINDOW for back in range(int(months))]
        uses = np.log1p(_sums(market.vendor, market.uses[:, recent].sum(axis=1), count))
        listed = market.month - market.world.entered >= 6
        found[RAW_USAGE, months] = View(uses, np.where(listed, uses, np.nan))
    for z in BASELINES[WILSON]:
        bound, upper = _wilson(liked, ratings, z)
        # Whom Wilson would remove is bad beyond doubt: it is the upper bound that lies low.
        found[WILSON, z] = View(bound, np.where(ratings > 0, upper, np.nan))
    for prior in BASELINES[BAYESIAN]:
        average = (prior * overall + points) / (prior + ratings)
        found[BAYESIAN, prior] = View(average, np.where(ratings > 0, average, np.nan))
    return found


def _wilson(liked: Real, ratings: Real, z: float) -> tuple[Real, Real]:
    count = np.maximum(ratings, 1)
    share = liked / count
    middle = share + z * z / (2 * count)
    reach = z * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    below = 1 + z * z / count
    known = ratings > 0
    return (
        np.where(known, (middle - reach) / below, 0.0),
        np.where(known, (middle + reach) / below, 1.0),
    )


def _sums(of: Whole, values: Real | Whole, count: int) -> Real:
    sums: Real = np.bincount(of, weights=values, minlength=count) * 1.0
    return sums
