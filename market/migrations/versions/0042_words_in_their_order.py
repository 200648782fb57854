"""Of when the gateway's word on an account is: what it said earlier changes nothing later."""

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("gateway_event", sa.Column("made_at", sa.DateTime(timezone=True)))
    op.add_column("gateway_party", sa.Column("said_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    op.drop_column("gateway_party", "said_at")
    op.drop_column("gateway_event", "made_at")
