"""Signatures of messages as Stripe makes them: HMAC-SHA256 over time, point and body."""

import hmac
from datetime import datetime


def sign(body: bytes, secret: str, *, at: datetime) -> str:
    """Return the header of a message that is sent at a moment: `t=…,v1=…`."""
    seconds = int(at.timestamp())
    mac = hmac.digest(secret.encode(), f"{seconds}.".encode() + body, "sha256")
    return f"t={seconds},v1={mac.hex()}"
