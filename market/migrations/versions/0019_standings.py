"""Standings of vendors, which move only with their events, and these only by due process (R44)."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

JSON = postgresql.JSONB(astext_type=sa.Text())
APPEND_ONLY = """
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON {0}
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON {0}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""
REFUSE_DELETE = """
CREATE TRIGGER refuse_delete BEFORE DELETE ON {0}
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON {0}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

# A standing begins as a newcomer's and moves only from within the trigger of its event.
MOVES_WITH_EVENTS = """
CREATE FUNCTION standing_moves_with_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' AND NEW.state <> 'newcomer' THEN
        RAISE EXCEPTION 'standing %: begins as a newcomer''s, not %', NEW.id, NEW.state
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF TG_OP = 'UPDATE' AND (pg_trigger_depth() < 2 OR NEW.id <> OLD.id
            OR NEW.vendor_id <> OLD.vendor_id OR NEW.cell <> OLD.cell) THEN
        RAISE EXCEPTION 'standing %: moves only with an event', OLD.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER moves_with_events BEFORE INSERT OR UPDATE ON standing
    FOR EACH ROW EXECUTE FUNCTION standing_moves_with_events();
"""

# Due process (R44), gate by gate, at the thresholds of the configuration by which the last run
# was made. What a look says is the run's; who signs is a reviewer of a bureau.
ALLOWED = """
CREATE FUNCTION standing_event_is_due() RETURNS trigger LANGUAGE plpgsql AS $$
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
            WHEN NEW.to_state = 'normal' AND last_look.p_bad >= CASE NEW.from_state
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
CREATE TRIGGER is_due BEFORE INSERT ON standing_event
    FOR EACH ROW EXECUTE FUNCTION standing_event_is_due();

CREATE FUNCTION standing_event_moves() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE standing SET state = NEW.to_state, since = NEW.day WHERE id = NEW.standing_id;
    RETURN NULL;
END $$;
CREATE TRIGGER moves AFTER INSERT ON standing_event
    FOR EACH ROW EXECUTE FUNCTION standing_event_moves();
"""

# An appeal is made in time, against what a person signed, and decided once by somebody else.
APPEALS = """
CREATE FUNCTION standing_appeal_is_fair() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER is_fair BEFORE INSERT OR UPDATE ON standing_appeal
    FOR EACH ROW EXECUTE FUNCTION standing_appeal_is_fair();
"""

# Nothing is struck out but by an upheld appeal of the vendor.
STRUCK = """
CREATE FUNCTION was_upheld() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM standing_appeal a JOIN standing s ON s.id = a.standing_id
        WHERE a.id = NEW.appeal_id AND a.outcome = 'upheld' AND s.vendor_id = NEW.vendor_id
        AND s.cell = NEW.cell
    ) THEN
        RAISE EXCEPTION 'evidence of %: no appeal struck it out', NEW.school_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER was_upheld BEFORE INSERT ON struck_evidence
    FOR EACH ROW EXECUTE FUNCTION was_upheld();
"""


def upgrade() -> None:
    _standings()
    _events()
    _appeals()
    op.execute(MOVES_WITH_EVENTS)
    op.execute(ALLOWED)
    op.execute(APPEALS)
    op.execute(STRUCK)
    for name in ("standing_look", "standing_notice", "standing_event", "struck_evidence"):
        op.execute(APPEND_ONLY.format(name))
    for name in ("standing", "standing_appeal"):
        op.execute(REFUSE_DELETE.format(name))


def _standings() -> None:
    op.create_table(
        "standing",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("vendor_id", sa.Uuid(), nullable=False),
        sa.Column("cell", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.CheckConstraint(
            "state IN ('newcomer', 'normal', 'watch', 'probation', 'no_new_schools', 'exiting', "
            "'left')",
            name=op.f("ck_standing_state"),
        ),
        sa.ForeignKeyConstraint(
            ["vendor_id"], ["organisation.id"], name=op.f("fk_standing_vendor_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_standing")),
        sa.UniqueConstraint("vendor_id", "cell", name=op.f("uq_standing_vendor_id_cell")),
    )
    op.create_index("ix_standing_state", "standing", ["state"])
    op.create_table(
        "standing_look",
        sa.Column("standing_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("score", sa.Numeric(precision=9, scale=4), nullable=False),
        sa.Column("sd", sa.Numeric(precision=9, scale=4), nullable=False),
        sa.Column("p_bad", sa.Numeric(precision=7, scale=6), nullable=False),
        sa.Column("is_newcomer", sa.Boolean(), nullable=False),
        sa.Column("fresh", JSON, nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["score_run.id"], name=op.f("fk_standing_look_run_id")),
        sa.ForeignKeyConstraint(
            ["standing_id"], ["standing.id"], name=op.f("fk_standing_look_standing_id")
        ),
        sa.PrimaryKeyConstraint("standing_id", "run_id", name=op.f("pk_standing_look")),
    )
    op.create_index("ix_standing_look_month", "standing_look", ["standing_id", "month", "at"])
    op.create_table(
        "standing_notice",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("standing_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("items", JSON, nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("issued_by", sa.Uuid(), nullable=False),
        sa.Column("mend_by", sa.Date(), nullable=False),
        sa.CheckConstraint("jsonb_array_length(items) > 0", name=op.f("ck_standing_notice_items")),
        sa.ForeignKeyConstraint(
            ["issued_by"], ["person.id"], name=op.f("fk_standing_notice_issued_by")
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["score_run.id"], name=op.f("fk_standing_notice_run_id")
        ),
        sa.ForeignKeyConstraint(
            ["standing_id"], ["standing.id"], name=op.f("fk_standing_notice_standing_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_standing_notice")),
    )
    op.create_index(op.f("ix_standing_notice_standing_id"), "standing_notice", ["standing_id"])


def _events() -> None:
    op.create_table(
        "standing_event",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("standing_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("from_state", sa.Text(), nullable=False),
        sa.Column("to_state", sa.Text(), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=True),
        sa.Column("notice_id", sa.Uuid(), nullable=True),
        sa.Column("appeal_id", sa.Uuid(), nullable=True),
        sa.Column("signed_by", sa.Uuid(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("appeal_by", sa.Date(), nullable=True),
        sa.CheckConstraint(
            "(because IN ('notice', 'suspension', 'exit')) = (appeal_by IS NOT NULL)",
            name=op.f("ck_standing_event_appeal_by"),
        ),
        sa.CheckConstraint(
            "because IN ('look', 'ended') OR note <> ''", name=op.f("ck_standing_event_note")
        ),
        sa.CheckConstraint(
            "because IN ('look', 'ended') OR signed_by IS NOT NULL",
            name=op.f("ck_standing_event_signed"),
        ),
        sa.CheckConstraint(
            "because IN ('look', 'notice', 'suspension', 'exit', 'appeal', 'ended')",
            name=op.f("ck_standing_event_because"),
        ),
        sa.ForeignKeyConstraint(
            ["notice_id"], ["standing_notice.id"], name=op.f("fk_standing_event_notice_id")
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["score_run.id"], name=op.f("fk_standing_event_run_id")
        ),
        sa.ForeignKeyConstraint(
            ["signed_by"], ["person.id"], name=op.f("fk_standing_event_signed_by")
        ),
        sa.ForeignKeyConstraint(
            ["standing_id"], ["standing.id"], name=op.f("fk_standing_event_standing_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_standing_event")),
        sa.UniqueConstraint(
            "standing_id", "number", name=op.f("uq_standing_event_standing_id_number")
        ),
    )


def _appeals() -> None:
    op.create_table(
        "standing_appeal",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("standing_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("claim", sa.Text(), nullable=False),
        sa.Column("contested", JSON, nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_on", sa.Date(), nullable=False),
        sa.Column("made_by", sa.Uuid(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.CheckConstraint("claim <> ''", name=op.f("ck_standing_appeal_claim")),
        sa.CheckConstraint(
            "outcome IN ('upheld', 'dismissed')", name=op.f("ck_standing_appeal_outcome")
        ),
        sa.CheckConstraint("outcome IS NULL OR note <> ''", name=op.f("ck_standing_appeal_note")),
        sa.CheckConstraint(
            "(outcome IS NULL) = (decided_at IS NULL)", name=op.f("ck_standing_appeal_decided")
        ),
        sa.CheckConstraint(
            "(outcome IS NULL) = (decided_by IS NULL)", name=op.f("ck_standing_appeal_decided_by")
        ),
        sa.ForeignKeyConstraint(
            ["decided_by"], ["person.id"], name=op.f("fk_standing_appeal_decided_by")
        ),
        sa.ForeignKeyConstraint(
            ["event_id"], ["standing_event.id"], name=op.f("fk_standing_appeal_event_id")
        ),
        sa.ForeignKeyConstraint(
            ["made_by"], ["person.id"], name=op.f("fk_standing_appeal_made_by")
        ),
        sa.ForeignKeyConstraint(
            ["standing_id"], ["standing.id"], name=op.f("fk_standing_appeal_standing_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_standing_appeal")),
        sa.UniqueConstraint("event_id", name=op.f("uq_standing_appeal_event_id")),
    )
    op.create_index(op.f("ix_standing_appeal_standing_id"), "standing_appeal", ["standing_id"])
    op.create_index(
        "uq_standing_appeal_open",
        "standing_appeal",
        ["standing_id"],
        unique=True,
        postgresql_where=sa.text("outcome IS NULL"),
    )
    op.create_table(
        "struck_evidence",
        sa.Column("appeal_id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("component", sa.Text(), nullable=False),
        sa.Column("vendor_id", sa.Uuid(), nullable=False),
        sa.Column("cell", sa.Text(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "component IN ('ratings', 'renewal', 'defects')",
            name=op.f("ck_struck_evidence_component"),
        ),
        sa.CheckConstraint("reason <> ''", name=op.f("ck_struck_evidence_reason")),
        sa.ForeignKeyConstraint(
            ["appeal_id"], ["standing_appeal.id"], name=op.f("fk_struck_evidence_appeal_id")
        ),
        sa.ForeignKeyConstraint(
            ["school_id"], ["organisation.id"], name=op.f("fk_struck_evidence_school_id")
        ),
        sa.ForeignKeyConstraint(
            ["vendor_id"], ["organisation.id"], name=op.f("fk_struck_evidence_vendor_id")
        ),
        sa.PrimaryKeyConstraint(
            "appeal_id", "school_id", "component", name=op.f("pk_struck_evidence")
        ),
    )
    op.create_index(
        "ix_struck_evidence_vendor", "struck_evidence", ["vendor_id", "cell", "school_id"]
    )


def downgrade() -> None:
    op.drop_table("struck_evidence")
    op.drop_table("standing_appeal")
    op.drop_table("standing_event")
    op.drop_table("standing_notice")
    op.drop_table("standing_look")
    op.drop_table("standing")
    for name in (
        *("was_upheld", "standing_appeal_is_fair", "standing_event_moves"),
        *("standing_event_is_due", "standing_moves_with_events"),
    ):
        op.execute(f"DROP FUNCTION {name}")
