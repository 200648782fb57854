"""PDF documents: kept only if nothing in them runs by itself or starts a program.

Looks for the names by which a document's dictionaries say so (ISO 32000-1, 12.6.4.5 and 12.6.4.16),
however they are spelled, where they stand plainly and in packed streams of objects. Texts and
pictures are not unpacked.
"""

import re
import zlib
from collections.abc import Iterator
from itertools import islice
from typing import IO, Final

from kernel.errors import AttachmentActive, AttachmentBomb, AttachmentBroken, AttachmentSealed

CHUNK_BYTES: Final = 1 << 20
OVERLAP_BYTES: Final = 64
"""Longer than a name that is looked for, every letter written as a number."""
DICTIONARY_BYTES: Final = 4_096
"""Within how many bytes of its type the content of a stream of objects begins."""
MOST_MB: Final = 100
"""What the streams of objects of one document may unpack to."""
MOST_STREAMS: Final = 10_000
PACKED_BYTES: Final = 1 << 16
"""How much of a stream is read at once: most are short."""


def _spelled(name: str) -> bytes:
    """Return a pattern for a name, each letter as itself or as `#` and two digits."""
    letters = "".join(f"(?:{one}|#{ord(one):02x}|#{ord(one):02X})" for one in name)
    return f"/{letters}(?![A-Za-z0-9#])".encode()


RUNS: Final = {name: re.compile(_spelled(name)) for name in ("JavaScript", "Launch")}
OBJECTS: Final = re.compile(_spelled("ObjStm"))
FILTER: Final = re.compile(_spelled("Filter"))
ENCRYPTED: Final = re.compile(_spelled("Encrypt"))
OBJECT: Final = b" obj"
CONTENT: Final = re.compile(rb"\bstream\r?\n")


def require_passive_pdf(file: IO[bytes], *, name: str) -> None:
    """Raise `AttachmentActive` for a document that runs something, `AttachmentBomb` for a trap.

    `AttachmentSealed` and `AttachmentBroken` for objects into which nobody can look.
    """
    for found, pattern in RUNS.items():
        if next(_places(file, pattern), None) is not None:
            raise AttachmentActive(file=name, found=found)
    left_bytes = MOST_MB * 1_000_000
    places = list(islice(_places(file, OBJECTS), MOST_STREAMS + 1))
    if len(places) > MOST_STREAMS:
        raise AttachmentBomb(file=name, most_mb=MOST_MB)
    for place in places:
        for piece in _objects_at(file, place, name=name):
            left_bytes -= len(piece)
            if left_bytes < 0:
                raise AttachmentBomb(file=name, most_mb=MOST_MB)
            for found, pattern in RUNS.items():
                if pattern.search(piece):
                    raise AttachmentActive(file=name, found=found)


def _places(file: IO[bytes], pattern: re.Pattern[bytes]) -> Iterator[int]:
    """Yield where a pattern ends in a file, which is read a piece at a time."""
    file.seek(0)
    before, kept = 0, b""
    while chunk := file.read(CHUNK_BYTES):
        piece = kept + chunk
        for found in pattern.finditer(piece):
            # What ends with the overlap was found with the piece before.
            if before == 0 or found.end() > len(kept):
                yield before + found.end()
        kept = piece[-OVERLAP_BYTES:]
        before += len(piece) - len(kept)


def _objects_at(file: IO[bytes], place: int, *, name: str) -> Iterator[bytes]:
    """Yield what a stream of objects unpacks to, in pieces that overlap; nothing if it is plain."""
    first = max(0, place - DICTIONARY_BYTES)
    file.seek(first)
    around = file.read(2 * DICTIONARY_BYTES)
    begin = CONTENT.search(around, place - first)
    if begin is None:
        return
    opened = max(around.rfind(OBJECT, 0, place - first), 0)
    if FILTER.search(around, opened, begin.start()) is None:
        return
    file.seek(first + begin.end())
    unpacking, kept = zlib.decompressobj(), b""
    try:
        while not unpacking.eof and (chunk := file.read(PACKED_BYTES)):
            while chunk and not unpacking.eof:
                piece = kept + unpacking.decompress(chunk, CHUNK_BYTES)
                chunk = unpacking.unconsumed_tail
                yield piece
                kept = piece[-OVERLAP_BYTES:]
    except zlib.error:
        if next(_places(file, ENCRYPTED), None) is not None:
            raise AttachmentSealed(file=name, inner="PDF") from None
        raise AttachmentBroken(file=name, reason="PDF: ObjStm") from None
