"""Monthly partitions of usage, made before the first row of a month comes in."""

from collections.abc import Iterable

from sqlalchemy import text

from kernel.clock import Month, month_bounds
from kernel.unit import Unit

PARTITION_LOCK = 0x7061_7274
MONTH_LOCK = 0x6D6F_6E74
"""Class of the advisory lock on all months of usage: ingest shares it, a seal takes it alone.

One for all months, since what comes late for an older month must not commit behind a later
month's seal with a smaller sequence than the sealed one: it would be adjusted in no statement.
"""


def partition_name(month: Month) -> str:
    return f"usage_event_y{month.year:04d}m{month.month:02d}"


def ensure_partitions(unit: Unit, months: Iterable[Month]) -> None:
    """Create what is missing; concurrent callers wait for each other, not for ingest."""
    wanted = sorted(set(months))
    missing = [month for month in wanted if not _exists(unit, month)]
    if not missing:
        return
    unit.session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": PARTITION_LOCK})
    for month in missing:
        start, end = month_bounds(month)
        unit.session.execute(
            text(
                f"CREATE TABLE IF NOT EXISTS {partition_name(month)} PARTITION OF usage_event "
                f"FOR VALUES FROM ('{start.isoformat()}') TO ('{end.isoformat()}')"
            )
        )
        # A statement trigger on the partitioned table does not reach its partitions.
        unit.session.execute(
            text(
                f"CREATE OR REPLACE TRIGGER refuse_truncate BEFORE TRUNCATE "
                f"ON {partition_name(month)} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
            )
        )


def _exists(unit: Unit, month: Month) -> bool:
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
