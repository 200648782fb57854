"""Kaplan-Meier: how long until something happens to who may leave before it does."""

from collections.abc import Sequence
from typing import NamedTuple


class Step(NamedTuple):
    """The share to whom it has not happened yet, from this time on."""

    time: int
    share: float


def survival(times: Sequence[int], happened: Sequence[bool]) -> tuple[Step, ...]:
    """Return the curve of those seen for `times`, to whom it happened at their end or not."""
    share, steps = 1.0, [Step(0, 1.0)]
    for time in sorted({one for one, did in zip(times, happened, strict=True) if did}):
        at_risk = sum(one >= time for one in times)
        did = sum(one == time and event for one, event in zip(times, happened, strict=True))
        share *= 1 - did / at_risk
        steps.append(Step(time, share))
    return tuple(steps)


def time_at(curve: Sequence[Step], share: float) -> int | None:
    """Return the first time at which no more than this share is left; None if that is not seen."""
    return next((step.time for step in curve if step.share <= share + 1e-12), None)
