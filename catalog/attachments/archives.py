"""Archives and documents that are archives: unpacked while they are counted, never to the disk.

Decides what an archive may become: how much, of how many files, how deep. What it declares of
itself is not believed; every file in it is read to its end or to the bound, a piece at a time.
"""

import re
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Collection
from enum import Enum, auto
from pathlib import PurePosixPath
from typing import IO, Final

import olefile

from catalog.attachments.drawings import require_passive_drawing
from catalog.attachments.heads import (
    HEAD_BYTES,
    is_drawing,
    is_page,
    is_pdf,
    is_program,
    may_run,
)
from catalog.attachments.kinds import (
    ACTIVE,
    EPUB,
    OFFICE,
    OLD_OFFICE,
    OPEN_DOCUMENTS,
    PROGRAMS,
    WITH_MACROS,
    ZIP,
    FileType,
)
from catalog.attachments.pdfs import require_passive_pdf
from kernel.errors import (
    AttachmentActive,
    AttachmentBomb,
    AttachmentBroken,
    AttachmentExecutable,
    AttachmentMacros,
    AttachmentPackedOtherwise,
    AttachmentSealed,
    AttachmentTypeRefused,
)

MOST_FILES: Final = 10_000
MOST_TIMES: Final = 100
"""How many times its own size an archive may unpack to, beyond `FREE_BYTES`."""
FREE_BYTES: Final = 50_000_000
MOST_OF_THE_LIMIT: Final = 10
"""How many times the size limit of an upload an archive may unpack to, however large it is."""
DEEPEST: Final = 3
"""An archive in an archive in an archive; the next one is a trap."""
CHUNK_BYTES: Final = 1 << 16
SPOOLED_BYTES: Final = 8_000_000
ENCRYPTED: Final = 0x1
METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
"""How a file may be packed. The other ways unpack to gigabytes from one piece of a few bytes."""
METHOD_NAMES: Final = {zipfile.ZIP_BZIP2: "bzip2", zipfile.ZIP_LZMA: "LZMA", 9: "Deflate64"}
CONTENT_TYPES: Final = "[Content_Types].xml"
MEDIA_TYPE: Final = "mimetype"
DECLARING: Final = frozenset({CONTENT_TYPES, MEDIA_TYPE})
DECLARED_MB: Final = 4
"""How long the files may be by which a document says what it is: they are read whole."""
SOURCES: Final = frozenset({".py"})
"""Sources of programs: what lessons of informatics hand out; they sleep in an archive."""
PAGES: Final = ACTIVE | {".svg", ".xml"}
"""Endings of what a reader of books shows as pages."""
SCRIPT: Final = re.compile(rb"<([\w.-]+:)?script\b|javascript:", re.IGNORECASE)
OVERLAP_BYTES: Final = 64
PACKED: Final = frozenset({".zip", ".jar", ".docx", ".pptx", ".xlsx", ".epub", ".odt", ".odp"})
VBA_IN_SLIDES: Final = b"\x1f\x00\xff\x03\x14\x00\x00\x00\x02\x00\x00\x04"
"""Head of the record of a macro project within a PowerPoint stream (MS-PPT, VBAInfoContainer)."""


class Holder(Enum):
    """What an archive is to the files in it."""

    FOLDER = auto()  # each of them is what it would be by itself
    DOCUMENT = auto()
    BOOK = auto()  # consists of pages, which run nothing


class _Budget:
    """What an archive may still become, with all that is packed within it."""

    def __init__(self, name: str, *, size_bytes: int, most_bytes: int, allows_macros: bool) -> None:
        self.name = name
        self.allows_macros = allows_macros
        self.most_bytes = min(
            max(FREE_BYTES, MOST_TIMES * size_bytes), MOST_OF_THE_LIMIT * max(most_bytes, 1)
        )
        self.left_bytes = self.most_bytes
        self.left_files = MOST_FILES

    def spend(self, bytes_: int) -> None:
        self.left_bytes -= bytes_
        if self.left_bytes < 0:
            raise AttachmentBomb(file=self.name, most_mb=self.most_bytes // 1_000_000)

    def spend_files(self, files: int) -> None:
        self.left_files -= files
        if self.left_files < 0:
            raise AttachmentBomb(file=self.name, most_mb=self.most_bytes // 1_000_000)


def type_of_zip(file: IO[bytes], *, name: str, most_bytes: int, allows_macros: bool) -> FileType:
    """Return what kind of archive a file is, all of it read within bounds.

    Raises `AttachmentBomb`, `AttachmentSealed` for what is encrypted, `AttachmentExecutable` for
    one that holds a program, `AttachmentActive` for one whose files run in a browser or reader,
    `AttachmentPackedOtherwise`, `AttachmentMacros`, `AttachmentBroken`.
    """
    size_bytes = file.seek(0, 2)
    file.seek(0)
    budget = _Budget(
        name, size_bytes=size_bytes, most_bytes=most_bytes, allows_macros=allows_macros
    )
    try:
        with zipfile.ZipFile(file) as archive:
            _read_all(archive, budget, depth=1)
            return _kind(archive, budget)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
        raise AttachmentBroken(file=name, reason=str(error)) from None


def old_office_of(file: IO[bytes], *, name: str, allows_macros: bool) -> FileType:
    """Return which of Office's older documents a file is; raise `AttachmentMacros` and others."""
    try:
        with olefile.OleFileIO(file) as document:
            streams = {"/".join(path) for path in document.listdir(streams=True, storages=True)}
            found = next((OLD_OFFICE[one] for one in OLD_OFFICE if one in streams), None)
            if "EncryptedPackage" in streams:
                raise AttachmentSealed(file=name, inner="EncryptedPackage")
            if found is None:
                raise AttachmentTypeRefused(file=name, expected=".doc, .ppt, .xls")
            if not allows_macros and _has_old_macros(document, streams):
                raise AttachmentMacros(file=name)
            return found
    except olefile.olefile.OleFileError as error:
        raise AttachmentBroken(file=name, reason=str(error)) from None
    except (OSError, ValueError, ArithmeticError, struct.error):
        # Numbers of its tables lead nowhere; what Python says of that means nothing to people.
        raise AttachmentBroken(file=name, reason="OLE") from None


def _has_old_macros(document: olefile.OleFileIO, streams: set[str]) -> bool:
    if any("vba" in part.lower() or part == "Macros" for one in streams for part in one.split("/")):
        return True
    if "PowerPoint Document" not in streams:
        return False
    return VBA_IN_SLIDES in document.openstream("PowerPoint Document").read()


def _read_all(archive: zipfile.ZipFile, budget: _Budget, *, depth: int) -> None:
    """Read every file of an archive, and of archives in it, as far as the budget goes."""
    entries = archive.infolist()
    budget.spend_files(len(entries))
    holder = _holder(archive)
    for entry in entries:
        path = PurePosixPath(entry.filename.replace("\\", "/"))
        if entry.flag_bits & ENCRYPTED:
            raise AttachmentSealed(file=budget.name, inner=entry.filename)
        if path.is_absolute() or ".." in path.parts:
            raise AttachmentBroken(file=budget.name, reason=f"{entry.filename}: ..")
        ending = PurePosixPath(path.name.rstrip(". \t")).suffix.lower()  # as Windows reads it
        if ending in PROGRAMS - SOURCES:
            raise AttachmentExecutable(file=budget.name, found=entry.filename)
        if entry.is_dir():
            continue
        if entry.compress_type not in METHODS:
            method = METHOD_NAMES.get(entry.compress_type, str(entry.compress_type))
            raise AttachmentPackedOtherwise(file=budget.name, inner=entry.filename, method=method)
        if ending in PACKED:
            _read_packed(archive, entry, budget, depth=depth)
        else:
            _read_one(archive, entry, budget, holder=holder, ending=ending)


def _read_one(
    archive: zipfile.ZipFile,
    entry: zipfile.ZipInfo,
    budget: _Budget,
    *,
    holder: Holder,
    ending: str,
) -> None:
    """Read a file of an archive to its end; raise for what is refused by itself, too."""
    seen_bytes, kept = 0, b""
    with archive.open(entry) as member:
        chunk = member.read(CHUNK_BYTES)
        _require_harmless(chunk[:HEAD_BYTES], entry, budget, holder=holder, ending=ending)
        looks_into = _passive(chunk, ending) if holder is Holder.FOLDER else None
        is_in_book = holder is Holder.BOOK and ending in PAGES
        with tempfile.SpooledTemporaryFile(SPOOLED_BYTES) as inner:
            while chunk:
                budget.spend(len(chunk))
                seen_bytes += len(chunk)
                if entry.filename in DECLARING and seen_bytes > DECLARED_MB * 1_000_000:
                    raise AttachmentBomb(
                        file=f"{budget.name}: {entry.filename}", most_mb=DECLARED_MB
                    )
                if is_in_book and SCRIPT.search(kept + chunk):
                    raise AttachmentActive(file=budget.name, found=entry.filename)
                if looks_into is not None:
                    inner.write(chunk)
                kept = chunk[-OVERLAP_BYTES:]
                chunk = member.read(CHUNK_BYTES)
            if looks_into is not None:
                looks_into(inner, name=f"{budget.name}: {entry.filename}")


def _require_harmless(
    head: bytes, entry: zipfile.ZipInfo, budget: _Budget, *, holder: Holder, ending: str
) -> None:
    """Raise for a program or, where the archive is no document, for a page of the web."""
    runs = is_program(head)
    if holder is Holder.FOLDER and ending not in SOURCES:
        runs = may_run(head)
    if runs:
        raise AttachmentExecutable(file=budget.name, found=entry.filename)
    if holder is Holder.FOLDER and (ending in ACTIVE or (is_page(head) and not is_drawing(head))):
        raise AttachmentActive(file=budget.name, found=entry.filename)


def _passive(head: bytes, ending: str) -> Callable[..., None] | None:
    """Return what looks into a file that begins so; None if its beginning says all."""
    if is_drawing(head[:HEAD_BYTES]) or ending == ".svg":
        return require_passive_drawing
    if is_pdf(head) or ending == ".pdf":
        return require_passive_pdf
    return None


def _read_packed(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, budget: _Budget, *, depth: int
) -> None:
    if depth >= DEEPEST:
        raise AttachmentBomb(file=budget.name, most_mb=budget.most_bytes // 1_000_000)
    with tempfile.SpooledTemporaryFile(SPOOLED_BYTES) as inner, archive.open(entry) as member:
        while chunk := member.read(CHUNK_BYTES):
            budget.spend(len(chunk))
            inner.write(chunk)
        inner.seek(0)
        with zipfile.ZipFile(inner) as packed:
            _read_all(packed, budget, depth=depth + 1)
            _kind(packed, budget)


def _holder(archive: zipfile.ZipFile) -> Holder:
    """Return what holds the files, as `_kind` will find it: its own pages are no active content."""
    names = archive.namelist()
    if CONTENT_TYPES in names:
        return Holder.DOCUMENT if _family(names) else Holder.FOLDER
    declared = _declared(archive) if MEDIA_TYPE in names else ""
    if declared == EPUB.media_type:
        return Holder.BOOK
    return Holder.DOCUMENT if declared in OPEN_DOCUMENTS else Holder.FOLDER


def _declared(archive: zipfile.ZipFile) -> str:
    """Return the media type that a document declares; no known one is long."""
    with archive.open(MEDIA_TYPE) as member:
        return member.read(200).decode("ascii", "replace").strip()


def _kind(archive: zipfile.ZipFile, budget: _Budget) -> FileType:
    names = archive.namelist()
    if CONTENT_TYPES in names:
        return _office(archive, names, budget)
    if MEDIA_TYPE in names:
        declared = _declared(archive)
        if declared == EPUB.media_type:
            return EPUB
        if declared in OPEN_DOCUMENTS:
            if any(one.startswith(("Basic/", "Scripts/")) for one in names):
                _refuse_macros(budget)
            return OPEN_DOCUMENTS[declared]
    return ZIP


def _office(archive: zipfile.ZipFile, names: list[str], budget: _Budget) -> FileType:
    family = _family(names)
    if not family:
        return ZIP
    carries = any(one.lower().endswith("vbaproject.bin") for one in names)
    if carries or b"macroEnabled" in archive.read(CONTENT_TYPES):
        _refuse_macros(budget)
        return WITH_MACROS[family]
    return OFFICE[family]


def _family(names: Collection[str]) -> str:
    folders = {one.partition("/")[0] for one in names}
    return next((one for one in OFFICE if one in folders), "")


def _refuse_macros(budget: _Budget) -> None:
    if not budget.allows_macros:
        raise AttachmentMacros(file=budget.name)
