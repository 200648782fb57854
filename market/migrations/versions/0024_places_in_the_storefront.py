"""The storefront's order by ranking, with places kept for newcomers, and how often they are shown."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "resource_place",
        sa.Column("resource_id", sa.Uuid(), nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("is_newcomer", sa.Boolean(), nullable=False),
        sa.Column("is_slot", sa.Boolean(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("place > 0", name=op.f("ck_resource_place_place")),
        sa.CheckConstraint("is_newcomer OR NOT is_slot", name=op.f("ck_resource_place_slot")),
        sa.ForeignKeyConstraint(
            ["resource_id"], ["resource.id"], name=op.f("fk_resource_place_resource_id")
        ),
        sa.PrimaryKeyConstraint("resource_id", name=op.f("pk_resource_place")),
    )
    op.create_table(
        "newcomer_exposure",
        sa.Column("resource_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("shown", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("shown > 0", name=op.f("ck_newcomer_exposure_shown")),
        sa.ForeignKeyConstraint(
            ["resource_id"], ["resource.id"], name=op.f("fk_newcomer_exposure_resource_id")
        ),
        sa.PrimaryKeyConstraint("resource_id", "month", name=op.f("pk_newcomer_exposure")),
    )
    op.add_column("listing", sa.Column("place", sa.BigInteger(), nullable=True))
    for name in ("is_newcomer", "is_slot"):
        op.add_column(
            "listing", sa.Column(name, sa.Boolean(), nullable=False, server_default="false")
        )
        op.alter_column("listing", name, server_default=None)
    op.execute("UPDATE listing SET place = 1000000000 - prior")
    op.alter_column("listing", "place", nullable=False)
    op.create_index("ix_listing_place", "listing", ["place", "resource_id"])


def downgrade() -> None:
    op.drop_index("ix_listing_place", "listing")
    for name in ("is_slot", "is_newcomer", "place"):
        op.drop_column("listing", name)
    op.drop_table("newcomer_exposure")
    op.drop_table("resource_place")
