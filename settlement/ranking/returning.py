"""The way back of a vendor that left a cell: it applies anew, and may begin as a newcomer (R44).

Decides that it may apply once a published term is over since it left, that a reviewer who signed no
step of its going decides with a reason, and that it then stands as any newcomer: what schools said
before counts no more (`evidence_queries`). All that was before stays in the trail.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select

from kernel.actors import Role
from kernel.clock import shanghai_day
from kernel.errors import (
    DoneAlready,
    NotFound,
    ReturnAsked,
    StepNotDue,
    TookPart,
)
from kernel.ids import new_id
from kernel.trail import record
from kernel.unit import Unit
from settlement.ranking.cells import told_cell
from settlement.ranking.config import RETURN_DAYS
from settlement.ranking.due_process import require_judge_of
from settlement.ranking.looks import move
from settlement.ranking.models import Standing, StandingReturn
from settlement.ranking.runs import last_run, rules_of
from settlement.ranking.standing_states import Because, VendorStanding
from settlement.ranking.standings import events_of, require_standing, signers_of
from settlement.texts import reason_of

NOT_LEFT: Final = "who has not left takes part still"
TOO_EARLY: Final = "the term after which it may apply anew is not over"


def return_day(unit: Unit, state: str, since: date) -> date | None:
    """Return the first day on which a vendor that left may apply anew; None if it did not leave."""
    if state != VendorStanding.LEFT:
        return None
    run = last_run(unit)
    days = rules_of(unit, run).ranking.gates.return_days if run is not None else RETURN_DAYS
    return since + timedelta(days=days if isinstance(days, int) else RETURN_DAYS)


def apply_to_return(unit: Unit, standing_id: UUID, *, claim: str) -> StandingReturn:
    """Apply anew, as the vendor; `claim`: what changed since.

    Raises `NotFound`, `StepNotDue` before the term is over, `ReasonRequired`, and
    `ReturnAsked` while an application waits.
    """
    unit.actor.require("apply to return", Role.VENDOR_MANAGER)
    standing = require_standing(unit, standing_id, lock=True)
    if standing.vendor_id != unit.actor.organisation_id:
        raise NotFound(what="standing", key=standing_id)
    today = shanghai_day(unit.clock.now())
    first_day = return_day(unit, standing.state, standing.since)
    if first_day is None or today < first_day:
        raise StepNotDue(
            key=standing.cell,
            cell=told_cell(standing.cell),
            state=VendorStanding(standing.state),
            wanted=VendorStanding.NEWCOMER,
            rule=NOT_LEFT if first_day is None else TOO_EARLY,
        )
    claim = reason_of("claim", claim)
    if any(one.outcome is None for one in returns_of(unit, standing_id)):
        raise ReturnAsked(key=standing.cell, cell=told_cell(standing.cell))
    asked = StandingReturn(
        id=new_id(),
        standing_id=standing.id,
        claim=claim,
        made_at=unit.clock.now(),
        made_on=today,
        made_by=unit.actor.person_id,
        note="",
    )
    unit.session.add(asked)
    unit.session.flush()
    _trail(unit, "standing.return-asked", standing, claim=asked.claim)
    return asked


def decide_return(unit: Unit, standing_id: UUID, *, granted: bool, note: str) -> Standing:
    """Decide the application that waits, as a reviewer who signed no step; return the standing.

    Raises `NotFound`, `DoneAlready`, `TookPart`, `VendorInterest`, `ReasonRequired`.
    """
    standing = require_standing(unit, standing_id, lock=True)
    reviewer = require_judge_of(unit, standing, "decide a return")
    asked = unit.session.scalars(
        select(StandingReturn)
        .where(StandingReturn.standing_id == standing_id, StandingReturn.outcome.is_(None))
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if asked is None and returns_of(unit, standing_id):
        raise DoneAlready(what="application", done="decided")
    if asked is None:
        raise NotFound(what="application", key=standing_id)
    if reviewer.person_id in signers_of(events_of(unit, standing.id)):
        raise TookPart(person=unit.actor.name, key=told_cell(standing.cell))
    note = reason_of("note", note)
    asked.outcome = "granted" if granted else "refused"
    asked.decided_by, asked.decided_at = reviewer.person_id, unit.clock.now()
    asked.note = note
    unit.session.flush()
    _trail(unit, f"standing.return-{asked.outcome}", standing, note=asked.note)
    if granted:
        move(
            unit,
            standing,
            VendorStanding.NEWCOMER,
            because=Because.RETURN,
            signed_by=reviewer.person_id,
            note=asked.note,
        )
    return standing


def returns_of(unit: Unit, standing_id: UUID) -> Sequence[StandingReturn]:
    """Return the applications of a standing, the latest first."""
    return unit.session.scalars(
        select(StandingReturn)
        .where(StandingReturn.standing_id == standing_id)
        .order_by(StandingReturn.made_at.desc(), StandingReturn.id.desc())
    ).all()


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
