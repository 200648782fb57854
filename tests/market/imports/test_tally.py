"""Rejects: a file that can be opened, mended and imported, and that costs nobody another file."""

import csv
import os

import pytest

from kernel.errors import MissingValue, OverwritesInput
from market.imports.reading import Record
from market.imports.tally import Reject, Rejects


def _reject(**values: str) -> Reject:
    return Reject.of(Record(2, values), MissingValue(field="name"), field="name")


def _written(path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def test_no_cell_is_run_as_a_formula(tmp_path):
    path = tmp_path / "rejects.csv"
    cells = {"=name": '=HYPERLINK("x")', "b": "+1", "c": "-1", "d": "@x", "e": "\tx", "f": "1-1"}
    with Rejects(path) as rejects:
        rejects.add(_reject(**cells))
    header, row = _written(path)
    assert header[:2] == ["'=name", "b"]
    assert row[:6] == ['\'=HYPERLINK("x")', "'+1", "'-1", "'@x", "'\tx", "1-1"]


def test_what_is_imported_is_not_overwritten_under_whatever_name(tmp_path):
    source = tmp_path / "usage.csv"
    source.write_text("kept")
    os.link(source, tmp_path / "hard")
    (tmp_path / "soft").symlink_to(source)
    (tmp_path / "sub").mkdir()
    for name in ("usage.csv", "hard", "soft", "sub/../usage.csv"):
        with pytest.raises(OverwritesInput), Rejects(tmp_path / name, inputs=[source]):
            pass
    assert source.read_text() == "kept"
    with pytest.raises(OverwritesInput), Rejects(tmp_path / "no", inputs=[tmp_path / "no"]):
        pass
    assert sorted(one.name for one in tmp_path.iterdir()) == ["hard", "soft", "sub", "usage.csv"]


def test_earlier_rejects_stay_until_the_new_ones_are_whole(tmp_path):
    path = tmp_path / "rejects.csv"
    path.write_text("earlier")
    path.chmod(0o600)
    with Rejects(path) as rejects:
        rejects.add(_reject(a="1"))
        assert path.read_text() == "earlier"
    assert len(_written(path)) == 2 and path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_run_that_fails_over_something_else_than_rows_leaves_earlier_rejects(tmp_path):
    path = tmp_path / "rejects.csv"
    path.write_text("earlier")
    with pytest.raises(RuntimeError), Rejects(path) as rejects:
        rejects.expect(["a"])
        raise RuntimeError
    assert path.read_text() == "earlier" and list(tmp_path.iterdir()) == [path]


def test_rejects_can_go_to_what_is_no_file(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with Rejects(pipe) as rejects:
        rejects.add(_reject(a="1"))
    assert os.read(reading, 1_000).startswith(b"\xef\xbb\xbfa,row,")
    os.close(reading)
    assert pipe.is_fifo()
