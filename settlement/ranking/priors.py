"""What a run knows before it looks at one subject: means of each cell, leniency of each school.

Estimated from all evidence of a run and kept with it, so that a subject's score can be had again
from its own evidence, these and the configuration alone (R45). Cells are shrunken towards all of
them, schools towards no leniency. `k` and `phi` are had by the method of moments: `phi` compares
how much schools differ about one subject with the binomial, `k` that with how much subjects
differ. Every sum is of whole numbers; see `columns`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple

import numpy as np

from settlement.ranking.columns import MICRO, Columns, capped, columns_of, opinions, weights
from settlement.ranking.config import RankingConfig
from settlement.ranking.inputs import SubjectEvidence, all_in_order
from settlement.ranking.numbers import Real, Whole

EVERYWHERE: Final = "*"
ROUNDS: Final = 3
"""Times that subjects and schools are told apart; the third changes fourth digits."""

NANO: Final = 10**9
FIRST_GUESS: Final = 20
"""Degrees of freedom that the configuration's `phi` and `k` count for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CellPrior:
    """Means of a cell: of opinions, of renewals, of severity per school-month, of audits passed."""

    cell: str
    satisfaction: Decimal
    renewal: Decimal
    defects: Decimal
    audit: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class Priors:
    """What a run was scored with. `leniency`: of schools by id, what their opinions lie too high.

    A cell or a school that is not here has the means of `everywhere` or no leniency.
    """

    k: Decimal
    phi: Decimal
    everywhere: CellPrior
    cells: tuple[CellPrior, ...]
    leniency: tuple[tuple[str, Decimal], ...]


class Estimates(NamedTuple):
    """Priors in arrays, by position of `Columns.cells` and `Columns.schools`; millionths."""

    k: float
    phi: float
    everywhere: tuple[int, int, int, int]
    satisfaction: Whole
    renewal: Whole
    defects: Whole
    audit: Whole
    leniency: Whole


def estimate_priors(evidence: Sequence[SubjectEvidence], config: RankingConfig) -> Priors:
    """Estimate a run's priors from all its evidence, in whatever order it comes."""
    columns = columns_of(all_in_order(evidence))
    found = estimate(columns, config)
    return Priors(
        k=_places(found.k, 3),
        phi=_places(found.phi, 4),
        everywhere=_cell_prior(EVERYWHERE, found.everywhere),
        cells=tuple(
            _cell_prior(
                cell,
                (
                    int(found.satisfaction[at]),
                    int(found.renewal[at]),
                    int(found.defects[at]),
                    int(found.audit[at]),
                ),
            )
            for at, cell in enumerate(columns.cells)
        ),
        leniency=tuple(
            (school, _decimal(int(value)))
            for school, value in zip(columns.schools, found.leniency, strict=True)
            if value
        ),
    )


def estimate(columns: Columns, config: RankingConfig) -> Estimates:
    """Estimate priors of evidence in columns."""
    weight = weights(columns, config)
    opinion = opinions(columns)
    leniency = np.zeros(len(columns.schools), dtype=np.int64)
    k, phi = float(config.k_satisfaction), float(config.phi)
    first = int(config.prior_satisfaction * MICRO)
    mean, overall = _means(columns, weight, opinion, prior=first, k=k, config=config)
    for _ in range(ROUNDS):
        adjusted = np.clip(opinion - leniency[columns.school], 0, MICRO)
        counted = capped(columns, weight, config)
        mean, overall = _means(columns, counted, adjusted, prior=first, k=k, config=config)
        k, phi = _moments(columns, weight, adjusted, mean=mean, config=config)
        leniency = _leniency(columns, weight, opinion, leniency, mean=mean, k=k, config=config)
    ended = columns.renewed + columns.ended
    decided = (ended > 0).astype(np.int64) * MICRO
    renewal, renewal_overall = _means(
        columns,
        decided,
        columns.renewed * MICRO // np.maximum(ended, 1),
        prior=int(config.prior_renewal * MICRO),
        k=float(config.k_renewal),
        config=config,
    )
    audit, audit_overall = _cell_means(
        columns,
        columns.audits * MICRO,
        columns.audits_passed * MICRO // np.maximum(columns.audits, 1),
        prior=int(config.prior_audit * MICRO),
        k=float(config.k_audit),
        config=config,
    )
    defects, defects_overall = _defects(columns, config)
    return Estimates(
        k=k,
        phi=phi,
        everywhere=(overall, renewal_overall, defects_overall, audit_overall),
        satisfaction=mean,
        renewal=renewal,
        defects=defects,
        audit=audit,
        leniency=leniency,
    )


def _means(
    columns: Columns,
    weight: Whole,
    value: Whole,
    *,
    prior: int,
    k: float,
    config: RankingConfig,
) -> tuple[Whole, int]:
    total = columns.per_subject(weight)
    mean = columns.per_subject(weight * value) // np.maximum(total, 1)
    return _cell_means(columns, total, mean, prior=prior, k=k, config=config)


def _cell_means(
    columns: Columns,
    total: Whole,
    mean: Whole,
    *,
    prior: int,
    k: float,
    config: RankingConfig,
) -> tuple[Whole, int]:
    """Average subjects' means by cell and over all; a subject counts for its credibility.

    So one subject with many schools does not decide what its rivals are expected to be.
    """
    credible = (total / (total + k * MICRO) * MICRO).astype(np.int64)
    k_cell = int(config.k_cell * MICRO)
    product = credible * mean
    overall = (k_cell * prior + int(product.sum())) // (k_cell + int(credible.sum()))
    by_cell = columns.per_cell(product) + k_cell * overall
    return by_cell // (columns.per_cell(credible) + k_cell), overall


def _defects(columns: Columns, config: RankingConfig) -> tuple[Whole, int]:
    """Average subjects' rates as their other means are; none says more than that nothing is left.

    So a subject that breaks all the time does not make breaking what is expected of its rivals.
    """
    months = columns.per_subject(columns.months)
    rate = columns.per_subject(columns.defects) * MICRO // np.maximum(months, 1)
    return _cell_means(
        columns,
        months * MICRO,
        np.minimum(rate, int(config.defects_max * MICRO)),
        prior=int(config.prior_defects * MICRO),
        k=float(config.k_defects),
        config=config,
    )


def _moments(
    columns: Columns, weight: Whole, opinion: Whole, *, mean: Whole, config: RankingConfig
) -> tuple[float, float]:
    """Return k and phi of the evidence, within their bounds."""
    total = columns.per_subject(weight)
    heard = columns.per_subject((weight > 0).astype(np.int64))
    own = columns.per_subject(weight * opinion) // np.maximum(total, 1)
    share: Real = own / MICRO
    apart: Real = (opinion - own[columns.subject]) / MICRO
    squares = columns.per_subject(_nano(weight / MICRO * apart * apart))
    binomial = _nano(share * (1 - share))
    several = heard >= 2
    freedom = np.where(several, heard - 1, 0)
    guess = int(FIRST_GUESS * NANO / 5)
    within = int(squares[several].sum()) + int(guess * config.phi)
    phi = _bounded(within / (int((freedom * binomial).sum()) + guess), config.phi_bounds)
    weighed: Real = np.maximum(total, 1) / MICRO
    noise: Real = phi * share * (1 - share) / weighed
    off: Real = share - mean[columns.cell_of] / MICRO
    credible: Real = np.where(several, weighed / (weighed + float(config.k_satisfaction)), 0.0)
    between = int(_nano(credible * (off * off - noise)).sum())
    spread = int(_nano(credible * share * (1 - share)).sum())
    first = float(config.phi / config.k_satisfaction)
    ratio = (between + guess * first) / (spread + guess)
    lowest = float(config.phi_bounds[0] / config.k_satisfaction_bounds[1])
    k = _bounded(phi / max(ratio, lowest), config.k_satisfaction_bounds)
    return round(k, 3), round(phi, 4)


def _leniency(
    columns: Columns,
    weight: Whole,
    opinion: Whole,
    leniency: Whole,
    *,
    mean: Whole,
    k: float,
    config: RankingConfig,
) -> Whole:
    """Return how far each school's opinions lie above what the other schools say, shrunken."""
    adjusted = np.clip(opinion - leniency[columns.school], 0, MICRO)
    product = weight * adjusted
    mass = int(k * MICRO)
    others = columns.per_subject(weight)[columns.subject] - weight + mass
    expected = columns.per_subject(product)[columns.subject] - product
    expected += mass * mean[columns.cell_of][columns.subject]
    above = weight * (opinion - expected // others)
    shrunken = columns.per_school(weight) + int(config.k_leniency * MICRO)
    found: Whole = columns.per_school(above) // shrunken
    return found


def _nano(values: Real) -> Whole:
    return np.rint(values * NANO).astype(np.int64)


def _bounded(value: float, bounds: tuple[Decimal, Decimal]) -> float:
    return min(max(value, float(bounds[0])), float(bounds[1]))


def _places(value: float, places: int) -> Decimal:
    return Decimal(round(value * 10**places)).scaleb(-places)


def _decimal(millionths: int) -> Decimal:
    return Decimal(millionths).scaleb(-6)


def _cell_prior(cell: str, means: tuple[int, int, int, int]) -> CellPrior:
    satisfaction, renewal, defects, audit = (_decimal(one) for one in means)
    return CellPrior(
        cell=cell, satisfaction=satisfaction, renewal=renewal, defects=defects, audit=audit
    )
