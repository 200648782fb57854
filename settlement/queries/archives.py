"""Where each month of usage is: in the database or in a file, how many rows, how large."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import select, text

from kernel.actors import Role
from kernel.clock import Month
from kernel.unit import Unit
from settlement.metering.archive_files import archive_path
from settlement.metering.models import UsageArchive

PARTITIONS = text(
    """
SELECT c.relname AS name, to_date(substr(c.relname, length('usage_event_y') + 1), 'YYYY"m"MM')
        AS month, pg_total_relation_size(c.oid) AS bytes
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'usage_event'::regclass ORDER BY c.relname
"""
)


@dataclass(frozen=True, kw_only=True, slots=True)
class UsageMonth:
    """A month of usage; `state`: in the database (present), restored there, or archived.

    `bytes` of an archive that is not where it should be are None.
    """

    month: date
    state: str
    rows: int
    bytes: int | None


def usage_months(unit: Unit) -> list[UsageMonth]:
    """Return all months of usage, the oldest first, each with its exact number of rows."""
    unit.actor.require("usage.list", Role.OPERATOR)
    archives = {one.month: one for one in unit.session.scalars(select(UsageArchive))}
    found = []
    for partition in unit.session.execute(PARTITIONS):
        rows = unit.session.scalar(
            text(f"SELECT count(*) FROM {partition.name}")  # noqa: S608 - from the catalogue
        )
        state = "restored" if partition.month in archives else "present"
        found.append(
            UsageMonth(month=partition.month, state=state, rows=rows, bytes=partition.bytes)
        )
    for archive in archives.values():
        if archive.state == "detached":
            path = archive_path(unit, Month(archive.month))
            size = path.stat().st_size if path.exists() else None
            found.append(
                UsageMonth(month=archive.month, state="archived", rows=archive.rows, bytes=size)
            )
    return sorted(found, key=lambda one: one.month)
