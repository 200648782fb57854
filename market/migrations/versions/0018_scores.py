"""The ranking: published configurations, runs with their snapshots, and why agreements ended."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

JSON = postgresql.JSONB(astext_type=sa.Text())
APPEND_ONLY = """
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON {0}
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON {0}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""
TABLES = ("ranking_config", "score_run", "score_snapshot", "agreement_end_reason")


def upgrade() -> None:
    _runs()
    op.create_table(
        "score_snapshot",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("cell", sa.Text(), nullable=False),
        sa.Column("inputs", JSON, nullable=False),
        sa.Column("inputs_digest", sa.LargeBinary(), nullable=False),
        sa.Column("score", sa.Numeric(precision=9, scale=4), nullable=False),
        sa.Column("sd", sa.Numeric(precision=9, scale=4), nullable=False),
        sa.Column("p_bad", sa.Numeric(precision=7, scale=6), nullable=False),
        sa.Column("schools", sa.BigInteger(), nullable=False),
        sa.Column("is_newcomer", sa.Boolean(), nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=True),
        sa.Column("place_low", sa.BigInteger(), nullable=True),
        sa.Column("place_high", sa.BigInteger(), nullable=True),
        sa.Column("band", sa.Text(), nullable=False),
        sa.Column("result", JSON, nullable=False),
        sa.CheckConstraint("kind IN ('vendor', 'resource')", name=op.f("ck_score_snapshot_kind")),
        sa.CheckConstraint(
            "(place IS NULL) = is_newcomer AND (place IS NULL) = (place_low IS NULL) "
            "AND (place IS NULL) = (place_high IS NULL)",
            name=op.f("ck_score_snapshot_place"),
        ),
        sa.CheckConstraint("p_bad BETWEEN 0 AND 1", name=op.f("ck_score_snapshot_p_bad")),
        sa.CheckConstraint("sd >= 0", name=op.f("ck_score_snapshot_sd")),
        sa.ForeignKeyConstraint(
            ["run_id"], ["score_run.id"], name=op.f("fk_score_snapshot_run_id")
        ),
        sa.PrimaryKeyConstraint(
            "run_id", "kind", "subject_id", "cell", name=op.f("pk_score_snapshot")
        ),
    )
    op.create_index("ix_score_snapshot_cell", "score_snapshot", ["run_id", "kind", "cell", "place"])
    op.create_index("ix_score_snapshot_subject", "score_snapshot", ["subject_id", "cell"])
    op.create_table(
        "agreement_end_reason",
        sa.Column("agreement_id", sa.Uuid(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("said_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("said_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "why IN ('grade-change', 'curriculum-change', 'not-suitable', 'other')",
            name=op.f("ck_agreement_end_reason_why"),
        ),
        sa.ForeignKeyConstraint(
            ["agreement_id"], ["agreement.id"], name=op.f("fk_agreement_end_reason_agreement_id")
        ),
        sa.ForeignKeyConstraint(
            ["said_by"], ["person.id"], name=op.f("fk_agreement_end_reason_said_by")
        ),
        sa.PrimaryKeyConstraint("agreement_id", name=op.f("pk_agreement_end_reason")),
    )
    for name in TABLES:
        op.execute(APPEND_ONLY.format(name))


def _runs() -> None:
    op.create_table(
        "ranking_config",
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("content", JSON, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_ranking_config")),
        sa.UniqueConstraint("digest", name=op.f("uq_ranking_config_digest")),
    )
    op.create_table(
        "score_run",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("config_version", sa.Text(), nullable=False),
        sa.Column("priors", JSON, nullable=False),
        sa.Column("counts", JSON, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("ran_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ran_by", sa.Text(), nullable=False),
        sa.CheckConstraint("number > 0", name=op.f("ck_score_run_number")),
        sa.ForeignKeyConstraint(
            ["config_version"], ["ranking_config.version"], name=op.f("fk_score_run_config_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_score_run")),
        sa.UniqueConstraint("month", "number", name=op.f("uq_score_run_month_number")),
    )


def downgrade() -> None:
    for name in ("agreement_end_reason", "score_snapshot", "score_run", "ranking_config"):
        op.drop_table(name)
