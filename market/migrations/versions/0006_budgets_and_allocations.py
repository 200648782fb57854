"""Budgets above the lines, allocation proposals, year's ends; headcount and holder of rules."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

APPEND_ONLY = """
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON {0}
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON {0}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

INSERT_ONLY = (
    "budget",
    "budget_entry",
    "line_end",
    "freed_commitment",
    "proposal_line",
    "year_end_rule",
)

# A proposal is decided once; what was proposed never changes.
DECIDED_ONCE = """
CREATE TRIGGER frozen_proposal BEFORE UPDATE ON allocation_proposal
    FOR EACH ROW EXECUTE FUNCTION
    refuse_other_changes('state', 'decided_at', 'decided_by', 'decided_by_name', 'note');
CREATE TRIGGER decided_once BEFORE UPDATE ON allocation_proposal
    FOR EACH ROW WHEN (OLD.state <> 'waiting') EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_delete BEFORE DELETE ON allocation_proposal
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON allocation_proposal
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

SOURCES = "source IN ('per_student', 'surcharge', 'special_fund', 'own_funds')"


def upgrade() -> None:
    _rules()
    _budgets()
    _proposals()
    _allocations()
    _year_ends()
    for table in INSERT_ONLY:
        op.execute(APPEND_ONLY.format(table))
    op.execute(DECIDED_ONCE)


def _rules() -> None:
    for name, default, allowed in (
        ("headcount", "each_term", "'each_term', 'spring', 'autumn', 'last_autumn'"),
        ("holder", "school", "'school', 'bureau'"),
    ):
        op.add_column(
            "funding_rule", sa.Column(name, sa.Text(), nullable=False, server_default=default)
        )
        op.alter_column("funding_rule", name, server_default=None)
        op.create_check_constraint(
            op.f(f"ck_funding_rule_{name}"), "funding_rule", f"{name} IN ({allowed})"
        )


def _budgets() -> None:
    op.create_table(
        "budget",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("bureau_id", sa.Uuid(), nullable=False),
        sa.Column("fiscal_year", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.CheckConstraint(SOURCES, name=op.f("ck_budget_source")),
        sa.ForeignKeyConstraint(
            ["bureau_id"], ["organisation.id"], name=op.f("fk_budget_bureau_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_budget")),
        sa.UniqueConstraint(
            "bureau_id",
            "fiscal_year",
            "source",
            name=op.f("uq_budget_bureau_id_fiscal_year_source"),
        ),
    )
    op.create_table(
        "budget_entry",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("budget_id", sa.Uuid(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("approved_on", sa.Date(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.CheckConstraint("amount_fen <> 0", name=op.f("ck_budget_entry_amount")),
        sa.ForeignKeyConstraint(
            ["budget_id"], ["budget.id"], name=op.f("fk_budget_entry_budget_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_budget_entry")),
        sa.UniqueConstraint(
            "budget_id", "document", name=op.f("uq_budget_entry_budget_id_document")
        ),
    )


def _proposals() -> None:
    op.create_table(
        "allocation_proposal",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("bureau_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("fiscal_year", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("left_out", postgresql.JSONB(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by", sa.Uuid(), nullable=False),
        sa.Column("made_by_name", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("decided_by_name", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('computed', 'listed')", name=op.f("ck_allocation_proposal_kind")
        ),
        sa.CheckConstraint(
            "state IN ('waiting', 'issued', 'returned', 'withdrawn')",
            name=op.f("ck_allocation_proposal_state"),
        ),
        sa.CheckConstraint(
            "(state = 'waiting') = (decided_at IS NULL)",
            name=op.f("ck_allocation_proposal_decided"),
        ),
        sa.CheckConstraint(
            "state IN ('waiting', 'withdrawn') OR decided_by <> made_by",
            name=op.f("ck_allocation_proposal_two_people"),
        ),
        sa.CheckConstraint(
            "state <> 'returned' OR note <> ''", name=op.f("ck_allocation_proposal_note")
        ),
        sa.ForeignKeyConstraint(
            ["bureau_id"], ["organisation.id"], name=op.f("fk_allocation_proposal_bureau_id")
        ),
        sa.ForeignKeyConstraint(
            ["made_by"], ["person.id"], name=op.f("fk_allocation_proposal_made_by")
        ),
        sa.ForeignKeyConstraint(
            ["decided_by"], ["person.id"], name=op.f("fk_allocation_proposal_decided_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_allocation_proposal")),
        sa.UniqueConstraint("number", name=op.f("uq_allocation_proposal_number")),
    )
    op.create_index(
        "ix_allocation_proposal_bureau", "allocation_proposal", ["bureau_id", "fiscal_year"]
    )
    op.create_table(
        "proposal_line",
        sa.Column("proposal_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("payer_id", sa.Uuid(), nullable=False),
        sa.Column("restriction", postgresql.JSONB(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("line_fen", sa.BigInteger(), nullable=False),
        sa.Column("issued_before_fen", sa.BigInteger(), nullable=False),
        sa.Column("computation", postgresql.JSONB(), nullable=False),
        sa.CheckConstraint("amount_fen <> 0", name=op.f("ck_proposal_line_amount")),
        sa.ForeignKeyConstraint(
            ["proposal_id"], ["allocation_proposal.id"], name=op.f("fk_proposal_line_proposal_id")
        ),
        sa.ForeignKeyConstraint(
            ["school_id"], ["organisation.id"], name=op.f("fk_proposal_line_school_id")
        ),
        sa.ForeignKeyConstraint(
            ["payer_id"], ["organisation.id"], name=op.f("fk_proposal_line_payer_id")
        ),
        sa.PrimaryKeyConstraint("proposal_id", "position", name=op.f("pk_proposal_line")),
    )
    op.create_index("ix_proposal_line_document", "proposal_line", ["school_id", "document"])


def _allocations() -> None:
    op.add_column("allocation", sa.Column("school_id", sa.Uuid(), nullable=True))
    op.add_column("allocation", sa.Column("proposal_id", sa.Uuid(), nullable=True))
    # Until now every line was its school's own; the row says nothing new, so its guard may rest.
    op.execute("ALTER TABLE allocation DISABLE TRIGGER refuse_change")
    op.execute(
        "UPDATE allocation a SET school_id = f.payer_id FROM funding_line f WHERE f.id = a.line_id"
    )
    op.execute("ALTER TABLE allocation ENABLE TRIGGER refuse_change")
    op.alter_column("allocation", "school_id", nullable=False)
    op.create_foreign_key(
        op.f("fk_allocation_school_id"), "allocation", "organisation", ["school_id"], ["id"]
    )
    op.create_foreign_key(
        op.f("fk_allocation_proposal_id"),
        "allocation",
        "allocation_proposal",
        ["proposal_id"],
        ["id"],
    )
    op.create_index(op.f("ix_allocation_school_id"), "allocation", ["school_id"])
    op.create_index(op.f("ix_allocation_proposal_id"), "allocation", ["proposal_id"])


def _year_ends() -> None:
    op.create_table(
        "year_end_rule",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("region_code", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("carry_until", sa.Text(), nullable=False),
        sa.Column("commitments", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "outcome IN ('lapse', 'carry_over')", name=op.f("ck_year_end_rule_outcome")
        ),
        sa.CheckConstraint(
            "commitments IN ('carried', 'released')", name=op.f("ck_year_end_rule_commitments")
        ),
        sa.CheckConstraint(
            "(outcome = 'carry_over') = (carry_until <> '')", name=op.f("ck_year_end_rule_carried")
        ),
        sa.CheckConstraint(
            "outcome = 'carry_over' OR commitments = 'released'",
            name=op.f("ck_year_end_rule_released"),
        ),
        sa.ForeignKeyConstraint(
            ["region_code"], ["region.code"], name=op.f("fk_year_end_rule_region_code")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_year_end_rule")),
        sa.UniqueConstraint(
            "region_code",
            "source",
            "valid_from",
            "recorded_at",
            name=op.f("uq_year_end_rule_region_code_source_valid_from_recorded_at"),
        ),
    )
    op.create_table(
        "line_end",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("line_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("closed_year", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("freed_fen", sa.BigInteger(), nullable=False),
        sa.Column("lapsed_fen", sa.BigInteger(), nullable=False),
        sa.Column("held_fen", sa.BigInteger(), nullable=False),
        sa.Column("carried_until", sa.Date(), nullable=True),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_by", sa.Text(), nullable=False),
        sa.CheckConstraint("outcome IN ('lapsed', 'carried')", name=op.f("ck_line_end_outcome")),
        sa.CheckConstraint(
            "freed_fen >= 0 AND lapsed_fen >= 0 AND held_fen >= 0",
            name=op.f("ck_line_end_amounts"),
        ),
        sa.CheckConstraint(
            "(outcome = 'carried') = (carried_until IS NOT NULL)", name=op.f("ck_line_end_carried")
        ),
        sa.CheckConstraint("outcome = 'lapsed' OR lapsed_fen = 0", name=op.f("ck_line_end_kept")),
        sa.ForeignKeyConstraint(["line_id"], ["funding_line.id"], name=op.f("fk_line_end_line_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_line_end")),
        sa.UniqueConstraint("line_id", "position", name=op.f("uq_line_end_line_id_position")),
    )
    op.create_table(
        "freed_commitment",
        sa.Column("end_id", sa.Uuid(), nullable=False),
        sa.Column("agreement_id", sa.Uuid(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount_fen > 0", name=op.f("ck_freed_commitment_amount")),
        sa.ForeignKeyConstraint(
            ["end_id"], ["line_end.id"], name=op.f("fk_freed_commitment_end_id")
        ),
        sa.ForeignKeyConstraint(
            ["agreement_id"], ["agreement.id"], name=op.f("fk_freed_commitment_agreement_id")
        ),
        sa.PrimaryKeyConstraint("end_id", "agreement_id", name=op.f("pk_freed_commitment")),
    )
    op.create_index(op.f("ix_freed_commitment_agreement_id"), "freed_commitment", ["agreement_id"])


def downgrade() -> None:
    for table in ("freed_commitment", "line_end", "year_end_rule"):
        op.drop_table(table)
    op.drop_column("allocation", "proposal_id")
    op.drop_column("allocation", "school_id")
    for table in ("proposal_line", "allocation_proposal", "budget_entry", "budget"):
        op.drop_table(table)
    op.drop_column("funding_rule", "holder")
    op.drop_column("funding_rule", "headcount")
