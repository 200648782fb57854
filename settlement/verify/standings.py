"""Standings recomputed: from their events, looks from their snapshots, steps from the gates (R45).

What the database refuses as it happens is asked once more of what is kept: a standing stands where
its last event led, a look says what its run has, a step was due by the look that it rests on, and
who signed it was a reviewer then. What the trail tells of them is `standing_trail`'s.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from typing import Any, Final, TypeVar
from uuid import UUID

from sqlalchemy import select

from kernel.clock import shanghai_day, show_month
from kernel.identity.models import Organisation
from kernel.unit import Unit
from settlement.ranking.evidence_queries import VENDOR
from settlement.ranking.models import (
    PublishedConfig,
    ScoreRun,
    ScoreSnapshot,
    Standing,
    StandingAppeal,
    StandingEvent,
    StandingLook,
    StandingNotice,
    StandingReturn,
)
from settlement.ranking.rules import rules_from
from settlement.ranking.standing_states import VendorStanding
from settlement.verify.standing_steps import Kept, check_step, unfit_signers

SAID: Final = ("month", "score", "sd", "p_bad", "is_newcomer")
Row = TypeVar("Row", StandingEvent, StandingNotice, StandingAppeal, StandingReturn, StandingLook)


def check_standings(unit: Unit) -> Iterator[str]:
    """Compare looks with their runs, and every standing with what it rests on."""
    yield from _check_looks(unit)
    unfit = unfit_signers(unit)
    for kept in _kept(unit):
        yield from _check_course(kept)
        for event in kept.events:
            yield from check_step(unit, kept, event)
            if event.id in unfit:
                yield (
                    f"{kept.named}: event {event.number} ({event.because}) is signed by "
                    f"{event.signed_by}, who was no reviewer for it then"
                )
        yield from _check_appeals(kept)


def _check_looks(unit: Unit) -> Iterator[str]:
    """Compare each look with its snapshot; no snapshot of a vendor is without its look."""
    looks = {
        (vendor_id, cell, look.run_id): look
        for look, vendor_id, cell in unit.session.execute(
            select(StandingLook, Standing.vendor_id, Standing.cell).join(
                Standing, Standing.id == StandingLook.standing_id
            )
        )
    }
    rows = unit.session.execute(
        select(
            *(ScoreRun.id, ScoreRun.number, Organisation.code),
            *(ScoreSnapshot.subject_id, ScoreSnapshot.cell),
            *(ScoreRun.month, ScoreSnapshot.score, ScoreSnapshot.sd, ScoreSnapshot.p_bad),
            ScoreSnapshot.is_newcomer,
        )
        .join(ScoreSnapshot, ScoreSnapshot.run_id == ScoreRun.id)
        .join(Organisation, Organisation.id == ScoreSnapshot.subject_id)
        .where(ScoreSnapshot.kind == VENDOR)
        .order_by(ScoreRun.month, ScoreRun.number, ScoreSnapshot.cell, Organisation.code)
    )
    for run_id, number, code, vendor_id, cell, *said in rows:
        named = f"look at {code} in {cell}, ranking of {show_month(said[0])}, run {number}"
        look = looks.pop((vendor_id, cell, run_id), None)
        if look is None:
            yield f"{named}: there is none, and the run has a score"
            continue
        for what, has in zip(SAID, said, strict=True):
            if getattr(look, what) != has:
                yield f"{named}: {what} is {getattr(look, what)}, the run has {has}"
    for _, cell, run_id in looks:
        yield f"a look in {cell} by run {run_id}: the run has no score of that vendor"


def _kept(unit: Unit) -> Iterator[Kept]:
    """Yield every standing with all that is kept of it."""
    events = _by_standing(unit, StandingEvent, StandingEvent.number)
    notices = _by_standing(unit, StandingNotice, StandingNotice.issued_at)
    appeals = _by_standing(unit, StandingAppeal, StandingAppeal.made_at)
    returns = _by_standing(unit, StandingReturn, StandingReturn.made_at)
    looks = _by_standing(unit, StandingLook, StandingLook.at)
    gates = {
        run_id: rules_from(content).ranking.gates
        for run_id, content in unit.session.execute(
            select(ScoreRun.id, PublishedConfig.content).join(
                PublishedConfig, PublishedConfig.version == ScoreRun.config_version
            )
        )
    }
    rows = unit.session.execute(
        select(Standing, Organisation.code)
        .join(Organisation, Organisation.id == Standing.vendor_id)
        .order_by(Organisation.code, Standing.cell)
    )
    for standing, code in rows:
        yield Kept(
            named=f"standing of {code} in {standing.cell}",
            standing=standing,
            events=events[standing.id],
            notices={one.id: one for one in notices[standing.id]},
            appeals={one.id: one for one in appeals[standing.id]},
            returns=returns[standing.id],
            looks={one.run_id: one for one in looks[standing.id]},
            gates=gates,
        )


def _by_standing(unit: Unit, table: type[Row], order: Any) -> dict[UUID, list[Row]]:
    found: dict[UUID, list[Row]] = defaultdict(list)
    for one in unit.session.scalars(select(table).order_by(table.standing_id, order)):
        found[one.standing_id].append(one)
    return found


def _check_course(kept: Kept) -> Iterator[str]:
    """A standing begins as a newcomer's, each event where the one before led; it is at the last."""
    state, since = VendorStanding.NEWCOMER.value, _first_day(kept)
    for number, event in enumerate(kept.events, start=1):
        if event.number != number:
            yield f"{kept.named}: event {number} is missing, the next is {event.number}"
            break
    for event in kept.events:
        if event.from_state != state:
            yield (
                f"{kept.named}: event {event.number} leaves {event.from_state}, it stood at {state}"
            )
        if event.day != shanghai_day(event.at):
            yield f"{kept.named}: event {event.number} has day {event.day}, it was at {event.at}"
        state, since = event.to_state, event.day
    for before, after in pairwise(kept.events):
        if after.at < before.at:
            yield f"{kept.named}: event {after.number} is earlier than the one before"
    if kept.standing.state != state:
        yield f"{kept.named}: it is {kept.standing.state}, its events give {state}"
    if since is not None and kept.standing.since != since:
        yield f"{kept.named}: since {kept.standing.since}, its events give {since}"


def _first_day(kept: Kept) -> date | None:
    """Return the day of the first look, with which a standing begins."""
    return min((shanghai_day(one.at) for one in kept.looks.values()), default=None)


def _check_appeals(kept: Kept) -> Iterator[str]:
    """An upheld appeal moved the standing, unless it had recovered; no other did."""
    by_event = {one.id: one for one in kept.events}
    moved = {one.appeal_id for one in kept.events if one.appeal_id is not None}
    for appeal in kept.appeals.values():
        event = by_event.get(appeal.event_id)
        if event is None:
            yield f"{kept.named}: the appeal of {appeal.made_on} is against no event"
            continue
        if event.appeal_by is None or appeal.made_on > event.appeal_by:
            yield (
                f"{kept.named}: the appeal of {appeal.made_on} against event {event.number} was "
                f"not in time, by {event.appeal_by}"
            )
        if appeal.outcome == "upheld" and appeal.id not in moved:
            between = [one for one in kept.events if one.number > event.number]
            recovered = any(
                one.because == "look" and appeal.decided_at and one.at <= appeal.decided_at
                for one in between
            )
            if not recovered:
                yield (
                    f"{kept.named}: the appeal of {appeal.made_on} was upheld, and no event "
                    "follows it"
                )
