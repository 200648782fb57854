"""Basic resources that are listed without a price of today are free, as policy says (R1)."""

from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

OFFERED = """
INSERT INTO offer (id, resource_id, valid_from, plan, recorded_at)
SELECT gen_random_uuid(), l.resource_id, (now() AT TIME ZONE 'Asia/Shanghai')::date,
    '{"plan": "per_use", "unit_price": "0.0000"}', now()
FROM listing l
WHERE l.kind = 'basic' AND NOT EXISTS (
    SELECT FROM offer o WHERE o.resource_id = l.resource_id
        AND o.valid_from <= (now() AT TIME ZONE 'Asia/Shanghai')::date
)
"""
SHOWN = """
UPDATE listing SET plan = 'per_use', unit_price = 0, price_order = 0
WHERE kind = 'basic' AND plan IS NULL
"""


def upgrade() -> None:
    op.execute(OFFERED)
    op.execute(SHOWN)


def downgrade() -> None:
    """Keep the offers: they may have been agreed to."""
