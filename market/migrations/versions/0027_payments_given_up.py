"""Payments after failures: reversals given up, returns of a part, transfers that may be undone."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

# As before, and: a reversal that failed is given up, with what hangs on it; what a treasury paid
# comes back as a whole or in part; a transfer that goes back to its payer is not tried again.
MOVES_FORWARD = """
CREATE OR REPLACE FUNCTION payment_moves_forward() RETURNS trigger LANGUAGE plpgsql AS $$
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
        ('ready', 'withdrawn'),
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
        ('partial', 'cut'),
        ('partial', 'returned'),
        ('cut', 'returned'),
        ('paid', 'cut'),
        ('paid', 'returned'),
        ('failed', 'ready'),
        ('failed', 'withdrawn')
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
    IF OLD.state = 'failed' AND NEW.state = 'withdrawn' AND NEW.kind <> 'reversal'
       OR OLD.state = 'ready' AND NEW.state = 'withdrawn' AND NOT (
           NEW.kind IN ('refund', 'withholding_return') AND EXISTS (
               SELECT FROM payment r WHERE r.run_id = NEW.run_id AND r.payer_id = NEW.payer_id
                   AND r.kind = 'reversal' AND r.state IN ('failed', 'withdrawn')
                   AND (NEW.kind = 'refund' OR r.payee_id = NEW.payee_id)))
    THEN
        RAISE EXCEPTION 'payment %: what was released is not withdrawn', OLD.key
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.state IN ('paid', 'partial', 'cut') AND NEW.state = 'cut' AND NEW.kind NOT IN
           ('order', 'withholding')
       OR OLD.state = 'cut' AND NEW.state = 'cut' AND NEW.paid_fen > OLD.paid_fen
    THEN
        RAISE EXCEPTION 'payment %: only a treasury''s order is cut', OLD.key
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.state = 'failed' AND NEW.state = 'ready' AND EXISTS (
        SELECT FROM payment u WHERE u.undoes_id = NEW.id AND u.state NOT IN ('failed', 'withdrawn')
    ) THEN
        RAISE EXCEPTION 'payment %: it goes back to its payer', OLD.key
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.attempt < OLD.attempt
       OR (NEW.paid_fen < OLD.paid_fen AND NEW.state NOT IN ('returned', 'cut')) THEN
        RAISE EXCEPTION 'payment %: what was tried or paid is not taken back', OLD.key
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
"""
MOVES_FORWARD_BEFORE = """
CREATE OR REPLACE FUNCTION payment_moves_forward() RETURNS trigger LANGUAGE plpgsql AS $$
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
        ('partial', 'cut'),
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
"""
# A transfer goes back only once it has failed, and to whom it came from.
BEGINS = """
CREATE OR REPLACE FUNCTION payment_begins() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state <> 'proposed' OR NEW.paid_fen <> 0 THEN
        RAISE EXCEPTION 'payment %: begins as a proposal', NEW.key
            USING ERRCODE = 'restrict_violation';
    END IF;{undone}
    RETURN NEW;
END $$;
"""
UNDONE = """
    IF NEW.kind = 'undone' THEN
        PERFORM FROM payment t
        WHERE t.id = NEW.undoes_id AND t.kind = 'transfer' AND t.state = 'failed'
            AND t.payer_id = NEW.payer_id AND t.payee_id = NEW.payee_id
            AND t.amount_fen = NEW.amount_fen
        FOR SHARE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'payment %: what it undoes has not failed', NEW.key
                USING ERRCODE = 'restrict_violation';
        END IF;
    END IF;"""
REMITTED = """
CREATE TRIGGER frozen_remittance BEFORE UPDATE ON tax_remittance
    FOR EACH ROW EXECUTE FUNCTION
    refuse_other_changes('state', 'decided_at', 'decided_by', 'decided_by_name', 'note');
CREATE TRIGGER decided_once BEFORE UPDATE ON tax_remittance
    FOR EACH ROW WHEN (OLD.state <> 'proposed') EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_delete BEFORE DELETE ON tax_remittance
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON tax_remittance
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""
ONE_SIDE = "kind IN ('collection', 'refund')"


def upgrade() -> None:
    op.execute(MOVES_FORWARD)
    op.execute(BEGINS.replace("{undone}", UNDONE))
    _one_side(f"{ONE_SIDE} AND state <> 'withdrawn'")

    op.add_column(
        "payment_item",
        sa.Column("taxed_before_fen", sa.BigInteger(), nullable=False, server_default="0"),
    )
    op.alter_column("payment_item", "taxed_before_fen", server_default=None)
    op.create_check_constraint(
        op.f("ck_payment_item_taxed_before"),
        "payment_item",
        "taxed_before_fen BETWEEN 0 AND GREATEST(amount_fen, 0)",
    )
    # Nobody knows of the accounts that were opened before: each is looked at by the next sweep.
    op.add_column(
        "gateway_party",
        sa.Column("by_hand", sa.Boolean(), nullable=False, server_default="false"),
    )
    op.alter_column("gateway_party", "by_hand", server_default=None)
    op.create_table(
        "tax_remittance",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("bureau_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("paid_on", sa.Date(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("proposed_by", sa.Uuid(), nullable=False),
        sa.Column("proposed_by_name", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("decided_by_name", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.CheckConstraint("amount_fen > 0", name=op.f("ck_tax_remittance_amount")),
        sa.CheckConstraint("reference <> ''", name=op.f("ck_tax_remittance_reference")),
        sa.CheckConstraint(
            "state IN ('proposed', 'recorded', 'returned', 'withdrawn')",
            name=op.f("ck_tax_remittance_state"),
        ),
        sa.CheckConstraint(
            "(state = 'proposed') = (decided_at IS NULL)", name=op.f("ck_tax_remittance_decided")
        ),
        sa.CheckConstraint(
            "state IN ('proposed', 'withdrawn') "
            "OR (decided_by IS NOT NULL AND decided_by <> proposed_by)",
            name=op.f("ck_tax_remittance_two_people"),
        ),
        sa.ForeignKeyConstraint(
            ["bureau_id"], ["organisation.id"], name=op.f("fk_tax_remittance_bureau_id")
        ),
        sa.ForeignKeyConstraint(
            ["proposed_by"], ["person.id"], name=op.f("fk_tax_remittance_proposed_by")
        ),
        sa.ForeignKeyConstraint(
            ["decided_by"], ["person.id"], name=op.f("fk_tax_remittance_decided_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tax_remittance")),
        sa.UniqueConstraint("number", name=op.f("uq_tax_remittance_number")),
    )
    op.create_index(
        op.f("ix_tax_remittance_bureau_id"), "tax_remittance", ["bureau_id"], unique=False
    )
    op.create_index(
        "ux_tax_remittance_reference",
        "tax_remittance",
        ["reference"],
        unique=True,
        postgresql_where=sa.text("state IN ('proposed', 'recorded')"),
    )
    op.execute(REMITTED)


def _one_side(where: str) -> None:
    op.drop_index("ux_payment_one_side", "payment")
    op.create_index(
        "ux_payment_one_side",
        "payment",
        ["run_id", "payer_id"],
        unique=True,
        postgresql_where=sa.text(where),
    )


def downgrade() -> None:
    op.drop_table("tax_remittance")
    op.drop_column("gateway_party", "by_hand")
    op.drop_constraint(op.f("ck_payment_item_taxed_before"), "payment_item", type_="check")
    op.drop_column("payment_item", "taxed_before_fen")
    _one_side(ONE_SIDE)
    op.execute(BEGINS.replace("{undone}", ""))
    op.execute(MOVES_FORWARD_BEFORE)
