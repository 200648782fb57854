"""Usage comes in row by row, each row is accounted for, and a run that was killed goes on (R32)."""

import csv
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import func, select

from kernel.actors import Role, system_actor
from kernel.errors import ImportInProgress, MissingColumns, NotFound
from kernel.unit import Units
from market.imports import usage
from market.imports.maps import NO_MAP, FieldMap, UsageSection
from market.imports.tally import Rejects, Tally
from market.imports.usage import Delivery, import_usage
from settlement.agreements import AgreementDraft, open_agreement
from settlement.metering.models import UsageBatch, UsageEvent, UsageQuarantine, UsageTally
from settlement.metering.remedies import mending
from settlement.metering.sources import admit_source
from tests.support.builders import (
    a_learner,
    a_listed_version,
    a_person,
    a_region_tree,
    a_resource,
    a_school,
    a_vendor,
    acting_as,
)
from tests.support.settlement_builders import FREE_TERMS

SYSTEM = system_actor("test")
HEADER = "event_id,time,school_code,learner,vendor_code,sku,session,quantity\n"


class Killed(BaseException):
    """Stands for what ends a process without a word."""


@pytest.fixture
def row_of(units: Units):
    """Make a school that may use one resource; return a maker of rows for it."""
    with units(SYSTEM) as unit:
        bureau = a_region_tree(unit)
        school, vendor = a_school(unit), a_vendor(unit)
        resource = a_resource(unit, vendor, "A", unit_price="0")
        a_learner(unit, school, "L1")
        open_agreement(
            unit,
            AgreementDraft(
                number="N-1",
                payer_id=school.id,
                vendor_id=vendor.id,
                resource_id=resource,
                version_id=a_listed_version(unit, resource),
                terms=FREE_TERMS,
                ceiling_fen=0,
                starts_on=date(2026, 3, 1),
                ends_on=date(2026, 6, 30),
                school_ids=[school.id],
            ),
        )
        with acting_as(unit, a_person(unit, bureau, [Role.ADMISSION])):
            admit_source(unit, code="log", name="日志", trust="attested")
            admit_source(unit, code="player", name="播放器", trust="player")

    def make(event: object, *, time="2026-03-02T08:30:00", learner="L1", quantity="1") -> str:
        return f"{event},{time},{school.code},{learner},{vendor.code},A,,{quantity}\n"

    return make


def _import(
    units: Units,
    path: Path,
    *,
    rejects: Path | None = None,
    field_map: FieldMap = NO_MAP,
    dry_run: bool = False,
    source: str = "log",
    resumed: list[int] | None = None,
) -> Tally:
    with Rejects(rejects) as gathered:
        return import_usage(
            units,
            SYSTEM,
            Delivery(path=path, source_code=source, field_map=field_map, dry_run=dry_run),
            rejects=gathered,
            on_resume=(resumed if resumed is not None else []).append,
        )


def _file(tmp_path: Path, text: str, name: str = "usage.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def _count(units: Units, model: type) -> int:
    with units(SYSTEM) as unit:
        return unit.session.scalar(select(func.count()).select_from(model)) or 0


def _adds_up(tally: Tally) -> bool:
    parts = tally.accepted + tally.duplicates + tally.conflicts + sum(tally.quarantined.values())
    return parts == tally.received


def test_every_row_has_its_fate_and_the_fates_add_up(units, tmp_path, row_of):
    text = (
        HEADER
        + row_of(1)
        + row_of(1)
        + row_of(1, learner="L2")
        + row_of(2, time="yesterday")
        + row_of(3, time="0001-01-01")
        + row_of(4, quantity="1.5")
        + row_of(5, quantity="0")
        + row_of(6, learner="")
        + row_of("", learner="L1")
        + row_of("x" * 101)
        + row_of(7, learner="L9")
        + "8,2026-03-02T08:30:00\n"
        + row_of(9)
    )
    rejects = tmp_path / "rejects.csv"
    tally = _import(units, _file(tmp_path, text), rejects=rejects)
    assert (tally.received, tally.accepted, tally.duplicates, tally.conflicts) == (13, 2, 1, 1)
    assert tally.quarantined == {
        "unreadable-time": 2,
        "unreadable-quantity": 2,
        "missing-learner": 1,
        "missing-event-id": 1,
        "unreadable-event-id": 1,
        "unknown-learner": 1,
        "unreadable-row": 1,
    }
    assert _adds_up(tally)
    assert (_count(units, UsageEvent), _count(units, UsageQuarantine)) == (2, 9)
    with rejects.open(encoding="utf-8-sig", newline="") as file:
        written = list(csv.DictReader(file))
    assert [(one["row"], one["code"]) for one in written[:2]] == [
        ("4", "conflict"),
        ("5", "unreadable-time"),
    ]
    assert len(written) == 10


def test_a_row_that_can_not_be_read_is_counted_in_the_month_of_its_time(units, tmp_path, row_of):
    text = HEADER + row_of(1, quantity="many") + row_of(2, learner="") + row_of(3, time="soon")
    text += "4,2026-04-02T08:30:00\n"
    path = _file(tmp_path, text)
    _import(units, path)
    mapped = FieldMap(values={"school_code": {"known": "x"}})
    _import(units, _file(tmp_path, HEADER + row_of(5), "mapped.csv"), field_map=mapped)
    with units(SYSTEM) as unit:
        found = unit.session.execute(
            select(UsageTally.month, UsageTally.reason).order_by(UsageTally.reason)
        ).all()
        months = set(unit.session.scalars(select(UsageQuarantine.month)))
    assert sorted(map(tuple, found), key=lambda one: one[1]) == [
        (date(2026, 3, 1), "missing-learner"),
        (date(2026, 3, 1), "unmapped-school-code"),
        (date(2026, 3, 1), "unreadable-quantity"),
        (date(2026, 4, 1), "unreadable-row"),
        (None, "unreadable-time"),
    ]
    assert months == {date(2026, 3, 1), date(2026, 4, 1), None}


def test_what_a_row_was_quarantined_over_is_named_unless_a_person_number(units, tmp_path, row_of):
    school, vendor, number = *row_of(0).split(",")[2:5:2], "330102201501011234"
    text = HEADER + row_of(1).replace(school, "9900009999") + row_of(2).replace(school, number)
    text += row_of(3, quantity="2") + row_of(4, learner="L9") + row_of(5).replace(vendor, "V-9")
    with Rejects(None) as gathered:
        delivery = Delivery(path=_file(tmp_path, text), source_code="log")
        import_usage(units, SYSTEM, delivery, rejects=gathered)
    assert [reject.line().partition(". ")[0] for reject in gathered.first] == [
        "row 2, school_code: Unknown school (“9900009999”)",
        "row 3, school_code: Unknown school",
        "row 4, quantity: Quantity without count (“2”)",
        "row 5, learner: Unknown learner",
        "row 6, vendor_code: Unknown vendor (“V-9”)",
    ]
    assert gathered.first[3].line().endswith(mending("unknown-learner").remedy)


def test_a_file_that_was_finished_counts_its_quarantined_rows_again(units, tmp_path, row_of):
    path = _file(tmp_path, HEADER + row_of(1) + row_of(2, learner="L9"))
    _import(units, path)
    again = _import(units, path)
    assert (again.received, again.duplicates) == (2, 1)
    assert again.quarantined == {"unknown-learner": 1}


def test_no_person_number_reaches_the_quarantine(units, tmp_path, row_of):
    number = "330102201501011234"
    text = HEADER + row_of(1, learner=number) + row_of(2, learner=number * 6)
    _import(units, _file(tmp_path, text))
    with units(SYSTEM) as unit:
        bodies = unit.session.scalars(select(UsageQuarantine.body)).all()
    assert len(bodies) == 2 and not any(number in str(body) for body in bodies)


@pytest.mark.parametrize(
    "number",
    [
        "330102201501011234",
        "33010220150101123X",
        "330102 2015-0101 123x",
        "３３０１０２１５０１０１１２３",
    ],
)
def test_a_person_number_in_any_cell_of_a_row_stays_out_of_the_books(
    units, tmp_path, row_of, number
):
    text = HEADER + row_of(1, time=number) + row_of(2, quantity=number) + row_of(number * 9)
    text += f"{number}\n" + f'3,"{number}\0",s,l,v,a,,1\n' + f"4,t,s,{number}\0,v,a,,1\n"
    text += row_of(5, learner=f"{number * 9}")
    mapped = FieldMap(
        values={name: {"known": "x"} for name in ("school_code", "session", "sku")},
        columns={"school_code": "learner", "session": "learner", "sku": "learner"},
    )
    lines = f'{{"{number}": [1]}}\n{{"learner": ["{number}"]}}\n'
    for path, field_map, rows in (
        (_file(tmp_path, text), NO_MAP, 7),
        (_file(tmp_path, HEADER + row_of(6, learner=number), "mapped.csv"), mapped, 1),
        (_file(tmp_path, lines, "usage.jsonl"), NO_MAP, 2),
    ):
        assert sum(_import(units, path, field_map=field_map).quarantined.values()) == rows
    with units(SYSTEM) as unit:
        kept = unit.session.execute(select(UsageQuarantine.event_id, UsageQuarantine.body)).all()
    tail = number[-9:]
    assert len(kept) == 10
    assert not [one for one in kept if tail in str(one) or number[:9] in str(one)]


def test_what_can_not_be_a_person_number_is_put_on_record(units, tmp_path, row_of):
    text = HEADER + row_of(1, time="2026-04-31T09:12:00+08:00") + row_of(2, quantity="1.5")
    _import(units, _file(tmp_path, text))
    with units(SYSTEM) as unit:
        bodies = unit.session.scalars(
            select(UsageQuarantine.body).order_by(UsageQuarantine.position)
        ).all()
    assert "2026-04-31T09:12:00+08:00" in bodies[0]["detail"] and "1.5" in bodies[1]["detail"]


def test_times_of_years_that_nobody_means_are_unreadable(units, tmp_path, row_of):
    times = ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00+00:00", "2201-01-01", "1899-12-31"]
    text = HEADER + "".join(row_of(number, time=time) for number, time in enumerate(times))
    text += row_of("old", time="1970-01-01T00:00:00+08:00")
    tally = _import(units, _file(tmp_path, text))
    assert tally.quarantined == {"unreadable-time": 4, "time-too-old": 1}


def test_a_run_that_goes_on_lists_the_rejects_of_the_runs_before_it(
    units, tmp_path, row_of, monkeypatch
):
    monkeypatch.setattr(usage, "CHUNK_ROWS", 3)
    rows = [
        row_of(1),
        row_of(1),  # a duplicate, which is no reject
        row_of(1, learner="L2"),
        row_of(2, time="yesterday"),
        row_of(3, learner="L9"),
        row_of(4),
        row_of(5, quantity="0"),
        row_of(4, quantity="2"),
    ]
    path = _file(tmp_path, HEADER + "".join(rows))
    taken = usage.ingest_rows

    def killed_at_the_third(unit, batch, rows, *, first_position, **how):
        if first_position == 6:
            raise Killed
        return taken(unit, batch, rows, first_position=first_position, **how)

    rejects = tmp_path / "rejects.csv"
    monkeypatch.setattr(usage, "ingest_rows", killed_at_the_third)
    with pytest.raises(Killed):
        _import(units, path, rejects=rejects)
    monkeypatch.setattr(usage, "ingest_rows", taken)
    assert _import(units, path, rejects=tmp_path / "dry.csv", dry_run=True).dry_run
    tally = _import(units, path, rejects=rejects)
    with rejects.open(encoding="utf-8-sig", newline="") as file:
        listed = [(one["row"], one["code"]) for one in csv.DictReader(file)]
    assert listed == [
        ("4", "conflict"),
        ("5", "unreadable-time"),
        ("6", "unknown-learner"),
        ("8", "unreadable-quantity"),
        ("9", "conflict"),
    ]
    assert len(listed) == tally.received - tally.accepted - tally.duplicates
    assert (tmp_path / "dry.csv").read_bytes() == rejects.read_bytes()


def test_a_run_that_was_killed_goes_on_after_its_last_chunk(units, tmp_path, row_of, monkeypatch):
    monkeypatch.setattr(usage, "CHUNK_ROWS", 3)
    path = _file(tmp_path, HEADER + "".join(row_of(number) for number in range(10)))
    taken = usage.ingest_rows

    def killed_at_the_third(unit, batch, rows, *, first_position, **how):
        if first_position == 6:
            raise Killed
        return taken(unit, batch, rows, first_position=first_position, **how)

    monkeypatch.setattr(usage, "ingest_rows", killed_at_the_third)
    with pytest.raises(Killed):
        _import(units, path)
    assert _count(units, UsageEvent) == 6
    monkeypatch.setattr(usage, "ingest_rows", taken)
    resumed: list[int] = []
    tally = _import(units, path, resumed=resumed)
    assert resumed == [6]
    assert (tally.received, tally.accepted, tally.duplicates) == (10, 10, 0)
    assert (_count(units, UsageEvent), _count(units, UsageBatch)) == (10, 1)


def test_with_another_map_a_stopped_run_begins_anew(units, tmp_path, row_of, monkeypatch):
    monkeypatch.setattr(usage, "CHUNK_ROWS", 2)
    path = _file(tmp_path, HEADER + "".join(row_of(number) for number in range(4)))
    wrong = FieldMap(constants={"time": "soon"})

    def killed(*_arguments, **_named):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(usage, "finish_batch", killed)
        with pytest.raises(Killed):
            _import(units, path, field_map=wrong)
    tally = _import(units, path)
    assert (tally.received, tally.accepted) == (4, 4)


def test_the_same_file_again_is_judged_again_as_duplicates(units, tmp_path, row_of):
    path = _file(tmp_path, HEADER + row_of(1) + row_of(2))
    _import(units, path)
    again = _import(units, path)
    assert (again.received, again.accepted, again.duplicates) == (2, 0, 2)


def test_ids_are_looked_up_from_the_first_known_one_on(units, tmp_path, row_of, monkeypatch):
    """R28: a file of new ids is spared the look-up; one known among them changes no row's fate."""
    _import(units, _file(tmp_path, HEADER + row_of(7) + row_of(8), "before.csv"))
    monkeypatch.setattr(usage, "CHUNK_ROWS", 2)
    rows = [row_of(number) for number in range(6)]
    rows += [row_of(6), row_of(7), row_of(8, learner="L2"), row_of(9), row_of(9), row_of(10)]
    expected: list[bool] = []
    taken = usage.ingest_rows

    def noted(*given, all_new: bool, **how):
        expected.append(all_new)
        return taken(*given, all_new=all_new, **how)

    monkeypatch.setattr(usage, "ingest_rows", noted)
    tally = _import(units, _file(tmp_path, HEADER + "".join(rows)))

    assert expected == [False, True, True, True, False, False]
    assert (tally.accepted, tally.duplicates, tally.conflicts) == (9, 2, 1)
    assert _adds_up(tally) and _count(units, UsageEvent) == 11


def test_a_dry_run_judges_every_row_and_keeps_none(units, tmp_path, row_of, monkeypatch):
    monkeypatch.setattr(usage, "CHUNK_ROWS", 1)
    path = _file(tmp_path, HEADER + row_of(1) + row_of(1) + row_of(2))
    tally = _import(units, path, dry_run=True)
    assert (tally.received, tally.accepted, tally.duplicates, tally.dry_run) == (3, 2, 1, True)
    assert (_count(units, UsageEvent), _count(units, UsageBatch)) == (0, 0)


def test_rows_without_an_id_are_known_by_all_their_columns(units, tmp_path, row_of):
    rows = [row_of("").lstrip(",") for _ in range(2)] + [row_of("", quantity="3").lstrip(",")]
    path = _file(tmp_path, HEADER.removeprefix("event_id,") + "".join(rows))
    field_map = FieldMap(usage=UsageSection(identity="all-columns", pre_counted=True))
    tally = _import(units, path, field_map=field_map)
    assert (tally.accepted, tally.duplicates) == (2, 1)
    with pytest.raises(MissingColumns, match="event_id"):
        _import(units, path)


def test_json_lines_are_usage_like_any_other(units, tmp_path, row_of):
    event, time, school, learner, vendor, sku, _, _ = row_of("e").strip().split(",")
    line = (
        f'{{"event_id": "{event}", "time": "{time}+08:00", "school_code": "{school}", '
        f'"learner": "{learner}", "vendor_code": "{vendor}", "sku": "{sku}", "quantity": 1}}\n'
    )
    path = _file(tmp_path, line + '{"event_id": "f", "learner": "\\ud800"}\n[]\n', "usage.jsonl")
    tally = _import(units, path)
    assert (tally.received, tally.accepted) == (3, 1)
    assert _adds_up(tally)


def test_rows_outside_the_map_are_not_received(units, tmp_path, row_of):
    path = _file(tmp_path, HEADER + row_of(1) + row_of(2))
    tally = _import(units, path, field_map=FieldMap(where={"event_id": "2"}))
    assert (tally.received, tally.accepted, tally.outside) == (1, 1, 1)


def test_an_empty_delivery_is_a_delivery_of_nothing(units, tmp_path, row_of):
    tally = _import(units, _file(tmp_path, HEADER))
    assert tally.received == 0 and _adds_up(tally)


def test_an_unknown_source_is_refused(units, tmp_path, row_of):
    with pytest.raises(NotFound, match="nobody"):
        _import(units, _file(tmp_path, HEADER + row_of(1)), source="nobody")


def test_a_file_is_imported_by_one_process_at_a_time(units, tmp_path, row_of, monkeypatch):
    path = _file(tmp_path, HEADER + row_of(1))
    taken = usage.ingest_rows

    def second_import_meanwhile(unit, batch, rows, *, first_position, **how):
        with pytest.raises(ImportInProgress):
            _import(units, path)
        return taken(unit, batch, rows, first_position=first_position, **how)

    monkeypatch.setattr(usage, "ingest_rows", second_import_meanwhile)
    assert _import(units, path).accepted == 1
