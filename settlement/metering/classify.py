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
own machine attests without a launch is about itself: a school's learners, a vendor's resources. A
pack is opened by nobody: its parts are what is used.

Parameters are arrays, one per column, of equal length; what many rows share (who used it, what was
used) comes once, and each row has its number there. The statement looks these up, then passes the
rows through in one stream and keeps them once, judged. It adds to the delivery's tallies, notes how
far it was taken in, and returns the rows that were not simply accepted, each with its position.
"""

from functools import cache

from sqlalchemy import TextClause, text

from settlement.agreement_items import ITEMS
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
                WHEN r.other_school THEN CASE WHEN r.unknown_school THEN 'unknown-school'
                    ELSE 'other-school' END
                WHEN CAST(:own_school AS uuid) NOT IN (r.home_id, r.school_id) THEN 'other-school'
                WHEN NOT r.source_serves THEN 'source-not-admitted'
                WHEN r.other_vendor THEN 'other-vendor'
                WHEN r.unknown_vendor THEN 'unknown-vendor'
                WHEN r.resource_id IS NULL THEN 'unknown-resource'
                WHEN r.agreement_id IS NULL THEN 'no-agreement'
                WHEN r.is_pack THEN 'pack-named'
            END"""

# Look-ups are probes for one row (LIMIT), or are kept from being joined otherwise (OFFSET 0): plans
# then don't hang on statistics, which lag behind on tables that grow by the minute.
LAUNCHES = """launches AS MATERIALIZED (
    SELECT h.* FROM (SELECT DISTINCT k.id FROM unnest(CAST(:launch_id AS uuid[])) AS k(id)) k
    JOIN LATERAL (
        SELECT h.id, h.payer_id, h.school_id, h.resource_id, h.learner_id, h.agreement_id,
            h.issued_at, h.expires_at, h.vendor_id, h.pseudonym, h.session_id,
            h.kind = 'class' AS in_class
        FROM launch h WHERE h.id = k.id LIMIT 1
    ) h ON true
), """
# A learner who was at several schools was, for a use, at the one it names, else that of its day.
ROSTER = """learners AS MATERIALIZED (
    SELECT DISTINCT ON (k.who) k.who, k.school_code, l.id AS learner_id,
        ARRAY(SELECT e.school_id FROM enrolment e WHERE e.learner_id = l.id) AS schools
    FROM unnest(CAST(:learner_hash AS bytea[]), CAST(:school_code AS text[]))
        WITH ORDINALITY AS k(learner_hash, school_code, who)
    JOIN LATERAL (
        SELECT l.id FROM person p JOIN learner l ON l.person_id = p.id
        WHERE p.person_no_hash = k.learner_hash LIMIT 1
    ) l ON true
), items AS MATERIALIZED (
    SELECT DISTINCT ON (k.what) k.what, x.id AS resource_id,
        k.vendor_code <> CAST(:own_vendor AS text) AS other_vendor,
        x.id IS NULL AND NOT EXISTS (
            SELECT FROM organisation v WHERE v.kind = 'vendor' AND v.code = k.vendor_code
        ) AS unknown_vendor
    FROM unnest(CAST(:vendor_code AS text[]), CAST(:sku AS text[]))
        WITH ORDINALITY AS k(vendor_code, sku, what)
    LEFT JOIN LATERAL (
        SELECT x.id FROM organisation v JOIN resource x ON x.vendor_id = v.id
        WHERE v.kind = 'vendor' AND v.code = k.vendor_code AND x.sku = k.sku LIMIT 1
    ) x ON true
), """
# Whose agreement a use falls under is who pays for it: the school, or a bureau that bought for it,
# on the days on which the school goes by that: an agreement stands here once for each run of them.
IN_ORDER = f"{PRECEDENCE}, lower(g.run) NULLS FIRST"
AGREED = f"""agreed AS MATERIALIZED (
    SELECT s.school_id, x.resource_id, array_agg(a.id ORDER BY {IN_ORDER}) AS ids,
        array_agg(a.payer_id ORDER BY {IN_ORDER}) AS payers,
        array_agg(GREATEST(a.starts_on, lower(g.run)) ORDER BY {IN_ORDER}) AS starts,
        array_agg(LEAST(a.ends_on, upper(g.run) - 1) ORDER BY {IN_ORDER}) AS ends,
        array_agg(i.version_id = a.version_id AND EXISTS (
            SELECT FROM pack_part part WHERE part.pack_id = a.version_id
        ) ORDER BY {IN_ORDER}) AS packs
    FROM schools s
    JOIN LATERAL (SELECT g.agreement_id, unnest(g.days) AS run FROM agreement_school g
        WHERE g.school_id = s.school_id OFFSET 0) g ON true
    JOIN LATERAL (SELECT a.* FROM agreement a WHERE a.id = g.agreement_id LIMIT 1) a ON true
    JOIN LATERAL ({ITEMS}) i ON true
    JOIN items x ON x.resource_id = i.resource_id
    GROUP BY s.school_id, x.resource_id
), """  # noqa: S608 - joined with a constant of ours
SCHOOLS = """schools AS MATERIALIZED (
    SELECT k.school_id, o.code, o.home_id, EXISTS (
            SELECT FROM region_closure c
            WHERE c.region_code = o.region_code AND c.ancestor_code = :source_region
        ) AS served
    FROM (SELECT DISTINCT school_id FROM ({school_ids} OFFSET 0) k) k
    JOIN LATERAL (
        SELECT o.code, o.region_code, COALESCE(o.parent_id, o.id) AS home_id
        FROM organisation o WHERE o.id = k.school_id LIMIT 1
    ) o ON true
), """
LATE = """late AS MATERIALIZED (
    SELECT p.payer_id, t.month
    FROM (SELECT DISTINCT payer_id FROM ({payer_ids} OFFSET 0) k) p
    JOIN LATERAL (
        SELECT t.month FROM period t
        WHERE t.payer_id = p.payer_id AND t.state <> 'open'
            AND t.month BETWEEN CAST(:first_month AS date) AND CAST(:last_month AS date)
        OFFSET 0
    ) t ON true
), """
LAUNCH_SCHOOLS = "SELECT school_id FROM launches"
LAUNCH_PAYERS = "SELECT payer_id FROM launches"
ROSTER_SCHOOLS = "SELECT unnest(schools) AS school_id FROM learners"
ROSTER_PAYERS = (
    "SELECT home_id AS payer_id FROM schools UNION ALL SELECT unnest(payers) FROM agreed"
)

REASON = """CASE outcome WHEN 'quarantined' THEN reason
            WHEN 'accepted' THEN CASE WHEN is_late THEN 'late' ELSE '' END ELSE '' END"""

GIVEN = """(
                SELECT r.ordinal, r.event_id, r.occurred_at, COALESCE(r.who, 1) AS who,
                    COALESCE(r.what, 1) AS what, r.digest, r.launch_id,
                    COALESCE(r.given_session, '') AS given_session,
                    COALESCE(r.quantity, 1) AS quantity, COALESCE(r.error, '') AS error,
                    COALESCE(r.detail, '') AS detail, COALESCE(r.pseudonym, '') AS pseudonym,
                    r.day, date_trunc('month', r.day::timestamp)::date AS month
                FROM (SELECT r.*, CASE WHEN r.occurred_at BETWEEN :earliest AND :latest
                    THEN (r.occurred_at AT TIME ZONE 'Asia/Shanghai')::date END AS day
                FROM unnest(
                    CAST(:ordinal AS integer[]), CAST(:event_id AS text[]),
                    CAST(:occurred_at AS timestamptz[]), CAST(:who AS integer[]),
                    CAST(:what AS integer[]), CAST(:session AS text[]), CAST(:quantity AS bigint[]),
                    CAST(:digest AS bytea[]), CAST(:error AS text[]), CAST(:detail AS text[]),
                    CAST(:launch_id AS uuid[]), CAST(:pseudonym AS text[])
                ) AS r(ordinal, event_id, occurred_at, who, what, given_session, quantity, digest,
                    error, detail, launch_id, pseudonym)
                OFFSET 0) r
                OFFSET 0
            )"""
OF_ROW = """d.ordinal, d.event_id, d.occurred_at, d.who, d.what, d.quantity, d.digest, d.error,
                d.detail, d.launch_id, d.pseudonym, d.given_session, d.day, d.month"""
OF_LAUNCH = f"""
            SELECT {OF_ROW},
                h.payer_id, h.payer_id AS home_id, h.school_id, h.resource_id, h.learner_id,
                h.agreement_id, h.issued_at, h.expires_at, h.vendor_id AS launch_vendor_id,
                h.pseudonym AS launch_pseudonym, COALESCE(h.in_class, false) AS in_class,
                COALESCE(h.session_id, d.given_session) AS session_id, s.served,
                false AS other_school, false AS unknown_school, false AS other_vendor,
                false AS unknown_vendor, false AS is_pack
            FROM {GIVEN} d
            LEFT JOIN launches h ON h.id = d.launch_id
            LEFT JOIN schools s ON s.school_id = h.school_id"""  # noqa: S608 - constants of ours
ENROLLED = """CASE WHEN cardinality(l.schools) = 1 THEN l.schools[1] ELSE (
                        SELECT e.school_id
                        FROM enrolment e JOIN organisation o ON o.id = e.school_id
                        WHERE e.learner_id = l.learner_id
                        ORDER BY (o.code = l.school_code) DESC,
                            (e.joined_on <= d.day AND (e.left_on IS NULL OR e.left_on > d.day))
                                DESC,
                            e.joined_on DESC
                        LIMIT 1
                    ) END"""
PLACE = """CASE
                    WHEN d.day BETWEEN a.starts[1] AND a.ends[1] THEN 1
                    WHEN cardinality(a.ids) > 1 THEN (
                        SELECT min(t.place)
                        FROM unnest(a.starts, a.ends) WITH ORDINALITY AS t(first, last, place)
                        WHERE d.day BETWEEN t.first AND t.last
                    ) END"""
OF_ROSTER = f"""
            SELECT {OF_ROW},
                COALESCE(d.payers[d.place], d.home_id) AS payer_id, d.home_id, d.school_id,
                d.resource_id, d.learner_id, d.ids[d.place] AS agreement_id,
                CAST(NULL AS timestamptz) AS issued_at, CAST(NULL AS timestamptz) AS expires_at,
                CAST(NULL AS uuid) AS launch_vendor_id, CAST(NULL AS text) AS launch_pseudonym,
                false AS in_class, d.given_session AS session_id, d.served, d.other_school,
                d.unknown_school, d.other_vendor, d.unknown_vendor,
                d.packs[d.place] AS is_pack
            FROM (
                SELECT {OF_ROW}, d.learner_id, s.home_id, s.school_id, s.served,
                    d.school_code <> '' AND d.school_code <> s.code AS other_school,
                    CASE WHEN d.school_code <> '' AND d.school_code <> s.code THEN NOT EXISTS (
                        SELECT FROM organisation o WHERE o.kind = 'school'
                            AND o.code = d.school_code
                    ) END AS unknown_school,
                    x.resource_id, x.other_vendor, x.unknown_vendor, a.ids, a.payers, a.packs,
                    {PLACE} AS place
                FROM (
                    SELECT d.*, l.learner_id, l.school_code, {ENROLLED} AS enrolled_at
                    FROM {GIVEN} d LEFT JOIN learners l ON l.who = d.who
                    OFFSET 0
                ) d
                LEFT JOIN schools s ON s.school_id = d.enrolled_at
                LEFT JOIN items x ON x.what = d.what
                LEFT JOIN agreed a ON a.school_id = s.school_id AND a.resource_id = x.resource_id
                OFFSET 0
            ) d"""  # noqa: S608 - joined with constants of ours

# Where an id comes twice in a delivery, the first row that can be billed takes it.
FIRSTS = """, firsts AS MATERIALIZED (
    SELECT DISTINCT ON (event_id COLLATE "C") event_id, ordinal AS first_ordinal,
        digest AS first_digest
    FROM reasoned WHERE reason IS NULL AND known_digest IS NULL
    ORDER BY event_id COLLATE "C", ordinal
)"""
OUTCOME_OF_REPEATED = """
            WHEN r.ordinal = f.first_ordinal THEN 'accepted'
            WHEN r.ordinal > f.first_ordinal AND r.digest = f.first_digest THEN 'duplicate'
            WHEN r.ordinal > f.first_ordinal THEN 'conflict'"""
OUTCOME_OF_SINGLE = """
            WHEN r.reason IS NULL THEN 'accepted'"""


def _bound(*, launched: bool, mixed: bool) -> tuple[str, str]:
    """Return what is looked up, and the rows, each bound to learner, school, item and agreement."""
    if launched:
        schools = SCHOOLS.format(school_ids=LAUNCH_SCHOOLS)
        return LAUNCHES + schools + LATE.format(payer_ids=LAUNCH_PAYERS), OF_LAUNCH
    if not mixed:
        schools = SCHOOLS.format(school_ids=ROSTER_SCHOOLS)
        return ROSTER + schools + AGREED + LATE.format(payer_ids=ROSTER_PAYERS), OF_ROSTER
    schools = SCHOOLS.format(school_ids=f"{LAUNCH_SCHOOLS} UNION ALL {ROSTER_SCHOOLS}")
    late = LATE.format(payer_ids=f"{LAUNCH_PAYERS} UNION ALL {ROSTER_PAYERS}")
    rows = (
        f"{OF_LAUNCH} WHERE d.launch_id IS NOT NULL UNION ALL {OF_ROSTER} WHERE d.launch_id IS NULL"
    )
    return LAUNCHES + ROSTER + schools + AGREED + late, rows


@cache
def classify_and_store(
    *, launched: bool, mixed: bool, repeated: bool, all_new: bool = False
) -> TextClause:
    """Return the statement for deliveries of which all rows have to name a launch, or not.

    `mixed`: not all have to, but some do. `repeated`: an event id stands in the delivery more than
    once. `all_new`: ids are not looked up before they are kept, but for rows that are put aside;
    one that is known then violates the identities' key, and the delivery is to be judged again.
    """
    looked_up, rows = _bound(launched=launched, mixed=mixed)
    return text(
        f"""
WITH {looked_up}reasoned AS {"MATERIALIZED" if repeated else ""} (
    SELECT r.*, i.digest AS known_digest
    FROM (SELECT r.*,
        CASE
            WHEN r.error <> '' THEN r.error
            WHEN r.occurred_at > :latest THEN 'time-in-future'
            WHEN r.occurred_at < :earliest THEN 'time-too-old'
            WHEN r.quantity > :largest THEN 'quantity-too-large'
            WHEN r.quantity > 1 AND NOT :pre_counted THEN 'quantity-without-count'
            WHEN r.payer_id IS NOT NULL AND r.month = ANY(
                ARRAY(SELECT v.month FROM usage_archive v WHERE v.state = 'detached')
            ) THEN 'month-archived'
            WHEN r.launch_id IS NOT NULL THEN {LAUNCH_REASON}
            ELSE {ROSTER_REASON}
        END AS reason
    FROM (
        SELECT r.*, CAST(:ticketed AS boolean) AS ticketed,
            CAST(:reporter_id AS uuid) AS reporter_id,
            COALESCE(r.served, false) AS source_serves, t.month IS NOT NULL AS is_late
        FROM ({rows}
        ) r
        LEFT JOIN late t ON t.payer_id = r.payer_id AND t.month = r.month
    ) r
    OFFSET 0) r
    LEFT JOIN LATERAL (
        SELECT digest FROM usage_identity k
        WHERE k.source_id = :source_id AND k.event_id = r.event_id
            {"AND r.reason IS NOT NULL" if all_new else ""} LIMIT 1
    ) i ON true
    OFFSET 0
){FIRSTS if repeated else ""}, judged AS MATERIALIZED (
    SELECT r.ordinal, r.event_id, r.digest, r.payer_id, r.agreement_id, r.school_id,
        r.resource_id, r.learner_id, r.occurred_at, r.quantity, r.session_id, r.launch_id,
        r.in_class, r.month, r.is_late, r.reason, r.who, r.what, r.given_session, r.detail,
        r.pseudonym,
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
        FROM judged WHERE outcome = 'accepted' ORDER BY ordinal
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
    SELECT gen_random_uuid(), :batch_id, :source_id, j.event_id, :first_position - 1 + j.ordinal,
        j.reason, j.school_id, j.month,
        jsonb_build_object('time', j.occurred_at, 'learner',
            left(encode(l.learner_hash, 'hex'), 16), 'school_code', l.school_code, 'vendor_code',
            x.vendor_code, 'sku', x.sku, 'session', j.given_session, 'quantity', j.quantity,
            'detail', j.detail)
        || CASE WHEN j.launch_id IS NULL AND j.pseudonym = '' THEN '{{}}' ELSE jsonb_build_object(
            'launch', j.launch_id, 'pseudonym', j.pseudonym, 'digest', encode(j.digest, 'hex')) END,
        :received_at, CASE WHEN j.reason = 'no-launch' THEN j.launch_id END
    FROM judged j
    LEFT JOIN unnest(CAST(:learner_hash AS bytea[]), CAST(:school_code AS text[]))
        WITH ORDINALITY AS l(learner_hash, school_code, who) ON l.who = j.who
    LEFT JOIN unnest(CAST(:vendor_code AS text[]), CAST(:sku AS text[]))
        WITH ORDINALITY AS x(vendor_code, sku, what) ON x.what = j.what
    WHERE j.outcome = 'quarantined'
), new_tallies AS (
    INSERT INTO usage_tally (id, batch_id, month, outcome, reason, rows)
    SELECT gen_random_uuid(), :batch_id, t.month, t.outcome, t.reason, t.rows
    FROM (
        SELECT month, outcome, {REASON} AS reason, count(*) AS rows
        FROM judged GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    ) t
    ON CONFLICT (batch_id, month, outcome, reason)
        DO UPDATE SET rows = usage_tally.rows + excluded.rows
), taken AS (
    UPDATE usage_batch SET rows_taken = :rows_taken, finished_at = :finished_at
    WHERE id = :batch_id
)
SELECT :first_position - 1 + ordinal AS position, outcome, {REASON} AS reason
FROM judged WHERE outcome <> 'accepted' OR is_late
"""  # noqa: S608 - joined with constants of this module
    )
