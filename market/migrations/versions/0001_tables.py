"""The tables of the main job: identity, catalogue, usage, statements, ledger, procurement."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE SEQUENCE usage_sequence AS bigint")
    op.create_table(
        "account",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("book", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("minimum", sa.BigInteger(), nullable=True),
        sa.Column("balance", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("book IN ('budget', 'money', 'credit')", name=op.f("ck_account_book")),
        sa.CheckConstraint("unit IN ('CNY', 'CREDIT')", name=op.f("ck_account_unit")),
        sa.CheckConstraint(
            "minimum IS NULL OR balance >= minimum", name=op.f("ck_account_minimum")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint(
            "owner_id", "book", "kind", "unit", name=op.f("uq_account_owner_id_book_kind_unit")
        ),
    )
    op.create_table(
        "leg",
        sa.Column("transfer_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("side IN ('D', 'C')", name=op.f("ck_leg_side")),
        sa.CheckConstraint("amount_fen > 0", name=op.f("ck_leg_amount")),
        sa.PrimaryKeyConstraint("transfer_id", "position", name=op.f("pk_leg")),
    )
    op.create_index("ix_leg_account", "leg", ["account_id"], unique=False)
    op.create_table(
        "region",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("parent_code", sa.Text(), nullable=True),
        sa.Column("is_sample", sa.Boolean(), nullable=False),
        sa.CheckConstraint("code ~ '^\\d{6}$'", name=op.f("ck_region_code")),
        sa.CheckConstraint(
            "level IN ('nation', 'province', 'city', 'county')", name=op.f("ck_region_level")
        ),
        sa.ForeignKeyConstraint(
            ["parent_code"], ["region.code"], name=op.f("fk_region_parent_code")
        ),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_region")),
    )
    op.create_index(op.f("ix_region_parent_code"), "region", ["parent_code"], unique=False)
    op.create_table(
        "trail",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("actor_name", sa.Text(), nullable=False),
        sa.Column("via", sa.Text(), nullable=False),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("subject_kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trail")),
    )
    op.create_index(op.f("ix_trail_act"), "trail", ["act"], unique=False)
    op.create_table(
        "transfer",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("memo", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transfer")),
        sa.UniqueConstraint("key", name=op.f("uq_transfer_key")),
    )
    op.create_table(
        "usage_event",
        sa.Column("payer_id", sa.Uuid(), nullable=False),
        sa.Column("agreement_id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("resource_id", sa.Uuid(), nullable=False),
        sa.Column("learner_id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("trust", sa.SmallInteger(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_usage_event_quantity")),
        sa.PrimaryKeyConstraint("payer_id", "occurred_at", "sequence", name=op.f("pk_usage_event")),
        postgresql_partition_by="RANGE (occurred_at)",
    )
    op.create_table(
        "usage_identity",
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("source_id", "event_id", name=op.f("pk_usage_identity")),
    )
    op.create_table(
        "approval_rule",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("region_code", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("from_amount_fen", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["region_code"], ["region.code"], name=op.f("fk_approval_rule_region_code")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval_rule")),
        sa.UniqueConstraint(
            "region_code",
            "valid_from",
            "position",
            name=op.f("uq_approval_rule_region_code_valid_from_position"),
        ),
    )
    op.create_table(
        "funding_rule",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("region_code", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("floor_pupils", sa.BigInteger(), nullable=False),
        sa.Column("short_stage", sa.Text(), nullable=False),
        sa.Column("digital_share", sa.Numeric(precision=5, scale=4), nullable=False),
        sa.Column("share_minimum", sa.Numeric(precision=5, scale=4), nullable=False),
        sa.Column("share_maximum", sa.Numeric(precision=5, scale=4), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "digital_share BETWEEN share_minimum AND share_maximum",
            name=op.f("ck_funding_rule_share"),
        ),
        sa.ForeignKeyConstraint(
            ["region_code"], ["region.code"], name=op.f("fk_funding_rule_region_code")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_funding_rule")),
        sa.UniqueConstraint(
            "region_code",
            "source",
            "valid_from",
            "recorded_at",
            name=op.f("uq_funding_rule_region_code_source_valid_from_recorded_at"),
        ),
    )
    op.create_table(
        "organisation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("region_code", sa.Text(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("is_sample", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('bureau', 'school', 'vendor')", name=op.f("ck_organisation_kind")
        ),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["organisation.id"], name=op.f("fk_organisation_parent_id")
        ),
        sa.ForeignKeyConstraint(
            ["region_code"], ["region.code"], name=op.f("fk_organisation_region_code")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organisation")),
        sa.UniqueConstraint("kind", "code", name=op.f("uq_organisation_kind_code")),
    )
    op.create_index(op.f("ix_organisation_parent_id"), "organisation", ["parent_id"], unique=False)
    op.create_index(
        op.f("ix_organisation_region_code"), "organisation", ["region_code"], unique=False
    )
    op.create_table(
        "quota",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("region_code", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("verified", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('base', 'boarding', 'heating', 'special')", name=op.f("ck_quota_kind")
        ),
        sa.CheckConstraint("amount_fen >= 0", name=op.f("ck_quota_amount")),
        sa.ForeignKeyConstraint(
            ["region_code"], ["region.code"], name=op.f("fk_quota_region_code")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quota")),
        sa.UniqueConstraint(
            "region_code",
            "stage",
            "kind",
            "valid_from",
            "recorded_at",
            name=op.f("uq_quota_region_code_stage_kind_valid_from_recorded_at"),
        ),
    )
    op.create_table(
        "region_closure",
        sa.Column("ancestor_code", sa.Text(), nullable=False),
        sa.Column("region_code", sa.Text(), nullable=False),
        sa.Column("distance", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["ancestor_code"], ["region.code"], name=op.f("fk_region_closure_ancestor_code")
        ),
        sa.ForeignKeyConstraint(
            ["region_code"], ["region.code"], name=op.f("fk_region_closure_region_code")
        ),
        sa.PrimaryKeyConstraint("ancestor_code", "region_code", name=op.f("pk_region_closure")),
    )
    op.create_index(
        op.f("ix_region_closure_region_code"), "region_closure", ["region_code"], unique=False
    )
    op.create_table(
        "trail_link",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("trail_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("previous_digest", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["trail_id"], ["trail.id"], name=op.f("fk_trail_link_trail_id")),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_trail_link")),
        sa.UniqueConstraint("trail_id", name=op.f("uq_trail_link_trail_id")),
    )
    op.create_table(
        "trail_pending",
        sa.Column("trail_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["trail_id"], ["trail.id"], name=op.f("fk_trail_pending_trail_id")),
        sa.PrimaryKeyConstraint("trail_id", name=op.f("pk_trail_pending")),
    )
    op.create_table(
        "census",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("pupils", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("basis IN ('spring', 'autumn')", name=op.f("ck_census_basis")),
        sa.CheckConstraint(
            "kind IN ('enrolled', 'boarding', 'heating', 'special')", name=op.f("ck_census_kind")
        ),
        sa.CheckConstraint("pupils >= 0", name=op.f("ck_census_pupils")),
        sa.ForeignKeyConstraint(
            ["school_id"], ["organisation.id"], name=op.f("fk_census_school_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_census")),
        sa.UniqueConstraint(
            "school_id",
            "stage",
            "kind",
            "as_of",
            "basis",
            name=op.f("uq_census_school_id_stage_kind_as_of_basis"),
        ),
    )
    op.create_table(
        "funding_line",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("payer_id", sa.Uuid(), nullable=False),
        sa.Column("fiscal_year", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("restriction", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("lapses_on", sa.Date(), nullable=False),
        sa.Column("priority", sa.BigInteger(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "source IN ('per_student', 'surcharge', 'special_fund', 'own_funds')",
            name=op.f("ck_funding_line_source"),
        ),
        sa.ForeignKeyConstraint(
            ["payer_id"], ["organisation.id"], name=op.f("fk_funding_line_payer_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_funding_line")),
        sa.UniqueConstraint(
            "payer_id",
            "fiscal_year",
            "source",
            "restriction",
            name=op.f("uq_funding_line_payer_id_fiscal_year_source_restriction"),
        ),
    )
    op.create_table(
        "period",
        sa.Column("payer_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sealed_sequence", sa.BigInteger(), nullable=True),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("fingerprint", sa.Numeric(precision=30, scale=0), nullable=True),
        sa.CheckConstraint(
            "state IN ('open', 'sealing', 'sealed', 'stated', 'posted', 'closed')",
            name=op.f("ck_period_state"),
        ),
        sa.ForeignKeyConstraint(["payer_id"], ["organisation.id"], name=op.f("fk_period_payer_id")),
        sa.PrimaryKeyConstraint("payer_id", "month", name=op.f("pk_period")),
    )
    op.create_index("ix_period_month_state", "period", ["month", "state"], unique=False)
    op.create_table(
        "person",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("person_no_hash", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_person_organisation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person")),
        sa.UniqueConstraint("person_no_hash", name=op.f("uq_person_person_no_hash")),
    )
    op.create_index(op.f("ix_person_organisation_id"), "person", ["organisation_id"], unique=False)
    op.create_table(
        "resource",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("vendor_id", sa.Uuid(), nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("is_sample", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["vendor_id"], ["organisation.id"], name=op.f("fk_resource_vendor_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resource")),
        sa.UniqueConstraint("vendor_id", "sku", name=op.f("uq_resource_vendor_id_sku")),
    )
    op.create_table(
        "statement",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("payer_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("stated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirm_by", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(
            ["payer_id"], ["organisation.id"], name=op.f("fk_statement_payer_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_statement")),
        sa.UniqueConstraint("number", name=op.f("uq_statement_number")),
        sa.UniqueConstraint("payer_id", "month", name=op.f("uq_statement_payer_id_month")),
    )
    op.create_table(
        "allocation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("line_id", sa.Uuid(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("computation", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("issued_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["line_id"], ["funding_line.id"], name=op.f("fk_allocation_line_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_allocation")),
    )
    op.create_index(op.f("ix_allocation_line_id"), "allocation", ["line_id"], unique=False)
    op.create_table(
        "api_key",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["created_by"], ["person.id"], name=op.f("fk_api_key_created_by")),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_api_key_organisation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key")),
        sa.UniqueConstraint("prefix", name=op.f("uq_api_key_prefix")),
    )
    op.create_index(
        op.f("ix_api_key_organisation_id"), "api_key", ["organisation_id"], unique=False
    )
    op.create_table(
        "credential",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("login", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("rests_until", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_credential_person_id")),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_credential")),
        sa.UniqueConstraint("login", name=op.f("uq_credential_login")),
    )
    op.create_table(
        "learner",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_learner_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_learner")),
        sa.UniqueConstraint("person_id", name=op.f("uq_learner_person_id")),
    )
    op.create_table(
        "offer",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("resource_id", sa.Uuid(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("plan", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["resource_id"], ["resource.id"], name=op.f("fk_offer_resource_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_offer")),
        sa.UniqueConstraint(
            "resource_id", "valid_from", name=op.f("uq_offer_resource_id_valid_from")
        ),
    )
    op.create_table(
        "person_private",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("contact", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_person_private_person_id")
        ),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_person_private")),
    )
    op.create_table(
        "role_grant",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("granted_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("granted_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("granted_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_role_grant_organisation_id")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_role_grant_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_role_grant")),
        sa.UniqueConstraint(
            "person_id",
            "role",
            "organisation_id",
            "granted_from",
            name=op.f("uq_role_grant_person_id_role_organisation_id_granted_from"),
        ),
    )
    op.create_index(
        op.f("ix_role_grant_organisation_id"), "role_grant", ["organisation_id"], unique=False
    )
    op.create_index("ix_role_grant_person", "role_grant", ["person_id"], unique=False)
    op.create_table(
        "usage_source",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("trust", sa.Text(), nullable=False),
        sa.Column("admitted_by", sa.Uuid(), nullable=False),
        sa.Column("admitted_for", sa.Uuid(), nullable=False),
        sa.Column("admitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("trust IN ('player', 'attested')", name=op.f("ck_usage_source_trust")),
        sa.ForeignKeyConstraint(
            ["admitted_by"], ["person.id"], name=op.f("fk_usage_source_admitted_by")
        ),
        sa.ForeignKeyConstraint(
            ["admitted_for"], ["organisation.id"], name=op.f("fk_usage_source_admitted_for")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage_source")),
        sa.UniqueConstraint("code", name=op.f("uq_usage_source_code")),
    )
    op.create_table(
        "version",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("resource_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("grade", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("metadata", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('basic', 'personalised', 'school_based')", name=op.f("ck_version_kind")
        ),
        sa.CheckConstraint(
            "tier IN ('basic', 'growth', 'innovation')", name=op.f("ck_version_tier")
        ),
        sa.ForeignKeyConstraint(
            ["resource_id"], ["resource.id"], name=op.f("fk_version_resource_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_version")),
        sa.UniqueConstraint("resource_id", "number", name=op.f("uq_version_resource_id_number")),
    )
    op.create_index(op.f("ix_version_state"), "version", ["state"], unique=False)
    op.create_table(
        "web_session",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("csrf_token", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_web_session_organisation_id")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_web_session_person_id")
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_web_session")),
    )
    op.create_index(op.f("ix_web_session_expires_at"), "web_session", ["expires_at"], unique=False)
    op.create_index(op.f("ix_web_session_person_id"), "web_session", ["person_id"], unique=False)
    op.create_table(
        "admission",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("bureau_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("claimed_by", sa.Uuid(), nullable=False),
        sa.Column("proposed_by", sa.Uuid(), nullable=True),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "state IN ('claimed', 'proposed', 'admitted', 'refused', 'returned')",
            name=op.f("ck_admission_state"),
        ),
        sa.CheckConstraint("proposed_by <> decided_by", name=op.f("ck_admission_two_reviewers")),
        sa.ForeignKeyConstraint(
            ["bureau_id"], ["organisation.id"], name=op.f("fk_admission_bureau_id")
        ),
        sa.ForeignKeyConstraint(
            ["claimed_by"], ["person.id"], name=op.f("fk_admission_claimed_by")
        ),
        sa.ForeignKeyConstraint(
            ["decided_by"], ["person.id"], name=op.f("fk_admission_decided_by")
        ),
        sa.ForeignKeyConstraint(
            ["proposed_by"], ["person.id"], name=op.f("fk_admission_proposed_by")
        ),
        sa.ForeignKeyConstraint(
            ["version_id"], ["version.id"], name=op.f("fk_admission_version_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_admission")),
        sa.UniqueConstraint("version_id", name=op.f("uq_admission_version_id")),
    )
    op.create_index(op.f("ix_admission_bureau_id"), "admission", ["bureau_id"], unique=False)
    op.create_table(
        "agreement",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("payer_id", sa.Uuid(), nullable=False),
        sa.Column("vendor_id", sa.Uuid(), nullable=False),
        sa.Column("resource_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("terms", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("terms_digest", sa.LargeBinary(), nullable=False),
        sa.Column("ceiling_fen", sa.BigInteger(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state IN ('open', 'exhausted', 'ended', 'terminated')", name=op.f("ck_agreement_state")
        ),
        sa.CheckConstraint("ceiling_fen >= 0", name=op.f("ck_agreement_ceiling")),
        sa.CheckConstraint("ends_on >= starts_on", name=op.f("ck_agreement_order")),
        sa.ForeignKeyConstraint(
            ["payer_id"], ["organisation.id"], name=op.f("fk_agreement_payer_id")
        ),
        sa.ForeignKeyConstraint(
            ["resource_id"], ["resource.id"], name=op.f("fk_agreement_resource_id")
        ),
        sa.ForeignKeyConstraint(
            ["vendor_id"], ["organisation.id"], name=op.f("fk_agreement_vendor_id")
        ),
        sa.ForeignKeyConstraint(
            ["version_id"], ["version.id"], name=op.f("fk_agreement_version_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agreement")),
        sa.UniqueConstraint("number", name=op.f("uq_agreement_number")),
    )
    op.create_index(
        "ix_agreement_payer_resource",
        "agreement",
        ["payer_id", "resource_id", "starts_on"],
        unique=False,
    )
    op.create_index(op.f("ix_agreement_resource_id"), "agreement", ["resource_id"], unique=False)
    op.create_index(op.f("ix_agreement_vendor_id"), "agreement", ["vendor_id"], unique=False)
    op.create_table(
        "enrolment",
        sa.Column("learner_id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("joined_on", sa.Date(), nullable=False),
        sa.Column("left_on", sa.Date(), nullable=True),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("grade", sa.Text(), nullable=False),
        sa.Column("class_name", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "left_on IS NULL OR left_on >= joined_on", name=op.f("ck_enrolment_order")
        ),
        sa.ForeignKeyConstraint(
            ["learner_id"], ["learner.id"], name=op.f("fk_enrolment_learner_id")
        ),
        sa.ForeignKeyConstraint(
            ["school_id"], ["organisation.id"], name=op.f("fk_enrolment_school_id")
        ),
        sa.PrimaryKeyConstraint("learner_id", "school_id", "joined_on", name=op.f("pk_enrolment")),
    )
    op.create_index(op.f("ix_enrolment_school_id"), "enrolment", ["school_id"], unique=False)
    op.create_table(
        "usage_batch",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("file_digest", sa.LargeBinary(), nullable=False),
        sa.Column("sent_by", sa.Text(), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rows_taken", sa.BigInteger(), nullable=False),
        sa.Column("pre_counted", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["source_id"], ["usage_source.id"], name=op.f("fk_usage_batch_source_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage_batch")),
    )
    op.create_index(op.f("ix_usage_batch_source_id"), "usage_batch", ["source_id"], unique=False)
    op.create_table(
        "agreement_draw",
        sa.Column("agreement_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("line_id", sa.Uuid(), nullable=False),
        sa.Column("ceiling_fen", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("ceiling_fen >= 0", name=op.f("ck_agreement_draw_ceiling")),
        sa.ForeignKeyConstraint(
            ["agreement_id"], ["agreement.id"], name=op.f("fk_agreement_draw_agreement_id")
        ),
        sa.ForeignKeyConstraint(
            ["line_id"], ["funding_line.id"], name=op.f("fk_agreement_draw_line_id")
        ),
        sa.PrimaryKeyConstraint("agreement_id", "position", name=op.f("pk_agreement_draw")),
        sa.UniqueConstraint(
            "agreement_id", "line_id", name=op.f("uq_agreement_draw_agreement_id_line_id")
        ),
    )
    op.create_index(op.f("ix_agreement_draw_line_id"), "agreement_draw", ["line_id"], unique=False)
    op.create_table(
        "agreement_school",
        sa.Column("agreement_id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("ceiling_fen", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["agreement_id"], ["agreement.id"], name=op.f("fk_agreement_school_agreement_id")
        ),
        sa.ForeignKeyConstraint(
            ["school_id"], ["organisation.id"], name=op.f("fk_agreement_school_school_id")
        ),
        sa.PrimaryKeyConstraint("agreement_id", "school_id", name=op.f("pk_agreement_school")),
    )
    op.create_index(
        "ix_agreement_school_school",
        "agreement_school",
        ["school_id", "agreement_id"],
        unique=False,
    )
    op.create_table(
        "selection",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("resource_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("terms", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("ceiling_fen", sa.BigInteger(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Uuid(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("agreement_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "state IN ('draft', 'requested', 'approved', 'returned', 'refused', 'cancelled')",
            name=op.f("ck_selection_state"),
        ),
        sa.CheckConstraint("ceiling_fen >= 0", name=op.f("ck_selection_ceiling")),
        sa.ForeignKeyConstraint(
            ["agreement_id"], ["agreement.id"], name=op.f("fk_selection_agreement_id")
        ),
        sa.ForeignKeyConstraint(
            ["requested_by"], ["person.id"], name=op.f("fk_selection_requested_by")
        ),
        sa.ForeignKeyConstraint(
            ["resource_id"], ["resource.id"], name=op.f("fk_selection_resource_id")
        ),
        sa.ForeignKeyConstraint(
            ["school_id"], ["organisation.id"], name=op.f("fk_selection_school_id")
        ),
        sa.ForeignKeyConstraint(
            ["version_id"], ["version.id"], name=op.f("fk_selection_version_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_selection")),
        sa.UniqueConstraint(
            "school_id", "reference", name=op.f("uq_selection_school_id_reference")
        ),
    )
    op.create_index("ix_selection_state", "selection", ["state"], unique=False)
    op.create_table(
        "statement_line",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("statement_id", sa.Uuid(), nullable=False),
        sa.Column("payer_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("agreement_id", sa.Uuid(), nullable=False),
        sa.Column("vendor_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("of_month", sa.Date(), nullable=False),
        sa.Column("rule_version", sa.Text(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("unit_price", sa.Numeric(precision=14, scale=4), nullable=False),
        sa.Column("rated_fen", sa.BigInteger(), nullable=False),
        sa.Column("above_ceiling_fen", sa.BigInteger(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("uncovered_fen", sa.BigInteger(), nullable=False),
        sa.Column("drawn_fen", sa.BigInteger(), nullable=False),
        sa.Column("vendor_fen", sa.BigInteger(), nullable=False),
        sa.Column("fee_fen", sa.BigInteger(), nullable=False),
        sa.Column("retention_fen", sa.BigInteger(), nullable=False),
        sa.Column("explanation", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("confirmed_by", sa.Text(), nullable=True),
        sa.CheckConstraint("kind IN ('use', 'adjustment')", name=op.f("ck_statement_line_kind")),
        sa.CheckConstraint(
            "state IN ('stated', 'confirmed', 'disputed', 'dismissed', 'upheld', 'posted')",
            name=op.f("ck_statement_line_state"),
        ),
        sa.CheckConstraint(
            "above_ceiling_fen >= 0 AND uncovered_fen >= 0",
            name=op.f("ck_statement_line_not_negative"),
        ),
        sa.CheckConstraint(
            "amount_fen = drawn_fen + uncovered_fen", name=op.f("ck_statement_line_billed")
        ),
        sa.CheckConstraint(
            "drawn_fen = vendor_fen + fee_fen + retention_fen",
            name=op.f("ck_statement_line_conserved"),
        ),
        sa.CheckConstraint(
            "rated_fen = above_ceiling_fen + amount_fen", name=op.f("ck_statement_line_rated")
        ),
        sa.ForeignKeyConstraint(
            ["agreement_id"], ["agreement.id"], name=op.f("fk_statement_line_agreement_id")
        ),
        sa.ForeignKeyConstraint(
            ["statement_id"], ["statement.id"], name=op.f("fk_statement_line_statement_id")
        ),
        sa.ForeignKeyConstraint(
            ["vendor_id"], ["organisation.id"], name=op.f("fk_statement_line_vendor_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_statement_line")),
        sa.UniqueConstraint(
            "statement_id",
            "agreement_id",
            "kind",
            "of_month",
            name=op.f("uq_statement_line_statement_id_agreement_id_kind_of_month"),
        ),
    )
    op.create_index(
        op.f("ix_statement_line_agreement_id"), "statement_line", ["agreement_id"], unique=False
    )
    op.create_index(
        "ix_statement_line_month_state", "statement_line", ["month", "state"], unique=False
    )
    op.create_index(
        "ix_statement_line_payer_month", "statement_line", ["payer_id", "month"], unique=False
    )
    op.create_index(
        op.f("ix_statement_line_vendor_id"), "statement_line", ["vendor_id"], unique=False
    )
    op.create_table(
        "usage_quarantine",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=True),
        sa.Column("month", sa.Date(), nullable=True),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["usage_batch.id"], name=op.f("fk_usage_quarantine_batch_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage_quarantine")),
    )
    op.create_index(
        op.f("ix_usage_quarantine_batch_id"), "usage_quarantine", ["batch_id"], unique=False
    )
    op.create_index(
        "ix_usage_quarantine_identity", "usage_quarantine", ["source_id", "event_id"], unique=False
    )
    op.create_index(
        op.f("ix_usage_quarantine_school_id"), "usage_quarantine", ["school_id"], unique=False
    )
    op.create_table(
        "usage_tally",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "outcome IN ('accepted', 'duplicate', 'conflict', 'quarantined')",
            name=op.f("ck_usage_tally_outcome"),
        ),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["usage_batch.id"], name=op.f("fk_usage_tally_batch_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage_tally")),
        sa.UniqueConstraint(
            "batch_id",
            "month",
            "outcome",
            "reason",
            name=op.f("uq_usage_tally_batch_id_month_outcome_reason"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_index(op.f("ix_usage_tally_batch_id"), "usage_tally", ["batch_id"], unique=False)
    op.create_index(op.f("ix_usage_tally_month"), "usage_tally", ["month"], unique=False)
    op.create_table(
        "approval_step",
        sa.Column("selection_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("signed_by", sa.Uuid(), nullable=True),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "state IN ('waiting', 'approved', 'returned', 'refused')",
            name=op.f("ck_approval_step_state"),
        ),
        sa.CheckConstraint(
            "state NOT IN ('refused', 'returned') OR note <> ''", name=op.f("ck_approval_step_note")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_approval_step_organisation_id")
        ),
        sa.ForeignKeyConstraint(
            ["selection_id"], ["selection.id"], name=op.f("fk_approval_step_selection_id")
        ),
        sa.ForeignKeyConstraint(
            ["signed_by"], ["person.id"], name=op.f("fk_approval_step_signed_by")
        ),
        sa.PrimaryKeyConstraint("selection_id", "position", name=op.f("pk_approval_step")),
    )
    op.create_index(
        op.f("ix_approval_step_organisation_id"), "approval_step", ["organisation_id"], unique=False
    )
    op.create_table(
        "statement_breakdown",
        sa.Column("line_id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("explanation", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["line_id"], ["statement_line.id"], name=op.f("fk_statement_breakdown_line_id")
        ),
        sa.ForeignKeyConstraint(
            ["school_id"], ["organisation.id"], name=op.f("fk_statement_breakdown_school_id")
        ),
        sa.PrimaryKeyConstraint("line_id", "school_id", name=op.f("pk_statement_breakdown")),
    )
    op.create_table(
        "statement_draw",
        sa.Column("line_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("funding_line_id", sa.Uuid(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount_fen > 0", name=op.f("ck_statement_draw_amount")),
        sa.ForeignKeyConstraint(
            ["funding_line_id"], ["funding_line.id"], name=op.f("fk_statement_draw_funding_line_id")
        ),
        sa.ForeignKeyConstraint(
            ["line_id"], ["statement_line.id"], name=op.f("fk_statement_draw_line_id")
        ),
        sa.PrimaryKeyConstraint("line_id", "position", name=op.f("pk_statement_draw")),
    )
    op.create_index(
        op.f("ix_statement_draw_funding_line_id"),
        "statement_draw",
        ["funding_line_id"],
        unique=False,
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_statement_draw_funding_line_id"), table_name="statement_draw")
    op.drop_table("statement_draw")
    op.drop_table("statement_breakdown")
    op.drop_index(op.f("ix_approval_step_organisation_id"), table_name="approval_step")
    op.drop_table("approval_step")
    op.drop_index(op.f("ix_usage_tally_month"), table_name="usage_tally")
    op.drop_index(op.f("ix_usage_tally_batch_id"), table_name="usage_tally")
    op.drop_table("usage_tally")
    op.drop_index(op.f("ix_usage_quarantine_school_id"), table_name="usage_quarantine")
    op.drop_index("ix_usage_quarantine_identity", table_name="usage_quarantine")
    op.drop_index(op.f("ix_usage_quarantine_batch_id"), table_name="usage_quarantine")
    op.drop_table("usage_quarantine")
    op.drop_index(op.f("ix_statement_line_vendor_id"), table_name="statement_line")
    op.drop_index("ix_statement_line_payer_month", table_name="statement_line")
    op.drop_index("ix_statement_line_month_state", table_name="statement_line")
    op.drop_index(op.f("ix_statement_line_agreement_id"), table_name="statement_line")
    op.drop_table("statement_line")
    op.drop_index("ix_selection_state", table_name="selection")
    op.drop_table("selection")
    op.drop_index("ix_agreement_school_school", table_name="agreement_school")
    op.drop_table("agreement_school")
    op.drop_index(op.f("ix_agreement_draw_line_id"), table_name="agreement_draw")
    op.drop_table("agreement_draw")
    op.drop_index(op.f("ix_usage_batch_source_id"), table_name="usage_batch")
    op.drop_table("usage_batch")
    op.drop_index(op.f("ix_enrolment_school_id"), table_name="enrolment")
    op.drop_table("enrolment")
    op.drop_index(op.f("ix_agreement_vendor_id"), table_name="agreement")
    op.drop_index(op.f("ix_agreement_resource_id"), table_name="agreement")
    op.drop_index("ix_agreement_payer_resource", table_name="agreement")
    op.drop_table("agreement")
    op.drop_index(op.f("ix_admission_bureau_id"), table_name="admission")
    op.drop_table("admission")
    op.drop_index(op.f("ix_web_session_person_id"), table_name="web_session")
    op.drop_index(op.f("ix_web_session_expires_at"), table_name="web_session")
    op.drop_table("web_session")
    op.drop_index(op.f("ix_version_state"), table_name="version")
    op.drop_table("version")
    op.drop_table("usage_source")
    op.drop_index("ix_role_grant_person", table_name="role_grant")
    op.drop_index(op.f("ix_role_grant_organisation_id"), table_name="role_grant")
    op.drop_table("role_grant")
    op.drop_table("person_private")
    op.drop_table("offer")
    op.drop_table("learner")
    op.drop_table("credential")
    op.drop_index(op.f("ix_api_key_organisation_id"), table_name="api_key")
    op.drop_table("api_key")
    op.drop_index(op.f("ix_allocation_line_id"), table_name="allocation")
    op.drop_table("allocation")
    op.drop_table("statement")
    op.drop_table("resource")
    op.drop_index(op.f("ix_person_organisation_id"), table_name="person")
    op.drop_table("person")
    op.drop_index("ix_period_month_state", table_name="period")
    op.drop_table("period")
    op.drop_table("funding_line")
    op.drop_table("census")
    op.drop_table("trail_pending")
    op.drop_table("trail_link")
    op.drop_index(op.f("ix_region_closure_region_code"), table_name="region_closure")
    op.drop_table("region_closure")
    op.drop_table("quota")
    op.drop_index(op.f("ix_organisation_region_code"), table_name="organisation")
    op.drop_index(op.f("ix_organisation_parent_id"), table_name="organisation")
    op.drop_table("organisation")
    op.drop_table("funding_rule")
    op.drop_table("approval_rule")
    op.drop_table("usage_identity")
    op.drop_table("usage_event")
    op.drop_table("transfer")
    op.drop_index(op.f("ix_trail_act"), table_name="trail")
    op.drop_table("trail")
    op.drop_index(op.f("ix_region_parent_code"), table_name="region")
    op.drop_table("region")
    op.drop_index("ix_leg_account", table_name="leg")
    op.drop_table("leg")
    op.drop_table("account")
    op.execute("DROP SEQUENCE usage_sequence")
