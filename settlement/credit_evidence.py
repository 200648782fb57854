"""Facts that earn credits, out of settled use, lineage and what people keep (R47).

Set by set: each question is asked once for all teachers, and none of single uses. An adoption holds
while another school's settled use of a contribution stands on its bill, or another school's work
made from it stands admitted; once nothing of it holds, its credits are taken back.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

from kernel.clock import shanghai_day, start_of_day
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
# A teacher who sells is a vendor; its person is who was recorded to manage it first, whatever day a
# file names for another one later. Who moves takes nothing of
# what was earned before, and earns nothing by what their school of then did.
AUTHORS = """
authors AS (
    SELECT DISTINCT ON (o.id) o.id AS vendor_id, g.person_id, o.region_code
    FROM organisation o JOIN role_grant g ON g.organisation_id = o.id AND g.role = 'vendor_manager'
    WHERE o.kind = 'vendor' AND o.facts ->> 'vendor_kind' = 'teacher'
    ORDER BY o.id, g.id
), {HOMES}
""".replace("{HOMES}", homes())
# Bills of other schools' use of a contribution, while they are not credited whole; one without a
# price is never credited and holds. A trial commits to nothing and is no adoption (R21). What is
# billed for a month was used by its last moment, and a school at which the author was in it is no
# other. Under a pack it is the parts that were used, but for those that a recount found unused; the
# pack is no contribution beside them. A bill of before parts were told has uses and names none:
# nobody knows which, and the pack stands for them.
USED: Final = text(
    """
WITH {AUTHORS}
SELECT w.person_id, i.resource_id, w.region_code,
    min((l.of_month + interval '1 month' - interval '1 second') AT TIME ZONE 'Asia/Shanghai') AS at
FROM authors w JOIN statement_line l ON l.vendor_id = w.vendor_id AND l.quantity > 0
JOIN agreement a ON a.id = l.agreement_id AND a.terms ->> 'trial' IS DISTINCT FROM 'true'
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
# Who keeps a contribution that is listed now, but its author and the people of their school; the
# moment at which each of the numbers that a table may ask for was reached. What is taken out of the
# catalogue is forwarded to nobody: its followers come back with its listing.
FOLLOWED: Final = text(
    """
WITH {AUTHORS}, kept AS (
    SELECT a.person_id, a.region_code, f.resource_id, f.at,
        row_number() OVER (PARTITION BY f.resource_id ORDER BY f.at, f.person_id) AS place
    FROM authors a JOIN resource r ON r.vendor_id = a.vendor_id
    JOIN listing l ON l.resource_id = r.id
    JOIN favourite f ON f.resource_id = r.id AND f.person_id <> a.person_id
    JOIN person p ON p.id = f.person_id JOIN organisation place ON place.id = p.organisation_id
    JOIN home h ON h.vendor_id = a.vendor_id AND f.at >= h.since AND f.at < h.until
    WHERE p.organisation_id <> a.vendor_id
        AND COALESCE(place.parent_id, place.id) IS DISTINCT FROM h.school_id
)
SELECT person_id, resource_id, region_code, at, place FROM kept WHERE place = ANY(:places)
ORDER BY resource_id, person_id, region_code
""".replace("{AUTHORS}", AUTHORS)
)


class Tables:
    """The tables of credits by region and day, each region's place looked up once."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self.versions = versions_of(unit, RateKind.CREDITS)
        self._distances: dict[str, Mapping[str, int]] = {}
        self._turns: dict[str, list[tuple[datetime, RateVersion]]] = {}

    def at(
        self, region_code: str, moment: datetime, *, known_at: datetime | None = None
    ) -> RateVersion | None:
        """Return which version holds at a moment; `known_at`: of those that were recorded then."""
        known = [
            one
            for one in self.versions
            if known_at is None or one.recorded_at is None or one.recorded_at <= known_at
        ]
        return in_force(known, self.above(region_code), day=shanghai_day(moment))

    def in_turn(self, region_code: str) -> list[tuple[datetime, RateVersion]]:
        """Return which versions held and hold, one after the other, each with its first moment."""
        if region_code not in self._turns:
            above = self.above(region_code)
            known = {one.valid_from for one in self.versions if one.region_code in above}
            self._turns[region_code] = [
                (start_of_day(day), version)
                for day in sorted(known)
                if (version := in_force(self.versions, above, day=day)) is not None
            ]
        return self._turns[region_code]

    def above(self, region_code: str) -> Mapping[str, int]:
        """Return whose tables hold in a region: how far above it each lies."""
        if region_code not in self._distances:
            self._distances[region_code] = region_distances(self._unit, region_code)
        return self._distances[region_code]


def facts_of_credits(unit: Unit) -> list[CreditFact]:
    """Return every fact that holds now."""
    tables = Tables(unit)
    found = list(_read(tables, unit.session.execute(READ)))
    for question in (USED, DERIVED):
        for row in unit.session.execute(question):
            version = tables.at(row.region_code, row.at)
            if version is not None:
                found.append(_fact(CreditKind.ADOPTION, row, version, at=row.at))
    places = sorted({one.table.followers_needed for one in tables.versions})
    reached = unit.session.execute(FOLLOWED, {"places": places})
    for _, rows in groupby(reached, key=lambda row: (row.resource_id, row.person_id)):
        found.extend(_followed(tables, list(rows), now=unit.clock.now()))
    return found


def _followed(tables: Tables, rows: Sequence[Any], *, now: datetime) -> Iterator[CreditFact]:
    """Yield the first moment at which a contribution had as many followers as were needed then.

    It comes with a follower, or with the first day of a table that asks for no more than there are.
    `rows`: when each of the numbers that some table asks for was reached.
    """
    at_place = {row.place: row.at for row in rows}
    turns = tables.in_turn(rows[0].region_code)
    ends = [start for start, _ in turns[1:]] + [datetime.max.replace(tzinfo=UTC)]
    for (start, version), end in zip(turns, ends, strict=True):
        reached = at_place.get(version.table.followers_needed)
        if reached is not None and start <= now and (at := max(reached, start)) < end:
            yield _fact(CreditKind.FOLLOWERS, rows[0], version, at=at)
            return


def articles_read(unit: Unit, person_id: UUID) -> list[CreditFact]:
    """Return what a person read, of what earns."""
    rows = unit.session.execute(READ_BY, {"person_id": person_id})
    return list(_read(Tables(unit), rows))


def _read(tables: Tables, rows: Iterable[Any]) -> Iterator[CreditFact]:
    for row in rows:
        version = tables.at(row.region_code, row.at)
        if version is not None and row.type in version.table.reading_types:
            yield _fact(CreditKind.READING, row, version, at=row.at)


def _fact(kind: CreditKind, row: Any, version: RateVersion, *, at: datetime) -> CreditFact:
    table: CreditTable = version.table
    return CreditFact(
        person_id=row.person_id,
        kind=kind,
        subject_id=row.resource_id,
        at=at,
        version=version.version,
        table=table,
    )
