"""Monthly looks: what a run says of each standing, and what it moves by itself (R44).

By itself a look only lets a newcomer in, puts on watch, and takes note of a recovery. Whatever else
becomes of a vendor is decided by a person (`due_process`). Only the run that holds of the latest
month moves anything.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import exists, insert, select

from kernel.clock import Month, as_utc, shanghai_day
from kernel.ids import new_id
from kernel.trail import record
from kernel.unit import Unit
from settlement.ranking.config import Gates
from settlement.ranking.effects import ALL_FINISHED
from settlement.ranking.evidence import LeftOut
from settlement.ranking.evidence_queries import VENDOR
from settlement.ranking.fresh import UNHEARD, UNSEEN, fresh_schools
from settlement.ranking.models import (
    ScoreRun,
    ScoreSnapshot,
    Standing,
    StandingAppeal,
    StandingEvent,
    StandingLook,
)
from settlement.ranking.rules import digest_of
from settlement.ranking.runs import last_run, rules_of
from settlement.ranking.standing_states import RECOVERING, Because, VendorStanding


def look_at(unit: Unit, run: ScoreRun, *, but_not: Collection[UUID] = ()) -> int:
    """Look at every vendor of a run, once; move what a look moves; return how many moved.

    `but_not`: standings that an appeal is just moving.
    """
    known = select(exists().where(StandingLook.run_id == run.id))
    if unit.session.scalar(known):
        return 0
    rules = rules_of(unit, run)
    snapshots = unit.session.scalars(
        select(ScoreSnapshot)
        .where(ScoreSnapshot.run_id == run.id, ScoreSnapshot.kind == VENDOR)
        .order_by(ScoreSnapshot.cell, ScoreSnapshot.subject_id)
    ).all()
    standings = _standings(unit, snapshots)
    wrongs_stay = rules.ranking.guards.wrongs_stay is True
    left_out = {
        standings[one.subject_id, one.cell].id: _uncounted(one, wrongs_stay=wrongs_stay)
        for one in snapshots
    }
    fresh = fresh_schools(unit, Month(run.month), rules, left_out=left_out)
    looks = [
        {
            "standing_id": standings[one.subject_id, one.cell].id,
            "run_id": run.id,
            "month": run.month,
            "at": unit.clock.now(),
            "score": one.score,
            "sd": one.sd,
            "p_bad": one.p_bad,
            "is_newcomer": one.is_newcomer,
            "fresh": fresh.get(standings[one.subject_id, one.cell].id, []),
        }
        for one in snapshots
    ]
    if looks:
        unit.session.execute(insert(StandingLook), looks)
        record(
            unit,
            "month.looked-at",
            subject_kind="score run",
            subject_id=run.id,
            looks=len(looks),
            digest=digest_of_looks(looks).hex(),
        )
    latest = last_run(unit)
    if latest is None or latest.id != run.id:
        return 0
    moved = 0
    for one in snapshots:
        standing = standings[one.subject_id, one.cell]
        to = moved_to(VendorStanding(standing.state), one, rules.ranking.gates)
        if to is not None and standing.id not in but_not:
            move(unit, standing, to, because=Because.LOOK, run_id=run.id)
            moved += 1
    return moved + leave_when_over(unit)


def digest_of_looks(looks: Iterable[Mapping[str, Any]]) -> bytes:
    """Return SHA-256 over a run's looks, which the trail keeps; their order does not matter."""
    rows = [
        [
            *(str(one["standing_id"]), one["month"].isoformat(), as_utc(one["at"]).isoformat()),
            *(f"{one['score']:.4f}", f"{one['sd']:.4f}", f"{one['p_bad']:.6f}"),
            *(one["is_newcomer"], one["fresh"]),
        ]
        for one in looks
    ]
    return digest_of(sorted(rows, key=lambda row: str(row[0])))


def move(
    unit: Unit, standing: Standing, to: VendorStanding, *, because: Because, **facts: Any
) -> StandingEvent:
    """Write a standing's event, with which it moves, and the trail of it."""
    event = StandingEvent(
        id=new_id(),
        standing_id=standing.id,
        number=0,  # given by the database
        from_state=standing.state,
        to_state=to,
        because=because,
        at=unit.clock.now(),
        day=shanghai_day(unit.clock.now()),
        **{"note": "", **facts},
    )
    unit.session.add(event)
    unit.session.flush()
    record(
        unit,
        f"standing.{because}",
        subject_kind="standing",
        subject_id=standing.id,
        vendor=standing.vendor_id,
        cell=standing.cell,
        from_state=standing.state,
        to_state=to,
        note=event.note,
        run=event.run_id,
        appeal_by=event.appeal_by,
    )
    unit.session.refresh(standing)
    unit.session.refresh(event)
    return event


def leave_when_over(unit: Unit) -> int:
    """Take note of vendors whose schools have all finished their term; return how many left.

    What a cell closes (`effects`) is waited for, whichever of its versions was agreed on.
    """
    today = shanghai_day(unit.clock.now())
    stayed = exists().where(
        StandingAppeal.standing_id == Standing.id, StandingAppeal.outcome.is_(None)
    )
    contestable = exists().where(
        StandingEvent.standing_id == Standing.id,
        StandingEvent.because == Because.EXIT,
        StandingEvent.appeal_by >= today,
    )
    gone = unit.session.scalars(
        select(Standing)
        .where(Standing.state == VendorStanding.EXITING, ALL_FINISHED, ~stayed, ~contestable)
        .order_by(Standing.id)
        .with_for_update()
    ).all()
    for standing in gone:
        move(unit, standing, VendorStanding.LEFT, because=Because.ENDED)
    return len(gone)


def _standings(
    unit: Unit, snapshots: Collection[ScoreSnapshot]
) -> dict[tuple[UUID, str], Standing]:
    """Return the standings of these vendors and cells, locked; new ones begin as newcomers."""
    known = {
        (one.vendor_id, one.cell): one
        for one in unit.session.scalars(
            select(Standing)
            .order_by(Standing.id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    }
    fresh = [
        Standing(
            id=new_id(),
            vendor_id=one.subject_id,
            cell=one.cell,
            state=VendorStanding.NEWCOMER,
            since=shanghai_day(unit.clock.now()),
        )
        for one in snapshots
        if (one.subject_id, one.cell) not in known
    ]
    unit.session.add_all(fresh)
    unit.session.flush()
    return known | {(one.vendor_id, one.cell): one for one in fresh}


def _uncounted(found: ScoreSnapshot, *, wrongs_stay: bool) -> dict[str, Collection[str]]:
    """Return by school what does not count of it, of those of which something is set aside."""
    evidence = found.inputs["evidence"]
    heard = {one["school"] for one in evidence["schools"] if one["raters"]}
    uncounted: dict[str, Collection[str]] = {}
    for school, why in evidence["excluded"]:
        if why == LeftOut.OWN_SCHOOL or not wrongs_stay:
            uncounted[school] = UNSEEN
        elif school not in heard:
            uncounted[school] = UNHEARD
    return uncounted


def is_silent(found: ScoreSnapshot) -> bool:
    """Return whether nothing is known of a subject; as the database has it (0037).

    What is known and set aside is known: a vendor could have it set aside.
    """
    evidence = found.inputs["evidence"]
    return not evidence["schools"] and not evidence["excluded"] and not evidence["audits"]


def moved_to(state: VendorStanding, found: ScoreSnapshot, gates: Gates) -> VendorStanding | None:
    """Return where a look takes a standing, None where it stays."""
    if gates.silence is True and is_silent(found):
        return VendorStanding.NORMAL if state in RECOVERING else None
    if state is VendorStanding.NEWCOMER:
        if found.is_newcomer:
            return None
        return VendorStanding.WATCH if found.p_bad >= gates.watch else VendorStanding.NORMAL
    if state is VendorStanding.NORMAL and found.p_bad >= gates.watch:
        return VendorStanding.WATCH
    if state in RECOVERING and found.p_bad < gates.recovery:
        return VendorStanding.NORMAL
    return None
