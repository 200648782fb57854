"""Steps of standings: who signs them, by what was seen since, and what a pack keeps running."""

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

# Whether a further notice says what the one before did not; as `items.say_more` has it.
SAYS_MORE = """
CREATE FUNCTION items_say_more(items jsonb, before jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT EXISTS (
        SELECT FROM jsonb_array_elements(items) one
        LEFT JOIN jsonb_array_elements(before) known ON known -> 'school' = one -> 'school'
            AND known -> 'component' = one -> 'component'
        WHERE known IS NULL OR CASE one ->> 'component'
            WHEN 'renewal' THEN (one #>> '{what,ended}')::bigint
                > (known #>> '{what,ended}')::bigint
            WHEN 'defects' THEN (one #>> '{what,severity}')::bigint
                > (known #>> '{what,severity}')::bigint
            ELSE one -> 'what' <> known -> 'what' END)
$$;
"""

# Whether a person reviews for a bureau that answers for all that was let in of a vendor's in a cell
# (R10): it, or bureaus below it, let it in; where nothing was, no bureau is above it.
ANSWERS = """
CREATE FUNCTION answers_for_standing(who uuid, standing_id uuid, at timestamptz) RETURNS boolean
LANGUAGE sql STABLE AS $$
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
CREATE FUNCTION standing_appeal_is_answered_for() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.outcome IS NOT NULL
            AND NOT answers_for_standing(NEW.decided_by, NEW.standing_id, NEW.decided_at) THEN
        RAISE EXCEPTION 'appeal %: who decides does not answer for it', NEW.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER is_answered_for BEFORE INSERT OR UPDATE ON standing_appeal
    FOR EACH ROW EXECUTE FUNCTION standing_appeal_is_answered_for();
"""

# Beyond `standing_event_is_due` (R44), which fires first. A signed step rests on the last look. A
# further notice after an upheld appeal needs a later month and other evidence, a suspension looks
# at months after the notice's, an exit one after the suspension's: a month that is ranked again is
# no other look. A vendor has left once no pack with a part of the cell runs.
LAWFUL = """
CREATE FUNCTION standing_step_is_lawful() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    held standing%ROWTYPE;
    last_look standing_look%ROWTYPE;
    looks int;
    since timestamptz;
    seen date;
    why text;
BEGIN
    SELECT * INTO held FROM standing WHERE id = NEW.standing_id;
    SELECT l.* INTO last_look FROM standing_look l JOIN score_run r ON r.id = l.run_id
        WHERE l.standing_id = NEW.standing_id ORDER BY l.month DESC, r.number DESC LIMIT 1;
    IF NEW.because IN ('notice', 'suspension', 'exit') THEN
        since := CASE NEW.because
            WHEN 'notice' THEN (SELECT max(decided_at) FROM standing_appeal
                WHERE standing_id = NEW.standing_id AND outcome = 'upheld')
            WHEN 'suspension' THEN (SELECT issued_at FROM standing_notice
                WHERE id = NEW.notice_id)
            ELSE (SELECT max(at) FROM standing_event
                WHERE standing_id = NEW.standing_id AND because = 'suspension') END;
        SELECT max(month) INTO seen FROM standing_look
            WHERE standing_id = NEW.standing_id AND at <= since;
        SELECT (c.content #>> '{ranking,gates,looks}')::int INTO looks
            FROM score_run r JOIN ranking_config c ON c.version = r.config_version
            WHERE r.id = last_look.run_id;
        why := CASE
            WHEN NEW.run_id IS DISTINCT FROM last_look.run_id
                THEN 'it does not rest on the last look'
            WHEN NEW.because = 'notice' AND last_look.month <= seen
                THEN 'an appeal was upheld on what this month says'
            WHEN NEW.because = 'notice' AND since IS NOT NULL AND NOT items_say_more(
                (SELECT items FROM standing_notice WHERE id = NEW.notice_id),
                (SELECT items FROM standing_notice WHERE standing_id = NEW.standing_id
                    AND issued_at <= since ORDER BY issued_at DESC LIMIT 1))
                THEN 'it says nothing that the notice before did not say'
            WHEN NEW.because = 'suspension'
                AND (last_look.month - (looks - 1) * interval '1 month')::date <= seen
                THEN 'too few months were looked at since the notice'
            WHEN NEW.because = 'exit' AND last_look.month <= seen
                THEN 'no later month was looked at since the suspension'
        END;
    ELSIF NEW.because = 'ended' THEN
        why := CASE WHEN EXISTS (
            SELECT FROM agreement a JOIN pack_part part ON part.pack_id = a.version_id
            JOIN version v ON v.id = part.version_id
            WHERE a.vendor_id = held.vendor_id AND a.state IN ('open', 'exhausted')
            AND v.stage || '/' || v.subject || '/' || v.type = held.cell
        ) THEN 'schools still finish their term' END;
    END IF;
    IF why IS NULL AND NEW.signed_by IS NOT NULL
            AND NOT answers_for_standing(NEW.signed_by, NEW.standing_id, NEW.at) THEN
        why := 'who signs does not answer for it';
    END IF;
    IF why IS NOT NULL THEN
        RAISE EXCEPTION 'standing %: % to % (%) is refused: %',
            NEW.standing_id, NEW.from_state, NEW.to_state, NEW.because, why
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER is_lawful BEFORE INSERT ON standing_event
    FOR EACH ROW EXECUTE FUNCTION standing_step_is_lawful();
"""


def upgrade() -> None:
    op.execute(SAYS_MORE)
    op.execute(ANSWERS)
    op.execute(LAWFUL)


def downgrade() -> None:
    op.execute("DROP TRIGGER is_lawful ON standing_event")
    op.execute("DROP FUNCTION standing_step_is_lawful")
    op.execute("DROP FUNCTION items_say_more")
    op.execute("DROP TRIGGER is_answered_for ON standing_appeal")
    op.execute("DROP FUNCTION standing_appeal_is_answered_for")
    op.execute("DROP FUNCTION answers_for_standing")
