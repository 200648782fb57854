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
_pack_integer: Final = struct.Struct(">iq").pack
_length: Final = struct.Struct(">i").pack


class BinaryArray:
    """One column, ready to be sent; `oid` is the array's type, `element_oid` its elements'."""

    oid: ClassVar[int]
    element_oid: ClassVar[int]
    __slots__ = ("content",)

    def __init__(self, elements: Sequence[bytes], *, nulls: bool = False) -> None:
        size = len(elements)
        shape = (1, int(nulls), self.element_oid, size, 1) if size else (0, 0, self.element_oid)
        header = _HEADER.pack(*shape) if size else struct.pack(">iiI", *shape)
        self.content = header + b"".join(elements)

    @classmethod
    def of(cls, values: Sequence[Any]) -> "BinaryArray":
        """Return the column of `values`; None is NULL. What stands often is encoded once."""
        distinct = set(values)
        nulls = None in distinct
        if not nulls and len(distinct) * 2 > len(values):
            return cls(cls.encoded(values))
        distinct.discard(None)
        known = list(distinct)
        elements: dict[Any, bytes] = dict(zip(known, cls.encoded(known), strict=True))
        elements[None] = _NULL
        return cls([elements[value] for value in values], nulls=nulls)

    @classmethod
    def usually(cls, usual: Any, values: Sequence[Any]) -> "BinaryArray":
        """Return the column of `values`, empty if all are what is usual: `unnest` then has NULL."""
        return cls([]) if values.count(usual) == len(values) else cls.of(values)

    @classmethod
    def encoded(cls, values: Sequence[Any]) -> list[bytes]:
        """Return each value with its length before it."""
        raise NotImplementedError


def _with_lengths(contents: Sequence[bytes]) -> list[bytes]:
    known, most = _LENGTHS, len(_LENGTHS)
    return [
        (known[len(content)] if len(content) < most else _length(len(content))) + content
        for content in contents
    ]


class TextArray(BinaryArray):
    oid, element_oid = 1009, 25

    @classmethod
    def encoded(cls, values: Sequence[str]) -> list[bytes]:
        return _with_lengths([value.encode() for value in values])


class BytesArray(BinaryArray):
    oid, element_oid = 1001, 17

    @classmethod
    def encoded(cls, values: Sequence[bytes]) -> list[bytes]:
        return _with_lengths(values)


class UuidArray(BinaryArray):
    oid, element_oid = 2951, 2950

    @classmethod
    def encoded(cls, values: Sequence[UUID]) -> list[bytes]:
        prefix = _LENGTHS[16]
        return [prefix + value.bytes for value in values]


class IntegerArray(BinaryArray):
    """Integers of 64 bits."""

    oid, element_oid = 1016, 20

    @classmethod
    def encoded(cls, values: Sequence[int]) -> list[bytes]:
        return [_pack_integer(8, value) for value in values]


class MomentArray(BinaryArray):
    """Moments with their zone."""

    oid, element_oid = 1185, 1184

    @classmethod
    def encoded(cls, values: Sequence[datetime]) -> list[bytes]:
        epoch, pack = _EPOCH, _pack_integer
        since = [value - epoch for value in values]
        return [
            pack(8, (one.days * 86_400 + one.seconds) * 1_000_000 + one.microseconds)
            for one in since
        ]


ARRAYS: Final[tuple[type[BinaryArray], ...]] = (
    TextArray,
    BytesArray,
    UuidArray,
    IntegerArray,
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
