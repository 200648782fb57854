"""What the gateway holds for whom once everything under way is through, by the payments alone."""

from sqlalchemy import case, exists, func, select

from kernel.unit import Unit
from settlement.ledger.models import Transfer
from settlement.payment_models import Payment, PaymentItem, PaymentRun


def kept_at_gateway(unit: Unit) -> tuple[int, int, int]:
    """Return the platform's fees, the tax withheld, and what waits for a person, in fen."""
    in_hand, given_up = (
        unit.session.scalar(
            select(func.coalesce(func.sum(Payment.amount_fen), 0)).where(
                Payment.kind == kind, Payment.state == "paid"
            )
        )
        for kind in ("fee", "fee_return")
    )
    gone_back = select(Payment.undoes_id).where(Payment.kind == "undone", Payment.state == "paid")
    open_transfers = unit.session.scalar(
        select(func.coalesce(func.sum(PaymentItem.amount_fen), 0))
        .join(Payment, Payment.id == PaymentItem.payment_id)
        .where(Payment.kind == "transfer", Payment.state.in_(("ready", "failed")))
        .where(Payment.id.not_in(gone_back))
        .where(Payment.failure != "collection-failed")
    )
    came_back = (
        exists().where(Transfer.key.startswith("returned:" + Payment.key + "#")).correlate(Payment)
    )
    sent_back = unit.session.scalar(
        select(func.coalesce(func.sum(Payment.amount_fen - Payment.paid_fen), 0)).where(
            Payment.kind == "refund", came_back
        )
    )
    reversed_only = unit.session.scalar(
        select(func.coalesce(func.sum(Payment.amount_fen), 0)).where(
            Payment.kind == "reversal",
            Payment.state == "paid",
            Payment.run_id.in_(
                select(Payment.run_id).where(
                    Payment.kind == "refund",
                    Payment.state.not_in(("paid", "withdrawn")),
                    ~came_back,
                )
            ),
        )
    )
    in_taxes = unit.session.scalar(
        select(
            func.coalesce(
                func.sum(
                    case(
                        (Payment.kind == "withholding", Payment.paid_fen),
                        else_=-Payment.paid_fen,
                    )
                ),
                0,
            )
        )
        .join(PaymentRun, PaymentRun.id == Payment.run_id)
        .where(
            Payment.kind.in_(("withholding", "withholding_return")),
            PaymentRun.method == "gateway",
        )
    )
    waits = int(open_transfers or 0) + int(reversed_only or 0) + int(sent_back or 0)
    return int(in_hand or 0) - int(given_up or 0), int(in_taxes or 0), waits
