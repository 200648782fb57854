"""Bringing a database to this version: its schema, then what the product ships with."""

from kernel.actors import system_actor
from kernel.jobs import RecordingDispatcher
from kernel.settings import Settings
from market.bootstrap import build_units
from market.schema import current_revision, upgrade_schema
from procurement.funding.shipped import record_shipped


def upgrade(settings: Settings, url: str) -> bool:
    """Upgrade the schema and record shipped quotas and rules; return whether anything changed."""
    units = build_units(settings, url, RecordingDispatcher())
    try:
        before = current_revision(units.engine)
        upgrade_schema(units.engine)
        with units(system_actor("upgrade")) as unit:
            added = record_shipped(unit)
        return bool(added) or current_revision(units.engine) != before
    finally:
        units.engine.dispose()
