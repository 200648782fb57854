"""What is dear to reckon is reckoned once for a while, whoever asks."""

from datetime import UTC, datetime, timedelta
from threading import Barrier, Event, Thread, current_thread

import pytest

from kernel.remembering import Remembered

NOON = datetime(2026, 8, 3, 12, tzinfo=UTC)


def test_an_answer_is_kept_for_its_seconds_and_not_longer() -> None:
    kept, made = Remembered[int](most=2), iter(range(10))

    def asked(key: str, after_s: int, seconds: int = 60) -> int:
        now = NOON + timedelta(seconds=after_s)
        return kept.ask(key, now=now, seconds=seconds, make=lambda: next(made))

    assert [asked("a", 0), asked("a", 59), asked("a", 60), asked("a", 61)] == [0, 0, 1, 1]
    assert asked("a", 61, seconds=0) == 2, "nothing is kept of what is wanted anew"
    assert asked("a", 50) == 3, "nor of a clock that went back"
    assert [asked("b", 50), asked("c", 50), asked("b", 51), asked("a", 51)] == [4, 5, 4, 6]


def test_what_fails_is_not_kept() -> None:
    kept = Remembered[int](most=1)
    with pytest.raises(ZeroDivisionError):
        kept.ask("a", now=NOON, seconds=60, make=lambda: 1 // 0)
    assert kept.ask("a", now=NOON, seconds=60, make=lambda: 7) == 7


def test_who_waits_has_let_go_before() -> None:
    """Who reckons, and who finds it reckoned, lets go of nothing."""
    kept, reckons, goes_on, rested, got = Remembered[int](most=1), Event(), Event(), [], []

    def make() -> int:
        reckons.set()
        assert goes_on.wait(timeout=10)
        return 7

    def rest() -> None:
        rested.append(current_thread().name)
        goes_on.set()

    def ask() -> None:
        got.append(kept.ask("a", now=NOON, seconds=60, make=make, rest=rest))

    first, second = Thread(target=ask, name="first"), Thread(target=ask, name="second")
    first.start()
    assert reckons.wait(timeout=10)
    second.start()
    for one in (first, second):
        one.join(timeout=10)
    assert (rested, got) == (["second"], [7, 7])
    ask()
    assert rested == ["second"]


def test_who_asks_while_another_reckons_waits_for_it() -> None:
    kept, together, made, got = Remembered[object](most=1), Barrier(4), [], []

    def make() -> object:
        made.append(object())
        return made[-1]

    def ask() -> None:
        together.wait(timeout=10)
        got.append(kept.ask("a", now=NOON, seconds=60, make=make))

    threads = [Thread(target=ask) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(timeout=10)
    assert len(made) == 1
    assert got == made * 4
