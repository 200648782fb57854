"""A table of credits within bounds, and a year's cap that is asked up to the fact that earns."""

from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None

WITHIN = """
CREATE OR REPLACE FUNCTION credited_within_bounds() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT sum(b.amount) FROM credit_booking b WHERE b.person_id = NEW.person_id
            AND b.kind = NEW.kind AND b.subject_id = NEW.subject_id AND b.year = NEW.year) < 0 THEN
        RAISE EXCEPTION 'credits of % by % in %: less than nothing',
            NEW.person_id, NEW.kind, NEW.year USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.amount > 0 AND NEW.most IS NOT NULL AND NEW.most < (
        SELECT sum(b.amount) FROM credit_booking b WHERE b.person_id = NEW.person_id
            AND b.kind = NEW.kind AND b.year = NEW.year{until}) THEN
        RAISE EXCEPTION 'credits of % by % in %: more than the cap of %',
            NEW.person_id, NEW.kind, NEW.year, NEW.most USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
"""
# Two tables of one year may have two caps: what was read later, under a higher one, takes nothing
# of what a lower one allows before.
UNTIL = " AND b.at <= NEW.at"
# In ten-thousandths of a credit. What was recorded before stays as it is (NOT VALID).
BOUNDS = """
ALTER TABLE rate_table ADD CONSTRAINT ck_rate_table_credits CHECK (kind <> 'credits' OR (
    CAST(body ->> 'reading' AS numeric) BETWEEN 0 AND CAST(body ->> 'reading_cap' AS numeric)
    AND CAST(body ->> 'reading_cap' AS numeric) <= 10000000
    AND CAST(body ->> 'adoption' AS numeric) BETWEEN 0 AND 10000000
    AND CAST(body ->> 'followers' AS numeric) BETWEEN 0 AND 10000000
    AND CAST(body ->> 'followers_needed' AS numeric) BETWEEN 1 AND 1000000
    AND CAST(body ->> 'reading_seconds' AS numeric) BETWEEN 0 AND 86400) IS TRUE) NOT VALID
"""


def upgrade() -> None:
    op.execute(WITHIN.format(until=UNTIL))
    op.execute(BOUNDS)


def downgrade() -> None:
    op.execute("ALTER TABLE rate_table DROP CONSTRAINT ck_rate_table_credits")
    op.execute(WITHIN.format(until=""))
