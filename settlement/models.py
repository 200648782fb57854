"""Tables of agreements, funding lines, periods and statements.

Keys of what grows with use begin with the payer. Usage has its own module (metering), the
double-entry books theirs (ledger).
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    LargeBinary,
    Numeric,
    UniqueConstraint,
    exists,
    text,
)
from sqlalchemy.dialects.postgresql import DATEMULTIRANGE
from sqlalchemy.orm import InstrumentedAttribute, Mapped, mapped_column

from kernel.db import Base


class FundingLine(Base):
    """One payer's money for one fiscal year from one source; its amounts are ledger accounts.

    `lapses_on`: the first day on whose uses the line no longer pays (1 January after its fiscal
    year, later by a granted carry-over).
    """

    __tablename__ = "funding_line"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    payer_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    fiscal_year: Mapped[int]
    source: Mapped[str]
    restriction: Mapped[dict[str, Any]]
    lapses_on: Mapped[date]
    priority: Mapped[int] = mapped_column(default=100)
    issued_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("payer_id", "fiscal_year", "source", "restriction"),
        CheckConstraint(
            "source IN ('per_student', 'surcharge', 'special_fund', 'own_funds')", name="source"
        ),
    )


class Agreement(Base):
    """An approved selection: frozen terms, ceiling, time. Settlement's unit.

    `number` is its business key (`<payer code>-<reference>`). `terms`: {plan, unit_price, fee_rate,
    retention_rate, kind, resource …}; they can't change (trigger), `terms_digest` is their SHA-256.
    Both `starts_on` and `ends_on` are days on which use counts. `ceiling_fen` and `ends_on` move
    only with an `AgreementChange`. `opened_in`: the transaction in which its schools may come with
    it; none of an agreement that is older than this rule.
    """

    __tablename__ = "agreement"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(unique=True)
    payer_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    vendor_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"), index=True)
    resource_id: Mapped[UUID] = mapped_column(ForeignKey("resource.id"), index=True)
    version_id: Mapped[UUID] = mapped_column(ForeignKey("version.id"))
    terms: Mapped[dict[str, Any]]
    terms_digest: Mapped[bytes] = mapped_column(LargeBinary)
    ceiling_fen: Mapped[int]
    starts_on: Mapped[date]
    ends_on: Mapped[date]
    state: Mapped[str]
    opened_at: Mapped[datetime]
    opened_in: Mapped[int | None] = mapped_column(
        server_default=text("(pg_current_xact_id()::text)::bigint")
    )

    __table_args__ = (
        CheckConstraint("ceiling_fen >= 0", name="ceiling"),
        CheckConstraint("ends_on >= starts_on", name="order"),
        CheckConstraint("state IN ('open', 'exhausted', 'ended', 'terminated')", name="state"),
        Index("ix_agreement_payer_resource", "payer_id", "resource_id", "starts_on"),
    )


class AgreementDraw(Base):
    """How much of an agreement's ceiling is committed on which line; drawn in `position` order.

    What is committed later or released moves it, by an `AgreementChangeDraw` (trigger).
    """

    __tablename__ = "agreement_draw"

    agreement_id: Mapped[UUID] = mapped_column(ForeignKey("agreement.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    line_id: Mapped[UUID] = mapped_column(ForeignKey("funding_line.id"), index=True)
    ceiling_fen: Mapped[int]

    __table_args__ = (
        UniqueConstraint("agreement_id", "line_id"),
        CheckConstraint("ceiling_fen >= 0", name="ceiling"),
    )


class CeilingEstimate(Base):
    """What a month that is not stated yet would bill under an agreement, as last estimated (R33).

    `amount_fen` is what a preview of that moment says; `ceiling_use` how the agreement's whole
    ceiling stood then. Working data: made anew from the usage, and gone once the month is stated.
    """

    __tablename__ = "ceiling_estimate"

    payer_id: Mapped[UUID] = mapped_column(primary_key=True)
    agreement_id: Mapped[UUID] = mapped_column(
        ForeignKey("agreement.id"), primary_key=True, index=True
    )
    month: Mapped[date] = mapped_column(primary_key=True)
    amount_fen: Mapped[int]
    ceiling_use: Mapped[str]
    estimated_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("ceiling_use IN ('within', 'nearly_used', 'used_up')", name="ceiling_use"),
    )


class SchoolEstimate(Base):
    """A school's part of an estimate, where it has a ceiling of its own; working data like it."""

    __tablename__ = "school_estimate"

    payer_id: Mapped[UUID] = mapped_column(primary_key=True)
    agreement_id: Mapped[UUID] = mapped_column(
        ForeignKey("agreement.id"), primary_key=True, index=True
    )
    month: Mapped[date] = mapped_column(primary_key=True)
    school_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"), primary_key=True)
    amount_fen: Mapped[int]
    ceiling_use: Mapped[str]

    __table_args__ = (
        CheckConstraint("ceiling_use IN ('within', 'nearly_used', 'used_up')", name="ceiling_use"),
    )


class AgreementSchool(Base):
    """The schools and teaching points that may use an agreement; a ceiling of their own or none.

    `days`: on which of the agreement's days the school goes by it; all, unless it was added later
    or has declined (R24). All of it moves only with an `AgreementSchoolChange` (trigger).
    """

    __tablename__ = "agreement_school"

    agreement_id: Mapped[UUID] = mapped_column(ForeignKey("agreement.id"), primary_key=True)
    school_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"), primary_key=True)
    ceiling_fen: Mapped[int | None]
    days: Mapped[Any] = mapped_column(DATEMULTIRANGE, server_default=text("'{(,)}'"))

    __table_args__ = (
        CheckConstraint("ceiling_fen >= 0", name="ceiling"),
        Index("ix_agreement_school_school", "school_id", "agreement_id"),
    )


class Period(Base):
    """One payer's month: open → sealing → sealed → stated → posted → closed.

    `sealed_sequence`: the last usage sequence that belongs to it; what came later is late.
    `fingerprint`: order-independent sum over the sealed uses, which shows loss or change.
    """

    __tablename__ = "period"

    payer_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"), primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    state: Mapped[str]
    sealed_at: Mapped[datetime | None]
    sealed_sequence: Mapped[int | None]
    counts: Mapped[dict[str, Any] | None]
    fingerprint: Mapped[Decimal | None] = mapped_column(Numeric(30, 0))

    __table_args__ = (
        CheckConstraint(
            "state IN ('open', 'sealing', 'sealed', 'stated', 'posted', 'closed')", name="state"
        ),
        Index("ix_period_month_state", "month", "state"),
    )


STATED = ("stated", "posted", "closed")


def is_stated(
    payer_id: InstrumentedAttribute[UUID], month: InstrumentedAttribute[date]
) -> ColumnElement[bool]:
    """Return the condition that a payer's month has its statement."""
    return exists().where(
        Period.payer_id == payer_id, Period.month == month, Period.state.in_(STATED)
    )


class SealedEnrolment(Base):
    """Where a learner with uses in a sealed month was enrolled for a part of it, as then known.

    A departure that becomes known later does not change what a stated line rests on.
    """

    __tablename__ = "sealed_enrolment"

    payer_id: Mapped[UUID] = mapped_column(primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    learner_id: Mapped[UUID] = mapped_column(primary_key=True)
    school_id: Mapped[UUID] = mapped_column(primary_key=True)
    days: Mapped[Any] = mapped_column(DATEMULTIRANGE)


class SealedSchool(Base):
    """How many pupils a school had by its census when the month was sealed, and learners with use.

    `pupils` is None where no census is known: then the rule on more learners than enrolled rests.
    """

    __tablename__ = "sealed_school"

    payer_id: Mapped[UUID] = mapped_column(primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    school_id: Mapped[UUID] = mapped_column(primary_key=True)
    pupils: Mapped[int | None]
    learners: Mapped[int]


class SealedExclusion(Base):
    """Whose use under an agreement is not billable in a month, as known at its seal (R30).

    `rule` own-school: all use of the school `subject_id`, whose teacher made the resource;
    vendor-staff: all use of the learner `subject_id`, who works for the vendor.
    """

    __tablename__ = "sealed_exclusion"

    payer_id: Mapped[UUID] = mapped_column(primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    rule: Mapped[str] = mapped_column(primary_key=True)
    agreement_id: Mapped[UUID] = mapped_column(primary_key=True)
    subject_id: Mapped[UUID] = mapped_column(primary_key=True)

    __table_args__ = (CheckConstraint("rule IN ('own-school', 'vendor-staff')", name="rule"),)


class Statement(Base):
    """What one payer owes for one period. Lines and amounts are never changed (trigger)."""

    __tablename__ = "statement"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    payer_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    month: Mapped[date]
    number: Mapped[str] = mapped_column(unique=True)
    stated_at: Mapped[datetime]
    confirm_by: Mapped[date]

    __table_args__ = (UniqueConstraint("payer_id", "month"),)


class StatementLine(Base):
    """One agreement's part of a statement, with the arithmetic that led to it.

    rated = above ceiling + amount (billed); amount = drawn + uncovered; drawn = vendor + school +
    fee + retention (the database checks these). `quantity` is in units of `metric`; `school_fen` is
    the share of the author's school. An adjustment corrects what was stated of `of_month`, and may
    be negative; a line that takes up bills nothing and draws what was uncovered. `explanation`:
    what was received, left out and why. Only `state` and who confirmed it may change (trigger).
    """

    __tablename__ = "statement_line"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    statement_id: Mapped[UUID] = mapped_column(ForeignKey("statement.id"))
    payer_id: Mapped[UUID]
    month: Mapped[date]
    agreement_id: Mapped[UUID] = mapped_column(ForeignKey("agreement.id"), index=True)
    vendor_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"), index=True)
    kind: Mapped[str]
    of_month: Mapped[date]
    rule_version: Mapped[str]
    metric: Mapped[str]
    quantity: Mapped[int]
    unit_price: Mapped[Decimal] = mapped_column(Numeric(14, 4))
    rated_fen: Mapped[int]
    above_ceiling_fen: Mapped[int]
    amount_fen: Mapped[int]
    uncovered_fen: Mapped[int]
    drawn_fen: Mapped[int]
    vendor_fen: Mapped[int]
    school_fen: Mapped[int]
    fee_fen: Mapped[int]
    retention_fen: Mapped[int]
    explanation: Mapped[dict[str, Any]]
    state: Mapped[str]
    confirmed_at: Mapped[datetime | None]
    confirmed_by: Mapped[str | None]

    __table_args__ = (
        UniqueConstraint("statement_id", "agreement_id", "kind", "of_month"),
        CheckConstraint("kind IN ('use', 'adjustment', 'take_up')", name="kind"),
        CheckConstraint(
            "state IN ('stated', 'confirmed', 'disputed', 'dismissed', 'upheld', 'posted')",
            name="state",
        ),
        CheckConstraint("rated_fen = above_ceiling_fen + amount_fen", name="rated"),
        CheckConstraint("amount_fen = drawn_fen + uncovered_fen", name="billed"),
        CheckConstraint(
            "drawn_fen = vendor_fen + school_fen + fee_fen + retention_fen", name="conserved"
        ),
        CheckConstraint(
            "kind = 'adjustment' OR (kind = 'use' "
            "AND above_ceiling_fen >= 0 AND uncovered_fen >= 0 AND drawn_fen >= 0) "
            "OR (kind = 'take_up' "
            "AND rated_fen = 0 AND amount_fen = 0 AND quantity = 0 AND drawn_fen > 0)",
            name="not_negative",
        ),
        CheckConstraint(
            "metric IN ('uses', 'unique_uses', 'learners', 'class_sessions', 'periods')",
            name="metric",
        ),
        Index("ix_statement_line_payer_month", "payer_id", "month"),
        Index("ix_statement_line_month", "month"),
        Index(
            "ix_statement_line_uncovered",
            "payer_id",
            "agreement_id",
            "of_month",
            postgresql_where=text("uncovered_fen <> 0"),
        ),
        Index(
            "ix_statement_line_negative",
            "payer_id",
            postgresql_where=text("amount_fen < 0"),
        ),
    )


class StatementBreakdown(Base):
    """A line's quantity and amount by school; adds up to the line by largest remainder.

    `rated_fen` and `above_ceiling_fen` only where schools have ceilings of their own (R24).
    """

    __tablename__ = "statement_breakdown"

    line_id: Mapped[UUID] = mapped_column(ForeignKey("statement_line.id"), primary_key=True)
    school_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"), primary_key=True)
    quantity: Mapped[int]
    amount_fen: Mapped[int]
    explanation: Mapped[dict[str, Any]]
    rated_fen: Mapped[int | None]
    above_ceiling_fen: Mapped[int | None]

    __table_args__ = (
        CheckConstraint("(rated_fen IS NULL) = (above_ceiling_fen IS NULL)", name="by_school"),
        CheckConstraint("rated_fen = above_ceiling_fen + amount_fen", name="rated"),
    )


class StatementDraw(Base):
    """What a line draws from which funding line, in order (R34); negative: what it gives back."""

    __tablename__ = "statement_draw"

    line_id: Mapped[UUID] = mapped_column(ForeignKey("statement_line.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    funding_line_id: Mapped[UUID] = mapped_column(ForeignKey("funding_line.id"), index=True)
    amount_fen: Mapped[int]

    __table_args__ = (CheckConstraint("amount_fen <> 0", name="amount"),)
