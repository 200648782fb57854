"""Third parties that evaluate: their kind of organisation, admissions, findings."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

GUARDS = """
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON evaluator_admission
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON evaluator_admission
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER frozen_finding BEFORE UPDATE ON outside_finding
    FOR EACH ROW EXECUTE FUNCTION refuse_other_changes(
        'withdrawn_because', 'withdrawn_at', 'reply', 'replied_by', 'replied_at');
CREATE TRIGGER withdrawn_once BEFORE UPDATE ON outside_finding
    FOR EACH ROW WHEN (OLD.withdrawn_at IS NOT NULL
        AND (OLD.withdrawn_at, OLD.withdrawn_because)
            IS DISTINCT FROM (NEW.withdrawn_at, NEW.withdrawn_because))
    EXECUTE FUNCTION refuse_change();
CREATE TRIGGER replied_once BEFORE UPDATE ON outside_finding
    FOR EACH ROW WHEN (OLD.replied_at IS NOT NULL
        AND (OLD.replied_at, OLD.reply, OLD.replied_by)
            IS DISTINCT FROM (NEW.replied_at, NEW.reply, NEW.replied_by))
    EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_delete BEFORE DELETE ON outside_finding
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON outside_finding
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""
KINDS = "kind IN ('bureau', 'school', 'vendor', 'evaluator')"


def upgrade() -> None:
    op.drop_constraint(op.f("ck_organisation_kind"), "organisation", type_="check")
    op.create_check_constraint(op.f("ck_organisation_kind"), "organisation", KINDS)
    op.create_table(
        "evaluator_admission",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("evaluator_id", sa.Uuid(), nullable=False),
        sa.Column("region_code", sa.Text(), nullable=False),
        sa.Column("bureau_id", sa.Uuid(), nullable=False),
        sa.Column("interest", sa.Text(), nullable=False),
        sa.Column("admitted_by", sa.Uuid(), nullable=False),
        sa.Column("admitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("interest <> ''", name=op.f("ck_evaluator_admission_interest")),
        *(
            sa.ForeignKeyConstraint([one], [to], name=op.f(f"fk_evaluator_admission_{one}"))
            for one, to in (
                ("evaluator_id", "organisation.id"),
                ("region_code", "region.code"),
                ("bureau_id", "organisation.id"),
                ("admitted_by", "person.id"),
            )
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evaluator_admission")),
        sa.UniqueConstraint(
            "evaluator_id",
            "region_code",
            name=op.f("uq_evaluator_admission_evaluator_id_region_code"),
        ),
    )
    op.create_table(
        "outside_finding",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("evaluator_id", sa.Uuid(), nullable=False),
        sa.Column("region_code", sa.Text(), nullable=False),
        sa.Column("subject_kind", sa.Text(), nullable=False),
        sa.Column("subject_key", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column("finding", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("found_on", sa.Date(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("filed_by", sa.Uuid(), nullable=False),
        sa.Column("filed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_because", sa.Text(), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reply", sa.Text(), nullable=False),
        sa.Column("replied_by", sa.Uuid(), nullable=True),
        sa.Column("replied_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "subject_kind IN ('vendor', 'resource', 'school', 'bureau', 'platform')",
            name=op.f("ck_outside_finding_subject_kind"),
        ),
        sa.CheckConstraint(
            "(subject_kind = 'platform') = (subject_id IS NULL)",
            name=op.f("ck_outside_finding_subject"),
        ),
        sa.CheckConstraint("finding <> '' AND source <> ''", name=op.f("ck_outside_finding_said")),
        sa.CheckConstraint(
            "(withdrawn_at IS NULL) = (withdrawn_because = '')",
            name=op.f("ck_outside_finding_withdrawn"),
        ),
        sa.CheckConstraint(
            "(replied_at IS NULL) = (reply = '')", name=op.f("ck_outside_finding_replied")
        ),
        sa.CheckConstraint(
            "(replied_at IS NULL) = (replied_by IS NULL)",
            name=op.f("ck_outside_finding_replier"),
        ),
        *(
            sa.ForeignKeyConstraint([one], [to], name=op.f(f"fk_outside_finding_{one}"))
            for one, to in (
                ("evaluator_id", "organisation.id"),
                ("region_code", "region.code"),
                ("subject_id", "organisation.id"),
                ("filed_by", "person.id"),
                ("replied_by", "person.id"),
            )
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outside_finding")),
        sa.UniqueConstraint(
            "evaluator_id", "digest", name=op.f("uq_outside_finding_evaluator_id_digest")
        ),
    )
    op.create_index(
        op.f("ix_outside_finding_evaluator_id"), "outside_finding", ["evaluator_id"], unique=False
    )
    op.create_index(
        "ix_outside_finding_subject",
        "outside_finding",
        ["subject_kind", "subject_key"],
        unique=False,
    )
    op.execute(GUARDS)


def downgrade() -> None:
    op.drop_table("outside_finding")
    op.drop_table("evaluator_admission")
    op.drop_constraint(op.f("ck_organisation_kind"), "organisation", type_="check")
    op.create_check_constraint(
        op.f("ck_organisation_kind"), "organisation", "kind IN ('bureau', 'school', 'vendor')"
    )
