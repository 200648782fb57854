"""The years and the funding lines of an agreement come with it, or by a change."""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

TABLES = ("agreement_year", "agreement_draw")


def upgrade() -> None:
    for table in TABLES:
        op.execute(
            f"CREATE TRIGGER comes_with_its_agreement AFTER INSERT ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION comes_with_its_agreement()"
        )


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"DROP TRIGGER comes_with_its_agreement ON {table}")
