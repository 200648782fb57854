"""Ceilings by fiscal year and their changes; policy by source and kind; delegation; drafts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

APPEND_ONLY = """
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON {0}
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON {0}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""
NEVER_REMOVED = """
CREATE TRIGGER refuse_delete BEFORE DELETE ON {0}
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON {0}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

# What an agreement is worth moves only with its changes: from within their trigger, never by hand.
# And a state follows only where the table of `agreement_states` lets it.
AGREEMENT_MOVES = """
DROP TRIGGER frozen_terms ON agreement;
CREATE TRIGGER frozen_terms BEFORE UPDATE ON agreement
    FOR EACH ROW EXECUTE FUNCTION refuse_other_changes('state', 'ceiling_fen', 'ends_on');

CREATE FUNCTION moves_with_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() < 2 THEN
        RAISE EXCEPTION '% %: only a change moves it', TG_TABLE_NAME, OLD
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER moves_with_changes BEFORE UPDATE ON agreement
    FOR EACH ROW WHEN (NEW.ceiling_fen <> OLD.ceiling_fen OR NEW.ends_on <> OLD.ends_on)
    EXECUTE FUNCTION moves_with_changes();
CREATE TRIGGER moves_with_changes BEFORE UPDATE ON agreement_year
    FOR EACH ROW EXECUTE FUNCTION moves_with_changes();

DROP TRIGGER refuse_change ON agreement_draw;
CREATE TRIGGER refuse_change BEFORE DELETE ON agreement_draw
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER moves_with_changes BEFORE UPDATE ON agreement_draw
    FOR EACH ROW EXECUTE FUNCTION moves_with_changes();

CREATE FUNCTION agreement_goes_on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state IN ('ended', 'terminated') THEN
        RAISE EXCEPTION 'agreement %: % to % is refused', OLD.number, OLD.state, NEW.state
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER goes_on BEFORE UPDATE ON agreement
    FOR EACH ROW WHEN (NEW.state <> OLD.state) EXECUTE FUNCTION agreement_goes_on();

CREATE FUNCTION apply_agreement_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.ceiling_fen <> 0 OR NEW.ends_on IS NOT NULL THEN
        UPDATE agreement SET ceiling_fen = ceiling_fen + NEW.ceiling_fen,
            ends_on = COALESCE(NEW.ends_on, ends_on)
            WHERE id = NEW.agreement_id;
    END IF;
    IF NEW.ceiling_fen <> 0 OR NEW.waiting_fen <> 0 THEN
        UPDATE agreement_year SET ceiling_fen = ceiling_fen + NEW.ceiling_fen,
            waiting_fen = waiting_fen + NEW.waiting_fen
            WHERE agreement_id = NEW.agreement_id AND fiscal_year = NEW.fiscal_year;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER applies AFTER INSERT ON agreement_change
    FOR EACH ROW EXECUTE FUNCTION apply_agreement_change();

CREATE FUNCTION apply_agreement_change_draw() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    agreement uuid;
BEGIN
    SELECT agreement_id INTO agreement FROM agreement_change WHERE id = NEW.change_id;
    UPDATE agreement_draw SET ceiling_fen = ceiling_fen + NEW.amount_fen
        WHERE agreement_id = agreement AND line_id = NEW.line_id;
    IF NOT FOUND THEN
        INSERT INTO agreement_draw (agreement_id, position, line_id, ceiling_fen)
            SELECT agreement, COALESCE(max(position), 0) + 1, NEW.line_id, NEW.amount_fen
            FROM agreement_draw WHERE agreement_id = agreement;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER applies AFTER INSERT ON agreement_change_draw
    FOR EACH ROW EXECUTE FUNCTION apply_agreement_change_draw();

-- The years of an agreement make its ceiling.
CREATE FUNCTION years_make_the_ceiling() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT sum(ceiling_fen) FROM agreement_year WHERE agreement_id = NEW.agreement_id)
        <> (SELECT ceiling_fen FROM agreement WHERE id = NEW.agreement_id) THEN
        RAISE EXCEPTION 'agreement %: its years do not make its ceiling', NEW.agreement_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'years_make_the_ceiling';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER years_make_the_ceiling AFTER INSERT OR UPDATE ON agreement_year
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION years_make_the_ceiling();
"""

# A delegation is granted once and may be taken back; whose it was, for which days, stays.
FROZEN_DELEGATION = """
CREATE TRIGGER frozen_delegation BEFORE UPDATE ON delegation
    FOR EACH ROW EXECUTE FUNCTION refuse_other_changes('revoked_at');
"""

STATES = "state IN ('requested', 'approved', 'returned', 'refused', 'cancelled')"
STATES_BEFORE = "state IN ('draft', 'requested', 'approved', 'returned', 'refused', 'cancelled')"


def upgrade() -> None:
    _agreements()
    _policy()
    _selections()
    _people()
    for table in ("agreement_change", "agreement_change_draw", "approval_rule"):
        op.execute(APPEND_ONLY.format(table))
    for table in ("agreement_year", "delegation"):
        op.execute(NEVER_REMOVED.format(table))
    op.execute(AGREEMENT_MOVES)
    op.execute(FROZEN_DELEGATION)


def _agreements() -> None:
    op.create_table(
        "agreement_year",
        sa.Column("agreement_id", sa.Uuid(), nullable=False),
        sa.Column("fiscal_year", sa.BigInteger(), nullable=False),
        sa.Column("ceiling_fen", sa.BigInteger(), nullable=False),
        sa.Column("waiting_fen", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("ceiling_fen >= 0", name=op.f("ck_agreement_year_ceiling")),
        sa.CheckConstraint(
            "waiting_fen BETWEEN 0 AND ceiling_fen", name=op.f("ck_agreement_year_waiting")
        ),
        sa.ForeignKeyConstraint(
            ["agreement_id"], ["agreement.id"], name=op.f("fk_agreement_year_agreement_id")
        ),
        sa.PrimaryKeyConstraint("agreement_id", "fiscal_year", name=op.f("pk_agreement_year")),
    )
    op.create_index(
        "ix_agreement_year_waiting",
        "agreement_year",
        ["fiscal_year"],
        postgresql_where=sa.text("waiting_fen > 0"),
    )
    op.create_table(
        "agreement_change",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agreement_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("fiscal_year", sa.BigInteger(), nullable=False),
        sa.Column("ceiling_fen", sa.BigInteger(), nullable=False),
        sa.Column("waiting_fen", sa.BigInteger(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('raised', 'lowered', 'committed', 'ended', 'released')",
            name=op.f("ck_agreement_change_kind"),
        ),
        sa.CheckConstraint(
            "(kind = 'ended') = (ends_on IS NOT NULL)", name=op.f("ck_agreement_change_ends_on")
        ),
        sa.ForeignKeyConstraint(
            ["agreement_id"], ["agreement.id"], name=op.f("fk_agreement_change_agreement_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agreement_change")),
        sa.UniqueConstraint(
            "agreement_id", "number", name=op.f("uq_agreement_change_agreement_id_number")
        ),
    )
    op.create_table(
        "agreement_change_draw",
        sa.Column("change_id", sa.Uuid(), nullable=False),
        sa.Column("line_id", sa.Uuid(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount_fen <> 0", name=op.f("ck_agreement_change_draw_amount")),
        sa.ForeignKeyConstraint(
            ["change_id"], ["agreement_change.id"], name=op.f("fk_agreement_change_draw_change_id")
        ),
        sa.ForeignKeyConstraint(
            ["line_id"], ["funding_line.id"], name=op.f("fk_agreement_change_draw_line_id")
        ),
        sa.PrimaryKeyConstraint("change_id", "line_id", name=op.f("pk_agreement_change_draw")),
    )
    op.create_index(op.f("ix_agreement_change_draw_line_id"), "agreement_change_draw", ["line_id"])


def _policy() -> None:
    for name in ("kind", "tier", "source"):
        op.add_column(
            "approval_rule", sa.Column(name, sa.Text(), nullable=False, server_default="")
        )
    op.add_column(
        "approval_rule",
        sa.Column("may_repeat", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.add_column(
        "approval_rule",
        sa.Column("due_workdays", sa.BigInteger(), nullable=False, server_default="3"),
    )
    op.add_column(
        "approval_step",
        sa.Column("may_repeat", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.add_column(
        "approval_step",
        sa.Column("due_workdays", sa.BigInteger(), nullable=False, server_default="3"),
    )
    op.add_column("approval_step", sa.Column("due_on", sa.Date(), nullable=True))
    op.add_column("approval_step", sa.Column("signed_for", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_approval_step_signed_for"), "approval_step", "person", ["signed_for"], ["id"]
    )
    for table in ("approval_rule", "approval_step"):
        for name in ("may_repeat", "due_workdays"):
            op.alter_column(table, name, server_default=None)
    for name in ("kind", "tier", "source"):
        op.alter_column("approval_rule", name, server_default=None)


def _selections() -> None:
    op.add_column(
        "selection", sa.Column("kind", sa.Text(), nullable=False, server_default="purchase")
    )
    op.add_column("selection", sa.Column("basket", sa.Text(), nullable=False, server_default=""))
    op.add_column(
        "selection", sa.Column("later_fen", sa.BigInteger(), nullable=False, server_default="0")
    )
    op.add_column("selection", sa.Column("of_agreement_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_selection_of_agreement_id"), "selection", "agreement", ["of_agreement_id"], ["id"]
    )
    op.create_index(op.f("ix_selection_of_agreement_id"), "selection", ["of_agreement_id"])
    op.create_check_constraint(
        op.f("ck_selection_later"), "selection", "later_fen BETWEEN 0 AND ceiling_fen"
    )
    op.create_check_constraint(
        op.f("ck_selection_kind"),
        "selection",
        "kind IN ('purchase', 'trial', 'renewal', 'raise', 'lower')",
    )
    op.create_check_constraint(
        op.f("ck_selection_of_agreement"),
        "selection",
        "(kind IN ('renewal', 'raise', 'lower')) = (of_agreement_id IS NOT NULL)",
    )
    op.drop_constraint(op.f("ck_selection_state"), "selection")
    op.create_check_constraint(op.f("ck_selection_state"), "selection", STATES)
    for name in ("kind", "basket", "later_fen"):
        op.alter_column("selection", name, server_default=None)


def _people() -> None:
    op.create_table(
        "delegation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("from_person_id", sa.Uuid(), nullable=False),
        sa.Column("to_person_id", sa.Uuid(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("only_overdue", sa.Boolean(), nullable=False),
        sa.Column("granted_by", sa.Text(), nullable=False),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("ends_on >= starts_on", name=op.f("ck_delegation_order")),
        sa.CheckConstraint("from_person_id <> to_person_id", name=op.f("ck_delegation_two_people")),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_delegation_organisation_id")
        ),
        sa.ForeignKeyConstraint(
            ["from_person_id"], ["person.id"], name=op.f("fk_delegation_from_person_id")
        ),
        sa.ForeignKeyConstraint(
            ["to_person_id"], ["person.id"], name=op.f("fk_delegation_to_person_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delegation")),
    )
    op.create_index(
        op.f("ix_delegation_organisation_id_role"), "delegation", ["organisation_id", "role"]
    )
    op.create_index(op.f("ix_delegation_to_person_id"), "delegation", ["to_person_id"])
    op.create_table(
        "selection_draft",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("form", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_selection_draft_person_id")
        ),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_selection_draft")),
    )


def downgrade() -> None:
    op.drop_table("selection_draft")
    op.drop_table("delegation")
    op.drop_constraint(op.f("ck_selection_state"), "selection")
    op.create_check_constraint(op.f("ck_selection_state"), "selection", STATES_BEFORE)
    for name in ("of_agreement", "kind", "later"):
        op.drop_constraint(op.f(f"ck_selection_{name}"), "selection")
    for name in ("of_agreement_id", "later_fen", "basket", "kind"):
        op.drop_column("selection", name)
    for name in ("signed_for", "due_on", "due_workdays", "may_repeat"):
        op.drop_column("approval_step", name)
    op.execute("DROP TRIGGER refuse_change ON approval_rule")
    op.execute("DROP TRIGGER refuse_truncate ON approval_rule")
    for name in ("due_workdays", "may_repeat", "source", "tier", "kind"):
        op.drop_column("approval_rule", name)
    op.drop_table("agreement_change_draw")
    op.drop_table("agreement_change")
    op.drop_table("agreement_year")
    op.execute("DROP TRIGGER moves_with_changes ON agreement_draw")
    op.execute("DROP TRIGGER refuse_change ON agreement_draw")
    op.execute(
        "CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON agreement_draw "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute("DROP TRIGGER moves_with_changes ON agreement")
    op.execute("DROP TRIGGER goes_on ON agreement")
    op.execute("DROP TRIGGER frozen_terms ON agreement")
    op.execute(
        "CREATE TRIGGER frozen_terms BEFORE UPDATE ON agreement "
        "FOR EACH ROW EXECUTE FUNCTION refuse_other_changes('state')"
    )
    for name in (
        "years_make_the_ceiling",
        "apply_agreement_change_draw",
        "apply_agreement_change",
        "agreement_goes_on",
        "moves_with_changes",
    ):
        op.execute(f"DROP FUNCTION {name}()")
