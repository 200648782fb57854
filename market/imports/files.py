"""What a file is before any row of it is read: its format, its encoding and its digest.

The encoding is decided strictly over the whole file, never guessed from its beginning: UTF-8 (with
or without a byte order mark), else GB18030, else `UnknownEncoding` names the byte. Nearly any bytes
are valid GB18030, so that a UTF-8 file that is damaged must be told from a GB18030 one: by how much
of it was UTF-8. Read in blocks, so that a file of any size fits; what is not UTF-8 is read twice.
"""

import codecs
import hashlib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from kernel.errors import EmptyFile, UnknownEncoding, UnreadableFile, UnreadableFormat

BLOCK_BYTES = 1 << 20
ZIP_MAGIC = b"PK\x03\x04"
UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
MEANT_AS_UTF8 = 32
"""Bytes beyond one per character, after which valid UTF-8 can't be GB18030 by accident."""
JSON_SUFFIXES = {".jsonl", ".ndjson"}
TEXT_SUFFIXES = JSON_SUFFIXES | {"", ".csv", ".tsv", ".txt"}
"""Of these a wrong byte is named; any other name with such content is no text that is damaged."""
WORKBOOK_SUFFIXES = {".xlsx", ".xlsm"}
PDF_MAGIC = b"%PDF"
FORMATS_READ = "CSV, XLSX and JSON lines (.jsonl, .ndjson)"


class Format(StrEnum):
    CSV = "csv"
    XLSX = "xlsx"
    JSON_LINES = "json-lines"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that has been looked through once; `lines` estimates its rows for a progress bar."""

    path: Path
    format: Format
    encoding: str
    digest: bytes
    lines: int


def examine(path: Path, *, kind: str) -> SourceFile:
    """Decide format, encoding and SHA-256 of `path`.

    Raises `UnreadableFile` (not there, or of no format that is read), `EmptyFile` (which names the
    `kind` whose template helps) or `UnknownEncoding`.
    """
    digest = hashlib.sha256()
    utf8 = _Candidate("utf-8")
    head, lines, has_nul = b"", 0, False
    try:
        with path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                head = head or block[:4]
                digest.update(block)
                lines += block.count(b"\n")
                has_nul = has_nul or b"\0" in block
                if not head.startswith(ZIP_MAGIC):
                    utf8.feed(block)
    except OSError as error:
        raise UnreadableFile(file=path.name, reason=error.strerror) from error
    if not head:
        raise EmptyFile(file=path.name, kind=kind)
    if head.startswith(ZIP_MAGIC):
        return SourceFile(path, Format.XLSX, "", digest.digest(), 0)
    suffix = path.suffix.lower()
    if suffix in WORKBOOK_SUFFIXES:
        raise UnreadableFormat(file=path.name, reason="it is not an XLSX workbook")
    is_text_by_name = suffix in TEXT_SUFFIXES
    if not is_text_by_name and (has_nul or head.startswith(PDF_MAGIC)):
        raise _unknown_format(path)
    if head.startswith(UTF16_MARKS):
        raise UnknownEncoding(file=path.name, offset=0)
    try:
        encoding = _decide(utf8, path=path)
    except UnknownEncoding as error:
        if is_text_by_name:
            raise
        raise _unknown_format(path) from error
    if encoding == "utf-8" and head.startswith(codecs.BOM_UTF8):
        encoding = "utf-8-sig"
    json = suffix in JSON_SUFFIXES
    return SourceFile(
        path, Format.JSON_LINES if json else Format.CSV, encoding, digest.digest(), lines
    )


def _unknown_format(path: Path) -> UnreadableFormat:
    return UnreadableFormat(
        file=path.name, reason=f"it is in none of the formats that are read: {FORMATS_READ}"
    )


class _Candidate:
    """One encoding under trial: where, if anywhere, the file stops being valid in it.

    `surplus`: how many bytes more than characters were read up to there.
    """

    def __init__(self, encoding: str) -> None:
        self.encoding = encoding
        self.bad_offset: int | None = None
        self.cut_short = False
        self.surplus = 0
        self._decoder = codecs.getincrementaldecoder(encoding)("strict")
        self._fed = 0

    def feed(self, block: bytes, *, final: bool = False) -> None:
        if self.bad_offset is not None:
            return
        pending = len(self._decoder.getstate()[0])
        try:
            self.surplus += len(block) - len(self._decoder.decode(block, final))
        except UnicodeDecodeError as error:
            self.bad_offset = self._fed - pending + error.start
            self.cut_short = final
            valid = error.object[: error.start]
            self.surplus += len(valid) - len(valid.decode(self.encoding))
        self._fed += len(block)


def _tried(path: Path, encoding: str) -> _Candidate:
    candidate = _Candidate(encoding)
    try:
        with path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                candidate.feed(block)
    except OSError as error:
        raise UnreadableFile(file=path.name, reason=error.strerror) from error
    candidate.feed(b"", final=True)
    return candidate


def _decide(utf8: _Candidate, *, path: Path) -> str:
    utf8.feed(b"", final=True)
    if utf8.bad_offset is None:
        return utf8.encoding
    gb18030 = _tried(path, "gb18030")
    damaged = utf8.surplus >= MEANT_AS_UTF8 or (utf8.cut_short and utf8.surplus)
    if gb18030.bad_offset is None and not damaged:
        return gb18030.encoding
    # Of two that fail, the encoding that went further is the one that was meant.
    offset = utf8.bad_offset if damaged else max(utf8.bad_offset, gb18030.bad_offset or 0)
    raise UnknownEncoding(file=path.name, offset=offset)
