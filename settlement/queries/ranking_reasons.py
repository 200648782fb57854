"""What a place hangs on: schools left out in turn, the cell's means, and who is next above (R45).

Out of the score as it was taken apart from the snapshot's own inputs (`rankings.why`). For
everybody, and so without a school's name: only how far the one matters that speaks most for it, or
against it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from kernel.unit import Unit
from settlement.queries.rankings import RankRow, Why, ranking_of
from settlement.ranking.explaining import Ahead, Rival, ScorePart, ahead_of
from settlement.ranking.models import ScoreRun
from settlement.ranking.scoring import Score


@dataclass(frozen=True, kw_only=True, slots=True)
class Reasons:
    """What a place hangs on; scores of 100.

    `without_friend`, `without_critic`: the score without the school that raises it most, or lowers
    it most; None where none does. `expected`: what its cell's means alone would give. `above`: the
    row next above, and `ahead` by what it is.
    """

    without_friend: Decimal | None
    without_critic: Decimal | None
    expected: Decimal
    above: RankRow | None
    ahead: Ahead | None


def reasons_of(unit: Unit, run: ScoreRun, found: Why) -> Reasons:
    """Return what a place that was asked why hangs on."""
    row, told = found.row, found.apart
    above = _next_above(row, ranking_of(unit, run, kind=row.kind, cell=row.cell))
    rivals = () if above is None else (_rival(above),)
    ahead = ahead_of(told.score, rivals, config=found.config)
    effects = [one.effect for one in told.schools]
    return Reasons(
        without_friend=_without(told.score, max(effects, default=Decimal(0)), friend=True),
        without_critic=_without(told.score, min(effects, default=Decimal(0)), friend=False),
        expected=sum((one.expected for one in told.contributions), start=Decimal(0)),
        above=above if ahead is not None else None,
        ahead=ahead,
    )


def _without(score: Score, effect: Decimal, *, friend: bool) -> Decimal | None:
    return score.score - effect if (effect > 0 if friend else effect < 0) else None


def _next_above(row: RankRow, rows: Sequence[RankRow]) -> RankRow | None:
    """Return the worst placed of those placed better; None for the first and for who is new."""
    if row.place is None:
        return None
    better = [one for one in rows if one.place is not None and one.place < row.place]
    return max(better, key=lambda one: (one.place or 0, one.key), default=None)


def _rival(row: RankRow) -> Rival:
    parts = row.result["parts"]
    return Rival(
        subject=str(row.subject_id),
        score=row.score,
        sd=row.sd,
        means=tuple(Decimal(parts[part.value]["mean"]) for part in ScorePart),
    )
