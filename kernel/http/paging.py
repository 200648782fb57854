"""Cursors: where a list goes on, as an opaque text made of the last row's key.

A list is read by its key (`WHERE key > cursor ORDER BY key LIMIT n + 1`), so that rows which come
and go between two pages neither repeat nor hide others.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

import msgspec

from kernel.errors import InvalidInput

LONGEST_CURSOR: Final = 512

Key = TypeVar("Key")
Row = TypeVar("Row")


class Slice(msgspec.Struct, Generic[Row], frozen=True, kw_only=True):
    """Some rows, and the cursor of what follows: empty where nothing does."""

    items: list[Row]
    next_cursor: str


def encode_cursor(key: object) -> str:
    """Return the cursor after the row with this key (a tuple of texts, numbers, times, UUIDs)."""
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).rstrip(b"=").decode("ascii")


def decode_cursor(cursor: str, key_type: type[Key]) -> Key:
    """Return the key inside a cursor; what is not one of ours raises `InvalidInput`."""
    try:
        if len(cursor) > LONGEST_CURSOR:
            raise ValueError("too long")
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        return msgspec.json.decode(base64.b64decode(padded, b"-_", validate=True), type=key_type)
    except (ValueError, binascii.Error, msgspec.DecodeError):
        raise InvalidInput(
            field="cursor", value=cursor[:40], expected="the next_cursor of an earlier answer"
        ) from None


def cut(rows: Sequence[Row], *, limit: int, key: Callable[[Row], object]) -> Slice[Row]:
    """Return the first `limit` rows of a query that fetched one more, and the cursor if it did."""
    items = list(rows[:limit])
    more = len(rows) > limit and bool(items)
    return Slice(items=items, next_cursor=encode_cursor(key(items[-1])) if more else "")
