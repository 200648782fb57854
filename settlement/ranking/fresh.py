"""Which schools were affected since a vendor's notice: new low ratings, terms not renewed, defects.

Only schools whose evidence counts are among them. What they say is in the look, so that the step
that rests on it can be checked, and appealed, item by item.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

from kernel.clock import Month
from kernel.unit import Unit
from settlement.ranking.defect_queries import weighed
from settlement.ranking.evidence import bound, parameters
from settlement.ranking.evidence_queries import (
    CELL,
    GOES_ON,
    SCHOOL,
    STILL_OPEN,
    not_struck,
    terms_of,
)
from settlement.ranking.rules import Rules

UNSEEN: Final = ("ratings", "renewal", "defects")
"""What does not count of a school that is left out wholly."""
UNHEARD: Final = ("ratings",)
"""What does not count of a school whose opinion is set aside."""
LOW_STARS: Final = 2
"""A rating of so many stars, or fewer, says that a school is affected."""

TOLD: Final = "a.vendor_id IN (SELECT vendor_id FROM told)"
DISPUTED: Final = weighed(
    school=SCHOOL,
    decided="d.decided_at > (SELECT min(since) FROM told)",
    agreements=TOLD,
)

FRESH: Final = f"""
WITH told AS (
    SELECT s.id, s.vendor_id, s.cell, max(n.issued_at) AS since
    FROM standing s JOIN standing_notice n ON n.standing_id = s.id
    WHERE s.state IN ('probation', 'no_new_schools', 'exiting')
    GROUP BY s.id, s.vendor_id, s.cell
), low AS (
    SELECT DISTINCT ON (t.id, g.person_id) t.id, {SCHOOL} AS school_id, g.stars,
        (g.at AT TIME ZONE 'Asia/Shanghai')::date AS day
    FROM told t JOIN resource r ON r.vendor_id = t.vendor_id
    JOIN rating g ON g.resource_id = r.id AND g.at > t.since AND g.at < :end
    JOIN version v ON v.id = g.version_id AND {CELL} = t.cell
    JOIN organisation o ON o.id = g.school_id
    WHERE {not_struck("ratings", "g.at", "r.vendor_id")}
    ORDER BY t.id, g.person_id, g.at DESC, g.id DESC
), {terms_of(TOLD)}, gone AS (
    SELECT told.id, t.school_id, t.ends_on AS day
    FROM told JOIN term t ON t.subject = told.vendor_id AND t.cell = told.cell
    WHERE t.counts AND t.is_used AND NOT t.excused
        AND t.ends_on >= CAST(told.since AT TIME ZONE CAST(:zone AS text) AS date)
        AND t.ends_on <= CAST(:last_day AS date)
        AND (t.given_up OR t.ends_on + CAST(:grace AS int) < CAST(:last_day AS date))
        AND NOT EXISTS (
            SELECT FROM term n WHERE {GOES_ON} AND (n.is_used OR ({STILL_OPEN})))
), wronged AS (
    SELECT t.id, w.school_id, (w.decided_at AT TIME ZONE 'Asia/Shanghai')::date AS day
    FROM told t JOIN ({DISPUTED}) w ON w.vendor_id = t.vendor_id AND w.decided_at > t.since
        AND w.weight > 0
    JOIN version v ON v.id = w.version_id AND {CELL} = t.cell
    JOIN organisation o ON o.id = w.school_id
    WHERE {not_struck("defects", "w.decided_at", "w.vendor_id")}
)
SELECT id, school_id, what, max(day) AS day FROM (
    SELECT id, school_id, 'ratings' AS what, day FROM low WHERE stars <= :low
    UNION ALL SELECT id, school_id, 'renewal', day FROM gone
    UNION ALL SELECT id, school_id, 'defects', day FROM wronged
) every GROUP BY id, school_id, what ORDER BY id, school_id, what
"""  # noqa: S608 - put together from the texts of this package

Fresh = dict[str, Any]


def fresh_schools(
    unit: Unit,
    month: Month,
    rules: Rules,
    *,
    left_out: Mapping[UUID, Mapping[str, Collection[str]]],
) -> dict[UUID, list[Fresh]]:
    """Return by standing what affected which schools since its notice, up to a month's end.

    `left_out`: by standing and school, what of its evidence does not count.
    """
    given = bound(FRESH, parameters(month, rules) | {"low": LOW_STARS})
    found: dict[UUID, dict[str, Fresh]] = {}
    for row in unit.session.execute(text(FRESH), given):
        school = str(row.school_id)
        if row.what in left_out.get(row.id, {}).get(school, ()):
            continue
        known = found.setdefault(row.id, {}).setdefault(
            school, {"school": school, "what": [], "on": row.day.isoformat()}
        )
        known["what"].append(row.what)
        known["on"] = max(known["on"], row.day.isoformat())
    return {standing: [*schools.values()] for standing, schools in found.items()}
