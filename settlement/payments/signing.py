"""Signatures of messages as Stripe makes them: HMAC-SHA256 over time, point and body."""

import hmac
from datetime import datetime

from settlement.payments.gateway import EventRefused


def sign(body: bytes, secret: str, *, at: datetime) -> str:
    """Return the header of a message that is sent at a moment: `t=…,v1=…`."""
    seconds = int(at.timestamp())
    mac = hmac.digest(secret.encode(), f"{seconds}.".encode() + body, "sha256")
    return f"t={seconds},v1={mac.hex()}"


def signed_at(signature: str) -> int:
    """Return the one time that a signature is of, in seconds; raise `EventRefused` of several.

    Only one of them is signed.
    """
    times = [part for part in signature.split(",") if part.startswith("t=")]
    if len(times) != 1:
        raise EventRefused("signature")
    return int(times[0].removeprefix("t="))
