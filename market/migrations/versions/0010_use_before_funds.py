"""Use before the funds arrive: consents, rules, memoranda, decisions; lines that take up."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

APPEND_ONLY = """
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON {0}
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON {0}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""
INSERT_ONLY = ("early_use_consent", "memorandum", "memorandum_entry")

# Decided once; what was proposed never changes.
DECIDED_ONCE = """
CREATE TRIGGER frozen_proposal BEFORE UPDATE ON {0}
    FOR EACH ROW EXECUTE FUNCTION refuse_other_changes({2});
CREATE TRIGGER decided_once BEFORE UPDATE ON {0}
    FOR EACH ROW WHEN (OLD.state <> '{1}') EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_delete BEFORE DELETE ON {0}
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON {0}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

# The memorandum's row is locked, so that of two entries at once the second sees the first.
WITHIN_THE_CAP = """
CREATE FUNCTION memorandum_within_cap() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    cap bigint;
    sum_of_year bigint;
    sum_of_month bigint;
BEGIN
    SELECT cap_fen INTO cap FROM memorandum
        WHERE agreement_id = NEW.agreement_id AND fiscal_year = NEW.fiscal_year
        FOR NO KEY UPDATE;
    SELECT sum(amount_fen), sum(amount_fen) FILTER (WHERE of_month = NEW.of_month)
        INTO sum_of_year, sum_of_month FROM memorandum_entry
        WHERE agreement_id = NEW.agreement_id AND fiscal_year = NEW.fiscal_year;
    IF sum_of_year > cap OR sum_of_month < 0 THEN
        RAISE EXCEPTION 'memorandum of % in %: % of at most %',
            NEW.agreement_id, NEW.fiscal_year, sum_of_year, cap
            USING ERRCODE = 'check_violation', CONSTRAINT = 'memorandum_within_cap';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER within_cap AFTER INSERT ON memorandum_entry
    FOR EACH ROW EXECUTE FUNCTION memorandum_within_cap();
"""

# A line that takes up bills nothing: what was uncovered is drawn.
NOT_NEGATIVE = """
kind = 'adjustment'
OR (kind = 'use' AND above_ceiling_fen >= 0 AND uncovered_fen >= 0 AND drawn_fen >= 0)
OR (kind = 'take_up' AND rated_fen = 0 AND amount_fen = 0 AND quantity = 0 AND drawn_fen > 0)
"""
NOT_NEGATIVE_BEFORE = (
    "kind = 'adjustment' OR (above_ceiling_fen >= 0 AND uncovered_fen >= 0 AND drawn_fen >= 0)"
)


def upgrade() -> None:
    _agreed()
    _memoranda()
    _decisions()
    _lines("kind IN ('use', 'adjustment', 'take_up')", NOT_NEGATIVE)
    op.create_index(
        "ix_statement_line_uncovered",
        "statement_line",
        ["payer_id", "agreement_id", "of_month"],
        postgresql_where=sa.text("uncovered_fen <> 0"),
    )
    for table in INSERT_ONLY:
        op.execute(APPEND_ONLY.format(table))
    decided = "'state', 'decided_at', 'decided_by', 'decided_by_name', 'note'"
    op.execute(DECIDED_ONCE.format("early_use_rule", "waiting", decided))
    answered = "'state', 'answered_at', 'answered_by'"
    op.execute(DECIDED_ONCE.format("unfunded_decision", "proposed", answered))
    op.execute(WITHIN_THE_CAP)


def _lines(kind: str, not_negative: str) -> None:
    for name, condition in (("kind", kind), ("not_negative", not_negative)):
        op.drop_constraint(op.f(f"ck_statement_line_{name}"), "statement_line")
        op.create_check_constraint(
            op.f(f"ck_statement_line_{name}"), "statement_line", condition.strip()
        )


def _agreed() -> None:
    op.create_table(
        "early_use_consent",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("vendor_id", sa.Uuid(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.Column("cap_fen", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("cap_fen >= 0", name=op.f("ck_early_use_consent_cap")),
        sa.ForeignKeyConstraint(
            ["vendor_id"], ["organisation.id"], name=op.f("fk_early_use_consent_vendor_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_early_use_consent")),
        sa.UniqueConstraint(
            "vendor_id",
            "valid_from",
            "recorded_at",
            name=op.f("uq_early_use_consent_vendor_id_valid_from_recorded_at"),
        ),
    )
    op.create_table(
        "early_use_rule",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("region_code", sa.Text(), nullable=False),
        sa.Column("fiscal_year", sa.BigInteger(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("total_cap_fen", sa.BigInteger(), nullable=False),
        sa.Column("payer_cap_fen", sa.BigInteger(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by", sa.Uuid(), nullable=False),
        sa.Column("made_by_name", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("decided_by_name", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "payer_cap_fen >= 0 AND payer_cap_fen <= total_cap_fen",
            name=op.f("ck_early_use_rule_caps"),
        ),
        sa.CheckConstraint(
            "(total_cap_fen = 0) = (payer_cap_fen = 0)", name=op.f("ck_early_use_rule_allowed")
        ),
        sa.CheckConstraint(
            "state IN ('waiting', 'in_force', 'returned', 'withdrawn')",
            name=op.f("ck_early_use_rule_state"),
        ),
        sa.CheckConstraint(
            "(state = 'waiting') = (decided_at IS NULL)", name=op.f("ck_early_use_rule_decided")
        ),
        sa.CheckConstraint(
            "state IN ('waiting', 'withdrawn') OR decided_by <> made_by",
            name=op.f("ck_early_use_rule_two"),
        ),
        sa.CheckConstraint(
            "state <> 'returned' OR note <> ''", name=op.f("ck_early_use_rule_note")
        ),
        sa.ForeignKeyConstraint(
            ["region_code"], ["region.code"], name=op.f("fk_early_use_rule_region_code")
        ),
        sa.ForeignKeyConstraint(["made_by"], ["person.id"], name=op.f("fk_early_use_rule_made_by")),
        sa.ForeignKeyConstraint(
            ["decided_by"], ["person.id"], name=op.f("fk_early_use_rule_decided_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_early_use_rule")),
        sa.UniqueConstraint("number", name=op.f("uq_early_use_rule_number")),
    )
    op.create_index(
        "ix_early_use_rule_region_year", "early_use_rule", ["region_code", "fiscal_year"]
    )


def _memoranda() -> None:
    op.create_table(
        "memorandum",
        sa.Column("agreement_id", sa.Uuid(), nullable=False),
        sa.Column("fiscal_year", sa.BigInteger(), nullable=False),
        sa.Column("payer_id", sa.Uuid(), nullable=False),
        sa.Column("vendor_id", sa.Uuid(), nullable=False),
        sa.Column("cap_fen", sa.BigInteger(), nullable=False),
        sa.Column("agreed_on", sa.Date(), nullable=False),
        sa.Column("rule_id", sa.Uuid(), nullable=False),
        sa.Column("consent_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("cap_fen > 0", name=op.f("ck_memorandum_cap")),
        sa.ForeignKeyConstraint(
            ["agreement_id"], ["agreement.id"], name=op.f("fk_memorandum_agreement_id")
        ),
        sa.ForeignKeyConstraint(
            ["rule_id"], ["early_use_rule.id"], name=op.f("fk_memorandum_rule_id")
        ),
        sa.ForeignKeyConstraint(
            ["consent_id"], ["early_use_consent.id"], name=op.f("fk_memorandum_consent_id")
        ),
        sa.PrimaryKeyConstraint("agreement_id", "fiscal_year", name=op.f("pk_memorandum")),
    )
    op.create_index(op.f("ix_memorandum_vendor_id"), "memorandum", ["vendor_id"])
    op.create_index("ix_memorandum_year_payer", "memorandum", ["fiscal_year", "payer_id"])
    op.create_table(
        "memorandum_entry",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agreement_id", sa.Uuid(), nullable=False),
        sa.Column("fiscal_year", sa.BigInteger(), nullable=False),
        sa.Column("of_month", sa.Date(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount_fen <> 0", name=op.f("ck_memorandum_entry_amount")),
        sa.CheckConstraint(
            "kind IN ('use', 'adjustment', 'take_up', 'credit', 'write_off')",
            name=op.f("ck_memorandum_entry_kind"),
        ),
        sa.CheckConstraint(
            "extract(year FROM of_month) = fiscal_year", name=op.f("ck_memorandum_entry_own_year")
        ),
        sa.ForeignKeyConstraint(
            ["agreement_id", "fiscal_year"],
            ["memorandum.agreement_id", "memorandum.fiscal_year"],
            name="fk_memorandum_entry_memorandum",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_memorandum_entry")),
        sa.UniqueConstraint(
            "agreement_id",
            "of_month",
            "kind",
            "document",
            name=op.f("uq_memorandum_entry_agreement_id_of_month_kind_document"),
        ),
    )


def _decisions() -> None:
    op.create_table(
        "unfunded_decision",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("agreement_id", sa.Uuid(), nullable=False),
        sa.Column("of_month", sa.Date(), nullable=False),
        sa.Column("payer_id", sa.Uuid(), nullable=False),
        sa.Column("vendor_id", sa.Uuid(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_by", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "outcome IN ('written_off', 'carried_over')", name=op.f("ck_unfunded_decision_outcome")
        ),
        sa.CheckConstraint("amount_fen > 0", name=op.f("ck_unfunded_decision_amount")),
        sa.CheckConstraint("reason <> ''", name=op.f("ck_unfunded_decision_reason")),
        sa.CheckConstraint(
            "state IN ('proposed', 'in_force', 'refused')", name=op.f("ck_unfunded_decision_state")
        ),
        sa.CheckConstraint(
            "outcome = 'written_off' OR state = 'in_force'",
            name=op.f("ck_unfunded_decision_proposed"),
        ),
        sa.ForeignKeyConstraint(
            ["agreement_id"], ["agreement.id"], name=op.f("fk_unfunded_decision_agreement_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unfunded_decision")),
        sa.UniqueConstraint("number", name=op.f("uq_unfunded_decision_number")),
    )
    op.create_index(
        "uq_unfunded_decision_proposed",
        "unfunded_decision",
        ["agreement_id", "of_month"],
        unique=True,
        postgresql_where=sa.text("state = 'proposed'"),
    )
    op.create_index("ix_unfunded_decision_payer", "unfunded_decision", ["payer_id"])
    op.create_index(op.f("ix_unfunded_decision_vendor_id"), "unfunded_decision", ["vendor_id"])


def downgrade() -> None:
    op.drop_index("ix_statement_line_uncovered", "statement_line")
    for table in (
        "unfunded_decision",
        "memorandum_entry",
        "memorandum",
        "early_use_rule",
        "early_use_consent",
    ):
        op.drop_table(table)
    op.execute("DROP FUNCTION memorandum_within_cap()")
    _lines("kind IN ('use', 'adjustment')", NOT_NEGATIVE_BEFORE)
