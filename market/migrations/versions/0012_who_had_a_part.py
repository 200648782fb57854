"""Who recorded a selection or had a part in an agreement, and whose a login is for good."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

# What was requested stays as those saw it who signed.
FROZEN = """
CREATE TRIGGER frozen_selection BEFORE UPDATE ON selection
    FOR EACH ROW EXECUTE FUNCTION refuse_other_changes('state', 'agreement_id');
"""
APPEND_ONLY = """
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON {0}
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON {0}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

# Logins of today, then those that the trail knows of: whoever had one first, unless it is
# somebody's today.
KNOWN_TODAY = (
    "INSERT INTO login_holder (login, person_id, held_since) "
    "SELECT login, person_id, now() FROM credential"
)
KNOWN_BEFORE = (
    "INSERT INTO login_holder (login, person_id, held_since) "
    "SELECT trail.facts ->> 'login', person.id, trail.at "
    "FROM trail JOIN person ON person.id::text = trail.subject_id "
    "WHERE trail.act = 'password.set' ORDER BY trail.at, trail.id "
    "ON CONFLICT DO NOTHING"
)

PARTIES_KNOWN = (
    "INSERT INTO agreement_party (agreement_id, person_id, part) "
    "SELECT agreement_id, requested_by, 'requested' FROM selection "
    "WHERE agreement_id IS NOT NULL "
    "UNION SELECT selection.agreement_id, signer.person_id, 'signed' "
    "FROM selection JOIN approval_step step ON step.selection_id = selection.id "
    "CROSS JOIN LATERAL (VALUES (step.signed_by), (step.signed_for)) AS signer (person_id) "
    "WHERE selection.agreement_id IS NOT NULL AND step.state = 'approved' "
    "AND signer.person_id IS NOT NULL"
)

FROZEN_DISPUTE = """
DROP TRIGGER frozen_claim ON dispute;
CREATE TRIGGER frozen_claim BEFORE UPDATE ON dispute
    FOR EACH ROW EXECUTE FUNCTION refuse_other_changes(
        'answered_at', 'answered_by', 'answer', 'offered_fen', 'decide_by',
        'decided_at', 'decided_by', 'outcome', 'credit_fen', 'note'{0});
"""


def upgrade() -> None:
    _recorders()
    _logins()
    _parties()


def _recorders() -> None:
    op.add_column("selection", sa.Column("recorded_by", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_selection_recorded_by"), "selection", "person", ["recorded_by"], ["id"]
    )
    op.execute(FROZEN)


def _logins() -> None:
    op.create_table(
        "login_holder",
        sa.Column("login", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("held_since", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_login_holder_person_id")
        ),
        sa.PrimaryKeyConstraint("login", name=op.f("pk_login_holder")),
        sa.UniqueConstraint("login", "person_id", name=op.f("uq_login_holder_login_person_id")),
    )
    op.create_index(op.f("ix_login_holder_person_id"), "login_holder", ["person_id"])
    op.execute(KNOWN_TODAY)
    op.execute(KNOWN_BEFORE)
    op.execute(APPEND_ONLY.format("login_holder"))
    op.create_foreign_key(
        op.f("fk_credential_login"),
        "credential",
        "login_holder",
        ["login", "person_id"],
        ["login", "person_id"],
    )


def _parties() -> None:
    op.create_table(
        "agreement_party",
        sa.Column("agreement_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "part IN ('requested', 'recorded', 'signed')", name=op.f("ck_agreement_party_part")
        ),
        sa.ForeignKeyConstraint(
            ["agreement_id"], ["agreement.id"], name=op.f("fk_agreement_party_agreement_id")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_agreement_party_person_id")
        ),
        sa.PrimaryKeyConstraint(
            "agreement_id", "person_id", "part", name=op.f("pk_agreement_party")
        ),
    )
    op.execute(PARTIES_KNOWN)
    op.execute(APPEND_ONLY.format("agreement_party"))
    op.add_column(
        "dispute",
        sa.Column("within_payer", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.alter_column("dispute", "within_payer", server_default=None)
    op.execute(FROZEN_DISPUTE.format(", 'within_payer'"))


def downgrade() -> None:
    op.execute(FROZEN_DISPUTE.format(""))
    op.drop_column("dispute", "within_payer")
    op.drop_table("agreement_party")
    op.drop_constraint(op.f("fk_credential_login"), "credential")
    op.drop_table("login_holder")
    op.execute("DROP TRIGGER frozen_selection ON selection")
    op.drop_constraint(op.f("fk_selection_recorded_by"), "selection")
    op.drop_column("selection", "recorded_by")
