"""What later runs pay of what an earlier run's failed collections would have paid."""

from uuid import UUID

from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.orm import aliased

from kernel.unit import Unit
from settlement.payment_models import Payment, PaymentRun

Later = aliased(Payment, name="later")
LaterRun = aliased(PaymentRun, name="later_run")


def paid_by_later(unit: Unit, number: str) -> dict[str, str]:
    """Return which later run took up what a run's failed collections would have paid, by key."""
    later = later_payments().with_only_columns(func.max(LaterRun.number)).scalar_subquery()
    wanted = (
        select(Payment.key, later)
        .join(PaymentRun, PaymentRun.id == Payment.run_id)
        .where(PaymentRun.number == number, Payment.state == "failed", later_payments().exists())
    )
    return {key: str(run) for key, run in unit.session.execute(wanted)}


def later_payments() -> Select[UUID]:
    """Select what a later run pays of what a payment's failed collection would have paid.

    All that is due is in one run of a payer and payee, so a later one has it too.
    """
    return (
        select(Later.id)
        .join(LaterRun, LaterRun.id == Later.run_id)
        .where(
            Later.payer_id == Payment.payer_id,
            LaterRun.proposed_at > PaymentRun.proposed_at,
            LaterRun.purpose == "pay",
            Later.state.not_in(("failed", "returned", "withdrawn")),
            or_(
                and_(Payment.kind == "collection", Later.kind.in_(("collection", "order"))),
                and_(
                    Payment.failure == "collection-failed",
                    Later.kind.in_(("transfer", "fee", "withholding", "order")),
                    Later.payee_id == Payment.payee_id,
                ),
            ),
        )
        .correlate(Payment, PaymentRun)
    )
