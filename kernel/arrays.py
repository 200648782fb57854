"""Columns as binary arrays: what goes into the database by the thousand, through `unnest`.

The driver writes an array element by element as text; here a column becomes one buffer in
PostgreSQL's own format, which costs a tenth. Register once per process (`kernel.db` does).
"""

import struct
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Final
from uuid import UUID

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format

_HEADER: Final = struct.Struct(">iiIii")
_NULL: Final = b"\xff\xff\xff\xff"
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_LENGTHS: Final = [struct.pack(">i", length) for length in range(1024)]
_length: Final = struct.Struct(">i").pack


class BinaryArray:
    """One column, ready to be sent; `oid` is the array's type, `element_oid` its elements'."""

    oid: ClassVar[int]
    element_oid: ClassVar[int]
    __slots__ = ("content",)

    def __init__(self, content: bytes, *, size: int, nulls: bool = False) -> None:
        shape = (1, int(nulls), self.element_oid, size, 1) if size else (0, 0, self.element_oid)
        self.content = (_HEADER.pack(*shape) if size else struct.pack(">iiI", *shape)) + content

    @classmethod
    def of(cls, values: Sequence[Any]) -> "BinaryArray":
        """Return the column of `values`; None is NULL. What stands often is encoded once."""
        distinct = set(values)
        nulls = None in distinct
        if not nulls and len(distinct) * 2 > len(values):
            return cls.of_distinct(values)
        distinct.discard(None)
        known = list(distinct)
        elements: dict[Any, bytes] = {
            value: _length(len(one)) + one
            for value, one in zip(known, cls.encoded(known), strict=True)
        }
        elements[None] = _NULL
        content = b"".join([elements[value] for value in values])
        return cls(content, size=len(values), nulls=nulls)

    @classmethod
    def of_distinct(cls, values: Sequence[Any]) -> "BinaryArray":
        """Return the column of `values` of which few stand twice; None is not among them."""
        return cls(cls.joined(values), size=len(values))

    @classmethod
    def usually(cls, usual: Any, values: Sequence[Any]) -> "BinaryArray":
        """Return the column of `values`, empty if all are what is usual: `unnest` then has NULL."""
        return cls.of([]) if values.count(usual) == len(values) else cls.of(values)

    @classmethod
    def encoded(cls, values: Sequence[Any]) -> Sequence[bytes]:
        """Return each value as PostgreSQL has it, without its length."""
        raise NotImplementedError

    @classmethod
    def joined(cls, values: Sequence[Any]) -> bytes:
        """Return the values one behind another, each with its length before it."""
        return _joined(cls.encoded(values))


def _joined(contents: Sequence[bytes]) -> bytes:
    lengths = set(map(len, contents))
    if len(lengths) == 1:
        prefix = _length(lengths.pop())
        return prefix + prefix.join(contents)
    known, most = _LENGTHS, len(_LENGTHS)
    return b"".join(
        [
            (known[len(content)] if len(content) < most else _length(len(content))) + content
            for content in contents
        ]
    )


class TextArray(BinaryArray):
    oid, element_oid = 1009, 25

    @classmethod
    def encoded(cls, values: Sequence[str]) -> Sequence[bytes]:
        return [value.encode() for value in values]


class BytesArray(BinaryArray):
    oid, element_oid = 1001, 17

    @classmethod
    def encoded(cls, values: Sequence[bytes]) -> Sequence[bytes]:
        return values


class UuidArray(BinaryArray):
    oid, element_oid = 2951, 2950

    @classmethod
    def encoded(cls, values: Sequence[UUID]) -> Sequence[bytes]:
        return [value.bytes for value in values]


class _FixedArray(BinaryArray):
    """Numbers of one width, which are laid out all at once."""

    width: ClassVar[int]

    @classmethod
    def packed(cls, values: Sequence[Any]) -> bytes:
        """Return the values one behind another, without their lengths."""
        raise NotImplementedError

    @classmethod
    def encoded(cls, values: Sequence[Any]) -> Sequence[bytes]:
        packed, width = cls.packed(values), cls.width
        return [packed[start : start + width] for start in range(0, len(packed), width)]

    @classmethod
    def joined(cls, values: Sequence[Any]) -> bytes:
        packed, width = cls.packed(values), cls.width
        content = bytearray((_length(width) + bytes(width)) * len(values))
        for place in range(width):
            content[4 + place :: 4 + width] = packed[place::width]
        return bytes(content)


class IntegerArray(_FixedArray):
    """Integers of 64 bits."""

    oid, element_oid, width = 1016, 20, 8

    @classmethod
    def packed(cls, values: Sequence[int]) -> bytes:
        return struct.pack(f">{len(values)}q", *values)


class NumberArray(_FixedArray):
    """Integers of 32 bits: places in another column."""

    oid, element_oid, width = 1007, 23, 4

    @classmethod
    def packed(cls, values: Sequence[int]) -> bytes:
        return struct.pack(f">{len(values)}i", *values)


class MomentArray(_FixedArray):
    """Moments with their zone."""

    oid, element_oid, width = 1185, 1184, 8

    @classmethod
    def packed(cls, values: Sequence[datetime]) -> bytes:
        epoch = _EPOCH
        since = [value - epoch for value in values]
        microseconds = [
            (one.days * 86_400 + one.seconds) * 1_000_000 + one.microseconds for one in since
        ]
        return struct.pack(f">{len(values)}q", *microseconds)


ARRAYS: Final[tuple[type[BinaryArray], ...]] = (
    TextArray,
    BytesArray,
    UuidArray,
    IntegerArray,
    NumberArray,
    MomentArray,
)


def register_arrays() -> None:
    """Let the driver send binary arrays as they are."""
    for kind in ARRAYS:
        psycopg.adapters.register_dumper(kind, _dumper(kind))


def _dumper(kind: type[BinaryArray]) -> type[Dumper]:
    def dump(_self: Dumper, column: BinaryArray) -> Buffer:
        return column.content

    methods: dict[str, int | Format | Callable[..., Buffer]] = {
        "format": Format.BINARY,
        "oid": kind.oid,
        "dump": dump,
    }
    return type(f"{kind.__name__}Dumper", (Dumper,), methods)
