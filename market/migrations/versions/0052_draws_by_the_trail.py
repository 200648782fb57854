"""Blind samples are drawn by a seed that the trail makes, once for each bureau and month."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0052"
down_revision = "0051"
branch_labels = None
depends_on = None

# The seed is made here, of what was chained before the month began: whoever draws has no say in it.
SEEDED = """
CREATE FUNCTION seeded_by_the_trail() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    begins CONSTANT timestamptz := CAST(NEW.month AS timestamp) AT TIME ZONE 'Asia/Shanghai';
    ends CONSTANT timestamptz :=
        (NEW.month + interval '1 month') AT TIME ZONE 'Asia/Shanghai';
    bureau CONSTANT text := (SELECT code FROM organisation WHERE id = NEW.bureau_id);
BEGIN
    IF NEW.drawn_at < begins OR NEW.drawn_at >= ends THEN
        RAISE EXCEPTION 'draw of % for %: made in another month', bureau, NEW.month
            USING ERRCODE = 'check_violation';
    END IF;
    SELECT l.sequence, encode(l.digest, 'hex') INTO NEW.anchor, NEW.anchor_digest
        FROM trail_link l JOIN trail t ON t.id = l.trail_id
        WHERE t.at < begins ORDER BY l.sequence DESC LIMIT 1;
    NEW.anchor := COALESCE(NEW.anchor, 0);
    NEW.reached := COALESCE((SELECT max(sequence) FROM trail_link), 0);
    NEW.anchor_digest := COALESCE(NEW.anchor_digest, '');
    NEW.seed := encode(sha256(convert_to(
        NEW.anchor_digest || ':' || bureau || ':' || to_char(NEW.month, 'YYYY-MM'), 'UTF8')), 'hex');
    RETURN NEW;
END $$;
CREATE TRIGGER seeded BEFORE INSERT ON blind_draw
    FOR EACH ROW EXECUTE FUNCTION seeded_by_the_trail();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON blind_draw
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON blind_draw
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""
# Samples of before have seeds that somebody chose, and no draw; no more of these come.
OF_A_DRAW = """
CREATE FUNCTION sample_of_a_draw() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM blind_draw d WHERE d.id = NEW.draw_id
            AND d.bureau_id = NEW.bureau_id AND d.seed = NEW.seed
            AND d.pool ? CAST(NEW.version_id AS text)) THEN
        RAISE EXCEPTION 'sample of version %: of no draw', NEW.version_id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER of_a_draw BEFORE INSERT ON blind_sample
    FOR EACH ROW EXECUTE FUNCTION sample_of_a_draw();
"""


def upgrade() -> None:
    op.create_table(
        "blind_draw",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("bureau_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("anchor", sa.BigInteger(), nullable=False),
        sa.Column("anchor_digest", sa.Text(), nullable=False),
        sa.Column("reached", sa.BigInteger(), nullable=False),
        sa.Column("seed", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("pool", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("drawn_by", sa.Uuid(), nullable=False),
        sa.Column("drawn_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("size BETWEEN 5 AND 500", name=op.f("ck_blind_draw_size")),
        sa.CheckConstraint("jsonb_array_length(pool) > 0", name=op.f("ck_blind_draw_pool")),
        sa.CheckConstraint("extract(day FROM month) = 1", name=op.f("ck_blind_draw_month")),
        sa.ForeignKeyConstraint(
            ["bureau_id"], ["organisation.id"], name=op.f("fk_blind_draw_bureau_id")
        ),
        sa.ForeignKeyConstraint(["drawn_by"], ["person.id"], name=op.f("fk_blind_draw_drawn_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_blind_draw")),
        sa.UniqueConstraint("bureau_id", "month", name=op.f("uq_blind_draw_bureau_id_month")),
    )
    op.execute(SEEDED)
    op.add_column("blind_sample", sa.Column("draw_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_blind_sample_draw_id"), "blind_sample", "blind_draw", ["draw_id"], ["id"]
    )
    op.create_index(op.f("ix_blind_sample_draw_id"), "blind_sample", ["draw_id"])
    op.execute(OF_A_DRAW)


def downgrade() -> None:
    drawn = op.get_bind().scalars(
        sa.text(
            "SELECT o.code || ' ' || to_char(d.month, 'YYYY-MM') FROM blind_draw d "
            "JOIN organisation o ON o.id = d.bureau_id ORDER BY 1 LIMIT 5"
        )
    )
    if draws := ", ".join(drawn):
        raise RuntimeError(
            f"can't go back: who could be drawn for a blind audit stands nowhere else: {draws}"
        )
    op.execute("DROP TRIGGER of_a_draw ON blind_sample")
    op.execute("DROP FUNCTION sample_of_a_draw()")
    op.drop_index(op.f("ix_blind_sample_draw_id"), "blind_sample")
    op.drop_constraint(op.f("fk_blind_sample_draw_id"), "blind_sample")
    op.drop_column("blind_sample", "draw_id")
    op.drop_table("blind_draw")
    op.execute("DROP FUNCTION seeded_by_the_trail()")
