"""Budgets and tables of signatures are proposed by one person and checked by another."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# A proposal is decided once; what was proposed never changes.
DECIDED_ONCE = """
CREATE TRIGGER frozen_proposal BEFORE UPDATE ON record_proposal
    FOR EACH ROW EXECUTE FUNCTION
    refuse_other_changes('state', 'decided_at', 'decided_by', 'decided_by_name', 'note');
CREATE TRIGGER decided_once BEFORE UPDATE ON record_proposal
    FOR EACH ROW WHEN (OLD.state <> 'waiting') EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_delete BEFORE DELETE ON record_proposal
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON record_proposal
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""


def upgrade() -> None:
    op.create_table(
        "record_proposal",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("bureau_id", sa.Uuid(), nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by", sa.Uuid(), nullable=True),
        sa.Column("made_by_name", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("decided_by_name", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('budget', 'approval_rules')", name=op.f("ck_record_proposal_kind")
        ),
        sa.CheckConstraint(
            "state IN ('waiting', 'recorded', 'returned', 'withdrawn')",
            name=op.f("ck_record_proposal_state"),
        ),
        sa.CheckConstraint(
            "(state = 'waiting') = (decided_at IS NULL)", name=op.f("ck_record_proposal_decided")
        ),
        sa.CheckConstraint(
            "state IN ('waiting', 'withdrawn') "
            "OR (decided_by IS NOT NULL AND decided_by IS DISTINCT FROM made_by)",
            name=op.f("ck_record_proposal_two_people"),
        ),
        sa.CheckConstraint(
            "state <> 'returned' OR note <> ''", name=op.f("ck_record_proposal_note")
        ),
        sa.ForeignKeyConstraint(
            ["bureau_id"], ["organisation.id"], name=op.f("fk_record_proposal_bureau_id")
        ),
        sa.ForeignKeyConstraint(
            ["decided_by"], ["person.id"], name=op.f("fk_record_proposal_decided_by")
        ),
        sa.ForeignKeyConstraint(
            ["made_by"], ["person.id"], name=op.f("fk_record_proposal_made_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_record_proposal")),
        sa.UniqueConstraint("number", name=op.f("uq_record_proposal_number")),
    )
    op.create_index("ix_record_proposal_bureau", "record_proposal", ["bureau_id", "kind"])
    op.execute(DECIDED_ONCE)
    op.add_column(
        "budget_entry", sa.Column("checked_by", sa.Text(), nullable=False, server_default="")
    )
    op.alter_column("budget_entry", "checked_by", server_default=None)
    op.add_column("approval_rule", sa.Column("proposal_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_approval_rule_proposal_id"),
        "approval_rule",
        "record_proposal",
        ["proposal_id"],
        ["id"],
    )


def downgrade() -> None:
    op.drop_constraint(op.f("fk_approval_rule_proposal_id"), "approval_rule")
    op.drop_column("approval_rule", "proposal_id")
    op.drop_column("budget_entry", "checked_by")
    op.drop_table("record_proposal")
