"""Whose own school it was: that of the teacher who sells, for each time as the trail has it (R30).

The one definition that credits and ratings share. A teaching point and its school are one school.
Who moves takes nothing along: what the school of then did stays that of an own school.
"""

HOMES = """
move AS (
    SELECT o.id AS vendor_id, t.at, t.facts #>> '{before,facts,school_id}' AS school_id
    FROM trail t JOIN organisation o ON CAST(o.id AS text) = t.subject_id
    WHERE t.act = 'organisation.changed' AND t.subject_kind = 'vendor'
        AND t.facts #>> '{before,facts,school_id}'
            IS DISTINCT FROM t.facts #>> '{after,facts,school_id}' AND {of}
), home AS (
    SELECT every.vendor_id, COALESCE(place.parent_id, place.id) AS school_id,
        lag(every.at, 1, '-infinity') OVER (PARTITION BY every.vendor_id ORDER BY every.at)
            AS since, every.at AS until
    FROM (
        SELECT vendor_id, at, school_id FROM move
        UNION ALL
        SELECT o.id, 'infinity', o.facts ->> 'school_id' FROM organisation o
        WHERE o.kind = 'vendor' AND o.facts ->> 'vendor_kind' = 'teacher' AND {of}
    ) every LEFT JOIN organisation place ON CAST(place.id AS text) = every.school_id
)
"""


def homes(of: str = "true") -> str:
    """Return the common tables `move` and `home` (vendor_id, school_id, since, until) in SQL.

    `of`: a condition on vendors `o`. A home is that of times from `since` on and before `until`.
    """
    return HOMES.replace("{of}", of)
