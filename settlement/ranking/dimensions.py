"""The four dimensions reported beside a score, out of the same counts; never a score (R46). Pure.

资源质量: what blind audits and upheld disputes say; 使用效能: whether schools go on with it;
师生发展: what the teachers who used it say; 社会效益: how many of the schools are rural. Each is an
index of 100 with the counts that it rests on. Traffic is none of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from typing import Any, Final

from settlement.ranking.config import RankingConfig

PARTS: Final = ("satisfaction", "renewal", "defects", "audit")
"""The components of a score, in the order in which they are told."""
POINT: Final = Decimal("0.1")
FOUR: Final = Decimal("0.0001")


class Dimension(StrEnum):
    QUALITY = "quality"
    EFFECT = "effect"
    DEVELOPMENT = "development"
    BENEFIT = "benefit"


@dataclass(frozen=True, kw_only=True, slots=True)
class Dimensional:
    """A dimension's index of 100, None where nothing is known, and the counts behind it."""

    dimension: Dimension
    index: Decimal | None
    counts: dict[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Contribution:
    """What a component brings of a score: mean in [0, 1], its weight, and the points they make.

    `points` and `sd` have four places, as the score has.
    """

    name: str
    mean: Decimal
    weight: Decimal
    points: Decimal
    sd: Decimal
    evidence: Decimal


def dimensions_of(result: dict[str, Any]) -> list[Dimensional]:
    """Return the four dimensions of a snapshot's result.

    Schools are all that have evidence, as rural ones are: independent ones may be fewer.
    """
    totals, parts = result["totals"], result["parts"]
    passed, audits = result["audits"]
    rural = result["rural_schools"]
    schools = sum(one["schools"] for one in result["places"].values())
    mean = {name: Decimal(one["mean"]) for name, one in parts.items()}
    told = {name: totals.get(name, 0) for name in ("raters", "renewed", "ended", "months")}
    quality = (mean["audit"] + mean["defects"]) / 2
    return [
        Dimensional(
            dimension=Dimension.QUALITY,
            index=_index(quality, known=audits + told["months"]),
            counts={"passed": passed, "audits": audits, "severity": totals.get("defects", 0)},
        ),
        Dimensional(
            dimension=Dimension.EFFECT,
            index=_index(mean["renewal"], known=told["renewed"] + told["ended"]),
            counts={name: told[name] for name in ("renewed", "ended", "months")},
        ),
        Dimensional(
            dimension=Dimension.DEVELOPMENT,
            index=_index(mean["satisfaction"], known=told["raters"]),
            counts={"teachers": told["raters"]},
        ),
        Dimensional(
            dimension=Dimension.BENEFIT,
            index=_index(Decimal(rural) / max(schools, 1), known=schools),
            counts={"rural": rural, "schools": schools},
        ),
    ]


def contributions_of(
    result: dict[str, Any], config: RankingConfig, *, score: Decimal
) -> list[Contribution]:
    """Return what each component brings; the points add up to the score, to the last place."""
    found = []
    for name in PARTS:
        one = result["parts"][name]
        weight: Decimal = getattr(config.weights, name)
        mean = Decimal(one["mean"])
        found.append(
            Contribution(
                name=name,
                mean=mean,
                weight=weight,
                points=100 * weight * mean,
                sd=(100 * weight * Decimal(one["variance"]).sqrt()).quantize(FOUR),
                evidence=Decimal(one["evidence"]),
            )
        )
    points = adding_up([one.points for one in found], score, unit=FOUR)
    return [replace(one, points=own) for one, own in zip(found, points, strict=True)]


def adding_up(parts: Sequence[Decimal], total: Decimal, *, unit: Decimal) -> list[Decimal]:
    """Return the parts in whole units that add up to the total, by largest remainder.

    `total`: in whole units, and what the parts add up to but for less than a unit each.
    """
    whole = [(part / unit).to_integral_value(ROUND_FLOOR) for part in parts]
    missing = int(total / unit - sum(whole))
    order = sorted(range(len(parts)), key=lambda at: (whole[at] - parts[at] / unit, at))
    if missing < 0:
        order.reverse()
    for at in order[: abs(missing)]:
        whole[at] += 1 if missing > 0 else -1
    return [one * unit for one in whole]


def _index(mean: Decimal, *, known: int) -> Decimal | None:
    return _rounded(100 * mean) if known else None


def _rounded(value: Decimal) -> Decimal:
    return value.quantize(POINT, rounding=ROUND_HALF_EVEN)
