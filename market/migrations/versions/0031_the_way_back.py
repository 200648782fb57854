"""The way back of a vendor that left: it applies, a reviewer decides, it is a newcomer again."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

BECAUSE = "because IN ('look', 'notice', 'suspension', 'exit', 'appeal', 'ended'{})"
NAME = "ck_standing_event_because"
# A return has gates of its own; those of all other steps stay as they are.
GATES = """
DROP TRIGGER is_due ON standing_event;
CREATE TRIGGER is_due BEFORE INSERT ON standing_event
    FOR EACH ROW WHEN (NEW.because <> 'return') EXECUTE FUNCTION standing_event_is_due();
CREATE FUNCTION standing_return_days(of_standing uuid) RETURNS integer LANGUAGE sql STABLE AS $$
    SELECT COALESCE((
        SELECT (c.content #>> '{ranking,gates,return_days}')::integer
        FROM score_run r JOIN ranking_config c ON c.version = r.config_version
        ORDER BY r.month DESC, r.number DESC LIMIT 1), 366)
$$;
CREATE FUNCTION standing_return_is_due() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    held standing%ROWTYPE;
    why text;
BEGIN
    SELECT * INTO held FROM standing WHERE id = NEW.standing_id FOR UPDATE;
    SELECT COALESCE(max(number), 0) + 1 INTO NEW.number
        FROM standing_event WHERE standing_id = NEW.standing_id;
    why := CASE
        WHEN held.state <> 'left' OR NEW.from_state <> 'left' OR NEW.to_state <> 'newcomer'
            THEN 'it has not left'
        WHEN NEW.day <> (NEW.at AT TIME ZONE 'Asia/Shanghai')::date THEN 'its day is not its own'
        WHEN NEW.day < held.since + standing_return_days(held.id) THEN 'its term is not over'
        WHEN NOT EXISTS (
            SELECT FROM role_grant g JOIN organisation o ON o.id = g.organisation_id
            WHERE g.person_id = NEW.signed_by AND g.role = 'admission' AND o.kind = 'bureau'
        ) THEN 'who signs is no reviewer'
        WHEN NOT EXISTS (
            SELECT FROM standing_return b WHERE b.standing_id = NEW.standing_id
            AND b.outcome = 'granted' AND b.decided_by = NEW.signed_by AND b.decided_at = NEW.at
        ) THEN 'nobody granted it'
    END;
    IF why IS NOT NULL THEN
        RAISE EXCEPTION 'standing %: its return is refused: %', NEW.standing_id, why
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER is_return_due BEFORE INSERT ON standing_event
    FOR EACH ROW WHEN (NEW.because = 'return') EXECUTE FUNCTION standing_return_is_due();
"""
# An application is made once the term is over, and decided once by somebody who signed no step.
APPLICATIONS = """
CREATE FUNCTION standing_return_is_fair() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER is_fair BEFORE INSERT OR UPDATE ON standing_return
    FOR EACH ROW EXECUTE FUNCTION standing_return_is_fair();
CREATE TRIGGER refuse_delete BEFORE DELETE ON standing_return
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON standing_return
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""
# The version before knows no return: who came back began as a newcomer, and stays where it stands.
FORGET = """
ALTER TABLE standing_event DISABLE TRIGGER USER;
DELETE FROM standing_event WHERE because = 'return';
ALTER TABLE standing_event ENABLE TRIGGER USER;
"""
BACK = """
DROP TRIGGER is_return_due ON standing_event;
DROP TRIGGER is_due ON standing_event;
CREATE TRIGGER is_due BEFORE INSERT ON standing_event
    FOR EACH ROW EXECUTE FUNCTION standing_event_is_due();
DROP FUNCTION standing_return_is_due;
DROP FUNCTION standing_return_is_fair;
DROP FUNCTION standing_return_days;
"""


def upgrade() -> None:
    op.drop_constraint(op.f(NAME), "standing_event", type_="check")
    op.create_check_constraint(op.f(NAME), "standing_event", BECAUSE.format(", 'return'"))
    op.create_table(
        "standing_return",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("standing_id", sa.Uuid(), nullable=False),
        sa.Column("claim", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_on", sa.Date(), nullable=False),
        sa.Column("made_by", sa.Uuid(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.CheckConstraint("claim <> ''", name=op.f("ck_standing_return_claim")),
        sa.CheckConstraint(
            "outcome IN ('granted', 'refused')", name=op.f("ck_standing_return_outcome")
        ),
        sa.CheckConstraint(
            "(outcome IS NULL) = (decided_at IS NULL) AND (outcome IS NULL) = (decided_by IS NULL)",
            name=op.f("ck_standing_return_decided"),
        ),
        sa.CheckConstraint("outcome IS NULL OR note <> ''", name=op.f("ck_standing_return_note")),
        *(
            sa.ForeignKeyConstraint([one], [to], name=op.f(f"fk_standing_return_{one}"))
            for one, to in (
                ("standing_id", "standing.id"),
                ("made_by", "person.id"),
                ("decided_by", "person.id"),
            )
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_standing_return")),
    )
    op.create_index(op.f("ix_standing_return_standing_id"), "standing_return", ["standing_id"])
    op.create_index(
        "uq_standing_return_open",
        "standing_return",
        ["standing_id"],
        unique=True,
        postgresql_where=sa.text("outcome IS NULL"),
    )
    op.execute(GATES + APPLICATIONS)


def downgrade() -> None:
    op.execute(FORGET)
    op.drop_table("standing_return")
    op.execute(BACK)
    op.drop_constraint(op.f(NAME), "standing_event", type_="check")
    op.create_check_constraint(op.f(NAME), "standing_event", BECAUSE.format(""))
