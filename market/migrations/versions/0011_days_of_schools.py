"""Schools use a bulk agreement on days of their own; two people let them join or change ceilings."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

ALWAYS = "{(,)}"

# Who is added uses it from a day on, whoever declines until the day before. Who declined may join
# again, and then has both.
DAYS_MOVE = """
CREATE OR REPLACE FUNCTION apply_agreement_school_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.kind = 'added' THEN
        INSERT INTO agreement_school AS known (agreement_id, school_id, ceiling_fen, days)
            VALUES (NEW.agreement_id, NEW.school_id, NEW.ceiling_fen,
                datemultirange(daterange(NEW.from_day, NULL)))
            ON CONFLICT (agreement_id, school_id) DO UPDATE
            SET ceiling_fen = known.ceiling_fen + NEW.ceiling_fen, days = known.days + EXCLUDED.days
            WHERE NOT upper_inf(known.days);
    ELSIF NEW.kind = 'declined' THEN
        UPDATE agreement_school
            SET days = days * datemultirange(daterange(NULL, NEW.from_day))
            WHERE agreement_id = NEW.agreement_id AND school_id = NEW.school_id
            AND upper_inf(days);
    ELSE
        UPDATE agreement_school SET ceiling_fen = ceiling_fen + NEW.ceiling_fen
            WHERE agreement_id = NEW.agreement_id AND school_id = NEW.school_id;
    END IF;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'agreement %: school % can not be %',
            NEW.agreement_id, NEW.school_id, NEW.kind
            USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
"""
DECLINED_ONCE = """
CREATE OR REPLACE FUNCTION apply_agreement_school_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.kind = 'added' THEN
        INSERT INTO agreement_school (agreement_id, school_id, ceiling_fen)
            VALUES (NEW.agreement_id, NEW.school_id, NEW.ceiling_fen);
        RETURN NULL;
    END IF;
    UPDATE agreement_school SET ceiling_fen = ceiling_fen + NEW.ceiling_fen,
        declined_from = COALESCE(NEW.from_day, declined_from)
        WHERE agreement_id = NEW.agreement_id AND school_id = NEW.school_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'agreement %: school % may not use it', NEW.agreement_id, NEW.school_id
            USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
"""
FROM_DAY = "(kind = 'ceiling') = (from_day IS NULL)"
FROM_DAY_BEFORE = "(kind = 'declined') = (from_day IS NOT NULL)"
PROPOSED = "kind IN ('budget', 'approval_rules', 'bulk_schools')"
PROPOSED_BEFORE = "kind IN ('budget', 'approval_rules')"

# Schools that were added before had the agreement from its first day, and were billed so: that
# stands.
ADDED_BEFORE = """
UPDATE agreement_school_change c SET from_day = a.starts_on
    FROM agreement a WHERE a.id = c.agreement_id AND c.kind = 'added'
"""
DAYS_BEFORE = """
UPDATE agreement_school g SET days = datemultirange(daterange((
        SELECT min(c.from_day) FROM agreement_school_change c
        WHERE c.agreement_id = g.agreement_id AND c.school_id = g.school_id AND c.kind = 'added'
    ), g.declined_from))
"""

# What the tables of before can't hold: a school that came, went and came, and what two people
# agreed to of schools.
KEPT_SINCE = """
DO $$
BEGIN
    IF EXISTS (SELECT FROM record_proposal WHERE kind = 'bulk_schools') THEN
        RAISE EXCEPTION 'revision 0010 keeps no proposals of schools in a bulk purchase, and there '
            'are some: this database can not go back';
    END IF;
    IF EXISTS (
        SELECT FROM agreement_school_change WHERE kind <> 'ceiling'
        GROUP BY agreement_id, school_id HAVING count(*) FILTER (WHERE kind = 'declined') > 1
            OR count(*) FILTER (WHERE kind = 'added') > 1
            OR (array_agg(kind ORDER BY number DESC))[1] = 'added' AND count(*) > 1
    ) THEN
        RAISE EXCEPTION 'revision 0010 knows no school that joined a bulk purchase again, and one '
            'did: this database can not go back';
    END IF;
END $$;
"""


def upgrade() -> None:
    op.add_column(
        "agreement_school",
        sa.Column("days", postgresql.DATEMULTIRANGE(), server_default=ALWAYS, nullable=False),
    )
    op.add_column(
        "agreement_school_change",
        sa.Column("reference", sa.Text(), nullable=False, server_default=""),
    )
    op.alter_column("agreement_school_change", "reference", server_default=None)
    _check("agreement_school_change", "from_day", None)
    _by_hand("agreement_school_change", "refuse_change", ADDED_BEFORE)
    _check("agreement_school_change", "from_day", FROM_DAY)
    _by_hand("agreement_school", "moves_with_changes", DAYS_BEFORE)
    op.drop_column("agreement_school", "declined_from")
    op.execute(DAYS_MOVE)
    _check("record_proposal", "kind", PROPOSED)


def _by_hand(table: str, trigger: str, statement: str) -> None:
    """Run a statement on rows that nobody may change otherwise."""
    op.execute(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")
    op.execute(statement)
    op.execute(f"ALTER TABLE {table} ENABLE TRIGGER {trigger}")


def _check(table: str, name: str, condition: str | None) -> None:
    constraint = op.f(f"ck_{table}_{name}")
    op.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {constraint}")
    if condition is not None:
        op.create_check_constraint(constraint, table, condition)


def downgrade() -> None:
    op.execute(KEPT_SINCE)
    _check("record_proposal", "kind", PROPOSED_BEFORE)
    _check("agreement_school_change", "from_day", None)
    _by_hand(
        "agreement_school_change",
        "refuse_change",
        "UPDATE agreement_school_change SET from_day = NULL WHERE kind = 'added'",
    )
    _check("agreement_school_change", "from_day", FROM_DAY_BEFORE)
    op.drop_column("agreement_school_change", "reference")
    op.add_column("agreement_school", sa.Column("declined_from", sa.Date(), nullable=True))
    _by_hand(
        "agreement_school",
        "moves_with_changes",
        "UPDATE agreement_school SET declined_from = COALESCE(upper(days), '-infinity') "
        "WHERE NOT upper_inf(days)",
    )
    op.drop_column("agreement_school", "days")
    op.execute(DECLINED_ONCE)
