"""Tables of what reaches payees: bank accounts, payouts to banks, tax withheld, what it is of.

Append-only but for a payout's course, which moves forward by one table of states (trigger).
"""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base


class BankAccount(Base):
    """Where a treasury pays a payee; which counts `bank_accounts` says, earlier orders keep theirs.

    `because`: why the operator had it count at once; empty otherwise.
    """

    __tablename__ = "bank_account"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"), index=True)
    holder: Mapped[str]
    bank: Mapped[str]
    branch_code: Mapped[str]
    number: Mapped[str]
    recorded_at: Mapped[datetime]
    recorded_by: Mapped[str]
    because: Mapped[str] = mapped_column(default="")

    __table_args__ = (
        CheckConstraint("holder <> '' AND bank <> ''", name="holder"),
        CheckConstraint("number ~ '^[0-9]{8,30}$'", name="number"),
        CheckConstraint("branch_code ~ '^([0-9]{12})?$'", name="branch_code"),
    )


class PaymentPart(Base):
    """Of which agreement's month of use a payment is, by line; what was withheld is within it."""

    __tablename__ = "payment_part"

    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payment.id"), primary_key=True)
    line_id: Mapped[UUID] = mapped_column(ForeignKey("funding_line.id"), primary_key=True)
    agreement_id: Mapped[UUID] = mapped_column(ForeignKey("agreement.id"), primary_key=True)
    of_month: Mapped[date] = mapped_column(primary_key=True)
    amount_fen: Mapped[int]

    __table_args__ = (CheckConstraint("amount_fen <> 0", name="amount"),)


class Withholding(Base):
    """How the tax withheld of a teacher's payments of one run came about (R64).

    `month`: whose income it is. `earlier_…`: what the month's earlier runs hold. `tax_fen`: what
    this run withholds. `steps`: the arithmetic, in fen. `version` names the table of rates.
    """

    __tablename__ = "withholding"

    run_id: Mapped[UUID] = mapped_column(ForeignKey("payment_run.id"), primary_key=True)
    payee_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"), primary_key=True)
    month: Mapped[date]
    version: Mapped[str]
    earlier_fen: Mapped[int]
    earlier_tax_fen: Mapped[int]
    income_fen: Mapped[int]
    tax_fen: Mapped[int]
    steps: Mapped[dict[str, Any]]

    __table_args__ = (
        CheckConstraint("income_fen > 0", name="income"),
        CheckConstraint("tax_fen BETWEEN 0 AND income_fen", name="tax"),
        CheckConstraint("earlier_fen >= 0 AND earlier_tax_fen >= 0", name="earlier"),
        Index("ix_withholding_month", "month", "payee_id"),
    )


class TaxRemittance(Base):
    """Withheld tax that was paid to the tax office, as one person says and another one checks.

    `month`: whose tax it is. `reference`: the tax office's receipt; in a bureau a receipt stands in
    one, unless all of that was taken back. Below zero: what is taken back of `corrects_id`, since
    it was recorded wrongly or the tax office repaid it, and `because` of what. `taken_back_fen`:
    what was taken back of it; the database counts.
    """

    __tablename__ = "tax_remittance"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(unique=True)
    bureau_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"), index=True)
    month: Mapped[date]
    amount_fen: Mapped[int]
    reference: Mapped[str]
    paid_on: Mapped[date]
    state: Mapped[str]
    proposed_at: Mapped[datetime]
    proposed_by: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    proposed_by_name: Mapped[str]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))
    decided_by_name: Mapped[str]
    note: Mapped[str]
    corrects_id: Mapped[UUID | None] = mapped_column(ForeignKey("tax_remittance.id"), index=True)
    because: Mapped[str] = mapped_column(default="")
    taken_back_fen: Mapped[int] = mapped_column(default=0)

    __table_args__ = (
        CheckConstraint(
            "amount_fen > 0 AND corrects_id IS NULL OR amount_fen < 0 AND corrects_id IS NOT NULL",
            name="amount",
        ),
        CheckConstraint("(corrects_id IS NULL) = (because = '')", name="because"),
        CheckConstraint("taken_back_fen BETWEEN 0 AND GREATEST(amount_fen, 0)", name="taken_back"),
        CheckConstraint("reference <> ''", name="reference"),
        CheckConstraint("state IN ('proposed', 'recorded', 'returned', 'withdrawn')", name="state"),
        CheckConstraint("(state = 'proposed') = (decided_at IS NULL)", name="decided"),
        CheckConstraint(
            "state IN ('proposed', 'withdrawn') "
            "OR (decided_by IS NOT NULL AND decided_by <> proposed_by)",
            name="two_people",
        ),
        Index(
            "ux_tax_remittance_reference",
            "bureau_id",
            "reference",
            "corrects_id",
            unique=True,
            postgresql_nulls_not_distinct=True,
            postgresql_where=text(
                "state IN ('proposed', 'recorded') AND taken_back_fen <> amount_fen"
            ),
        ),
    )


class BankPayout(Base):
    """Money on its way from a payee's account at the gateway to its bank, claimed once.

    `key` is made of the payee's code and the payout's number among its own. `answered_at`: when
    somebody had a failed one tried again, by the payee's next.
    """

    __tablename__ = "bank_payout"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    payee_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    number: Mapped[int]
    key: Mapped[str] = mapped_column(unique=True)
    amount_fen: Mapped[int]
    attempt: Mapped[int]
    state: Mapped[str]
    gateway_id: Mapped[str | None] = mapped_column(index=True)
    failure: Mapped[str]
    begun_at: Mapped[datetime]
    claimed_at: Mapped[datetime]
    arrives_on: Mapped[date | None]
    settled_at: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("payee_id", "number"),
        CheckConstraint("amount_fen > 0", name="amount"),
        CheckConstraint("attempt > 0", name="attempt"),
        CheckConstraint(
            "state IN ('ready', 'claimed', 'unknown', 'sent', 'paid', 'failed')", name="state"
        ),
        Index(
            "ux_bank_payout_under_way",
            "payee_id",
            unique=True,
            postgresql_where=text("state IN ('ready', 'claimed', 'unknown')"),
        ),
    )


class BankPayoutItem(Base):
    """A transfer that a payout carries on, or, below zero, a reversal that came off before it."""

    __tablename__ = "bank_payout_item"

    payout_id: Mapped[UUID] = mapped_column(ForeignKey("bank_payout.id"), primary_key=True)
    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payment.id"), primary_key=True, index=True)
    amount_fen: Mapped[int]

    __table_args__ = (CheckConstraint("amount_fen <> 0", name="amount"),)


class RateTable(Base):
    """One version of a table of rates, from a day on in a region; never changed, only followed.

    `kind` withholding | credits. Of the same kind, region and day the last one recorded counts.
    """

    __tablename__ = "rate_table"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    region_code: Mapped[str] = mapped_column(ForeignKey("region.code"))
    valid_from: Mapped[date]
    version: Mapped[str]
    source: Mapped[str]
    body: Mapped[dict[str, Any]]
    recorded_at: Mapped[datetime]
    recorded_by: Mapped[str]

    __table_args__ = (
        UniqueConstraint("kind", "version"),
        CheckConstraint("kind IN ('withholding', 'credits')", name="kind"),
        CheckConstraint("version <> '' AND source <> ''", name="named"),
        # Tables of credits within `credit_rules.limits_of`: ck_rate_table_credits (migration 0048).
        Index("ix_rate_table_in_force", "kind", "region_code", "valid_from"),
    )
