"""Standings as a vendor and the bureau read them: rows of the desk, and one with its course."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import aliased

from kernel.actors import OrganisationKind, Role
from kernel.errors import NotFound
from kernel.identity.models import Organisation
from kernel.identity.recording import among
from kernel.unit import Unit
from settlement.queries.standing_course import (
    AppealView,
    NoticeView,
    Said,
    StepView,
    appeal_views,
    appeals_with_struck,
    last_signed,
    notice_views,
    said_by_run,
    says_more,
    step_view,
    voided_steps,
)
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
    course_from,
    events_of,
    every_look,
    holding,
    notices_of,
    signed_steps,
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
class Aside:
    """A school's evidence that a look did not score: `why` (a sign of the guards, or whose school
    it is), and the `effect` on the score if it were. Without a name for who may not learn it."""

    school_name: str
    why: str
    effect: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class StandingView:
    """A standing whole: its course, the gates before the next step, items that can be contested.

    `signed`: the steps whose signers decide neither the appeal nor the return that waits. `items`:
    as the run has it by which the last step was signed (or the last look), which is
    `rests_on`; they name their school. `aside`: what the last look set aside, for a bureau; named
    to who answers for the standing and to auditors. `against`: the step that can be appealed.
    `voided`: steps that an upheld appeal took back, each with the day. `runs`: by month the numbers
    of the runs that looked. `appeal_by` is None where nothing can be appealed, `return_on` (the
    first day to apply anew) where it did not leave. `may_sign`: the reader reviews for a bureau
    that answers for it.
    """

    row: StandingRow
    course: Course
    step: Because | None
    gates: Sequence[Gate]
    events: Sequence[StandingEvent]
    signed: Sequence[StandingEvent]
    appeals: Sequence[AppealView]
    items: Sequence[dict[str, Any]]
    rests_on: UUID | None
    aside: Sequence[Aside]
    notices: Sequence[StandingNotice]
    told: Sequence[NoticeView]
    voided: Mapping[UUID, date]
    runs: Mapping[date, Sequence[int]]
    appeal_by: date | None
    against: StepView | None
    may_sign: bool
    returns: Sequence[StandingReturn]
    return_on: date | None

    @property
    def says_as_told(self) -> bool:
        """Whether the items are those of the notice that stands, as it was told."""
        told = next((one.items for one in self.told if one.voided_on is None), ())
        return bool(told) and _what(told) == _what(self.items)


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
    appeals, struck = appeals_with_struck(unit, standing_id)
    every = every_look(unit, standing_id)
    looks = holding(every)
    event, signed = last_step(events), last_signed(events)
    newest = looks[0].run_id if looks else None
    rests_on = signed.run_id if signed else newest
    contested = {one.event_id for one in appeals}
    runs = {rests_on, newest, *(one.run_id for one in events if one.id in contested)} - {None}
    said = said_by_run(
        unit, row.vendor_id, cell=row.cell, run_ids=[one for one in runs if one is not None]
    )
    last = said.get(newest, Said()) if newest else Said()
    course = course_from(
        unit,
        VendorStanding(row.state),
        looks=looks,
        events=events,
        notices=notices,
        appeals=appeals,
        says_more=says_more(notices, appeals, struck=struck, items=last.items),
    )
    step = NEXT_STEP.get(course.state)
    items: Sequence[dict[str, Any]] = ()
    if rests_on is not None and course.state is not VendorStanding.NEWCOMER:
        items = said.get(rests_on, Said()).items
    is_bureau = unit.actor.organisation_kind is OrganisationKind.BUREAU
    reviews = is_bureau and unit.actor.may(Role.ADMISSION)
    may_sign = reviews and answers_for(unit, row.vendor_id, cell=row.cell)
    of_ours = [gate_of_ours(is_met=may_sign)] if reviews else []
    views = appeal_views(appeals, events=events, struck=struck, said=said, looks=every)
    voided = voided_steps(events, appeals)
    told = notice_views(notices, events=events, voided=voided, appeals=views)
    # A school is named to a vendor once a step rests on what it said.
    tells = signed is not None or not _is_vendor(unit)
    aside = last.aside if is_bureau else ()
    told_aside = aside if may_sign or unit.actor.may(Role.AUDITOR) else ()
    names = _names_in(
        unit, [items if tells else (), told_aside, *(one.items for one in told)], views
    )
    return StandingView(
        row=row,
        course=course,
        step=step,
        gates=[*of_ours, *gates_of(unit, course, step)] if step else [],
        events=events,
        signed=signed_steps(events, until=_appealed(events, appeals)),
        appeals=[
            replace(
                one,
                items=_named(one.items, names),
                denied=_named(one.denied, names),
                struck=_named(one.struck, names),
            )
            for one in views
        ],
        items=_named(items, names) if tells else _unnamed(items),
        rests_on=rests_on,
        aside=[
            Aside(
                school_name=names.get(UUID(one["school"]), "") if told_aside else "",
                why=one["why"],
                effect=Decimal(one["effect"]),
            )
            for one in aside
        ],
        notices=notices,
        told=[replace(one, items=_named(one.items, names)) for one in told],
        voided=voided,
        runs=_numbers_of(every),
        appeal_by=event.appeal_by if event else None,
        against=step_view(event, every) if event else None,
        may_sign=may_sign,
        returns=returns_of(unit, standing_id) if _has_left(events) else (),
        return_on=return_day(unit, row.state, row.since),
    )


def _appealed(
    events: Sequence[StandingEvent], appeals: Sequence[StandingAppeal]
) -> StandingEvent | None:
    """Return the event against which an appeal waits; None without one."""
    waiting = {one.event_id for one in appeals if one.outcome is None}
    return next((one for one in events if one.id in waiting), None)


def _what(items: Sequence[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(one["number"], one["school_name"], one["component"], one["what"]) for one in items]


def _numbers_of(looks: Sequence[tuple[StandingLook, int]]) -> dict[date, list[int]]:
    """Return by month the numbers of the runs that looked, the first one first."""
    found: dict[date, list[int]] = {}
    for look, number in reversed(looks):
        found.setdefault(look.month, []).append(number)
    return found


def _has_left(events: Sequence[StandingEvent]) -> bool:
    return any(one.to_state == VendorStanding.LEFT for one in events)


def _is_vendor(unit: Unit) -> bool:
    return unit.actor.organisation_kind is OrganisationKind.VENDOR


def _unnamed(items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**one, "school": "", "school_name": ""} for one in items]


def _named(items: Sequence[dict[str, Any]], names: Mapping[UUID, str]) -> list[dict[str, Any]]:
    """Return items with the names of their schools: their vendor serves them, the desk answers."""
    return [{**one, "school_name": names.get(UUID(one["school"]), "")} for one in items]


def _names_in(
    unit: Unit, items: Sequence[Sequence[Mapping[str, Any]]], appeals: Sequence[AppealView]
) -> dict[UUID, str]:
    every: list[Sequence[Mapping[str, Any]]] = [*items, *(one.items for one in appeals)]
    return names_of_schools(unit, {UUID(one["school"]) for some in every for one in some})


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
