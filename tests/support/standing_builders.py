"""What a test names of a standing as its reader would."""

from uuid import UUID

from kernel.unit import Unit
from settlement.ranking.standings import events_of


def last_event(unit: Unit, standing_id: UUID) -> int:
    """Return the number of what moved a standing last, 0 where nothing did."""
    return max((one.number for one in events_of(unit, standing_id)), default=0)
