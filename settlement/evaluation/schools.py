"""What schools contribute by sharing: works that other schools use, build on and rate (R65).

多劳多得: schools are in the order of their contribution, which is how many times another school
took a work up (each work once per school) and how many works of others were made from theirs.
优劳优得: what the teachers of other schools say of it stands beside, as a mean with its number. A
school's own use and opinion count nowhere, and uses are shown but order nothing. Teaching points
speak for their school. A part that is used under a pack is taken up, and the pack itself is no work
beside its parts. Of what two schools do for each other, which is the less of what goes each way, no
more than `MUTUAL_MOST` count each way: one could buy a place by giving one. What is not returned
counts whole, and nobody is set back by what they take up.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

from kernel.unit import Unit
from settlement.evaluation.spans import Span
from settlement.ranking.config import SHIPPED

MUTUAL_MOST: Final = 3
"""How many works that two schools do for each other (taken up, and made from) count each way."""
THOUSANDTH: Final = Decimal("0.001")

# Works are of the school whose teacher sells them, or whose teacher wrote them; each resource that
# some bureau let in, packs left out. A bill holds while it is not credited whole; one without a
# price holds; a trial commits to nothing and takes nothing up (R21). Of a part the last line of a
# month says how often it was used in it.
FACTS: Final = """
WITH work AS (
    SELECT r.id AS resource_id, COALESCE(o.parent_id, o.id) AS school_id,
        min(m.decided_at) AS listed_at
    FROM version v JOIN resource r ON r.id = v.resource_id
    JOIN organisation vendor ON vendor.id = r.vendor_id
    JOIN organisation o ON o.kind = 'school' AND CAST(o.id AS text)
        IN (vendor.facts ->> 'school_id', v.metadata ->> 'author_school_id')
    JOIN admission m ON m.version_id = v.id AND m.state = 'admitted' AND m.decided_at < :end
    WHERE NOT EXISTS (SELECT FROM pack_part part WHERE part.pack_id = v.id)
    GROUP BY r.id, COALESCE(o.parent_id, o.id)
), covered AS (
    SELECT w.school_id, w.resource_id, a.id AS agreement_id, false AS is_part
    FROM work w JOIN agreement a ON a.resource_id = w.resource_id
    WHERE a.terms ->> 'trial' IS DISTINCT FROM 'true'
    UNION ALL
    SELECT w.school_id, w.resource_id, a.id, true
    FROM work w JOIN pack_part part ON part.resource_id = w.resource_id
    JOIN agreement a ON a.version_id = part.pack_id
    WHERE a.terms ->> 'trial' IS DISTINCT FROM 'true'
), monthly AS (
    SELECT w.school_id, w.resource_id, COALESCE(o.parent_id, o.id) AS user_id,
        CASE WHEN w.is_part THEN (array_agg(CAST(
            b.explanation -> 'parts' ->> CAST(w.resource_id AS text) AS bigint)
            ORDER BY l.month DESC))[1] ELSE sum(b.quantity) END AS uses
    FROM covered w
    JOIN statement_line l ON l.agreement_id = w.agreement_id AND l.kind <> 'take_up'
        AND l.month BETWEEN :first AND :last
    JOIN statement t ON t.id = l.statement_id AND t.stated_at < :as_of
    JOIN statement_breakdown b ON b.line_id = l.id JOIN organisation o ON o.id = b.school_id
    LEFT JOIN credit_note c ON c.line_id = l.id AND c.issued_at < :as_of
    WHERE COALESCE(o.parent_id, o.id) <> w.school_id
        AND (l.amount_fen = 0 OR l.amount_fen > COALESCE(c.amount_fen, 0))
    GROUP BY w.school_id, w.resource_id, COALESCE(o.parent_id, o.id), w.agreement_id, w.is_part,
        b.school_id, l.of_month
), used AS (
    SELECT school_id, resource_id, user_id, sum(uses) AS uses FROM monthly
    GROUP BY school_id, resource_id, user_id HAVING sum(uses) > 0
), derived_by AS (
    SELECT w.school_id, w.resource_id, COALESCE(home.parent_id, home.id) AS maker_id,
        count(DISTINCT child.resource_id) AS derivatives
    FROM work w JOIN version parent ON parent.resource_id = w.resource_id
    JOIN derivation d ON d.parent_id = parent.id JOIN version child ON child.id = d.version_id
    JOIN admission m ON m.version_id = child.id AND m.state = 'admitted'
        AND m.decided_at >= :start AND m.decided_at < :end
    JOIN resource made ON made.id = child.resource_id
    JOIN organisation maker ON maker.id = made.vendor_id
    JOIN organisation home ON CAST(home.id AS text)
        = COALESCE(child.metadata ->> 'author_school_id', maker.facts ->> 'school_id')
    WHERE COALESCE(home.parent_id, home.id) <> w.school_id
    GROUP BY w.school_id, w.resource_id, COALESCE(home.parent_id, home.id)
), derived AS (
    SELECT school_id, resource_id, CAST(sum(derivatives) AS bigint) AS derivatives
    FROM derived_by GROUP BY school_id, resource_id
), given AS (
    SELECT school_id, other_id, sum(works) AS works FROM (
        SELECT school_id, user_id AS other_id, count(*) AS works FROM used
        GROUP BY school_id, user_id
        UNION ALL
        SELECT school_id, maker_id, sum(derivatives) FROM derived_by GROUP BY school_id, maker_id
    ) either GROUP BY school_id, other_id
), beyond AS (
    SELECT one.school_id,
        sum(GREATEST(LEAST(one.works, back.works) - :mutual_most, 0)) AS works
    FROM given one JOIN given back
        ON back.school_id = one.other_id AND back.other_id = one.school_id
    GROUP BY one.school_id
), rated AS (
    SELECT school_id, resource_id, sum(stars - 1) AS points, count(*) AS ratings
    FROM (
        SELECT DISTINCT ON (w.school_id, g.resource_id, g.person_id) w.school_id, g.resource_id,
            g.stars
        FROM work w JOIN rating g ON g.resource_id = w.resource_id
        JOIN organisation o ON o.id = g.school_id
        WHERE g.at >= :start AND g.at < :end AND COALESCE(o.parent_id, o.id) <> w.school_id
        ORDER BY w.school_id, g.resource_id, g.person_id, g.at DESC, g.id DESC
    ) latest GROUP BY school_id, resource_id
), fact AS (
    SELECT w.school_id, w.resource_id, w.listed_at, u.schools, u.uses, d.derivatives, x.points,
        x.ratings
    FROM work w
    LEFT JOIN (
        SELECT school_id, resource_id, count(*) AS schools, sum(uses) AS uses
        FROM used GROUP BY school_id, resource_id
    ) u USING (school_id, resource_id)
    LEFT JOIN derived d USING (school_id, resource_id)
    LEFT JOIN rated x USING (school_id, resource_id)
)
"""

CONTRIBUTIONS: Final = text(
    """
{FACTS}
SELECT s.code, s.name, g.name AS region, count(*) AS works,
    COALESCE(sum(f.schools), 0) AS taken_up, COALESCE(sum(f.uses), 0) AS uses,
    COALESCE(sum(f.derivatives), 0) AS derivatives, COALESCE(sum(f.points), 0) AS points,
    COALESCE(sum(f.ratings), 0) AS ratings,
    COALESCE((SELECT count(DISTINCT user_id) FROM used WHERE used.school_id = s.id), 0) AS schools,
    COALESCE((SELECT works FROM beyond WHERE beyond.school_id = s.id), 0) AS beyond
FROM fact f JOIN organisation s ON s.id = f.school_id JOIN region g ON g.code = s.region_code
GROUP BY s.id, s.code, s.name, g.name
""".replace("{FACTS}", FACTS)
)

WORKS: Final = text(
    """
{FACTS}
SELECT f.resource_id, vendor.code AS vendor_code, vendor.name AS vendor_name, r.sku,
    COALESCE(t.title, r.sku) AS title, f.listed_at, COALESCE(f.schools, 0) AS schools,
    COALESCE(f.uses, 0) AS uses, COALESCE(f.derivatives, 0) AS derivatives,
    COALESCE(f.points, 0) AS points, COALESCE(f.ratings, 0) AS ratings
FROM fact f JOIN organisation s ON s.id = f.school_id JOIN resource r ON r.id = f.resource_id
JOIN organisation vendor ON vendor.id = r.vendor_id
LEFT JOIN LATERAL (
    SELECT v.title FROM version v JOIN admission m ON m.version_id = v.id
        AND m.state = 'admitted' AND m.decided_at < :end
    WHERE v.resource_id = r.id ORDER BY v.number DESC LIMIT 1
) t ON true
WHERE s.code = :code
ORDER BY COALESCE(f.schools, 0) + COALESCE(f.derivatives, 0) DESC, vendor.code, r.sku
""".replace("{FACTS}", FACTS)
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Contribution:
    """What a school's teachers gave to others in a span.

    `taken_up`: works, each once for each other school that used it; `schools`: these schools, each
    once. `beyond`: what does not count of it, of what two schools do for each other. `quality`
    in [0, 1], None where nobody rated. `place`: schools alike share one.
    """

    place: int
    code: str
    name: str
    region: str
    works: int
    schools: int
    taken_up: int
    derivatives: int
    beyond: int
    uses: int
    ratings: int
    quality: Decimal | None

    @property
    def contribution(self) -> int:
        return self.taken_up + self.derivatives - self.beyond


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkRow:
    """One work of a school: what others made of it. `points`: stars above the first, in all."""

    resource_id: UUID
    vendor_code: str
    vendor_name: str
    sku: str
    title: str
    listed_at: datetime
    schools: int
    uses: int
    derivatives: int
    points: int
    ratings: int

    @property
    def stars(self) -> Decimal | None:
        """Return the mean of the stars that were given, without a prior."""
        if not self.ratings:
            return None
        return _rounded(1 + Decimal(self.points) / self.ratings)


def contributions(unit: Unit, span: Span) -> list[Contribution]:
    """Return all schools with a work that was let in, the largest contribution first."""
    rows = [row._mapping for row in unit.session.execute(CONTRIBUTIONS, _asked(unit, span))]
    mean = mean_of(
        sum(int(row["points"]) for row in rows), sum(int(row["ratings"]) for row in rows)
    )
    found = [
        Contribution(
            place=0,
            code=row["code"],
            name=row["name"],
            region=row["region"],
            works=int(row["works"]),
            schools=int(row["schools"]),
            taken_up=int(row["taken_up"]),
            derivatives=int(row["derivatives"]),
            beyond=int(row["beyond"]),
            uses=int(row["uses"]),
            ratings=int(row["ratings"]),
            quality=quality(int(row["points"]), int(row["ratings"]), mean=mean),
        )
        for row in rows
    ]
    found.sort(key=lambda one: (-one.contribution, one.code))
    return _placed(found)


def works_of(unit: Unit, span: Span, *, school_code: str) -> list[WorkRow]:
    """Return a school's works with what each brings, the most taken up first."""
    rows = unit.session.execute(WORKS, {**_asked(unit, span), "code": school_code})
    return [
        WorkRow(
            **{
                **row._mapping,
                **{
                    name: int(row._mapping[name])
                    for name in ("schools", "uses", "derivatives", "points", "ratings")
                },
            }
        )
        for row in rows
    ]


def mean_of(points: int, ratings: int) -> Decimal:
    """Return the mean opinion μ of all works that are shared, in [0, 1]."""
    return Decimal(points) / (4 * ratings) if ratings else SHIPPED.prior_satisfaction


def quality(points: int, ratings: int, *, mean: Decimal) -> Decimal | None:
    """Return (k·μ + Σx)/(k + n) with x = (stars - 1)/4, None without a rating; as m₁ (R42)."""
    if not ratings:
        return None
    k = SHIPPED.k_satisfaction
    return _rounded((k * mean + Decimal(points) / 4) / (k + ratings))


def _asked(unit: Unit, span: Span) -> dict[str, Any]:
    return {**span.facts(unit), "mutual_most": MUTUAL_MOST}


def _placed(rows: list[Contribution]) -> list[Contribution]:
    found: list[Contribution] = []
    for number, row in enumerate(rows, start=1):
        is_level = bool(found) and found[-1].contribution == row.contribution
        place = found[-1].place if is_level else number
        found.append(replace(row, place=place))
    return found


def _rounded(value: Decimal) -> Decimal:
    return value.quantize(THOUSANDTH, rounding=ROUND_HALF_EVEN)
