"""Tables of rates against the trail: each is what somebody recorded, and none is gone.

By them credits are earned and tax is withheld, and both are reckoned anew from the tables as they
stand. The trail keeps each table whole; of one that was recorded before it did, it tells where,
from which day on, out of which source and by whom, which is what is asked of it.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text

from kernel.unit import Unit

TABLES: Final = text(
    """
SELECT kind, version, region_code, CAST(valid_from AS text) AS valid_from, source, recorded_by,
    body, recorded_at
FROM rate_table ORDER BY kind, recorded_at, version
"""
)
TOLD: Final = text(
    """
SELECT facts ->> 'kind' AS kind, facts ->> 'version' AS version, subject_id AS region_code,
    facts ->> 'valid_from' AS valid_from, facts ->> 'source' AS source, actor_name AS recorded_by,
    facts -> 'body' AS body, facts ->> 'recorded_at' AS recorded_at, at
FROM trail WHERE act = 'rates.recorded' ORDER BY kind, at, version
"""
)
ALWAYS_TOLD: Final = ("region_code", "valid_from", "source", "recorded_by")


def check_rates(unit: Unit) -> Iterator[str]:
    """Compare each table of rates with the entry of the trail that recorded it."""
    told: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for row in unit.session.execute(TOLD):
        told[row.kind, row.version].append(row)
    for row in unit.session.execute(TABLES):
        name = f"table of rates {row.version} ({row.kind})"
        entries = told.pop((row.kind, row.version), [])
        if len(entries) != 1:
            yield f"{name}: the trail has it recorded {len(entries)} times"
            continue
        differ = _differing(row, entries[0])
        if differ:
            yield f"{name}: not as it was recorded: {', '.join(differ)}"
    for kind, version in told:
        yield f"table of rates {version} ({kind}): the trail has it recorded, and it is gone"


def _differing(row: Any, entry: Any) -> list[str]:
    """Return what of a table is not as the trail tells it."""
    differ = [name for name in ALWAYS_TOLD if getattr(row, name) != getattr(entry, name)]
    if entry.body is None:  # recorded before the trail kept tables whole
        return differ + (["recorded_at"] if row.recorded_at > entry.at else [])
    differ += _fields(row.body, entry.body)
    if row.recorded_at != datetime.fromisoformat(entry.recorded_at):
        differ.append("recorded_at")
    return differ


def _fields(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
