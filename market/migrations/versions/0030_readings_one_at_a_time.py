"""A reading keeps where its reader belonged, and counts only while no other was begun since."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

# Readings of before stand where their reader belongs now: nothing else is known of them.
PLACES = """
ALTER TABLE reading DISABLE TRIGGER USER;
UPDATE reading r SET organisation_id = o.id, region_code = o.region_code
    FROM person p JOIN organisation o ON o.id = p.organisation_id WHERE p.id = r.person_id;
ALTER TABLE reading ENABLE TRIGGER USER;
"""
ONE_AT_A_TIME = """
DROP TRIGGER frozen_reading ON reading;
CREATE TRIGGER frozen_reading BEFORE UPDATE ON reading
    FOR EACH ROW EXECUTE FUNCTION refuse_other_changes(
        'begun_at', 'finished_at', 'version_id', 'organisation_id', 'region_code');
CREATE FUNCTION read_one_at_a_time() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM reading r WHERE r.person_id = NEW.person_id
        AND r.resource_id <> NEW.resource_id AND r.begun_at >= NEW.begun_at
    ) THEN
        RAISE EXCEPTION 'reading of % by %: another was begun since',
            NEW.resource_id, NEW.person_id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER one_at_a_time BEFORE UPDATE ON reading
    FOR EACH ROW WHEN (NEW.finished_at IS NOT NULL) EXECUTE FUNCTION read_one_at_a_time();
"""
BACK = """
DROP TRIGGER one_at_a_time ON reading;
DROP FUNCTION read_one_at_a_time;
DROP TRIGGER frozen_reading ON reading;
CREATE TRIGGER frozen_reading BEFORE UPDATE ON reading
    FOR EACH ROW EXECUTE FUNCTION refuse_other_changes('finished_at');
"""


def upgrade() -> None:
    op.add_column("reading", sa.Column("organisation_id", sa.Uuid(), nullable=True))
    op.add_column("reading", sa.Column("region_code", sa.Text(), nullable=True))
    op.execute(PLACES)
    for name, to in (("organisation_id", "organisation.id"), ("region_code", "region.code")):
        op.alter_column("reading", name, nullable=False)
        table, column = to.split(".")
        op.create_foreign_key(op.f(f"fk_reading_{name}"), "reading", table, [name], [column])
    op.execute(ONE_AT_A_TIME)


def downgrade() -> None:
    op.execute(BACK)
    op.drop_column("reading", "region_code")
    op.drop_column("reading", "organisation_id")
