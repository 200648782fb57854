"""Who recorded a selection for somebody else, and whose a login is for good."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0010"
branch_labels = None
depends_on = None

# What was requested stays as those saw it who signed.
FROZEN = """
CREATE TRIGGER frozen_selection BEFORE UPDATE ON selection
    FOR EACH ROW EXECUTE FUNCTION refuse_other_changes('state', 'agreement_id');
"""
APPEND_ONLY = """
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON login_holder
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON login_holder
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


def upgrade() -> None:
    op.add_column("selection", sa.Column("recorded_by", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_selection_recorded_by"), "selection", "person", ["recorded_by"], ["id"]
    )
    op.execute(FROZEN)
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
    op.execute(APPEND_ONLY)
    op.create_foreign_key(
        op.f("fk_credential_login"),
        "credential",
        "login_holder",
        ["login", "person_id"],
        ["login", "person_id"],
    )


def downgrade() -> None:
    op.drop_constraint(op.f("fk_credential_login"), "credential")
    op.drop_table("login_holder")
    op.execute("DROP TRIGGER frozen_selection ON selection")
    op.drop_constraint(op.f("fk_selection_recorded_by"), "selection")
    op.drop_column("selection", "recorded_by")
