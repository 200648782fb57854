"""What every command starts with: settings, a database that answers, units of work, an actor.

The embedded server is started by whichever command needs it first, and goes on running; `market
stop` ends it. A database whose schema is not this version's is refused, never changed in passing.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from kernel.actors import Actor, OrganisationKind, system_actor
from kernel.errors import NotFound
from kernel.identity.grants import actor_of
from kernel.identity.models import Organisation
from kernel.identity.organisations import organisation_by_code
from kernel.jobs import RecordingDispatcher
from kernel.settings import Settings
from kernel.unit import Unit, Units
from market.bootstrap import build_units
from market.embedded import ensure_server
from market.schema import require_schema
from market.worker import CeleryDispatcher, build_celery

VIA = "cli"
BY_NUMBER = "no:"
OPERATOR = system_actor(VIA)
"""The one at the machine. What needs a person by name asks for `--as`."""


def load_settings() -> Settings:
    return Settings.load()


def database_url(settings: Settings) -> str:
    """Return the URL of the database, starting the embedded one if that is what is used."""
    return settings.database_url or ensure_server(settings)


@contextmanager
def open_units(settings: Settings, *, sends: bool = False) -> Iterator[Units]:
    """Open the units of work of one command; raise `SchemaOutdated` if they can't be used.

    Tasks that its commits ask for are not sent unless the command `sends`: the worker's sweep finds
    the rows they speak of.
    """
    url = database_url(settings)
    dispatcher = CeleryDispatcher(build_celery(settings, url)) if sends else RecordingDispatcher()
    units = build_units(settings, url, dispatcher)
    try:
        place = str((settings.home / "pg").resolve()) if settings.embedded else ""
        require_schema(units.engine, place=place)
        yield units
    finally:
        units.engine.dispose()


def find_actor(unit: Unit, who: str) -> Actor:
    """Return the person called `who`: a login, or `no:` and a person number."""
    if who.startswith(BY_NUMBER):
        return actor_of(unit, person_no=who.removeprefix(BY_NUMBER), via=VIA)
    return actor_of(unit, login=who, via=VIA)


def acting(units: Units, who: str | None) -> Actor:
    """Return the person called `who`, or the operator at the machine if nobody is named."""
    if who is None:
        return OPERATOR
    with units(OPERATOR) as unit:
        return find_actor(unit, who)


def find_organisation(unit: Unit, code: str) -> Organisation:
    """Return the vendor, school or bureau of this code, in this order; raise `NotFound`."""
    kinds = (OrganisationKind.VENDOR, OrganisationKind.SCHOOL, OrganisationKind.BUREAU)
    for kind in kinds:
        with suppress(NotFound):
            return organisation_by_code(unit, kind, code=code)
    raise NotFound(what="organisation", key=code)
