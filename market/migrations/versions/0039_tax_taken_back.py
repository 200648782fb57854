"""Remitted tax is taken back by counter-entries; a receipt is its bureau's.

And what earlier upgrades did not say: which reversals they gave up stands on the trail, and orders
that were made again within a month say what of them had been taxed.
"""

from collections import defaultdict

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

# What is taken back is taken of a recorded remittance of the same bureau and month, and counted
# there as it is recorded: that row's check lets no more be taken back than was remitted.
TAKEN_BACK = """
CREATE FUNCTION tax_taken_back() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'proposed' THEN
            RAISE EXCEPTION 'tax remittance %: it begins as proposed', NEW.number
                USING ERRCODE = 'restrict_violation';
        END IF;
        PERFORM FROM tax_remittance t
        WHERE t.id = NEW.corrects_id AND t.state = 'recorded' AND t.corrects_id IS NULL
            AND t.bureau_id = NEW.bureau_id AND t.month = NEW.month
        FOR SHARE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'tax remittance %: what it takes back was not remitted', NEW.number
                USING ERRCODE = 'restrict_violation';
        END IF;
    ELSIF NEW.state = 'recorded' THEN
        UPDATE tax_remittance SET taken_back_fen = taken_back_fen - NEW.amount_fen
        WHERE id = NEW.corrects_id;
    END IF;
    RETURN NEW;
END $$;
CREATE FUNCTION tax_taken_back_is_counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() = 1 THEN
        RAISE EXCEPTION 'tax remittance %: what is taken back of it is counted', NEW.number
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER takes_of_recorded BEFORE INSERT ON tax_remittance
    FOR EACH ROW WHEN (NEW.corrects_id IS NOT NULL) EXECUTE FUNCTION tax_taken_back();
CREATE TRIGGER takes_once_recorded AFTER UPDATE OF state ON tax_remittance
    FOR EACH ROW WHEN (NEW.corrects_id IS NOT NULL AND OLD.state <> NEW.state)
    EXECUTE FUNCTION tax_taken_back();
CREATE TRIGGER begins_untaken BEFORE INSERT ON tax_remittance
    FOR EACH ROW WHEN (NEW.taken_back_fen <> 0) EXECUTE FUNCTION tax_taken_back_is_counted();
CREATE TRIGGER counted_only BEFORE UPDATE ON tax_remittance
    FOR EACH ROW WHEN (OLD.taken_back_fen <> NEW.taken_back_fen)
    EXECUTE FUNCTION tax_taken_back_is_counted();
"""
FROZEN = """
DROP TRIGGER frozen_remittance ON tax_remittance;
DROP TRIGGER decided_once ON tax_remittance;
CREATE TRIGGER frozen_remittance BEFORE UPDATE ON tax_remittance
    FOR EACH ROW EXECUTE FUNCTION refuse_other_changes(
        'state', 'decided_at', 'decided_by', 'decided_by_name', 'note'{taken_back});
CREATE TRIGGER decided_once BEFORE UPDATE ON tax_remittance
    FOR EACH ROW WHEN (OLD.state <> 'proposed') EXECUTE FUNCTION {decided};
"""
# What the revision before can't hold: counter-remittances, and what stands of a receipt twice.
LATER_ALONE = sa.text(
    """
SELECT number FROM tax_remittance t
WHERE corrects_id IS NOT NULL OR state IN ('proposed', 'recorded') AND EXISTS (
    SELECT FROM tax_remittance o WHERE o.id <> t.id AND o.reference = t.reference
        AND o.state IN ('proposed', 'recorded'))
ORDER BY number
"""
)
STANDS = "state IN ('proposed', 'recorded')"
# Reversals that an upgrade gave up: a person's giving up has its act on the trail.
GIVEN_UP_UNTOLD = """
INSERT INTO trail (id, at, actor_name, via, act, subject_kind, subject_id, facts)
SELECT gen_random_uuid(), now(), 'system:upgrade', 'upgrade', 'payment.given_up', 'payment', p.key,
    jsonb_build_object('amount_fen', p.amount_fen, 'taken_fen', p.taken_fen, 'reason', p.failure,
        'run', r.number)
FROM payment p JOIN payment_run r ON r.id = p.run_id AND r.state = 'released'
WHERE p.kind = 'reversal' AND p.state = 'withdrawn' AND NOT EXISTS (
    SELECT FROM trail t WHERE t.act = 'payment.given_up' AND t.subject_id = p.key)
ORDER BY p.id
"""
# Orders to teachers that came back after their tax was withheld: how much taxed income of which
# month was due again, since when, and the tax that its run withheld of it.
CAME_BACK = """
SELECT p.payer_id, p.payee_id, i.line_id, h.month, h.tax_fen, GREATEST(0,
    div((p.amount_fen - i.taxed_before_fen + w.amount_fen)::numeric * WITHHELD, w.amount_fen)
    - WITHHELD - GREATEST(0, CASE p.state WHEN 'cut' THEN p.paid_fen ELSE 0 END
        - i.taxed_before_fen)) AS fen,
    (SELECT max(t.at) FROM trail t WHERE t.subject_id = p.key
        AND t.act IN ('payment.returned', 'payment.cut')) AS at
FROM payment p JOIN payment_item i ON i.payment_id = p.id
JOIN withholding h ON h.run_id = p.run_id AND h.payee_id = p.payee_id
JOIN payment w ON w.run_id = p.run_id AND w.payer_id = p.payer_id AND w.payee_id = p.payee_id
    AND w.kind = 'withholding' AND (w.again_of_id IS NULL OR w.again_of_id = w.id)
    AND WITHHELD > 0
JOIN payment_item t ON t.payment_id = w.id AND t.line_id = i.line_id
WHERE p.kind = 'order' AND p.state IN ('returned', 'cut')
""".replace("WITHHELD", "(CASE WHEN w.again_of_id IS NULL THEN w.amount_fen ELSE w.paid_fen END)")
# What was paid to teachers of each due by released runs, and how their month's tax was reckoned.
PAID_AGAIN = """
SELECT p.id, p.payer_id, p.payee_id, i.line_id, i.amount_fen, i.taxed_before_fen,
    CASE WHEN p.state IN ('failed', 'returned') THEN 0 WHEN p.state = 'cut' THEN p.paid_fen
        ELSE i.amount_fen END AS stands_fen,
    r.proposed_at, h.month, h.earlier_tax_fen
FROM payment p JOIN payment_item i ON i.payment_id = p.id AND i.amount_fen > 0
JOIN payment_run r ON r.id = p.run_id AND r.state = 'released'
LEFT JOIN withholding h ON h.run_id = p.run_id AND h.payee_id = p.payee_id
WHERE p.kind IN ('order', 'transfer') AND p.state <> 'withdrawn'
    AND (p.payer_id, p.payee_id, i.line_id) IN (SELECT payer_id, payee_id, line_id
        FROM (CAME_BACK) b)
ORDER BY p.id
""".replace("CAME_BACK", CAME_BACK)


def _mark_what_was_taxed() -> None:
    """Mark what was ordered again within the month whose steps had counted its tax already.

    In a later month it was taxed anew, as the steps say, and nothing is marked; nor of a due of
    which anything is marked: since 0027 what was open of it was marked as it was ordered.
    """
    connection = op.get_bind()
    back = defaultdict(list)
    for row in connection.execute(sa.text(CAME_BACK)):
        back[row.payer_id, row.payee_id, row.line_id].append(row)
    again = connection.execute(sa.text(PAID_AGAIN)).all()
    left: dict[object, int] = {due: sum(int(one.fen) for one in own) for due, own in back.items()}
    marked = {(one.payer_id, one.payee_id, one.line_id) for one in again if one.taxed_before_fen}
    used: dict[object, int] = defaultdict(int)
    for row in again:
        due = row.payer_id, row.payee_id, row.line_id
        counted = [
            int(one.fen)
            for one in back[due]
            if one.month == row.month
            and one.at is not None
            and one.at <= row.proposed_at
            and one.tax_fen <= (row.earlier_tax_fen or 0)
        ]
        fen = min(row.amount_fen, left[due], sum(counted) - used[due, row.month])
        if due in marked or fen <= 0:
            continue
        connection.execute(
            sa.text(
                "UPDATE payment_item SET taxed_before_fen = :fen "
                "WHERE payment_id = :payment AND line_id = :line"
            ),
            {"fen": fen, "payment": row.id, "line": row.line_id},
        )
        left[due] -= min(fen, row.stands_fen)
        used[due, row.month] += min(fen, row.stands_fen)


def upgrade() -> None:
    op.add_column("tax_remittance", sa.Column("corrects_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_tax_remittance_corrects_id"),
        "tax_remittance",
        "tax_remittance",
        ["corrects_id"],
        ["id"],
    )
    op.create_index(
        op.f("ix_tax_remittance_corrects_id"), "tax_remittance", ["corrects_id"], unique=False
    )
    for column, default in (
        (sa.Column("because", sa.Text(), nullable=False, server_default=""), "because"),
        (
            sa.Column("taken_back_fen", sa.BigInteger(), nullable=False, server_default="0"),
            "taken_back_fen",
        ),
    ):
        op.add_column("tax_remittance", column)
        op.alter_column("tax_remittance", default, server_default=None)
    op.drop_constraint(op.f("ck_tax_remittance_amount"), "tax_remittance", type_="check")
    for name, check in (
        (
            "amount",
            "amount_fen > 0 AND corrects_id IS NULL OR amount_fen < 0 AND corrects_id IS NOT NULL",
        ),
        ("because", "(corrects_id IS NULL) = (because = '')"),
        ("taken_back", "taken_back_fen BETWEEN 0 AND GREATEST(amount_fen, 0)"),
    ):
        op.create_check_constraint(op.f(f"ck_tax_remittance_{name}"), "tax_remittance", check)
    op.drop_index("ux_tax_remittance_reference", "tax_remittance")
    op.create_index(
        "ux_tax_remittance_reference",
        "tax_remittance",
        ["bureau_id", "reference", "corrects_id"],
        unique=True,
        postgresql_nulls_not_distinct=True,
        postgresql_where=sa.text(f"{STANDS} AND taken_back_fen <> amount_fen"),
    )
    op.execute(
        FROZEN.format(
            taken_back=", 'taken_back_fen'", decided="refuse_other_changes('taken_back_fen')"
        )
    )
    op.execute(TAKEN_BACK)
    op.execute(GIVEN_UP_UNTOLD)
    op.execute("ALTER TABLE payment_item DISABLE TRIGGER USER")
    _mark_what_was_taxed()
    op.execute("ALTER TABLE payment_item ENABLE TRIGGER USER")


def downgrade() -> None:
    later = op.get_bind().scalars(LATER_ALONE).all()
    if later:
        raise RuntimeError(
            "the revision before knows no counter-remittance, nor a receipt that is entered anew; "
            f"stay at this revision, or restore a backup of before: {', '.join(later)}"
        )
    for name in ("takes_of_recorded", "takes_once_recorded", "begins_untaken", "counted_only"):
        op.execute(f"DROP TRIGGER {name} ON tax_remittance")
    op.execute("DROP FUNCTION tax_taken_back")
    op.execute("DROP FUNCTION tax_taken_back_is_counted")
    op.execute(FROZEN.format(taken_back="", decided="refuse_change()"))
    op.drop_index("ux_tax_remittance_reference", "tax_remittance")
    op.create_index(
        "ux_tax_remittance_reference",
        "tax_remittance",
        ["reference"],
        unique=True,
        postgresql_where=sa.text(STANDS),
    )
    for name in ("taken_back", "because", "amount"):
        op.drop_constraint(op.f(f"ck_tax_remittance_{name}"), "tax_remittance", type_="check")
    op.create_check_constraint(op.f("ck_tax_remittance_amount"), "tax_remittance", "amount_fen > 0")
    op.drop_column("tax_remittance", "taken_back_fen")
    op.drop_column("tax_remittance", "because")
    op.drop_constraint(op.f("fk_tax_remittance_corrects_id"), "tax_remittance", type_="foreignkey")
    op.drop_index(op.f("ix_tax_remittance_corrects_id"), "tax_remittance")
    op.drop_column("tax_remittance", "corrects_id")
