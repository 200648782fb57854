"""Logins and passwords: kept as argon2id, checked in the same time whoever is asked for.

Decides whether a password is right, not what follows from it: counting failures and opening a
session is the matter of `sessions`.
"""

import hashlib
from base64 import b64encode
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from kernel.actors import Role
from kernel.errors import NotFound, PasswordTooShort
from kernel.identity.logins import canonical_login, hold_login
from kernel.identity.models import Credential, Person, SignInFailures, WebSession
from kernel.identity.visibility import require_visible
from kernel.trail import record
from kernel.unit import Unit

SHORTEST_PASSWORD = 8
LONGEST_PASSWORD = 1024  # hashing takes time that grows with what is sent

NO_PASSWORD = ""
"""Hash of a login that the roster made and nobody has set a password for: nothing matches it."""

_hasher = PasswordHasher()


def _nobodys_hash() -> str:
    """Return a well-formed hash that no password has, of the cost that real ones have."""

    def filler(length: int) -> str:
        return b64encode(bytes(length)).rstrip(b"=").decode()

    cost = f"m={_hasher.memory_cost},t={_hasher.time_cost},p={_hasher.parallelism}"
    return f"$argon2id$v=19${cost}${filler(_hasher.salt_len)}${filler(_hasher.hash_len)}"


NOBODY = _nobodys_hash()


def set_password(unit: Unit, person_id: UUID, *, login: str, password: str) -> None:
    """Give a person this login and password, and end the sessions opened with the former one.

    People do it for themselves, operators for those they see. Raises `PasswordTooShort`,
    `InvalidInput` for an unusable login, `LoginTaken` if it is or was somebody else's.
    """
    _require_may_set(unit, person_id)
    login = canonical_login(login)
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise PasswordTooShort(least=SHORTEST_PASSWORD, most=LONGEST_PASSWORD)
    written = {"login": login, "password_hash": _hasher.hash(password)}
    hold_login(unit, login, person_id)
    unit.session.execute(
        insert(Credential)
        .values(person_id=person_id, **written)
        .on_conflict_do_update(index_elements=[Credential.person_id], set_=written)
    )
    forget_failures(unit, login)
    unit.session.execute(
        delete(WebSession)
        .where(WebSession.person_id == person_id)
        .execution_options(synchronize_session=False)
    )
    record(unit, "password.set", subject_kind="person", subject_id=person_id, login=login)
    unit.session.flush()


def login_digest(login: str) -> bytes:
    """Return the SHA-256 under which a login's failures are kept, whatever it holds."""
    return hashlib.sha256(login.encode("utf-8", "surrogatepass")).digest()


def forget_failures(unit: Unit, login: str) -> None:
    """Let a login begin anew: its password was right, or is a new one."""
    unit.session.execute(
        delete(SignInFailures)
        .where(SignInFailures.login_digest == login_digest(login))
        .execution_options(synchronize_session=False)
    )


def matches(password_hash: str | None, password: str) -> bool:
    """Return whether the password has this hash; None (no such login) takes as long to refuse."""
    usable = bool(password_hash)
    try:
        return _hasher.verify(password_hash or NOBODY, password[:LONGEST_PASSWORD]) and usable
    except (VerifyMismatchError, InvalidHashError):
        return False


def rehashed(password_hash: str, password: str) -> str | None:
    """Return a new hash for a right password whose hash was made at a cost no longer used."""
    return _hasher.hash(password) if _hasher.check_needs_rehash(password_hash) else None


def _require_may_set(unit: Unit, person_id: UUID) -> None:
    organisation_id = unit.session.scalar(
        select(Person.organisation_id).where(Person.id == person_id)
    )
    if organisation_id is None:
        raise NotFound(what="person", key=person_id)
    if unit.actor.person_id == person_id:
        return
    unit.actor.require("set a password", Role.OPERATOR)
    require_visible(unit, organisation_id)
