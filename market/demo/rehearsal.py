"""How the sample county is brought into the books: on the days on which it would have happened.

Everything goes through the services and imports that real data goes through, with a clock that
stands at the day of each act, so that the result is the same whenever it is made. What was done is
marked in the trail, act by act: a load that was killed goes on after the last mark, and each act
may be repeated.
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import exists, select

from kernel.actors import Actor, system_actor
from kernel.clock import FixedClock
from kernel.errors import PartlyLoaded
from kernel.identity.grants import actor_of
from kernel.identity.models import Organisation
from kernel.jobs import RecordingDispatcher
from kernel.trail import TrailRow, record
from kernel.unit import Unit, Units
from market.demo.county import Row
from market.imports.kinds import Kind
from market.imports.maps import NO_MAP
from market.imports.master import import_master
from market.imports.tally import Rejects
from procurement.approvals import sign_all
from procurement.due_steps import signatories

VIA = "demo"
SYSTEM = system_actor(VIA)
STEP_DONE = "demo.step"
COMPLETE = "demo.complete"
BULK_STEP = "bulk purchase"

Progress = Callable[[str, int, int], None]
"""Called as `progress(step, done, total)`."""


def no_progress(_step: str, _done: int, _total: int) -> None:
    """Report nothing."""


def on_day(units: Units, at: datetime) -> Units:
    """Return units of work that stand at `at`; tasks they ask for are not sent, the caller acts."""
    return replace(units, clock=FixedClock(at), dispatcher=RecordingDispatcher())


def person(units: Units, login: str) -> Actor:
    """Return the member of the sample's staff with this login."""
    with units(SYSTEM) as unit:
        return actor_of(unit, login=login, via=VIA)


def steps_done(unit: Unit) -> set[str]:
    """Return the names of the steps that are marked as done."""
    return set(unit.session.scalars(select(TrailRow.subject_id).where(TrailRow.act == STEP_DONE)))


def mark_done(unit: Unit, step: str) -> None:
    record(unit, STEP_DONE, subject_kind="sample", subject_id=step)


def is_complete(unit: Unit) -> bool:
    """Return whether the sample county was loaded to its end."""
    return bool(unit.session.scalar(select(exists().where(TrailRow.act == COMPLETE))))


def refuse_other_data(unit: Unit) -> None:
    """Raise `PartlyLoaded` if somebody's own organisations are here: the two don't mix."""
    if unit.session.scalar(select(exists().where(~Organisation.is_sample))):
        raise PartlyLoaded()


@contextmanager
def written(rows: Sequence[Row], *, file_name: str) -> Iterator[Path]:
    """Write rows as the CSV file that a school or platform would hand in; remove it afterwards."""
    with TemporaryDirectory(prefix="xuanyong-sample-") as folder:
        path = Path(folder) / file_name
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        yield path


def sign_what_is_due(units: Units) -> None:
    """Have everybody sign what is theirs to sign, until nothing is due; the last one agrees."""
    signed = True
    while signed:
        with units(SYSTEM) as unit:
            people = signatories(unit)
        signed = False
        for actor in people:
            with units(actor) as unit:
                signed = bool(sign_all(unit).signed) or signed


def take_in(units: Units, kind: Kind, rows: Sequence[Row]) -> None:
    """Import rows of master data; a row that is there already is left as it is."""
    with written(rows, file_name=f"sample-{kind.name}.csv") as path, Rejects(None) as rejects:
        import_master(units, SYSTEM, kind, path=path, field_map=NO_MAP, rejects=rejects)
