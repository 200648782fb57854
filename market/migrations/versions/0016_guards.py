"""Who may use an agreement comes of its opening or a checked proposal; what is decided stays."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

# An agreement's schools come with it, in the transaction that opens it; later ones by a change,
# from within its trigger. The transaction is kept, since a row's own would move with its state.
COMES_WITH = """
CREATE FUNCTION comes_with_its_agreement() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() < 2 AND NOT EXISTS (
        SELECT FROM agreement WHERE id = NEW.agreement_id
        AND opened_in = pg_current_xact_id()::text::bigint
    ) THEN
        RAISE EXCEPTION '% %: it was opened without, only a change adds one',
            TG_TABLE_NAME, NEW.agreement_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER comes_with_its_agreement AFTER INSERT ON agreement_school
    FOR EACH ROW EXECUTE FUNCTION comes_with_its_agreement();
"""
WITHOUT_COMES_WITH = """
DROP TRIGGER comes_with_its_agreement ON agreement_school;
DROP FUNCTION comes_with_its_agreement();
"""

# Who joins, and another ceiling, was proposed by one person and checked by another: the proposal
# is of the payer, of this agreement, and names the school with its day. A school declines itself.
PROPOSED = """
CREATE FUNCTION was_proposed_and_checked() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM record_proposal p
        JOIN agreement a ON a.id = NEW.agreement_id AND a.payer_id = p.bureau_id
            AND a.number = p.content ->> 'agreement'
        JOIN organisation o ON o.id = NEW.school_id
        CROSS JOIN jsonb_array_elements(p.content -> 'schools') AS wish
        WHERE p.number = NEW.reference AND p.kind = 'bulk_schools' AND p.state = 'recorded'
            AND p.decided_by IS DISTINCT FROM p.made_by AND wish ->> 'code' = o.code
            AND (NEW.kind = 'ceiling' OR wish ->> 'from_day' = NEW.from_day::text)
    ) THEN
        RAISE EXCEPTION 'agreement %: no proposal % was checked by which school % is %',
            NEW.agreement_id, NEW.reference, NEW.school_id, NEW.kind
            USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER was_proposed_and_checked BEFORE INSERT ON agreement_school_change
    FOR EACH ROW WHEN (NEW.kind <> 'declined') EXECUTE FUNCTION was_proposed_and_checked();
"""
WITHOUT_PROPOSED = """
DROP TRIGGER was_proposed_and_checked ON agreement_school_change;
DROP FUNCTION was_proposed_and_checked();
"""
REFERENCE = "(kind = 'declined') = (reference = '')"
ONCE = "uq_agreement_school_change_reference"

DECIDED_ONCE = """
CREATE TRIGGER decided_once BEFORE UPDATE ON dispute
    FOR EACH ROW WHEN (OLD.decided_at IS NOT NULL) EXECUTE FUNCTION refuse_change();
"""

# As the table of `procurement.states`: from requested to anything else, and from there nowhere.
GOES_ON = """
CREATE FUNCTION selection_goes_on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'selection %: % to % is refused', OLD.reference, OLD.state, NEW.state
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER goes_on BEFORE UPDATE ON selection
    FOR EACH ROW WHEN (OLD.state <> 'requested') EXECUTE FUNCTION selection_goes_on();
"""
WITHOUT_GOES_ON = """
DROP TRIGGER goes_on ON selection;
DROP FUNCTION selection_goes_on();
"""
AGREED = "(state = 'approved') = (agreement_id IS NOT NULL)"


def upgrade() -> None:
    _openings()
    _changes()
    op.execute(DECIDED_ONCE)
    op.execute(GOES_ON)
    op.create_check_constraint(op.f("ck_selection_agreed"), "selection", AGREED)


def _openings() -> None:
    # Agreements of before have none: nothing more comes with them.
    op.add_column("agreement", sa.Column("opened_in", sa.BigInteger(), nullable=True))
    op.alter_column(
        "agreement", "opened_in", server_default=sa.text("(pg_current_xact_id()::text)::bigint")
    )
    op.execute(COMES_WITH)


def _changes() -> None:
    # Changes of before two people were asked name no proposal; no later one may.
    op.execute(
        "ALTER TABLE agreement_school_change ADD CONSTRAINT ck_agreement_school_change_reference "
        f"CHECK ({REFERENCE}) NOT VALID"
    )
    op.create_index(
        ONCE,
        "agreement_school_change",
        ["reference", "school_id", "kind"],
        unique=True,
        postgresql_where=sa.text("reference <> ''"),
    )
    op.execute(PROPOSED)


def downgrade() -> None:
    op.drop_constraint(op.f("ck_selection_agreed"), "selection")
    op.execute(WITHOUT_GOES_ON)
    op.execute("DROP TRIGGER decided_once ON dispute")
    op.execute(WITHOUT_PROPOSED)
    op.drop_index(ONCE, "agreement_school_change")
    op.drop_constraint(op.f("ck_agreement_school_change_reference"), "agreement_school_change")
    op.execute(WITHOUT_COMES_WITH)
    op.drop_column("agreement", "opened_in")
