"""Whom a payment run left out, and why, as it was kept when the run was proposed."""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import aliased

from kernel.identity.models import Organisation
from kernel.unit import Unit
from settlement.payment_models import PaymentOmission, PaymentRun

Payer = aliased(Organisation, name="payer")
Payee = aliased(Organisation, name="payee")


@dataclass(frozen=True, kw_only=True, slots=True)
class LeftOutRow:
    """What of a payer's due to a payee is in no payment of a run, in fen; below zero: set off.

    `payee_code` and `payee_name` are empty for the platform's.
    """

    payer_code: str
    payer_name: str
    payee_code: str
    payee_name: str
    amount_fen: int
    because: str


def left_out_of_run(unit: Unit, number: str) -> list[LeftOutRow]:
    """Return whom a run left out, by payer and payee; the caller has checked who asks."""
    rows = unit.session.execute(
        select(
            Payer.code.label("payer_code"),
            Payer.name.label("payer_name"),
            func.coalesce(Payee.code, "").label("payee_code"),
            func.coalesce(Payee.name, "").label("payee_name"),
            PaymentOmission.amount_fen,
            PaymentOmission.because,
        )
        .join(PaymentRun, PaymentRun.id == PaymentOmission.run_id)
        .join(Payer, Payer.id == PaymentOmission.payer_id)
        .outerjoin(Payee, Payee.id == PaymentOmission.payee_id)
        .where(PaymentRun.number == number)
        .order_by(Payer.code, Payee.code, PaymentOmission.because)
    )
    return [LeftOutRow(**row._mapping) for row in rows]
