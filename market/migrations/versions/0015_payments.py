"""Payments: runs released by two people, payments that move forward only, the gateway's inbox."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

# A payment moves by the table of states, out of a proposal only once its run is released; what it
# is for and how much never changes, and an attempt is never forgotten.
MOVES_FORWARD = """
CREATE FUNCTION payment_moves_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> NEW.state AND (OLD.state, NEW.state) NOT IN (
        ('proposed', 'ready'),
        ('proposed', 'withdrawn'),
        ('ready', 'claimed'),
        ('ready', 'failed'),
        ('ready', 'paid'),
        ('ready', 'partial'),
        ('ready', 'returned'),
        ('ready', 'sent'),
        ('claimed', 'failed'),
        ('claimed', 'paid'),
        ('claimed', 'partial'),
        ('claimed', 'ready'),
        ('claimed', 'returned'),
        ('claimed', 'sent'),
        ('claimed', 'unknown'),
        ('sent', 'failed'),
        ('sent', 'paid'),
        ('sent', 'partial'),
        ('sent', 'returned'),
        ('unknown', 'failed'),
        ('unknown', 'paid'),
        ('unknown', 'ready'),
        ('unknown', 'returned'),
        ('unknown', 'sent'),
        ('partial', 'paid'),
        ('paid', 'returned'),
        ('failed', 'ready')
    ) THEN
        RAISE EXCEPTION 'payment %: % to % is refused', OLD.key, OLD.state, NEW.state
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.state = 'proposed' AND NEW.state = 'ready' AND NOT EXISTS (
        SELECT FROM payment_run r WHERE r.id = NEW.run_id AND r.state = 'released'
    ) THEN
        RAISE EXCEPTION 'payment %: its run is not released', OLD.key
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.attempt < OLD.attempt
       OR (NEW.paid_fen < OLD.paid_fen AND NEW.state <> 'returned') THEN
        RAISE EXCEPTION 'payment %: what was tried or paid is not taken back', OLD.key
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER moves_forward BEFORE UPDATE ON payment
    FOR EACH ROW EXECUTE FUNCTION payment_moves_forward();
CREATE FUNCTION payment_begins() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state <> 'proposed' OR NEW.paid_fen <> 0 THEN
        RAISE EXCEPTION 'payment %: begins as a proposal', NEW.key
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER begins BEFORE INSERT ON payment
    FOR EACH ROW EXECUTE FUNCTION payment_begins();
CREATE TRIGGER frozen_payment BEFORE UPDATE ON payment
    FOR EACH ROW EXECUTE FUNCTION refuse_other_changes(
        'state', 'attempt', 'paid_fen', 'gateway_id', 'failure', 'claimed_at', 'settled_at');
"""
# A run is decided once, by another than who proposed it.
DECIDED_ONCE = """
CREATE TRIGGER frozen_run BEFORE UPDATE ON payment_run
    FOR EACH ROW EXECUTE FUNCTION
    refuse_other_changes('state', 'decided_at', 'decided_by', 'decided_by_name', 'note');
CREATE TRIGGER decided_once BEFORE UPDATE ON payment_run
    FOR EACH ROW WHEN (OLD.state <> 'proposed') EXECUTE FUNCTION refuse_change();
CREATE TRIGGER frozen_hold BEFORE UPDATE ON payment_hold
    FOR EACH ROW EXECUTE FUNCTION refuse_other_changes('lifted_at', 'lifted_by');
CREATE TRIGGER lifted_once BEFORE UPDATE ON payment_hold
    FOR EACH ROW WHEN (OLD.lifted_at IS NOT NULL) EXECUTE FUNCTION refuse_change();
"""
APPEND_ONLY = """
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON {0}
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
"""
KEPT = """
CREATE TRIGGER refuse_delete BEFORE DELETE ON {0}
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
"""
WHOLE = """
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON {0}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""


def upgrade() -> None:
    op.create_table(
        "gateway_event",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('received', 'applied', 'ignored', 'parked')",
            name=op.f("ck_gateway_event_state"),
        ),
        sa.PrimaryKeyConstraint("provider", "event_id", name=op.f("pk_gateway_event")),
    )
    op.create_index(
        "ix_gateway_event_waiting",
        "gateway_event",
        ["state"],
        unique=False,
        postgresql_where=sa.text("state <> 'applied'"),
    )
    op.create_table(
        "sandbox_answer",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("status", sa.BigInteger(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_sandbox_answer")),
    )
    op.create_table(
        "sandbox_fault",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("fault", sa.Text(), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("times >= 0", name=op.f("ck_sandbox_fault_times")),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_sandbox_fault")),
    )
    op.create_table(
        "sandbox_message",
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("copies", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state IN ('waiting', 'delivered', 'withheld', 'given_up')",
            name=op.f("ck_sandbox_message_state"),
        ),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_sandbox_message")),
        sa.UniqueConstraint("sequence", name=op.f("uq_sandbox_message_sequence")),
    )
    op.create_index(
        "ix_sandbox_message_waiting",
        "sandbox_message",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_table(
        "sandbox_object",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sandbox_object")),
        sa.UniqueConstraint("sequence", name=op.f("uq_sandbox_object_sequence")),
    )
    op.create_index("ix_sandbox_object_kind", "sandbox_object", ["kind", "sequence"], unique=False)
    op.create_table(
        "gateway_party",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("gateway_id", sa.Text(), nullable=False),
        sa.Column("ready", sa.Boolean(), nullable=False),
        sa.Column("known_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("role IN ('payer', 'payee')", name=op.f("ck_gateway_party_role")),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_gateway_party_organisation_id")
        ),
        sa.PrimaryKeyConstraint("organisation_id", "role", name=op.f("pk_gateway_party")),
        sa.UniqueConstraint("gateway_id", name=op.f("uq_gateway_party_gateway_id")),
    )
    op.create_table(
        "payment_hold",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("payee_id", sa.Uuid(), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("placed_by", sa.Text(), nullable=False),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lifted_by", sa.Text(), nullable=False),
        sa.CheckConstraint("because <> ''", name=op.f("ck_payment_hold_because")),
        sa.ForeignKeyConstraint(
            ["payee_id"], ["organisation.id"], name=op.f("fk_payment_hold_payee_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_hold")),
    )
    op.create_index(op.f("ix_payment_hold_payee_id"), "payment_hold", ["payee_id"], unique=False)
    op.create_index(
        "ux_payment_hold_open",
        "payment_hold",
        ["payee_id"],
        unique=True,
        postgresql_where=sa.text("lifted_at IS NULL"),
    )
    op.create_table(
        "payment_run",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("bureau_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("proposed_by", sa.Uuid(), nullable=False),
        sa.Column("proposed_by_name", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("decided_by_name", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "(state = 'proposed') = (decided_at IS NULL)", name=op.f("ck_payment_run_decided")
        ),
        sa.CheckConstraint("method IN ('gateway', 'treasury')", name=op.f("ck_payment_run_method")),
        sa.CheckConstraint(
            "purpose = 'pay' OR method = 'gateway'", name=op.f("ck_payment_run_refund")
        ),
        sa.CheckConstraint("purpose IN ('pay', 'refund')", name=op.f("ck_payment_run_purpose")),
        sa.CheckConstraint(
            "state IN ('proposed', 'released', 'returned', 'withdrawn')",
            name=op.f("ck_payment_run_state"),
        ),
        sa.CheckConstraint(
            "state IN ('proposed', 'withdrawn') OR (decided_by IS NOT NULL AND decided_by <> proposed_by)",
            name=op.f("ck_payment_run_two_people"),
        ),
        sa.ForeignKeyConstraint(
            ["bureau_id"], ["organisation.id"], name=op.f("fk_payment_run_bureau_id")
        ),
        sa.ForeignKeyConstraint(
            ["decided_by"], ["person.id"], name=op.f("fk_payment_run_decided_by")
        ),
        sa.ForeignKeyConstraint(
            ["proposed_by"], ["person.id"], name=op.f("fk_payment_run_proposed_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_run")),
        sa.UniqueConstraint("number", name=op.f("uq_payment_run_number")),
    )
    op.create_index(op.f("ix_payment_run_bureau_id"), "payment_run", ["bureau_id"], unique=False)
    op.create_table(
        "payment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("payer_id", sa.Uuid(), nullable=False),
        sa.Column("payee_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("paid_fen", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("gateway_id", sa.Text(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "kind IN ('collection', 'transfer', 'fee', 'order', 'reversal', 'fee_return', 'refund')",
            name=op.f("ck_payment_kind"),
        ),
        sa.CheckConstraint(
            "state <> 'paid' OR paid_fen = amount_fen", name=op.f("ck_payment_paid")
        ),
        sa.CheckConstraint("state <> 'partial' OR paid_fen > 0", name=op.f("ck_payment_partial")),
        sa.CheckConstraint(
            "state IN ('proposed', 'ready', 'claimed', 'sent', 'unknown', 'partial', 'paid', 'failed', 'returned', 'withdrawn')",
            name=op.f("ck_payment_state"),
        ),
        sa.CheckConstraint("amount_fen > 0", name=op.f("ck_payment_amount")),
        sa.CheckConstraint("attempt > 0", name=op.f("ck_payment_attempt")),
        sa.CheckConstraint("paid_fen BETWEEN 0 AND amount_fen", name=op.f("ck_payment_paid_fen")),
        sa.ForeignKeyConstraint(
            ["payer_id"], ["organisation.id"], name=op.f("fk_payment_payer_id")
        ),
        sa.ForeignKeyConstraint(["run_id"], ["payment_run.id"], name=op.f("fk_payment_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment")),
        sa.UniqueConstraint("key", name=op.f("uq_payment_key")),
    )
    op.create_index(op.f("ix_payment_gateway_id"), "payment", ["gateway_id"], unique=False)
    op.create_index(op.f("ix_payment_payee_id"), "payment", ["payee_id"], unique=False)
    op.create_index(op.f("ix_payment_payer_id"), "payment", ["payer_id"], unique=False)
    op.create_index(op.f("ix_payment_run_id"), "payment", ["run_id"], unique=False)
    op.create_index(
        "ix_payment_under_way",
        "payment",
        ["state"],
        unique=False,
        postgresql_where=sa.text("state IN ('ready', 'claimed', 'unknown', 'sent')"),
    )
    op.create_index(
        "ux_payment_one_side",
        "payment",
        ["run_id", "payer_id"],
        unique=True,
        postgresql_where=sa.text("kind IN ('collection', 'refund')"),
    )
    op.create_table(
        "payment_item",
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("line_id", sa.Uuid(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount_fen <> 0", name=op.f("ck_payment_item_amount")),
        sa.ForeignKeyConstraint(
            ["line_id"], ["funding_line.id"], name=op.f("fk_payment_item_line_id")
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payment.id"], name=op.f("fk_payment_item_payment_id")
        ),
        sa.PrimaryKeyConstraint("payment_id", "line_id", name=op.f("pk_payment_item")),
    )
    op.create_table(
        "treasury_return",
        sa.Column("order_no", sa.Text(), nullable=False),
        sa.Column("voucher_no", sa.Text(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=True),
        sa.Column("bureau_id", sa.Uuid(), nullable=True),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("read_by", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "(payment_id IS NULL) = (outcome = 'unknown')", name=op.f("ck_treasury_return_matched")
        ),
        sa.CheckConstraint(
            "outcome IN ('matched', 'partial', 'returned', 'unknown')",
            name=op.f("ck_treasury_return_outcome"),
        ),
        sa.CheckConstraint(
            "result IN ('paid', 'returned')", name=op.f("ck_treasury_return_result")
        ),
        sa.ForeignKeyConstraint(
            ["bureau_id"], ["organisation.id"], name=op.f("fk_treasury_return_bureau_id")
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payment.id"], name=op.f("fk_treasury_return_payment_id")
        ),
        sa.PrimaryKeyConstraint("order_no", "voucher_no", name=op.f("pk_treasury_return")),
    )
    op.create_index(
        op.f("ix_treasury_return_bureau_id"), "treasury_return", ["bureau_id"], unique=False
    )
    op.create_index(
        op.f("ix_treasury_return_payment_id"), "treasury_return", ["payment_id"], unique=False
    )
    op.create_table(
        "fapiao",
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("statement_id", sa.Uuid(), nullable=False),
        sa.Column("vendor_id", sa.Uuid(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("corrects", sa.Text(), nullable=True),
        sa.Column("credit_note_id", sa.Uuid(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "(kind = 'red') = (corrects IS NOT NULL)", name=op.f("ck_fapiao_corrects")
        ),
        sa.CheckConstraint(
            "kind = 'red' OR credit_note_id IS NULL", name=op.f("ck_fapiao_credit_note")
        ),
        sa.CheckConstraint("kind IN ('blue', 'red')", name=op.f("ck_fapiao_kind")),
        sa.CheckConstraint("number ~ '^[0-9]{20}$'", name=op.f("ck_fapiao_number")),
        sa.CheckConstraint("amount_fen > 0", name=op.f("ck_fapiao_amount")),
        sa.ForeignKeyConstraint(["corrects"], ["fapiao.number"], name=op.f("fk_fapiao_corrects")),
        sa.ForeignKeyConstraint(
            ["credit_note_id"], ["credit_note.id"], name=op.f("fk_fapiao_credit_note_id")
        ),
        sa.ForeignKeyConstraint(
            ["statement_id"], ["statement.id"], name=op.f("fk_fapiao_statement_id")
        ),
        sa.ForeignKeyConstraint(
            ["vendor_id"], ["organisation.id"], name=op.f("fk_fapiao_vendor_id")
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_fapiao")),
    )
    op.create_index(op.f("ix_fapiao_corrects"), "fapiao", ["corrects"], unique=False)
    op.create_index(op.f("ix_fapiao_credit_note_id"), "fapiao", ["credit_note_id"], unique=False)
    op.create_index(
        "ix_fapiao_statement_vendor", "fapiao", ["statement_id", "vendor_id"], unique=False
    )
    op.create_index(op.f("ix_fapiao_vendor_id"), "fapiao", ["vendor_id"], unique=False)
    op.execute(MOVES_FORWARD)
    op.execute(DECIDED_ONCE)
    for name in ("payment_item", "treasury_return", "fapiao"):
        op.execute(APPEND_ONLY.format(name) + WHOLE.format(name))
    for name in ("payment", "payment_run", "payment_hold", "gateway_event"):
        op.execute(KEPT.format(name) + WHOLE.format(name))


def downgrade() -> None:
    op.drop_table("fapiao")
    op.drop_table("treasury_return")
    op.drop_table("payment_item")
    op.drop_table("payment")
    op.drop_table("payment_run")
    op.drop_table("payment_hold")
    op.drop_table("gateway_party")
    op.drop_table("sandbox_object")
    op.drop_table("sandbox_message")
    op.drop_table("sandbox_fault")
    op.drop_table("sandbox_answer")
    op.drop_table("gateway_event")
    op.execute("DROP FUNCTION payment_moves_forward")
    op.execute("DROP FUNCTION payment_begins")
