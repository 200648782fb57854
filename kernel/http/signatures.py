"""Signatures of bodies: what a machine sends is signed, so that it can't be denied or replayed.

The signature is Ed25519 over the timestamp, a full stop and the body's bytes as they are sent:

    X-Xuanyong-Timestamp: 2026-03-02T08:30:00+08:00
    X-Xuanyong-Signature: ed25519=<base64>
"""

import base64
import binascii
from datetime import datetime, timedelta
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from kernel.clock import as_utc
from kernel.errors import (
    InvalidDate,
    NoPublicKey,
    SignatureMissing,
    SignatureStale,
    SignatureWrong,
)
from kernel.http.problems import AnyRequest
from kernel.identity.api_keys import KeyHolder

TIMESTAMP_HEADER: Final = "X-Xuanyong-Timestamp"
SIGNATURE_HEADER: Final = "X-Xuanyong-Signature"
SCHEME: Final = "ed25519="
TOLERANCE: Final = timedelta(minutes=5)


def signed_bytes(timestamp: str, body: bytes) -> bytes:
    """Return what is signed."""
    return timestamp.encode() + b"." + body


def check_signature(request: AnyRequest, body: bytes, *, holder: KeyHolder, now: datetime) -> bytes:
    """Return the body's signature if its sender made it, and made it just now (±5 minutes).

    Raises `NoPublicKey`, `SignatureMissing`, `SignatureStale` or `SignatureWrong`.
    """
    if holder.public_key is None:
        raise NoPublicKey(act="sign", needs="public key", actor=holder.actor.name)
    timestamp = request.headers.get(TIMESTAMP_HEADER, "")
    signature = _signature(request.headers.get(SIGNATURE_HEADER, ""))
    signed_at = _moment(timestamp)
    if abs(signed_at - now) > TOLERANCE:
        raise SignatureStale(timestamp=timestamp, now=now.isoformat(timespec="seconds"))
    try:
        key = Ed25519PublicKey.from_public_bytes(holder.public_key)
        key.verify(signature, signed_bytes(timestamp, body))
    except InvalidSignature:
        raise SignatureWrong(key=holder.prefix) from None
    return signature


def _signature(text: str) -> bytes:
    if not text.startswith(SCHEME):
        raise SignatureMissing(header=SIGNATURE_HEADER)
    try:
        return base64.b64decode(text.removeprefix(SCHEME), validate=True)
    except (binascii.Error, ValueError):
        raise SignatureMissing(header=SIGNATURE_HEADER) from None


def _moment(text: str) -> datetime:
    try:
        return as_utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError, InvalidDate):
        raise SignatureMissing(header=TIMESTAMP_HEADER) from None
