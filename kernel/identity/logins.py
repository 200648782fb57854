"""Logins: what may be one, and whose it is for good.

Trail, books and idempotency call people by their logins, and what these keep is never rewritten. So
a login is its first holder's for ever, also after another took its place; and it is made of letters
that stand unchanged in a header, in a command and beside other names (`key:…`, `system:…`), none
of which looks like another.
"""

import re
from collections.abc import Collection, Iterable
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from kernel.errors import InvalidInput, LoginTaken
from kernel.identity.models import LoginHolder
from kernel.identity.recording import among, lock_recording
from kernel.unit import Unit

USABLE: Final = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")
EXPECTED: Final = (
    "latin letters, digits, dot, dash, underscore, @ or +; at most 64, a letter or digit first"
)

NOBODYS: Final = frozenset({"system", "silence", "visitor"})
"""What records say where no person acted."""


def canonical_login(login: str) -> str:
    """Return a login as it is kept: without outer blanks, in lower case."""
    return login.strip().lower()


def require_usable(login: str) -> None:
    """Raise `InvalidInput` unless a canonical login may be given to a person."""
    if login in NOBODYS or not USABLE.fullmatch(login):
        raise InvalidInput(field="login", value=login, expected=EXPECTED)


def holders_of(unit: Unit, logins: Collection[str]) -> dict[str, UUID]:
    """Return whose logins these are or were, of those that anybody ever had."""
    rows = unit.session.execute(
        select(LoginHolder.login, LoginHolder.person_id).where(
            among(LoginHolder.login, {one for one in logins if one.isprintable()})
        )
    )
    return {row.login: row.person_id for row in rows}


def hold_login(unit: Unit, login: str, person_id: UUID) -> None:
    """Make a login this person's. Raises `InvalidInput`, or `LoginTaken` if it is another's."""
    if login not in holders_of(unit, [login]):
        require_usable(login)
        lock_recording(unit)  # somebody may be given the same login at this moment
        hold_logins(unit, [(login, person_id)])
    if holders_of(unit, [login])[login] != person_id:
        raise LoginTaken(what="login", key=login)


def hold_logins(unit: Unit, held: Iterable[tuple[str, UUID]]) -> None:
    """Make logins these people's, for good; whose they were before was asked."""
    now = unit.clock.now()
    rows = [{"login": login, "person_id": who, "held_since": now} for login, who in held]
    if rows:
        unit.session.execute(insert(LoginHolder).on_conflict_do_nothing(), rows)
