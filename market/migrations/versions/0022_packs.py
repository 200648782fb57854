"""Packs: which versions a pack's version bundles."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

# The row says by keys what the pack's metadata say in words, which can't change after submission.
GUARDS = """
CREATE FUNCTION pack_part_as_said() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    said text;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        RAISE EXCEPTION 'pack %: its parts are written anew, never changed', OLD.pack_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF TG_OP = 'DELETE' THEN
        IF (SELECT state FROM version WHERE id = OLD.pack_id) <> 'draft' THEN
            RAISE EXCEPTION 'pack %: was submitted, its parts stay', OLD.pack_id
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN OLD;
    END IF;
    SELECT other.sku || '@' || part.number INTO said
        FROM version part JOIN resource other ON other.id = part.resource_id
        JOIN version pack ON pack.id = NEW.pack_id
        JOIN resource own ON own.id = pack.resource_id AND own.vendor_id = other.vendor_id
        WHERE part.id = NEW.version_id AND other.id = NEW.resource_id;
    IF said IS DISTINCT FROM (
        SELECT metadata -> 'parts' ->> CAST(NEW.position - 1 AS int) FROM version
        WHERE id = NEW.pack_id
    ) OR said IS NULL THEN
        RAISE EXCEPTION 'pack %: part % is not what it says', NEW.pack_id, NEW.position
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER as_said BEFORE INSERT OR UPDATE OR DELETE ON pack_part
    FOR EACH ROW EXECUTE FUNCTION pack_part_as_said();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON pack_part
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""


def upgrade() -> None:
    op.create_table(
        "pack_part",
        sa.Column("pack_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("resource_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("position > 0", name=op.f("ck_pack_part_position")),
        sa.CheckConstraint("pack_id <> version_id", name=op.f("ck_pack_part_not_itself")),
        sa.ForeignKeyConstraint(["pack_id"], ["version.id"], name=op.f("fk_pack_part_pack_id")),
        sa.ForeignKeyConstraint(
            ["resource_id"], ["resource.id"], name=op.f("fk_pack_part_resource_id")
        ),
        sa.ForeignKeyConstraint(
            ["version_id"], ["version.id"], name=op.f("fk_pack_part_version_id")
        ),
        sa.PrimaryKeyConstraint("pack_id", "position", name=op.f("pk_pack_part")),
        sa.UniqueConstraint(
            "pack_id", "resource_id", name=op.f("uq_pack_part_pack_id_resource_id")
        ),
    )
    op.create_index(op.f("ix_pack_part_resource_id"), "pack_part", ["resource_id"])
    op.create_index(op.f("ix_pack_part_version_id"), "pack_part", ["version_id"])
    op.execute(GUARDS)


def downgrade() -> None:
    op.drop_table("pack_part")
    op.execute("DROP FUNCTION pack_part_as_said()")
