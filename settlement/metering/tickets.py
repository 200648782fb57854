"""Tickets: a launch signed by the platform, which a vendor checks with the published keys alone.

A ticket is a JWT under EdDSA (Ed25519, RFC 8037). Its key is derived from the installation's key,
so that every process has it and nothing new must be kept; the public keys stand in `signing_key`,
those of an earlier installation key as long as a launch of theirs may live.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import or_, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or_update

from kernel.identity.secret import derived_key
from kernel.unit import Unit
from settlement.metering.models import Launch, SigningKey
from settlement.metering.pseudonyms import session_pseudonym

ALGORITHM: Final = "EdDSA"
PURPOSE: Final = "launch tickets"
REDEEM_WITHIN: Final = timedelta(minutes=5)
LONGEST_LAUNCH: Final = timedelta(hours=24)
"""The longest that the setting MARKET_LAUNCH_HOURS allows."""

Jwk = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Subject:
    """What a ticket says beside its launch: for whom it is, and what is opened."""

    vendor_code: str
    agreement_number: str
    sku: str
    version: int


@dataclass(frozen=True, slots=True)
class Ticket:
    """A signed ticket; a vendor takes it until `redeem_by`."""

    text: str
    redeem_by: datetime


def sign_ticket(unit: Unit, launch: Launch, subject: Subject) -> Ticket:
    """Sign a launch for its vendor and put the public key on record.

    Whoever takes the ticket learns a pseudonym of the learner and of the session, and neither
    name, class nor school.
    """
    key = _signing_key(derived_key(unit.settings, PURPOSE))
    kid = thumbprint(_jwk(key))
    _record_key(unit, kid, key)
    now = unit.clock.now()
    redeem_by = min(now + REDEEM_WITHIN, launch.expires_at)
    claims: dict[str, Any] = {
        "iss": unit.settings.site,
        "aud": subject.vendor_code,
        "sub": launch.pseudonym,
        "jti": str(launch.id),
        "iat": _seconds(now),
        "exp": _seconds(redeem_by),
        "agreement": subject.agreement_number,
        "sku": subject.sku,
        "version": subject.version,
        "session": session_pseudonym(unit.settings, launch.session_id, vendor_id=launch.vendor_id),
        "kind": launch.kind,
        "until": _seconds(launch.expires_at),
    }
    text = jwt.encode(claims, key, algorithm=ALGORITHM, headers={"kid": kid})
    return Ticket(text, redeem_by)


def published_keys(unit: Unit) -> list[dict[str, str]]:
    """Return the public keys as JWKs, the present one first (RFC 7517)."""
    present = _jwk(_signing_key(derived_key(unit.settings, PURPOSE)))
    kid = thumbprint(present)
    earlier = unit.session.scalars(
        select(SigningKey)
        .where(
            SigningKey.kid != kid,
            or_(
                SigningKey.retired_at.is_(None),
                SigningKey.retired_at > unit.clock.now() - LONGEST_LAUNCH,
            ),
        )
        .order_by(SigningKey.first_used_at.desc(), SigningKey.kid)
    )
    known = [(kid, present), *((row.kid, _public_jwk(row.public_key)) for row in earlier)]
    return [{**jwk, "kid": name, "use": "sig", "alg": ALGORITHM} for name, jwk in known]


def thumbprint(jwk: Jwk) -> str:
    """Return the key's name: its SHA-256 thumbprint (RFC 7638)."""
    members = {name: jwk[name] for name in ("crv", "kty", "x")}
    return _base64url(hashlib.sha256(msgspec.json.encode(members)).digest())


@lru_cache(maxsize=8)
def _signing_key(seed: bytes) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(seed)


def _record_key(unit: Unit, kid: str, key: Ed25519PrivateKey) -> None:
    """Put the present key on record, once; a key of an earlier installation key is retired."""
    in_use = select(SigningKey.kid).where(SigningKey.kid == kid, SigningKey.retired_at.is_(None))
    if unit.session.scalar(in_use) is not None:
        return
    now = unit.clock.now()
    unit.session.execute(
        update(SigningKey)
        .where(SigningKey.kid != kid, SigningKey.retired_at.is_(None))
        .values(retired_at=now)
        .execution_options(synchronize_session=False)
    )
    added = insert_or_update(SigningKey).values(
        kid=kid,
        public_key=key.public_key().public_bytes_raw(),
        first_used_at=now,
        retired_at=None,
    )
    unit.session.execute(
        added.on_conflict_do_update(index_elements=[SigningKey.kid], set_={"retired_at": None})
    )


def _jwk(key: Ed25519PrivateKey) -> dict[str, str]:
    return _public_jwk(key.public_key().public_bytes_raw())


def _public_jwk(public_key: bytes) -> dict[str, str]:
    return {"kty": "OKP", "crv": "Ed25519", "x": _base64url(public_key)}


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _seconds(at: datetime) -> int:
    return int(at.timestamp())
