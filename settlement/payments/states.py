"""States of runs and payments, and the one table of which may follow which."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from kernel.errors import Conflict


class PaymentMethod(StrEnum):
    """How a run's money moves: through the gateway, or by orders of the treasury (国库集中支付)."""

    GATEWAY = "gateway"
    TREASURY = "treasury"


class RunPurpose(StrEnum):
    """Whether a run pays what is due, or takes back what credits took off after its payment."""

    PAY = "pay"
    REFUND = "refund"


class RunState(StrEnum):
    """Proposed by one person, then decided once by another."""

    PROPOSED = "proposed"
    RELEASED = "released"
    RETURNED = "returned"
    WITHDRAWN = "withdrawn"


class PaymentKind(StrEnum):
    """What a payment moves, from whom to whom."""

    COLLECTION = "collection"
    TRANSFER = "transfer"
    FEE = "fee"
    WITHHOLDING = "withholding"
    ORDER = "order"
    REVERSAL = "reversal"
    FEE_RETURN = "fee_return"
    WITHHOLDING_RETURN = "withholding_return"
    UNDONE = "undone"
    RECOVERY = "recovery"
    RECOVERY_RETURN = "recovery_return"
    REFUND = "refund"


class LeftOut(StrEnum):
    """Why something that is due is not in a run."""

    CARRIED = "carried"  # credits exceed what is due: it is set off later
    HELD = "held"
    NOT_READY = "not_ready"
    NO_ACCOUNT = "no_account"  # no bank account is recorded that a treasury could pay to
    PAID_OUT = "paid_out"  # it left the gateway for the payee's bank: it is set off later
    DISPUTED = "disputed"  # its lines are not posted until somebody has decided
    BELOW_MINIMUM = "below_minimum"
    PAID_LATE = "paid_late"  # it waits for a person, and counts as paid meanwhile
    CHARGED_BACK = "charged_back"  # its payer's bank took the collection back: it waits
    TAX_AGAIN = "tax_again"  # it came back: a treasury's run orders it to the tax office again


class PaymentState(StrEnum):
    """How far a payment has come."""

    PROPOSED = "proposed"
    READY = "ready"
    CLAIMED = "claimed"
    SENT = "sent"
    UNKNOWN = "unknown"
    PARTIAL = "partial"
    CUT = "cut"  # paid in part, and the rest is due again
    PAID = "paid"
    FAILED = "failed"
    RETURNED = "returned"
    WITHDRAWN = "withdrawn"


MAY_FOLLOW: Final[Mapping[PaymentState, frozenset[PaymentState]]] = {
    PaymentState.PROPOSED: frozenset({PaymentState.READY, PaymentState.WITHDRAWN}),
    PaymentState.READY: frozenset(
        {
            PaymentState.CLAIMED,
            PaymentState.SENT,
            PaymentState.PARTIAL,
            PaymentState.PAID,
            PaymentState.FAILED,
            PaymentState.RETURNED,
            PaymentState.WITHDRAWN,
        }
    ),
    PaymentState.CLAIMED: frozenset(
        {
            PaymentState.READY,
            PaymentState.SENT,
            PaymentState.UNKNOWN,
            PaymentState.PARTIAL,
            PaymentState.PAID,
            PaymentState.FAILED,
            PaymentState.RETURNED,
        }
    ),
    PaymentState.SENT: frozenset(
        {
            PaymentState.PARTIAL,
            PaymentState.PAID,
            PaymentState.FAILED,
            PaymentState.RETURNED,
        }
    ),
    PaymentState.UNKNOWN: frozenset(
        {
            PaymentState.READY,
            PaymentState.SENT,
            PaymentState.PAID,
            PaymentState.FAILED,
            PaymentState.RETURNED,
        }
    ),
    PaymentState.PARTIAL: frozenset({PaymentState.PAID, PaymentState.CUT, PaymentState.RETURNED}),
    PaymentState.CUT: frozenset({PaymentState.CUT, PaymentState.RETURNED}),
    PaymentState.PAID: frozenset({PaymentState.CUT, PaymentState.RETURNED, PaymentState.FAILED}),
    PaymentState.FAILED: frozenset({PaymentState.READY, PaymentState.WITHDRAWN, PaymentState.PAID}),
    PaymentState.RETURNED: frozenset(),
    PaymentState.WITHDRAWN: frozenset(),
}
"""The machine itself: the database keeps to the same table (trigger `payment_moves_forward`).

Only a reversal that failed is withdrawn once its run is released, with what hangs on it; only a
treasury's order is cut, again where more of it comes back; only a refund fails after it was paid.
Only a collection is paid after it failed, with what the platform keeps of it: a payer's bank may
pay what the gateway had called declined.
"""


class PayoutState(StrEnum):
    """How far a payout to a bank has come."""

    READY = "ready"
    CLAIMED = "claimed"
    UNKNOWN = "unknown"
    SENT = "sent"
    PAID = "paid"
    FAILED = "failed"


PAYOUT_MAY_FOLLOW: Final[Mapping[PayoutState, frozenset[PayoutState]]] = {
    PayoutState.READY: frozenset(
        {PayoutState.CLAIMED, PayoutState.SENT, PayoutState.PAID, PayoutState.FAILED}
    ),
    PayoutState.CLAIMED: frozenset(
        {
            PayoutState.READY,
            PayoutState.UNKNOWN,
            PayoutState.SENT,
            PayoutState.PAID,
            PayoutState.FAILED,
        }
    ),
    PayoutState.UNKNOWN: frozenset(
        {PayoutState.READY, PayoutState.SENT, PayoutState.PAID, PayoutState.FAILED}
    ),
    PayoutState.SENT: frozenset({PayoutState.PAID, PayoutState.FAILED}),
    PayoutState.PAID: frozenset({PayoutState.FAILED}),  # a bank may send it back days later
    PayoutState.FAILED: frozenset(),
}
"""Of payouts to banks (trigger `payout_moves_forward`)."""


def require_step(key: str, state: PaymentState, wanted: PaymentState) -> None:
    """Raise `Conflict` unless a payment may go from `state` to `wanted`."""
    if wanted not in MAY_FOLLOW[state]:
        raise Conflict(what="payment", key=key, state=state, wanted=wanted)
