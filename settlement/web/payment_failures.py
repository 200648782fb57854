"""What a payment that failed means for people, and what the next step is.

The gateway's own word of a reason reads as a label of the kind `payment-failure`.
"""

from collections.abc import Mapping
from typing import Final

from kernel.i18n import msgid
from settlement.payments.settling import COLLECTION_FAILED, PAID_LATE
from settlement.payments.states import PaymentKind

GOES_BACK: Final = msgid("It goes back to its payer, and is due again in a later run.")
NEXT: Final[Mapping[str, str]] = {
    PaymentKind.COLLECTION: msgid("What it would have paid is due again: propose another run."),
    PaymentKind.TRANSFER: msgid(
        "The payer's money waits at the gateway. Try it again; if it can't be passed on at all, "
        "propose to take back: it goes back to the payer, and is due again."
    ),
    PaymentKind.REVERSAL: msgid(
        "Nothing was taken back, and nothing goes to the payee's bank meanwhile. Try it again, or "
        "give it up: it is set off then against what the payee is due next, and the payer gets "
        "back what the others gave."
    ),
    PaymentKind.REFUND: msgid("The payer's money waits at the gateway. Try it again."),
    PaymentKind.ORDER: msgid("It is due again: propose another run."),
    PaymentKind.WITHHOLDING: msgid("It is due again: propose another run."),
}
BY_REASON: Final[Mapping[tuple[str, str], str]] = {
    (PaymentKind.TRANSFER, "insufficient_capabilities_for_transfer"): msgid(
        "The payee completes its account at the gateway, on its page of payouts; then try it again."
    ),
    (PaymentKind.TRANSFER, PAID_LATE): msgid(
        "The gateway had called it declined, and the payer paid all the same. Try it again to pass "
        "it on; if another run pays it, propose to take back: the payer gets this money back."
    ),
    (PaymentKind.REVERSAL, "balance_insufficient"): msgid(
        "The money is not at the payee's account any more. Try it again once some is there, or "
        "give it up: it is set off then against what the payee is due next, and the payer gets "
        "back what the others gave. Until then nothing goes to the payee's bank."
    ),
}


def next_step(kind: str, failure: str) -> str:
    """Return the message id of what to do about a failed payment, nothing if nothing failed."""
    if not failure:
        return ""
    if failure == COLLECTION_FAILED:
        return NEXT[PaymentKind.COLLECTION]
    return BY_REASON.get((kind, failure), NEXT.get(kind, ""))
