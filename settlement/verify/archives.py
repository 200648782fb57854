"""Archived months against their records and seals: the proof is read from the files themselves."""

from collections import Counter
from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import select

from kernel.clock import Month, show_month
from kernel.unit import Unit
from settlement.metering.archive import check_against_seals
from settlement.metering.archive_files import archive_path, batches_of, digest_of, prints_of_file
from settlement.metering.models import UsageArchive


def check_archives(unit: Unit) -> Iterator[str]:
    """Compare each archive's file with its digest, and what it holds with the months' seals."""
    for archive in _detached(unit):
        month = Month(archive.month)
        path = archive_path(unit, month)
        try:
            digest = digest_of(path)
        except OSError as error:
            yield f"archive of {show_month(month)}: {path} can't be read ({error.strerror})"
            continue
        if digest != archive.digest:
            yield f"archive of {show_month(month)}: the SHA-256 of {path} is not what was recorded"
            continue
        for payer_id, sealed, found in check_against_seals(
            unit, month, prints_of_file(unit, month, path)
        ):
            yield (
                f"period {show_month(month)} of {payer_id}: sealed with {sealed.events} events, "
                f"its archive holds {found.events}, or their content changed"
            )


def archived_rows(unit: Unit) -> Counter[UUID]:
    """Return how many uses of each delivery are in archives; unreadable ones hold none."""
    rows: Counter[UUID] = Counter()
    for archive in _detached(unit):
        path = archive_path(unit, Month(archive.month))
        if path.exists() and digest_of(path) == archive.digest:
            rows += batches_of(path)
    return rows


def _detached(unit: Unit) -> list[UsageArchive]:
    return list(
        unit.session.scalars(
            select(UsageArchive)
            .where(UsageArchive.state == "detached")
            .order_by(UsageArchive.month)
        )
    )
