"""What the database itself guarantees: append-only rows, balanced transfers, minimum balances."""

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    _run("guarantees.sql")


def downgrade() -> None:
    _run("guarantees_down.sql")


def _run(name: str) -> None:
    """Run a file of statements on the driver's own cursor, which takes a bare `%` as it is."""
    cursor = op.get_bind().connection.cursor()
    try:
        cursor.execute((SQL / name).read_text(encoding="utf-8"))
    finally:
        cursor.close()
