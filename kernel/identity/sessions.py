"""Signing in and out: a session is a random token in a cookie, kept here only as its SHA-256.

Decides who is let in and for how long. Cookies, and the proof that a form comes from this site,
are the matter of `kernel.http.sessions`.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Date, Select, bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert

from kernel.actors import Actor
from kernel.clock import shanghai_day
from kernel.errors import Refused, TooManyAttempts, WrongCredentials
from kernel.identity.credentials import forget_failures, login_digest, matches, rehashed
from kernel.identity.grants import actor_from, select_actors, select_actors_on
from kernel.identity.logins import canonical_login
from kernel.identity.models import Credential, Person, SignInFailures, WebSession
from kernel.unit import Unit

ATTEMPTS = 5
REST = timedelta(minutes=15)
FAILURES_KEPT = timedelta(days=1)
TOKEN_BYTES = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class NewSession:
    """What the browser is given: the token is shown this once."""

    token: str
    expires_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionView:
    """Whose session it is; the actor's roles are those granted at this moment."""

    actor: Actor
    csrf_token: str
    login: str
    person_name: str
    expires_at: datetime


def sign_in(unit: Unit, login: str, *, password: str) -> NewSession:
    """Open a session for the one who knows the password.

    Raises `WrongCredentials`, `TooManyAttempts` (five failures, then 15 minutes of rest, also for a
    login that nobody has), and `Refused` for a person who holds no role now. Catch the
    first two inside the unit: its commit keeps the count of failures.
    """
    now = unit.clock.now()
    login = canonical_login(login)
    tried = _tried(unit, login, now)
    if tried.rests_until is not None:
        if tried.rests_until > now:
            minutes = -((now - tried.rests_until) // timedelta(minutes=1))  # rounded up
            raise TooManyAttempts(minutes=minutes)
        tried.failures, tried.rests_until = 0, None
    known = _known(unit, login)
    if not matches(known.password_hash if known else None, password):
        _count_failure(tried, now)
        unit.session.flush()
        raise WrongCredentials
    assert known is not None
    forget_failures(unit, login)
    known.password_hash = rehashed(known.password_hash, password) or known.password_hash
    return _open_session(unit, known, now)


def session_actor(unit: Unit, token: str) -> SessionView | None:
    """Return whose session a token opens; None if it is unknown or over, or no role is left.

    `actor.via` is that of the unit's own actor, who is the visitor bringing the token.
    """
    now = unit.clock.now()
    values = {"digest": _digest(token), "now": now, "today": shanghai_day(now)}
    row = unit.session.execute(_sessions(), values).one_or_none()
    if row is None or not row.roles:
        return None
    return SessionView(
        actor=actor_from(row, via=unit.actor.via),
        csrf_token=row.csrf_token,
        login=row.login,
        person_name=row.person_name,
        expires_at=row.expires_at,
    )


@cache
def _sessions() -> Select[*tuple[Any, ...]]:
    """Select whose session it is; built once, as every request asks it.

    Takes the token's `digest`, `now` and `today`.
    """
    now = bindparam("now", type_=WebSession.expires_at.type)
    today = bindparam("today", type_=Date())
    return (
        select_actors_on(now, today)
        .add_columns(WebSession.csrf_token, WebSession.expires_at)
        .join(WebSession, WebSession.person_id == Person.id)
        .where(
            WebSession.token_hash == bindparam("digest"),
            WebSession.expires_at > now,
            # Whoever has moved to another organisation signs in anew.
            WebSession.organisation_id == Person.organisation_id,
        )
    )


def sign_out(unit: Unit, token: str) -> None:
    """End the session of a token; an unknown one is as good as ended."""
    unit.session.execute(
        delete(WebSession)
        .where(WebSession.token_hash == _digest(token))
        .execution_options(synchronize_session=False)
    )


def forget_expired(unit: Unit) -> int:
    """Remove the sessions that are over, and old failures to sign in; return how many sessions."""
    unit.session.execute(
        delete(SignInFailures)
        .where(SignInFailures.last_at <= unit.clock.now() - FAILURES_KEPT)
        .execution_options(synchronize_session=False)
    )
    forgotten = unit.session.scalars(
        delete(WebSession)
        .where(WebSession.expires_at <= unit.clock.now())
        .returning(WebSession.person_id)
        .execution_options(synchronize_session=False)
    )
    return len(forgotten.all())


def _known(unit: Unit, login: str) -> Credential | None:
    if not login.isprintable():  # nobody's, and the database can't even be asked for some
        return None
    return unit.session.scalars(
        select(Credential)
        .where(Credential.login == login)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()


def _tried(unit: Unit, login: str, now: datetime) -> SignInFailures:
    """Return the failures of a login, which anybody may have made up.

    Locked until the commit: attempts made at the same time are counted one after the other.
    """
    digest = login_digest(login)
    unit.session.execute(
        insert(SignInFailures)
        .values(login_digest=digest, failures=0, last_at=now, rests_until=None)
        .on_conflict_do_nothing()
    )
    return unit.session.scalars(
        select(SignInFailures)
        .where(SignInFailures.login_digest == digest)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()


def _count_failure(tried: SignInFailures, now: datetime) -> None:
    tried.failures += 1
    tried.last_at = now
    if tried.failures >= ATTEMPTS:
        tried.rests_until = now + REST


def _open_session(unit: Unit, credential: Credential, now: datetime) -> NewSession:
    row = unit.session.execute(select_actors(now).where(Person.id == credential.person_id)).one()
    if not row.roles:
        raise Refused(act="sign in", needs="a role", actor=credential.login)
    token = secrets.token_urlsafe(TOKEN_BYTES)
    expires_at = now + timedelta(hours=unit.settings.session_hours)
    unit.session.add(
        WebSession(
            token_hash=_digest(token),
            person_id=row.id,
            organisation_id=row.organisation_id,
            csrf_token=secrets.token_urlsafe(TOKEN_BYTES),
            created_at=now,
            expires_at=expires_at,
        )
    )
    unit.session.flush()
    return NewSession(token=token, expires_at=expires_at)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
