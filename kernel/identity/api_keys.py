"""API keys: how an organisation's machines prove who they are; shown once, kept as SHA-256.

A key acts in its organisation, in the roles that its scopes name; no person stands behind it, so
what a person must do (sign, review) can't be done with it. A key is random and long: unlike a
password it needs no slow hash.
"""

import hashlib
import hmac
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select, update

from kernel.actors import Actor, OrganisationKind, Role
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


def create_api_key(
    unit: Unit, organisation_id: UUID, *, label: str, scopes: Collection[str]
) -> NewApiKey:
    """Make a key for an organisation; `scopes` are roles that the actor holds there themselves.

    A key outlives its maker's grants, so it can't give more than they had; the system may give any
    role of that kind of organisation.
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
    )
    return NewApiKey(id=key_id, prefix=prefix, key=key)


def key_actor(unit: Unit, key: str) -> Actor | None:
    """Return the actor that a key stands for; None if it is unknown or revoked."""
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
    return Actor(
        name=f"key:{known.prefix}",
        roles=frozenset(Role(scope) for scope in known.scopes),
        organisation_id=OrganisationId(organisation.id),
        organisation_kind=OrganisationKind(organisation.kind),
        organisation_code=organisation.code,
        organisation_name=organisation.name,
        region_code=organisation.region_code,
        via=unit.actor.via,
    )


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
    require_role_fits(kind, Role(scope))


def _require_held(actor: Actor, organisation_id: UUID, role: Role) -> None:
    held = actor.organisation_id == organisation_id and role in actor.roles
    if not (held or actor.is_system):
        raise Refused(act="create an API key", needs=role, actor=actor.name)


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
