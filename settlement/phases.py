"""Where the time of a close goes: seconds per phase, for the benchmark and the log."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from time import perf_counter

PHASES = ("seal", "count", "rate", "state", "post")


@dataclass(slots=True)
class Phases:
    """Seconds spent in each phase of a close, summed over the shards that run side by side."""

    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PHASES, 0.0))
    lock: Lock = field(default_factory=Lock)

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Add the time of the block to `phase`."""
        started = perf_counter()
        try:
            yield
        finally:
            took = perf_counter() - started
            with self.lock:
                self.seconds[phase] += took
