"""The words of all facets in two columns and an index of their own; tokens lie in the row."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

# Counting all facets groups twice, and not twelve times.
SUITED = "stage || chr(31) || subject || chr(31) || grade || chr(31) || edition || chr(31) || kind"
MADE = (
    "type || chr(31) || language || chr(31) || reach || chr(31) || tier || chr(31) || "
    "CASE WHEN unit_price IS NULL THEN 'unpriced' WHEN unit_price = 0 THEN 'free' "
    "ELSE 'priced' END || chr(31) || coalesce(plan, '') || chr(31) || licence"
)
FILTERED = (
    *("stage", "subject", "grade", "edition", "type", "language", "reach", "kind", "tier"),
    *("unit_price", "plan", "licence", "vendor_code"),
)
# Ranking reads some hundreds of them for each search; what is stored already is stored anew.
IN_THE_ROW = (
    "ALTER TABLE listing SET (toast_tuple_target = 4080)",
    "ALTER TABLE listing ALTER COLUMN tokens SET STORAGE MAIN",
    "UPDATE listing SET tokens = CAST(CAST(tokens AS text) AS tsvector)",
)


def upgrade() -> None:
    for name, words in (("suited", SUITED), ("made", MADE)):
        op.add_column(
            "listing",
            sa.Column(name, sa.Text(), sa.Computed(words, persisted=True), nullable=False),
        )
    op.create_index(
        "ix_listing_facets", "listing", ["suited", "made"], postgresql_include=[*FILTERED]
    )
    for statement in IN_THE_ROW:
        op.execute(statement)


def downgrade() -> None:
    op.execute("ALTER TABLE listing ALTER COLUMN tokens SET STORAGE EXTERNAL")
    op.execute("ALTER TABLE listing SET (toast_tuple_target = 128)")
    op.drop_index("ix_listing_facets", "listing")
    op.drop_column("listing", "made")
    op.drop_column("listing", "suited")
