"""An appeal against a takedown ends no later than the takedown does."""

from alembic import op

revision = "0047"
down_revision = "0044"
branch_labels = None
depends_on = None

# What was lifted while its appeal was open: who lifted it granted what was asked for.
END = """
UPDATE admission_appeal made
SET outcome = 'upheld', decided_by = lifted.restored_by, decided_at = lifted.restored_at,
    note = COALESCE(NULLIF(lifted.note, ''), 'restored')
FROM takedown lifted
WHERE made.kind = 'takedown' AND made.against = lifted.id
  AND made.decided_at IS NULL AND lifted.restored_at IS NOT NULL
"""
# Whoever appeals shares the takedown's row: it is lifted before, or sees the appeal.
GUARDS = """
CREATE FUNCTION appeal_ends_with_takedown() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM admission_appeal
        WHERE kind = 'takedown' AND against = NEW.id AND decided_at IS NULL
    ) THEN
        RAISE EXCEPTION 'takedown %: the appeal against it is open', NEW.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER appeal_ends BEFORE UPDATE OF restored_at ON takedown
    FOR EACH ROW WHEN (OLD.restored_at IS NULL AND NEW.restored_at IS NOT NULL)
    EXECUTE FUNCTION appeal_ends_with_takedown();
CREATE FUNCTION appeal_has_takedown() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM takedown WHERE id = NEW.against AND restored_at IS NULL FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'appeal %: there is no takedown to appeal against', NEW.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER has_takedown BEFORE INSERT ON admission_appeal
    FOR EACH ROW WHEN (NEW.kind = 'takedown') EXECUTE FUNCTION appeal_has_takedown();
"""


def upgrade() -> None:
    op.execute(END)
    op.execute(GUARDS)


def downgrade() -> None:
    """Take the guards off; what was ended stays so: an appeal is decided once."""
    for trigger, table, function in (
        ("has_takedown", "admission_appeal", "appeal_has_takedown"),
        ("appeal_ends", "takedown", "appeal_ends_with_takedown"),
    ):
        op.execute(f"DROP TRIGGER {trigger} ON {table}")
        op.execute(f"DROP FUNCTION {function}()")
