"""Credits against the books: each has its transfer, none is below nothing or above a cap.

What was booked at once makes the sums that the trail has of it, so that nothing was added since.
A cap is the one of the table that is named, which is one of there and then.

What was read stays read, and a booking of it without its reading was earned by nothing. Adoptions
and followers may end between two bookings, and are taken back by the next; but what an adoption was
by stays: a bill of that month, or a work admitted at that moment. Both are of the author's own.
A bill of a trial is one of them: by trials, too, adoptions were booked once, and taken back.
"""

from collections.abc import Iterator
from typing import Final

from sqlalchemy import text

from kernel.clock import shanghai_day
from kernel.unit import Unit
from settlement.agreement_items import USED_ITEMS
from settlement.credit_evidence import Tables
from settlement.credit_rules import CreditKind, credits_text
from settlement.rate_tables import RateKind, versions_of

# Each booking, with what its transfer moved on the person's account.
TRANSFERS: Final = text(
    """
SELECT b.person_id, b.kind, b.year, b.amount AS stored, COALESCE((
    SELECT sum(CASE l.side WHEN 'D' THEN l.amount_fen ELSE -l.amount_fen END)
    FROM transfer t JOIN leg l ON l.transfer_id = t.id
    JOIN account a ON a.id = l.account_id AND a.kind = 'credits' AND a.owner_id = b.person_id
    WHERE t.key = 'learned:' || b.person_id || ':' || b.kind || ':' || b.subject_id || ':' || b.year
        || ':' || b.number), 0) AS moved
FROM credit_booking b ORDER BY b.person_id, b.year, b.kind, b.number
"""
)
BALANCES: Final = text(
    """
SELECT COALESCE(a.owner_id, b.person_id) AS person_id, COALESCE(a.balance, 0) AS stored,
    COALESCE(b.amount, 0) AS computed
FROM (SELECT owner_id, balance FROM account WHERE kind = 'credits') a
FULL JOIN (SELECT person_id, sum(amount) AS amount FROM credit_booking GROUP BY person_id) b
    ON b.person_id = a.owner_id
WHERE COALESCE(a.balance, 0) <> COALESCE(b.amount, 0) ORDER BY 1
"""
)
SUMS: Final = text(
    """
SELECT person_id, kind, subject_id, year, version, sum(amount) AS amount
FROM (SELECT person_id, kind, subject_id, year, amount, first_value(version) OVER (
        PARTITION BY person_id, kind, subject_id, year ORDER BY number DESC) AS version
    FROM credit_booking) b
GROUP BY person_id, kind, subject_id, year, version ORDER BY person_id, year, kind
"""
)
# Bookings by the first sum on the trail that is not before them: what is booked at once bears its
# moment; before it did, each bore its own, a little earlier. After the last sum there is none.
BOOKED_AT_ONCE: Final = text(
    """
WITH told AS (
    SELECT CAST(subject_id AS timestamptz) AS moment,
        CAST(sum(CAST(facts ->> 'changes' AS bigint)) AS bigint) AS changes,
        CAST(sum(CAST(facts ->> 'earned' AS bigint)) AS bigint) AS earned,
        CAST(sum(CAST(facts ->> 'taken_back' AS bigint)) AS bigint) AS taken_back
    FROM trail WHERE act = 'credits.booked' GROUP BY 1
), placed AS (
    SELECT amount, min(moment) OVER (ORDER BY at DESC) AS moment
    FROM (SELECT booked_at AS at, amount, CAST(NULL AS timestamptz) AS moment FROM credit_booking
        UNION ALL SELECT moment, NULL, moment FROM told) every
), made AS (
    SELECT moment, count(amount) AS changes,
        CAST(COALESCE(sum(amount) FILTER (WHERE amount > 0), 0) AS bigint) AS earned,
        CAST(-COALESCE(sum(amount) FILTER (WHERE amount < 0), 0) AS bigint) AS taken_back
    FROM placed GROUP BY moment
)
SELECT moment, m.changes, m.earned, m.taken_back, t.changes AS told_changes,
    t.earned AS told_earned, t.taken_back AS told_taken_back
FROM made m LEFT JOIN told t USING (moment)
WHERE (m.changes, m.earned, m.taken_back)
    IS DISTINCT FROM (t.changes, t.earned, t.taken_back)
ORDER BY moment
"""
)
CAPS: Final = text(
    """
SELECT DISTINCT person_id, year, version, most FROM credit_booking WHERE kind = 'reading'
ORDER BY person_id, year, version, most
"""
)
# By which tables was credited what was read where.
READ_WHERE: Final = text(
    """
SELECT r.region_code, b.version, min(b.at) AS at, count(DISTINCT b.person_id) AS people
FROM credit_booking b JOIN reading r ON r.person_id = b.person_id AND r.resource_id = b.subject_id
WHERE b.kind = 'reading' GROUP BY r.region_code, b.version ORDER BY r.region_code, b.version
"""
)
READ_FAST: Final = text(
    """
SELECT person_id, resource_id, region_code, begun_at, finished_at FROM reading
WHERE finished_at - begun_at < make_interval(secs => :longest)
ORDER BY person_id, finished_at
"""
)
READ: Final = text(
    """
SELECT person_id, year, sum(amount) AS amount, max(most) AS most
FROM credit_booking WHERE kind = 'reading' GROUP BY person_id, year
HAVING sum(amount) > max(most) ORDER BY person_id, year
"""
)


UNREAD: Final = text(
    """
SELECT b.person_id, b.subject_id, b.year, sum(b.amount) AS amount
FROM credit_booking b
WHERE b.kind = 'reading' AND NOT EXISTS (
    SELECT FROM reading r WHERE r.person_id = b.person_id AND r.resource_id = b.subject_id
        AND r.finished_at = b.at)
GROUP BY b.person_id, b.subject_id, b.year ORDER BY b.person_id, b.year, b.subject_id
"""
)

# Bookings of what is no contribution of the person, and adoptions by nothing that ever was: neither
# a bill of use up to that moment nor a work of another's that was admitted then. Whether it still
# holds, and for whom of a vendor's managers, is asked when credits are booked; what was taken back
# since rests on nothing and needs nothing.
UNFOUNDED: Final = text(
    """
WITH managed AS (
    SELECT DISTINCT o.id AS vendor_id, g.person_id
    FROM organisation o JOIN role_grant g ON g.organisation_id = o.id AND g.role = 'vendor_manager'
    WHERE o.kind = 'vendor' AND o.facts ->> 'vendor_kind' = 'teacher'
)
SELECT b.person_id, b.kind, b.subject_id, b.year, sum(b.amount) AS amount,
    bool_and(EXISTS (
        SELECT FROM managed w JOIN resource r ON r.vendor_id = w.vendor_id
        WHERE w.person_id = b.person_id AND r.id = b.subject_id)) AS own
FROM credit_booking b
WHERE b.kind <> 'reading' AND (
    NOT EXISTS (
        SELECT FROM managed w JOIN resource r ON r.vendor_id = w.vendor_id
        WHERE w.person_id = b.person_id AND r.id = b.subject_id)
    OR b.kind = 'adoption' AND NOT EXISTS (
        SELECT FROM managed w JOIN statement_line l ON l.vendor_id = w.vendor_id
        JOIN agreement a ON a.id = l.agreement_id
        JOIN statement_breakdown s ON s.line_id = l.id
        CROSS JOIN LATERAL ({USED}) i
        WHERE w.person_id = b.person_id AND i.resource_id = b.subject_id AND l.quantity > 0
            AND (l.of_month + interval '1 month' - interval '1 second')
                AT TIME ZONE 'Asia/Shanghai' = b.at)
    AND NOT EXISTS (
        SELECT FROM version parent JOIN derivation d ON d.parent_id = parent.id
        JOIN admission m ON m.version_id = d.version_id AND m.decided_at = b.at
        WHERE parent.resource_id = b.subject_id))
GROUP BY b.person_id, b.kind, b.subject_id, b.year HAVING sum(b.amount) <> 0
ORDER BY b.person_id, b.year, b.subject_id
""".replace("{USED}", USED_ITEMS.replace("b.", "s."))
)


def check_credits(unit: Unit) -> Iterator[str]:
    """Compare credits with the books, their readings, tables and caps."""
    for row in unit.session.execute(TRANSFERS):
        if int(row.stored) != int(row.moved):
            yield (
                f"credits of {row.person_id} by {row.kind} in {row.year}: "
                f"{credits_text(int(row.stored))} booked, {credits_text(int(row.moved))} moved"
            )
    for row in unit.session.execute(BALANCES):
        yield (
            f"credits of {row.person_id}: the account holds {credits_text(int(row.stored))}, the "
            f"bookings make {credits_text(int(row.computed))}"
        )
    yield from _check_booked_at_once(unit)
    yield from _check_readings(unit)
    tables = {one.version: one.table for one in versions_of(unit, RateKind.CREDITS)}
    for row in unit.session.execute(CAPS):
        if row.version in tables and row.most != tables[row.version].reading_cap:
            yield (
                f"credits of {row.person_id} by reading in {row.year}: booked with a cap of "
                f"{credits_text(row.most)}, by its table {row.version} it is "
                f"{credits_text(tables[row.version].reading_cap)}"
            )
    for row in unit.session.execute(SUMS):
        name = f"credits of {row.person_id} by {row.kind} in {row.year}"
        if row.version not in tables:
            yield f"{name}: there is no table {row.version}"
            continue
        most = getattr(tables[row.version], CreditKind(row.kind).value)
        if not 0 <= int(row.amount) <= most:
            yield f"{name}: {credits_text(int(row.amount))}, by its table {credits_text(most)}"
    for row in unit.session.execute(UNREAD):
        yield (
            f"credits of {row.person_id} by reading in {row.year}: {credits_text(int(row.amount))} "
            f"for {row.subject_id}, which was not read then"
        )
    for row in unit.session.execute(UNFOUNDED):
        why = "which nobody adopted then" if row.own else "which is not theirs"
        yield (
            f"credits of {row.person_id} by {row.kind} in {row.year}: "
            f"{credits_text(int(row.amount))} for {row.subject_id}, {why}"
        )
    for row in unit.session.execute(READ):
        yield (
            f"credits of {row.person_id} by reading in {row.year}: "
            f"{credits_text(int(row.amount))}, more than the cap of {credits_text(int(row.most))}"
        )


def _check_booked_at_once(unit: Unit) -> Iterator[str]:
    """Compare what was booked at each moment with the sums that the trail has of it."""
    for row in unit.session.execute(BOOKED_AT_ONCE):
        when = f"at {row.moment.isoformat()}" if row.moment else "after the last sum on the trail"
        made = _sums(row.changes, row.earned, row.taken_back)
        told = _sums(row.told_changes or 0, row.told_earned or 0, row.told_taken_back or 0)
        yield f"credits booked {when}: {made}; the trail has {told}"


def _sums(changes: int, earned: int, taken_back: int) -> str:
    return (
        f"{changes} changes, {credits_text(earned)} earned and {credits_text(taken_back)} "
        "taken back"
    )


def _check_readings(unit: Unit) -> Iterator[str]:
    """Ask of readings for the tables of there and then, and whether they lasted long enough.

    A table that was recorded later asks nothing of what was read before; of two, while it was read,
    the shorter time does.
    """
    tables = Tables(unit)
    by_name = {one.version: one for one in tables.versions}
    for row in unit.session.execute(READ_WHERE):
        table = by_name.get(row.version)
        if table is not None and (
            table.region_code not in tables.above(row.region_code)
            or table.valid_from > shanghai_day(row.at)
        ):
            yield (
                f"credits of {row.people} people by reading in {row.region_code}: by the table "
                f"{row.version}, which does not hold there or not yet"
            )
    longest = max(one.table.reading_seconds for one in tables.versions)
    for row in unit.session.execute(READ_FAST, {"longest": longest}):
        known = (
            tables.at(row.region_code, row.finished_at, known_at=moment)
            for moment in (row.begun_at, row.finished_at)
        )
        asked = min((one.table.reading_seconds for one in known if one is not None), default=0)
        took = (row.finished_at - row.begun_at).total_seconds()
        if took < asked:
            yield (
                f"reading of {row.person_id}: {row.resource_id} in {took:g} seconds, which its "
                f"table makes {asked} at the least"
            )
