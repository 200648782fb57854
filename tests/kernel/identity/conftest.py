"""Counting statements: a set-wise service sends as many for ten thousand rows as for one."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event

Statements = Callable[[], AbstractContextManager[list[str]]]


@pytest.fixture
def statements(engine: Engine) -> Statements:
    """Record the statements sent within a block, each `executemany` as one."""

    @contextmanager
    def recorded() -> Iterator[list[str]]:
        sent: list[str] = []

        def note(*arguments: Any) -> None:
            sent.append(arguments[2])

        event.listen(engine, "before_cursor_execute", note)
        try:
            yield sent
        finally:
            event.remove(engine, "before_cursor_execute", note)

    return recorded
