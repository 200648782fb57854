"""The encoding of a file is decided strictly, over the whole file, and the error names the byte."""

import hashlib

import pytest

from kernel.errors import EmptyFile, UnknownEncoding, UnreadableFile
from market.imports import files
from market.imports.files import Format, examine

TEXT = "code,name\n9900000001,青禾县第一小学\n"


def _written(tmp_path, content: bytes, name: str = "schools.csv"):
    path = tmp_path / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("encoding", "decided"),
    [("utf-8", "utf-8"), ("utf-8-sig", "utf-8-sig"), ("gb18030", "gb18030")],
)
def test_utf8_with_and_without_mark_and_gb18030_are_read(tmp_path, encoding, decided):
    path = _written(tmp_path, TEXT.encode(encoding))
    found = examine(path, kind="schools")
    assert (found.format, found.encoding, found.lines) == (Format.CSV, decided, 2)
    assert found.digest == hashlib.sha256(path.read_bytes()).digest()
    assert path.read_text(encoding=found.encoding) == TEXT


@pytest.mark.parametrize("block", [1, 3, 1 << 20])
def test_a_byte_of_neither_encoding_is_named_wherever_a_block_ends(tmp_path, monkeypatch, block):
    monkeypatch.setattr(files, "BLOCK_BYTES", block)
    content = "中文,".encode() + b"\xff" + b"tail\n"
    with pytest.raises(UnknownEncoding) as caught:
        examine(_written(tmp_path, content), kind="schools")
    assert caught.value.facts == {"file": "schools.csv", "offset": 7}


def test_a_utf8_file_cut_within_a_character_is_not_taken_for_another_encoding(tmp_path):
    content = ("name\n" + "学" * 9).encode()[:-1]
    with pytest.raises(UnknownEncoding) as caught:
        examine(_written(tmp_path, content), kind="schools")
    assert caught.value.facts["offset"] == 5 + 8 * 3


def test_one_bad_byte_in_a_utf8_file_does_not_make_it_gb18030(tmp_path):
    content = ("学校" * 20).encode() + b"\xc4\xe3" + "县\n".encode()
    with pytest.raises(UnknownEncoding) as caught:
        examine(_written(tmp_path, content), kind="schools")
    assert caught.value.facts["offset"] == 120


def test_utf16_is_refused(tmp_path):
    with pytest.raises(UnknownEncoding):
        examine(_written(tmp_path, TEXT.encode("utf-16")), kind="schools")


def test_an_empty_file_and_a_missing_one_say_so(tmp_path):
    with pytest.raises(EmptyFile, match="--template"):
        examine(_written(tmp_path, b""), kind="schools")
    with pytest.raises(UnreadableFile, match="No such file"):
        examine(tmp_path / "nowhere.csv", kind="schools")


@pytest.mark.parametrize("content", [TEXT.encode(), b"x", b"\xd0\xcf\x11\xe0\0\0"])
def test_what_is_named_a_workbook_and_is_none_is_refused_as_such(tmp_path, content):
    with pytest.raises(UnreadableFile, match="not an XLSX workbook"):
        examine(_written(tmp_path, content, "schools.xlsx"), kind="schools")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("schools.pdf", b"%PDF-1.7\n%plain\n"),
        ("schools.PDF", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n\xff"),
        ("schools.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0"),
        ("schools.png", b"\x89PNG\r\n\xff"),
    ],
)
def test_what_is_no_text_names_the_formats_that_are_read(tmp_path, name, content):
    with pytest.raises(UnreadableFile, match="CSV, XLSX and JSON lines") as refused:
        examine(_written(tmp_path, content, name), kind="schools")
    assert "Save it anew" in str(refused.value) and "permissions" not in str(refused.value)


def test_a_text_of_any_name_is_read(tmp_path):
    found = examine(_written(tmp_path, TEXT.encode(), "schools.dat"), kind="schools")
    assert found.format is Format.CSV


def test_the_format_is_known_by_content_and_name(tmp_path):
    workbook = _written(tmp_path, b"PK\x03\x04\x00", "schools.csv")
    assert examine(workbook, kind="schools").format is Format.XLSX
    lines = _written(tmp_path, b"{}\n", "usage.jsonl")
    assert examine(lines, kind="usage").format is Format.JSON_LINES
