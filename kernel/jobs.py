"""Background work seen from below: names of tasks, and a place to send them to.

Services ask a unit to send a task after its commit. What carries it (Celery, or nothing in a test)
is decided where the program is put together. A message only hints: the row's state is the truth,
so a lost or doubled one changes nothing.
"""

from dataclasses import dataclass, field
from typing import Any, Protocol

Task = tuple[str, dict[str, Any]]


class Dispatcher(Protocol):
    def send(self, name: str, arguments: dict[str, Any]) -> None:
        """Hand one task to the workers; called only after the commit."""


@dataclass(slots=True)
class RecordingDispatcher:
    """Keeps what would be sent: for commands that run without workers, and for tests."""

    sent: list[Task] = field(default_factory=list)

    def send(self, name: str, arguments: dict[str, Any]) -> None:
        self.sent.append((name, arguments))
