"""What was given up is closed at the gateway; a run keeps whom it left out, and why."""

import sqlalchemy as sa
from alembic import op

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None

KEPT = """
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""


def upgrade() -> None:
    op.create_table(
        "payment_closing",
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("gateway_id", sa.Text(), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payment.id"], name=op.f("fk_payment_closing_payment_id")
        ),
        sa.PrimaryKeyConstraint("payment_id", name=op.f("pk_payment_closing")),
    )
    op.create_index(
        "ix_payment_given_up",
        "payment",
        ["id"],
        postgresql_where=sa.text("kind = 'collection' AND state = 'failed'"),
    )
    op.create_table(
        "payment_omission",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("payer_id", sa.Uuid(), nullable=False),
        sa.Column("payee_id", sa.Uuid(), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("because <> ''", name=op.f("ck_payment_omission_because")),
        sa.ForeignKeyConstraint(
            ["run_id"], ["payment_run.id"], name=op.f("fk_payment_omission_run_id")
        ),
        sa.ForeignKeyConstraint(
            ["payer_id"], ["organisation.id"], name=op.f("fk_payment_omission_payer_id")
        ),
        sa.PrimaryKeyConstraint(
            "run_id", "payer_id", "payee_id", "because", name=op.f("pk_payment_omission")
        ),
    )
    for table in ("payment_closing", "payment_omission"):
        op.execute(KEPT.format(table=table))


def downgrade() -> None:
    op.drop_table("payment_omission")
    op.drop_index("ix_payment_given_up", table_name="payment")
    op.drop_table("payment_closing")  # what is closed is so at the gateway; the trail says it, too
