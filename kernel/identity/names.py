"""What people are called where pages show who acted.

Trail and books keep logins, since what they keep can't be erased; a name is looked up when it is
shown, as long as it is there.
"""

import re
from collections.abc import Collection, Mapping
from typing import Final
from uuid import UUID

from sqlalchemy import or_, select

from kernel.actors import OrganisationKind
from kernel.i18n import msgid, translate
from kernel.identity.logins import holders_of
from kernel.identity.models import LoginHolder, Person, PersonPrivate
from kernel.identity.recording import among
from kernel.unit import Unit

PERSON_PREFIX: Final = "person:"
PERSON: Final = re.compile(PERSON_PREFIX + r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
SYSTEM_PREFIX: Final = "system:"
THE_SYSTEM: Final = msgid("the system")


def names_of_actors(unit: Unit, actors: Collection[str], *, locale: str) -> Mapping[str, str]:
    """Return by an act's `Actor.name` the person's name with the login of the time behind it.

    Who has no name any more, or never had one, is called as the act has it. Vendors read the names
    of their own people only.
    """
    people = {one for one in actors if one and not one.startswith(SYSTEM_PREFIX)}
    ids = [found for one in people if (found := _person_id(one)) is not None]
    wanted = (
        select(Person.id, LoginHolder.login, PersonPrivate.name)
        .join(PersonPrivate, PersonPrivate.person_id == Person.id)
        .outerjoin(LoginHolder, LoginHolder.person_id == Person.id)
        .where(
            or_(among(LoginHolder.login, people), among(Person.id, ids)), PersonPrivate.name != ""
        )
    )
    if unit.actor.organisation_kind is OrganisationKind.VENDOR:
        wanted = wanted.where(Person.organisation_id == unit.actor.organisation_id)
    known: dict[str, str] = {}
    for person_id, login, name in unit.session.execute(wanted) if people else ():
        known[f"{PERSON_PREFIX}{person_id}"] = name
        known[login or ""] = f"{name} {login}"
    return {
        one: translate(THE_SYSTEM, locale)
        if one.startswith(SYSTEM_PREFIX)
        else known.get(one, one)
        if one
        else ""
        for one in actors
    }


def people_of_acts(unit: Unit, actors: Collection[str]) -> set[UUID]:
    """Return the people behind the names under which somebody acted; systems and keys are none."""
    ids = {found for one in actors if (found := _person_id(one)) is not None}
    return ids | set(holders_of(unit, actors).values())


def _person_id(actor: str) -> UUID | None:
    """Return the person of an act by somebody without a login."""
    found = PERSON.fullmatch(actor)
    return UUID(found[1]) if found else None
