"""Evidence totals of the regions that a third party was admitted for; no school is told apart."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import text

from kernel.actors import Role
from kernel.unit import Unit

TOTALS: Final = text(
    """
WITH admitted AS (
    SELECT region_code FROM evaluator_admission
    WHERE evaluator_id = :evaluator_id AND ended_at IS NULL
), place AS (
    SELECT a.region_code AS region, o.id AS school_id,
        COALESCE(o.parent_id, o.id) AS main_id
    FROM admitted a
    JOIN region_closure c ON c.ancestor_code = a.region_code
    JOIN organisation o ON o.kind = 'school' AND o.region_code = c.region_code
), used AS (
    SELECT p.region, count(DISTINCT p.main_id) AS schools, sum(b.quantity) AS uses
    FROM place p JOIN statement_breakdown b ON b.school_id = p.school_id AND b.quantity > 0
    GROUP BY p.region
), rated AS (
    SELECT p.region, count(*) AS ratings FROM place p JOIN rating g ON g.school_id = p.school_id
    GROUP BY p.region
), disputed AS (
    SELECT p.region, count(*) AS disputes, count(*) FILTER (WHERE d.outcome = 'upheld') AS upheld
    FROM place p JOIN dispute d ON d.payer_id = p.school_id AND d.opened_by <> 'system'
    GROUP BY p.region
)
SELECT a.region_code AS region, COALESCE(u.schools, 0) AS schools, COALESCE(u.uses, 0) AS uses,
    COALESCE(r.ratings, 0) AS ratings, COALESCE(d.disputes, 0) AS disputes,
    COALESCE(d.upheld, 0) AS upheld
FROM admitted a LEFT JOIN used u ON u.region = a.region_code
LEFT JOIN rated r ON r.region = a.region_code LEFT JOIN disputed d ON d.region = a.region_code
ORDER BY a.region_code
"""
)


@dataclass(frozen=True, kw_only=True, slots=True)
class EvidenceTotals:
    """What is known of a region's schools: how many have settled use, uses, ratings, disputes.

    A teaching point and its school are one school.
    """

    region: str
    schools: int
    uses: int
    ratings: int
    disputes: int
    upheld: int


def evidence_totals(unit: Unit) -> list[EvidenceTotals]:
    """Return the totals of each region for which the acting evaluator was admitted."""
    unit.actor.require("see evidence totals", Role.EVALUATOR)
    rows = unit.session.execute(TOTALS, {"evaluator_id": unit.actor.organisation_id})
    return [
        EvidenceTotals(
            region=row.region,
            schools=int(row.schools),
            uses=int(row.uses),
            ratings=int(row.ratings),
            disputes=int(row.disputes),
            upheld=int(row.upheld),
        )
        for row in rows
    ]
