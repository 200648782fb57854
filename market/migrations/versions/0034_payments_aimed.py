"""Payments tried again only after they failed; what is taken back keeps where it is taken of.

Tax that came back is ordered again. Reversals that failed so far are given up.
"""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

# As before, but for `{attempts}`.
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
        ('paid', 'cut'),
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
{attempts}    IF NEW.attempt < OLD.attempt
       OR (NEW.paid_fen < OLD.paid_fen AND NEW.state NOT IN ('returned', 'cut')) THEN
        RAISE EXCEPTION 'payment %: what was tried or paid is not taken back', OLD.key
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
"""
# A new key only for what is known to have failed; or with the gateway's word that it failed within,
# after which it is asked all the same.
ATTEMPTS = """    IF NEW.attempt > OLD.attempt AND (
        NEW.attempt > OLD.attempt + 1
        OR (OLD.state, NEW.state) NOT IN (('failed', 'ready'), ('claimed', 'unknown')))
    THEN
        RAISE EXCEPTION 'payment %: only what failed is tried under a new key', OLD.key
            USING ERRCODE = 'restrict_violation';
    END IF;
"""


TAKEN_STAYS = """    IF NEW.taken_fen < OLD.taken_fen THEN
        RAISE EXCEPTION 'payment %: what was taken is not given back', OLD.key
            USING ERRCODE = 'restrict_violation';
    END IF;
"""
# Tax orders that came back and whose lines were paid anew since, by the rule of then: their tax was
# reckoned with the rest. All others are ordered again.
RECKONED_ANEW = """
UPDATE payment w SET again_of_id = w.id
WHERE w.kind = 'withholding' AND w.state IN ('returned', 'cut') AND EXISTS (
    SELECT FROM payment p JOIN payment_item i ON i.payment_id = p.id
    JOIN payment_item o ON o.payment_id = w.id AND o.line_id = i.line_id
    WHERE p.payer_id = w.payer_id AND p.payee_id = w.payee_id AND p.run_id <> w.run_id
        AND p.id > w.id AND p.state <> 'withdrawn'
        AND p.kind IN ('order', 'transfer', 'withholding'))
"""
UNFROZEN = "DROP TRIGGER frozen_payment ON payment"
FROZEN = """
CREATE TRIGGER frozen_payment BEFORE UPDATE ON payment
    FOR EACH ROW EXECUTE FUNCTION refuse_other_changes(
        'state', 'attempt', 'paid_fen', 'gateway_id', 'failure', 'claimed_at', 'settled_at'{0});
"""
KEPT = """
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON payment_target
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON payment_target
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""
# What was claimed before aims where it did: at the first of its pair's movements, past what those
# before it take.
AIMED_BEFORE = """
INSERT INTO payment_target (payment_id, position, gateway_id, amount_fen)
WITH taking AS (
    SELECT id, payer_id, payee_id, kind, amount_fen, claimed_at,
        sum(amount_fen) OVER (PARTITION BY payer_id, payee_id, kind ORDER BY id) - amount_fen
            AS begins
    FROM payment WHERE kind IN ('reversal', 'refund') AND state <> 'withdrawn'
), moved AS (
    SELECT gateway_id, payer_id, payee_id,
        CASE kind WHEN 'transfer' THEN 'reversal' ELSE 'refund' END AS kind, amount_fen,
        sum(amount_fen) OVER (PARTITION BY payer_id, payee_id, kind ORDER BY settled_at, key)
            - amount_fen AS begins
    FROM payment WHERE kind IN ('transfer', 'collection') AND state = 'paid'
)
SELECT t.id, row_number() OVER (PARTITION BY t.id ORDER BY m.begins) - 1, m.gateway_id,
    LEAST(t.begins + t.amount_fen, m.begins + m.amount_fen) - GREATEST(t.begins, m.begins)
FROM taking t JOIN moved m USING (payer_id, payee_id, kind)
WHERE t.claimed_at IS NOT NULL AND m.gateway_id IS NOT NULL
    AND LEAST(t.begins + t.amount_fen, m.begins + m.amount_fen) > GREATEST(t.begins, m.begins)
"""
# Reversals that failed: before they stayed claimed, what they would have taken was set off or taken
# by later runs. Each is given up, with its tax and its refund; what the others of the run gave goes
# to the payer by another one.
GIVEN_UP = (
    """
CREATE TEMPORARY TABLE given_up ON COMMIT DROP AS
SELECT r.id, r.run_id, r.payer_id, r.payee_id FROM payment r
WHERE r.kind = 'reversal' AND r.state = 'failed' AND EXISTS (
    SELECT FROM payment f WHERE f.run_id = r.run_id AND f.payer_id = r.payer_id
        AND f.kind = 'refund' AND f.state = 'ready')
""",
    "UPDATE payment SET state = 'withdrawn' WHERE id IN (SELECT id FROM given_up)",
    """
UPDATE payment w SET state = 'withdrawn' FROM given_up g
WHERE w.kind = 'withholding_return' AND w.state = 'ready' AND w.run_id = g.run_id
    AND w.payer_id = g.payer_id AND w.payee_id = g.payee_id
""",
    """
UPDATE payment f SET state = 'withdrawn' FROM given_up g
WHERE f.kind = 'refund' AND f.state = 'ready' AND f.run_id = g.run_id AND f.payer_id = g.payer_id
""",
    """
INSERT INTO payment (id, run_id, payer_id, payee_id, kind, key, attempt, amount_fen, paid_fen,
    taken_fen, state, failure)
SELECT gen_random_uuid(), g.run_id, g.payer_id, s.payee_id, 'refund', s.key || '+' || s.sides + 1,
    1, o.fen, 0, 0, 'proposed', ''
FROM (SELECT DISTINCT run_id, payer_id FROM given_up) g
CROSS JOIN LATERAL (
    SELECT (array_agg(p.key ORDER BY p.id))[1] AS key, count(*) AS sides,
        (array_agg(p.payee_id ORDER BY p.id))[1] AS payee_id
    FROM payment p WHERE p.run_id = g.run_id AND p.payer_id = g.payer_id AND p.kind = 'refund') s
CROSS JOIN LATERAL (
    SELECT sum(p.amount_fen) AS fen FROM payment p
    WHERE p.run_id = g.run_id AND p.payer_id = g.payer_id AND p.kind <> 'refund'
        AND p.state <> 'withdrawn') o
WHERE o.fen > 0
""",
    """
UPDATE payment f SET state = 'ready' FROM given_up g
WHERE f.kind = 'refund' AND f.state = 'proposed' AND f.run_id = g.run_id
    AND f.payer_id = g.payer_id
""",
    "DROP TABLE given_up",
)


def upgrade() -> None:
    op.add_column(
        "payment", sa.Column("taken_fen", sa.BigInteger(), nullable=False, server_default="0")
    )
    op.alter_column("payment", "taken_fen", server_default=None)
    op.create_check_constraint(
        op.f("ck_payment_taken_fen"),
        "payment",
        "taken_fen = 0 OR kind = 'reversal' AND taken_fen BETWEEN 0 AND amount_fen",
    )
    op.execute(UNFROZEN)
    op.add_column("payment", sa.Column("again_of_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_payment_again_of_id"), "payment", "payment", ["again_of_id"], ["id"]
    )
    op.create_index(op.f("ix_payment_again_of_id"), "payment", ["again_of_id"], unique=False)
    op.execute(RECKONED_ANEW)
    op.create_check_constraint(
        op.f("ck_payment_again"), "payment", "again_of_id IS NULL OR kind = 'withholding'"
    )
    op.execute(FROZEN.format(", 'taken_fen'"))
    op.execute(MOVES_FORWARD.replace("{attempts}", ATTEMPTS + TAKEN_STAYS))
    op.create_table(
        "payment_target",
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("gateway_id", sa.Text(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount_fen > 0", name=op.f("ck_payment_target_amount")),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payment.id"], name=op.f("fk_payment_target_payment_id")
        ),
        sa.PrimaryKeyConstraint("payment_id", "position", name=op.f("pk_payment_target")),
    )
    op.create_index(
        op.f("ix_payment_target_gateway_id"), "payment_target", ["gateway_id"], unique=False
    )
    op.execute(AIMED_BEFORE)
    op.execute(KEPT)
    for statement in GIVEN_UP:
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("payment_target")
    op.execute(MOVES_FORWARD.replace("{attempts}", ""))
    op.execute(UNFROZEN)
    op.drop_constraint(op.f("ck_payment_again"), "payment", type_="check")
    op.drop_index(op.f("ix_payment_again_of_id"), "payment")
    op.drop_constraint(op.f("fk_payment_again_of_id"), "payment", type_="foreignkey")
    op.drop_column("payment", "again_of_id")
    op.execute(FROZEN.format(""))
    op.drop_constraint(op.f("ck_payment_taken_fen"), "payment", type_="check")
    op.drop_column("payment", "taken_fen")
