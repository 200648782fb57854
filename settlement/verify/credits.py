"""Credits against the books: each has its transfer, none is below nothing or above a cap.

What was read stays read, and a booking of it without its reading was earned by nothing. Adoptions
and followers may end between two bookings, and are taken back by the next; but what an adoption was
by stays: a bill of that month, or a work admitted at that moment. Both are of the author's own.
"""

from collections.abc import Iterator
from typing import Final

from sqlalchemy import text

from kernel.unit import Unit
from settlement.agreement_items import USED_ITEMS
from settlement.credit_evidence import AUTHORS
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
# holds is asked when credits are booked.
UNFOUNDED: Final = text(
    """
WITH {AUTHORS}
SELECT b.person_id, b.kind, b.subject_id, b.year, sum(b.amount) AS amount,
    bool_and(EXISTS (
        SELECT FROM authors w JOIN resource r ON r.vendor_id = w.vendor_id
        WHERE w.person_id = b.person_id AND r.id = b.subject_id)) AS own
FROM credit_booking b
WHERE b.kind <> 'reading' AND (
    NOT EXISTS (
        SELECT FROM authors w JOIN resource r ON r.vendor_id = w.vendor_id
        WHERE w.person_id = b.person_id AND r.id = b.subject_id)
    OR b.kind = 'adoption' AND NOT EXISTS (
        SELECT FROM authors w JOIN statement_line l ON l.vendor_id = w.vendor_id
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
GROUP BY b.person_id, b.kind, b.subject_id, b.year ORDER BY b.person_id, b.year, b.subject_id
""".replace("{AUTHORS}", AUTHORS).replace("{USED}", USED_ITEMS.replace("b.", "s."))
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
    tables = {one.version: one.table for one in versions_of(unit, RateKind.CREDITS)}
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
