"""What a treasury returned and no order explains stands in no other row's way.

A row was told apart by its order and voucher alone: one that was kept as unknown took the place of
the true one. Only matched rows are one for each order and voucher now; unknown ones are each
bureau's own.
"""

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

TWICE = sa.text(
    "SELECT order_no, voucher_no FROM treasury_return GROUP BY order_no, voucher_no "
    "HAVING count(*) > 1 ORDER BY order_no, voucher_no"
)


def upgrade() -> None:
    op.drop_constraint("pk_treasury_return", "treasury_return")
    op.add_column(
        "treasury_return",
        sa.Column("id", sa.Uuid(), nullable=False, server_default=sa.text("gen_random_uuid()")),
    )
    op.alter_column("treasury_return", "id", server_default=None)
    op.create_primary_key("pk_treasury_return", "treasury_return", ["id"])
    op.create_index(
        "ux_treasury_return_matched",
        "treasury_return",
        ["order_no", "voucher_no"],
        unique=True,
        postgresql_where=sa.text("outcome <> 'unknown'"),
    )
    op.create_index(
        "ux_treasury_return_unknown",
        "treasury_return",
        ["order_no", "voucher_no", "bureau_id", "result", "amount_fen"],
        unique=True,
        postgresql_where=sa.text("outcome = 'unknown'"),
        postgresql_nulls_not_distinct=True,
    )


def downgrade() -> None:
    twice = op.get_bind().execute(TWICE).all()
    if twice:
        rows = ", ".join(f"{order_no} {voucher_no}" for order_no, voucher_no in twice)
        raise RuntimeError(f"treasury rows that the revision before does not tell apart: {rows}")
    op.drop_index("ux_treasury_return_unknown", "treasury_return")
    op.drop_index("ux_treasury_return_matched", "treasury_return")
    op.drop_constraint("pk_treasury_return", "treasury_return")
    op.drop_column("treasury_return", "id")
    op.create_primary_key("pk_treasury_return", "treasury_return", ["order_no", "voucher_no"])
