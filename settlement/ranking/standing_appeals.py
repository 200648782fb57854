"""Appeals: a vendor contests a step, another reviewer decides, and the run is made once more (R44).

While an appeal waits nothing worse follows. Upheld, the evidence that the reviewer strikes out is
recorded, the month that was last ranked is ranked again without it, and the vendor stands where
that says; from there due process would begin anew.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select

from kernel.actors import Role
from kernel.clock import Month, shanghai_day
from kernel.errors import (
    AnotherStep,
    DeadlinePassed,
    DoneAlready,
    InvalidInput,
    NotFound,
    StandingAppealed,
    TookPart,
)
from kernel.ids import new_id
from kernel.trail import record
from kernel.unit import Unit
from settlement.ranking.cells import told_cell
from settlement.ranking.due_process import require_judge_of
from settlement.ranking.items import items_of
from settlement.ranking.looks import look_at, move
from settlement.ranking.models import (
    Standing,
    StandingAppeal,
    StandingEvent,
    StruckEvidence,
)
from settlement.ranking.runs import lock_ranking, rank_month, require_run, rules_of
from settlement.ranking.slots import publish_order
from settlement.ranking.standing_states import Because, VendorStanding, may_follow
from settlement.ranking.standings import (
    STEPS,
    course_of,
    events_of,
    require_standing,
    signers_of,
)
from settlement.texts import reason_of


def appeal_standing(
    unit: Unit, standing_id: UUID, *, event: int, claim: str, contested: Sequence[int] = ()
) -> StandingAppeal:
    """Appeal, as the vendor, against the last step that was signed, until its last day.

    `event`: the number of the step that was read; `contested`: numbers of its items that are
    denied. Raises `NotFound`, `AnotherStep`, `DeadlinePassed`, `StandingAppealed`,
    `ReasonRequired`, `InvalidInput`.
    """
    unit.actor.require("appeal against a standing", Role.VENDOR_MANAGER)
    standing = require_standing(unit, standing_id, lock=True)
    if standing.vendor_id != unit.actor.organisation_id:
        raise NotFound(what="standing", key=standing_id)
    claim = reason_of("claim", claim)
    step = contestable_event(unit, standing)
    if step is None or step.appeal_by is None:
        raise NotFound(what="step to appeal against", key=told_cell(standing.cell))
    if step.number != event:
        raise AnotherStep(key=standing.cell, cell=told_cell(standing.cell))
    today = shanghai_day(unit.clock.now())
    if today > step.appeal_by:
        raise DeadlinePassed(day=step.appeal_by)
    known = unit.session.scalar(select(StandingAppeal.id).where(StandingAppeal.event_id == step.id))
    if known is not None:
        raise StandingAppealed(key=standing.cell, cell=told_cell(standing.cell))
    items = {one["number"] for one in contestable_items(unit, standing, step)}
    wrong = sorted(set(contested) - items)
    if wrong:
        raise InvalidInput(
            field="contested", value=wrong[0], expected="numbers of items of this step"
        )
    appeal = StandingAppeal(
        id=new_id(),
        standing_id=standing.id,
        event_id=step.id,
        claim=claim,
        contested=sorted(set(contested)),
        made_at=unit.clock.now(),
        made_on=today,
        made_by=unit.actor.person_id,
        note="",
    )
    unit.session.add(appeal)
    unit.session.flush()
    _trail(
        unit,
        "standing.appealed",
        standing,
        event=step.number,
        claim=appeal.claim,
        contested=appeal.contested,
    )
    return appeal


def decide_standing_appeal(
    unit: Unit, appeal_id: UUID, *, upheld: bool, note: str, struck: Sequence[int] = ()
) -> Standing:
    """Decide an appeal, as a reviewer who signed no step of its course; return the standing.

    `struck`: numbers of the step's items whose evidence is struck out, if it is upheld. Raises
    `NotFound`, `DoneAlready`, `TookPart`, `VendorInterest`, `ReasonRequired`, `InvalidInput`.
    """
    found = unit.session.get(StandingAppeal, appeal_id)
    if found is None:
        raise NotFound(what="appeal", key=appeal_id)
    if upheld:
        lock_ranking(unit)  # a ranking locks all standings, after this
    standing = require_standing(unit, found.standing_id, lock=True)
    reviewer = require_judge_of(unit, standing, "decide an appeal")
    appeal = unit.session.scalars(
        select(StandingAppeal)
        .where(StandingAppeal.id == appeal_id, StandingAppeal.outcome.is_(None))
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if appeal is None:
        raise DoneAlready(what="appeal", done="decided")
    event = unit.session.get_one(StandingEvent, appeal.event_id)
    if reviewer.person_id in signers_of(events_of(unit, standing.id), until=event):
        raise TookPart(person=unit.actor.name, key=told_cell(standing.cell))
    note = reason_of("note", note)
    items = {one["number"]: one for one in contestable_items(unit, standing, event)}
    wrong = sorted(set(struck) - items.keys())
    if wrong or (struck and not upheld):
        raise InvalidInput(
            field="struck",
            value=(wrong or sorted(struck))[0],
            expected="numbers of items of the step, of an appeal that is upheld",
        )
    appeal.outcome = "upheld" if upheld else "dismissed"
    appeal.decided_by, appeal.decided_at = reviewer.person_id, unit.clock.now()
    appeal.note = note
    unit.session.flush()
    _trail(
        unit,
        f"standing.appeal-{appeal.outcome}",
        standing,
        note=appeal.note,
        struck=sorted(set(struck)),
        appeal=appeal.id,
        at=appeal.decided_at,
    )
    if upheld:
        _strike(unit, standing, appeal, [items[number] for number in sorted(set(struck))])
        _restore(unit, standing, appeal)
    return standing


def contestable_event(unit: Unit, standing: Standing) -> StandingEvent | None:
    """Return the last step that was signed, if the vendor still stands where it led."""
    return last_step(events_of(unit, standing.id))


def last_step(events: Sequence[StandingEvent]) -> StandingEvent | None:
    """Return what may be appealed against, of a standing's events, the latest first."""
    return events[0] if events and events[0].because in STEPS else None


def contestable_items(
    unit: Unit, standing: Standing, event: StandingEvent
) -> Sequence[dict[str, Any]]:
    """Return what a step rests on, item by item, as the run by which it was signed has it."""
    if event.run_id is None:
        return []
    return items_of(unit, standing.vendor_id, cell=standing.cell, run_id=event.run_id)


def _strike(
    unit: Unit,
    standing: Standing,
    appeal: StandingAppeal,
    items: Sequence[dict[str, Any]],
) -> None:
    unit.session.add_all(
        StruckEvidence(
            appeal_id=appeal.id,
            school_id=UUID(str(item["school"])),
            component=str(item["component"]),
            vendor_id=standing.vendor_id,
            cell=standing.cell,
            until=appeal.decided_at,
            reason=appeal.note,
        )
        for item in items
    )
    unit.session.flush()


def _restore(unit: Unit, standing: Standing, appeal: StandingAppeal) -> None:
    """Rank the last month again, and have the vendor stand where it says.

    One that has recovered by itself meanwhile stays where it stands.
    """
    last = require_run(unit)
    run = rank_month(unit, Month(last.month), rules=rules_of(unit, last)).run
    look_at(unit, run, but_not={standing.id})
    publish_order(unit)
    course = course_of(unit, standing)
    look = course.look
    if look is None or look.is_newcomer:
        to = VendorStanding.NEWCOMER
    elif look.p_bad >= course.gates.watch:
        to = VendorStanding.WATCH
    else:
        to = VendorStanding.NORMAL
    if not may_follow(VendorStanding(standing.state), to, Because.APPEAL):
        return
    move(
        unit,
        standing,
        to,
        because=Because.APPEAL,
        run_id=run.id,
        appeal_id=appeal.id,
        signed_by=appeal.decided_by,
        note=appeal.note,
    )


def _trail(unit: Unit, act: str, standing: Standing, **facts: object) -> None:
    record(
        unit,
        act,
        subject_kind="standing",
        subject_id=standing.id,
        vendor=standing.vendor_id,
        cell=standing.cell,
        **facts,
    )
    unit.session.flush()
