"""What payments left open: debts of lost disputes, collections paid late, treasuries' unknown rows.

A payer's debt is collected again (kind `recovery`); a collection that was declined may be paid all
the same; an unknown row of a treasury is dismissed with its reason, and stays. The operator says why
a bank account counts at once.
"""

import sqlalchemy as sa
from alembic import op

revision = "0044"
down_revision = "0042"
branch_labels = None
depends_on = None

KINDS = (
    *("collection", "transfer", "fee", "withholding", "order", "reversal", "fee_return"),
    *("withholding_return", "undone"),
)
PAID_LATE = """    IF OLD.state = 'failed' AND NEW.state = 'paid' AND (
        NEW.kind NOT IN ('collection', 'fee', 'withholding', 'recovery')
        OR NEW.paid_fen <> NEW.amount_fen)
    THEN
        RAISE EXCEPTION 'payment %: only a collection is paid after it failed', OLD.key
            USING ERRCODE = 'restrict_violation';
    END IF;
"""
FAILED = "\n        ('failed', 'ready'),"
"""In the table of states alone: what guards the attempt holds the pair, too, on a line of others."""
STEP = "\n        ('failed', 'paid'),"
BEFORE = "    IF NEW.taken_fen < OLD.taken_fen THEN"
DISPUTES = sa.text("kind IN ('charge.dispute.created', 'charge.dispute.closed')")
"""Where what a bank took back and decided is looked for by its dispute."""
KEPT = """
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON treasury_dismissal
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON treasury_dismissal
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""


def upgrade() -> None:
    _kinds((*KINDS, "recovery", "recovery_return", "refund"))
    _change((FAILED, FAILED + STEP), (BEFORE, PAID_LATE + BEFORE))
    op.create_index(
        "ix_gateway_event_disputes",
        "gateway_event",
        [sa.text("(body ->> 'id')")],
        postgresql_where=DISPUTES,
    )
    op.create_index(
        "ix_payment_recovery",
        "payment",
        ["payer_id"],
        postgresql_where=sa.text("kind IN ('recovery', 'recovery_return')"),
    )
    op.create_table(
        "treasury_dismissal",
        sa.Column("return_id", sa.Uuid(), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("dismissed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("dismissed_by", sa.Text(), nullable=False),
        sa.CheckConstraint("because <> ''", name=op.f("ck_treasury_dismissal_because")),
        sa.ForeignKeyConstraint(
            ["return_id"], ["treasury_return.id"], name=op.f("fk_treasury_dismissal_return_id")
        ),
        sa.PrimaryKeyConstraint("return_id", name=op.f("pk_treasury_dismissal")),
    )
    op.execute(KEPT)
    op.add_column(
        "bank_account", sa.Column("because", sa.Text(), nullable=False, server_default="")
    )
    op.alter_column("bank_account", "because", server_default=None)


def downgrade() -> None:
    recovered = op.get_bind().scalars(
        sa.text("SELECT key FROM payment WHERE kind = 'recovery' ORDER BY key LIMIT 5")
    )
    if keys := ", ".join(recovered):
        raise RuntimeError(f"can't go back: payments collect what payers owed again: {keys}")
    late = op.get_bind().scalars(
        sa.text(
            "SELECT key FROM payment p WHERE state = 'failed' AND failure = 'paid-late' "
            "AND kind = 'transfer' AND NOT EXISTS (SELECT FROM payment u WHERE u.undoes_id = p.id "
            "AND u.state NOT IN ('failed', 'withdrawn')) ORDER BY key LIMIT 5"
        )
    )
    if keys := ", ".join(late):
        raise RuntimeError(
            f"can't go back: these wait since their payers paid late; try them again, or take "
            f"them back, first: {keys}"
        )
    op.drop_column("bank_account", "because")
    op.drop_table("treasury_dismissal")  # what was dismissed waits again; the trail says why it was
    op.drop_index("ix_payment_recovery", table_name="payment")
    op.drop_index("ix_gateway_event_disputes", table_name="gateway_event")
    _change((FAILED + STEP, FAILED), (PAID_LATE + BEFORE, BEFORE))
    _kinds((*KINDS, "refund"))


def _change(*pairs: tuple[str, str]) -> None:
    """Put other words into what guards a payment's way, each in the one place where it stands."""
    found = op.get_bind().scalar(
        sa.text("SELECT pg_get_functiondef('payment_moves_forward()'::regprocedure)")
    )
    for before, after in pairs:
        if found.count(before) != 1:
            raise RuntimeError(f"payment_moves_forward() holds this not once: {before}")
        found = found.replace(before, after)
    op.get_bind().exec_driver_sql(found.replace("%", "%%"))


def _kinds(kinds: tuple[str, ...]) -> None:
    op.drop_constraint("ck_payment_kind", "payment")
    op.create_check_constraint(
        op.f("ck_payment_kind"), "payment", f"kind IN ({', '.join(repr(one) for one in kinds)})"
    )
