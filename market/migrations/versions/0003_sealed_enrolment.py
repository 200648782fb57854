"""Seal the enrolment with the month; freeze funding lines; guard partitions against TRUNCATE."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

APPEND_ONLY = """
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON {0}
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON {0}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

# A carry-over may move the day on which a line lapses; whose money it is, and of which year, never.
FROZEN_LINE = """
CREATE TRIGGER frozen_line BEFORE UPDATE ON funding_line
    FOR EACH ROW EXECUTE FUNCTION refuse_other_changes('lapses_on');
CREATE TRIGGER refuse_delete BEFORE DELETE ON funding_line
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON funding_line
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

# A statement trigger on the partitioned table does not reach its partitions.
GUARD_PARTITIONS = """
DO $$
DECLARE found_partition regclass;
BEGIN
    FOR found_partition IN SELECT inhrelid::regclass FROM pg_inherits
        WHERE inhparent = 'usage_event'::regclass
    LOOP
        EXECUTE format('CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON %s
                        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', found_partition);
    END LOOP;
END $$;
"""


def upgrade() -> None:
    op.create_table(
        "sealed_enrolment",
        sa.Column("payer_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("learner_id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("days", postgresql.DATEMULTIRANGE(), nullable=False),
        sa.PrimaryKeyConstraint(
            "payer_id", "month", "learner_id", "school_id", name=op.f("pk_sealed_enrolment")
        ),
    )
    op.execute(APPEND_ONLY.format("sealed_enrolment"))
    op.execute(FROZEN_LINE)
    op.execute(GUARD_PARTITIONS)


def downgrade() -> None:
    op.execute("DROP TRIGGER frozen_line ON funding_line")
    op.execute("DROP TRIGGER refuse_delete ON funding_line")
    op.execute("DROP TRIGGER refuse_truncate ON funding_line")
    op.drop_table("sealed_enrolment")
