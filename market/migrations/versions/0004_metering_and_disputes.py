"""Launches, ticketed use, late use, archives, disputes, credit notes, shares of an author's school."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

APPEND_ONLY = """
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON {0}
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON {0}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

INSERT_ONLY = (
    "launch",
    "sealed_school",
    "sealed_exclusion",
    "credit_note",
    "credit_draw",
    "retention_release",
)

# A dispute is opened, answered and decided: what was claimed stays as it was.
FROZEN = """
CREATE TRIGGER frozen_claim BEFORE UPDATE ON dispute
    FOR EACH ROW EXECUTE FUNCTION refuse_other_changes(
        'answered_at', 'answered_by', 'answer', 'offered_fen', 'decide_by',
        'decided_at', 'decided_by', 'outcome', 'credit_fen', 'note');
CREATE TRIGGER refuse_delete BEFORE DELETE ON dispute
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON dispute
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

# Closed is the end of what was posted whole, and of nothing else.
CLOSES_WHEN_POSTED = """
CREATE FUNCTION period_closes_when_posted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'period % of %: % to closed is refused', OLD.month, OLD.payer_id, OLD.state
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER closes_when_posted BEFORE UPDATE ON period
    FOR EACH ROW WHEN (NEW.state = 'closed' AND OLD.state NOT IN ('posted', 'closed'))
    EXECUTE FUNCTION period_closes_when_posted();
"""


# Amounts never change, the state of many lines does at once: columns are compared without turning
# both rows into JSON, and a line's new state finds room on its own page.
FROZEN_AMOUNTS = """
DO $$
DECLARE frozen text;
BEGIN
    SELECT string_agg(format('NEW.%1$I IS DISTINCT FROM OLD.%1$I', attname), ' OR ')
        INTO frozen FROM pg_attribute
        WHERE attrelid = 'statement_line'::regclass AND attnum > 0 AND NOT attisdropped
            AND attname NOT IN ('state', 'confirmed_at', 'confirmed_by');
    DROP TRIGGER frozen_amounts ON statement_line;
    EXECUTE format('CREATE TRIGGER frozen_amounts BEFORE UPDATE ON statement_line
        FOR EACH ROW WHEN (%s) EXECUTE FUNCTION refuse_change()', frozen);
END $$;
ALTER TABLE statement_line SET (fillfactor = 50);
"""


def upgrade() -> None:
    _launches()
    _sources_and_keys()
    _usage()
    _statements()
    _disputes()
    for table in INSERT_ONLY:
        op.execute(APPEND_ONLY.format(table))
    op.execute(FROZEN)
    op.execute(CLOSES_WHEN_POSTED)


def _launches() -> None:
    op.create_table(
        "signing_key",
        sa.Column("kid", sa.Text(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("first_used_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_signing_key")),
    )
    op.create_table(
        "classroom_device",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=True),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("registered_by", sa.Text(), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["school_id"], ["organisation.id"], name=op.f("fk_classroom_device_school_id")
        ),
        sa.ForeignKeyConstraint(
            ["source_id"], ["usage_source.id"], name=op.f("fk_classroom_device_source_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_classroom_device")),
        sa.UniqueConstraint("code", name=op.f("uq_classroom_device_code")),
    )
    op.create_index(op.f("ix_classroom_device_school_id"), "classroom_device", ["school_id"])
    op.create_table(
        "launch",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("payer_id", sa.Uuid(), nullable=False),
        sa.Column("agreement_id", sa.Uuid(), nullable=False),
        sa.Column("vendor_id", sa.Uuid(), nullable=False),
        sa.Column("resource_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("learner_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("class_name", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("pseudonym", sa.Text(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=True),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('learner', 'class')", name=op.f("ck_launch_kind")),
        sa.CheckConstraint("expires_at > issued_at", name=op.f("ck_launch_order")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_launch")),
    )
    op.create_index("ix_launch_payer_issued", "launch", ["payer_id", "issued_at"])
    op.create_index("ix_launch_learner_issued", "launch", ["learner_id", "issued_at"])
    op.create_table(
        "launch_presence",
        sa.Column("launch_id", sa.Uuid(), nullable=False),
        sa.Column("beats", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("launch_id", name=op.f("pk_launch_presence")),
    )


def _sources_and_keys() -> None:
    op.add_column("usage_source", sa.Column("organisation_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_usage_source_organisation_id"),
        "usage_source",
        "organisation",
        ["organisation_id"],
        ["id"],
    )
    op.create_index(op.f("ix_usage_source_organisation_id"), "usage_source", ["organisation_id"])
    op.drop_constraint(op.f("ck_usage_source_trust"), "usage_source", type_="check")
    op.create_check_constraint(
        op.f("ck_usage_source_trust"),
        "usage_source",
        "trust IN ('player', 'attested', 'ticketed')",
    )
    op.add_column("api_key", sa.Column("public_key", sa.LargeBinary(), nullable=True))
    op.create_table(
        "idempotency",
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request_digest", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.BigInteger(), nullable=False),
        sa.Column("response", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("owner", "key", name=op.f("pk_idempotency")),
    )
    op.create_index(op.f("ix_idempotency_expires_at"), "idempotency", ["expires_at"])
    op.create_table(
        "rate_window",
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("owner", name=op.f("pk_rate_window")),
    )


def _usage() -> None:
    op.add_column(
        "usage_batch",
        sa.Column("channel", sa.Text(), nullable=False, server_default="file"),
    )
    op.alter_column("usage_batch", "channel", server_default=None)
    op.add_column("usage_batch", sa.Column("signature", sa.LargeBinary(), nullable=True))
    op.create_check_constraint(
        op.f("ck_usage_batch_channel"),
        "usage_batch",
        "channel IN ('file', 'api', 'player', 'package')",
    )
    op.add_column("usage_event", sa.Column("launch_id", sa.Uuid(), nullable=True))
    op.add_column(
        "usage_event",
        sa.Column("in_class", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.alter_column("usage_event", "in_class", server_default=None)
    op.add_column("usage_quarantine", sa.Column("launch_id", sa.Uuid(), nullable=True))
    op.add_column(
        "usage_quarantine", sa.Column("released_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.create_index(
        "ix_usage_quarantine_waiting",
        "usage_quarantine",
        ["launch_id"],
        postgresql_where=sa.text("launch_id IS NOT NULL AND released_at IS NULL"),
    )
    op.create_table(
        "late_use",
        sa.Column("payer_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("settled_in", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint(
            "payer_id", "month", "batch_id", "sequence", name=op.f("pk_late_use")
        ),
    )
    op.create_index(
        "ix_late_use_open", "late_use", ["payer_id"], postgresql_where=sa.text("settled_in IS NULL")
    )
    op.create_table(
        "sealed_school",
        sa.Column("payer_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("pupils", sa.BigInteger(), nullable=True),
        sa.Column("learners", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("payer_id", "month", "school_id", name=op.f("pk_sealed_school")),
    )
    op.create_table(
        "sealed_exclusion",
        sa.Column("payer_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("agreement_id", sa.Uuid(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "rule IN ('own-school', 'vendor-staff')", name=op.f("ck_sealed_exclusion_rule")
        ),
        sa.PrimaryKeyConstraint(
            "payer_id",
            "month",
            "rule",
            "agreement_id",
            "subject_id",
            name=op.f("pk_sealed_exclusion"),
        ),
    )
    op.create_table(
        "usage_archive",
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state IN ('detached', 'attached')", name=op.f("ck_usage_archive_state")
        ),
        sa.PrimaryKeyConstraint("month", name=op.f("pk_usage_archive")),
    )


def _statements() -> None:
    op.add_column(
        "statement_line", sa.Column("metric", sa.Text(), nullable=False, server_default="uses")
    )
    op.alter_column("statement_line", "metric", server_default=None)
    op.add_column(
        "statement_line",
        sa.Column("school_fen", sa.BigInteger(), nullable=False, server_default="0"),
    )
    op.alter_column("statement_line", "school_fen", server_default=None)
    for name in ("conserved", "not_negative"):
        op.drop_constraint(op.f(f"ck_statement_line_{name}"), "statement_line", type_="check")
    op.create_check_constraint(
        op.f("ck_statement_line_metric"),
        "statement_line",
        "metric IN ('uses', 'unique_uses', 'learners', 'class_sessions', 'periods')",
    )
    op.create_check_constraint(
        op.f("ck_statement_line_conserved"),
        "statement_line",
        "drawn_fen = vendor_fen + school_fen + fee_fen + retention_fen",
    )
    op.create_check_constraint(
        op.f("ck_statement_line_not_negative"),
        "statement_line",
        "kind = 'adjustment' OR (above_ceiling_fen >= 0 AND uncovered_fen >= 0 AND drawn_fen >= 0)",
    )
    op.drop_constraint(op.f("ck_statement_draw_amount"), "statement_draw", type_="check")
    op.create_check_constraint(
        op.f("ck_statement_draw_amount"), "statement_draw", "amount_fen <> 0"
    )
    op.drop_index("ix_statement_line_month_state", "statement_line")
    op.create_index("ix_statement_line_month", "statement_line", ["month"])
    op.execute(FROZEN_AMOUNTS)
    op.create_index(
        "ix_statement_line_negative",
        "statement_line",
        ["payer_id"],
        postgresql_where=sa.text("amount_fen < 0"),
    )


def _disputes() -> None:
    op.create_table(
        "dispute",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("payer_id", sa.Uuid(), nullable=False),
        sa.Column("line_id", sa.Uuid(), nullable=False),
        sa.Column("vendor_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("claim", sa.Text(), nullable=False),
        sa.Column("claimed_fen", sa.BigInteger(), nullable=False),
        sa.Column("evidence", postgresql.JSONB(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_by", sa.Text(), nullable=False),
        sa.Column("answer_by", sa.Date(), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_by", sa.Text(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("offered_fen", sa.BigInteger(), nullable=False),
        sa.Column("decide_by", sa.Date(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("credit_fen", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["line_id"], ["statement_line.id"], name=op.f("fk_dispute_line_id")
        ),
        sa.ForeignKeyConstraint(
            ["vendor_id"], ["organisation.id"], name=op.f("fk_dispute_vendor_id")
        ),
        sa.CheckConstraint("outcome IN ('dismissed', 'upheld')", name=op.f("ck_dispute_outcome")),
        sa.CheckConstraint(
            "(outcome IS NULL) = (decided_at IS NULL)", name=op.f("ck_dispute_decided")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dispute")),
        sa.UniqueConstraint("line_id", name=op.f("uq_dispute_line_id")),
    )
    op.create_index("ix_dispute_payer_opened", "dispute", ["payer_id", "opened_at"])
    op.create_index(op.f("ix_dispute_vendor_id"), "dispute", ["vendor_id"])
    op.create_table(
        "credit_note",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("payer_id", sa.Uuid(), nullable=False),
        sa.Column("line_id", sa.Uuid(), nullable=False),
        sa.Column("dispute_id", sa.Uuid(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("uncovered_fen", sa.BigInteger(), nullable=False),
        sa.Column("drawn_fen", sa.BigInteger(), nullable=False),
        sa.Column("vendor_fen", sa.BigInteger(), nullable=False),
        sa.Column("school_fen", sa.BigInteger(), nullable=False),
        sa.Column("fee_fen", sa.BigInteger(), nullable=False),
        sa.Column("retention_fen", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount_fen > 0", name=op.f("ck_credit_note_amount")),
        sa.CheckConstraint(
            "amount_fen = drawn_fen + uncovered_fen", name=op.f("ck_credit_note_billed")
        ),
        sa.CheckConstraint(
            "drawn_fen = vendor_fen + school_fen + fee_fen + retention_fen",
            name=op.f("ck_credit_note_conserved"),
        ),
        sa.ForeignKeyConstraint(
            ["line_id"], ["statement_line.id"], name=op.f("fk_credit_note_line_id")
        ),
        sa.ForeignKeyConstraint(
            ["dispute_id"], ["dispute.id"], name=op.f("fk_credit_note_dispute_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit_note")),
        sa.UniqueConstraint("number", name=op.f("uq_credit_note_number")),
        sa.UniqueConstraint("line_id", name=op.f("uq_credit_note_line_id")),
        sa.UniqueConstraint("dispute_id", name=op.f("uq_credit_note_dispute_id")),
    )
    op.create_index(op.f("ix_credit_note_payer_id"), "credit_note", ["payer_id"])
    op.create_table(
        "credit_draw",
        sa.Column("credit_note_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("funding_line_id", sa.Uuid(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount_fen > 0", name=op.f("ck_credit_draw_amount")),
        sa.ForeignKeyConstraint(
            ["credit_note_id"], ["credit_note.id"], name=op.f("fk_credit_draw_credit_note_id")
        ),
        sa.ForeignKeyConstraint(
            ["funding_line_id"], ["funding_line.id"], name=op.f("fk_credit_draw_funding_line_id")
        ),
        sa.PrimaryKeyConstraint("credit_note_id", "position", name=op.f("pk_credit_draw")),
    )
    op.create_index(op.f("ix_credit_draw_funding_line_id"), "credit_draw", ["funding_line_id"])
    op.create_table(
        "retention_release",
        sa.Column("line_id", sa.Uuid(), nullable=False),
        sa.Column("payer_id", sa.Uuid(), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("released_fen", sa.BigInteger(), nullable=False),
        sa.Column("forfeited_fen", sa.BigInteger(), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "released_fen = 0 OR forfeited_fen = 0", name=op.f("ck_retention_release_amounts")
        ),
        sa.ForeignKeyConstraint(
            ["line_id"], ["statement_line.id"], name=op.f("fk_retention_release_line_id")
        ),
        sa.PrimaryKeyConstraint("line_id", name=op.f("pk_retention_release")),
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER frozen_amounts ON statement_line")
    op.execute(
        "CREATE TRIGGER frozen_amounts BEFORE UPDATE ON statement_line FOR EACH ROW "
        "EXECUTE FUNCTION refuse_other_changes('state', 'confirmed_at', 'confirmed_by')"
    )
    op.drop_index("ix_statement_line_month", "statement_line")
    op.create_index("ix_statement_line_month_state", "statement_line", ["month", "state"])
    for table in (
        "retention_release",
        "credit_draw",
        "credit_note",
        "dispute",
        "usage_archive",
        "sealed_exclusion",
        "sealed_school",
        "late_use",
        "rate_window",
        "idempotency",
        "launch_presence",
        "launch",
        "classroom_device",
        "signing_key",
    ):
        op.drop_table(table)
    op.drop_index("ix_usage_quarantine_waiting", "usage_quarantine")
    op.drop_index("ix_statement_line_negative", "statement_line")
    op.execute("DROP TRIGGER closes_when_posted ON period")
    op.execute("DROP FUNCTION period_closes_when_posted()")
    for table, column in (
        ("usage_quarantine", "released_at"),
        ("usage_quarantine", "launch_id"),
        ("usage_event", "in_class"),
        ("usage_event", "launch_id"),
        ("usage_batch", "signature"),
        ("usage_batch", "channel"),
        ("api_key", "public_key"),
        ("usage_source", "organisation_id"),
        ("statement_line", "metric"),
        ("statement_line", "school_fen"),
    ):
        op.drop_column(table, column)
    op.create_check_constraint(
        op.f("ck_statement_line_conserved"),
        "statement_line",
        "drawn_fen = vendor_fen + fee_fen + retention_fen",
    )
    op.create_check_constraint(
        op.f("ck_statement_line_not_negative"),
        "statement_line",
        "above_ceiling_fen >= 0 AND uncovered_fen >= 0",
    )
    op.drop_constraint(op.f("ck_statement_draw_amount"), "statement_draw", type_="check")
    op.create_check_constraint(op.f("ck_statement_draw_amount"), "statement_draw", "amount_fen > 0")
    op.drop_constraint(op.f("ck_usage_source_trust"), "usage_source", type_="check")
    op.create_check_constraint(
        op.f("ck_usage_source_trust"), "usage_source", "trust IN ('player', 'attested')"
    )
