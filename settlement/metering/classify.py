"""The one statement that classifies a delivery of usage and stores it.

A row is judged by what is known before it, in the database or earlier in the same delivery, so
that it does not matter how a file is cut into deliveries:

1. unreadable → quarantined with what could not be read;
2. its identity (source, event id) is known → duplicate if the content is the same, else conflict;
3. its month is archived, or it can't be billed (time, launch, learner, school, resource,
   agreement) → quarantined with the reason;
4. else accepted; `late` if its period was sealed before it came, which leaves a row in `late_use`.

A row that names a launch takes everything from it, its session too: who is paid by sessions does
not say how many there were. A row of a ticketed source must name one (R26). What an organisation's
own machine attests without a launch is about itself: a school's learners, a vendor's resources.

Parameters are arrays, one per column, of equal length. The statement returns the rows that were not
simply accepted, each with its position, and of the others their number by month.
"""

from functools import cache

from sqlalchemy import TextClause, text

from settlement.metering.precedence import PRECEDENCE

# Asked of a row `r` that names a launch; `ticketed` rows are a vendor's word, so they must agree
# with the ticket in everything. Launches are issued by another machine: its clock may be behind.
LAUNCH_REASON = """CASE
                WHEN r.issued_at IS NULL THEN 'no-launch'
                WHEN r.ticketed AND r.reporter_id IS DISTINCT FROM r.launch_vendor_id
                    THEN 'other-vendor'
                WHEN r.ticketed AND r.pseudonym <> r.launch_pseudonym THEN 'other-learner'
                WHEN NOT r.ticketed AND r.reporter_id NOT IN (r.school_id, r.launch_vendor_id)
                    THEN 'other-school'
                WHEN r.occurred_at < r.issued_at - interval '5 minutes'
                    OR r.occurred_at > r.expires_at THEN 'outside-launch'
                WHEN NOT r.source_serves THEN 'source-not-admitted'
            END"""

ROSTER_REASON = """CASE
                WHEN r.ticketed THEN 'without-launch'
                WHEN r.learner_id IS NULL THEN 'unknown-learner'
                WHEN r.other_school THEN 'other-school'
                WHEN CAST(:own_school AS uuid) NOT IN (r.home_id, r.school_id) THEN 'other-school'
                WHEN NOT r.source_serves THEN 'source-not-admitted'
                WHEN r.other_vendor THEN 'other-vendor'
                WHEN r.resource_id IS NULL THEN 'unknown-resource'
                WHEN r.agreement_id IS NULL THEN 'no-agreement'
            END"""

# Look-ups are probes for one row (LIMIT): plans then don't hang on statistics, which lag behind on
# tables that grow by the minute. What many rows of a delivery share is looked up once.
OF_LAUNCH = """
    SELECT d.ordinal, d.event_id, d.occurred_at, d.quantity, d.digest, d.error, d.launch_id, d.day,
        d.month, h.payer_id, h.payer_id AS home_id, h.school_id, h.resource_id, h.learner_id,
        h.agreement_id, h.issued_at, h.expires_at,
        h.vendor_id AS launch_vendor_id, d.pseudonym, h.pseudonym AS launch_pseudonym,
        COALESCE(h.kind = 'class', false) AS in_class,
        COALESCE(h.session_id, d.given_session) AS session_id,
        false AS other_school, false AS other_vendor
    FROM delivered d
    LEFT JOIN LATERAL (SELECT * FROM launch h WHERE h.id = d.launch_id LIMIT 1) h ON true"""
OF_ROSTER = """
    SELECT d.ordinal, d.event_id, d.occurred_at, d.quantity, d.digest, d.error, d.launch_id, d.day,
        d.month,
        h.payer_id AS launch_payer_id, s.home_id,
        COALESCE(h.school_id, s.school_id) AS school_id,
        COALESCE(h.resource_id, x.resource_id) AS resource_id,
        COALESCE(h.learner_id, d.learner_id) AS learner_id,
        h.agreement_id AS launch_agreement_id, h.issued_at, h.expires_at,
        h.vendor_id AS launch_vendor_id, d.pseudonym, h.pseudonym AS launch_pseudonym,
        COALESCE(h.kind = 'class', false) AS in_class,
        COALESCE(h.session_id, d.given_session) AS session_id,
        d.school_code <> '' AND d.school_code <> s.code AS other_school,
        d.vendor_code <> CAST(:own_vendor AS text) AS other_vendor
    FROM (
        SELECT d.*, l.learner_id, CASE WHEN cardinality(l.schools) = 1 THEN l.schools[1] ELSE (
                SELECT e.school_id FROM enrolment e JOIN organisation o ON o.id = e.school_id
                WHERE e.learner_id = l.learner_id
                ORDER BY (o.code = d.school_code) DESC,
                    (e.joined_on <= d.day AND (e.left_on IS NULL OR e.left_on > d.day)) DESC,
                    e.joined_on DESC
                LIMIT 1
            ) END AS enrolled_at
        FROM delivered d
        LEFT JOIN learners l ON l.learner_hash = d.learner_hash AND d.launch_id IS NULL
    ) d
    LEFT JOIN schools s ON s.school_id = d.enrolled_at
    LEFT JOIN items x
        ON x.vendor_code = d.vendor_code AND x.sku = d.sku AND d.launch_id IS NULL
    LEFT JOIN LATERAL (SELECT * FROM launch h WHERE {which} LIMIT 1) h ON true"""

# A learner who was at several schools was, for a use, at the one it names, else that of its day.
ROSTER = """, items AS MATERIALIZED (
    SELECT k.vendor_code, k.sku, x.id AS resource_id
    FROM (SELECT DISTINCT vendor_code, sku FROM delivered WHERE launch_id IS NULL) k
    JOIN LATERAL (
        SELECT x.id FROM organisation v JOIN resource x ON x.vendor_id = v.id
        WHERE v.kind = 'vendor' AND v.code = k.vendor_code AND x.sku = k.sku LIMIT 1
    ) x ON true
), learners AS MATERIALIZED (
    SELECT k.learner_hash, l.id AS learner_id,
        ARRAY(SELECT e.school_id FROM enrolment e WHERE e.learner_id = l.id) AS schools
    FROM (SELECT DISTINCT learner_hash FROM delivered WHERE launch_id IS NULL) k
    JOIN LATERAL (
        SELECT l.id FROM person p JOIN learner l ON l.person_id = p.id
        WHERE p.person_no_hash = k.learner_hash LIMIT 1
    ) l ON true
), schools AS MATERIALIZED (
    SELECT k.school_id, o.code, COALESCE(o.parent_id, k.school_id) AS home_id
    FROM (SELECT DISTINCT unnest(schools) AS school_id FROM learners) k
    JOIN LATERAL (
        SELECT o.code, o.parent_id FROM organisation o WHERE o.id = k.school_id LIMIT 1
    ) o ON true
)"""
# Whose agreement a use falls under is who pays for it: the school, or a bureau that bought for it.
AGREED = f""", agreed AS MATERIALIZED (
    SELECT k.school_id, k.resource_id, a.ids, a.payers, a.starts, a.ends
    FROM (SELECT DISTINCT school_id, resource_id FROM placed
          WHERE launch_id IS NULL AND school_id IS NOT NULL AND resource_id IS NOT NULL) k
    CROSS JOIN LATERAL (
        SELECT array_agg(a.id ORDER BY {PRECEDENCE}) AS ids,
            array_agg(a.payer_id ORDER BY {PRECEDENCE}) AS payers,
            array_agg(a.starts_on ORDER BY {PRECEDENCE}) AS starts,
            array_agg(a.ends_on ORDER BY {PRECEDENCE}) AS ends
        FROM agreement_school g JOIN agreement a ON a.id = g.agreement_id
        WHERE a.resource_id = k.resource_id AND g.school_id = k.school_id
    ) a
), bound AS MATERIALIZED (
    SELECT r.*,
        CASE WHEN r.launch_id IS NULL THEN r.ids[r.place] ELSE r.launch_agreement_id END
            AS agreement_id,
        CASE WHEN r.launch_id IS NULL THEN COALESCE(r.payers[r.place], r.home_id)
            ELSE r.launch_payer_id END AS payer_id
    FROM (
        SELECT p.*, a.ids, a.payers, CASE
            WHEN p.day BETWEEN a.starts[1] AND a.ends[1] THEN 1
            WHEN cardinality(a.ids) > 1 THEN (
                SELECT min(t.place)
                FROM unnest(a.starts, a.ends) WITH ORDINALITY AS t(first, last, place)
                WHERE p.day BETWEEN t.first AND t.last
            ) END AS place
        FROM placed p
        LEFT JOIN agreed a ON a.school_id = p.school_id AND a.resource_id = p.resource_id
            AND p.launch_id IS NULL
    ) r
)"""  # noqa: S608 - joined with a constant of ours

# Where an id comes twice in a delivery, the first row that can be billed takes it.
FIRSTS = """, firsts AS MATERIALIZED (
    SELECT DISTINCT ON (event_id COLLATE "C") event_id, position AS first_position,
        digest AS first_digest
    FROM reasoned WHERE reason IS NULL AND known_digest IS NULL
    ORDER BY event_id COLLATE "C", position
)"""
OUTCOME_OF_REPEATED = """
            WHEN r.position = f.first_position THEN 'accepted'
            WHEN r.position > f.first_position AND r.digest = f.first_digest THEN 'duplicate'
            WHEN r.position > f.first_position THEN 'conflict'"""
OUTCOME_OF_SINGLE = """
            WHEN r.reason IS NULL THEN 'accepted'"""


def _bound(*, launched: bool, mixed: bool) -> str:
    """Return the part that binds each row to a learner, a school, a resource and an agreement."""
    if launched:
        return f", bound AS MATERIALIZED ({OF_LAUNCH}\n)"
    placed = OF_ROSTER.format(which="h.id = d.launch_id" if mixed else "false")
    return f"{ROSTER}, placed AS MATERIALIZED ({placed}\n){AGREED}"


@cache
def classify_and_store(*, launched: bool, mixed: bool, repeated: bool) -> TextClause:
    """Return the statement for deliveries of which all rows have to name a launch, or not.

    `mixed`: not all have to, but some do. `repeated`: an event id stands in the delivery more than
    once.
    """
    return text(
        f"""
WITH delivered AS MATERIALIZED (
    SELECT r.*, date_trunc('month', r.day::timestamp)::date AS month
    FROM (
        SELECT r.ordinal, r.event_id, r.occurred_at, r.learner_hash, r.school_code, r.vendor_code,
            r.sku, r.digest, r.launch_id, COALESCE(r.given_session, '') AS given_session,
            COALESCE(r.quantity, 1) AS quantity, COALESCE(r.error, '') AS error,
            COALESCE(r.detail, '') AS detail, COALESCE(r.pseudonym, '') AS pseudonym,
            CASE WHEN r.occurred_at BETWEEN :earliest AND :latest
                THEN (r.occurred_at AT TIME ZONE 'Asia/Shanghai')::date END AS day
        FROM unnest(
            CAST(:event_id AS text[]), CAST(:occurred_at AS timestamptz[]),
            CAST(:learner_hash AS bytea[]), CAST(:school_code AS text[]),
            CAST(:vendor_code AS text[]), CAST(:sku AS text[]), CAST(:session AS text[]),
            CAST(:quantity AS bigint[]), CAST(:digest AS bytea[]), CAST(:error AS text[]),
            CAST(:detail AS text[]), CAST(:launch_id AS uuid[]), CAST(:pseudonym AS text[])
        ) WITH ORDINALITY AS r(event_id, occurred_at, learner_hash, school_code, vendor_code, sku,
            given_session, quantity, digest, error, detail, launch_id, pseudonym, ordinal)
        OFFSET 0
    ) r
){_bound(launched=launched, mixed=mixed)}, places AS MATERIALIZED (
    SELECT p.payer_id, p.school_id, p.month, COALESCE(s.served, false) AS served,
        COALESCE(t.state, 'open') <> 'open' AS is_late,
        EXISTS (SELECT FROM usage_archive v
            WHERE v.month = p.month AND v.state = 'detached') AS is_archived
    FROM (SELECT DISTINCT payer_id, school_id, month FROM bound) p
    LEFT JOIN LATERAL (
        SELECT true AS served FROM organisation o
        JOIN region_closure c ON c.region_code = o.region_code
        WHERE o.id = p.school_id AND c.ancestor_code = :source_region LIMIT 1
    ) s ON true
    LEFT JOIN LATERAL (
        SELECT state FROM period t WHERE t.payer_id = p.payer_id AND t.month = p.month LIMIT 1
    ) t ON true
), reasoned AS {"MATERIALIZED" if repeated else ""} (
    SELECT r.*,
        CASE
            WHEN r.error <> '' THEN r.error
            WHEN r.occurred_at > :latest THEN 'time-in-future'
            WHEN r.occurred_at < :earliest THEN 'time-too-old'
            WHEN r.quantity > :largest THEN 'quantity-too-large'
            WHEN r.quantity > 1 AND NOT :pre_counted THEN 'quantity-without-count'
            WHEN r.is_archived THEN 'month-archived'
            WHEN r.launch_id IS NOT NULL THEN {LAUNCH_REASON}
            ELSE {ROSTER_REASON}
        END AS reason
    FROM (
        SELECT r.*, :first_position - 1 + r.ordinal AS position, i.digest AS known_digest,
            CAST(:ticketed AS boolean) AS ticketed, CAST(:reporter_id AS uuid) AS reporter_id,
            COALESCE(p.served, false) AS source_serves, COALESCE(p.is_late, false) AS is_late,
            COALESCE(p.is_archived, false) AS is_archived
        FROM bound r
        LEFT JOIN places p ON p.payer_id = r.payer_id AND p.school_id = r.school_id
            AND p.month = r.month
        LEFT JOIN LATERAL (
            SELECT digest FROM usage_identity k
            WHERE k.source_id = :source_id AND k.event_id = r.event_id LIMIT 1
        ) i ON true
    ) r
    OFFSET 0
){FIRSTS if repeated else ""}, judged AS MATERIALIZED (
    SELECT r.position, r.ordinal, r.event_id, r.digest, r.payer_id, r.agreement_id, r.school_id,
        r.resource_id, r.learner_id, r.occurred_at, r.quantity, r.session_id, r.launch_id,
        r.in_class, r.month, r.is_late, r.reason,
        CASE
            WHEN r.error <> '' THEN 'quarantined'
            WHEN r.known_digest = r.digest THEN 'duplicate'
            WHEN r.known_digest IS NOT NULL THEN 'conflict'
            {OUTCOME_OF_REPEATED if repeated else OUTCOME_OF_SINGLE}
            ELSE 'quarantined'
        END AS outcome
    FROM reasoned r
    {"LEFT JOIN firsts f ON f.event_id = r.event_id" if repeated else ""}
), accepted AS MATERIALIZED (
    SELECT a.*, nextval('usage_sequence') AS sequence
    FROM (
        SELECT event_id, digest, payer_id, agreement_id, school_id, resource_id, learner_id,
            occurred_at, quantity, session_id, launch_id, in_class, month, is_late
        FROM judged WHERE outcome = 'accepted' ORDER BY position
    ) a
), new_identities AS (
    INSERT INTO usage_identity (source_id, event_id, digest)
    SELECT :source_id, event_id, digest FROM accepted ORDER BY event_id
), new_events AS (
    INSERT INTO usage_event (payer_id, agreement_id, school_id, resource_id, learner_id, source_id,
        batch_id, occurred_at, received_at, sequence, quantity, trust, event_id, session_id,
        launch_id, in_class)
    SELECT payer_id, agreement_id, school_id, resource_id, learner_id, :source_id, :batch_id,
        occurred_at, :received_at, sequence, quantity, :trust, event_id, session_id,
        launch_id, in_class
    FROM accepted
), new_late AS (
    INSERT INTO late_use (payer_id, month, batch_id, sequence, rows)
    SELECT payer_id, month, :batch_id, max(sequence), count(*)
    FROM accepted WHERE is_late GROUP BY payer_id, month
), new_quarantine AS (
    INSERT INTO usage_quarantine (id, batch_id, source_id, event_id, position, reason, school_id,
        month, body, received_at, launch_id)
    SELECT gen_random_uuid(), :batch_id, :source_id, j.event_id, j.position, j.reason, j.school_id,
        j.month,
        jsonb_build_object('time', d.occurred_at, 'learner',
            left(encode(d.learner_hash, 'hex'), 16), 'school_code', d.school_code, 'vendor_code',
            d.vendor_code, 'sku', d.sku, 'session', d.given_session, 'quantity', d.quantity,
            'detail', d.detail)
        || CASE WHEN d.launch_id IS NULL AND d.pseudonym = '' THEN '{{}}' ELSE jsonb_build_object(
            'launch', d.launch_id, 'pseudonym', d.pseudonym, 'digest', encode(d.digest, 'hex')) END,
        :received_at, CASE WHEN j.reason = 'no-launch' THEN j.launch_id END
    FROM judged j JOIN delivered d ON d.ordinal = j.ordinal
    WHERE j.outcome = 'quarantined'
)
SELECT CAST(NULL AS bigint) AS position, 'accepted' AS outcome, '' AS reason, month,
    count(*) AS rows
FROM judged WHERE outcome = 'accepted' AND NOT is_late GROUP BY month
UNION ALL
SELECT position, outcome,
    CASE outcome WHEN 'quarantined' THEN reason WHEN 'accepted' THEN 'late' ELSE '' END,
    month, 1
FROM judged WHERE outcome <> 'accepted' OR is_late
"""  # noqa: S608 - joined with constants of this module
    )
