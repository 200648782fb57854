"""What is dear to reckon and the same for everybody, kept in a process for some minutes.

Decides nothing about what may be kept: whoever asks names all that the answer depends on, the
database first. While one reckons, others that ask for the same wait for it, having let go (`rest`)
of what the one that reckons, or somebody else, may need: else all connections wait for one.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


def _nothing() -> None:
    """Let go of nothing."""


@dataclass(slots=True)
class _Kept(Generic[Answer]):
    """One answer, since when; `lock` is held by whoever reckons it."""

    lock: Lock = field(default_factory=Lock)
    made_at: datetime | None = None
    answer: Answer | None = None


class Remembered(Generic[Answer]):
    """The last `most` answers that were asked for; safe to share between threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: OrderedDict[Hashable, _Kept[Answer]] = OrderedDict()
        self._lock = Lock()

    def ask(
        self,
        key: Hashable,
        *,
        now: datetime,
        seconds: int,
        make: Callable[[], Answer],
        rest: Callable[[], None] = _nothing,
    ) -> Answer:
        """Return the answer to a key, reckoned anew when it is `seconds` old; 0: each time.

        `rest` is called before waiting for whoever reckons it. What `make` raises is raised, and
        nothing is kept of it.
        """
        if not seconds:
            return make()
        kept = self._place(key)
        if not kept.lock.acquire(blocking=False):
            rest()
            kept.lock.acquire()
        try:
            if (
                kept.answer is None
                or kept.made_at is None
                or not kept.made_at <= now < kept.made_at + timedelta(seconds=seconds)
            ):
                kept.answer, kept.made_at = make(), now
            return kept.answer
        finally:
            kept.lock.release()

    def _place(self, key: Hashable) -> _Kept[Answer]:
        with self._lock:
            kept = self._known.setdefault(key, _Kept())
            self._known.move_to_end(key)
            while len(self._known) > self._most:
                self._known.popitem(last=False)
            return kept
