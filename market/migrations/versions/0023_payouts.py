"""Payouts: bank accounts, tax withheld, what a payment is of, payouts to banks, tables of rates."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

KINDS = (
    "kind IN ('collection', 'transfer', 'fee', 'withholding', 'order', 'reversal', "
    "'fee_return', 'withholding_return', 'undone', 'refund')"
)
STATES = (
    "state IN ('proposed', 'ready', 'claimed', 'sent', 'unknown', 'partial', 'cut', 'paid', "
    "'failed', 'returned', 'withdrawn')"
)
KINDS_BEFORE = (
    "kind IN ('collection', 'transfer', 'fee', 'order', 'reversal', 'fee_return', 'refund')"
)
STATES_BEFORE = (
    "state IN ('proposed', 'ready', 'claimed', 'sent', 'unknown', 'partial', 'paid', "
    "'failed', 'returned', 'withdrawn')"
)
# As before, and what is paid in part may end there: its rest is due again.
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
        ('partial', 'paid'),{cut}
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
# A payout moves by the table of states; what it is of and how much never changes.
PAYOUT_MOVES = """
CREATE FUNCTION payout_moves_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> NEW.state AND (OLD.state, NEW.state) NOT IN (
        ('ready', 'claimed'),
        ('ready', 'failed'),
        ('ready', 'paid'),
        ('ready', 'sent'),
        ('claimed', 'failed'),
        ('claimed', 'paid'),
        ('claimed', 'ready'),
        ('claimed', 'sent'),
        ('claimed', 'unknown'),
        ('unknown', 'failed'),
        ('unknown', 'paid'),
        ('unknown', 'ready'),
        ('unknown', 'sent'),
        ('sent', 'failed'),
        ('sent', 'paid'),
        ('paid', 'failed')
    ) OR NEW.attempt < OLD.attempt OR NEW.answered_at IS NULL AND OLD.answered_at IS NOT NULL THEN
        RAISE EXCEPTION 'payout %: % to % is refused', OLD.key, OLD.state, NEW.state
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER moves_forward BEFORE UPDATE ON bank_payout
    FOR EACH ROW EXECUTE FUNCTION payout_moves_forward();
CREATE TRIGGER frozen_payout BEFORE UPDATE ON bank_payout
    FOR EACH ROW EXECUTE FUNCTION refuse_other_changes(
        'state', 'attempt', 'gateway_id', 'failure', 'claimed_at', 'arrives_on', 'settled_at',
        'answered_at');
"""
# A movement stands in one payout that has not failed, of its own payee, as the sign it has there.
CARRIED_ONCE = """
CREATE FUNCTION carried_on_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM payment p JOIN bank_payout o ON o.id = NEW.payout_id
        WHERE p.id = NEW.payment_id AND p.payee_id = o.payee_id AND p.state = 'paid'
            AND (p.kind, NEW.amount_fen) IN
                (('transfer', p.amount_fen), ('reversal', -p.amount_fen))
    ) OR EXISTS (
        SELECT FROM bank_payout_item i JOIN bank_payout o ON o.id = i.payout_id
        WHERE i.payment_id = NEW.payment_id AND i.payout_id <> NEW.payout_id
            AND o.state <> 'failed'
    ) THEN
        RAISE EXCEPTION 'payment %: it is not there, or stands in another payout', NEW.payment_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER carried_on_once BEFORE INSERT ON bank_payout_item
    FOR EACH ROW EXECUTE FUNCTION carried_on_once();
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
        "bank_account",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("bank", sa.Text(), nullable=False),
        sa.Column("branch_code", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.CheckConstraint("holder <> '' AND bank <> ''", name=op.f("ck_bank_account_holder")),
        sa.CheckConstraint("number ~ '^[0-9]{8,30}$'", name=op.f("ck_bank_account_number")),
        sa.CheckConstraint(
            "branch_code ~ '^([0-9]{12})?$'", name=op.f("ck_bank_account_branch_code")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_bank_account_organisation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bank_account")),
    )
    op.create_index(
        op.f("ix_bank_account_organisation_id"), "bank_account", ["organisation_id"], unique=False
    )
    op.create_table(
        "payment_part",
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("line_id", sa.Uuid(), nullable=False),
        sa.Column("agreement_id", sa.Uuid(), nullable=False),
        sa.Column("of_month", sa.Date(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount_fen <> 0", name=op.f("ck_payment_part_amount")),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payment.id"], name=op.f("fk_payment_part_payment_id")
        ),
        sa.ForeignKeyConstraint(
            ["line_id"], ["funding_line.id"], name=op.f("fk_payment_part_line_id")
        ),
        sa.ForeignKeyConstraint(
            ["agreement_id"], ["agreement.id"], name=op.f("fk_payment_part_agreement_id")
        ),
        sa.PrimaryKeyConstraint(
            "payment_id", "line_id", "agreement_id", "of_month", name=op.f("pk_payment_part")
        ),
    )
    op.create_table(
        "withholding",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("payee_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("earlier_fen", sa.BigInteger(), nullable=False),
        sa.Column("earlier_tax_fen", sa.BigInteger(), nullable=False),
        sa.Column("income_fen", sa.BigInteger(), nullable=False),
        sa.Column("tax_fen", sa.BigInteger(), nullable=False),
        sa.Column("steps", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.CheckConstraint("income_fen > 0", name=op.f("ck_withholding_income")),
        sa.CheckConstraint("tax_fen BETWEEN 0 AND income_fen", name=op.f("ck_withholding_tax")),
        sa.CheckConstraint(
            "earlier_fen >= 0 AND earlier_tax_fen >= 0", name=op.f("ck_withholding_earlier")
        ),
        sa.ForeignKeyConstraint(["run_id"], ["payment_run.id"], name=op.f("fk_withholding_run_id")),
        sa.ForeignKeyConstraint(
            ["payee_id"], ["organisation.id"], name=op.f("fk_withholding_payee_id")
        ),
        sa.PrimaryKeyConstraint("run_id", "payee_id", name=op.f("pk_withholding")),
    )
    op.create_index("ix_withholding_month", "withholding", ["month", "payee_id"], unique=False)
    op.create_table(
        "bank_payout",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("payee_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("gateway_id", sa.Text(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("arrives_on", sa.Date(), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("amount_fen > 0", name=op.f("ck_bank_payout_amount")),
        sa.CheckConstraint("attempt > 0", name=op.f("ck_bank_payout_attempt")),
        sa.CheckConstraint(
            "state IN ('ready', 'claimed', 'unknown', 'sent', 'paid', 'failed')",
            name=op.f("ck_bank_payout_state"),
        ),
        sa.ForeignKeyConstraint(
            ["payee_id"], ["organisation.id"], name=op.f("fk_bank_payout_payee_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bank_payout")),
        sa.UniqueConstraint("key", name=op.f("uq_bank_payout_key")),
        sa.UniqueConstraint("payee_id", "number", name=op.f("uq_bank_payout_payee_id_number")),
    )
    op.create_index(op.f("ix_bank_payout_gateway_id"), "bank_payout", ["gateway_id"], unique=False)
    op.create_index(
        "ux_bank_payout_under_way",
        "bank_payout",
        ["payee_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('ready', 'claimed', 'unknown')"),
    )
    op.create_table(
        "bank_payout_item",
        sa.Column("payout_id", sa.Uuid(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount_fen <> 0", name=op.f("ck_bank_payout_item_amount")),
        sa.ForeignKeyConstraint(
            ["payout_id"], ["bank_payout.id"], name=op.f("fk_bank_payout_item_payout_id")
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payment.id"], name=op.f("fk_bank_payout_item_payment_id")
        ),
        sa.PrimaryKeyConstraint("payout_id", "payment_id", name=op.f("pk_bank_payout_item")),
    )
    op.create_index(
        op.f("ix_bank_payout_item_payment_id"), "bank_payout_item", ["payment_id"], unique=False
    )
    op.create_table(
        "rate_table",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("region_code", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('withholding', 'credits')", name=op.f("ck_rate_table_kind")),
        sa.CheckConstraint("version <> '' AND source <> ''", name=op.f("ck_rate_table_named")),
        sa.ForeignKeyConstraint(
            ["region_code"], ["region.code"], name=op.f("fk_rate_table_region_code")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rate_table")),
        sa.UniqueConstraint("kind", "version", name=op.f("uq_rate_table_kind_version")),
    )
    op.create_index(
        "ix_rate_table_in_force", "rate_table", ["kind", "region_code", "valid_from"], unique=False
    )
    op.add_column("payment", sa.Column("account_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_payment_account_id"), "payment", "bank_account", ["account_id"], ["id"]
    )
    op.add_column("payment", sa.Column("undoes_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(op.f("fk_payment_undoes_id"), "payment", "payment", ["undoes_id"], ["id"])
    op.create_check_constraint(
        op.f("ck_payment_undoes"), "payment", "kind <> 'undone' OR undoes_id IS NOT NULL"
    )
    op.create_index(
        "ux_payment_undone_once",
        "payment",
        ["undoes_id"],
        unique=True,
        postgresql_where=sa.text("kind = 'undone' AND state NOT IN ('failed', 'withdrawn')"),
    )
    _checks(KINDS, STATES, "state NOT IN ('partial', 'cut') OR paid_fen > 0")
    op.add_column("sandbox_object", sa.Column("account", sa.Text(), nullable=True))
    op.drop_index("ix_sandbox_object_kind", "sandbox_object")
    op.create_index(
        "ix_sandbox_object_kind", "sandbox_object", ["kind", "account", "sequence"], unique=False
    )
    op.execute(MOVES_FORWARD.replace("{cut}", "\n        ('partial', 'cut'),"))
    op.execute(PAYOUT_MOVES + CARRIED_ONCE)
    for name in ("bank_account", "payment_part", "withholding", "bank_payout_item", "rate_table"):
        op.execute(APPEND_ONLY.format(name) + WHOLE.format(name))
    op.execute(KEPT.format("bank_payout") + WHOLE.format("bank_payout"))


def _checks(kinds: str, states: str, partial: str) -> None:
    for name, check in (("kind", kinds), ("state", states), ("partial", partial)):
        op.drop_constraint(op.f(f"ck_payment_{name}"), "payment", type_="check")
        op.create_check_constraint(op.f(f"ck_payment_{name}"), "payment", check)


def downgrade() -> None:
    op.execute(MOVES_FORWARD.replace("{cut}", ""))
    op.drop_index("ix_sandbox_object_kind", "sandbox_object")
    op.create_index("ix_sandbox_object_kind", "sandbox_object", ["kind", "sequence"], unique=False)
    op.drop_column("sandbox_object", "account")
    _checks(KINDS_BEFORE, STATES_BEFORE, "state <> 'partial' OR paid_fen > 0")
    op.drop_constraint(op.f("fk_payment_account_id"), "payment", type_="foreignkey")
    op.drop_column("payment", "account_id")
    op.drop_index("ux_payment_undone_once", "payment")
    op.drop_constraint(op.f("ck_payment_undoes"), "payment", type_="check")
    op.drop_constraint(op.f("fk_payment_undoes_id"), "payment", type_="foreignkey")
    op.drop_column("payment", "undoes_id")
    for name in (
        *("rate_table", "bank_payout_item", "bank_payout", "withholding", "payment_part"),
        "bank_account",
    ):
        op.drop_table(name)
    op.execute("DROP FUNCTION payout_moves_forward")
    op.execute("DROP FUNCTION carried_on_once")
