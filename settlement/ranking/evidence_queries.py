"""The statements that read evidence out of settled facts, each for vendors and for resources.

Set-wise: each walks over its tables once for all subjects. `subject` is the column that names whom
a fact is about. A fact belongs to the cell of the version that was used, rated or drawn; teaching
points speak for their school. Use under a pack is of the pack, and of those of its parts that were
used (`by_part`), but for those that a recount found unused (`part_by_part`). All know only what was
known by the end of the month (`end`, `last_day`), so that a month is ranked the same however late.
"""

from typing import Final

from sqlalchemy import TextClause, text

from settlement.agreement_items import ITEMS, RECOUNTED_AWAY, USED_ITEMS
from settlement.ranking.defect_queries import DEFECTS, weighed

VENDOR, RESOURCE = "vendor", "resource"
KINDS: Final = (VENDOR, RESOURCE)

CELL = "v.stage || '/' || v.subject || '/' || v.type"
SCHOOL = "COALESCE(o.parent_id, o.id)"
"""A teaching point's evidence is its school's."""


def not_struck(component: str, at: str, vendor: str) -> str:
    """Return the condition that no upheld appeal took a fact out."""
    return f"""NOT EXISTS (
        SELECT FROM struck_evidence x WHERE x.vendor_id = {vendor} AND x.cell = {CELL}
            AND x.school_id = {SCHOOL} AND x.component = '{component}' AND {at} <= x.until)
        AND {since_return(at, vendor)}"""


def since_return(at: str, vendor: str) -> str:
    """Return the condition that a fact is not of before a vendor that had left came back."""
    return f"""NOT EXISTS (
        SELECT FROM standing_event back JOIN standing stood ON stood.id = back.standing_id
        WHERE back.because = 'return' AND back.at < :end AND stood.vendor_id = {vendor}
            AND stood.cell = {CELL} AND {at} < back.at)"""


# The latest rating of each teacher about the subject in the cell, however old: it fades by itself.
RATINGS = """
SELECT subject, cell, school_id, sum(stars - 1) AS points, count(*) AS raters,
    (CAST(:last_day AS date) - max(day)) / :age_step * :age_step AS age,
    count(*) FILTER (WHERE stars = 5) AS best, count(*) FILTER (WHERE stars = 1) AS worst
FROM (
    SELECT DISTINCT ON ({subject}, {cell}, g.person_id) {subject} AS subject, {cell} AS cell,
        {school} AS school_id, g.stars, (g.at AT TIME ZONE 'Asia/Shanghai')::date AS day
    FROM rating g JOIN resource r ON r.id = g.resource_id JOIN version v ON v.id = g.version_id
    JOIN organisation o ON o.id = g.school_id
    WHERE g.at < :end AND {not_struck}
    ORDER BY {subject}, {cell}, g.person_id, g.at DESC, g.id DESC
) latest GROUP BY subject, cell, school_id
"""

# Which parts of packs schools used, by what was billed up to now: asked once, and joined. Of a
# month that was counted anew the last count holds (`part_by_part`).
USED_PARTS = """
    SELECT DISTINCT counted.agreement_id, counted.school_id,
        CAST(part.resource_id AS uuid) AS resource_id
    FROM (
        SELECT a.id AS agreement_id, {school} AS school_id, b.explanation -> 'parts' AS parts,
            l.kind <> 'take_up' AND l.month = max(l.month) FILTER (WHERE l.kind <> 'take_up')
                OVER (PARTITION BY a.id, l.of_month, b.school_id) AS holds
        FROM agreement a JOIN statement_line l ON l.agreement_id = a.id
        JOIN statement_breakdown b ON b.line_id = l.id
        JOIN organisation o ON o.id = b.school_id
        WHERE CAST(:by_part AS boolean) AND l.month <= :month AND {about}
            AND EXISTS (SELECT FROM pack_part p WHERE p.pack_id = a.version_id)
    ) counted CROSS JOIN LATERAL jsonb_object_keys(counted.parts) AS part(resource_id)
    WHERE counted.holds OR NOT CAST(:part_by_part AS boolean)
"""

# Terms of agreements. What is agreed on counts as used, a part of a pack by its uses; of parts that
# were not used there are only those of packs that still run. Trials are no terms.
TERM = """
    SELECT {subject} AS subject, {cell} AS cell, {school} AS school_id, a.id, i.resource_id,
        a.starts_on, LEAST(a.ends_on, upper(g.days) - 1) AS ends_on,
        upper(g.days) - 1 < a.ends_on OR EXISTS (
            SELECT FROM agreement_change c WHERE c.agreement_id = a.id AND c.kind = 'ended'
        ) AS given_up, COALESCE(w.why = ANY(:excused), false) AS excused,
        NOT i.is_part OR u.agreement_id IS NOT NULL AS is_used, {not_struck} AS counts
    FROM agreement a CROSS JOIN LATERAL ({items}) i JOIN version v ON v.id = i.version_id
    JOIN agreement_school g ON g.agreement_id = a.id JOIN organisation o ON o.id = g.school_id
    LEFT JOIN used_part u ON i.is_part AND u.agreement_id = a.id AND u.school_id = {school}
        AND u.resource_id = i.resource_id
    LEFT JOIN agreement_end_reason w ON w.agreement_id = a.id AND w.said_at < :end
    WHERE a.terms ->> 'trial' IS DISTINCT FROM 'true' AND a.opened_at < :end AND {about}
        AND (NOT i.is_part OR u.agreement_id IS NOT NULL OR (CAST(:by_part AS boolean)
            AND LEAST(a.ends_on, upper(g.days) - 1) >= CAST(:last_day AS date)))
"""

# Whether term n goes on with the cell after term t, within the days of grace.
GOES_ON = """n.subject = t.subject AND n.cell = t.cell AND n.school_id = t.school_id
    AND n.id <> t.id AND n.ends_on > t.ends_on
    AND n.starts_on <= t.ends_on + CAST(:grace AS int)"""
# Whether that is still open: a later pack with the resource runs, and it was not used in it yet.
STILL_OPEN = """NOT n.is_used AND n.resource_id = t.resource_id AND n.starts_on > t.starts_on"""

# Terms of agreements that ended in the window. Terms of one school that end on one day are one; it
# is renewed if the school goes on with the subject in the cell within the days of grace. Where that
# is still open nothing is said, unless the school gave it up; nor while a later pack runs, in which
# it did not use the part yet.
TERMS = f"""
WITH used_part AS MATERIALIZED ({USED_PARTS}), term AS MATERIALIZED ({TERM}), ended AS (
    SELECT t.subject, t.cell, t.school_id, t.ends_on, bool_or(t.given_up) AS given_up,
        bool_and(t.excused) AS excused, COALESCE(bool_or(n.is_used), false) AS renewed,
        COALESCE(bool_or({STILL_OPEN}), false) AS is_open
    FROM term t LEFT JOIN term n ON {GOES_ON}
    WHERE t.counts AND t.is_used AND t.ends_on BETWEEN :first_day AND :last_day
    GROUP BY t.subject, t.cell, t.school_id, t.ends_on
)
SELECT subject, cell, school_id, count(*) FILTER (WHERE renewed) AS renewed,
    count(*) FILTER (WHERE NOT renewed) AS ended
FROM ended
WHERE renewed OR (NOT is_open AND NOT excused
    AND (given_up OR ends_on + CAST(:grace AS int) < CAST(:last_day AS date)))
GROUP BY subject, cell, school_id
"""  # noqa: S608 - put together from the texts of this module

# Months of settled use, by what was stated up to the month; how much is shown and never scored.
MONTHS = """
SELECT subject, cell, school_id, count(*) AS months, sum(quantity) AS uses
FROM (
    SELECT subject, cell, school_id, of_month, sum(quantity) AS quantity
    FROM (
        SELECT {subject} AS subject, {cell} AS cell, {school} AS school_id, l.of_month,
            CASE WHEN i.is_part THEN (array_agg(i.quantity ORDER BY l.month DESC))[1]
                ELSE sum(i.quantity) END AS quantity
        FROM statement_line l JOIN agreement a ON a.id = l.agreement_id
        JOIN statement_breakdown b ON b.line_id = l.id
        CROSS JOIN LATERAL ({used_items}) i JOIN version v ON v.id = i.version_id
        JOIN organisation o ON o.id = b.school_id
        WHERE l.month <= :month AND l.of_month >= :first_month AND l.kind <> 'take_up'
            AND (NOT i.is_part OR CAST(:by_part AS boolean)) AND {anew}
            AND NOT (i.is_part AND CAST(:part_by_part AS boolean) AND {recounted})
        GROUP BY {subject}, {cell}, {school}, l.of_month, i.is_part, i.resource_id, a.id,
            b.school_id
    ) item GROUP BY subject, cell, school_id, of_month HAVING sum(quantity) > 0
) used GROUP BY subject, cell, school_id
"""

# Since when it is in use, however long ago.
FIRST_USE = """
SELECT {subject} AS subject, {cell} AS cell,
    CAST(:last_day AS date) - min(GREATEST(a.starts_on, l.of_month)) AS days
FROM statement_line l JOIN agreement a ON a.id = l.agreement_id
JOIN statement_breakdown b ON b.line_id = l.id
CROSS JOIN LATERAL ({used_items}) i JOIN version v ON v.id = i.version_id
WHERE l.month <= :month AND l.kind = 'use' AND l.quantity > 0 AND {anew}
    AND (NOT i.is_part OR CAST(:by_part AS boolean))
    AND NOT (i.is_part AND CAST(:part_by_part AS boolean) AND {recounted})
GROUP BY {subject}, {cell}
"""

AUDITS = """
SELECT {subject} AS subject, {cell} AS cell, count(*) AS audits,
    count(*) FILTER (WHERE s.passed) AS passed
FROM blind_sample s JOIN version v ON v.id = s.version_id JOIN resource r ON r.id = v.resource_id
WHERE s.judged_at >= :audits_from AND s.judged_at < :end AND {anew} GROUP BY {subject}, {cell}
"""

# Schools that are no judge of their own work: of the teacher who sells, of the work's author.
OWN_SCHOOLS = """
SELECT DISTINCT {subject} AS subject, {cell} AS cell, {school} AS school_id
FROM version v JOIN resource r ON r.id = v.resource_id
JOIN organisation vendor ON vendor.id = r.vendor_id
JOIN organisation o ON o.kind = 'school' AND CAST(o.id AS text)
    IN (vendor.facts ->> 'school_id', v.metadata ->> 'author_school_id')
"""

# Schools with somebody who holds, or held, a role at the vendor too.
AFFILIATES = """
SELECT DISTINCT {subject} AS subject, {school} AS school_id
FROM role_grant seller JOIN organisation vendor ON vendor.id = seller.organisation_id
    AND vendor.kind = 'vendor'
JOIN role_grant held ON held.person_id = seller.person_id
JOIN organisation o ON o.id = held.organisation_id AND o.kind = 'school'
JOIN resource r ON r.vendor_id = vendor.id
WHERE seller.granted_from < :end AND held.granted_from < :end
"""

# Standings on watch or worse at the month's end: looked at, whatever is known of the vendor.
WATCHED = """
SELECT {subject} AS subject, s.cell
FROM standing s CROSS JOIN LATERAL (
    SELECT e.to_state FROM standing_event e WHERE e.standing_id = s.id AND e.at < :end
    ORDER BY e.number DESC LIMIT 1
) stood
WHERE CAST(:silence AS boolean) AND stood.to_state IN ('watch', 'probation', 'no_new_schools')
"""

# Learners of each school, with its teaching points, on the month's last day.
LEARNERS: Final = text(
    """
SELECT COALESCE(o.parent_id, o.id) AS school_id, count(DISTINCT e.learner_id) AS learners
FROM enrolment e JOIN organisation o ON o.id = e.school_id
WHERE e.joined_on <= :last_day AND (e.left_on IS NULL OR e.left_on > :last_day)
GROUP BY COALESCE(o.parent_id, o.id)
"""
)

PLACES: Final = text(
    "SELECT id, facts ->> 'setting' = 'rural' OR COALESCE((facts ->> 'small_rural')::boolean, "
    "false) AS rural FROM organisation WHERE kind = 'school' AND id = ANY(:schools)"
)

VENDOR_OF: Final = {
    RATINGS: "r.vendor_id",
    TERMS: "a.vendor_id",
    DEFECTS: "w.vendor_id",
    MONTHS: "a.vendor_id",
    FIRST_USE: "a.vendor_id",
    AUDITS: "r.vendor_id",
    OWN_SCHOOLS: "r.vendor_id",
    AFFILIATES: "r.vendor_id",
    WATCHED: "s.vendor_id",
}
RESOURCE_OF: Final = {
    RATINGS: "g.resource_id",
    TERMS: "i.resource_id",
    DEFECTS: "w.resource_id",
    MONTHS: "i.resource_id",
    FIRST_USE: "i.resource_id",
    AUDITS: "r.id",
    OWN_SCHOOLS: "r.id",
    AFFILIATES: "r.id",
}
# A term's last day begins in Shanghai; versions of before had it begin in UTC.
TERM_END: Final = (
    "CAST(LEAST(a.ends_on, upper(g.days) - 1) AS timestamp) AT TIME ZONE CAST(:zone AS text)"
)
STRIKES: Final = {
    RATINGS: not_struck("ratings", "g.at", "r.vendor_id"),
    TERMS: not_struck("renewal", TERM_END, "a.vendor_id"),
    DEFECTS: not_struck("defects", "w.decided_at", "w.vendor_id"),
}


# What is billed for a month was used by its last moment.
MONTH_END: Final = (
    "(l.of_month + interval '1 month' - interval '1 second') AT TIME ZONE 'Asia/Shanghai'"
)
ANEW: Final = {
    MONTHS: since_return(MONTH_END, "a.vendor_id"),
    FIRST_USE: since_return(MONTH_END, "a.vendor_id"),
    AUDITS: since_return("s.judged_at", "r.vendor_id"),
}
RECOUNTED: Final = RECOUNTED_AWAY.format(part="i.resource_id", known="later.month <= :month")
ONE_VENDOR: Final = "a.vendor_id = :only"
"""The condition that an agreement is of the vendor that is asked about."""


def about(query: str, kind: str, *, agreements: str = "true") -> TextClause:
    """Return a statement of this module for vendors or for resources.

    `agreements`: a condition on agreements `a`, for what is asked of terms and disputes before they
    are told apart by subject; of all else the planner sees to it.
    """
    subject = (VENDOR_OF if kind == VENDOR else RESOURCE_OF)[query]
    return text(
        query.format(
            subject=subject,
            cell=CELL,
            school=SCHOOL,
            items=ITEMS,
            used_items=USED_ITEMS,
            not_struck=STRIKES.get(query, "true"),
            about=agreements,
            anew=ANEW.get(query, "true"),
            recounted=RECOUNTED,
            weighed=weighed(school=SCHOOL, decided="d.decided_at >= :start", agreements=agreements),
        )
    )


def terms_of(agreements: str) -> str:
    """Return the two common tables `used_part` and `term`, of vendors, for other statements.

    `agreements`: a condition on agreements `a`.
    """
    whole = f"used_part AS MATERIALIZED ({USED_PARTS}), term AS MATERIALIZED ({TERM})"
    return whole.format(
        subject=VENDOR_OF[TERMS],
        cell=CELL,
        school=SCHOOL,
        items=ITEMS,
        not_struck=STRIKES[TERMS],
        about=agreements,
    )
