"""`market demo`: the main job once, on the sample county."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from kernel.settings import Settings
from market.cli.context import database_url, load_settings, open_units
from market.cli.output import emit, json_option, note, summary_lines
from market.cli.sample import bring_sample
from market.embedded import server_url, stop_server
from market.migrate import upgrade


@click.command()
@json_option
def demo(as_json: bool) -> None:
    """Run the main job once on the sample county, print what came of it, and exit.

    Works on an empty database, or on one that holds nothing but the sample. An embedded database
    that did not run before is stopped again.
    """
    settings = load_settings()
    with stopped_again(settings):
        upgrade(settings, database_url(settings))
        with open_units(settings) as units:
            summary = bring_sample(units)
    emit(summary, summary_lines(summary), as_json=as_json)


@contextmanager
def stopped_again(settings: Settings) -> Iterator[None]:
    """Leave the embedded database as it was found: running, or not."""
    ran = not settings.embedded or server_url(settings) is not None
    try:
        yield
    finally:
        if not ran:
            stop_server(settings)
            note(f"Stopped the database in {settings.home / 'pg'}; what was made there stays.")
