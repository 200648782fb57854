"""Facets of what is listed are counted within an index, which is a tenth of the table."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

FILTERED = (
    *("stage", "subject", "grade", "edition", "type", "language", "reach", "kind", "tier"),
    *("unit_price", "plan", "licence", "vendor_code"),
)


def upgrade() -> None:
    op.create_index(
        "ix_listing_facets", "listing", ["suited", "made"], postgresql_include=[*FILTERED]
    )


def downgrade() -> None:
    op.drop_index("ix_listing_facets", "listing")
