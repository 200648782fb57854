"""Scores: from evidence, a run's priors and the configuration to digits, and nothing else (R42).

Pure, and the same to the digit whatever the order or batch of the evidence: what is summed is
whole, what is not whole is computed subject by subject with the basic operations. Uses do not
enter, and a school counts as one: more voices of one opinion move the centre towards it, and never
past it. Places are `places`', standings follow their own rules.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from settlement.ranking.columns import MICRO, Columns, capped, columns_of, opinions, weights
from settlement.ranking.config import RankingConfig
from settlement.ranking.inputs import SubjectEvidence
from settlement.ranking.numbers import Flags, Real, Whole
from settlement.ranking.places import Place, places_of
from settlement.ranking.priors import CellPrior, Estimates, Priors


@dataclass(frozen=True, kw_only=True, slots=True)
class Component:
    """A component of a score: its mean in [0, 1], its variance, and the weight of its evidence.

    `evidence`: schools' weight, schools that decided, school-months, audits.
    """

    mean: Decimal
    variance: Decimal
    evidence: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """What a subject has in a cell: points of 100, their sd, and the probability that it is bad.

    Score and sd have 4 decimal places, `p_bad` 6; they are what is published, and p_bad and the
    lower bound are computed from them. `schools`: independent ones with any evidence, without those
    of which something is set aside (versions before the third: with them), but with an affiliate's
    where what is against the vendor stays.
    """

    subject: str
    cell: str
    satisfaction: Component
    renewal: Component
    defects: Component
    audit: Component
    score: Decimal
    sd: Decimal
    p_bad: Decimal
    schools: int
    is_newcomer: bool

    @property
    def lower(self) -> Decimal:
        """The bound by which subjects are ordered: score - sd."""
        return self.score - self.sd


@dataclass(frozen=True, kw_only=True, slots=True)
class Scores:
    """Scores of a run in the order of its evidence, and the place of each in its cell."""

    scores: tuple[Score, ...]
    places: tuple[Place, ...]


class Sums(NamedTuple):
    """What a subject's schools add up to, by subject; whole numbers, weights in millionths.

    `known`: their weights under the cap; `said`: each weight times its opinion in millionths.
    `renewed`: shares of their terms that were renewed, in millionths, of `decided` schools.
    `severity` of upheld disputes in `months` of use.
    """

    known: Whole
    said: Whole
    renewed: Whole
    decided: Whole
    severity: Whole
    months: Whole
    schools: Whole


class Measures(NamedTuple):
    """Scores in arrays, by subject; `score` and `sd` are rounded to 4 places, `p_bad` to 6."""

    means: tuple[Real, ...]
    variances: tuple[Real, ...]
    evidence: tuple[Real, ...]
    score: Real
    sd: Real
    p_bad: Real
    schools: Whole
    is_newcomer: Flags


def score(evidence: Sequence[SubjectEvidence], priors: Priors, config: RankingConfig) -> Scores:
    """Score subjects and place them among those of their cell that are given with them."""
    columns = columns_of(evidence)
    found = measure(columns, in_arrays(priors, columns), config)
    scores = tuple(_score(columns, found, at) for at in range(len(columns.subjects)))
    return Scores(scores=scores, places=_places(scores, config))


def measure(columns: Columns, priors: Estimates, config: RankingConfig) -> Measures:
    """Score evidence in columns."""
    return measure_sums(sums_of(columns, priors, config), columns, priors, config)


def sums_of(columns: Columns, priors: Estimates, config: RankingConfig) -> Sums:
    """Add up what schools did and said, subject by subject.

    A school's terms together count as one decision, however many agreements it had.
    """
    counted = capped(columns, weights(columns, config), config)
    ended = columns.renewed + columns.ended
    return Sums(
        known=columns.per_subject(counted),
        said=columns.per_subject(counted * adjusted(columns, priors)),
        renewed=columns.per_subject(renewals(columns)),
        decided=columns.per_subject((ended > 0).astype(np.int64)),
        severity=columns.per_subject(columns.defects),
        months=columns.per_subject(columns.months),
        schools=columns.per_subject(counting(columns, config)),
    )


def counting(columns: Columns, config: RankingConfig) -> Whole:
    """Return 1 for each school that counts as an independent one, else 0."""
    if config.newcomers.wrongs_known is True:
        return columns.independent + columns.wronged
    if config.newcomers.independent is True:
        return columns.independent
    return np.ones_like(columns.independent)


def adjusted(columns: Columns, priors: Estimates) -> Whole:
    """Return each school's opinion less its leniency, in millionths."""
    found: Whole = np.clip(opinions(columns) - priors.leniency[columns.school], 0, MICRO)
    return found


def renewals(columns: Columns) -> Whole:
    """Return the share of its terms that each school renewed, in millionths."""
    share: Whole = columns.renewed * MICRO // np.maximum(columns.renewed + columns.ended, 1)
    return share


def measure_sums(
    sums: Sums, columns: Columns, priors: Estimates, config: RankingConfig
) -> Measures:
    """Score sums; of `columns` only what stands by subject is read: cells, audits, days."""
    parts = (
        _satisfaction(sums, columns, priors),
        _renewal(sums, columns, priors, config),
        _defects(sums, columns, priors, config),
        _audit(columns, priors, config),
    )
    means, variances, known = (tuple(one) for one in zip(*parts, strict=True))
    by = config.weights
    shares = [float(one) for one in (by.satisfaction, by.renewal, by.defects, by.audit)]
    # One after the other, not as a product of matrices: libraries order such sums as they like.
    points = 100 * sum(share * mean for share, mean in zip(shares, means, strict=True))
    spread = 100 * np.sqrt(
        sum(share * share * one for share, one in zip(shares, variances, strict=True))
    )
    whole = np.rint(np.asarray(points) * 10_000) / 10_000
    sd = np.rint(spread * 10_000) / 10_000
    new = config.newcomers
    return Measures(
        means=means,
        variances=variances,
        evidence=known,
        score=whole,
        sd=sd,
        p_bad=_p_bad(whole, sd, float(config.tau)),
        schools=sums.schools,
        is_newcomer=(sums.schools < new.schools) | (columns.listed_days < new.days),
    )


def in_arrays(priors: Priors, columns: Columns) -> Estimates:
    """Return priors by the positions of these columns' cells and schools."""
    by_cell = {one.cell: one for one in priors.cells}
    rows = [_millionths(by_cell.get(cell, priors.everywhere)) for cell in columns.cells]
    means = np.array(rows, dtype=np.int64).reshape(len(rows), 4).T
    lenient = dict(priors.leniency)
    nothing = Decimal(0)
    return Estimates(
        k=float(priors.k),
        phi=float(priors.phi),
        everywhere=_millionths(priors.everywhere),
        satisfaction=means[0],
        renewal=means[1],
        defects=means[2],
        audit=means[3],
        leniency=np.array(
            [int(lenient.get(school, nothing) * MICRO) for school in columns.schools],
            dtype=np.int64,
        ),
    )


def _satisfaction(sums: Sums, columns: Columns, priors: Estimates) -> tuple[Real, Real, Real]:
    known = sums.known / MICRO
    said = sums.said / MICRO / MICRO
    mean = (priors.k * (priors.satisfaction[columns.cell_of] / MICRO) + said) / (priors.k + known)
    return mean, priors.phi * mean * (1 - mean) / (priors.k + known + 1), known


def _renewal(
    sums: Sums, columns: Columns, priors: Estimates, config: RankingConfig
) -> tuple[Real, Real, Real]:
    renewed = sums.renewed / MICRO
    schools = sums.decided * 1.0
    k = float(config.k_renewal)
    rate = (k * (priors.renewal[columns.cell_of] / MICRO) + renewed) / (k + schools)
    low, width = float(config.renewal_low), float(config.renewal_high - config.renewal_low)
    variance = rate * (1 - rate) / (k + schools + 1) / (width * width)
    return np.clip((rate - low) / width, 0.0, 1.0), variance, schools


def _defects(
    sums: Sums, columns: Columns, priors: Estimates, config: RankingConfig
) -> tuple[Real, Real, Real]:
    """The root makes the variance the same at every rate: s / (4 max (k + E))."""
    severity = sums.severity * 1.0
    months = sums.months * 1.0
    k, most = float(config.k_defects), float(config.defects_max)
    rate = (k * (priors.defects[columns.cell_of] / MICRO) + severity) / (k + months)
    mean = np.clip(1 - np.sqrt(rate / most), 0.0, 1.0)
    return mean, float(config.severity_spread) / (4 * most * (k + months)), months


def _audit(columns: Columns, priors: Estimates, config: RankingConfig) -> tuple[Real, Real, Real]:
    k, audits = float(config.k_audit), columns.audits * 1.0
    expected = priors.audit[columns.cell_of] / MICRO
    mean = (k * expected + columns.audits_passed) / (k + audits)
    return mean, mean * (1 - mean) / (k + audits + 1), audits


def _p_bad(points: Real, sd: Real, tau: float) -> Real:
    """Return the probability that the score lies below tau; Python's erfc, one by one."""
    root = math.sqrt(2)
    found = [
        round(math.erfc((one - tau) / (spread * root)) / 2, 6)
        for one, spread in zip(points.tolist(), sd.tolist(), strict=True)
    ]
    return np.array(found, dtype=np.float64)


def _millionths(cell: CellPrior) -> tuple[int, int, int, int]:
    return (
        int(cell.satisfaction * MICRO),
        int(cell.renewal * MICRO),
        int(cell.defects * MICRO),
        int(cell.audit * MICRO),
    )


def _score(columns: Columns, found: Measures, at: int) -> Score:
    satisfaction, renewal, defects, audit = (
        Component(
            mean=rounded(found.means[part][at], 6),
            variance=rounded(found.variances[part][at], 9),
            evidence=rounded(found.evidence[part][at], 6),
        )
        for part in range(4)
    )
    return Score(
        subject=columns.subjects[at],
        cell=columns.cells[columns.cell_of[at]],
        satisfaction=satisfaction,
        renewal=renewal,
        defects=defects,
        audit=audit,
        score=rounded(found.score[at], 4),
        sd=rounded(found.sd[at], 4),
        p_bad=rounded(found.p_bad[at], 6),
        schools=int(found.schools[at]),
        is_newcomer=bool(found.is_newcomer[at]),
    )


def rounded(value: float, places: int) -> Decimal:
    """Return a number with so many decimal places, half to even."""
    return Decimal(round(float(value) * 10**places)).scaleb(-places)


def _places(scores: Sequence[Score], config: RankingConfig) -> tuple[Place, ...]:
    return places_of(
        [(one.cell, one.subject, one.score, one.sd, one.is_newcomer) for one in scores], config
    )
