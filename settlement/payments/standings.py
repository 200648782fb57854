"""Where a payee's money stands: due, in a run, to be set off, the tax office's, and why unpaid."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import exists, select, text

from kernel.unit import Unit
from settlement.dues import dues, paid_of
from settlement.payment_models import GatewayParty, Payment, PaymentHold
from settlement.payments.parts import open_dues
from settlement.payments.states import PaymentKind
from settlement.payments.taxes import apart_from_tax, tax_again

PAYERS_OF = text(
    """
SELECT DISTINCT s.payer_id FROM statement_line s JOIN agreement a ON a.id = s.agreement_id
WHERE s.state = 'posted'
    AND (s.vendor_id = :payee OR a.terms ->> 'author_school_id' = CAST(:payee AS text))
ORDER BY s.payer_id
"""
)


@dataclass(frozen=True, kw_only=True, slots=True)
class PayeeStanding:
    """Where a payee's money stands, in fen: due and in no run, in one, or to be set off.

    `tax_again_fen`: tax withheld of it that a treasury sent back, and that goes to the tax office.
    `late_fen`: what its payers paid late; it waits for a person, and is set off meanwhile.
    `held_because` is empty unless it is held; `is_ready`: the gateway may pay it.
    """

    due_fen: int
    tax_again_fen: int
    under_way_fen: int
    carried_fen: int
    late_fen: int
    held_because: str
    is_ready: bool


def standing_of_payee(unit: Unit, payee_id: UUID) -> PayeeStanding:
    """Return where a payee's money stands; the caller has checked who asks."""
    payers = unit.session.scalars(PAYERS_OF, {"payee": payee_id}).all()
    earned, paid = dues(unit, payers), paid_of(unit, payers)
    own = {due: fen for due, fen in open_dues(earned, paid).items() if due.payee_id == payee_id}
    under_way = sum(
        one.claimed_fen - one.settled_fen for due, one in paid.items() if due.payee_id == payee_id
    )
    held = select(PaymentHold.because).where(
        PaymentHold.payee_id == payee_id, PaymentHold.lifted_at.is_(None)
    )
    is_ready = select(GatewayParty.ready).where(
        GatewayParty.organisation_id == payee_id, GatewayParty.role == "payee"
    )
    withheld = exists().where(Payment.payee_id == payee_id, Payment.kind == PaymentKind.WITHHOLDING)
    because, ready, taxed = unit.session.execute(
        select(held.scalar_subquery(), is_ready.scalar_subquery(), withheld)
    ).one()
    taxes, rest, _ = apart_from_tax(own, tax_again(unit, payers) if taxed else {}, None)
    left = list(rest.values())
    return PayeeStanding(
        due_fen=sum(fen for fen in left if fen > 0),
        tax_again_fen=sum(fen for _, _, fen, _ in taxes),
        under_way_fen=max(0, under_way),
        carried_fen=-sum(fen for fen in left if fen < 0),
        late_fen=sum(one.late_fen for due, one in paid.items() if due.payee_id == payee_id),
        held_because=because or "",
        is_ready=ready is not False,
    )
