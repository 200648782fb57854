"""Background work of the catalogue: each task opens its unit and calls one service."""

from catalog.attachments.sweeping import sweep_files
from catalog.attachments.vault import open_vault
from catalog.listings import heal_listings
from catalog.misses import forget_misses
from kernel.actors import system_actor
from kernel.unit import Units

WORKER = system_actor("worker")


def heal_storefront(units: Units) -> None:
    """Refresh the listings that a new day, a new name or an older program left behind."""
    with units(WORKER) as unit:
        heal_listings(unit)


def forget_old_misses(units: Units) -> None:
    """Drop searches in vain that nobody has repeated."""
    with units(WORKER) as unit:
        forget_misses(unit)


def drop_unused_files(units: Units) -> None:
    """Drop stored files that nothing has referred to for a day."""
    sweep_files(units, open_vault(units.settings))
