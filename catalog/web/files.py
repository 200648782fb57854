"""Answering with an attached file: never as something that runs, and a piece of it where asked.

Decides the headers: the type that was found when the file was kept, a name with the right ending,
and a policy under which a browser that opens it after all runs nothing of it.
"""

import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

from litestar import MediaType, Response
from litestar.response import Stream

from catalog.attachments.reading import AttachedFile
from catalog.attachments.vault import Vault
from kernel.http.problems import AnyRequest

FILES: Final = "/catalog/files"
RANGE: Final = re.compile(r"bytes=(\d{1,15})-(\d{0,15})", re.ASCII)
SANDBOXED: Final = "sandbox; default-src 'none'; frame-ancestors 'none'"


def file_address(attachment_id: UUID) -> str:
    return f"{FILES}/{attachment_id}"


def send_file(request: AnyRequest, vault: Vault, file: AttachedFile) -> Response[Any]:
    """Stream a file to whoever was found to be allowed; call it after the unit has ended."""
    etag = f'"{file.digest}"'
    if request.headers.get("if-none-match", "") == etag:
        return Response(None, status_code=304, headers=_headers(file, etag))
    wanted = _range(request.headers.get("range", ""), size_bytes=file.size_bytes)
    if wanted is None:
        content = vault.chunks(file.digest, name=file.name)
        return _stream(content, file, etag, length=file.size_bytes)
    start, length = wanted
    if length <= 0:
        headers = _headers(file, etag) | {"Content-Range": f"bytes */{file.size_bytes}"}
        return Response(b"", status_code=416, media_type=MediaType.TEXT, headers=headers)
    content = vault.chunks(file.digest, name=file.name, start=start, length=length)
    response = _stream(content, file, etag, length=length, status=206)
    response.headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{file.size_bytes}"
    return response


def _stream(
    content: Iterator[bytes], file: AttachedFile, etag: str, *, length: int, status: int = 200
) -> Stream:
    headers = _headers(file, etag) | {"Content-Length": str(length)}
    return Stream(content, status_code=status, media_type=file.media_type, headers=headers)


def _headers(file: AttachedFile, etag: str) -> dict[str, str]:
    return {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.name, safe='')}",
        "Content-Security-Policy": SANDBOXED,
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "private, no-cache",
        "Accept-Ranges": "bytes",
        "ETag": etag,
    }


def _range(given: str, *, size_bytes: int) -> tuple[int, int] | None:
    """Return start and length of the one range that is asked for; None for the whole file."""
    match = RANGE.fullmatch(given.strip())
    if match is None:
        return None
    start = int(match[1])
    end = min(int(match[2]) if match[2] else size_bytes - 1, size_bytes - 1)
    return start, end - start + 1
