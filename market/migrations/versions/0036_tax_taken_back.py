"""Remitted tax is taken back by counter-entries; a receipt is its bureau's."""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

# What is taken back is taken of a recorded remittance of the same bureau and month, and counted
# there as it is recorded: that row's check lets no more be taken back than was remitted.
TAKEN_BACK = """
CREATE FUNCTION tax_taken_back() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
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
STANDS = "state IN ('proposed', 'recorded')"


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


def downgrade() -> None:
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
