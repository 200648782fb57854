"""The statement that reads upheld disputes: what each weighs on whom (R42).

Under a pack a dispute weighs in full on the pack, in the pack's cell. Of its parts it weighs on the
one that it names, as grave as what was given back is of that part's share of the line, which counts
for a least share, so that next to nothing given back is never grave; else its severity is shared by
their uses at the school, in whole points by largest remainder, so that parts together weigh what
the dispute does. Never what the platform did or gave back.
"""

from typing import Final

from settlement.agreement_items import USED_ITEMS

# Parts of a line by school: a teaching point's uses are its school's.
_DISPUTED = """
    SELECT d.id, l.of_month, d.reason, d.decided_at, a.vendor_id, {school} AS school_id,
        i.resource_id, i.version_id, i.is_part, d.evidence ->> 'part' AS named, d.credit_fen,
        l.amount_fen, sum(i.quantity) AS quantity
    FROM dispute d JOIN statement_line l ON l.id = d.line_id
    JOIN agreement a ON a.id = l.agreement_id JOIN statement_breakdown b ON b.line_id = l.id
    CROSS JOIN LATERAL ({used_items}) i JOIN organisation o ON o.id = b.school_id
    WHERE d.outcome = 'upheld' AND {decided} AND d.decided_at < :end AND {about}
        AND (NOT i.is_part OR CAST(:by_part AS boolean)) AND d.opened_by <> 'system'
        AND d.reason <> ALL(:not_the_vendors) AND b.quantity <> 0
    GROUP BY d.id, l.id, a.vendor_id, {school}, i.resource_id, i.version_id, i.is_part
"""
# What is at stake is the line, of a part that is named its share: so many of so many uses, and at
# least so many percent.
_SHARED = """
    SELECT disputed.*, NULLIF(sum(quantity) OVER (PARTITION BY id, school_id, is_part), 0) AS total,
        CASE WHEN by_its_share AND uses > 0
            THEN GREATEST(uses * 100, every_use * :least_share) ELSE 1 END AS at_stake,
        CASE WHEN by_its_share AND uses > 0 THEN every_use * 100 ELSE 1 END AS of_all
    FROM (
        SELECT told.*, sum(quantity) OVER (PARTITION BY id, is_part, resource_id) AS uses,
            sum(quantity) OVER (PARTITION BY id, is_part) AS every_use,
            CAST(:by_share AS boolean) AND is_part AND named IS NOT NULL AS by_its_share
        FROM ({disputed}) told
    ) disputed
"""
_GRADED = """
    SELECT shared.*, CASE
        WHEN credit_fen * 100 * of_all >= amount_fen * at_stake * :grave THEN 10
        WHEN credit_fen * 100 * of_all >= amount_fen * at_stake * :serious THEN 3 ELSE 1
        END AS severity
    FROM ({shared}) shared
"""
WEIGHED: Final = (
    """
    SELECT graded.*, CASE
        WHEN NOT is_part OR NOT CAST(:part_by_part AS boolean) THEN severity
        WHEN named IS NOT NULL THEN
            CASE WHEN named = CAST(resource_id AS text) THEN severity ELSE 0 END
        ELSE div(severity * quantity, total) + CASE WHEN row_number() OVER (
                PARTITION BY id, school_id, is_part
                ORDER BY mod(severity * quantity, total) DESC, quantity DESC, resource_id)
            <= severity - sum(div(severity * quantity, total)) OVER (
                PARTITION BY id, school_id, is_part) THEN 1 ELSE 0 END
        END AS weight
    FROM ({graded}) graded
"""
).replace("{graded}", _GRADED.replace("{shared}", _SHARED.replace("{disputed}", _DISPUTED)))
"""SQL: for each upheld dispute, school and item (the resource, or the pack and its used parts) its
`weight`; to be filled in with `decided`, a condition on disputes `d`, and `about` on agreements."""

# One for each school, month and ground.
DEFECTS: Final = """
SELECT subject, cell, school_id, sum(severity) AS defects, count(*) AS incidents
FROM (
    SELECT subject, cell, school_id, of_month, reason, max(severity) AS severity
    FROM (
        SELECT {subject} AS subject, {cell} AS cell, w.school_id, w.of_month, w.reason,
            LEAST(sum(w.weight), max(w.severity)) AS severity
        FROM ({weighed}) w JOIN version v ON v.id = w.version_id
        JOIN organisation o ON o.id = w.school_id
        WHERE w.weight > 0 AND {not_struck}
        GROUP BY {subject}, {cell}, w.school_id, w.of_month, w.reason, w.id
    ) disputed GROUP BY subject, cell, school_id, of_month, reason
) incident GROUP BY subject, cell, school_id
"""


def weighed(*, school: str, decided: str, agreements: str) -> str:
    """Return the statement of what disputes weigh that were decided so, on such agreements."""
    return WEIGHED.format(school=school, used_items=USED_ITEMS, decided=decided, about=agreements)
