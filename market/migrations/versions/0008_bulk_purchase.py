"""Bulk purchase: schools with ceilings of their own, their changes, breakdowns and estimates."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

APPEND_ONLY = """
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON {0}
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON {0}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

# Who may use an agreement, up to which own ceiling, moves only with a change.
SCHOOLS_MOVE = """
DROP TRIGGER refuse_change ON agreement_school;
CREATE TRIGGER refuse_change BEFORE DELETE ON agreement_school
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER moves_with_changes BEFORE UPDATE ON agreement_school
    FOR EACH ROW EXECUTE FUNCTION moves_with_changes();

CREATE FUNCTION apply_agreement_school_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.kind = 'added' THEN
        INSERT INTO agreement_school (agreement_id, school_id, ceiling_fen)
            VALUES (NEW.agreement_id, NEW.school_id, NEW.ceiling_fen);
        RETURN NULL;
    END IF;
    UPDATE agreement_school SET ceiling_fen = ceiling_fen + NEW.ceiling_fen,
        declined_from = COALESCE(NEW.from_day, declined_from)
        WHERE agreement_id = NEW.agreement_id AND school_id = NEW.school_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'agreement %: school % may not use it', NEW.agreement_id, NEW.school_id
            USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER applies AFTER INSERT ON agreement_school_change
    FOR EACH ROW EXECUTE FUNCTION apply_agreement_school_change();
"""

KINDS = "kind IN ('purchase', 'trial', 'renewal', 'raise', 'lower', 'bulk')"
KINDS_BEFORE = "kind IN ('purchase', 'trial', 'renewal', 'raise', 'lower')"
USES = "ceiling_use IN ('within', 'nearly_used', 'used_up')"


def upgrade() -> None:
    _agreements()
    _statements()
    _selections()
    for table in ("agreement_school_change", "credit_part", "selection_school"):
        op.execute(APPEND_ONLY.format(table))
    op.execute(SCHOOLS_MOVE)


def _agreements() -> None:
    op.add_column("agreement_school", sa.Column("declined_from", sa.Date(), nullable=True))
    op.create_check_constraint(
        op.f("ck_agreement_school_ceiling"), "agreement_school", "ceiling_fen >= 0"
    )
    op.create_table(
        "agreement_school_change",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agreement_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("ceiling_fen", sa.BigInteger(), nullable=False),
        sa.Column("from_day", sa.Date(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('added', 'ceiling', 'declined')",
            name=op.f("ck_agreement_school_change_kind"),
        ),
        sa.CheckConstraint(
            "(kind = 'declined') = (from_day IS NOT NULL)",
            name=op.f("ck_agreement_school_change_from_day"),
        ),
        sa.CheckConstraint("reason <> ''", name=op.f("ck_agreement_school_change_reason")),
        sa.ForeignKeyConstraint(
            ["agreement_id"], ["agreement.id"], name=op.f("fk_agreement_school_change_agreement_id")
        ),
        sa.ForeignKeyConstraint(
            ["school_id"], ["organisation.id"], name=op.f("fk_agreement_school_change_school_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agreement_school_change")),
        sa.UniqueConstraint(
            "agreement_id", "number", name=op.f("uq_agreement_school_change_agreement_id_number")
        ),
    )
    op.create_table(
        "school_estimate",
        sa.Column("payer_id", sa.Uuid(), nullable=False),
        sa.Column("agreement_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("ceiling_use", sa.Text(), nullable=False),
        sa.CheckConstraint(USES, name=op.f("ck_school_estimate_ceiling_use")),
        sa.ForeignKeyConstraint(
            ["agreement_id"], ["agreement.id"], name=op.f("fk_school_estimate_agreement_id")
        ),
        sa.ForeignKeyConstraint(
            ["school_id"], ["organisation.id"], name=op.f("fk_school_estimate_school_id")
        ),
        sa.PrimaryKeyConstraint(
            "payer_id", "agreement_id", "month", "school_id", name=op.f("pk_school_estimate")
        ),
    )
    op.create_index(op.f("ix_school_estimate_agreement_id"), "school_estimate", ["agreement_id"])


def _statements() -> None:
    for name in ("rated_fen", "above_ceiling_fen"):
        op.add_column("statement_breakdown", sa.Column(name, sa.BigInteger(), nullable=True))
    op.create_check_constraint(
        op.f("ck_statement_breakdown_by_school"),
        "statement_breakdown",
        "(rated_fen IS NULL) = (above_ceiling_fen IS NULL)",
    )
    op.create_check_constraint(
        op.f("ck_statement_breakdown_rated"),
        "statement_breakdown",
        "rated_fen = above_ceiling_fen + amount_fen",
    )
    op.create_table(
        "credit_part",
        sa.Column("credit_note_id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount_fen > 0", name=op.f("ck_credit_part_amount")),
        sa.ForeignKeyConstraint(
            ["credit_note_id"], ["credit_note.id"], name=op.f("fk_credit_part_credit_note_id")
        ),
        sa.ForeignKeyConstraint(
            ["school_id"], ["organisation.id"], name=op.f("fk_credit_part_school_id")
        ),
        sa.PrimaryKeyConstraint("credit_note_id", "school_id", name=op.f("pk_credit_part")),
    )


def _selections() -> None:
    op.create_table(
        "selection_school",
        sa.Column("selection_id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("ceiling_fen", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("ceiling_fen > 0", name=op.f("ck_selection_school_ceiling")),
        sa.ForeignKeyConstraint(
            ["selection_id"], ["selection.id"], name=op.f("fk_selection_school_selection_id")
        ),
        sa.ForeignKeyConstraint(
            ["school_id"], ["organisation.id"], name=op.f("fk_selection_school_school_id")
        ),
        sa.PrimaryKeyConstraint("selection_id", "school_id", name=op.f("pk_selection_school")),
    )
    op.drop_constraint(op.f("ck_selection_kind"), "selection")
    op.create_check_constraint(op.f("ck_selection_kind"), "selection", KINDS)


def downgrade() -> None:
    op.drop_constraint(op.f("ck_selection_kind"), "selection")
    op.create_check_constraint(op.f("ck_selection_kind"), "selection", KINDS_BEFORE)
    op.drop_table("selection_school")
    op.drop_table("credit_part")
    for name in ("rated", "by_school"):
        op.drop_constraint(op.f(f"ck_statement_breakdown_{name}"), "statement_breakdown")
    for name in ("above_ceiling_fen", "rated_fen"):
        op.drop_column("statement_breakdown", name)
    op.drop_table("school_estimate")
    op.drop_table("agreement_school_change")
    op.execute("DROP FUNCTION apply_agreement_school_change()")
    op.execute("DROP TRIGGER moves_with_changes ON agreement_school")
    op.execute("DROP TRIGGER refuse_change ON agreement_school")
    op.execute(
        "CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON agreement_school "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.drop_constraint(op.f("ck_agreement_school_ceiling"), "agreement_school")
    op.drop_column("agreement_school", "declined_from")
