"""Monthly partitions of usage, made before the first row of a month comes in."""

from collections.abc import Iterable

from sqlalchemy import select, text

from kernel.clock import Month, month_bounds, month_of, next_month, shanghai_day, show_month
from kernel.errors import MonthArchived
from kernel.unit import Unit
from settlement.metering.models import UsageArchive

PARTITION_LOCK = 0x7061_7274
AHEAD = 3
"""Months after this one whose partitions are there before anybody asks."""
MONTH_LOCK = 0x6D6F_6E74
"""Class of the advisory lock on all months of usage: ingest shares it, a seal takes it alone.

One for all months, since what comes late for an older month must not commit behind a later
month's seal with a smaller sequence than the sealed one: it would be adjusted in no statement.
"""

SHARE = text(
    """
SELECT CASE WHEN r.is_ready THEN CAST(pg_advisory_xact_lock_shared(:class, 0) AS text) END
FROM (
    SELECT NOT EXISTS (
            SELECT FROM unnest(CAST(:names AS text[])) AS t(name) WHERE to_regclass(t.name) IS NULL
        ) AS is_ready,
        set_config('plan_cache_mode', 'force_custom_plan', true),
        set_config('enable_mergejoin', 'off', true), set_config('enable_sort', 'off', true),
        set_config('work_mem', :memory, true)
    OFFSET 0
) r
"""
)
"""In one go, as nearly all deliveries find their partitions there: who has to make one does so
before sharing the usage (see `lock_partitions`)."""


def partition_name(month: Month) -> str:
    return f"usage_event_y{month.year:04d}m{month.month:02d}"


def ensure_partitions(unit: Unit, months: Iterable[Month]) -> None:
    """Create what is missing; concurrent callers wait for each other, not for ingest.

    An archived month gets none: its uses are in its file, and an empty partition would hide that.
    """
    wanted = sorted(set(months))
    missing = [month for month in wanted if not partition_exists(unit, month)]
    if not missing:
        return
    lock_partitions(unit)
    archived = archived_months(unit)
    for month in missing:
        if month not in archived and not partition_exists(unit, month):
            create_beside(unit, month)
            attach(unit, month)


def share_usage(unit: Unit, months: Iterable[Month], *, memory: str) -> None:
    """Share the usage until the end of the transaction, with the partitions of `months` in place.

    The rest of the transaction is planned for the rows at hand and joined by hashing, each step
    within `memory`: the planner knows the length of an array only if it plans anew; and it takes
    few distinct values for many, so that it would sort whole deliveries to merge them with a
    handful of rows.
    """
    wanted = sorted(set(months))
    found = unit.session.scalar(
        SHARE,
        {"names": [partition_name(one) for one in wanted], "class": MONTH_LOCK, "memory": memory},
    )
    if found is None:
        ensure_partitions(unit, wanted)
        lock_usage_shared(unit)


def make_ahead(unit: Unit) -> None:
    """Make the partitions of this month and the next, so that no ingest has to."""
    month = month_of(shanghai_day(unit.clock.now()))
    months = [month]
    for _ in range(AHEAD):
        months.append(next_month(months[-1]))
    ensure_partitions(unit, months)


def create_beside(unit: Unit, month: Month) -> None:
    """Create a month's table with all that a partition needs, not attached yet."""
    unit.session.execute(
        text(f"CREATE TABLE {partition_name(month)} (LIKE usage_event INCLUDING ALL)")
    )


def attach(unit: Unit, month: Month) -> None:
    """Attach a month's table: readers and writers of other months go on meanwhile.

    `CREATE TABLE … PARTITION OF` would lock all of usage against them.
    """
    start, end = month_bounds(month)
    name = partition_name(month)
    unit.session.execute(
        text(
            f"ALTER TABLE usage_event ATTACH PARTITION {name} "
            f"FOR VALUES FROM ('{start.isoformat()}') TO ('{end.isoformat()}')"
        )
    )
    # A statement trigger on the partitioned table does not reach its partitions.
    unit.session.execute(
        text(
            f"CREATE OR REPLACE TRIGGER refuse_truncate BEFORE TRUNCATE "
            f"ON {name} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
    )


def archived_months(unit: Unit) -> set[Month]:
    """Return the months whose uses are in a file and not in the database."""
    return {
        Month(month)
        for month in unit.session.scalars(
            select(UsageArchive.month).where(UsageArchive.state == "detached")
        )
    }


def require_present(unit: Unit, month: Month) -> None:
    """Raise `MonthArchived` if a month's uses are not in the database."""
    if unit.session.scalar(
        select(UsageArchive.month).where(
            UsageArchive.month == month, UsageArchive.state == "detached"
        )
    ):
        raise MonthArchived(period=show_month(month))


def lock_partitions(unit: Unit) -> None:
    """Until the end of the transaction nobody else makes or drops a partition.

    Taken before the lock on usage, since who makes one may go on to share that.
    """
    unit.session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": PARTITION_LOCK})


def partition_exists(unit: Unit, month: Month) -> bool:
    return bool(
        unit.session.scalar(
            text("SELECT to_regclass(:name) IS NOT NULL"), {"name": partition_name(month)}
        )
    )


def lock_usage_shared(unit: Unit) -> None:
    """Share the usage until the end of the transaction, against every seal."""
    unit.session.execute(
        text("SELECT pg_advisory_xact_lock_shared(:class, 0)"), {"class": MONTH_LOCK}
    )


def lock_usage_alone(unit: Unit) -> None:
    """Take the usage alone until the end of the transaction: waits for every running ingest."""
    unit.session.execute(text("SELECT pg_advisory_xact_lock(:class, 0)"), {"class": MONTH_LOCK})
