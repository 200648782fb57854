"""API keys: how an organisation's machines prove who they are; shown once, kept as SHA-256.

A key acts in its organisation, in the roles that its scopes name; no person stands behind it, so
what a person must do (sign, review) can't be done with it. A key is random and long: unlike a
password it needs no slow hash. A key may come with the public half of a signing key of its holder's
own making: what is sent with the key is then signed, and can be shown to have been sent by them.
"""

import hashlib
import hmac
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from sqlalchemy import select, update

from kernel.actors import KEY_ROLES_OF, Actor, OrganisationKind, Role
from kernel.errors import InvalidInput, MissingValue, NotFound, Refused
from kernel.identity.grants import require_role_fits
from kernel.identity.models import ApiKey, Organisation
from kernel.identity.visibility import require_visible, visible_organisations
from kernel.ids import ApiKeyId, OrganisationId, new_id
from kernel.trail import record
from kernel.unit import Unit

MARK = "xuanyong"
SEPARATOR = "."
PREFIX_BYTES = 6
SECRET_BYTES = 32
KEEPERS = (Role.OPERATOR, Role.VENDOR_MANAGER, Role.PRINCIPAL)
"""Who may make and revoke the keys of organisations they see."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NewApiKey:
    """A new key; `key` is shown this once."""

    id: ApiKeyId
    prefix: str
    key: str


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyHolder:
    """Whom a key stands for, and the raw public key (32 bytes) under which they sign, if any."""

    actor: Actor
    prefix: str
    public_key: bytes | None


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownApiKey:
    """What may be shown of a key."""

    id: ApiKeyId
    prefix: str
    organisation_code: str
    label: str
    scopes: list[str]
    signs: bool
    created_at: datetime
    revoked_at: datetime | None


def create_api_key(
    unit: Unit,
    organisation_id: UUID,
    *,
    label: str,
    scopes: Collection[str],
    public_key: bytes | None = None,
) -> NewApiKey:
    """Make a key for an organisation; `scopes` are roles that the actor holds there themselves.

    A key outlives its maker's grants, so it can't give more than they had, or what only keys have;
    the system may give any role of that kind of organisation. `public_key`: Ed25519, raw.
    """
    unit.actor.require("create an API key", *KEEPERS)
    organisation = require_visible(unit, organisation_id)
    if not label.strip():
        raise MissingValue(field="label")
    if not scopes:
        raise MissingValue(field="scopes")
    for scope in scopes:
        _require_scope(OrganisationKind(organisation.kind), scope)
        _require_held(unit.actor, organisation.id, Role(scope))
    prefix = secrets.token_hex(PREFIX_BYTES)
    key = SEPARATOR.join((MARK, prefix, secrets.token_urlsafe(SECRET_BYTES)))
    key_id = ApiKeyId(new_id())
    unit.session.add(
        ApiKey(
            id=key_id,
            organisation_id=organisation.id,
            label=label.strip(),
            prefix=prefix,
            secret_hash=_digest(key),
            scopes=sorted(set(scopes)),
            created_at=unit.clock.now(),
            created_by=unit.actor.person_id,
            revoked_at=None,
            public_key=public_key,
        )
    )
    unit.session.flush()
    record(
        unit,
        "api-key.created",
        subject_kind="api-key",
        subject_id=key_id,
        organisation=organisation.code,
        label=label.strip(),
        prefix=prefix,
        scopes=sorted(set(scopes)),
        public_key=public_key.hex() if public_key else "",
    )
    return NewApiKey(id=key_id, prefix=prefix, key=key)


def key_holder(unit: Unit, key: str) -> KeyHolder | None:
    """Return whom a key stands for; None if it is unknown or revoked."""
    mark, _, rest = key.partition(SEPARATOR)
    prefix, _, _ = rest.partition(SEPARATOR)
    if mark != MARK:
        return None
    row = unit.session.execute(
        select(ApiKey, Organisation)
        .join(Organisation, Organisation.id == ApiKey.organisation_id)
        .where(ApiKey.prefix == prefix, ApiKey.revoked_at.is_(None))
    ).one_or_none()
    if row is None:
        return None
    known, organisation = row
    if not hmac.compare_digest(known.secret_hash, _digest(key)):
        return None
    actor = Actor(
        name=f"key:{known.prefix}",
        roles=frozenset(Role(scope) for scope in known.scopes),
        organisation_id=OrganisationId(organisation.id),
        organisation_kind=OrganisationKind(organisation.kind),
        organisation_code=organisation.code,
        organisation_name=organisation.name,
        region_code=organisation.region_code,
        via=unit.actor.via,
    )
    return KeyHolder(actor=actor, prefix=known.prefix, public_key=known.public_key)


def api_keys(unit: Unit) -> list[KnownApiKey]:
    """Return the keys of the organisations that the actor keeps keys of, the newest last."""
    unit.actor.require("list API keys", *KEEPERS)
    visible = visible_organisations(unit).with_only_columns(Organisation.id)
    rows = unit.session.execute(
        select(ApiKey, Organisation.code)
        .join(Organisation, Organisation.id == ApiKey.organisation_id)
        .where(ApiKey.organisation_id.in_(visible))
        .order_by(ApiKey.created_at, ApiKey.id)
    )
    return [
        KnownApiKey(
            id=ApiKeyId(key.id),
            prefix=key.prefix,
            organisation_code=code,
            label=key.label,
            scopes=key.scopes,
            signs=key.public_key is not None,
            created_at=key.created_at,
            revoked_at=key.revoked_at,
        )
        for key, code in rows
    ]


def read_public_key(pem: bytes) -> bytes:
    """Return the raw bytes of an Ed25519 public key in PEM; raise `InvalidInput` for others."""
    try:
        found = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        found = None
    if not isinstance(found, Ed25519PublicKey):
        raise InvalidInput(field="public key", value="…", expected="an Ed25519 public key in PEM")
    return found.public_bytes_raw()


def revoke_api_key(unit: Unit, key_id: UUID) -> None:
    """End a key now; raise `NotFound` for one that is revoked or not the actor's to see."""
    unit.actor.require("revoke an API key", *KEEPERS)
    visible = visible_organisations(unit).with_only_columns(Organisation.id)
    prefix = unit.session.scalar(
        update(ApiKey)
        .where(
            ApiKey.id == key_id,
            ApiKey.revoked_at.is_(None),
            ApiKey.organisation_id.in_(visible),
        )
        .values(revoked_at=unit.clock.now())
        .returning(ApiKey.prefix)
        .execution_options(synchronize_session=False)
    )
    if prefix is None:
        raise NotFound(what="API key", key=key_id)
    record(unit, "api-key.revoked", subject_kind="api-key", subject_id=key_id, prefix=prefix)


def _require_scope(kind: OrganisationKind, scope: str) -> None:
    if scope not in frozenset(Role):
        raise InvalidInput(field="scopes", value=scope, expected="roles")
    if Role(scope) not in KEY_ROLES_OF[kind]:
        require_role_fits(kind, Role(scope))


def _require_held(actor: Actor, organisation_id: UUID, role: Role) -> None:
    own = actor.organisation_id == organisation_id
    held = own and (role in actor.roles or role is Role.USAGE_REPORTER)
    if not (held or actor.is_system):
        raise Refused(act="create an API key", needs=role, actor=actor.name)


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
