"""Credits of teachers: what they read, and what was credited and taken back."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

# A reading is finished once, and nothing else of it changes.
FINISHED_ONCE = """
CREATE TRIGGER frozen_reading BEFORE UPDATE ON reading
    FOR EACH ROW EXECUTE FUNCTION refuse_other_changes('finished_at');
CREATE TRIGGER finished_once BEFORE UPDATE ON reading
    FOR EACH ROW WHEN (OLD.finished_at IS NOT NULL) EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_delete BEFORE DELETE ON reading
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON reading
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""
# Nothing is taken back that was not credited, and a year's reading never exceeds its cap.
WITHIN = """
CREATE FUNCTION credited_within_bounds() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT sum(b.amount) FROM credit_booking b WHERE b.person_id = NEW.person_id
            AND b.kind = NEW.kind AND b.subject_id = NEW.subject_id AND b.year = NEW.year) < 0 THEN
        RAISE EXCEPTION 'credits of % by % in %: less than nothing',
            NEW.person_id, NEW.kind, NEW.year USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.amount > 0 AND NEW.most IS NOT NULL AND NEW.most < (
        SELECT sum(b.amount) FROM credit_booking b WHERE b.person_id = NEW.person_id
            AND b.kind = NEW.kind AND b.year = NEW.year) THEN
        RAISE EXCEPTION 'credits of % by % in %: more than the cap of %',
            NEW.person_id, NEW.kind, NEW.year, NEW.most USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER within_bounds AFTER INSERT ON credit_booking
    FOR EACH ROW EXECUTE FUNCTION credited_within_bounds();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON credit_booking
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON credit_booking
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""


def upgrade() -> None:
    op.create_table(
        "reading",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("resource_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("finished_at >= begun_at", name=op.f("ck_reading_order")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_reading_person_id")),
        sa.ForeignKeyConstraint(
            ["resource_id"], ["resource.id"], name=op.f("fk_reading_resource_id")
        ),
        sa.ForeignKeyConstraint(["version_id"], ["version.id"], name=op.f("fk_reading_version_id")),
        sa.PrimaryKeyConstraint("person_id", "resource_id", name=op.f("pk_reading")),
    )
    op.create_index("ix_reading_finished", "reading", ["finished_at"], unique=False)
    op.create_table(
        "credit_booking",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("year", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("most", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("booked_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('reading', 'adoption', 'followers')", name=op.f("ck_credit_booking_kind")
        ),
        sa.CheckConstraint("amount <> 0", name=op.f("ck_credit_booking_amount")),
        sa.CheckConstraint(
            "(kind = 'reading') = (most IS NOT NULL)", name=op.f("ck_credit_booking_most")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_credit_booking_person_id")
        ),
        sa.ForeignKeyConstraint(
            ["subject_id"], ["resource.id"], name=op.f("fk_credit_booking_subject_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit_booking")),
        sa.UniqueConstraint(
            "person_id",
            "kind",
            "subject_id",
            "year",
            "number",
            name=op.f("uq_credit_booking_person_id_kind_subject_id_year_number"),
        ),
    )
    op.create_index(
        "ix_credit_booking_person_year", "credit_booking", ["person_id", "year"], unique=False
    )
    op.execute(FINISHED_ONCE + WITHIN)


def downgrade() -> None:
    op.drop_table("credit_booking")
    op.drop_table("reading")
    op.execute("DROP FUNCTION credited_within_bounds")
