"""The running estimate of what months that are not stated yet use of each ceiling."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ceiling_estimate",
        sa.Column("payer_id", sa.Uuid(), nullable=False),
        sa.Column("agreement_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("ceiling_use", sa.String(), nullable=False),
        sa.Column("estimated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "ceiling_use IN ('within', 'nearly_used', 'used_up')",
            name=op.f("ck_ceiling_estimate_ceiling_use"),
        ),
        sa.ForeignKeyConstraint(
            ["agreement_id"],
            ["agreement.id"],
            name=op.f("fk_ceiling_estimate_agreement_id_agreement"),
        ),
        sa.PrimaryKeyConstraint(
            "payer_id", "agreement_id", "month", name=op.f("pk_ceiling_estimate")
        ),
    )
    op.create_index(op.f("ix_ceiling_estimate_agreement_id"), "ceiling_estimate", ["agreement_id"])


def downgrade() -> None:
    op.drop_table("ceiling_estimate")
