"""Matching again: uses that came before their launch was known become events (R28).

Decides what becomes of quarantined rows that waited for a launch. They are judged as `classify`
judges new ones, in the order in which they came; what still can't be billed stays quarantined, for
its present reason. Called before a seal, so that a period holds whatever can be matched by then.
Where the month is in the archive, a use goes on waiting: restored, the month takes it in.
"""

from collections import Counter

from sqlalchemy import text

from kernel.unit import Unit
from settlement.metering.classify import LAUNCH_REASON
from settlement.metering.models import (
    TRUST_ATTESTED,
    TRUST_ATTESTED_COUNTED,
    TRUST_PLAYER,
    TRUST_TICKETED,
)
from settlement.metering.partitions import lock_usage_shared
from settlement.metering.retrying import execute_retrying
from settlement.metering.tallies import Fate, add_to_tallies

RELEASE_LOCK = 0x7265_6C65
"""Of two releases the second waits for the first, before either shares the usage lock."""
CHUNK_ROWS = 20_000
WAITING = "no-launch"
OTHER_DEVICE = "other-device"
"""Why a use is not taken from a classroom box that did not open its launch itself (R31)."""

RELEASE = text(
    f"""
WITH waiting AS MATERIALIZED (
    SELECT q.id, q.batch_id, q.source_id, q.event_id, q.received_at, q.month, q.launch_id,
        row_number() OVER (ORDER BY q.received_at, q.batch_id, q.position) AS place,
        (q.body->>'time')::timestamptz AS occurred_at, q.body->>'pseudonym' AS pseudonym,
        (q.body->>'quantity')::bigint AS quantity, decode(q.body->>'digest', 'hex') AS digest,
        h.session_id,
        h.payer_id, h.agreement_id, h.school_id, h.resource_id, h.learner_id,
        h.kind = 'class' AS in_class, h.issued_at, h.expires_at, h.vendor_id AS launch_vendor_id,
        h.pseudonym AS launch_pseudonym,
        h.school_id = d.school_id AND h.device_id IS DISTINCT FROM d.id AS opened_elsewhere,
        s.trust = 'ticketed' AS ticketed,
        s.organisation_id AS reporter_id,
        CASE WHEN s.trust = 'player' THEN {TRUST_PLAYER}
             WHEN s.trust = 'ticketed' THEN {TRUST_TICKETED}
             WHEN b.pre_counted THEN {TRUST_ATTESTED_COUNTED}
             ELSE {TRUST_ATTESTED} END AS trust,
        EXISTS (SELECT FROM organisation o JOIN region_closure c ON c.region_code = o.region_code
                JOIN organisation u ON u.region_code = c.ancestor_code
                WHERE o.id = h.school_id AND u.id = s.admitted_for) AS source_serves
    FROM usage_quarantine q
    JOIN LATERAL (SELECT * FROM launch l WHERE l.id = q.launch_id LIMIT 1) h ON true
    JOIN usage_source s ON s.id = q.source_id
    JOIN usage_batch b ON b.id = q.batch_id
    LEFT JOIN classroom_device d ON d.source_id = q.source_id
    WHERE q.launch_id IS NOT NULL AND q.released_at IS NULL
        AND NOT EXISTS (
            SELECT FROM usage_archive v WHERE v.month = q.month AND v.state = 'detached')
    ORDER BY q.received_at, q.batch_id, q.position LIMIT :chunk
), reasoned AS MATERIALIZED (
    SELECT r.*, i.digest AS known_digest,
        CASE WHEN r.opened_elsewhere THEN '{OTHER_DEVICE}' ELSE {LAUNCH_REASON} END AS reason
    FROM waiting r
    LEFT JOIN LATERAL (
        SELECT digest FROM usage_identity k
        WHERE k.source_id = r.source_id AND k.event_id = r.event_id LIMIT 1
    ) i ON true
), firsts AS MATERIALIZED (
    SELECT DISTINCT ON (source_id, event_id) source_id, event_id, place AS first_place,
        digest AS first_digest
    FROM reasoned WHERE reason IS NULL AND known_digest IS NULL
    ORDER BY source_id, event_id, place
), judged AS MATERIALIZED (
    SELECT r.*, COALESCE(p.state, 'open') <> 'open' AS is_late,
        CASE
            WHEN r.known_digest = r.digest THEN 'duplicate'
            WHEN r.known_digest IS NOT NULL THEN 'conflict'
            WHEN r.place = f.first_place THEN 'accepted'
            WHEN r.place > f.first_place AND r.digest = f.first_digest THEN 'duplicate'
            WHEN r.place > f.first_place THEN 'conflict'
            ELSE 'quarantined'
        END AS outcome
    FROM reasoned r
    LEFT JOIN firsts f ON f.source_id = r.source_id AND f.event_id = r.event_id
    LEFT JOIN period p ON p.payer_id = r.payer_id AND p.month = r.month
), accepted AS MATERIALIZED (
    SELECT a.*, nextval('usage_sequence') AS sequence
    FROM (SELECT * FROM judged WHERE outcome = 'accepted' ORDER BY place) a
), new_identities AS (
    INSERT INTO usage_identity (source_id, event_id, digest)
    SELECT source_id, event_id, digest FROM accepted ORDER BY source_id, event_id
), new_events AS (
    INSERT INTO usage_event (payer_id, agreement_id, school_id, resource_id, learner_id, source_id,
        batch_id, occurred_at, received_at, sequence, quantity, trust, event_id, session_id,
        launch_id, in_class)
    SELECT payer_id, agreement_id, school_id, resource_id, learner_id, source_id, batch_id,
        occurred_at, received_at, sequence, quantity, trust, event_id, session_id, launch_id,
        in_class
    FROM accepted
), new_late AS (
    INSERT INTO late_use (payer_id, month, batch_id, sequence, rows)
    SELECT payer_id, month, batch_id, max(sequence), count(*)
    FROM accepted WHERE is_late GROUP BY payer_id, month, batch_id
), settled AS (
    UPDATE usage_quarantine q SET
        released_at = CASE WHEN j.outcome = 'quarantined' THEN NULL
            ELSE CAST(:now AS timestamptz) END,
        reason = CASE WHEN j.outcome = 'quarantined' THEN j.reason ELSE q.reason END,
        launch_id = CASE WHEN j.outcome = 'quarantined' THEN NULL ELSE q.launch_id END,
        school_id = j.school_id
    FROM judged j WHERE j.id = q.id
)
SELECT batch_id, month, outcome,
    CASE
        WHEN outcome = 'quarantined' THEN reason
        WHEN outcome = 'accepted' AND is_late THEN 'late'
        ELSE ''
    END AS reason,
    count(*) AS rows
FROM judged GROUP BY 1, 2, 3, 4
"""  # noqa: S608 - joined with constants of metering
)


def release_waiting(unit: Unit) -> int:
    """Match again what waits for its launch; return how many uses became events.

    Call it in a unit that holds no lock on usage yet; the unit shares it until its end.
    """
    unit.session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": RELEASE_LOCK})
    lock_usage_shared(unit)
    released = 0
    while True:
        judged = execute_retrying(unit, RELEASE, {"chunk": CHUNK_ROWS, "now": unit.clock.now()})
        if not judged:
            return released
        moved: Counter[Fate] = Counter()
        for batch_id, month, outcome, reason, rows in judged:
            moved[Fate(batch_id, month, outcome, reason)] += rows
            moved[Fate(batch_id, month, "quarantined", WAITING)] -= rows
            released += rows if outcome == "accepted" else 0
        add_to_tallies(unit, moved)
