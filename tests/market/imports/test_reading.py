"""A row that can't be taken apart is still a row, with its number and what is wrong with it."""

import io
import zipfile
from datetime import date, datetime

import pytest
from openpyxl import Workbook

from kernel.errors import EmptyFile, RepeatedColumn, UnknownEncoding, UnreadableFile
from market.imports.files import examine
from market.imports.reading import CELL_CHARACTERS, open_table


def _records(path):
    with open_table(examine(path, kind="roster"), kind="roster") as table:
        return table.columns, list(table.records)


def _csv(tmp_path, text: str):
    path = tmp_path / "roster.csv"
    path.write_bytes(text.encode())
    return path


def test_rows_are_numbered_as_a_spreadsheet_does_and_blank_ones_are_none(tmp_path):
    columns, records = _records(_csv(tmp_path, "a, b \n1,2\n\n,\n  ,\n3,4\n"))
    assert columns == ["a", "b"]
    assert [(one.row, one.values) for one in records] == [
        (2, {"a": "1", "b": "2"}),
        (6, {"a": "3", "b": "4"}),
    ]


def test_a_short_and_a_long_row_are_rejects_that_name_row_and_field(tmp_path):
    _, records = _records(_csv(tmp_path, "a,b,c\n1,2\n1,2,3,4\n1,2,3\n"))
    short, long, right = records
    assert (short.row, short.field, short.error.code) == (2, "c", "uneven-row")
    assert (long.row, long.error.facts) == (3, {"found": 4, "expected": 3})
    assert right.error is None


def test_a_nul_an_overlong_cell_and_a_torn_quotation_each_cost_one_row(tmp_path):
    overlong = "x" * (CELL_CHARACTERS + 1)
    torn = '"torn" quote,2'
    text = f"a,b\n1\0,2\n{overlong},2\n{torn}\n{'y' * 200_000},2\n1,2\n"
    _, records = _records(_csv(tmp_path, text))
    assert [one.error.code if one.error else "" for one in records] == [
        "invalid-input",
        "invalid-input",
        "unreadable-row",
        "unreadable-row",
        "",
    ]
    assert "\0" not in records[0].values["a"] and len(records[1].values["a"]) <= 200


def test_quoted_commas_and_line_ends_belong_to_the_value(tmp_path):
    _, records = _records(_csv(tmp_path, 'a,b\r\n"1,5","two\nlines"\r\n'))
    assert records[0].values == {"a": "1,5", "b": "two\nlines"}


def test_a_header_that_repeats_a_column_is_refused(tmp_path):
    with pytest.raises(RepeatedColumn, match="“a”"):
        _records(_csv(tmp_path, "a,b,a\n1,2,3\n"))


def test_a_header_of_nothing_is_an_empty_file_and_one_of_nul_no_text(tmp_path):
    with pytest.raises(EmptyFile):
        _records(_csv(tmp_path, ",,\n1,2,3\n"))
    with pytest.raises(UnknownEncoding):
        _records(_csv(tmp_path, "c\0o\0d\0e\0\n"))


def test_a_header_alone_has_no_rows(tmp_path):
    assert _records(_csv(tmp_path, "a,b\n")) == (["a", "b"], [])


def test_cells_of_a_workbook_read_as_they_are_shown(tmp_path):
    book = Workbook()
    sheet = book.active
    sheet.append(["code", "price", "day", "time", "yes", "long"])
    sheet.append(
        ["001", 0.1 + 0.2, date(2026, 3, 1), datetime.fromisoformat("2026-03-01T08:30"), True, 12.0]
    )
    sheet.append(["002", 1, None, None, None, 110101199003071234])
    sheet.append([None] * 6)
    sheet.append(["003", 1, None, None, None, None, "more"])
    path = tmp_path / "roster.xlsx"
    book.save(path)
    columns, records = _records(path)
    assert columns == ["code", "price", "day", "time", "yes", "long"]
    assert list(records[0].values.values()) == [
        "001",
        "0.3",
        "2026-03-01",
        "2026-03-01T08:30:00",
        "yes",
        "12",
    ]
    assert (records[1].row, records[1].field, records[1].error.code) == (3, "long", "invalid-input")
    assert (records[2].row, records[2].error.code) == (5, "uneven-row")


def test_what_only_looks_like_a_workbook_is_unreadable(tmp_path):
    path = tmp_path / "roster.xlsx"
    path.write_bytes(b"PK\x03\x04 not a zip")
    with pytest.raises(UnreadableFile, match="not an XLSX workbook"):
        _records(path)


SHEET_OF_SHARED_TEXTS = (
    b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    b'<row r="1"><c r="A1" t="s"><v>5</v></c></row></sheetData></worksheet>'
)
"""Names a text that the workbook does not have."""


def _workbook(tmp_path, rows=(("a", "b"), ("1", "2"))) -> bytes:
    book = Workbook()
    for row in rows:
        book.active.append(row)
    book.save(tmp_path / "sound.xlsx")
    return (tmp_path / "sound.xlsx").read_bytes()


def _changed(workbook: bytes, part: str, content: bytes | None) -> bytes:
    """Return a workbook with another content of the parts named so, or without them."""
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook)) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            if part not in name:
                new.writestr(name, old.read(name))
            elif content is not None:
                new.writestr(name, content)
    return changed.getvalue()


@pytest.mark.parametrize(
    ("part", "content"),
    [
        ("sheet1", b"<worksheet><sheetData><row>"),
        ("workbook.xml", b"<a"),
        ("styles", b"<a"),
        ("sheet1", SHEET_OF_SHARED_TEXTS),
        ("sheet1", None),
        ("workbook.xml", None),
        ("Content_Types", b"<Types/>"),
    ],
)
def test_a_damaged_workbook_is_unreadable_whichever_part_is(tmp_path, part, content):
    path = tmp_path / "roster.xlsx"
    path.write_bytes(_changed(_workbook(tmp_path), part, content))
    with pytest.raises(UnreadableFile):
        _records(path)


def test_a_workbook_cut_short_or_with_a_wrong_byte_is_unreadable(tmp_path):
    whole = _workbook(tmp_path, [("a", "b"), *((str(n), f"{n * n}") for n in range(5_000))])
    path = tmp_path / "roster.xlsx"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnreadableFile):
        _records(path)
    position = whole.find(b"sheet1.xml") + 500
    path.write_bytes(whole[:position] + bytes(64) + whole[position + 64 :])
    with pytest.raises(UnreadableFile):
        _records(path)


def test_a_workbook_of_charts_alone_is_unreadable(tmp_path):
    book = Workbook()
    book.remove(book.active)
    book.create_chartsheet()
    book.save(tmp_path / "roster.xlsx")
    with pytest.raises(UnreadableFile, match="not an XLSX workbook"):
        _records(tmp_path / "roster.xlsx")


def test_json_that_is_nested_or_holds_nul_costs_one_row(tmp_path):
    path = tmp_path / "usage.jsonl"
    lines = [
        '{"a":' * 100_000,
        "[" * 100_000,
        '{"a\\u0000b": [1], "c": "x\\u0000y"}',
        '{"": [1]}',
        '{"a\\u0000b": "x"}',
        '{"a": "x\\u0000y"}',
        '{"a": ' + "9" * 5_000 + "}",
        '{"a": "1"}',
    ]
    path.write_text("\n".join(lines) + "\n")
    _, records = _records(path)
    assert [one.error.code if one.error else "" for one in records] == [
        "unreadable-line",
        "unreadable-line",
        "invalid-input",
        "invalid-input",
        "invalid-input",
        "invalid-input",
        "unreadable-line",
        "",
    ]
    shown = [one.field + "".join(one.values) + "".join(one.values.values()) for one in records]
    assert "\0" not in "".join(shown)


def test_the_mark_of_a_text_is_taken_off(tmp_path):
    columns, records = _records(_csv(tmp_path, "'=a,b\n'=1+1,'quoted'\n'-1,'\n"))
    assert columns == ["=a", "b"]
    assert [one.values for one in records] == [
        {"=a": "=1+1", "b": "'quoted'"},
        {"=a": "-1", "b": "'"},
    ]


def test_a_line_that_names_something_twice_costs_one_row(tmp_path):
    path = tmp_path / "usage.jsonl"
    lines = [
        '{"a": "1", "a": "2"}',
        '{"a": 1, "b": "x", "\\u0061": 2}',
        '{"a": "say \\"a\\"", "b": "x"}',
        '{"a": 1, "b": {"c": 1, "c": 2}}',
        '{"a": "1", "b": "2"}',
    ]
    path.write_text("\n".join(lines) + "\n")
    _, records = _records(path)
    found = [one.error.code if one.error else one.values for one in records]
    assert found == [
        "unreadable-line",
        "unreadable-line",
        {"a": 'say "a"', "b": "x"},
        "invalid-input",  # nested
        {"a": "1", "b": "2"},
    ]
    assert "a stands in it twice" in str(records[0].error)


def test_json_lines_name_their_own_columns(tmp_path):
    path = tmp_path / "usage.jsonl"
    path.write_text('{"a": 1, "b": "x", "c": null, "d": 0.20, "e": true}\n\n{"a": [1]}\nnot json\n')
    columns, (first, nested, broken) = _records(path)
    assert columns is None
    assert first.values == {"a": "1", "b": "x", "c": "", "d": "0.20", "e": "yes"}
    assert (nested.row, nested.field, nested.error.code) == (2, "a", "invalid-input")
    assert (broken.row, broken.error.code) == (3, "unreadable-line")
    assert "one JSON object by itself" in str(broken.error)
