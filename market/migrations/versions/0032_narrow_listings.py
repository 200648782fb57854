"""The storefront is searched, ordered and counted in a narrow table beside its listings."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

SUITED = ("stage", "subject", "grade", "edition", "kind")
MADE = ("type", "language", "reach", "tier", "price", "plan", "licence")
PRICE = (
    "CASE WHEN w.unit_price IS NULL THEN 'unpriced' WHEN w.unit_price = 0 THEN 'free' "
    "ELSE 'priced' END"
)
# The database takes nothing out of a row that fits a quarter of a page, whatever the row's target
# says; with the ballast, which is kept as 35 bytes, no row fits, and its tokens go.
OUT_OF_THE_ROW = """
ALTER TABLE listing_match SET (toast_tuple_target = 240);
ALTER TABLE listing_match ALTER COLUMN tokens SET STORAGE EXTERNAL;
"""
# Each statement's rows at once; what an update leaves as it was is not written. Combinations of
# words are inserted in one order, so that no two statements wait for one another both. Listings
# come newest first, as they stand among those of the same prior: what is read in about the order in
# which it is wanted is sorted in no time.
MATCHED = f"""
CREATE FUNCTION match_listings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM written) THEN
        RETURN NULL;
    END IF;
    INSERT INTO listing_suited (stage, subject, grade, edition, kind)
    SELECT DISTINCT w.stage, w.subject, w.grade, w.edition, w.kind FROM written w
    WHERE NOT EXISTS (
        SELECT FROM listing_suited s WHERE (s.stage, s.subject, s.grade, s.edition, s.kind)
            = (w.stage, w.subject, w.grade, w.edition, w.kind)
    )
    ORDER BY 1, 2, 3, 4, 5 ON CONFLICT DO NOTHING;
    INSERT INTO listing_made (type, language, reach, tier, price, plan, licence)
    SELECT DISTINCT w.type, w.language, w.reach, w.tier, {PRICE}, coalesce(w.plan, ''), w.licence
    FROM written w
    WHERE NOT EXISTS (
        SELECT FROM listing_made d
        WHERE (d.type, d.language, d.reach, d.tier, d.price, d.plan, d.licence)
            = (w.type, w.language, w.reach, w.tier, {PRICE}, coalesce(w.plan, ''), w.licence)
    )
    ORDER BY 1, 2, 3, 4, 5, 6, 7 ON CONFLICT DO NOTHING;
    INSERT INTO listing_match AS m (
        resource_id, vendor_id, prior, renewals, place, listed_at, price_order, suited_id, made_id,
        tokens
    )
    SELECT w.resource_id, w.vendor_id, w.prior, w.renewals, w.place, w.listed_at, w.price_order,
        s.id, d.id, strip(w.tokens)
    FROM written w
    JOIN listing_suited s ON (s.stage, s.subject, s.grade, s.edition, s.kind)
        = (w.stage, w.subject, w.grade, w.edition, w.kind)
    JOIN listing_made d ON (d.type, d.language, d.reach, d.tier, d.price, d.plan, d.licence)
        = (w.type, w.language, w.reach, w.tier, {PRICE}, coalesce(w.plan, ''), w.licence)
    ORDER BY w.resource_id DESC
    ON CONFLICT (resource_id) DO UPDATE SET
        vendor_id = excluded.vendor_id, prior = excluded.prior, renewals = excluded.renewals,
        place = excluded.place, listed_at = excluded.listed_at,
        price_order = excluded.price_order, suited_id = excluded.suited_id,
        made_id = excluded.made_id, tokens = excluded.tokens
    WHERE (m.vendor_id, m.prior, m.renewals, m.place, m.listed_at, m.price_order, m.suited_id,
            m.made_id, m.tokens)
        IS DISTINCT FROM (excluded.vendor_id, excluded.prior, excluded.renewals, excluded.place,
            excluded.listed_at, excluded.price_order, excluded.suited_id, excluded.made_id,
            excluded.tokens);
    RETURN NULL;
END $$;
CREATE TRIGGER match_inserted AFTER INSERT ON listing REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION match_listings();
CREATE TRIGGER match_updated AFTER UPDATE ON listing REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION match_listings();
"""  # noqa: S608 - from texts of this module
# What is listed already goes the way of what is written: each row is written as it is.
TAKEN_IN = "UPDATE listing SET prior = prior"

FILTERED = (
    *("stage", "subject", "grade", "edition", "type", "language", "reach", "kind", "tier"),
    *("unit_price", "plan", "licence", "vendor_code"),
)
SUITED_BEFORE = " || chr(31) || ".join(SUITED)
MADE_BEFORE = (
    "type || chr(31) || language || chr(31) || reach || chr(31) || tier || chr(31) || "
    "CASE WHEN unit_price IS NULL THEN 'unpriced' WHEN unit_price = 0 THEN 'free' "
    "ELSE 'priced' END || chr(31) || coalesce(plan, '') || chr(31) || licence"
)
ORDERS = {
    "prior": ("prior", "DESC"),
    "newest": ("listed_at", "DESC"),
    "renewals": ("renewals", "DESC"),
    "price": ("price_order", "ASC"),
    "place": ("place", "ASC"),
}
# The prior orders listings, too: the first of a very common word are found where its words are.
OF_THE_NARROW = ("newest", "renewals", "price", "place")


def upgrade() -> None:
    for table, words in (("listing_suited", SUITED), ("listing_made", MADE)):
        op.create_table(
            table,
            sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
            *(sa.Column(name, sa.Text(), nullable=False) for name in words),
            sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
            sa.UniqueConstraint(*words, name=op.f(f"uq_{table}_words")),
        )
    op.create_table(
        "listing_match",
        sa.Column("resource_id", sa.Uuid(), nullable=False),
        sa.Column("vendor_id", sa.Uuid(), nullable=False),
        *(
            sa.Column(name, sa.BigInteger(), nullable=False)
            for name in ("prior", "renewals", "place")
        ),
        sa.Column("listed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("price_order", sa.Numeric(14, 4), nullable=False),
        sa.Column("suited_id", sa.Integer(), nullable=False),
        sa.Column("made_id", sa.Integer(), nullable=False),
        sa.Column("tokens", postgresql.TSVECTOR(), nullable=False),
        sa.Column(
            "ballast", sa.Text(), server_default=sa.text("repeat(' ', 2000)"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["resource_id"],
            ["listing.resource_id"],
            name=op.f("fk_listing_match_resource_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["suited_id"], ["listing_suited.id"], name=op.f("fk_listing_match_suited_id")
        ),
        sa.ForeignKeyConstraint(
            ["made_id"], ["listing_made.id"], name=op.f("fk_listing_match_made_id")
        ),
        sa.PrimaryKeyConstraint("resource_id", name=op.f("pk_listing_match")),
    )
    op.execute(OUT_OF_THE_ROW)
    op.drop_index("ix_listing_facets", "listing")
    op.drop_index("ix_listing_tokens", "listing")
    for name in OF_THE_NARROW:
        op.drop_index(f"ix_listing_{name}", "listing")
    for name in ("suited", "made"):
        op.drop_column("listing", name)
    op.create_index("ix_listing_key", "listing", ["vendor_code", "sku"])
    op.execute(MATCHED)
    op.execute(TAKEN_IN)
    op.create_index("ix_listing_match_tokens", "listing_match", ["tokens"], postgresql_using="gin")
    _index_orders("listing_match", ("prior", *OF_THE_NARROW))
    op.create_index("ix_listing_match_suited", "listing_match", ["suited_id", "made_id"])
    op.create_index("ix_listing_match_made", "listing_match", ["made_id"])
    op.create_index("ix_listing_match_vendor", "listing_match", ["vendor_id"])


def _index_orders(table: str, names: tuple[str, ...]) -> None:
    for name in names:
        column, turn = ORDERS[name]
        if turn == "DESC":
            order = [sa.text(f"{column} DESC"), sa.text("resource_id DESC")]
            op.create_index(f"ix_{table}_{name}", table, order)
        else:
            op.create_index(f"ix_{table}_{name}", table, [column, "resource_id"])


def downgrade() -> None:
    op.execute("DROP TRIGGER match_updated ON listing")
    op.execute("DROP TRIGGER match_inserted ON listing")
    op.execute("DROP FUNCTION match_listings()")
    for table in ("listing_match", "listing_made", "listing_suited"):
        op.drop_table(table)
    op.drop_index("ix_listing_key", "listing")
    for name, words in (("suited", SUITED_BEFORE), ("made", MADE_BEFORE)):
        op.add_column(
            "listing",
            sa.Column(name, sa.Text(), sa.Computed(words, persisted=True), nullable=False),
        )
    op.create_index("ix_listing_tokens", "listing", ["tokens"], postgresql_using="gin")
    _index_orders("listing", OF_THE_NARROW)
    op.create_index(
        "ix_listing_facets", "listing", ["suited", "made"], postgresql_include=[*FILTERED]
    )
