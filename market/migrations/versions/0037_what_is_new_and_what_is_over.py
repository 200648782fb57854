"""What is new after an upheld appeal, and who has recovered since nothing is known of it any more."""

from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

# As before, but for `{lower}`; as `items.say_more` has it.
SAYS_MORE = """
CREATE OR REPLACE FUNCTION items_say_more(items jsonb, before jsonb) RETURNS boolean
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
            ELSE {lower} END)
$$;
"""
LOWER = """(one #>> '{what,teachers}')::bigint > (known #>> '{what,teachers}')::bigint
                OR (one #>> '{what,stars}')::bigint * (known #>> '{what,teachers}')::bigint
                    < (known #>> '{what,stars}')::bigint * (one #>> '{what,teachers}')::bigint"""
OTHER = "one -> 'what' <> known -> 'what'"

# What is left of the last notice before an upheld appeal, without what was struck out since.
LEFT_OF_NOTICE = """
CREATE FUNCTION left_of_notice(of_standing uuid, until timestamptz) RETURNS jsonb
LANGUAGE sql STABLE AS $$
    WITH notice AS (
        SELECT items, issued_at FROM standing_notice
        WHERE standing_id = of_standing AND issued_at <= until ORDER BY issued_at DESC LIMIT 1
    )
    SELECT jsonb_agg(one) FROM notice CROSS JOIN jsonb_array_elements(notice.items) one
    WHERE NOT EXISTS (
        SELECT FROM struck_evidence x JOIN standing_appeal p ON p.id = x.appeal_id
        WHERE p.standing_id = of_standing AND p.decided_at >= notice.issued_at
        AND CAST(x.school_id AS text) = one ->> 'school' AND x.component = one ->> 'component')
$$;
"""

# As before, but for `{before}` and `{and_since}`.
LAWFUL = """
CREATE OR REPLACE FUNCTION standing_step_is_lawful() RETURNS trigger LANGUAGE plpgsql AS $$
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
            WHEN 'notice' THEN (SELECT max(p.decided_at) FROM standing_appeal p
                WHERE p.standing_id = NEW.standing_id AND p.outcome = 'upheld'{and_since})
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
                {before})
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
"""
# A vendor that has recovered since, or come back, is at the beginning again.
NOT_OVER = """ AND NOT EXISTS (
                    SELECT FROM standing_event e WHERE e.standing_id = p.standing_id
                    AND e.at > p.decided_at
                    AND (e.because = 'return' OR e.because = 'look' AND e.to_state = 'normal'))"""
LEFT = "left_of_notice(NEW.standing_id, since)"
NOTICED = """(SELECT items FROM standing_notice WHERE standing_id = NEW.standing_id
                    AND issued_at <= since ORDER BY issued_at DESC LIMIT 1)"""

# As before, but for `{but}`: of whom nothing is known that counts has recovered, if the
# configuration says so (as `looks.is_silent` has it).
DUE = """
CREATE OR REPLACE FUNCTION standing_event_is_due() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    moves CONSTANT text[] := ARRAY[
        'newcomer>normal:look', 'newcomer>watch:look', 'normal>watch:look', 'watch>normal:look',
        'probation>normal:look', 'no_new_schools>normal:look', 'watch>probation:notice',
        'probation>no_new_schools:suspension', 'no_new_schools>exiting:exit',
        'probation>newcomer:appeal', 'probation>normal:appeal', 'probation>watch:appeal',
        'no_new_schools>newcomer:appeal', 'no_new_schools>normal:appeal',
        'no_new_schools>watch:appeal', 'exiting>newcomer:appeal', 'exiting>normal:appeal',
        'exiting>watch:appeal', 'exiting>left:ended'];
    held standing%ROWTYPE;
    gates jsonb;
    last_look standing_look%ROWTYPE;
    notice standing_notice%ROWTYPE;
    bad_looks bigint;
    first_month date;
    last_event standing_event%ROWTYPE;
    why text;
BEGIN
    SELECT * INTO held FROM standing WHERE id = NEW.standing_id FOR UPDATE;
    SELECT max(number) INTO NEW.number FROM standing_event WHERE standing_id = NEW.standing_id;
    NEW.number := COALESCE(NEW.number, 0) + 1;
    SELECT l.* INTO last_look FROM standing_look l JOIN score_run r ON r.id = l.run_id
        WHERE l.standing_id = NEW.standing_id ORDER BY l.month DESC, r.number DESC LIMIT 1;
    SELECT c.content -> 'ranking' -> 'gates' INTO gates
        FROM score_run r JOIN ranking_config c ON c.version = r.config_version
        WHERE r.id = last_look.run_id;
    SELECT * INTO notice FROM standing_notice
        WHERE standing_id = NEW.standing_id ORDER BY issued_at DESC LIMIT 1;
    why := CASE
        WHEN held.state IS DISTINCT FROM NEW.from_state THEN 'it does not stand there'
        WHEN NEW.from_state || '>' || NEW.to_state || ':' || NEW.because <> ALL (moves)
            THEN 'there is no such move'
        WHEN NEW.day <> (NEW.at AT TIME ZONE 'Asia/Shanghai')::date THEN 'its day is not its own'
        WHEN NEW.because <> 'ended' AND gates IS NULL THEN 'no run has looked at it'
        WHEN NEW.signed_by IS NOT NULL AND NOT EXISTS (
            SELECT FROM role_grant g JOIN organisation o ON o.id = g.organisation_id
            WHERE g.person_id = NEW.signed_by AND g.role = 'admission' AND o.kind = 'bureau'
        ) THEN 'who signs is no reviewer'
        WHEN NEW.to_state IN ('probation', 'no_new_schools', 'exiting', 'left') AND EXISTS (
            SELECT FROM standing_appeal a
            WHERE a.standing_id = NEW.standing_id AND a.outcome IS NULL
        ) THEN 'an appeal stays it'
    END;
    IF why IS NULL AND NEW.because = 'look' THEN
        why := CASE
            WHEN NEW.run_id IS DISTINCT FROM last_look.run_id THEN 'it is not the last look'
            WHEN last_look.is_newcomer AND NEW.from_state = 'newcomer'
                THEN 'too little is known yet'
            WHEN NEW.to_state = 'watch' AND last_look.p_bad < (gates ->> 'watch')::numeric
                THEN 'it is not below the line'
            WHEN NEW.to_state = 'normal'{but} AND last_look.p_bad >= CASE NEW.from_state
                    WHEN 'newcomer' THEN (gates ->> 'watch')::numeric
                    ELSE (gates ->> 'recovery')::numeric END
                THEN 'it has not recovered'
        END;
    ELSIF why IS NULL AND NEW.because = 'notice' THEN
        why := CASE
            WHEN last_look.p_bad < (gates ->> 'probation')::numeric THEN 'it is not that bad'
            WHEN notice.id IS NULL OR NEW.notice_id IS DISTINCT FROM notice.id
                OR notice.issued_at <> NEW.at OR notice.run_id <> last_look.run_id
                OR notice.issued_by <> NEW.signed_by THEN 'there is no notice of it'
            WHEN notice.mend_by < NEW.day + (gates ->> 'probation_days')::int
                THEN 'the notice gives less than a term'
        END;
    ELSIF why IS NULL AND NEW.because = 'suspension' THEN
        SELECT count(*) FILTER (WHERE bad), min(month) INTO bad_looks, first_month FROM (
            SELECT month, p_bad >= (gates ->> 'no_new_schools')::numeric
                AND at > notice.issued_at AS bad
            FROM (
                SELECT DISTINCT ON (l.month) l.month, l.p_bad, l.at
                FROM standing_look l JOIN score_run r ON r.id = l.run_id
                WHERE l.standing_id = NEW.standing_id ORDER BY l.month DESC, r.number DESC
            ) looks ORDER BY month DESC LIMIT (gates ->> 'looks')::int
        ) latest;
        why := CASE
            WHEN notice.id IS NULL OR NEW.notice_id IS DISTINCT FROM notice.id
                THEN 'there is no notice of it'
            WHEN NEW.day <= notice.mend_by THEN 'the term of the notice is not over'
            WHEN bad_looks < (gates ->> 'looks')::int
                OR last_look.month <> (first_month
                    + ((gates ->> 'looks')::int - 1) * interval '1 month')::date
                THEN 'too few looks in a row after the notice found it so'
            WHEN (SELECT count(DISTINCT one ->> 'school')
                  FROM jsonb_array_elements(last_look.fresh) one)
                < (gates ->> 'fresh_schools')::int THEN 'too few schools were affected since'
        END;
    ELSIF why IS NULL AND NEW.because = 'exit' THEN
        SELECT * INTO last_event FROM standing_event WHERE standing_id = NEW.standing_id
            AND because = 'suspension' ORDER BY number DESC LIMIT 1;
        why := CASE
            WHEN last_event.id IS NULL OR NEW.day <= last_event.appeal_by
                THEN 'the days to appeal are not over'
            WHEN last_look.at <= last_event.at
                OR last_look.p_bad < (gates ->> 'no_new_schools')::numeric
                THEN 'no look since found it so'
        END;
    ELSIF why IS NULL AND NEW.because = 'appeal' THEN
        why := CASE WHEN NOT EXISTS (
            SELECT FROM standing_appeal a WHERE a.id = NEW.appeal_id
            AND a.standing_id = NEW.standing_id AND a.outcome = 'upheld'
            AND a.decided_by = NEW.signed_by
        ) THEN 'no appeal was upheld' END;
    ELSIF why IS NULL AND NEW.because = 'ended' THEN
        SELECT * INTO last_event FROM standing_event WHERE standing_id = NEW.standing_id
            AND because = 'exit' ORDER BY number DESC LIMIT 1;
        why := CASE
            WHEN NEW.day <= last_event.appeal_by THEN 'the days to appeal are not over'
            WHEN EXISTS (
                SELECT FROM agreement a JOIN version v ON v.id = a.version_id
                WHERE a.vendor_id = held.vendor_id AND a.state IN ('open', 'exhausted')
                AND v.stage || '/' || v.subject || '/' || v.type = held.cell
            ) THEN 'schools still finish their term'
        END;
    END IF;
    IF why IS NOT NULL THEN
        RAISE EXCEPTION 'standing %: % to % (%) is refused: %',
            NEW.standing_id, NEW.from_state, NEW.to_state, NEW.because, why
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
"""
BUT = """
                AND NOT (NEW.from_state <> 'newcomer' AND COALESCE((gates ->> 'silence')::boolean, false)
                    AND EXISTS (
                        SELECT FROM score_snapshot s WHERE s.run_id = last_look.run_id
                        AND s.kind = 'vendor' AND s.subject_id = held.vendor_id
                        AND s.cell = held.cell
                        AND jsonb_array_length(s.inputs #> '{evidence,schools}') = 0
                        AND jsonb_array_length(s.inputs #> '{evidence,excluded}') = 0
                        AND (s.inputs #>> '{evidence,audits}')::int = 0))
               """


def upgrade() -> None:
    op.execute(LEFT_OF_NOTICE)
    op.execute(SAYS_MORE.replace("{lower}", LOWER))
    op.execute(LAWFUL.replace("{before}", LEFT).replace("{and_since}", NOT_OVER))
    op.execute(DUE.replace("{but}", BUT))


def downgrade() -> None:
    op.execute(SAYS_MORE.replace("{lower}", OTHER))
    op.execute(LAWFUL.replace("{before}", NOTICED).replace("{and_since}", ""))
    op.execute(DUE.replace("{but}", ""))
    op.execute("DROP FUNCTION left_of_notice")
