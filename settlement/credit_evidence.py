"""Facts that earn credits, out of settled use, lineage and what people keep (R47).

Set by set: each question is asked once for all teachers, and none of single uses. An adoption holds
while another school's settled use of a contribution stands on its bill, or another school's work
made from it stands admitted; once nothing of it holds, its credits are taken back.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

from kernel.clock import shanghai_day
from kernel.unit import Unit
from settlement.agreement_items import RECOUNTED_AWAY, USED_ITEMS
from settlement.credit_rules import CreditFact, CreditKind, CreditTable
from settlement.own_schools import homes
from settlement.rate_tables import RateKind, RateVersion, in_force, region_distances, versions_of

READ: Final = text(
    """
SELECT r.person_id, r.resource_id, r.finished_at AS at, r.region_code, v.type
FROM reading r JOIN version v ON v.id = r.version_id
WHERE r.finished_at IS NOT NULL
"""
)
READ_BY: Final = text(f"{READ.text} AND r.person_id = :person_id")
# A teacher who sells is a vendor; its person is who managed it first. Who moves takes nothing of
# what was earned before, and earns nothing by what their school of then did.
AUTHORS = """
authors AS (
    SELECT DISTINCT ON (o.id) o.id AS vendor_id, g.person_id, o.region_code
    FROM organisation o JOIN role_grant g ON g.organisation_id = o.id AND g.role = 'vendor_manager'
    WHERE o.kind = 'vendor' AND o.facts ->> 'vendor_kind' = 'teacher'
    ORDER BY o.id, g.granted_from, g.id
), {HOMES}
""".replace("{HOMES}", homes())
# Bills of other schools' use of a contribution, while they are not credited whole; one without a
# price is never credited and holds. What is billed for a month was used by its last moment, and a
# school at which the author was in it is no other. Under a pack it is the parts that were used, but
# for those that a recount found unused; the pack is no contribution beside them. A bill of before
# parts were told has uses and names none: nobody knows which, and the pack stands for them.
USED: Final = text(
    """
WITH {AUTHORS}
SELECT w.person_id, i.resource_id, w.region_code,
    min((l.of_month + interval '1 month' - interval '1 second') AT TIME ZONE 'Asia/Shanghai') AS at
FROM authors w JOIN statement_line l ON l.vendor_id = w.vendor_id AND l.quantity > 0
JOIN agreement a ON a.id = l.agreement_id
JOIN statement_breakdown b ON b.line_id = l.id AND b.quantity > 0
JOIN organisation u ON u.id = b.school_id
CROSS JOIN LATERAL ({USED_ITEMS}) i
LEFT JOIN credit_note c ON c.line_id = l.id
WHERE (l.amount_fen = 0 OR l.amount_fen > COALESCE(c.amount_fen, 0)) AND i.quantity > 0
    AND (i.is_part OR NOT EXISTS (SELECT FROM pack_part p WHERE p.pack_id = a.version_id)
        OR (NOT jsonb_exists(b.explanation, 'parts')
            AND COALESCE(CAST(b.explanation ->> 'uses' AS bigint), 0) > 0))
    AND NOT (i.is_part AND {RECOUNTED_AWAY})
    AND NOT EXISTS (
        SELECT FROM home h WHERE h.vendor_id = w.vendor_id
        AND h.school_id = COALESCE(u.parent_id, u.id)
        AND h.since < (l.of_month + interval '1 month') AT TIME ZONE 'Asia/Shanghai'
        AND h.until > CAST(l.of_month AS timestamp) AT TIME ZONE 'Asia/Shanghai')
GROUP BY w.person_id, i.resource_id, w.region_code
""".replace("{AUTHORS}", AUTHORS)
    .replace("{USED_ITEMS}", USED_ITEMS)
    .replace("{RECOUNTED_AWAY}", RECOUNTED_AWAY.format(part="i.resource_id", known="true"))
)
DERIVED: Final = text(
    """
WITH {AUTHORS}
SELECT a.person_id, parent.resource_id, a.region_code, min(m.decided_at) AS at
FROM authors a JOIN resource r ON r.vendor_id = a.vendor_id
JOIN version parent ON parent.resource_id = r.id
JOIN derivation d ON d.parent_id = parent.id
JOIN version child ON child.id = d.version_id AND child.state IN ('admitted', 'listed')
JOIN admission m ON m.version_id = child.id AND m.state = 'admitted' AND m.decided_at IS NOT NULL
JOIN resource made ON made.id = child.resource_id AND made.vendor_id <> a.vendor_id
JOIN home maker ON maker.vendor_id = made.vendor_id AND maker.school_id IS NOT NULL
    AND m.decided_at >= maker.since AND m.decided_at < maker.until
JOIN home own ON own.vendor_id = a.vendor_id
    AND m.decided_at >= own.since AND m.decided_at < own.until
WHERE maker.school_id IS DISTINCT FROM own.school_id
GROUP BY a.person_id, parent.resource_id, a.region_code
""".replace("{AUTHORS}", AUTHORS)
)
# Who keeps a contribution that is listed, but its author and the people of their school; the moment
# at which each of the numbers that a table may ask for was reached.
FOLLOWED: Final = text(
    """
WITH {AUTHORS}, kept AS (
    SELECT a.person_id, a.region_code, f.resource_id, f.at,
        row_number() OVER (PARTITION BY f.resource_id ORDER BY f.at, f.person_id) AS place
    FROM authors a JOIN resource r ON r.vendor_id = a.vendor_id
    JOIN favourite f ON f.resource_id = r.id AND f.person_id <> a.person_id
    JOIN person p ON p.id = f.person_id JOIN organisation place ON place.id = p.organisation_id
    JOIN home h ON h.vendor_id = a.vendor_id AND f.at >= h.since AND f.at < h.until
    WHERE p.organisation_id <> a.vendor_id
        AND COALESCE(place.parent_id, place.id) IS DISTINCT FROM h.school_id
)
SELECT person_id, resource_id, region_code, at, place FROM kept WHERE place = ANY(:places)
""".replace("{AUTHORS}", AUTHORS)
)


class _Tables:
    """The tables in force by region and day, each region's place looked up once."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self.versions = versions_of(unit, RateKind.CREDITS)
        self._distances: dict[str, Mapping[str, int]] = {}

    def at(self, region_code: str, moment: datetime) -> RateVersion | None:
        if region_code not in self._distances:
            self._distances[region_code] = region_distances(self._unit, region_code)
        return in_force(self.versions, self._distances[region_code], day=shanghai_day(moment))


def facts_of_credits(unit: Unit) -> list[CreditFact]:
    """Return every fact that holds now."""
    tables = _Tables(unit)
    found = list(_read(tables, unit.session.execute(READ)))

    def note(kind: CreditKind, row: Any, version: RateVersion) -> None:
        found.append(_fact(kind, row, version))

    for question in (USED, DERIVED):
        for row in unit.session.execute(question):
            version = tables.at(row.region_code, row.at)
            if version is not None:
                note(CreditKind.ADOPTION, row, version)
    places = sorted({one.table.followers_needed for one in tables.versions})
    for row in unit.session.execute(FOLLOWED, {"places": places}):
        version = tables.at(row.region_code, row.at)
        if version is not None and version.table.followers_needed == row.place:
            note(CreditKind.FOLLOWERS, row, version)
    return found


def articles_read(unit: Unit, person_id: UUID) -> list[CreditFact]:
    """Return what a person read, of what earns."""
    rows = unit.session.execute(READ_BY, {"person_id": person_id})
    return list(_read(_Tables(unit), rows))


def _read(tables: _Tables, rows: Iterable[Any]) -> Iterator[CreditFact]:
    for row in rows:
        version = tables.at(row.region_code, row.at)
        if version is not None and row.type in version.table.reading_types:
            yield _fact(CreditKind.READING, row, version)


def _fact(kind: CreditKind, row: Any, version: RateVersion) -> CreditFact:
    table: CreditTable = version.table
    return CreditFact(
        person_id=row.person_id,
        kind=kind,
        subject_id=row.resource_id,
        at=row.at,
        version=version.version,
        table=table,
    )
