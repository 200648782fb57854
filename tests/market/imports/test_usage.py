"""Usage comes in row by row, each row is accounted for, and a run that was killed goes on (R32)."""

import csv
from datetime import date

import pytest
from sqlalchemy import select

from kernel.errors import MissingColumns, NotFound
from kernel.unit import Units
from market.imports import usage
from market.imports.maps import NO_MAP, FieldMap, UsageSection
from market.imports.tally import Rejects
from market.imports.usage import Delivery, import_usage
from settlement.metering.models import UsageBatch, UsageEvent, UsageQuarantine, UsageTally
from settlement.metering.remedies import mending
from tests.support.usage_files import (
    HEADER,
    SYSTEM,
    RowMaker,
    a_file,
    a_maker_of_rows,
    adds_up,
    count_of,
    import_file,
)


@pytest.fixture
def row_of(units: Units) -> RowMaker:
    return a_maker_of_rows(units)


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
    tally = import_file(units, a_file(tmp_path, text), rejects=rejects)
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
    assert adds_up(tally)
    assert (count_of(units, UsageEvent), count_of(units, UsageQuarantine)) == (2, 9)
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
    path = a_file(tmp_path, text)
    import_file(units, path)
    mapped = FieldMap(values={"school_code": {"known": "x"}})
    import_file(units, a_file(tmp_path, HEADER + row_of(5), "mapped.csv"), field_map=mapped)
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
        delivery = Delivery(path=a_file(tmp_path, text), source_code="log")
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
    path = a_file(tmp_path, HEADER + row_of(1) + row_of(2, learner="L9"))
    import_file(units, path)
    again = import_file(units, path)
    assert (again.received, again.duplicates) == (2, 1)
    assert again.quarantined == {"unknown-learner": 1}


def test_no_person_number_reaches_the_quarantine(units, tmp_path, row_of):
    number = "330102201501011234"
    text = HEADER + row_of(1, learner=number) + row_of(2, learner=number * 6)
    import_file(units, a_file(tmp_path, text))
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
        (a_file(tmp_path, text), NO_MAP, 7),
        (a_file(tmp_path, HEADER + row_of(6, learner=number), "mapped.csv"), mapped, 1),
        (a_file(tmp_path, lines, "usage.jsonl"), NO_MAP, 2),
    ):
        assert sum(import_file(units, path, field_map=field_map).quarantined.values()) == rows
    with units(SYSTEM) as unit:
        kept = unit.session.execute(select(UsageQuarantine.event_id, UsageQuarantine.body)).all()
    tail = number[-9:]
    assert len(kept) == 10
    assert not [one for one in kept if tail in str(one) or number[:9] in str(one)]


def test_what_can_not_be_a_person_number_is_put_on_record(units, tmp_path, row_of):
    text = HEADER + row_of(1, time="2026-04-31T09:12:00+08:00") + row_of(2, quantity="1.5")
    import_file(units, a_file(tmp_path, text))
    with units(SYSTEM) as unit:
        bodies = unit.session.scalars(
            select(UsageQuarantine.body).order_by(UsageQuarantine.position)
        ).all()
    assert "2026-04-31T09:12:00+08:00" in bodies[0]["detail"] and "1.5" in bodies[1]["detail"]


def test_times_of_years_that_nobody_means_are_unreadable(units, tmp_path, row_of):
    times = ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00+00:00", "2201-01-01", "1899-12-31"]
    text = HEADER + "".join(row_of(number, time=time) for number, time in enumerate(times))
    text += row_of("old", time="1970-01-01T00:00:00+08:00")
    tally = import_file(units, a_file(tmp_path, text))
    assert tally.quarantined == {"unreadable-time": 4, "time-too-old": 1}


def test_a_dry_run_judges_every_row_and_keeps_none(units, tmp_path, row_of, monkeypatch):
    monkeypatch.setattr(usage, "CHUNK_ROWS", 1)
    path = a_file(tmp_path, HEADER + row_of(1) + row_of(1) + row_of(2))
    tally = import_file(units, path, dry_run=True)
    assert (tally.received, tally.accepted, tally.duplicates, tally.dry_run) == (3, 2, 1, True)
    assert (count_of(units, UsageEvent), count_of(units, UsageBatch)) == (0, 0)


def test_rows_without_an_id_are_known_by_all_their_columns(units, tmp_path, row_of):
    rows = [row_of("").lstrip(",") for _ in range(2)] + [row_of("", quantity="3").lstrip(",")]
    path = a_file(tmp_path, HEADER.removeprefix("event_id,") + "".join(rows))
    field_map = FieldMap(usage=UsageSection(identity="all-columns", pre_counted=True))
    tally = import_file(units, path, field_map=field_map)
    assert (tally.accepted, tally.duplicates) == (2, 1)
    with pytest.raises(MissingColumns, match="event_id"):
        import_file(units, path)


def test_json_lines_are_usage_like_any_other(units, tmp_path, row_of):
    event, time, school, learner, vendor, sku, _, _ = row_of("e").strip().split(",")
    line = (
        f'{{"event_id": "{event}", "time": "{time}+08:00", "school_code": "{school}", '
        f'"learner": "{learner}", "vendor_code": "{vendor}", "sku": "{sku}", "quantity": 1}}\n'
    )
    path = a_file(tmp_path, line + '{"event_id": "f", "learner": "\\ud800"}\n[]\n', "usage.jsonl")
    tally = import_file(units, path)
    assert (tally.received, tally.accepted) == (3, 1)
    assert adds_up(tally)


def test_rows_outside_the_map_are_not_received(units, tmp_path, row_of):
    path = a_file(tmp_path, HEADER + row_of(1) + row_of(2))
    tally = import_file(units, path, field_map=FieldMap(where={"event_id": "2"}))
    assert (tally.received, tally.accepted, tally.outside) == (1, 1, 1)


def test_an_empty_delivery_is_a_delivery_of_nothing(units, tmp_path, row_of):
    tally = import_file(units, a_file(tmp_path, HEADER))
    assert tally.received == 0 and adds_up(tally)


def test_an_unknown_source_is_refused(units, tmp_path, row_of):
    with pytest.raises(NotFound, match="nobody"):
        import_file(units, a_file(tmp_path, HEADER + row_of(1)), source="nobody")
