"""Worlds: what a builder makes for many tests is built once in each worker, and copied afterwards.

    @a_world
    def a_market(units: Units, *, ceiling_fen: int = 10_000) -> Market: ...

The builder runs in full the first two times that it is called with the same arguments, settings and
time. The second time its database is kept, and whoever asks later gets a copy of that database in
place of the fresh one, with copies of what the builder returned; the clock stands where it left
it, and what it sent is sent. A database that anybody opened before the call is never replaced:
there the builder always runs. So each test has its own world, and none sees another's.
"""

import io
import itertools
import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from kernel.clock import FixedClock
from kernel.jobs import RecordingDispatcher
from kernel.unit import Units
from tests.support.database import WarmEngine, warm_engine_of

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class _Kept:
    """A world: its database, and what a builder returned, left and sent, pickled."""

    database: str
    facts: bytes


_asked: set[bytes] = set()
_kept: dict[bytes, _Kept] = {}
_numbers = itertools.count(1)


def a_world(build: Callable[Concatenate[Units, P], R]) -> Callable[Concatenate[Units, P], R]:
    """Have a builder's worlds kept; what it makes must lie in the database alone."""

    @wraps(build)
    def built(units: Units, *args: P.args, **kwargs: P.kwargs) -> R:
        warm = warm_engine_of(units)
        if warm is None or not _can_be_kept(units) or not warm.untouched():
            return build(units, *args, **kwargs)
        key = _key(units, build, args, kwargs)
        if key in _kept:
            return _copied(units, warm, _kept[key])
        if key not in _asked:
            _asked.add(key)
            return build(units, *args, **kwargs)
        result = build(units, *args, **kwargs)
        _kept[key] = _keep(units, warm, result)
        return result

    return built


def _can_be_kept(units: Units) -> bool:
    return (
        type(units) is Units
        and isinstance(units.clock, FixedClock)
        and isinstance(units.dispatcher, RecordingDispatcher)
        and not units.dispatcher.sent
    )


def _key(units: Units, build: Callable[..., Any], args: Any, kwargs: Any) -> bytes:
    told = replace(units.settings, home=Path(), database_url="")
    asked = (build.__module__, build.__qualname__, args, sorted(kwargs.items()))
    return _pickled(units, (asked, told, units.clock.now()))


def _keep(units: Units, warm: WarmEngine, result: Any) -> _Kept:
    left = [path.name for path in units.settings.home.rglob("*") if not path.is_dir()]
    assert not left, f"a world that also lies in files: {left}"
    assert isinstance(units.clock, FixedClock)
    assert isinstance(units.dispatcher, RecordingDispatcher)
    facts = _pickled(units, (result, units.clock.at, units.dispatcher.sent))
    database = f"world_{os.getpid()}_{next(_numbers)}"
    warm.keep(database)
    return _Kept(database, facts)


def _copied(units: Units, warm: WarmEngine, kept: _Kept) -> Any:
    assert isinstance(units.clock, FixedClock)
    assert isinstance(units.dispatcher, RecordingDispatcher)
    warm.replace(kept.database)
    result, units.clock.at, sent = _Unpickler(io.BytesIO(kept.facts), units).load()
    units.dispatcher.sent.extend(sent)
    return result


def _of_the_test(units: Units) -> dict[str, Any]:
    """Return what is the test's own and must never come out of another's world."""
    names = ("engine", "clock", "settings", "dispatcher")
    return {"units": units} | {name: getattr(units, name) for name in names}


def _pickled(units: Units, value: Any) -> bytes:
    buffer = io.BytesIO()
    _Pickler(buffer, units).dump(value)
    return buffer.getvalue()


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, units: Units) -> None:
        super().__init__(file)
        self.names = {id(found): name for name, found in _of_the_test(units).items()}

    def persistent_id(self, found: Any) -> str | None:
        return self.names.get(id(found))


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, units: Units) -> None:
        super().__init__(file)
        self.found = _of_the_test(units)

    def persistent_load(self, name: str) -> Any:
        return self.found[name]
