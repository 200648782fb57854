"""`market demo`: the main job once, on the sample county."""

import click

from market.cli.context import database_url, load_settings, open_units
from market.cli.output import emit, json_option, summary_lines
from market.cli.sample import bring_sample
from market.migrate import upgrade


@click.command()
@json_option
def demo(as_json: bool) -> None:
    """Run the main job once on the sample county, print what came of it, and exit.

    Works on an empty database, or on one that holds nothing but the sample.
    """
    settings = load_settings()
    upgrade(settings, database_url(settings))
    with open_units(settings) as units:
        summary = bring_sample(units)
    emit(summary, summary_lines(summary), as_json=as_json)
