"""The sample county as commands use it: when it is loaded, and when demo mode is on."""

from dataclasses import replace
from typing import Any

from sqlalchemy import exists, select

from kernel.identity.models import NATION, Organisation, Region
from kernel.jobs import RecordingDispatcher
from kernel.settings import Settings
from kernel.unit import Unit, Units
from market.bootstrap import build_units
from market.cli.context import OPERATOR
from market.cli.output import note, progress_bar
from market.demo.accounts import close_accounts
from market.demo.load import load_sample
from market.demo.run import run_demo


def bring_sample(units: Units) -> dict[str, Any]:
    """Load the sample county, or what is missing of it, and run the main job on it."""
    note("Looking after the sample county: regions, people, resources, uses.")
    with progress_bar("sample county") as progress:
        load_sample(units, progress=lambda _step, done, total: progress(done, total))
    note("Running the main job on it: selections, a month's close, statements.")
    with progress_bar("main job") as progress:
        return run_demo(units, progress=lambda _step, done, total: progress(done, total))


def prepare_to_serve(settings: Settings, url: str) -> Settings:
    """Bring the sample county where it belongs; return the settings to serve with.

    It belongs into a database for which demo mode was asked, and into the embedded one as long as
    that holds nobody's own data. Elsewhere its accounts are closed.
    """
    units = build_units(settings, url, RecordingDispatcher())
    try:
        with units(OPERATOR) as unit:
            own = _holds_own_data(unit)
        wanted = settings.demo or (settings.embedded and settings.on_loopback and not own)
        settings = replace(settings, demo=wanted)
        units = replace(units, settings=settings)
        if wanted:
            bring_sample(units)
        else:
            close_accounts(units)
        return settings
    finally:
        units.engine.dispose()


def _holds_own_data(unit: Unit) -> bool:
    return bool(
        unit.session.scalar(
            select(
                exists().where(~Organisation.is_sample)
                | exists().where(~Region.is_sample, Region.code != NATION)
            )
        )
    )
