"""Who answers for a standing when a notice stands, and who signed a step of its course."""

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

# What was withdrawn is let in no more; once a notice stands, only what was let in by then, and was
# not withdrawn before it, counts. Where no bureau with a reviewer lies above all that let something
# in, each of these may sign (as `settlement.ranking.jurisdiction` has it).
ANSWERS = """
CREATE OR REPLACE FUNCTION answers_for_standing(who uuid, standing_id uuid, at timestamptz)
RETURNS boolean LANGUAGE sql STABLE AS $$
    WITH noticed AS (
        SELECT max(n.issued_at) AS at FROM standing s
        JOIN standing_notice n ON n.standing_id = s.id
        WHERE s.id = $2 AND s.state IN ('probation', 'no_new_schools', 'exiting', 'left')
    ), let_in AS (
        SELECT DISTINCT o.region_code FROM noticed CROSS JOIN standing s
        JOIN resource r ON r.vendor_id = s.vendor_id
        JOIN version v ON v.resource_id = r.id
            AND v.stage || '/' || v.subject || '/' || v.type = s.cell
        JOIN admission m ON m.version_id = v.id AND m.state = 'admitted'
        JOIN organisation o ON o.id = m.bureau_id
        WHERE s.id = $2 AND (noticed.at IS NULL OR m.decided_at <= noticed.at)
            AND (v.state IN ('listed', 'suspended') OR EXISTS (
                SELECT FROM trail t WHERE t.subject_id = CAST(v.id AS text)
                AND t.subject_kind = 'version' AND t.act = 'version.withdrawn'
                AND t.at > noticed.at))
    ), reviewing AS (
        SELECT b.region_code, g.person_id FROM role_grant g
        JOIN organisation b ON b.id = g.organisation_id AND b.kind = 'bureau'
        WHERE g.role = 'admission' AND g.granted_from <= $3
            AND (g.granted_until IS NULL OR g.granted_until > $3)
    ), above AS (
        SELECT region_code, person_id FROM reviewing b
        WHERE NOT EXISTS (SELECT FROM let_in l WHERE NOT EXISTS (
            SELECT FROM region_closure c
            WHERE c.ancestor_code = b.region_code AND c.region_code = l.region_code))
    )
    SELECT CASE
        WHEN NOT EXISTS (SELECT FROM let_in) THEN EXISTS (
            SELECT FROM reviewing b WHERE b.person_id = $1 AND NOT EXISTS (
                SELECT FROM region_closure c JOIN organisation higher
                    ON higher.region_code = c.ancestor_code AND higher.kind = 'bureau'
                WHERE c.region_code = b.region_code AND c.distance > 0))
        WHEN EXISTS (SELECT FROM above) THEN EXISTS (SELECT FROM above WHERE person_id = $1)
        ELSE EXISTS (
            SELECT FROM reviewing b WHERE b.person_id = $1
            AND b.region_code IN (SELECT l.region_code FROM let_in l))
    END
$$;
"""

# Who signed a step of the course that is contested decides nothing of it; a course begins where the
# vendor last stood at normal or was a newcomer.
APPEALS = """
CREATE OR REPLACE FUNCTION standing_appeal_is_fair() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    kept CONSTANT text[] := ARRAY['outcome', 'decided_at', 'decided_by', 'note'];
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.outcome IS NOT NULL OR NOT EXISTS (
            SELECT FROM standing_event e WHERE e.id = NEW.event_id
            AND e.standing_id = NEW.standing_id AND NEW.made_on <= e.appeal_by
            AND NEW.made_on = (NEW.made_at AT TIME ZONE 'Asia/Shanghai')::date
        ) THEN
            RAISE EXCEPTION 'appeal %: not against this, or not in time', NEW.id
                USING ERRCODE = 'restrict_violation';
        END IF;
    ELSIF OLD.outcome IS NOT NULL OR to_jsonb(NEW) - kept <> to_jsonb(OLD) - kept
            OR EXISTS (
                SELECT FROM standing_event e WHERE e.standing_id = NEW.standing_id
                AND e.because IN ('notice', 'suspension', 'exit') AND e.signed_by = NEW.decided_by
                AND e.number <= (SELECT number FROM standing_event WHERE id = NEW.event_id)
                AND NOT EXISTS (
                    SELECT FROM standing_event anew WHERE anew.standing_id = e.standing_id
                    AND anew.number > e.number AND anew.to_state IN ('normal', 'newcomer')
                    AND anew.number < (SELECT number FROM standing_event WHERE id = NEW.event_id))
            ) THEN
        RAISE EXCEPTION 'appeal %: decided once, by somebody who signed nothing of it', NEW.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
"""
RETURNS = """
CREATE OR REPLACE FUNCTION standing_return_is_fair() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    kept CONSTANT text[] := ARRAY['outcome', 'decided_at', 'decided_by', 'note'];
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.outcome IS NOT NULL OR NOT EXISTS (
            SELECT FROM standing s WHERE s.id = NEW.standing_id AND s.state = 'left'
            AND NEW.made_on >= s.since + standing_return_days(s.id)
            AND NEW.made_on = (NEW.made_at AT TIME ZONE 'Asia/Shanghai')::date
        ) THEN
            RAISE EXCEPTION 'return %: it has not left, or its term is not over', NEW.id
                USING ERRCODE = 'restrict_violation';
        END IF;
    ELSIF OLD.outcome IS NOT NULL OR to_jsonb(NEW) - kept <> to_jsonb(OLD) - kept
            OR EXISTS (
                SELECT FROM standing_event e WHERE e.standing_id = NEW.standing_id
                AND e.because IN ('notice', 'suspension', 'exit') AND e.signed_by = NEW.decided_by
                AND NOT EXISTS (
                    SELECT FROM standing_event anew WHERE anew.standing_id = e.standing_id
                    AND anew.number > e.number AND anew.to_state IN ('normal', 'newcomer'))
            ) THEN
        RAISE EXCEPTION 'return %: decided once, by somebody who signed nothing of it', NEW.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
"""

# As they were: every admission ever, every step ever.
ANSWERED = """
CREATE OR REPLACE FUNCTION answers_for_standing(who uuid, standing_id uuid, at timestamptz)
RETURNS boolean LANGUAGE sql STABLE AS $$
    WITH let_in AS (
        SELECT DISTINCT o.region_code FROM standing s JOIN resource r ON r.vendor_id = s.vendor_id
        JOIN version v ON v.resource_id = r.id
            AND v.stage || '/' || v.subject || '/' || v.type = s.cell
        JOIN admission m ON m.version_id = v.id AND m.state = 'admitted'
        JOIN organisation o ON o.id = m.bureau_id
        WHERE s.id = standing_id
    )
    SELECT EXISTS (
        SELECT FROM role_grant g JOIN organisation b ON b.id = g.organisation_id
        WHERE g.person_id = who AND g.role = 'admission' AND b.kind = 'bureau'
        AND g.granted_from <= at AND (g.granted_until IS NULL OR g.granted_until > at)
        AND NOT EXISTS (SELECT FROM let_in l WHERE NOT EXISTS (
            SELECT FROM region_closure c
            WHERE c.ancestor_code = b.region_code AND c.region_code = l.region_code))
        AND (EXISTS (SELECT FROM let_in) OR NOT EXISTS (
            SELECT FROM region_closure c JOIN organisation above
                ON above.region_code = c.ancestor_code AND above.kind = 'bureau'
            WHERE c.region_code = b.region_code AND c.distance > 0)))
$$;
"""
APPEALED = """
CREATE OR REPLACE FUNCTION standing_appeal_is_fair() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    kept CONSTANT text[] := ARRAY['outcome', 'decided_at', 'decided_by', 'note'];
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.outcome IS NOT NULL OR NOT EXISTS (
            SELECT FROM standing_event e WHERE e.id = NEW.event_id
            AND e.standing_id = NEW.standing_id AND NEW.made_on <= e.appeal_by
            AND NEW.made_on = (NEW.made_at AT TIME ZONE 'Asia/Shanghai')::date
        ) THEN
            RAISE EXCEPTION 'appeal %: not against this, or not in time', NEW.id
                USING ERRCODE = 'restrict_violation';
        END IF;
    ELSIF OLD.outcome IS NOT NULL OR to_jsonb(NEW) - kept <> to_jsonb(OLD) - kept
            OR EXISTS (
                SELECT FROM standing_event e WHERE e.standing_id = NEW.standing_id
                AND e.because IN ('notice', 'suspension', 'exit') AND e.signed_by = NEW.decided_by
            ) THEN
        RAISE EXCEPTION 'appeal %: decided once, by somebody who signed nothing of it', NEW.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
"""
RETURNED = """
CREATE OR REPLACE FUNCTION standing_return_is_fair() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    kept CONSTANT text[] := ARRAY['outcome', 'decided_at', 'decided_by', 'note'];
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.outcome IS NOT NULL OR NOT EXISTS (
            SELECT FROM standing s WHERE s.id = NEW.standing_id AND s.state = 'left'
            AND NEW.made_on >= s.since + standing_return_days(s.id)
            AND NEW.made_on = (NEW.made_at AT TIME ZONE 'Asia/Shanghai')::date
        ) THEN
            RAISE EXCEPTION 'return %: it has not left, or its term is not over', NEW.id
                USING ERRCODE = 'restrict_violation';
        END IF;
    ELSIF OLD.outcome IS NOT NULL OR to_jsonb(NEW) - kept <> to_jsonb(OLD) - kept
            OR EXISTS (
                SELECT FROM standing_event e WHERE e.standing_id = NEW.standing_id
                AND e.because IN ('notice', 'suspension', 'exit') AND e.signed_by = NEW.decided_by
            ) THEN
        RAISE EXCEPTION 'return %: decided once, by somebody who signed nothing of it', NEW.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
"""


def upgrade() -> None:
    for function in (ANSWERS, APPEALS, RETURNS):
        op.execute(function)


def downgrade() -> None:
    for function in (ANSWERED, APPEALED, RETURNED):
        op.execute(function)
