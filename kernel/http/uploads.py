"""Uploads: one file of a form, taken in as a stream, counted and digested while it comes.

Decides how much is taken: a length that is declared too large is refused before anything is read,
what turns out too large while it comes, too. The file lies in a nameless temporary file that is
gone when it is closed, whatever happens; nothing of it stands in memory but the piece that comes.
"""

import asyncio
import hashlib
import tempfile
import unicodedata
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from litestar.enums import RequestEncodingType
from litestar.exceptions import ClientException
from litestar.handlers import BaseRouteHandler
from litestar.types import Guard
from multipart import MultipartSegment, ParserError, PushMultipartParser

from kernel.errors import AttachmentMissing, AttachmentTooLarge, CsrfRefused
from kernel.http.machines import MachineDoor
from kernel.http.problems import AnyConnection, AnyRequest
from kernel.http.sessions import CSRF_FIELD, CSRF_HEADER, comes_from_here
from kernel.settings import Settings

FILE_FIELD: Final = "file"
INCOMING: Final = "incoming"
FORM_BYTES: Final = 64_000
"""What the form around the file may take: its other fields and the heads of its parts."""
FIELDS: Final = 20
LONGEST_NAME: Final = 120
WRITE_BYTES: Final = 1 << 20
STATE: Final = "upload"


@dataclass(slots=True)
class Upload:
    """A file that came; `digest` is SHA-256 in hex, `fields` are the form's others."""

    name: str
    file: IO[bytes]
    size_bytes: int
    digest: str
    fields: dict[str, str] = field(default_factory=dict)


def upload_receiver(settings: Settings) -> Callable[[AnyRequest], Awaitable[None]]:
    """Return the `before_request` hook of routes that take a file, in place of `check_form`."""

    async def receive(request: AnyRequest) -> None:
        if not comes_from_here(request):
            raise CsrfRefused(act=request.scope["path"], needs="same-origin", actor="")
        most_mb = settings.attachment_mb
        upload = await _receive(request, most_mb=most_mb, folder=settings.home / INCOMING)
        token = request.headers.get(CSRF_HEADER, "") or upload.fields.pop(CSRF_FIELD, "")
        request.state[CSRF_FIELD] = token
        request.state[STATE] = upload

    return receive


def keys_first(machines: MachineDoor) -> Guard:
    """Return a guard that asks for a key before the file that comes with it is taken in."""

    async def require_key(connection: AnyConnection, handler: BaseRouteHandler) -> None:
        if connection.headers.get("authorization"):
            await asyncio.to_thread(machines.require_admitted, connection, handler.opt)

    return require_key


@contextmanager
def taken_in(request: AnyRequest) -> Iterator[Upload]:
    """Yield the request's file for as long as it is needed, then let it go."""
    upload: Upload = request.state[STATE]
    with upload.file:
        yield upload


def plain_name(given: str) -> str:
    """Return the name of a file without folders and what can't be seen, its ending kept."""
    bare = unicodedata.normalize("NFC", given).replace("\\", "/").rpartition("/")[2]
    seen = "".join(one for one in bare if one.isprintable()).strip().strip(".")
    stem, dot, ending = seen.rpartition(".")
    if not dot:
        return seen[:LONGEST_NAME]
    return f"{stem[: LONGEST_NAME - len(ending) - 1]}.{ending}"[:LONGEST_NAME]


async def _receive(request: AnyRequest, *, most_mb: int, folder: Path) -> Upload:
    kind, options = request.content_type
    if kind != RequestEncodingType.MULTI_PART.value or "boundary" not in options:
        raise AttachmentMissing
    most_bytes = most_mb * 1_000_000
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    file = await asyncio.to_thread(_nameless, folder)
    taking = _Taking(file, most_mb=most_mb)
    declared = request.headers.get("content-length", "")
    is_too_large = declared.isdigit() and int(declared) > most_bytes + FORM_BYTES
    try:
        with PushMultipartParser(options["boundary"], max_segment_count=FIELDS) as parser:
            async for piece in _pieces(request):
                await taking.take(parser.parse(piece))
                if is_too_large and (taking.name or taking.seen > FORM_BYTES):
                    raise AttachmentTooLarge(file=taking.name or "–", most_mb=most_mb)
        return await taking.end()
    except ParserError as error:
        file.close()
        raise ClientException("Invalid multipart/form-data") from error
    except BaseException:
        file.close()
        raise


def _nameless(folder: Path) -> IO[bytes]:
    return tempfile.TemporaryFile(dir=folder)


class _Taking:
    """One form as it comes: its file goes to the disk, its other fields are kept."""

    def __init__(self, file: IO[bytes], *, most_mb: int) -> None:
        self.file = file
        self.most_mb = most_mb
        self.name = ""
        self.seen = 0
        self._hash = hashlib.sha256()
        self._size_bytes = 0
        self._segment: MultipartSegment | None = None
        self._fields: dict[str, bytearray] = {}
        self._buffer = bytearray()
        self._has_file = False

    async def take(self, events: Any) -> None:
        for event in events:
            if isinstance(event, MultipartSegment):
                self._begin(event)
            elif event is None:
                self._segment = None
            elif self._in_file:
                await self._write(event)
            elif self._segment is not None:
                kept = self._fields.setdefault(self._segment.name, bytearray())
                self.seen += len(event)
                if self.seen > FORM_BYTES:
                    raise AttachmentTooLarge(file=self.name or "–", most_mb=self.most_mb)
                kept += event

    async def end(self) -> Upload:
        if not self._has_file or not self.name:
            raise AttachmentMissing
        await self._flush()
        self.file.seek(0)
        fields = {name: value.decode("utf-8", "replace") for name, value in self._fields.items()}
        return Upload(self.name, self.file, self._size_bytes, self._hash.hexdigest(), fields)

    @property
    def _in_file(self) -> bool:
        return self._segment is not None and self._segment.name == FILE_FIELD

    def _begin(self, segment: MultipartSegment) -> None:
        self._segment = segment
        if segment.name == FILE_FIELD and not self._has_file:
            self.name, self._has_file = plain_name(segment.filename or ""), True
        elif segment.name == FILE_FIELD:
            raise ClientException("one file at a time")

    async def _write(self, piece: bytes) -> None:
        self._size_bytes += len(piece)
        if self._size_bytes > self.most_mb * 1_000_000:
            raise AttachmentTooLarge(file=self.name, most_mb=self.most_mb)
        self._buffer += piece
        if len(self._buffer) >= WRITE_BYTES:
            await self._flush()

    async def _flush(self) -> None:
        piece, self._buffer = bytes(self._buffer), bytearray()
        await asyncio.to_thread(self._keep, piece)

    def _keep(self, piece: bytes) -> None:
        self._hash.update(piece)
        self.file.write(piece)


async def _pieces(request: AnyRequest) -> AsyncIterator[bytes]:
    """Yield the body as it comes; the length that is declared is looked at by the caller."""
    while True:
        message: Any = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientException("the sender went away")
        if message["body"]:
            yield bytes(message["body"])
        if not message.get("more_body", False):
            return
