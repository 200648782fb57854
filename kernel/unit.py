"""The unit of work: one transaction, one actor, one clock; the only place that commits.

Use it in api, pages, tasks and cli:

    with units(actor) as unit:
        result = approve(unit, selection_id, note=note)
    return result

Services take the unit first, may flush, never commit, and never open a unit of their own. Don't
wait for a network inside a unit: claim in one, call outside, record in another.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from kernel.actors import Actor
from kernel.clock import Clock
from kernel.db import database_errors
from kernel.jobs import Dispatcher, Task
from kernel.settings import Settings


@dataclass(slots=True)
class Unit:
    """What a service works with while its transaction is open."""

    session: Session
    actor: Actor
    clock: Clock
    settings: Settings
    tasks: list[Task] = field(default_factory=list)

    def rest(self) -> None:
        """Give the connection back until the next question, as before a wait.

        What was written is committed; so only units that write nothing rest.
        """
        self.session.commit()

    def after_commit(self, task: str, **arguments: Any) -> None:
        """Have `task` sent once this unit has committed; a rollback forgets it."""
        self.tasks.append((task, arguments))


@dataclass(slots=True)
class Units:
    """Opens units of work on one engine. Built once, where the program is put together."""

    engine: Engine
    clock: Clock
    settings: Settings
    dispatcher: Dispatcher
    _sessions: sessionmaker[Session] = field(init=False)

    def __post_init__(self) -> None:
        self._sessions = sessionmaker(self.engine, expire_on_commit=False, autoflush=False)

    @contextmanager
    def __call__(self, actor: Actor) -> Iterator[Unit]:
        """Open a unit for `actor`: commit at the end, roll back on any error, then send tasks."""
        with database_errors(), self._sessions() as session:
            unit = Unit(session=session, actor=actor, clock=self.clock, settings=self.settings)
            try:
                yield unit
                session.commit()
            except BaseException:
                session.rollback()
                raise
        for name, arguments in unit.tasks:
            self.dispatcher.send(name, arguments)
