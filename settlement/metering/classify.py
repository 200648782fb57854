"""The one statement that classifies a delivery of usage and stores it.

A row is judged by what is known before it, in the database or earlier in the same delivery, so
that it does not matter how a file is cut into deliveries:

1. unreadable → quarantined with what could not be read;
2. its identity (source, event id) is known → duplicate if the content is the same, else conflict;
3. it can't be billed (time, launch, learner, school, resource, agreement) → quarantined with the
   reason;
4. else accepted; `late` if its period was sealed before it came, which leaves a row in `late_use`.

A row that names a launch takes everything from it; the roster and the agreements are not asked. A
row of a ticketed source must name one (R26).

Parameters are arrays, one per column, of equal length.
"""

from sqlalchemy import text

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

CLASSIFY_AND_STORE = text(
    f"""
WITH raw AS MATERIALIZED (
    SELECT r.*, CASE WHEN r.occurred_at BETWEEN :earliest AND :latest
        THEN (r.occurred_at AT TIME ZONE 'Asia/Shanghai')::date END AS day,
        CAST(:ticketed AS boolean) AS ticketed, CAST(:reporter_id AS uuid) AS reporter_id
    FROM unnest(
        CAST(:position AS bigint[]), CAST(:event_id AS text[]), CAST(:occurred_at AS timestamptz[]),
        CAST(:learner_hash AS bytea[]), CAST(:school_code AS text[]), CAST(:vendor_code AS text[]),
        CAST(:sku AS text[]), CAST(:session AS text[]), CAST(:quantity AS bigint[]),
        CAST(:digest AS bytea[]), CAST(:error AS text[]), CAST(:detail AS text[]),
        CAST(:launch_id AS uuid[]), CAST(:pseudonym AS text[])
    ) AS r(position, event_id, occurred_at, learner_hash, school_code, vendor_code, sku,
           given_session, quantity, digest, error, detail, launch_id, pseudonym)
), resolved AS MATERIALIZED (
    SELECT r.*, i.digest AS known_digest,
           h.issued_at, h.expires_at, h.vendor_id AS launch_vendor_id,
           h.pseudonym AS launch_pseudonym, COALESCE(h.kind = 'class', false) AS in_class,
           COALESCE(NULLIF(r.given_session, ''), h.session_id, '') AS session_id,
           COALESCE(h.learner_id, l.id) AS learner_id,
           COALESCE(h.school_id, s.school_id) AS school_id, s.code AS found_school,
           COALESCE(h.payer_id, s.parent_id, s.school_id) AS payer_id,
           COALESCE(h.resource_id, x.id) AS resource_id,
           COALESCE(h.agreement_id, a.id) AS agreement_id, c.distance IS NOT NULL AS source_serves
    FROM raw r
    LEFT JOIN LATERAL (
        SELECT digest FROM usage_identity k
        WHERE k.source_id = :source_id AND k.event_id = r.event_id LIMIT 1
    ) i ON true
    LEFT JOIN LATERAL (
        SELECT h.*, o.region_code FROM launch h JOIN organisation o ON o.id = h.school_id
        WHERE h.id = r.launch_id LIMIT 1
    ) h ON true
    LEFT JOIN LATERAL (
        SELECT l.id FROM person p JOIN learner l ON l.person_id = p.id
        WHERE p.person_no_hash = r.learner_hash AND r.launch_id IS NULL AND NOT r.ticketed LIMIT 1
    ) l ON true
    LEFT JOIN LATERAL (
        SELECT e.school_id, o.parent_id, o.code, o.region_code FROM enrolment e
        JOIN organisation o ON o.id = e.school_id
        WHERE e.learner_id = l.id
        ORDER BY (o.code = r.school_code) DESC,
                 (e.joined_on <= r.day AND (e.left_on IS NULL OR e.left_on > r.day)) DESC,
                 e.joined_on DESC
        LIMIT 1
    ) s ON true
    LEFT JOIN region_closure c ON c.region_code = COALESCE(h.region_code, s.region_code)
        AND c.ancestor_code = :source_region
    LEFT JOIN LATERAL (
        SELECT x.id FROM organisation v JOIN resource x ON x.vendor_id = v.id
        WHERE v.kind = 'vendor' AND v.code = r.vendor_code AND x.sku = r.sku
            AND r.launch_id IS NULL LIMIT 1
    ) x ON true
    LEFT JOIN LATERAL (
        SELECT a.id FROM agreement a JOIN agreement_school g ON g.agreement_id = a.id
        WHERE a.payer_id = COALESCE(s.parent_id, s.school_id) AND a.resource_id = x.id
          AND g.school_id = s.school_id AND r.day BETWEEN a.starts_on AND a.ends_on
        ORDER BY a.starts_on, a.number LIMIT 1
    ) a ON true
), reasoned AS MATERIALIZED (
    SELECT r.*,
        CASE
            WHEN r.error <> '' THEN r.error
            WHEN r.occurred_at > :latest THEN 'time-in-future'
            WHEN r.occurred_at < :earliest THEN 'time-too-old'
            WHEN r.quantity > :largest THEN 'quantity-too-large'
            WHEN r.quantity > 1 AND NOT :pre_counted THEN 'quantity-without-count'
            WHEN r.launch_id IS NOT NULL THEN {LAUNCH_REASON}
            WHEN r.ticketed THEN 'without-launch'
            WHEN r.learner_id IS NULL THEN 'unknown-learner'
            WHEN r.school_code <> '' AND r.school_code <> r.found_school THEN 'other-school'
            WHEN NOT r.source_serves THEN 'source-not-admitted'
            WHEN r.resource_id IS NULL THEN 'unknown-resource'
            WHEN r.agreement_id IS NULL THEN 'no-agreement'
        END AS reason,
        date_trunc('month', r.day)::date AS month
    FROM resolved r
), firsts AS MATERIALIZED (
    SELECT DISTINCT ON (event_id) event_id, position AS first_position, digest AS first_digest
    FROM reasoned WHERE reason IS NULL AND known_digest IS NULL
    ORDER BY event_id, position
), judged AS MATERIALIZED (
    SELECT r.*, COALESCE(p.state, 'open') <> 'open' AS is_late,
        CASE
            WHEN r.error <> '' THEN 'quarantined'
            WHEN r.known_digest = r.digest THEN 'duplicate'
            WHEN r.known_digest IS NOT NULL THEN 'conflict'
            WHEN r.position = f.first_position THEN 'accepted'
            WHEN r.position > f.first_position AND r.digest = f.first_digest THEN 'duplicate'
            WHEN r.position > f.first_position THEN 'conflict'
            ELSE 'quarantined'
        END AS outcome
    FROM reasoned r
    LEFT JOIN firsts f ON f.event_id = r.event_id
    LEFT JOIN period p ON p.payer_id = r.payer_id AND p.month = r.month
), accepted AS MATERIALIZED (
    SELECT a.*, nextval('usage_sequence') AS sequence
    FROM (SELECT * FROM judged WHERE outcome = 'accepted' ORDER BY position) a
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
    SELECT gen_random_uuid(), :batch_id, :source_id, event_id, position, reason, school_id, month,
        jsonb_build_object('time', occurred_at, 'learner', left(encode(learner_hash, 'hex'), 16),
            'school_code', school_code, 'vendor_code', vendor_code, 'sku', sku,
            'session', given_session, 'quantity', quantity, 'detail', detail)
        || CASE WHEN launch_id IS NULL AND pseudonym = '' THEN '{{}}' ELSE jsonb_build_object(
            'launch', launch_id, 'pseudonym', pseudonym, 'digest', encode(digest, 'hex')) END,
        :received_at, CASE WHEN reason = 'no-launch' THEN launch_id END
    FROM judged WHERE outcome = 'quarantined'
)
SELECT position, outcome,
    CASE
        WHEN outcome = 'quarantined' THEN reason
        WHEN outcome = 'accepted' AND is_late THEN 'late'
        ELSE ''
    END AS reason,
    month
FROM judged ORDER BY position
"""  # noqa: S608 - joined with a constant of this module
)
