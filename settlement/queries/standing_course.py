"""A standing's course as its readers see it: voided steps, notices as told, appeals (R44).

A notice stays readable as it was issued, whatever a later ranking has; an upheld appeal voids the
steps of the course that it contests, and what it struck out is named item by item. Schools are
named: a step rested on what they said, and the vendor was told of it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select

from kernel.clock import shanghai_day
from kernel.identity.recording import among
from kernel.unit import Unit
from settlement.ranking.evidence_queries import VENDOR
from settlement.ranking.items import items_in, say_more
from settlement.ranking.models import (
    ScoreSnapshot,
    StandingAppeal,
    StandingEvent,
    StandingLook,
    StandingNotice,
    StruckEvidence,
)
from settlement.ranking.standing_states import VendorStanding
from settlement.ranking.standings import STEPS, UPHELD

Item = dict[str, Any]
Key = tuple[str, str]
BEGINS: frozenset[str] = frozenset({VendorStanding.NORMAL, VendorStanding.NEWCOMER})
"""Where a course begins anew."""


class Said(NamedTuple):
    """What a run has of a vendor in a cell: `items` against it, school by school, and what was set
    `aside`: each a school, why, and the effect on the score if it were counted."""

    items: Sequence[Item] = ()
    aside: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class StepView:
    """A step that was signed, and the `run`-th ranking of the `month` on which it rests."""

    number: int
    because: str
    signed_on: date
    note: str
    month: date | None
    run: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class AppealView:
    """An appeal with the `items` of the step, those that it denies, and those struck out."""

    id: UUID
    step: StepView
    claim: str
    contested: Sequence[int]
    made_on: date
    outcome: str
    decided_on: date | None
    decided_by: UUID | None
    note: str
    items: Sequence[Item]
    denied: Sequence[Item]
    struck: Sequence[Item]

    @property
    def touched(self) -> list[Item]:
        """The items that it denies or that were struck out, each once and with which it is."""
        denied, struck = ({one["number"] for one in some} for some in (self.denied, self.struck))
        return [
            {**one, "is_denied": one["number"] in denied, "is_struck": one["number"] in struck}
            for one in self.items
            if one["number"] in denied | struck
        ]


@dataclass(frozen=True, kw_only=True, slots=True)
class NoticeView:
    """A notice as it was issued; each item says whether it `is_struck` out since.

    `voided_on`: the day on which an appeal was upheld that took it back.
    """

    id: UUID
    issued_on: date
    mend_by: date
    note: str
    items: Sequence[Item]
    voided_on: date | None


def last_signed(events: Sequence[StandingEvent]) -> StandingEvent | None:
    """Return the step of the present course that was signed last, of events, the latest first."""
    for one in events:
        if one.because in STEPS:
            return one
        if one.to_state in BEGINS or one.appeal_id is not None:
            return None
    return None


def voided_steps(
    events: Sequence[StandingEvent], appeals: Sequence[StandingAppeal]
) -> dict[UUID, date]:
    """Return the steps that an upheld appeal took back, each with the day; events latest first."""
    number = {one.id: one.number for one in events}
    found: dict[UUID, date] = {}
    for appeal in appeals:
        if appeal.outcome != UPHELD or appeal.decided_at is None:
            continue
        for one in events:
            if one.number > number[appeal.event_id]:
                continue
            if one.to_state in BEGINS:
                break
            if one.because in STEPS:
                found.setdefault(one.id, shanghai_day(appeal.decided_at))
    return found


def appeals_with_struck(
    unit: Unit, standing_id: UUID
) -> tuple[list[StandingAppeal], dict[UUID, set[Key]]]:
    """Return a standing's appeals, the latest first, and what each struck out."""
    struck: dict[UUID, set[Key]] = {}
    appeals: dict[UUID, StandingAppeal] = {}
    for appeal, school_id, component in unit.session.execute(
        select(StandingAppeal, StruckEvidence.school_id, StruckEvidence.component)
        .outerjoin(StruckEvidence, StruckEvidence.appeal_id == StandingAppeal.id)
        .where(StandingAppeal.standing_id == standing_id)
        .order_by(StandingAppeal.made_at.desc())
    ):
        appeals[appeal.id] = appeal
        if component is not None:
            struck.setdefault(appeal.id, set()).add((str(school_id), component))
    return [*appeals.values()], struck


def said_by_run(
    unit: Unit, vendor_id: UUID, *, cell: str, run_ids: Collection[UUID]
) -> dict[UUID, Said]:
    """Return what schools say of a vendor in a cell, as each of some runs has it."""
    if not run_ids:
        return {}
    rows = unit.session.execute(
        select(ScoreSnapshot.run_id, ScoreSnapshot.inputs, ScoreSnapshot.result["left_out"]).where(
            among(ScoreSnapshot.run_id, run_ids),
            ScoreSnapshot.kind == VENDOR,
            ScoreSnapshot.subject_id == vendor_id,
            ScoreSnapshot.cell == cell,
        )
    )
    return {run_id: Said(items_in(inputs), left_out or ()) for run_id, inputs, left_out in rows}


def says_more(
    notices: Sequence[StandingNotice],
    appeals: Sequence[StandingAppeal],
    *,
    struck: Mapping[UUID, Collection[Key]],
    items: Sequence[Item],
) -> bool:
    """Return whether items say what is not left of the notice before the last upheld appeal; true
    without one."""
    decided = {one.id: one.decided_at for one in appeals if one.outcome == UPHELD}
    upheld = max((one for one in decided.values() if one is not None), default=None)
    before = next((one for one in notices if upheld and one.issued_at <= upheld), None)
    if before is None:
        return True
    gone = {
        key
        for appeal_id, at in decided.items()
        if at is not None and at >= before.issued_at
        for key in struck.get(appeal_id, ())
    }
    return say_more(items, [one for one in before.items if key_of(one) not in gone])


def appeal_views(
    appeals: Sequence[StandingAppeal],
    *,
    events: Sequence[StandingEvent],
    struck: Mapping[UUID, Collection[Key]],
    said: Mapping[UUID, Said],
    looks: Sequence[tuple[StandingLook, int]],
) -> list[AppealView]:
    """Return appeals, in their order, with the items (`said` by run) of the step that each
    contests.

    `looks`: all of the standing's, each with its run's number.
    """
    by_id = {one.id: one for one in events}

    def view(one: StandingAppeal) -> AppealView:
        event = by_id[one.event_id]
        items = said.get(event.run_id, Said()).items if event.run_id is not None else ()
        return AppealView(
            id=one.id,
            step=step_view(event, looks),
            claim=one.claim,
            contested=one.contested,
            made_on=one.made_on,
            outcome=one.outcome or "",
            decided_on=shanghai_day(one.decided_at) if one.decided_at else None,
            decided_by=one.decided_by,
            note=one.note,
            items=items,
            denied=[item for item in items if item["number"] in one.contested],
            struck=[item for item in items if key_of(item) in struck.get(one.id, ())],
        )

    return [view(one) for one in appeals]


def step_view(event: StandingEvent, looks: Sequence[tuple[StandingLook, int]]) -> StepView:
    """Return a signed step with the ranking on which it rests, of the standing's looks."""
    rests_on = next((one for one in looks if one[0].run_id == event.run_id), None)
    return StepView(
        number=event.number,
        because=event.because,
        signed_on=event.day,
        note=event.note,
        month=rests_on[0].month if rests_on else None,
        run=rests_on[1] if rests_on else None,
    )


def notice_views(
    notices: Sequence[StandingNotice],
    *,
    events: Sequence[StandingEvent],
    voided: Mapping[UUID, date],
    appeals: Sequence[AppealView],
) -> list[NoticeView]:
    """Return notices as they were issued, in their order."""
    event_of = {one.notice_id: one for one in reversed(events) if one.notice_id is not None}

    def view(one: StandingNotice) -> NoticeView:
        struck = {
            key_of(item)
            for appeal in appeals
            if appeal.decided_on is not None and appeal.decided_on >= shanghai_day(one.issued_at)
            for item in appeal.struck
        }
        event = event_of.get(one.id)
        return NoticeView(
            id=one.id,
            issued_on=shanghai_day(one.issued_at),
            mend_by=one.mend_by,
            note=one.note,
            items=[{**item, "is_struck": key_of(item) in struck} for item in one.items],
            voided_on=voided.get(event.id) if event is not None else None,
        )

    return [view(one) for one in notices]


def key_of(item: Mapping[str, Any]) -> Key:
    return str(item["school"]), str(item["component"])
