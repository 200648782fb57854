"""Nothing of a resource is listed anew under a takedown; a resource has one draft."""

from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

# What the takedown itself suspended is looked after by `version_moves`.
UNDER_TAKEDOWN = """
CREATE FUNCTION refuse_under_takedown() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM takedown WHERE resource_id = NEW.resource_id AND restored_at IS NULL
    ) THEN
        RAISE EXCEPTION 'version %: its resource is under a takedown', NEW.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER under_takedown BEFORE UPDATE OF state ON version
    FOR EACH ROW
    WHEN (OLD.state IN ('in_review', 'admitted') AND NEW.state IN ('admitted', 'listed'))
    EXECUTE FUNCTION refuse_under_takedown();
"""
# A trigger, not an index: of resources that had several drafts before, each is its vendor's work.
ONE_DRAFT = """
CREATE FUNCTION one_draft() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM resource WHERE id = NEW.resource_id FOR NO KEY UPDATE;
    IF EXISTS (SELECT FROM version WHERE resource_id = NEW.resource_id AND state = 'draft') THEN
        RAISE EXCEPTION 'resource %: has a draft already', NEW.resource_id
            USING ERRCODE = 'unique_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER one_draft BEFORE INSERT ON version
    FOR EACH ROW WHEN (NEW.state = 'draft') EXECUTE FUNCTION one_draft();
"""


def upgrade() -> None:
    op.execute(UNDER_TAKEDOWN)
    op.execute(ONE_DRAFT)


def downgrade() -> None:
    for trigger, function in (
        ("one_draft", "one_draft"),
        ("under_takedown", "refuse_under_takedown"),
    ):
        op.execute(f"DROP TRIGGER {trigger} ON version")
        op.execute(f"DROP FUNCTION {function}()")
