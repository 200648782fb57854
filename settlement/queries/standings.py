"""Standings as a vendor and the bureau read them: rows of the desk, and one with its course."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import aliased

from kernel.actors import OrganisationKind
from kernel.errors import NotFound
from kernel.identity.models import Organisation
from kernel.identity.recording import among
from kernel.unit import Unit
from settlement.ranking.items import items_of
from settlement.ranking.jurisdiction import answers_for
from settlement.ranking.models import (
    ScoreRun,
    Standing,
    StandingAppeal,
    StandingEvent,
    StandingLook,
    StandingNotice,
    StandingReturn,
)
from settlement.ranking.returning import return_day, returns_of
from settlement.ranking.standing_appeals import last_step
from settlement.ranking.standing_gates import Course, Gate, affected, gate_of_ours, gates_of
from settlement.ranking.standing_states import Because, VendorStanding
from settlement.ranking.standings import (
    appeals_of,
    course_from,
    events_of,
    looks_of,
    notices_of,
    visible_standings,
)

NEXT_STEP = {
    VendorStanding.WATCH: Because.NOTICE,
    VendorStanding.PROBATION: Because.SUSPENSION,
    VendorStanding.NO_NEW_SCHOOLS: Because.EXIT,
}
"""What a reviewer may sign next."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StandingRow:
    """One standing by its last look, of the run `run_id`; `appeal`: waiting, or nothing."""

    id: UUID
    vendor_id: UUID
    vendor_code: str
    vendor_name: str
    cell: str
    state: str
    since: date
    month: date | None
    run_id: UUID | None
    score: Decimal | None
    p_bad: Decimal | None
    fresh: int
    appeal: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AppealView:
    id: UUID
    against: str
    claim: str
    contested: Sequence[int]
    made_on: date
    outcome: str
    note: str


@dataclass(frozen=True, kw_only=True, slots=True)
class StandingView:
    """A standing whole: its course, the gates before the next step, items that can be contested.

    `items` name their school; `appeal_by` is None where nothing can be appealed, `return_on` (the
    first day to apply anew) where it did not leave. `may_sign`: the reader's bureau answers for it.
    """

    row: StandingRow
    course: Course
    step: Because | None
    gates: Sequence[Gate]
    events: Sequence[StandingEvent]
    appeals: Sequence[AppealView]
    items: Sequence[dict[str, Any]]
    notices: Sequence[StandingNotice]
    appeal_by: date | None
    may_sign: bool
    returns: Sequence[StandingReturn]
    return_on: date | None


def standing_rows(unit: Unit, *, standing_id: UUID | None = None) -> list[StandingRow]:
    """Return the standings that the actor sees, the worst looks first."""
    newest = (
        select(
            StandingLook.standing_id,
            StandingLook.run_id,
            func.row_number()
            .over(
                partition_by=StandingLook.standing_id,
                order_by=(StandingLook.month.desc(), ScoreRun.number.desc()),
            )
            .label("position"),
        )
        .join(ScoreRun, ScoreRun.id == StandingLook.run_id)
        .subquery()
    )
    look = aliased(StandingLook)
    waiting = select(StandingAppeal.standing_id).where(StandingAppeal.outcome.is_(None))
    wanted = visible_standings(unit)
    if standing_id is not None:
        wanted = wanted.where(Standing.id == standing_id)
    seen = wanted.subquery()
    rows = unit.session.execute(
        select(Standing, Organisation.code, Organisation.name, look, Standing.id.in_(waiting))
        .join(seen, seen.c.id == Standing.id)
        .join(Organisation, Organisation.id == Standing.vendor_id)
        .outerjoin(newest, (newest.c.standing_id == Standing.id) & (newest.c.position == 1))
        .outerjoin(
            look, (look.standing_id == newest.c.standing_id) & (look.run_id == newest.c.run_id)
        )
        .order_by(look.p_bad.desc().nulls_last(), Organisation.name, Standing.cell)
    )
    return [
        StandingRow(
            id=standing.id,
            vendor_id=standing.vendor_id,
            vendor_code=code,
            vendor_name=name,
            cell=standing.cell,
            state=standing.state,
            since=standing.since,
            month=seen_by.month if seen_by else None,
            run_id=seen_by.run_id if seen_by else None,
            score=seen_by.score if seen_by else None,
            p_bad=seen_by.p_bad if seen_by else None,
            fresh=affected(seen_by) if seen_by else 0,
            appeal="waiting" if waits else "",
        )
        for standing, code, name, seen_by, waits in rows
    ]


def standing_view(unit: Unit, standing_id: UUID) -> StandingView:
    """Return one standing that the actor sees, or raise `NotFound`."""
    rows = standing_rows(unit, standing_id=standing_id)
    if not rows:
        raise NotFound(what="standing", key=standing_id)
    row = rows[0]
    events = events_of(unit, standing_id)
    notices = notices_of(unit, standing_id)
    appeals = appeals_of(unit, standing_id)
    course = course_from(
        unit,
        VendorStanding(row.state),
        looks=looks_of(unit, standing_id),
        events=events,
        notices=notices,
        appeals=appeals,
    )
    step = NEXT_STEP.get(course.state)
    event = last_step(events)
    rests_on = event.run_id if event else course.look.run_id if course.look else None
    items = (
        items_of(unit, row.vendor_id, cell=row.cell, run_id=rests_on)
        if rests_on and course.state is not VendorStanding.NEWCOMER
        else []
    )
    because = {one.id: one.because for one in events}
    is_bureau = unit.actor.organisation_kind is OrganisationKind.BUREAU
    may_sign = is_bureau and answers_for(unit, row.vendor_id, cell=row.cell)
    of_ours = [gate_of_ours(is_met=may_sign)] if is_bureau else []
    return StandingView(
        row=row,
        course=course,
        step=step,
        gates=[*of_ours, *gates_of(unit, course, step)] if step else [],
        events=events,
        appeals=[
            AppealView(
                id=one.id,
                against=because[one.event_id],
                claim=one.claim,
                contested=one.contested,
                made_on=one.made_on,
                outcome=one.outcome or "",
                note=one.note,
            )
            for one in appeals
        ],
        # A school is named to a vendor once a step rests on what it said.
        items=_named(unit, items) if event or not _is_vendor(unit) else _unnamed(items),
        notices=notices,
        appeal_by=event.appeal_by if event else None,
        may_sign=may_sign,
        returns=returns_of(unit, standing_id) if _has_left(events) else (),
        return_on=return_day(unit, row.state, row.since),
    )


def _has_left(events: Sequence[StandingEvent]) -> bool:
    return any(one.to_state == VendorStanding.LEFT for one in events)


def _is_vendor(unit: Unit) -> bool:
    return unit.actor.organisation_kind is OrganisationKind.VENDOR


def _unnamed(items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**one, "school": "", "school_name": ""} for one in items]


def _named(unit: Unit, items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return items with the names of their schools: their vendor serves them, the desk answers."""
    if not items:
        return []
    names = names_of_schools(unit, {UUID(one["school"]) for one in items})
    return [{**one, "school_name": names.get(UUID(one["school"]), "")} for one in items]


def names_of_schools(unit: Unit, ids: set[UUID]) -> dict[UUID, str]:
    """Return the names of schools, whoever asks: for what may be told of a standing."""
    if not ids:
        return {}
    rows = unit.session.execute(
        select(Organisation.id, Organisation.name).where(
            among(Organisation.id, ids), Organisation.kind == OrganisationKind.SCHOOL
        )
    )
    return dict(rows.all())
