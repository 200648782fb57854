"""An evaluator's admission ends with a reason; each finding names the admission it was filed by."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

# Findings of before stand under the one admission that there was for their evaluator and region.
NAME_ADMISSIONS = """
ALTER TABLE outside_finding DISABLE TRIGGER USER;
UPDATE outside_finding f SET admission_id = a.id FROM evaluator_admission a
    WHERE a.evaluator_id = f.evaluator_id AND a.region_code = f.region_code;
ALTER TABLE outside_finding ENABLE TRIGGER USER;
"""
ENDS_ONCE = """
DROP TRIGGER refuse_change ON evaluator_admission;
CREATE TRIGGER frozen_admission BEFORE UPDATE ON evaluator_admission
    FOR EACH ROW EXECUTE FUNCTION refuse_other_changes('ended_at', 'ended_by', 'ended_because');
CREATE TRIGGER ended_once BEFORE UPDATE ON evaluator_admission
    FOR EACH ROW WHEN (OLD.ended_at IS NOT NULL) EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_delete BEFORE DELETE ON evaluator_admission
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
"""
# Nobody files under an admission that ended, or under another's.
UNDER_ADMISSION = """
CREATE FUNCTION filed_under_admission() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM evaluator_admission a WHERE a.id = NEW.admission_id AND a.ended_at IS NULL
        AND a.evaluator_id = NEW.evaluator_id AND a.region_code = NEW.region_code
    ) THEN
        RAISE EXCEPTION 'finding %: its evaluator is not admitted there', NEW.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER under_admission BEFORE INSERT ON outside_finding
    FOR EACH ROW EXECUTE FUNCTION filed_under_admission();
"""
BACK = """
DROP TRIGGER under_admission ON outside_finding;
DROP FUNCTION filed_under_admission;
DROP TRIGGER refuse_delete ON evaluator_admission;
DROP TRIGGER ended_once ON evaluator_admission;
DROP TRIGGER frozen_admission ON evaluator_admission;
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON evaluator_admission
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
"""
# Where one was let in again after an end, the version before knows the first admission alone.
FIRST_ALONE = """
ALTER TABLE evaluator_admission DISABLE TRIGGER USER;
DELETE FROM evaluator_admission a USING evaluator_admission b
    WHERE b.evaluator_id = a.evaluator_id AND b.region_code = a.region_code
    AND (b.admitted_at, b.id) < (a.admitted_at, a.id);
ALTER TABLE evaluator_admission ENABLE TRIGGER USER;
"""
UNIQUE = "uq_evaluator_admission_evaluator_id_region_code"
RUNNING = "uq_evaluator_admission_running"


def upgrade() -> None:
    op.add_column(
        "evaluator_admission", sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.add_column("evaluator_admission", sa.Column("ended_by", sa.Uuid(), nullable=True))
    op.add_column(
        "evaluator_admission",
        sa.Column("ended_because", sa.Text(), server_default="", nullable=False),
    )
    op.alter_column("evaluator_admission", "ended_because", server_default=None)
    op.create_foreign_key(
        op.f("fk_evaluator_admission_ended_by"),
        "evaluator_admission",
        "person",
        ["ended_by"],
        ["id"],
    )
    op.create_check_constraint(
        op.f("ck_evaluator_admission_ended"),
        "evaluator_admission",
        "(ended_at IS NULL) = (ended_because = '') AND (ended_at IS NULL) = (ended_by IS NULL)",
    )
    op.drop_constraint(op.f(UNIQUE), "evaluator_admission", type_="unique")
    op.create_index(
        RUNNING,
        "evaluator_admission",
        ["evaluator_id", "region_code"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.add_column("outside_finding", sa.Column("admission_id", sa.Uuid(), nullable=True))
    op.execute(NAME_ADMISSIONS)
    op.alter_column("outside_finding", "admission_id", nullable=False)
    op.create_foreign_key(
        op.f("fk_outside_finding_admission_id"),
        "outside_finding",
        "evaluator_admission",
        ["admission_id"],
        ["id"],
    )
    op.create_index(op.f("ix_outside_finding_admission_id"), "outside_finding", ["admission_id"])
    op.execute(ENDS_ONCE + UNDER_ADMISSION)


def downgrade() -> None:
    op.execute(BACK)
    op.drop_column("outside_finding", "admission_id")
    op.execute(FIRST_ALONE)
    op.drop_index(RUNNING, table_name="evaluator_admission")
    op.create_unique_constraint(
        op.f(UNIQUE), "evaluator_admission", ["evaluator_id", "region_code"]
    )
    op.drop_constraint(op.f("ck_evaluator_admission_ended"), "evaluator_admission", type_="check")
    for name in ("ended_because", "ended_by", "ended_at"):
        op.drop_column("evaluator_admission", name)
