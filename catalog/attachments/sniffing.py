"""Looking into a file before it is kept: what it is by its content, and what speaks against it.

Decides nothing by the name but whether it fits: a program stays one under any name. Reads as a
stream, so that a large file never stands in memory.
"""

import codecs
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Final

from catalog.attachments.archives import old_office_of, type_of_zip
from catalog.attachments.drawings import require_passive_drawing
from catalog.attachments.heads import (
    HEAD_BYTES,
    guessed,
    is_drawing,
    is_page,
    is_pdf,
    is_program,
    kind_of_program,
    may_run,
)
from catalog.attachments.kinds import (
    BY_MAGIC,
    ENDINGS,
    SVG,
    TEXT,
    FileType,
)
from catalog.attachments.pdfs import require_passive_pdf
from kernel.errors import (
    AttachmentActive,
    AttachmentEmpty,
    AttachmentExecutable,
    AttachmentMisnamed,
    AttachmentTooLarge,
    AttachmentTypeRefused,
)

CHUNK_BYTES: Final = 1 << 20
ZIP_MAGIC: Final = b"PK"
OLE_MAGIC: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
BOMS: Final = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
CONTROLS: Final = frozenset(range(32)) - frozenset(b"\t\n\r\f")


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What an installation allows: how many bytes, and whether documents may carry macros."""

    most_bytes: int
    allows_macros: bool = False


def type_of(file: IO[bytes], *, name: str, size_bytes: int, rules: Rules) -> FileType:
    """Return what a file is, or raise what speaks against keeping it; `name` is its sender's.

    Raises `AttachmentEmpty`, `AttachmentTooLarge`, `AttachmentExecutable`, `AttachmentActive`,
    `AttachmentTypeRefused`, `AttachmentMisnamed`, and of archives and documents `AttachmentBomb`,
    `AttachmentMacros`, `AttachmentSealed` and `AttachmentBroken`.
    """
    if not size_bytes:
        raise AttachmentEmpty(file=name)
    if size_bytes > rules.most_bytes:
        raise AttachmentTooLarge(file=name, most_mb=rules.most_bytes // 1_000_000)
    file.seek(0)
    head = file.read(HEAD_BYTES)
    file.seek(0)
    found = _type_of(file, head, name=name, rules=rules)
    ending = PurePosixPath(name).suffix.lower().removeprefix(".")
    if ending not in found.endings:
        expected = ", ".join(f".{one}" for one in found.endings)
        raise AttachmentMisnamed(file=name, found=found.name, expected=expected)
    file.seek(0)
    return found


def _type_of(file: IO[bytes], head: bytes, *, name: str, rules: Rules) -> FileType:
    if is_program(head):
        raise AttachmentExecutable(file=name, found=kind_of_program(head))
    if head.startswith(ZIP_MAGIC):
        return type_of_zip(
            file, name=name, most_bytes=rules.most_bytes, allows_macros=rules.allows_macros
        )
    if head.startswith(OLE_MAGIC):
        return old_office_of(file, name=name, allows_macros=rules.allows_macros)
    if may_run(head):
        raise AttachmentExecutable(file=name, found=kind_of_program(head))
    if is_drawing(head):
        require_passive_drawing(file, name=name)
        return SVG
    if is_page(head):
        raise AttachmentActive(file=name, found="HTML")
    if is_pdf(head):
        require_passive_pdf(file, name=name)
    found = guessed(head)
    for one in BY_MAGIC:
        if found in one.magic:
            return one
    if _is_text(file):
        return TEXT
    raise AttachmentTypeRefused(file=name, expected=", ".join(ENDINGS))


def _is_text(file: IO[bytes]) -> bool:
    """Whether all of it is text in UTF-8, GB18030 or UTF-16, without control characters."""
    file.seek(0)
    first = file.read(2)
    file.seek(0)
    encodings = (BOMS[first],) if first in BOMS else ("utf-8", "gb18030")
    return any(_reads_as(file, one) for one in encodings)


def _reads_as(file: IO[bytes], encoding: str) -> bool:
    file.seek(0)
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        while chunk := file.read(CHUNK_BYTES):
            if not CONTROLS.isdisjoint(map(ord, set(decoder.decode(chunk)))):
                return False
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
