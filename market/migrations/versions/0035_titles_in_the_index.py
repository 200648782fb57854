"""Words of titles stand in the index once more, marked: what has them all there is asked first."""

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

# A mark that no token begins with: words hold no colon, pinyin has marks of its own.
MATCHED = """
CREATE FUNCTION match_tokens(tsvector) RETURNS tsvector LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT array_to_tsvector(tsvector_to_array($1) || ARRAY(
        SELECT 't:' || word FROM unnest(tsvector_to_array(ts_filter($1, '{a}'))) AS n(word)
    ))
$$;
"""
# The function of migration 0032 with other tokens, else word by word.
TAKES = """
DO $do$ BEGIN
    EXECUTE replace(pg_get_functiondef('match_listings()'::regprocedure), '{before}', '{after}');
END $do$
"""
STRIPPED, MARKED = "strip(w.tokens)", "match_tokens(w.tokens)"


def upgrade() -> None:
    op.execute(MATCHED)
    op.execute(TAKES.format(before=STRIPPED, after=MARKED))
    _write_anew("match_tokens(l.tokens)")


def downgrade() -> None:
    op.execute(TAKES.format(before=MARKED, after=STRIPPED))
    op.execute("DROP FUNCTION match_tokens(tsvector)")
    _write_anew("strip(l.tokens)")


def _write_anew(tokens: str) -> None:
    op.drop_index("ix_listing_match_tokens", "listing_match")
    op.execute(
        f"UPDATE listing_match m SET tokens = {tokens} FROM listing l "  # noqa: S608 - a text of this module
        "WHERE l.resource_id = m.resource_id"
    )
    op.create_index("ix_listing_match_tokens", "listing_match", ["tokens"], postgresql_using="gin")
