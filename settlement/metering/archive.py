"""Archiving: a closed month leaves the database for a file, and comes back for an audit.

Decides when a month may be moved and in which order, so that a crash at any moment leaves the
partition whole, or the file with its record, never neither: the file is written, named and proved
against the seals before one transaction records it and drops the partition. What is reported for an
archived month later is quarantined (R37: never ignored); restoring the month lets it in.
"""

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sqlalchemy import TextClause, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import OperationalError

from kernel.actors import Actor, Role
from kernel.clock import Month, show_month
from kernel.copying import copy_rows
from kernel.errors import ArchiveDamaged, NotArchivable, NotArchived, UsageBusy
from kernel.identity.models import Organisation
from kernel.identity.visibility import visible_organisations
from kernel.trail import record
from kernel.unit import Unit, Units
from settlement.metering.archive_files import (
    COLUMNS,
    archive_path,
    digest_of,
    prints_of_file,
    prints_of_table,
    row_count,
    rows_of,
    write_month,
)
from settlement.metering.fingerprints import Fingerprint
from settlement.metering.models import LateUse, UsageArchive
from settlement.metering.partitions import (
    attach,
    create_beside,
    lock_partitions,
    lock_usage_alone,
    partition_exists,
    partition_name,
    require_present,
)
from settlement.models import Period

LOCK_WAIT = "5s"
"""How long the drop waits for readers; meanwhile everybody else would wait behind it."""
LOCK_NOT_AVAILABLE = "55P03"


@dataclass(frozen=True, slots=True)
class Archived:
    """A month's file: where it is, how many rows it holds, and its SHA-256."""

    path: Path
    rows: int
    digest: bytes


def archive_month(units: Units, actor: Actor, month: Month) -> Archived:
    """Move a month whose periods are all closed into its file; safe to repeat after a crash.

    Raises `MonthArchived` if it is there already, `NotArchivable` with the reason, `ArchiveDamaged`
    if what was written does not prove to be what was sealed, `UsageBusy` if readers hold the table.
    """
    actor.require("usage.archive", Role.OPERATOR)
    with units(actor) as unit:
        unit.session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
        _check_archivable(unit, month)
        path = archive_path(unit, month)
        rows = write_month(unit, month, path)
        _check_prints(unit, month, prints_of_file(unit, month, path), file=path)
        if row_count(path) != rows:
            raise ArchiveDamaged(file=path.name, reason=f"{row_count(path)} rows of {rows}")
    archived = Archived(path, rows, digest_of(path))
    try:
        with units(actor) as unit:
            _drop(unit, month, archived)
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != LOCK_NOT_AVAILABLE:
            raise
        raise UsageBusy(period=show_month(month)) from error
    return archived


def restore_month(units: Units, actor: Actor, month: Month) -> Archived:
    """Bring an archived month back into its partition; return what was read.

    Raises `NotArchived`, or `ArchiveDamaged` with what is wrong with the file.
    """
    actor.require("usage.restore", Role.OPERATOR)
    with units(actor) as unit:
        _require_all_payers(unit, month)
        kept = unit.session.scalars(
            select(UsageArchive)
            .where(UsageArchive.month == month, UsageArchive.state == "detached")
            .with_for_update()
        ).one_or_none()
        if kept is None:
            raise NotArchived(period=show_month(month))
        path = archive_path(unit, month)
        _check_file(path, digest=kept.digest)
        create_beside(unit, month)
        copy_rows(unit, partition_name(month), COLUMNS, rows_of(path))
        loaded = unit.session.scalar(_count(month)) or 0
        if loaded != kept.rows:
            raise ArchiveDamaged(file=path.name, reason=f"{loaded} rows of {kept.rows}")
        _check_prints(unit, month, prints_of_table(unit, month), file=path)
        lock_partitions(unit)
        lock_usage_alone(unit)
        attach(unit, month)
        kept.state = "attached"
        record(
            unit,
            "usage.restored",
            subject_kind="month",
            subject_id=show_month(month),
            rows=loaded,
            digest=kept.digest.hex(),
        )
        return Archived(path, loaded, kept.digest)


def check_against_seals(
    unit: Unit, month: Month, found: dict[UUID, Fingerprint]
) -> list[tuple[UUID, Fingerprint, Fingerprint]]:
    """Return (payer, as sealed, as found) of the periods whose fingerprint is another one."""
    periods = unit.session.scalars(
        select(Period).where(Period.month == month, Period.fingerprint.is_not(None))
    )
    wrong = []
    for period in periods:
        counts = period.counts or {}
        sealed = Fingerprint(counts["events"], counts["uses"], int(period.fingerprint or 0))
        if found.get(period.payer_id, Fingerprint()) != sealed:
            wrong.append((period.payer_id, sealed, found.get(period.payer_id, Fingerprint())))
    return wrong


def _check_archivable(unit: Unit, month: Month) -> None:
    _require_all_payers(unit, month)
    require_present(unit, month)
    reason = ""
    if not partition_exists(unit, month):
        reason = "there is no use of it"
    elif unit.session.scalar(_UNCLOSED.bindparams(month=month)) or unit.session.scalar(
        text(_STRANGERS.format(events=partition_name(month))), {"month": month}
    ):
        reason = "not all its periods are closed"
    elif unit.session.scalar(
        select(LateUse.month).where(LateUse.month == month, LateUse.settled_in.is_(None)).limit(1)
    ):
        reason = "late use of it is not settled yet"
    if reason:
        raise NotArchivable(period=show_month(month), reason=reason)


_UNCLOSED = text("SELECT EXISTS (SELECT FROM period WHERE month = :month AND state <> 'closed')")
# Uses of somebody whose month was never sealed; one probe for each payer there is.
_STRANGERS = """
SELECT EXISTS (
    SELECT FROM organisation o
    WHERE NOT EXISTS (
            SELECT FROM period p WHERE p.payer_id = o.id AND p.month = :month)
        AND EXISTS (SELECT FROM {events} u WHERE u.payer_id = o.id))
"""


def _require_all_payers(unit: Unit, month: Month) -> None:
    """A file holds the whole month: only who sees all its payers may move it."""
    if unit.actor.is_system:
        return
    seen = visible_organisations(unit).with_only_columns(Organisation.id)
    unseen = select(Period.payer_id).where(Period.month == month, Period.payer_id.not_in(seen))
    if unit.session.scalar(unseen.limit(1)) is not None:
        raise NotArchivable(period=show_month(month), reason="it holds uses of other regions")


def _check_prints(unit: Unit, month: Month, found: dict[UUID, Fingerprint], *, file: Path) -> None:
    wrong = check_against_seals(unit, month, found)
    if wrong:
        _, sealed, now = wrong[0]
        reason = f"{len(wrong)} periods differ from their seals ({sealed.events}, {now.events})"
        raise ArchiveDamaged(file=file.name, reason=reason)


def _check_file(path: Path, *, digest: bytes) -> None:
    try:
        found = digest_of(path)
    except OSError as error:
        raise ArchiveDamaged(file=path.name, reason=error.strerror or "unreadable") from error
    if found != digest:
        raise ArchiveDamaged(file=path.name, reason="its SHA-256 is another one")


def _drop(unit: Unit, month: Month, archived: Archived) -> None:
    """Record the file and drop the partition: one transaction."""
    lock_partitions(unit)
    lock_usage_alone(unit)
    # Not only the lock on usage: readers don't share it.
    unit.session.execute(text(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'"))
    _check_archivable(unit, month)
    if unit.session.scalar(_count(month)) != archived.rows:
        reason = "uses came in while it was written"
        raise NotArchivable(period=show_month(month), reason=reason)
    values = {
        "state": "detached",
        "file_name": archived.path.name,
        "digest": archived.digest,
        "rows": archived.rows,
        "archived_at": unit.clock.now(),
    }
    unit.session.execute(
        insert(UsageArchive)
        .values(month=month, **values)
        .on_conflict_do_update(index_elements=["month"], set_=values)
    )
    name = partition_name(month)
    unit.session.execute(text(f"ALTER TABLE usage_event DETACH PARTITION {name}"))
    unit.session.execute(text(f"DROP TABLE {name}"))
    record(
        unit,
        "usage.archived",
        subject_kind="month",
        subject_id=show_month(month),
        file=archived.path.name,
        rows=archived.rows,
        digest=archived.digest.hex(),
    )


def _count(month: Month) -> TextClause:
    return text(f"SELECT count(*) FROM {partition_name(month)}")  # noqa: S608 - a name of ours
