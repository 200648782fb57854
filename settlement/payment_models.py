"""Tables of payments: runs that two people release, payments claimed once, what each one settles.

A payment moves forward only (trigger); what it is for and how much is never changed. Money is paid
where a balanced transfer says so: these rows say what was asked of whom, and what came of it.
"""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base


class PaymentRun(Base):
    """What a bureau's finance person proposes to pay, and another one releases.

    `month`: up to whose statements it pays. `method` gateway | treasury. `purpose` pay | refund:
    what credits took off after it was paid. `number` is the key that all of its payments carry.
    """

    __tablename__ = "payment_run"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(unique=True)
    bureau_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"), index=True)
    month: Mapped[date]
    method: Mapped[str]
    purpose: Mapped[str]
    state: Mapped[str]
    proposed_at: Mapped[datetime]
    proposed_by: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    proposed_by_name: Mapped[str]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))
    decided_by_name: Mapped[str]
    note: Mapped[str]

    __table_args__ = (
        CheckConstraint("method IN ('gateway', 'treasury')", name="method"),
        CheckConstraint("purpose IN ('pay', 'refund')", name="purpose"),
        CheckConstraint("purpose = 'pay' OR method = 'gateway'", name="refund"),
        CheckConstraint("state IN ('proposed', 'released', 'returned', 'withdrawn')", name="state"),
        CheckConstraint("(state = 'proposed') = (decided_at IS NULL)", name="decided"),
        CheckConstraint(
            "state IN ('proposed', 'withdrawn') "
            "OR (decided_by IS NOT NULL AND decided_by <> proposed_by)",
            name="two_people",
        ),
    )


class Payment(Base):
    """One movement of money, under a key that is made of business facts only.

    `kind` collection: payer → platform; transfer: platform → payee, once its collection is paid;
    fee: what the platform keeps of a collection; order: a treasury's payment, payer → payee, out of
    one line; reversal: payee → platform; fee_return: what the platform gives up of its fee; refund:
    platform → payer. withholding: what is kept of a teacher's earnings for the tax office, or under
    treasury payment ordered to it; withholding_return: what a reversal gives up of that. undone: a
    transfer that can't be passed on and goes back to its payer. recovery: what a payer owes the
    platform since its bank took a collection back for good; recovery_return: what the platform
    gives up of that, as it was too much. `payee_id` is zeros where the platform itself is paid.
    `paid_fen`: what came through. `attempt` grows only after a definite
    failure. `account_id`: the payee's bank account as an order names it; `undoes_id`: the transfer
    that goes back; `again_of_id`: the tax that came back from the treasury and is ordered again;
    its own for one that was reckoned anew before that was so. `taken_fen`: what the gateway took of
    a reversal before it refused the rest.
    """

    __tablename__ = "payment"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    run_id: Mapped[UUID] = mapped_column(ForeignKey("payment_run.id"), index=True)
    payer_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"), index=True)
    payee_id: Mapped[UUID] = mapped_column(index=True)
    kind: Mapped[str]
    key: Mapped[str] = mapped_column(unique=True)
    attempt: Mapped[int]
    amount_fen: Mapped[int]
    paid_fen: Mapped[int]
    taken_fen: Mapped[int] = mapped_column(default=0)
    state: Mapped[str]
    gateway_id: Mapped[str | None] = mapped_column(index=True)
    failure: Mapped[str]
    claimed_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("bank_account.id"))
    undoes_id: Mapped[UUID | None] = mapped_column(ForeignKey("payment.id"))
    again_of_id: Mapped[UUID | None] = mapped_column(ForeignKey("payment.id"), index=True)

    __table_args__ = (
        CheckConstraint(
            "kind IN ('collection', 'transfer', 'fee', 'withholding', 'order', 'reversal', "
            "'fee_return', 'withholding_return', 'undone', 'recovery', 'recovery_return', "
            "'refund')",
            name="kind",
        ),
        CheckConstraint(
            "state IN ('proposed', 'ready', 'claimed', 'sent', 'unknown', 'partial', 'cut', "
            "'paid', 'failed', 'returned', 'withdrawn')",
            name="state",
        ),
        CheckConstraint("amount_fen > 0", name="amount"),
        CheckConstraint("attempt > 0", name="attempt"),
        CheckConstraint("paid_fen BETWEEN 0 AND amount_fen", name="paid_fen"),
        CheckConstraint(
            "taken_fen = 0 OR kind = 'reversal' AND taken_fen BETWEEN 0 AND amount_fen",
            name="taken_fen",
        ),
        CheckConstraint("state <> 'paid' OR paid_fen = amount_fen", name="paid"),
        CheckConstraint("state NOT IN ('partial', 'cut') OR paid_fen > 0", name="partial"),
        Index(
            "ux_payment_one_side",
            "run_id",
            "payer_id",
            unique=True,
            postgresql_where=text("kind IN ('collection', 'refund') AND state <> 'withdrawn'"),
        ),
        CheckConstraint("kind <> 'undone' OR undoes_id IS NOT NULL", name="undoes"),
        CheckConstraint("again_of_id IS NULL OR kind = 'withholding'", name="again"),
        Index(
            "ux_payment_undone_once",
            "undoes_id",
            unique=True,
            postgresql_where=text("kind = 'undone' AND state NOT IN ('failed', 'withdrawn')"),
        ),
        Index(
            "ix_payment_recovery",
            "payer_id",
            postgresql_where=text("kind IN ('recovery', 'recovery_return')"),
        ),
        Index(
            "ix_payment_given_up",
            "id",
            postgresql_where=text("kind = 'collection' AND state = 'failed'"),
        ),
        Index(
            "ix_payment_under_way",
            "state",
            postgresql_where=text("state IN ('ready', 'claimed', 'unknown', 'sent')"),
        ),
    )


class PaymentOmission(Base):
    """What a run left out when it was proposed, in fen, and why (`LeftOut`); it claims nothing.

    `payee_id` is zeros where it is the platform's.
    """

    __tablename__ = "payment_omission"

    run_id: Mapped[UUID] = mapped_column(ForeignKey("payment_run.id"), primary_key=True)
    payer_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"), primary_key=True)
    payee_id: Mapped[UUID] = mapped_column(primary_key=True)
    because: Mapped[str] = mapped_column(primary_key=True)
    amount_fen: Mapped[int]

    __table_args__ = (CheckConstraint("because <> ''", name="because"),)


class PaymentItem(Base):
    """What of a payment settles which funding line's due to its payee; below zero: set off.

    `taxed_before_fen`: what of it an earlier run paid a teacher's tax on, and it came back.
    """

    __tablename__ = "payment_item"

    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payment.id"), primary_key=True)
    line_id: Mapped[UUID] = mapped_column(ForeignKey("funding_line.id"), primary_key=True)
    amount_fen: Mapped[int]
    taxed_before_fen: Mapped[int]

    __table_args__ = (
        CheckConstraint("amount_fen <> 0", name="amount"),
        CheckConstraint(
            "taxed_before_fen BETWEEN 0 AND GREATEST(amount_fen, 0)", name="taxed_before"
        ),
    )


class PaymentClosing(Base):
    """That a collection which failed is closed at the gateway: nobody can pay it any more.

    `gateway_id` is empty where the gateway had refused it before it made anything.
    """

    __tablename__ = "payment_closing"

    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payment.id"), primary_key=True)
    gateway_id: Mapped[str]
    closed_at: Mapped[datetime]


class PaymentTarget(Base):
    """Which earlier movement a reversal or refund takes back, and how much of it, in fen.

    Kept at the first claim, in the order of `position`, and never changed: whatever becomes of
    others, it is asked about and sent again where it was sent first. `gateway_id` is that
    movement's.
    """

    __tablename__ = "payment_target"

    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payment.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    gateway_id: Mapped[str] = mapped_column(index=True)
    amount_fen: Mapped[int]

    __table_args__ = (CheckConstraint("amount_fen > 0", name="amount"),)


class RefundPart(Base):
    """One of the gateway's refunds of which a payer's refund consists, in fen.

    `came_back_at`: when it was known that the payer's bank did not take it, be it after the gateway
    had said that it came through; once. What is not back stands: a refund's `paid_fen` is its sum.
    """

    __tablename__ = "refund_part"

    gateway_id: Mapped[str] = mapped_column(primary_key=True)
    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payment.id"), index=True)
    amount_fen: Mapped[int]
    known_at: Mapped[datetime]
    came_back_at: Mapped[datetime | None]
    reason: Mapped[str]

    __table_args__ = (
        CheckConstraint("amount_fen > 0", name="amount"),
        CheckConstraint("came_back_at IS NOT NULL OR reason = ''", name="reason"),
    )


class PaymentHold(Base):
    """Why a payee is not paid for now; lifted by a later decision, never deleted."""

    __tablename__ = "payment_hold"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    payee_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"), index=True)
    because: Mapped[str]
    placed_at: Mapped[datetime]
    placed_by: Mapped[str]
    lifted_at: Mapped[datetime | None]
    lifted_by: Mapped[str]

    __table_args__ = (
        CheckConstraint("because <> ''", name="because"),
        Index(
            "ux_payment_hold_open",
            "payee_id",
            unique=True,
            postgresql_where=text("lifted_at IS NULL"),
        ),
    )


class GatewayParty(Base):
    """Under which name the gateway knows an organisation: a payer's customer, a payee's account.

    `by_hand`: an account's money goes to its bank by us, not by the gateway's own schedule.
    `said_at`: of when the gateway's word on it is, to the second; None for one of before that.
    """

    __tablename__ = "gateway_party"

    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"), primary_key=True)
    role: Mapped[str] = mapped_column(primary_key=True)
    gateway_id: Mapped[str] = mapped_column(unique=True)
    ready: Mapped[bool]
    by_hand: Mapped[bool]
    known_at: Mapped[datetime]
    said_at: Mapped[datetime | None]

    __table_args__ = (CheckConstraint("role IN ('payer', 'payee')", name="role"),)


class GatewayEvent(Base):
    """The inbox: each event of a gateway once, whatever it says and however often it comes.

    `state` received → applied | ignored | parked (it could not be understood; a person looks).
    `made_at`: when the gateway made it; None where it did not say so, or of before that was kept.
    """

    __tablename__ = "gateway_event"

    provider: Mapped[str] = mapped_column(primary_key=True)
    event_id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    body: Mapped[dict[str, Any]]
    state: Mapped[str]
    because: Mapped[str]
    made_at: Mapped[datetime | None]
    received_at: Mapped[datetime]
    applied_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("state IN ('received', 'applied', 'ignored', 'parked')", name="state"),
        Index("ix_gateway_event_waiting", "state", postgresql_where=text("state <> 'applied'")),
        Index(
            "ix_gateway_event_disputes",
            text("(body ->> 'id')"),
            postgresql_where=text("kind IN ('charge.dispute.created', 'charge.dispute.closed')"),
        ),
    )


class TreasuryReturn(Base):
    """One row that a treasury returned: what became of an order, as its voucher says.

    `outcome` matched | partial | returned | unknown (no order of ours, or an amount that can't be).
    `payment_id` is that of the order it was matched with. What is unknown stands in nobody's way:
    the true row of its voucher is matched all the same, and unknown ones are each bureau's own.
    """

    __tablename__ = "treasury_return"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    order_no: Mapped[str]
    voucher_no: Mapped[str]
    result: Mapped[str]
    amount_fen: Mapped[int]
    reason: Mapped[str]
    outcome: Mapped[str]
    payment_id: Mapped[UUID | None] = mapped_column(ForeignKey("payment.id"), index=True)
    bureau_id: Mapped[UUID | None] = mapped_column(ForeignKey("organisation.id"), index=True)
    read_at: Mapped[datetime]
    read_by: Mapped[str]

    __table_args__ = (
        CheckConstraint("result IN ('paid', 'returned')", name="result"),
        CheckConstraint("outcome IN ('matched', 'partial', 'returned', 'unknown')", name="outcome"),
        CheckConstraint("(payment_id IS NULL) = (outcome = 'unknown')", name="matched"),
        Index(
            "ux_treasury_return_matched",
            "order_no",
            "voucher_no",
            unique=True,
            postgresql_where=text("outcome <> 'unknown'"),
        ),
        Index(
            "ux_treasury_return_unknown",
            *("order_no", "voucher_no", "bureau_id", "result", "amount_fen"),
            unique=True,
            postgresql_where=text("outcome = 'unknown'"),
            postgresql_nulls_not_distinct=True,
        ),
    )


class TreasuryDismissal(Base):
    """Why a treasury's row that fits no order waits for nobody any more; the row itself stays."""

    __tablename__ = "treasury_dismissal"

    return_id: Mapped[UUID] = mapped_column(ForeignKey("treasury_return.id"), primary_key=True)
    because: Mapped[str]
    dismissed_at: Mapped[datetime]
    dismissed_by: Mapped[str]

    __table_args__ = (CheckConstraint("because <> ''", name="because"),)


class Fapiao(Base):
    """An electronic invoice of a vendor for a statement; a red-letter one takes back of another.

    Many for one statement and vendor (R64). `amount_fen` includes tax, and is above zero for red
    ones, too; these name the invoice that they correct and, where there is one, the credit note.
    """

    __tablename__ = "fapiao"

    number: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    statement_id: Mapped[UUID] = mapped_column(ForeignKey("statement.id"))
    vendor_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"), index=True)
    amount_fen: Mapped[int]
    issued_on: Mapped[date]
    corrects: Mapped[str | None] = mapped_column(ForeignKey("fapiao.number"), index=True)
    credit_note_id: Mapped[UUID | None] = mapped_column(ForeignKey("credit_note.id"), index=True)
    recorded_at: Mapped[datetime]
    recorded_by: Mapped[str]

    __table_args__ = (
        CheckConstraint("number ~ '^[0-9]{20}$'", name="number"),
        CheckConstraint("kind IN ('blue', 'red')", name="kind"),
        CheckConstraint("amount_fen > 0", name="amount"),
        CheckConstraint("(kind = 'red') = (corrects IS NOT NULL)", name="corrects"),
        CheckConstraint("kind = 'red' OR credit_note_id IS NULL", name="credit_note"),
        Index("ix_fapiao_statement_vendor", "statement_id", "vendor_id"),
    )
