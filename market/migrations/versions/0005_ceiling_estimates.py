"""The running estimate of each ceiling; failures to sign in are kept for any login."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
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
        sa.Column("ceiling_use", sa.Text(), nullable=False),
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
    op.create_table(
        "sign_in_failures",
        sa.Column("login_digest", sa.LargeBinary(), nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rests_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("login_digest", name=op.f("pk_sign_in_failures")),
    )
    op.create_index(op.f("ix_sign_in_failures_last_at"), "sign_in_failures", ["last_at"])
    # A login that rests now goes on resting.
    op.execute(
        "INSERT INTO sign_in_failures (login_digest, failures, last_at, rests_until) "
        "SELECT sha256(convert_to(login, 'UTF8')), failures, now(), rests_until "
        "FROM credential WHERE failures > 0"
    )
    op.drop_column("credential", "failures")
    op.drop_column("credential", "rests_until")


def downgrade() -> None:
    op.add_column(
        "credential", sa.Column("failures", sa.BigInteger(), nullable=False, server_default="0")
    )
    op.alter_column("credential", "failures", server_default=None)
    op.add_column("credential", sa.Column("rests_until", sa.DateTime(timezone=True), nullable=True))
    op.execute(
        "UPDATE credential c SET failures = f.failures, rests_until = f.rests_until "
        "FROM sign_in_failures f WHERE f.login_digest = sha256(convert_to(c.login, 'UTF8'))"
    )
    op.drop_table("sign_in_failures")
    op.drop_table("ceiling_estimate")
