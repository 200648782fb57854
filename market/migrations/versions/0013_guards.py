"""Who may use an agreement comes of its opening or a checked proposal; what is decided stays."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

# An agreement's schools come with it, in the transaction that opens it; later ones by a change,
# from within its trigger. The transaction is kept, since a row's own would move with its state.
COMES_WITH = """
CREATE FUNCTION comes_with_its_agreement() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() < 2 AND NOT EXISTS (
        SELECT FROM agreement WHERE id = NEW.agreement_id
        AND opened_in = pg_current_xact_id()::text::bigint
    ) THEN
        RAISE EXCEPTION '% %: it was opened without, only a change adds one',
            TG_TABLE_NAME, NEW.agreement_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER comes_with_its_agreement AFTER INSERT ON agreement_school
    FOR EACH ROW EXECUTE FUNCTION comes_with_its_agreement();
"""
WITHOUT_COMES_WITH = """
DROP TRIGGER comes_with_its_agreement ON agreement_school;
DROP FUNCTION comes_with_its_agreement();
"""


def upgrade() -> None:
    _openings()


def _openings() -> None:
    # Agreements of before have none: nothing more comes with them.
    op.add_column("agreement", sa.Column("opened_in", sa.BigInteger(), nullable=True))
    op.alter_column(
        "agreement", "opened_in", server_default=sa.text("(pg_current_xact_id()::text)::bigint")
    )
    op.execute(COMES_WITH)


def downgrade() -> None:
    op.execute(WITHOUT_COMES_WITH)
    op.drop_column("agreement", "opened_in")
