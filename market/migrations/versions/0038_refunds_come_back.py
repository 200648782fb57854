"""A refund that the gateway had called done may come back: it fails after it was paid, and is kept."""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

# As before, but for a refund of which parts came back: it has failed then, and less of it is paid.
MOVES_FORWARD = """
CREATE OR REPLACE FUNCTION payment_moves_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> NEW.state AND (OLD.state, NEW.state) NOT IN (
        ('proposed', 'ready'),
        ('proposed', 'withdrawn'),
        ('ready', 'claimed'),
        ('ready', 'failed'),
        ('ready', 'paid'),
        ('ready', 'partial'),
        ('ready', 'returned'),
        ('ready', 'sent'),
        ('ready', 'withdrawn'),
        ('claimed', 'failed'),
        ('claimed', 'paid'),
        ('claimed', 'partial'),
        ('claimed', 'ready'),
        ('claimed', 'returned'),
        ('claimed', 'sent'),
        ('claimed', 'unknown'),
        ('sent', 'failed'),
        ('sent', 'paid'),
        ('sent', 'partial'),
        ('sent', 'returned'),
        ('unknown', 'failed'),
        ('unknown', 'paid'),
        ('unknown', 'ready'),
        ('unknown', 'returned'),
        ('unknown', 'sent'),
        ('partial', 'paid'),
        ('partial', 'cut'),
        ('partial', 'returned'),
        ('cut', 'returned'),
        ('paid', 'cut'),{paid_failed}
        ('paid', 'returned'),
        ('failed', 'ready'),
        ('failed', 'withdrawn')
    ) THEN
        RAISE EXCEPTION 'payment %: % to % is refused', OLD.key, OLD.state, NEW.state
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.state = 'proposed' AND NEW.state = 'ready' AND NOT EXISTS (
        SELECT FROM payment_run r WHERE r.id = NEW.run_id AND r.state = 'released'
    ) THEN
        RAISE EXCEPTION 'payment %: its run is not released', OLD.key
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.state = 'failed' AND NEW.state = 'withdrawn' AND NEW.kind <> 'reversal'
       OR OLD.state = 'ready' AND NEW.state = 'withdrawn' AND NOT (
           NEW.kind IN ('refund', 'withholding_return') AND EXISTS (
               SELECT FROM payment r WHERE r.run_id = NEW.run_id AND r.payer_id = NEW.payer_id
                   AND r.kind = 'reversal' AND r.state IN ('failed', 'withdrawn')
                   AND (NEW.kind = 'refund' OR r.payee_id = NEW.payee_id)))
    THEN
        RAISE EXCEPTION 'payment %: what was released is not withdrawn', OLD.key
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.state IN ('paid', 'partial', 'cut') AND NEW.state = 'cut' AND NEW.kind NOT IN
           ('order', 'withholding')
       OR OLD.state = 'cut' AND NEW.state = 'cut' AND NEW.paid_fen > OLD.paid_fen
    THEN
        RAISE EXCEPTION 'payment %: only a treasury''s order is cut', OLD.key
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.state = 'failed' AND NEW.state = 'ready' AND EXISTS (
        SELECT FROM payment u WHERE u.undoes_id = NEW.id AND u.state NOT IN ('failed', 'withdrawn')
    ) THEN
        RAISE EXCEPTION 'payment %: it goes back to its payer', OLD.key
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.attempt > OLD.attempt AND (
        NEW.attempt > OLD.attempt + 1
        OR (OLD.state, NEW.state) NOT IN (('failed', 'ready'), ('claimed', 'unknown')))
    THEN
        RAISE EXCEPTION 'payment %: only what failed is tried under a new key', OLD.key
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.taken_fen < OLD.taken_fen THEN
        RAISE EXCEPTION 'payment %: what was taken is not given back', OLD.key
            USING ERRCODE = 'restrict_violation';
    END IF;
{only_refunds}    IF NEW.attempt < OLD.attempt
       OR (NEW.paid_fen < OLD.paid_fen AND NEW.state NOT IN ('returned', 'cut'){of_refund}) THEN
        RAISE EXCEPTION 'payment %: what was tried or paid is not taken back', OLD.key
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
"""
PAID_FAILED = "\n        ('paid', 'failed'),"
ONLY_REFUNDS = """    IF OLD.state = 'paid' AND NEW.state = 'failed'
       AND (NEW.kind <> 'refund' OR NEW.paid_fen >= OLD.paid_fen)
    THEN
        RAISE EXCEPTION 'payment %: only a refund fails after it was paid', OLD.key
            USING ERRCODE = 'restrict_violation';
    END IF;
"""
OF_REFUND = """
           AND NOT (NEW.kind = 'refund' AND NEW.state IN
               ('failed', 'ready', 'claimed', 'sent', 'unknown') AND NEW.paid_fen = (
                   SELECT coalesce(sum(c.amount_fen), 0) FROM refund_part c
                   WHERE c.payment_id = NEW.id AND c.came_back_at IS NULL))"""
KEPT = """
CREATE FUNCTION part_comes_back_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.came_back_at IS NOT NULL OR NEW.came_back_at IS NULL
       OR (NEW.gateway_id, NEW.payment_id, NEW.amount_fen, NEW.known_at)
           <> (OLD.gateway_id, OLD.payment_id, OLD.amount_fen, OLD.known_at) THEN
        RAISE EXCEPTION 'refund %: it may only come back, once', OLD.gateway_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER comes_back_once BEFORE UPDATE ON refund_part
    FOR EACH ROW EXECUTE FUNCTION part_comes_back_once();
CREATE TRIGGER refuse_delete BEFORE DELETE ON refund_part
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON refund_part
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""
# Of which refund of the gateway a payer's was is known of those that took of one collection.
MADE_BEFORE = """
INSERT INTO refund_part (gateway_id, payment_id, amount_fen, known_at, reason)
SELECT p.gateway_id, p.id, p.amount_fen, p.settled_at, ''
FROM payment p
WHERE p.kind = 'refund' AND p.state = 'paid' AND p.gateway_id IS NOT NULL
    AND (SELECT count(*) FROM payment_target t WHERE t.payment_id = p.id) = 1
"""
# A message that such a refund came back was passed over: it is applied once more, by a person.
PASSED_OVER = """
UPDATE gateway_event e SET state = 'parked', applied_at = NULL,
    because = 'it came back before the upgrade'
FROM payment p
WHERE e.kind = 'refund.failed' AND e.state IN ('applied', 'ignored')
    AND e.body #>> '{metadata,key}' = p.key AND p.kind = 'refund' AND p.state = 'paid'
"""


# What the revision before can't hold: it would give the rest of these a second time.
CAME_BACK = sa.text(
    "SELECT DISTINCT p.key FROM payment p JOIN refund_part c ON c.payment_id = p.id "
    "WHERE c.came_back_at IS NOT NULL ORDER BY p.key"
)


def upgrade() -> None:
    op.create_table(
        "refund_part",
        sa.Column("gateway_id", sa.Text(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("known_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("came_back_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint("amount_fen > 0", name=op.f("ck_refund_part_amount")),
        sa.CheckConstraint(
            "came_back_at IS NOT NULL OR reason = ''", name=op.f("ck_refund_part_reason")
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payment.id"], name=op.f("fk_refund_part_payment_id")
        ),
        sa.PrimaryKeyConstraint("gateway_id", name=op.f("pk_refund_part")),
    )
    op.create_index(op.f("ix_refund_part_payment_id"), "refund_part", ["payment_id"], unique=False)
    op.execute(MADE_BEFORE)
    op.execute(PASSED_OVER)
    op.execute(KEPT)
    op.execute(_moves_forward(PAID_FAILED, ONLY_REFUNDS, OF_REFUND))


def _moves_forward(paid_failed: str, only_refunds: str, of_refund: str) -> str:
    return (
        MOVES_FORWARD.replace("{paid_failed}", paid_failed)
        .replace("{only_refunds}", only_refunds)
        .replace("{of_refund}", of_refund)
    )


def downgrade() -> None:
    back = op.get_bind().scalars(CAME_BACK).all()
    if back:
        raise RuntimeError(
            "the revision before knows no refund that came back after it was done; stay at this "
            f"revision, or restore a backup of before: {', '.join(back)}"
        )
    op.execute(_moves_forward("", "", ""))
    op.drop_table("refund_part")
    op.execute("DROP FUNCTION part_comes_back_once")
