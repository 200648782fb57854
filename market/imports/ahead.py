"""Reading ahead: the next chunk of a file is read while the database works on this one.

Both threads share one interpreter. After each answer of the database the thread that asked waits
until the reader lets go of it, by default 5 ms: with a dozen short statements for each chunk that
was about an eighth of the time of an import.
"""

import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

SWITCH_S = 0.0005
"""How long the reader may hold the interpreter while the other thread waits for it."""


@contextmanager
def read_ahead(items: Iterator[T]) -> Iterator[Iterator[T]]:
    """Yield the items in their order, each read on a thread while the one before it is in use.

    One item at most is read ahead. What reading raises is raised in its item's place; when the
    block is left, reading has ended.
    """
    with _switching(SWITCH_S), ThreadPoolExecutor(1, thread_name_prefix="reader") as reader:
        yield _ahead(items, reader)


@contextmanager
def _switching(interval_s: float) -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(interval_s)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _ahead(items: Iterator[T], reader: ThreadPoolExecutor) -> Iterator[T]:
    coming: Future[tuple[T] | None] = reader.submit(_next, items)
    while (found := coming.result()) is not None:
        coming = reader.submit(_next, items)
        yield found[0]


def _next(items: Iterator[T]) -> tuple[T] | None:
    for item in items:
        return (item,)
    return None
