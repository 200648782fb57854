"""Runs of an import of usage: killed and resumed, again, at once, with ids looked up or not."""

import csv

import pytest

from kernel.errors import ImportInProgress
from kernel.unit import Units
from market.imports import usage
from market.imports.maps import FieldMap
from settlement.metering.models import UsageBatch, UsageEvent
from tests.support.usage_files import (
    HEADER,
    RowMaker,
    a_file,
    a_maker_of_rows,
    adds_up,
    count_of,
    import_file,
)


class Killed(BaseException):
    """Stands for what ends a process without a word."""


@pytest.fixture
def row_of(units: Units) -> RowMaker:
    return a_maker_of_rows(units)


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
    path = a_file(tmp_path, HEADER + "".join(rows))
    taken = usage.ingest_rows

    def killed_at_the_third(unit, batch, rows, *, first_position, **how):
        if first_position == 6:
            raise Killed
        return taken(unit, batch, rows, first_position=first_position, **how)

    rejects = tmp_path / "rejects.csv"
    monkeypatch.setattr(usage, "ingest_rows", killed_at_the_third)
    with pytest.raises(Killed):
        import_file(units, path, rejects=rejects)
    monkeypatch.setattr(usage, "ingest_rows", taken)
    assert import_file(units, path, rejects=tmp_path / "dry.csv", dry_run=True).dry_run
    tally = import_file(units, path, rejects=rejects)
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
    path = a_file(tmp_path, HEADER + "".join(row_of(number) for number in range(10)))
    taken = usage.ingest_rows

    def killed_at_the_third(unit, batch, rows, *, first_position, **how):
        if first_position == 6:
            raise Killed
        return taken(unit, batch, rows, first_position=first_position, **how)

    monkeypatch.setattr(usage, "ingest_rows", killed_at_the_third)
    with pytest.raises(Killed):
        import_file(units, path)
    assert count_of(units, UsageEvent) == 6
    monkeypatch.setattr(usage, "ingest_rows", taken)
    resumed: list[int] = []
    tally = import_file(units, path, resumed=resumed)
    assert resumed == [6]
    assert (tally.received, tally.accepted, tally.duplicates) == (10, 10, 0)
    assert (count_of(units, UsageEvent), count_of(units, UsageBatch)) == (10, 1)


def test_with_another_map_a_stopped_run_begins_anew(units, tmp_path, row_of, monkeypatch):
    monkeypatch.setattr(usage, "CHUNK_ROWS", 2)
    path = a_file(tmp_path, HEADER + "".join(row_of(number) for number in range(4)))
    wrong = FieldMap(constants={"time": "soon"})

    def killed(*_arguments, **_named):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(usage, "finish_batch", killed)
        with pytest.raises(Killed):
            import_file(units, path, field_map=wrong)
    tally = import_file(units, path)
    assert (tally.received, tally.accepted) == (4, 4)


def test_the_same_file_again_is_judged_again_as_duplicates(units, tmp_path, row_of):
    path = a_file(tmp_path, HEADER + row_of(1) + row_of(2))
    import_file(units, path)
    again = import_file(units, path)
    assert (again.received, again.accepted, again.duplicates) == (2, 0, 2)


def test_ids_are_looked_up_from_the_first_known_one_on(units, tmp_path, row_of, monkeypatch):
    """R28: a file of new ids is spared the look-up; one known among them changes no row's fate."""
    import_file(units, a_file(tmp_path, HEADER + row_of(7) + row_of(8), "before.csv"))
    monkeypatch.setattr(usage, "CHUNK_ROWS", 2)
    rows = [row_of(number) for number in range(6)]
    rows += [row_of(6), row_of(7), row_of(8, learner="L2"), row_of(9), row_of(9), row_of(10)]
    expected: list[bool] = []
    taken = usage.ingest_rows

    def noted(*given, all_new: bool, **how):
        expected.append(all_new)
        return taken(*given, all_new=all_new, **how)

    monkeypatch.setattr(usage, "ingest_rows", noted)
    tally = import_file(units, a_file(tmp_path, HEADER + "".join(rows)))

    assert expected == [False, True, True, True, False, False]
    assert (tally.accepted, tally.duplicates, tally.conflicts) == (9, 2, 1)
    assert adds_up(tally) and count_of(units, UsageEvent) == 11


def test_a_file_is_imported_by_one_process_at_a_time(units, tmp_path, row_of, monkeypatch):
    path = a_file(tmp_path, HEADER + row_of(1))
    taken = usage.ingest_rows

    def second_import_meanwhile(unit, batch, rows, *, first_position, **how):
        with pytest.raises(ImportInProgress):
            import_file(units, path)
        return taken(unit, batch, rows, first_position=first_position, **how)

    monkeypatch.setattr(usage, "ingest_rows", second_import_meanwhile)
    assert import_file(units, path).accepted == 1
