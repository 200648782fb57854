"""Rankings as everybody may read them: places by cell, and why somebody stands there.

Nothing about a school that is not public: counts of schools, never which. Of a newcomer only how
much is known yet. Of a standing only what changes what a school may do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, func, select, text

from kernel.errors import NotFound
from kernel.unit import Unit
from settlement.ranking.config import RankingConfig
from settlement.ranking.dimensions import (
    Contribution,
    Dimensional,
    contributions_of,
    dimensions_of,
)
from settlement.ranking.explaining import Explanation, explain
from settlement.ranking.inputs import SubjectEvidence
from settlement.ranking.models import ScoreRun, ScoreSnapshot
from settlement.ranking.runs import priors_of, rules_of, subject_from
from settlement.ranking.standing_states import VendorStanding

PUBLIC_STATES: Final = (
    VendorStanding.NO_NEW_SCHOOLS,
    VendorStanding.EXITING,
    VendorStanding.LEFT,
)

ROWS: Final = """
SELECT s.kind, s.subject_id, s.cell, s.score, s.sd, s.schools, s.is_newcomer, s.place,
    s.place_low, s.place_high, s.band, s.result, s.inputs_digest,
    vendor.code AS vendor_code, vendor.name AS vendor_name, r.sku,
    COALESCE(t.title, vendor.name) AS name, COALESCE(st.state, '') AS state
FROM score_snapshot s
LEFT JOIN resource r ON s.kind = 'resource' AND r.id = s.subject_id
JOIN organisation vendor ON vendor.id = COALESCE(r.vendor_id, s.subject_id)
LEFT JOIN LATERAL (
    SELECT title FROM version WHERE resource_id = r.id AND state <> 'draft'
    ORDER BY number DESC LIMIT 1
) t ON true
LEFT JOIN standing st ON st.vendor_id = vendor.id AND st.cell = s.cell
WHERE s.run_id = :run_id AND {condition}
ORDER BY s.is_newcomer, s.place, s.score - s.sd DESC, name, s.subject_id
"""

IS_KNOWN: Final = """
(NOT s.is_newcomer OR s.result -> 'totals' <> '{}' OR s.result -> 'left_out' <> '[]'
    OR s.result -> 'audits' <> '[0, 0]')
"""
"""SQL: whether anything is known of a subject. Who is on watch is looked at even if nothing is, and
stands in no ranking for it."""


LEAST_SCHOOLS: Final = 2
"""Urban or rural schools of which the score is told: one alone would be told by it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PartScore:
    """A score by a part of the schools alone; None where they are too few to tell it."""

    schools: int
    score: Decimal | None
    sd: Decimal | None


@dataclass(frozen=True, kw_only=True, slots=True)
class RankRow:
    """A subject's place in a cell; `state` only where its vendor takes no new schools."""

    kind: str
    subject_id: UUID
    cell: str
    name: str
    vendor_code: str
    vendor_name: str
    sku: str
    score: Decimal
    sd: Decimal
    schools: int
    rural_schools: int
    is_newcomer: bool
    place: int | None
    place_low: int | None
    place_high: int | None
    band: str
    state: str
    result: dict[str, Any]
    digest: str

    @property
    def lower(self) -> Decimal:
        return self.score - self.sd

    def part(self, name: str) -> PartScore:
        """Return the score by the `urban` or the `rural` schools alone."""
        found = self.result["places"].get(name)
        schools = found["schools"] if found else 0
        is_told = schools >= LEAST_SCHOOLS and not self.is_newcomer
        return PartScore(
            schools=schools,
            score=Decimal(found["score"]) if is_told else None,
            sd=Decimal(found["sd"]) if is_told else None,
        )

    @property
    def key(self) -> str:
        """What its page is named by: vendor, or vendor/sku."""
        return f"{self.vendor_code}/{self.sku}" if self.sku else self.vendor_code


@dataclass(frozen=True, kw_only=True, slots=True)
class CellCount:
    """A cell of a run, with how many are ranked in it and how many are new."""

    cell: str
    ranked: int
    newcomers: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Why:
    """Why a subject stands where it stands: `left_out`: (reason, schools, effect on the score).

    `most_by_one`: by how much any one school moves the score at most, without saying which; how
    many schools' opinions would weigh more but for the cap are `capped`. `apart`: the score taken
    apart, and `evidence` what it is made of, which name schools and are not for everybody.
    """

    row: RankRow
    month: date
    config: RankingConfig
    contributions: Sequence[Contribution]
    dimensions: Sequence[Dimensional]
    left_out: Sequence[tuple[str, int, Decimal]]
    to_next_band: Decimal
    among: int
    most_by_one: Decimal
    capped: int
    apart: Explanation
    evidence: SubjectEvidence


def cells_of(unit: Unit, run: ScoreRun, *, kind: str) -> list[CellCount]:
    """Return the cells of a run, those with most subjects first."""
    rows = unit.session.execute(
        select(
            ScoreSnapshot.cell,
            func.count().filter(~ScoreSnapshot.is_newcomer),
            func.count().filter(ScoreSnapshot.is_newcomer),
        )
        .where(
            ScoreSnapshot.run_id == run.id,
            ScoreSnapshot.kind == kind,
            text(IS_KNOWN.replace("s.", "score_snapshot.")),
        )
        .group_by(ScoreSnapshot.cell)
        .order_by(func.count().filter(~ScoreSnapshot.is_newcomer).desc(), ScoreSnapshot.cell)
    )
    return [CellCount(cell=cell, ranked=ranked, newcomers=new) for cell, ranked, new in rows]


def ranking_of(unit: Unit, run: ScoreRun, *, kind: str, cell: str) -> list[RankRow]:
    """Return a cell's ranking of whom anything is known: by place, then who is new."""
    condition = f"s.kind = :kind AND s.cell = :cell AND {IS_KNOWN}"
    return _rows(unit, run, condition, kind=kind, cell=cell)


def why(unit: Unit, run: ScoreRun, *, key: str, cell: str) -> Why:
    """Return why a vendor (`code`) or a resource (`vendor/sku`) stands where it does.

    Without a `cell` the one in which it has most evidence. Raises `NotFound`.
    """
    code, _, sku = key.partition("/")
    found = _rows(
        unit,
        run,
        "vendor.code = :code AND COALESCE(r.sku, '') = :sku AND (:cell = '' OR s.cell = :cell)",
        code=code,
        sku=sku,
        cell=cell,
    )
    if not found:
        raise NotFound(what="ranking", key=key)
    row = max(found, key=lambda one: (one.schools, one.cell))
    config = rules_of(unit, run).ranking
    inputs = unit.session.scalars(
        select(ScoreSnapshot.inputs).where(
            ScoreSnapshot.run_id == run.id,
            ScoreSnapshot.kind == row.kind,
            ScoreSnapshot.subject_id == row.subject_id,
            ScoreSnapshot.cell == row.cell,
        )
    ).one()
    evidence = subject_from(inputs).evidence
    apart = explain(evidence, priors=priors_of(run, row.kind), config=config)
    return Why(
        row=row,
        month=run.month,
        config=config,
        contributions=contributions_of(row.result, config, score=row.score),
        dimensions=dimensions_of(row.result),
        left_out=_left_out(row.result),
        to_next_band=Decimal(row.result["to_next_band"]),
        among=int(row.result["among"]),
        most_by_one=max((abs(one.effect) for one in apart.schools), default=Decimal(0)),
        capped=sum(one.is_capped for one in apart.schools),
        apart=apart,
        evidence=evidence,
    )


def places_of_vendor(unit: Unit, run: ScoreRun, vendor_id: UUID) -> list[RankRow]:
    """Return a vendor's rows in all cells, and those of its resources."""
    return _rows(unit, run, "vendor.id = :vendor_id", vendor_id=vendor_id)


def _rows(unit: Unit, run: ScoreRun, condition: str, **given: object) -> list[RankRow]:
    rows = unit.session.execute(text(ROWS.format(condition=condition)), {"run_id": run.id, **given})
    return [_row(row) for row in rows]


def _row(row: Row[Any]) -> RankRow:
    return RankRow(
        kind=row.kind,
        subject_id=row.subject_id,
        cell=row.cell,
        name=row.name,
        vendor_code=row.vendor_code,
        vendor_name=row.vendor_name,
        sku=row.sku or "",
        score=row.score,
        sd=row.sd,
        schools=row.schools,
        rural_schools=int(row.result["rural_schools"]),
        is_newcomer=row.is_newcomer,
        place=row.place,
        place_low=row.place_low,
        place_high=row.place_high,
        band=row.band,
        state=row.state if row.state in PUBLIC_STATES else "",
        result=row.result,
        digest=bytes(row.inputs_digest).hex(),
    )


def _left_out(result: dict[str, Any]) -> list[tuple[str, int, Decimal]]:
    """Return by reason how many schools are left out, and what they would have done together."""
    found: dict[str, list[Decimal]] = {}
    for one in result["left_out"]:
        found.setdefault(one["why"], []).append(Decimal(one["effect"]))
    return [(reason, len(effects), sum(effects, Decimal(0))) for reason, effects in found.items()]
