"""The storefront: what is listed as search reads it, favourites, and what was not found."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

# What is listed no more is shown no more, whoever changed its state.
UNLISTED = """
CREATE FUNCTION unlist() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM listing WHERE version_id = OLD.id;
    RETURN NULL;
END $$;
CREATE TRIGGER unlist AFTER UPDATE OF state ON version
    FOR EACH ROW WHEN (OLD.state = 'listed' AND NEW.state <> 'listed') EXECUTE FUNCTION unlist();
"""
APPEND_ONLY = """
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON {0}
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON {0}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""
# Tokens lie beside the table, so that counting what is listed reads narrow rows.
NARROW = """
ALTER TABLE listing SET (toast_tuple_target = 128);
ALTER TABLE listing ALTER COLUMN tokens SET STORAGE EXTERNAL;
"""


def upgrade() -> None:
    words = "vendor_code vendor_name sku title kind tier stage subject grade edition type language"
    op.create_table(
        "listing",
        sa.Column("resource_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("vendor_id", sa.Uuid(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in words.split()),
        sa.Column("licence", sa.Text(), nullable=False),
        sa.Column("reach", sa.Text(), nullable=False),
        sa.Column("listed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("plan", sa.Text(), nullable=True),
        sa.Column("unit_price", sa.Numeric(14, 4), nullable=True),
        sa.Column("price_order", sa.Numeric(14, 4), nullable=False),
        sa.Column("reprice_on", sa.Date(), nullable=True),
        sa.Column("schools", sa.BigInteger(), nullable=False),
        sa.Column("renewals", sa.BigInteger(), nullable=False),
        sa.Column("ratings", sa.BigInteger(), nullable=False),
        sa.Column("stars", sa.BigInteger(), nullable=False),
        sa.Column("prior", sa.BigInteger(), nullable=False),
        sa.Column("tokens", postgresql.TSVECTOR(), nullable=False),
        sa.ForeignKeyConstraint(
            ["resource_id"], ["resource.id"], name=op.f("fk_listing_resource_id")
        ),
        sa.ForeignKeyConstraint(["version_id"], ["version.id"], name=op.f("fk_listing_version_id")),
        sa.ForeignKeyConstraint(
            ["vendor_id"], ["organisation.id"], name=op.f("fk_listing_vendor_id")
        ),
        sa.PrimaryKeyConstraint("resource_id", name=op.f("pk_listing")),
        sa.UniqueConstraint("version_id", name=op.f("uq_listing_version_id")),
    )
    op.create_index("ix_listing_tokens", "listing", ["tokens"], postgresql_using="gin")
    for name, column in (("prior", "prior"), ("newest", "listed_at"), ("renewals", "renewals")):
        order = [sa.text(f"{column} DESC"), sa.text("resource_id DESC")]
        op.create_index(f"ix_listing_{name}", "listing", order)
    op.create_index("ix_listing_price", "listing", ["price_order", "resource_id"])
    op.create_index("ix_listing_vendor", "listing", ["vendor_id"])
    op.create_index(op.f("ix_listing_reprice_on"), "listing", ["reprice_on"])
    op.execute(UNLISTED)
    op.execute(NARROW)
    op.create_table(
        "resource_signal",
        sa.Column("resource_id", sa.Uuid(), nullable=False),
        sa.Column("schools", sa.BigInteger(), nullable=False),
        sa.Column("renewals", sa.BigInteger(), nullable=False),
        sa.Column("ratings", sa.BigInteger(), nullable=False),
        sa.Column("stars", sa.BigInteger(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "schools >= 0 AND renewals >= 0 AND ratings >= 0 AND stars BETWEEN ratings "
            "AND 5 * ratings",
            name=op.f("ck_resource_signal_counts"),
        ),
        sa.ForeignKeyConstraint(
            ["resource_id"], ["resource.id"], name=op.f("fk_resource_signal_resource_id")
        ),
        sa.PrimaryKeyConstraint("resource_id", name=op.f("pk_resource_signal")),
    )
    op.create_table(
        "search_miss",
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("words", name=op.f("pk_search_miss")),
    )
    op.create_index(op.f("ix_search_miss_last_at"), "search_miss", ["last_at"])
    op.create_table(
        "favourite",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("resource_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_favourite_person_id")),
        sa.ForeignKeyConstraint(
            ["resource_id"], ["resource.id"], name=op.f("fk_favourite_resource_id")
        ),
        sa.PrimaryKeyConstraint("person_id", "resource_id", name=op.f("pk_favourite")),
    )
    _ratings()


def _ratings() -> None:
    op.create_table(
        "rating",
        sa.Column("id", sa.Uuid(), nullable=False),
        *(
            sa.Column(name, sa.Uuid(), nullable=False)
            for name in ("person_id", "school_id", "resource_id", "version_id", "launch_id")
        ),
        sa.Column("stars", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("stars BETWEEN 1 AND 5", name=op.f("ck_rating_stars")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_rating_person_id")),
        sa.ForeignKeyConstraint(
            ["school_id"], ["organisation.id"], name=op.f("fk_rating_school_id")
        ),
        sa.ForeignKeyConstraint(
            ["resource_id"], ["resource.id"], name=op.f("fk_rating_resource_id")
        ),
        sa.ForeignKeyConstraint(["version_id"], ["version.id"], name=op.f("fk_rating_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rating")),
    )
    op.create_index("ix_rating_version", "rating", ["version_id", "person_id", "at"])
    op.create_index("ix_rating_resource", "rating", ["resource_id", "person_id", "at"])
    op.execute(APPEND_ONLY.format("rating"))


def downgrade() -> None:
    op.drop_table("rating")
    op.drop_table("favourite")
    op.drop_table("search_miss")
    op.drop_table("resource_signal")
    op.execute("DROP TRIGGER unlist ON version")
    op.execute("DROP FUNCTION unlist()")
    op.drop_table("listing")
