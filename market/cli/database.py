"""`market db`: brings the database to this version."""

import click

from market.cli.context import database_url, load_settings
from market.cli.output import emit, json_option
from market.migrate import upgrade
from market.schema import needed_revision


@click.group()
def db() -> None:
    """The database and its schema."""


@db.command("upgrade")
@json_option
def upgrade_(as_json: bool) -> None:
    """Bring the database to this version; safe to repeat."""
    settings = load_settings()
    changed = upgrade(settings, database_url(settings))
    revision = needed_revision()
    done = "upgraded" if changed else "unchanged"
    emit(
        {"revision": revision, "changed": changed},
        [f"The database is at revision {revision} ({done})."],
        as_json=as_json,
    )
