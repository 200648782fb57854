"""What is dear to reckon and the same for everybody, kept in a process for some minutes.

Decides nothing about what may be kept: whoever asks names all that the answer depends on, the
database first. While one reckons, others that ask for the same wait for it.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


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
        self, key: Hashable, *, now: datetime, seconds: int, make: Callable[[], Answer]
    ) -> Answer:
        """Return the answer to a key, reckoned anew when it is `seconds` old; 0: each time.

        What `make` raises is raised, and nothing is kept of it.
        """
        if not seconds:
            return make()
        kept = self._place(key)
        with kept.lock:
            if (
                kept.answer is None
                or kept.made_at is None
                or not kept.made_at <= now < kept.made_at + timedelta(seconds=seconds)
            ):
                kept.answer, kept.made_at = make(), now
            return kept.answer

    def _place(self, key: Hashable) -> _Kept[Answer]:
        with self._lock:
            kept = self._known.setdefault(key, _Kept())
            self._known.move_to_end(key)
            while len(self._known) > self._most:
                self._known.popitem(last=False)
            return kept
