"""What people are called where pages show who acted.

Trail and books keep logins, since what they keep can't be erased; a name is looked up when it is
shown, as long as it is there.
"""

from collections.abc import Collection, Mapping
from typing import Final

from sqlalchemy import select

from kernel.actors import OrganisationKind
from kernel.i18n import msgid, translate
from kernel.identity.models import Credential, Person, PersonPrivate
from kernel.identity.recording import among
from kernel.unit import Unit

SYSTEM_PREFIX: Final = "system:"
THE_SYSTEM: Final = msgid("the system")


def names_of_actors(unit: Unit, actors: Collection[str], *, locale: str) -> Mapping[str, str]:
    """Return by an act's `Actor.name` the person's name with the login behind it.

    Who has no name any more, or never had one, is called as the act has it. Vendors read the names
    of their own people only.
    """
    logins = {one for one in actors if one and not one.startswith(SYSTEM_PREFIX)}
    wanted = (
        select(Credential.login, PersonPrivate.name)
        .join(PersonPrivate, PersonPrivate.person_id == Credential.person_id)
        .join(Person, Person.id == Credential.person_id)
        .where(among(Credential.login, logins), PersonPrivate.name != "")
    )
    if unit.actor.organisation_kind is OrganisationKind.VENDOR:
        wanted = wanted.where(Person.organisation_id == unit.actor.organisation_id)
    known = dict(unit.session.execute(wanted).all()) if logins else {}
    return {
        one: translate(THE_SYSTEM, locale)
        if one.startswith(SYSTEM_PREFIX)
        else f"{known[one]} {one}"
        if one in known
        else one
        for one in actors
    }
