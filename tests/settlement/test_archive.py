"""Partitions made ahead, months moved to Parquet and back, and what is late for them."""

from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pytest
from pyarrow import parquet
from sqlalchemy import select, text, update
from sqlalchemy.exc import IntegrityError

from kernel.actors import Role
from kernel.clock import FixedClock, parse_month
from kernel.db import open_engine
from kernel.errors import (
    ArchiveDamaged,
    MonthArchived,
    NotArchivable,
    NotArchived,
    Refused,
    UsageBusy,
)
from kernel.trail import TrailRow
from kernel.unit import Units
from settlement.closing import settle
from settlement.metering import archive as archiving
from settlement.metering.archive import archive_month, restore_month
from settlement.metering.models import LateUse, UsageArchive, UsageEvent
from settlement.metering.rematch import release_waiting
from settlement.models import Period, StatementLine
from settlement.queries.archives import usage_months
from settlement.queries.lines import line_head
from settlement.queries.uses import uses_of
from settlement.tasks import make_partitions
from settlement.verify.recompute import verify
from tests.support.archive_builders import a_closed_month
from tests.support.builders import a_person
from tests.support.settlement_builders import (
    APRIL,
    MARCH,
    SYSTEM,
    Market,
    a_market,
    a_use,
    at,
    deliver,
)
from tests.support.usage_builders import TICKETS, a_launch, a_report, a_ticketed_source

EVENTS = text("SELECT u::text FROM usage_event u ORDER BY payer_id, occurred_at, sequence")


@pytest.fixture
def market(units: Units) -> Market:
    return a_closed_month(units)


def events(units: Units) -> list[str]:
    with units(SYSTEM) as unit:
        return list(unit.session.scalars(EVENTS))


def months(units: Units) -> list[tuple[str, str, int]]:
    with units(SYSTEM) as unit:
        return [(f"{one.month:%Y-%m}", one.state, one.rows) for one in usage_months(unit)]


def test_an_archived_month_is_in_its_file_and_nowhere_else(units: Units, market: Market) -> None:
    archived = archive_month(units, SYSTEM, MARCH)

    assert months(units) == [("2026-03", "archived", 40), ("2026-04", "present", 1)]
    assert len(events(units)) == 1
    table = parquet.read_table(archived.path)
    assert table.num_rows == archived.rows == 40
    assert table.schema.field("payer_id").type == pa.binary(16)
    assert table.schema.field("occurred_at").type == pa.timestamp("us", tz="UTC")
    ordering = ("payer_id", "occurred_at", "sequence")
    keys = list(zip(*(table[name].to_pylist() for name in ordering), strict=True))
    assert keys == sorted(keys)
    assert archived.path.parent == units.settings.home / "archive"
    assert [path.name for path in archived.path.parent.iterdir()] == ["usage-2026-03.parquet"]
    with units(SYSTEM) as unit:
        act = unit.session.scalars(select(TrailRow).where(TrailRow.act == "usage.archived")).one()
    assert (act.facts["rows"], act.facts["digest"]) == (40, archived.digest.hex())
    assert verify(units, SYSTEM) == []


def test_a_restored_month_is_what_it_was(units: Units, market: Market) -> None:
    """R49: an auditor gets every single use back, in a partition as guarded as before."""
    before = events(units)
    first = archive_month(units, SYSTEM, MARCH)
    restore_month(units, SYSTEM, MARCH)

    assert events(units) == before
    assert months(units)[0] == ("2026-03", "restored", 40)
    assert verify(units, SYSTEM) == []
    for change in ("UPDATE usage_event SET quantity = 2", "TRUNCATE usage_event_y2026m03"):
        with pytest.raises(IntegrityError), units(SYSTEM) as unit:
            unit.session.execute(text(change))
    with pytest.raises(IntegrityError), units(SYSTEM) as unit:
        unit.session.execute(text("INSERT INTO usage_event SELECT * FROM usage_event"))
    with pytest.raises(NotArchived):
        restore_month(units, SYSTEM, MARCH)

    again = archive_month(units, SYSTEM, MARCH)
    assert again == first
    assert verify(units, SYSTEM) == []


def test_only_a_month_whose_periods_are_all_closed_is_archived(units: Units) -> None:
    market = a_market(units)
    deliver(units, [a_use(units, market, "u", at(2))])
    for state in ("open", "sealed", "stated", "posted"):
        with pytest.raises(NotArchivable):
            archive_month(units, SYSTEM, MARCH)
        if state == "open":
            settle(units, SYSTEM, MARCH)
        with units(SYSTEM) as unit:
            unit.session.execute(
                update(Period).where(Period.state == "stated").values(state="posted")
            )
    with pytest.raises(NotArchivable):
        archive_month(units, SYSTEM, parse_month("2026-01"))
    assert len(events(units)) == 1


def test_late_use_has_to_be_settled_before(units: Units, clock: FixedClock, market: Market) -> None:
    deliver(units, [a_use(units, market, "late", at(9))], name="late")
    with pytest.raises(NotArchivable) as refused:
        archive_month(units, SYSTEM, MARCH)
    assert "late use" in str(refused.value)

    clock.at = datetime(2027, 4, 1, 2, tzinfo=UTC)
    settle(units, SYSTEM, APRIL)
    with units(SYSTEM) as unit:
        assert unit.session.scalars(select(LateUse.settled_in)).all() == [APRIL]
    assert archive_month(units, SYSTEM, MARCH).rows == 41
    assert verify(units, SYSTEM) == []


def test_what_is_late_for_an_archived_month_is_quarantined_and_counted(
    units: Units, market: Market
) -> None:
    """R37: never ignored, and never an empty partition where the month's uses seem lost."""
    archive_month(units, SYSTEM, MARCH)
    rows = [
        a_use(units, market, "late", at(9)),
        a_use(units, market, "u0", at(2, 8, 0)),
        a_use(units, market, "present", at(9, month=4)),
    ]
    fates = deliver(units, rows, name="late")
    assert [(fate.outcome, fate.reason) for fate in fates] == [
        ("quarantined", "month-archived"),
        ("duplicate", ""),
        ("accepted", ""),
    ]
    assert months(units)[0] == ("2026-03", "archived", 40)
    assert verify(units, SYSTEM) == []

    restore_month(units, SYSTEM, MARCH)
    (fate,) = deliver(units, rows[:1], name="after the restore")
    assert (fate.outcome, fate.reason) == ("accepted", "late")


def test_a_period_can_be_settled_while_an_earlier_one_is_archived(
    units: Units, market: Market
) -> None:
    archive_month(units, SYSTEM, MARCH)
    assert settle(units, SYSTEM, APRIL)["lines"] == 1
    assert verify(units, SYSTEM) == []


def test_the_uses_of_an_archived_month_say_where_they_are(units: Units, market: Market) -> None:
    archive_month(units, SYSTEM, MARCH)
    with units(market.finance) as unit:
        line_id = unit.session.scalars(
            select(StatementLine.id).where(StatementLine.month == MARCH)
        ).one()
        head = line_head(unit, line_id)
        with pytest.raises(MonthArchived) as archived:
            uses_of(unit, head)
    assert "market usage restore 2026-03" in str(archived.value)


def test_a_changed_file_is_found_and_not_restored(units: Units, market: Market) -> None:
    path = archive_month(units, SYSTEM, MARCH).path
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"X")
    assert any("SHA-256" in finding for finding in verify(units, SYSTEM))
    with pytest.raises(ArchiveDamaged):
        restore_month(units, SYSTEM, MARCH)
    path.unlink()
    assert any("can't be read" in finding for finding in verify(units, SYSTEM))
    with pytest.raises(ArchiveDamaged):
        restore_month(units, SYSTEM, MARCH)
    path.write_bytes(whole)
    assert verify(units, SYSTEM) == []
    assert restore_month(units, SYSTEM, MARCH).rows == 40


def test_a_file_with_other_uses_is_found_even_with_its_record_changed(
    units: Units, market: Market
) -> None:
    """The seals are the proof: a new digest in the record does not hide what was changed."""
    path = archive_month(units, SYSTEM, MARCH).path
    table = parquet.read_table(path)
    quantity = pa.array([2, *table["quantity"].to_pylist()[1:]], type=pa.int64())
    position = table.schema.get_field_index("quantity")
    parquet.write_table(table.set_column(position, table.schema.field(position), quantity), path)
    with units(SYSTEM) as unit:
        unit.session.execute(update(UsageArchive).values(digest=archiving.digest_of(path)))
    assert any("its archive holds" in finding for finding in verify(units, SYSTEM))
    with pytest.raises(ArchiveDamaged):
        restore_month(units, SYSTEM, MARCH)


def test_nothing_is_dropped_that_does_not_prove_to_be_what_was_sealed(
    units: Units, market: Market
) -> None:
    with units(SYSTEM) as unit:
        unit.session.execute(text("ALTER TABLE usage_event DISABLE TRIGGER USER"))
        unit.session.execute(text("ALTER TABLE usage_event_y2026m03 DISABLE TRIGGER USER"))
        unit.session.execute(text("UPDATE usage_event SET quantity = 3 WHERE event_id = 'u3'"))
    with pytest.raises(ArchiveDamaged):
        archive_month(units, SYSTEM, MARCH)
    assert len(events(units)) == 41


def test_readers_are_waited_for_but_not_for_long(
    units: Units, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archiving, "LOCK_WAIT", "100ms")
    with units(SYSTEM) as reader:
        reader.session.execute(select(UsageEvent.sequence)).all()
        with pytest.raises(UsageBusy):
            archive_month(units, SYSTEM, MARCH)
    assert archive_month(units, SYSTEM, MARCH).rows == 40


def test_only_who_runs_the_whole_installation_moves_a_month(units: Units, market: Market) -> None:
    with units(SYSTEM) as unit:
        auditor = a_person(unit, market.bureau, [Role.AUDITOR], person_no="A-9")
    for act in (archive_month, restore_month):
        with pytest.raises(Refused):
            act(units, auditor, MARCH)


def test_partitions_are_there_before_their_months(units: Units, clock: FixedClock) -> None:
    make_partitions(units)
    make_partitions(units)
    assert [month for month, _, _ in months(units)] == ["2026-08", "2026-09", "2026-10", "2026-11"]


def test_a_partition_is_made_while_others_read_and_write(
    units: Units, market: Market, database_url: str, tmp_path: Path
) -> None:
    """No ingest waits for a new month: the parent is not locked against readers or writers."""
    engine = open_engine(database_url)
    with engine.connect() as connection:
        connection.execute(text("LOCK TABLE usage_event IN ROW EXCLUSIVE MODE"))
        with units(SYSTEM) as unit:
            unit.session.execute(text("SET LOCAL lock_timeout = '2s'"))
            archiving.create_beside(unit, parse_month("2027-01"))
            archiving.attach(unit, parse_month("2027-01"))
    engine.dispose()
    assert months(units)[-1] == ("2027-01", "present", 0)


def test_a_use_that_waits_for_its_launch_waits_while_its_month_is_archived(
    units: Units, market: Market
) -> None:
    """R28, R37: the launch is not forgotten; restored, the month takes the use in."""
    launch_id = uuid4()
    a_ticketed_source(units, market)
    (fate,) = deliver(units, [a_report(launch_id)], source=TICKETS, name="report")
    assert (fate.outcome, fate.reason) == ("quarantined", "no-launch")
    archive_month(units, SYSTEM, MARCH)
    a_launch(units, market, launch_id=launch_id)
    assert release(units) == 0
    assert verify(units, SYSTEM) == []
    restore_month(units, SYSTEM, MARCH)
    assert release(units) == 1
    assert verify(units, SYSTEM) == []


def release(units: Units) -> int:
    with units(SYSTEM) as unit:
        return release_waiting(unit)
