"""The schema's revision: brings a database to this version's, and says where it stands.

What the revisions contain is the matter of `market/migrations`; whether the models still agree with
them is asked by `market.checks.migrations`.
"""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from kernel.db import database_errors
from kernel.errors import SchemaOutdated

MIGRATIONS = Path(__file__).parent / "migrations"


def alembic_config(connection: Connection | None = None) -> Config:
    """Return Alembic's configuration; with a `connection`, its commands work on that one."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    if connection is not None:
        config.attributes["connection"] = connection
    return config


def upgrade_schema(engine: Engine) -> None:
    """Bring the database to the newest revision, all of it or nothing."""
    with database_errors(), engine.begin() as connection:
        command.upgrade(alembic_config(connection), "head")


def current_revision(engine: Engine) -> str | None:
    """Return the database's revision, or None if it has no schema yet."""
    with database_errors(), engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


@cache
def needed_revision() -> str | None:
    """Return the newest revision of this version; reading the scripts for it takes a while."""
    return ScriptDirectory.from_config(alembic_config()).get_current_head()


def require_schema(engine: Engine, *, place: str = "") -> None:
    """Raise `SchemaOutdated` unless the database is at the revision of this version.

    `place`: where the database is, for the words of the error.
    """
    found, needed = current_revision(engine), needed_revision()
    if found != needed:
        where = place or engine.url.render_as_string(hide_password=True)
        raise SchemaOutdated(place=where, found=found or "none", needed=needed)
