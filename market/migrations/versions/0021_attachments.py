"""Files of versions: what lies in the store, and to which version it belongs."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

# Files change only with the draft; a version that came in a file takes over those of the version
# before it in the moment in which it is recorded.
GUARDS = """
CREATE FUNCTION attachment_of_draft() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    owner version;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        RAISE EXCEPTION 'attachment %: is replaced, never changed', OLD.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    SELECT * INTO owner FROM version
        WHERE id = CASE TG_OP WHEN 'DELETE' THEN OLD.version_id ELSE NEW.version_id END;
    IF owner.state = 'draft' THEN
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    IF TG_OP = 'INSERT' AND owner.state = 'submitted' AND NEW.attached_at = owner.created_at
       AND EXISTS (
        SELECT FROM attachment kept JOIN version before ON before.id = kept.version_id
        WHERE before.resource_id = owner.resource_id AND before.number = owner.number - 1
          AND kept.name = NEW.name AND kept.digest = NEW.digest AND kept.purpose = NEW.purpose
    ) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'version %: was submitted, its files stay', owner.id
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER is_draft BEFORE INSERT OR UPDATE OR DELETE ON attachment
    FOR EACH ROW EXECUTE FUNCTION attachment_of_draft();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON attachment
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER frozen BEFORE UPDATE ON stored_file
    FOR EACH ROW EXECUTE FUNCTION refuse_other_changes('state', 'touched_at');
CREATE FUNCTION stored_file_unreferenced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> 'dropping' THEN
        RAISE EXCEPTION 'stored file %: is not being dropped', OLD.digest
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN OLD;
END $$;
CREATE TRIGGER dropped BEFORE DELETE ON stored_file
    FOR EACH ROW EXECUTE FUNCTION stored_file_unreferenced();
"""


def upgrade() -> None:
    op.create_table(
        "stored_file",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("touched_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("state IN ('kept', 'dropping')", name=op.f("ck_stored_file_state")),
        sa.CheckConstraint("size_bytes > 0", name=op.f("ck_stored_file_size")),
        sa.CheckConstraint("digest ~ '^[0-9a-f]{64}$'", name=op.f("ck_stored_file_digest")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_stored_file")),
    )
    op.create_index(op.f("ix_stored_file_touched_at"), "stored_file", ["touched_at"])
    op.create_table(
        "attachment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("attached_by", sa.Uuid(), nullable=True),
        sa.Column("attached_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("purpose IN ('content', 'preview')", name=op.f("ck_attachment_purpose")),
        sa.CheckConstraint("name <> ''", name=op.f("ck_attachment_name")),
        sa.ForeignKeyConstraint(
            ["version_id"], ["version.id"], name=op.f("fk_attachment_version_id")
        ),
        sa.ForeignKeyConstraint(
            ["digest"], ["stored_file.digest"], name=op.f("fk_attachment_digest")
        ),
        sa.ForeignKeyConstraint(
            ["attached_by"], ["person.id"], name=op.f("fk_attachment_attached_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attachment")),
        sa.UniqueConstraint("version_id", "name", name=op.f("uq_attachment_version_id_name")),
    )
    op.create_index(op.f("ix_attachment_digest"), "attachment", ["digest"])
    op.execute(GUARDS)


def downgrade() -> None:
    op.drop_table("attachment")
    op.drop_table("stored_file")
    op.execute("DROP FUNCTION attachment_of_draft()")
    op.execute("DROP FUNCTION stored_file_unreferenced()")
