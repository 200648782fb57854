"""Standings against the trail: each move, appeal and application is told there as it is kept (R59).

The trail is chained, and checked by itself: who changes a note, a signer or an outcome, or removes
an event, has to change the chain as well.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, TypeVar

from sqlalchemy import select

from kernel.clock import shanghai_day, show_month
from kernel.identity.models import Organisation
from kernel.trail import TrailRow
from kernel.unit import Unit
from settlement.ranking.looks import digest_of_looks
from settlement.ranking.models import (
    ScoreRun,
    Standing,
    StandingAppeal,
    StandingEvent,
    StandingLook,
    StandingReturn,
    StruckEvidence,
)
from settlement.ranking.standing_states import Because
from settlement.verify.standing_steps import items_by

MOVES = {f"standing.{one}" for one in Because}
LOOK = (*("standing_id", "month", "at", "score", "sd", "p_bad", "is_newcomer", "fresh"),)


One = TypeVar("One", StandingAppeal, StandingReturn)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a vendor asks and a reviewer decides, in the trail; `decided` without the outcome."""

    one: str
    several: str
    made: str
    decided: str


APPEAL = Asked("appeal", "appeals", "standing.appealed", "standing.appeal-")
RETURN = Asked("application", "applications", "standing.return-asked", "standing.return-")


def check_standing_trail(unit: Unit) -> Iterator[str]:
    """Compare runs, looks, events, appeals and applications with what the trail tells of them."""
    yield from _check_runs(unit)
    told: dict[str, list[TrailRow]] = defaultdict(list)
    for row in unit.session.scalars(
        select(TrailRow)
        .where(TrailRow.subject_kind == "standing")
        .order_by(TrailRow.at, TrailRow.id)
    ):
        told[row.subject_id].append(row)
    standings = unit.session.execute(
        select(Standing, Organisation.code)
        .join(Organisation, Organisation.id == Standing.vendor_id)
        .order_by(Organisation.code, Standing.cell)
    ).all()
    known = {str(standing.id) for standing, _ in standings}
    for subject_id in sorted(told.keys() - known):
        yield f"standing {subject_id}: the trail tells of it, and there is none"
    for standing, code in standings:
        named = f"standing of {code} in {standing.cell}"
        rows = told[str(standing.id)]
        yield from _check_moves(unit, standing, named, rows)
        yield from _check_appeals(unit, standing, named, rows)
        yield from _check_returns(unit, standing, named, rows)


def _check_runs(unit: Unit) -> Iterator[str]:
    runs = {str(one.id): one for one in unit.session.scalars(select(ScoreRun))}
    rows = unit.session.scalars(
        select(TrailRow)
        .where(TrailRow.act.in_(("month.ranked", "month.looked-at")))
        .order_by(TrailRow.at, TrailRow.id)
    )
    for row in rows:
        run = runs.get(row.subject_id)
        if run is None:
            yield f"ranking of {row.facts.get('month', row.subject_id)}: its run is gone"
            continue
        named = f"ranking of {show_month(run.month)}, run {run.number}"
        if row.act == "month.ranked" and row.facts["digest"] != run.digest.hex():
            yield f"{named}: the trail tells of another digest"
        if row.act == "month.looked-at":
            looks = [
                {name: getattr(one, name) for name in LOOK}
                for one in unit.session.scalars(
                    select(StandingLook).where(StandingLook.run_id == run.id)
                )
            ]
            if digest_of_looks(looks).hex() != row.facts["digest"]:
                yield f"{named}: its looks are not those that the trail tells of"


def _check_moves(
    unit: Unit, standing: Standing, named: str, rows: Sequence[TrailRow]
) -> Iterator[str]:
    events = unit.session.scalars(
        select(StandingEvent)
        .where(StandingEvent.standing_id == standing.id)
        .order_by(StandingEvent.number)
    ).all()
    moves = [one for one in rows if one.act in MOVES]
    pairs = SequenceMatcher(
        None,
        [(one.because, one.from_state, one.to_state) for one in events],
        [
            (one.act.removeprefix("standing."), one.facts["from_state"], one.facts["to_state"])
            for one in moves
        ],
        autojunk=False,
    )
    for what, a, b, c, d in pairs.get_opcodes():
        if what == "equal":
            for event, row in zip(events[a:b], moves[c:d], strict=True):
                yield from _compare(f"{named}: event {event.number} ({event.because})", event, row)
            continue
        for event in events[a:b]:
            yield f"{named}: event {event.number} ({event.because}) is not in the trail"
        for row in moves[c:d]:
            yield (
                f"{named}: the trail tells of {row.act} on {shanghai_day(row.at)}, from "
                f"{row.facts['from_state']} to {row.facts['to_state']}, and there is no such event"
            )


def _compare(named: str, event: StandingEvent, row: TrailRow) -> Iterator[str]:
    kept: dict[str, Any] = {
        "note": event.note,
        "run": str(event.run_id) if event.run_id else None,
        "appeal_by": event.appeal_by.isoformat() if event.appeal_by else None,
    }
    yield from _facts(named, kept, row)
    if event.signed_by is not None and event.signed_by != row.actor_id:
        yield f"{named} is signed by {event.signed_by}, the trail says {row.actor_id}"
    if event.day != shanghai_day(row.at):
        yield f"{named} is of {event.day}, the trail says {shanghai_day(row.at)}"


def _check_appeals(
    unit: Unit, standing: Standing, named: str, rows: Sequence[TrailRow]
) -> Iterator[str]:
    def kept(one: StandingAppeal) -> dict[str, Any]:
        step = unit.session.get_one(StandingEvent, one.event_id).number
        return {"event": step, "claim": one.claim, "contested": one.contested}

    def struck(one: StandingAppeal, about: str, row: TrailRow) -> Iterator[str]:
        return _check_struck(unit, standing, about, one, row)

    found = unit.session.scalars(
        select(StandingAppeal)
        .where(StandingAppeal.standing_id == standing.id)
        .order_by(StandingAppeal.made_at)
    ).all()
    yield from _check_asked(found, rows, named, APPEAL, kept=kept, decided=struck)


def _check_struck(
    unit: Unit, standing: Standing, about: str, appeal: StandingAppeal, row: TrailRow
) -> Iterator[str]:
    """What is struck out is what the decision named, of the items of the step's run."""
    event = unit.session.get(StandingEvent, appeal.event_id)
    items = items_by(unit, standing, event.run_id) if event is not None and event.run_id else []
    named = {one["number"]: (one["school"], one["component"]) for one in items}
    wanted = {named.get(number) for number in row.facts["struck"]}
    struck = {
        (str(school_id), component)
        for school_id, component in unit.session.execute(
            select(StruckEvidence.school_id, StruckEvidence.component).where(
                StruckEvidence.appeal_id == appeal.id
            )
        )
    }
    if struck != wanted:
        yield f"{about} struck out {len(struck)} items, not those that the trail names"


def _check_returns(
    unit: Unit, standing: Standing, named: str, rows: Sequence[TrailRow]
) -> Iterator[str]:
    found = unit.session.scalars(
        select(StandingReturn)
        .where(StandingReturn.standing_id == standing.id)
        .order_by(StandingReturn.made_at)
    ).all()
    yield from _check_asked(found, rows, named, RETURN, kept=lambda one: {"claim": one.claim})


def _check_asked(
    found: Sequence[One],
    rows: Sequence[TrailRow],
    named: str,
    kind: Asked,
    *,
    kept: Callable[[One], Mapping[str, Any]],
    decided: Callable[[One, str, TrailRow], Iterator[str]] | None = None,
) -> Iterator[str]:
    """Compare what was asked and decided with the trail, both in the order in which it was made.

    One waits at a time, so they are decided in that order too. `kept`: what the trail tells of
    the asking; `decided`: what else is compared of a decision.
    """
    made = [one for one in rows if one.act == kind.made]
    decisions = [one for one in rows if one.act.startswith(kind.decided) and one.act != kind.made]
    if len(found) != len(made):
        yield f"{named}: {len(found)} {kind.several}, the trail tells of {len(made)}"
        return
    for number, (one, row) in enumerate(zip(found, made, strict=True)):
        about = f"{named}: the {kind.one} of {one.made_on}"
        yield from _facts(about, kept(one), row)
        if one.made_by != row.actor_id:
            yield f"{about} is made by {one.made_by}, the trail says {row.actor_id}"
        decision = decisions[number] if number < len(decisions) else None
        said = decision.act.removeprefix(kind.decided) if decision is not None else None
        if one.outcome != said:
            yield f"{about} is {one.outcome or 'open'}, the trail says {said or 'open'}"
        elif decision is not None:
            yield from _facts(about, {"note": one.note}, decision)
            if one.decided_by != decision.actor_id:
                yield f"{about} is decided by {one.decided_by}, the trail says {decision.actor_id}"
            if decided is not None:
                yield from decided(one, about, decision)


def _facts(named: str, kept: Mapping[str, Any], row: TrailRow) -> Iterator[str]:
    for what, has in kept.items():
        if what in row.facts and row.facts[what] != has:
            yield f"{named} has another {what} than the trail: {has!r}, not {row.facts[what]!r}"
