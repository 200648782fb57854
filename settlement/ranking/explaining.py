"""Why a subject stands where it does: parts, schools, what is missing to the next band (R45, R46).

Pure, from the same inputs as the score: the points of the components add up to it, and each school
is left out in turn to say what it moves. Sentences are made where they are shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from settlement.ranking.columns import MICRO
from settlement.ranking.config import RankingConfig
from settlement.ranking.inputs import SubjectEvidence, in_order
from settlement.ranking.leaving_out import each_left_out
from settlement.ranking.places import to_next_band
from settlement.ranking.priors import CellPrior, Priors
from settlement.ranking.scoring import Component, Score, rounded, score

FOUR: Final = Decimal("0.0001")


class ScorePart(StrEnum):
    """The components of a score, in the order of its formula."""

    SATISFACTION = "satisfaction"
    RENEWAL = "renewal"
    DEFECTS = "defects"
    AUDIT = "audit"


@dataclass(frozen=True, kw_only=True, slots=True)
class Contribution:
    """What a component gives: `points` of `most`; `expected` is what its cell's means would give.

    `variance_share`: its part of the score's variance, in [0, 1].
    """

    part: ScorePart
    points: Decimal
    most: Decimal
    expected: Decimal
    variance_share: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class SchoolEffect:
    """What one school does. `weight` of its teachers' opinion, as it is counted after the cap.

    `opinion`: in [0, 1] less the school's `leniency`, None without ratings. `effect`: the score
    less what it is without this school; `sd_effect` likewise. `is_capped`: it would weigh more.
    """

    school: str
    opinion: Decimal | None
    leniency: Decimal
    weight: Decimal
    is_capped: bool
    effect: Decimal
    sd_effect: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class Rival:
    """Another subject of the cell, as it was published; `means` in the order of `ScorePart`."""

    subject: str
    score: Decimal
    sd: Decimal
    means: tuple[Decimal, ...]

    @property
    def lower(self) -> Decimal:
        return self.score - self.sd


@dataclass(frozen=True, kw_only=True, slots=True)
class Ahead:
    """How the subject on the next better place is ahead: by points of each part, and by its sd."""

    subject: str
    lower_bound: Decimal
    parts: tuple[tuple[ScorePart, Decimal], ...]
    certainty: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """A score taken apart. `next_band`: its name, empty in the topmost; `missing` points to it."""

    score: Score
    contributions: tuple[Contribution, ...]
    schools: tuple[SchoolEffect, ...]
    next_band: str
    missing: Decimal
    ahead: Ahead | None


def explain(
    evidence: SubjectEvidence,
    *,
    priors: Priors,
    config: RankingConfig,
    rivals: Sequence[Rival] = (),
) -> Explanation:
    """Take a subject's score apart; `rivals`: others of its cell, to name who is next above."""
    whole = in_order(evidence)
    own = score([whole], priors, config).scores[0]
    missing = to_next_band(own.lower, config)
    return Explanation(
        score=own,
        contributions=contributions(own, priors=priors, config=config),
        schools=_schools(whole, own, priors=priors, config=config),
        next_band=next_band(own.lower, config),
        missing=missing,
        ahead=ahead_of(own, rivals, config=config),
    )


def contributions(of: Score, *, priors: Priors, config: RankingConfig) -> tuple[Contribution, ...]:
    """Return what each component gives; points add up to the score but for its last digit."""
    expected = _expected(of.cell, priors, config)
    rows = [
        (part, weight, component, expected[part]) for part, weight, component in _parts(of, config)
    ]
    variance = sum((weight * weight * one.variance for _, weight, one, _ in rows), start=Decimal(0))
    return tuple(
        Contribution(
            part=part,
            points=(100 * weight * one.mean).quantize(FOUR),
            most=(100 * weight).quantize(FOUR),
            expected=(100 * weight * mean).quantize(FOUR),
            variance_share=(
                (weight * weight * one.variance / variance).quantize(FOUR)
                if variance
                else Decimal(0)
            ),
        )
        for part, weight, one, mean in rows
    )


def next_band(lower: Decimal, config: RankingConfig) -> str:
    """Return the name of the band above this lower bound's; empty in the topmost."""
    missing = to_next_band(lower, config)
    named = {band.least: band.name for band in config.bands}
    return named[lower + missing] if missing else ""


def _parts(of: Score, config: RankingConfig) -> list[tuple[ScorePart, Decimal, Component]]:
    by = config.weights
    return [
        (ScorePart.SATISFACTION, by.satisfaction, of.satisfaction),
        (ScorePart.RENEWAL, by.renewal, of.renewal),
        (ScorePart.DEFECTS, by.defects, of.defects),
        (ScorePart.AUDIT, by.audit, of.audit),
    ]


def _expected(cell: str, priors: Priors, config: RankingConfig) -> dict[ScorePart, Decimal]:
    """Return the components of a subject of whom nothing is known but its cell."""
    mean: CellPrior = next((one for one in priors.cells if one.cell == cell), priors.everywhere)
    nothing = SubjectEvidence(subject="", cell=mean.cell)
    found = score([nothing], priors, config).scores[0]
    return {part: component.mean for part, _, component in _parts(found, config)}


def _schools(
    evidence: SubjectEvidence, own: Score, *, priors: Priors, config: RankingConfig
) -> tuple[SchoolEffect, ...]:
    """Return what each school does to the score of all."""
    if not evidence.schools:
        return ()
    found = each_left_out(evidence, priors=priors, config=config)
    lenient = dict(priors.leniency)
    return tuple(
        SchoolEffect(
            school=school.school,
            opinion=rounded(found.opinion[at] / MICRO, 6) if school.raters else None,
            leniency=lenient.get(school.school, Decimal(0)),
            weight=rounded(found.weight[at] / MICRO, 6),
            is_capped=bool(found.is_capped[at]),
            effect=own.score - rounded(found.score[at], 4),
            sd_effect=own.sd - rounded(found.sd[at], 4),
        )
        for at, school in enumerate(evidence.schools)
    )


def ahead_of(own: Score, rivals: Sequence[Rival], *, config: RankingConfig) -> Ahead | None:
    """Return how the nearest better of the rivals is ahead; None where none is."""
    better = [one for one in rivals if one.subject != own.subject and one.lower > own.lower]
    if not better:
        return None
    rival = min(better, key=lambda one: (one.lower, one.subject))
    differences = tuple(
        (part, (100 * weight * (theirs - ours.mean)).quantize(FOUR))
        for (part, weight, ours), theirs in zip(_parts(own, config), rival.means, strict=True)
    )
    return Ahead(
        subject=rival.subject,
        lower_bound=rival.lower,
        parts=differences,
        certainty=own.sd - rival.sd,
    )
