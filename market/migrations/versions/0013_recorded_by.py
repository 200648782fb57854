"""Who recorded a selection for somebody else; nothing of a selection but its fate ever changes."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0010"
branch_labels = None
depends_on = None

# What was requested stays as those saw it who signed.
FROZEN = """
CREATE TRIGGER frozen_selection BEFORE UPDATE ON selection
    FOR EACH ROW EXECUTE FUNCTION refuse_other_changes('state', 'agreement_id');
"""


def upgrade() -> None:
    op.add_column("selection", sa.Column("recorded_by", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_selection_recorded_by"), "selection", "person", ["recorded_by"], ["id"]
    )
    op.execute(FROZEN)


def downgrade() -> None:
    op.execute("DROP TRIGGER frozen_selection ON selection")
    op.drop_constraint(op.f("fk_selection_recorded_by"), "selection")
    op.drop_column("selection", "recorded_by")
