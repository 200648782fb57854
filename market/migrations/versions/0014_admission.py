"""The life cycle of versions as the database keeps it, and the admission desk."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# A version moves only as the table of its life cycle says (catalog.states), and nothing is listed
# that two people of one bureau, who hold or held its role, have not admitted.
VERSION_MOVES = """
CREATE FUNCTION version_moves() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    moves CONSTANT text[] := ARRAY[
        'draft>submitted', 'submitted>in_review', 'submitted>withdrawn', 'in_review>submitted',
        'in_review>admitted', 'in_review>returned', 'in_review>refused', 'admitted>listed',
        'admitted>withdrawn', 'listed>suspended', 'listed>withdrawn', 'suspended>listed',
        'suspended>withdrawn', 'refused>submitted'];
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state NOT IN ('draft', 'submitted') THEN
            RAISE EXCEPTION 'version %: begins as a draft or submitted, not %', NEW.id, NEW.state
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF NEW.state = OLD.state THEN
        RETURN NEW;
    END IF;
    IF OLD.state || '>' || NEW.state <> ALL (moves) THEN
        RAISE EXCEPTION 'version %: % to % is refused', OLD.id, OLD.state, NEW.state
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.state IN ('admitted', 'listed') AND NOT EXISTS (
        SELECT FROM admission one
        WHERE one.version_id = NEW.id AND one.state = 'admitted'
          AND one.proposed_by <> one.decided_by
          AND EXISTS (SELECT FROM role_grant held WHERE held.person_id = one.proposed_by
                      AND held.organisation_id = one.bureau_id AND held.role = 'admission')
          AND EXISTS (SELECT FROM role_grant held WHERE held.person_id = one.decided_by
                      AND held.organisation_id = one.bureau_id AND held.role = 'admission')
    ) THEN
        RAISE EXCEPTION 'version %: two reviewers of one bureau have not admitted it', NEW.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.state = 'suspended' AND NEW.state = 'listed' AND EXISTS (
        SELECT FROM takedown one WHERE one.resource_id = NEW.resource_id
        AND one.restored_at IS NULL AND one.versions ? NEW.id::text
    ) THEN
        RAISE EXCEPTION 'version %: is under a takedown', NEW.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER moves BEFORE INSERT OR UPDATE OF state ON version
    FOR EACH ROW EXECUTE FUNCTION version_moves();
"""

# A review is claimed, proposed with all findings that its depth asks for, then decided once by
# another; what was proposed stays as the second reviewer saw it.
ADMISSION_MOVES = """
CREATE FUNCTION admission_moves() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    moves CONSTANT text[] := ARRAY[
        'claimed>proposed', 'claimed>released', 'proposed>released', 'proposed>admitted',
        'proposed>refused', 'proposed>returned'];
    kept CONSTANT text[] := ARRAY['state', 'decided_by', 'decided_at', 'decision_note'];
    asked text[];
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state NOT IN ('claimed', 'proposed') OR NEW.decided_by IS NOT NULL THEN
            RAISE EXCEPTION 'admission %: begins with a claim', NEW.id
                USING ERRCODE = 'restrict_violation';
        END IF;
    ELSE
        IF NEW.version_id <> OLD.version_id OR NEW.bureau_id <> OLD.bureau_id
           OR NEW.round <> OLD.round OR NEW.depth <> OLD.depth OR NEW.changes <> OLD.changes
           OR (NEW.state <> OLD.state AND OLD.state || '>' || NEW.state <> ALL (moves))
           OR (OLD.state <> 'claimed' AND to_jsonb(NEW) - kept <> to_jsonb(OLD) - kept)
           OR (OLD.state NOT IN ('claimed', 'proposed') AND NEW IS DISTINCT FROM OLD) THEN
            RAISE EXCEPTION 'admission %: % to % is refused', OLD.id, OLD.state, NEW.state
                USING ERRCODE = 'restrict_violation';
        END IF;
    END IF;
    IF NEW.state = 'proposed' AND (TG_OP = 'INSERT' OR OLD.state <> 'proposed') THEN
        asked := CASE NEW.depth WHEN 'light' THEN ARRAY['normative', 'public_benefit'] ELSE
            ARRAY['political', 'guidance', 'scientific', 'safety', 'suitability', 'normative',
                  'timeliness', 'public_benefit'] END;
        IF NEW.verdict IS NULL OR NEW.proposed_by IS NULL OR NOT (NEW.findings ?& asked) THEN
            RAISE EXCEPTION 'admission %: proposed without its findings', NEW.id
                USING ERRCODE = 'restrict_violation';
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER moves BEFORE INSERT OR UPDATE ON admission
    FOR EACH ROW EXECUTE FUNCTION admission_moves();
"""

REFUSE_DELETE = """
CREATE TRIGGER refuse_delete BEFORE DELETE ON {0}
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON {0}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""
APPEND_ONLY = """
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON {0}
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON {0}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""
DECIDED_ONCE = """
CREATE TRIGGER frozen BEFORE UPDATE ON {0}
    FOR EACH ROW EXECUTE FUNCTION refuse_other_changes({1});
CREATE TRIGGER decided_once BEFORE UPDATE ON {0}
    FOR EACH ROW WHEN (OLD.{2} IS NOT NULL) EXECUTE FUNCTION refuse_change();
"""
# What is declared with a version (its price, what it was made from) changes only with the draft.
FROZEN_OFFER = """
CREATE FUNCTION belongs_to_draft() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT state FROM version WHERE id = OLD.version_id) <> 'draft' THEN
        RAISE EXCEPTION 'version %: was submitted', OLD.version_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER is_draft BEFORE UPDATE OR DELETE ON proposed_offer
    FOR EACH ROW EXECUTE FUNCTION belongs_to_draft();
"""


def upgrade() -> None:
    _admissions()
    _desk()
    _sharing()
    # What became of one thing is read out of the trail: a version's story on its case page.
    op.create_index(op.f("ix_trail_subject_id"), "trail", ["subject_id"])


def _admissions() -> None:
    op.add_column("admission", sa.Column("round", sa.BigInteger(), server_default="1"))
    op.add_column("admission", sa.Column("depth", sa.Text(), server_default="full"))
    op.add_column("admission", sa.Column("claimed_at", sa.DateTime(timezone=True)))
    for name, empty in (("changes", "[]"), ("findings", "{}"), ("suits", "{}"), ("reasons", "[]")):
        op.add_column(
            "admission",
            sa.Column(name, postgresql.JSONB(astext_type=sa.Text()), server_default=empty),
        )
    op.add_column("admission", sa.Column("verdict", sa.Text(), nullable=True))
    op.add_column("admission", sa.Column("decision_note", sa.Text(), server_default=""))
    # Before, what was proposed was to be admitted, and a decision wrote over the proposal's note.
    op.execute(
        "UPDATE admission SET claimed_at = coalesce(proposed_at, decided_at, now()), "
        "verdict = CASE WHEN proposed_by IS NOT NULL THEN 'admitted' END, "
        "decision_note = CASE WHEN decided_by IS NOT NULL THEN note ELSE '' END"
    )
    for name in (
        *("round", "depth", "claimed_at", "changes", "findings", "suits", "reasons"),
        "decision_note",
    ):
        op.alter_column("admission", name, nullable=False, server_default=None)
    op.drop_constraint(op.f("uq_admission_version_id"), "admission")
    op.create_unique_constraint(
        op.f("uq_admission_version_id_round"), "admission", ["version_id", "round"]
    )
    op.create_index(
        "uq_admission_open",
        "admission",
        ["version_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('claimed', 'proposed', 'admitted')"),
    )
    op.drop_constraint(op.f("ck_admission_state"), "admission")
    for name, rule in (
        (
            "state",
            "state IN ('claimed', 'proposed', 'released', 'admitted', 'refused', 'returned')",
        ),
        ("depth", "depth IN ('full', 'light')"),
        ("verdict", "verdict IN ('admitted', 'refused', 'returned')"),
        ("admitted_by_both", "state <> 'admitted' OR verdict = 'admitted'"),
    ):
        op.create_check_constraint(op.f(f"ck_admission_{name}"), "admission", rule)
    op.execute(ADMISSION_MOVES)
    op.execute(REFUSE_DELETE.format("admission"))


def _desk() -> None:
    op.create_table(
        "declared_interest",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("vendor_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("declared_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_declared_interest_person_id")
        ),
        sa.ForeignKeyConstraint(
            ["vendor_id"], ["organisation.id"], name=op.f("fk_declared_interest_vendor_id")
        ),
        sa.PrimaryKeyConstraint("person_id", "vendor_id", name=op.f("pk_declared_interest")),
    )
    op.create_index(op.f("ix_declared_interest_vendor_id"), "declared_interest", ["vendor_id"])
    op.create_table(
        "submission",
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("self_check", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("commitment", sa.Text(), nullable=False),
        sa.Column("filing_number", sa.Text(), nullable=False),
        sa.Column("suits", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("submitted_by", sa.Uuid(), nullable=True),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"], ["version.id"], name=op.f("fk_submission_version_id")
        ),
        sa.ForeignKeyConstraint(
            ["submitted_by"], ["person.id"], name=op.f("fk_submission_submitted_by")
        ),
        sa.PrimaryKeyConstraint("version_id", name=op.f("pk_submission")),
    )
    op.create_table(
        "proposed_offer",
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("plan", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"], ["version.id"], name=op.f("fk_proposed_offer_version_id")
        ),
        sa.PrimaryKeyConstraint("version_id", name=op.f("pk_proposed_offer")),
    )
    _takedowns()
    for table in ("declared_interest", "submission"):
        op.execute(APPEND_ONLY.format(table))
    op.execute(FROZEN_OFFER)
    op.execute(VERSION_MOVES)


def _takedowns() -> None:
    op.create_table(
        "takedown",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("resource_id", sa.Uuid(), nullable=False),
        sa.Column("versions", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("ground", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("bureau_id", sa.Uuid(), nullable=False),
        sa.Column("taken_by", sa.Uuid(), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("restored_by", sa.Uuid(), nullable=True),
        sa.Column("restored_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.CheckConstraint("taken_by <> restored_by", name=op.f("ck_takedown_two_reviewers")),
        sa.CheckConstraint(
            "(restored_by IS NULL) = (restored_at IS NULL)", name=op.f("ck_takedown_restored")
        ),
        sa.CheckConstraint("reason <> ''", name=op.f("ck_takedown_reason")),
        sa.ForeignKeyConstraint(
            ["resource_id"], ["resource.id"], name=op.f("fk_takedown_resource_id")
        ),
        sa.ForeignKeyConstraint(
            ["bureau_id"], ["organisation.id"], name=op.f("fk_takedown_bureau_id")
        ),
        sa.ForeignKeyConstraint(["taken_by"], ["person.id"], name=op.f("fk_takedown_taken_by")),
        sa.ForeignKeyConstraint(
            ["restored_by"], ["person.id"], name=op.f("fk_takedown_restored_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_takedown")),
    )
    op.create_index(op.f("ix_takedown_resource_id"), "takedown", ["resource_id"])
    op.create_table(
        "admission_appeal",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("against", sa.Uuid(), nullable=False),
        sa.Column("claim", sa.Text(), nullable=False),
        sa.Column("made_by", sa.Uuid(), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('refusal', 'takedown')", name=op.f("ck_admission_appeal_kind")
        ),
        sa.CheckConstraint(
            "outcome IN ('upheld', 'dismissed')", name=op.f("ck_admission_appeal_outcome")
        ),
        sa.CheckConstraint(
            "(outcome IS NULL) = (decided_at IS NULL)", name=op.f("ck_admission_appeal_decided")
        ),
        sa.CheckConstraint("claim <> ''", name=op.f("ck_admission_appeal_claim")),
        sa.CheckConstraint("outcome IS NULL OR note <> ''", name=op.f("ck_admission_appeal_note")),
        sa.ForeignKeyConstraint(
            ["version_id"], ["version.id"], name=op.f("fk_admission_appeal_version_id")
        ),
        sa.ForeignKeyConstraint(
            ["made_by"], ["person.id"], name=op.f("fk_admission_appeal_made_by")
        ),
        sa.ForeignKeyConstraint(
            ["decided_by"], ["person.id"], name=op.f("fk_admission_appeal_decided_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_admission_appeal")),
        sa.UniqueConstraint("against", name=op.f("uq_admission_appeal_against")),
    )
    op.create_index(op.f("ix_admission_appeal_version_id"), "admission_appeal", ["version_id"])
    op.execute(
        DECIDED_ONCE.format("takedown", "'restored_by', 'restored_at', 'note'", "restored_at")
    )
    op.execute(
        DECIDED_ONCE.format(
            "admission_appeal", "'outcome', 'decided_by', 'decided_at', 'note'", "decided_at"
        )
    )
    for table in ("takedown", "admission_appeal"):
        op.execute(REFUSE_DELETE.format(table))


def _sharing() -> None:
    _infringement_notice()
    _school_need()
    _need_answer()
    _work_declaration()
    _derivation()
    _blind_sample()
    for table, changing, decided in (
        (
            "infringement_notice",
            "'counter', 'countered_by', 'countered_at', 'outcome', 'decided_by', 'decided_at', 'note'",
            "decided_at",
        ),
        ("work_declaration", "'confirmed', 'decided_by', 'decided_at', 'note'", "decided_at"),
        ("blind_sample", "'passed', 'judged_by', 'judged_at', 'note'", "judged_at"),
        ("school_need", "'closed_at', 'closed_by'", "closed_at"),
    ):
        op.execute(DECIDED_ONCE.format(table, changing, decided))
        op.execute(REFUSE_DELETE.format(table))
    op.execute(
        "CREATE TRIGGER is_draft BEFORE UPDATE OR DELETE ON derivation "
        "FOR EACH ROW EXECUTE FUNCTION belongs_to_draft()"
    )


def _infringement_notice() -> None:
    op.create_table(
        "infringement_notice",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("claimant", sa.Text(), nullable=False),
        sa.Column("contact", sa.Text(), nullable=False),
        sa.Column("work", sa.Text(), nullable=False),
        sa.Column("claim", sa.Text(), nullable=False),
        sa.Column("given_by", sa.Uuid(), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answer_by", sa.Date(), nullable=False),
        sa.Column("counter", sa.Text(), nullable=False),
        sa.Column("countered_by", sa.Uuid(), nullable=True),
        sa.Column("countered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "outcome IN ('upheld', 'dismissed')", name=op.f("ck_infringement_notice_outcome")
        ),
        sa.CheckConstraint(
            "(outcome IS NULL) = (decided_at IS NULL)", name=op.f("ck_infringement_notice_decided")
        ),
        sa.CheckConstraint(
            "decided_by <> given_by", name=op.f("ck_infringement_notice_two_people")
        ),
        sa.CheckConstraint(
            "outcome IS NULL OR note <> ''", name=op.f("ck_infringement_notice_note")
        ),
        sa.ForeignKeyConstraint(
            ["version_id"], ["version.id"], name=op.f("fk_infringement_notice_version_id")
        ),
        sa.ForeignKeyConstraint(
            ["given_by"], ["person.id"], name=op.f("fk_infringement_notice_given_by")
        ),
        sa.ForeignKeyConstraint(
            ["countered_by"], ["person.id"], name=op.f("fk_infringement_notice_countered_by")
        ),
        sa.ForeignKeyConstraint(
            ["decided_by"], ["person.id"], name=op.f("fk_infringement_notice_decided_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_infringement_notice")),
    )
    op.create_index(
        op.f("ix_infringement_notice_version_id"), "infringement_notice", ["version_id"]
    )


def _school_need() -> None:
    op.create_table(
        "school_need",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("wanted_by", sa.Date(), nullable=False),
        sa.Column("posted_by", sa.Uuid(), nullable=False),
        sa.Column("posted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_by", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["school_id"], ["organisation.id"], name=op.f("fk_school_need_school_id")
        ),
        sa.ForeignKeyConstraint(
            ["posted_by"], ["person.id"], name=op.f("fk_school_need_posted_by")
        ),
        sa.ForeignKeyConstraint(
            ["closed_by"], ["person.id"], name=op.f("fk_school_need_closed_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_school_need")),
    )
    op.create_index(op.f("ix_school_need_school_id"), "school_need", ["school_id"])


def _need_answer() -> None:
    op.create_table(
        "need_answer",
        sa.Column("need_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("answered_by", sa.Uuid(), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("chosen", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["need_id"], ["school_need.id"], name=op.f("fk_need_answer_need_id")
        ),
        sa.ForeignKeyConstraint(
            ["version_id"], ["version.id"], name=op.f("fk_need_answer_version_id")
        ),
        sa.ForeignKeyConstraint(
            ["answered_by"], ["person.id"], name=op.f("fk_need_answer_answered_by")
        ),
        sa.PrimaryKeyConstraint("need_id", "version_id", name=op.f("pk_need_answer")),
    )
    op.create_index(op.f("ix_need_answer_version_id"), "need_answer", ["version_id"])


def _work_declaration() -> None:
    op.create_table(
        "work_declaration",
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("ownership", sa.Text(), nullable=False),
        sa.Column("school_share", sa.Numeric(precision=5, scale=4), nullable=False),
        sa.Column("declared_by", sa.Uuid(), nullable=True),
        sa.Column("declared_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed", sa.Boolean(), nullable=True),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "ownership IN ('personal', 'service_work')", name=op.f("ck_work_declaration_ownership")
        ),
        sa.CheckConstraint(
            "(confirmed IS NULL) = (decided_at IS NULL)", name=op.f("ck_work_declaration_decided")
        ),
        sa.CheckConstraint(
            "declared_by <> decided_by", name=op.f("ck_work_declaration_two_people")
        ),
        sa.CheckConstraint(
            "confirmed IS NOT FALSE OR note <> ''", name=op.f("ck_work_declaration_note")
        ),
        sa.ForeignKeyConstraint(
            ["version_id"], ["version.id"], name=op.f("fk_work_declaration_version_id")
        ),
        sa.ForeignKeyConstraint(
            ["school_id"], ["organisation.id"], name=op.f("fk_work_declaration_school_id")
        ),
        sa.ForeignKeyConstraint(
            ["declared_by"], ["person.id"], name=op.f("fk_work_declaration_declared_by")
        ),
        sa.ForeignKeyConstraint(
            ["decided_by"], ["person.id"], name=op.f("fk_work_declaration_decided_by")
        ),
        sa.PrimaryKeyConstraint("version_id", name=op.f("pk_work_declaration")),
    )
    op.create_index(op.f("ix_work_declaration_school_id"), "work_declaration", ["school_id"])


def _derivation() -> None:
    op.create_table(
        "derivation",
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("version_id <> parent_id", name=op.f("ck_derivation_another")),
        sa.ForeignKeyConstraint(
            ["version_id"], ["version.id"], name=op.f("fk_derivation_version_id")
        ),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["version.id"], name=op.f("fk_derivation_parent_id")
        ),
        sa.PrimaryKeyConstraint("version_id", "parent_id", name=op.f("pk_derivation")),
    )
    op.create_index(op.f("ix_derivation_parent_id"), "derivation", ["parent_id"])


def _blind_sample() -> None:
    op.create_table(
        "blind_sample",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("bureau_id", sa.Uuid(), nullable=False),
        sa.Column("seed", sa.Text(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("drawn_by", sa.Uuid(), nullable=False),
        sa.Column("drawn_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=True),
        sa.Column("judged_by", sa.Uuid(), nullable=True),
        sa.Column("judged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "(passed IS NULL) = (judged_at IS NULL)", name=op.f("ck_blind_sample_judged")
        ),
        sa.CheckConstraint("drawn_by <> judged_by", name=op.f("ck_blind_sample_two_people")),
        sa.ForeignKeyConstraint(
            ["bureau_id"], ["organisation.id"], name=op.f("fk_blind_sample_bureau_id")
        ),
        sa.ForeignKeyConstraint(
            ["version_id"], ["version.id"], name=op.f("fk_blind_sample_version_id")
        ),
        sa.ForeignKeyConstraint(["drawn_by"], ["person.id"], name=op.f("fk_blind_sample_drawn_by")),
        sa.ForeignKeyConstraint(
            ["judged_by"], ["person.id"], name=op.f("fk_blind_sample_judged_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_blind_sample")),
        sa.UniqueConstraint(
            "bureau_id",
            "seed",
            "version_id",
            name=op.f("uq_blind_sample_bureau_id_seed_version_id"),
        ),
    )
    op.create_index(op.f("ix_blind_sample_bureau_id"), "blind_sample", ["bureau_id"])
    op.create_index(op.f("ix_blind_sample_version_id"), "blind_sample", ["version_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_trail_subject_id"), "trail")
    for table in (
        *("blind_sample", "derivation", "work_declaration", "need_answer", "school_need"),
        *("infringement_notice", "admission_appeal", "takedown", "proposed_offer", "submission"),
        "declared_interest",
    ):
        op.drop_table(table)
    op.execute("DROP FUNCTION belongs_to_draft()")
    for table, function in (("version", "version_moves"), ("admission", "admission_moves")):
        op.execute(f"DROP TRIGGER moves ON {table}")
        op.execute(f"DROP FUNCTION {function}()")
    for trigger in ("refuse_delete", "refuse_truncate"):
        op.execute(f"DROP TRIGGER {trigger} ON admission")
    # Only the last round of a version has a place in the older table.
    op.execute(
        "DELETE FROM admission older USING admission newer "
        "WHERE newer.version_id = older.version_id AND newer.round > older.round"
    )
    op.execute("DELETE FROM admission WHERE state = 'released'")
    for name in ("state", "depth", "verdict", "admitted_by_both"):
        op.drop_constraint(op.f(f"ck_admission_{name}"), "admission")
    op.create_check_constraint(
        op.f("ck_admission_state"),
        "admission",
        "state IN ('claimed', 'proposed', 'admitted', 'refused', 'returned')",
    )
    op.drop_index("uq_admission_open", "admission")
    op.drop_constraint(op.f("uq_admission_version_id_round"), "admission")
    op.create_unique_constraint(op.f("uq_admission_version_id"), "admission", ["version_id"])
    for name in (
        *("round", "depth", "claimed_at", "changes", "findings", "suits", "reasons"),
        *("verdict", "decision_note"),
    ):
        op.drop_column("admission", name)
