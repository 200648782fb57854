"""Standings as their readers see them: who sees which, and the course of one (R44).

A vendor sees its own; a bureau those of vendors in its region, and those in whose cell it, or a
bureau below it, let something of the vendor's in (R10). Who signs is decided by `jurisdiction`. The
rest of the world reads the rankings.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Date, Select, false, func, literal, or_, select, true

from catalog.models import Admission
from catalog.reviewers import answered_for
from kernel.actors import OrganisationKind
from kernel.errors import NotFound
from kernel.identity.models import Organisation
from kernel.identity.visibility import visible_organisations
from kernel.unit import Unit
from settlement.ranking.items import items_of, left_of, say_more
from settlement.ranking.jurisdiction import let_in
from settlement.ranking.models import (
    PublishedConfig,
    ScoreRun,
    Standing,
    StandingAppeal,
    StandingEvent,
    StandingLook,
    StandingNotice,
)
from settlement.ranking.rules import SHIPPED, rules_from
from settlement.ranking.standing_gates import Course
from settlement.ranking.standing_states import Because, VendorStanding

UPHELD: Final = "upheld"
STEPS: Final = frozenset({Because.NOTICE, Because.SUSPENSION, Because.EXIT})
"""What a person signs against a vendor."""


def visible_standings(unit: Unit) -> Select[Standing]:
    """Select the standings that the actor may see."""
    return select(Standing).where(_is_visible(unit))


def require_standing(unit: Unit, standing_id: UUID, *, lock: bool = False) -> Standing:
    """Return a standing that the actor may see, or raise `NotFound`."""
    wanted = visible_standings(unit).where(Standing.id == standing_id)
    if lock:
        wanted = wanted.with_for_update(of=Standing).execution_options(populate_existing=True)
    found = unit.session.scalars(wanted).one_or_none()
    if found is None:
        raise NotFound(what="standing", key=standing_id)
    return found


def course_of(unit: Unit, standing: Standing) -> Course:
    """Return what due process needs to know of a standing."""
    return course_from(
        unit,
        VendorStanding(standing.state),
        looks=looks_of(unit, standing.id),
        events=events_of(unit, standing.id),
        notices=notices_of(unit, standing.id),
        appeals=appeals_of(unit, standing.id),
    )


def course_from(
    unit: Unit,
    state: VendorStanding,
    *,
    looks: Sequence[StandingLook],
    events: Sequence[StandingEvent],
    notices: Sequence[StandingNotice],
    appeals: Sequence[StandingAppeal],
    says_more: bool | None = None,
) -> Course:
    """Put a standing's course together, at the gates of the run that looked last; each the latest
    first. `says_more`: if that is known already."""
    notice = notices[0] if notices else None
    suspension = _last(events, Because.SUSPENSION)
    decided = [one.decided_at for one in appeals if one.outcome == UPHELD and one.decided_at]
    over = max((one.at for one in events if _ends_a_course(one)), default=None)
    upheld = max((at for at in decided if over is None or at >= over), default=None)
    content = noticed_in = suspended_in = upheld_in = None
    if looks:
        moments = (
            notice.issued_at if notice else None,
            suspension.at if suspension else None,
            upheld,
        )
        content, noticed_in, suspended_in, upheld_in = unit.session.execute(
            select(
                PublishedConfig.content,
                *(_seen_by(looks[0].standing_id, moment) for moment in moments),
            )
            .join(ScoreRun, ScoreRun.config_version == PublishedConfig.version)
            .where(ScoreRun.id == looks[0].run_id)
        ).one()
    rules = rules_from(content) if content is not None else SHIPPED
    return Course(
        state=state,
        gates=rules.ranking.gates,
        looks=looks,
        notice=notice,
        suspension=suspension,
        exit=_last(events, Because.EXIT),
        open_appeal=next((one for one in appeals if one.outcome is None), None),
        noticed_in=noticed_in,
        suspended_in=suspended_in,
        upheld_in=upheld_in,
        says_more=upheld is None
        or (_says_more(unit, looks, notices, upheld) if says_more is None else says_more),
    )


def _ends_a_course(event: StandingEvent) -> bool:
    """Whether a vendor is at the beginning again: it has recovered, or come back (0037)."""
    if event.because == Because.RETURN:
        return True
    return event.because == Because.LOOK and event.to_state == VendorStanding.NORMAL


def _seen_by(standing_id: UUID, moment: datetime | None) -> ColumnElement[Any]:
    """Return the latest month of a standing that had been looked at by a moment."""
    if moment is None:
        return literal(None, Date)
    return (
        select(func.max(StandingLook.month))
        .where(StandingLook.standing_id == standing_id, StandingLook.at <= moment)
        .scalar_subquery()
    )


def _says_more(
    unit: Unit,
    looks: Sequence[StandingLook],
    notices: Sequence[StandingNotice],
    upheld: datetime,
) -> bool:
    """Return whether the last look says what is not left of the notice before an upheld appeal."""
    before = next((one for one in notices if one.issued_at <= upheld), None)
    if before is None or not looks:
        return True
    standing = unit.session.get_one(Standing, looks[0].standing_id)
    items = items_of(unit, standing.vendor_id, cell=standing.cell, run_id=looks[0].run_id)
    return say_more(items, left_of(unit, before))


def notices_of(unit: Unit, standing_id: UUID) -> Sequence[StandingNotice]:
    return unit.session.scalars(
        select(StandingNotice)
        .where(StandingNotice.standing_id == standing_id)
        .order_by(StandingNotice.issued_at.desc())
    ).all()


def appeals_of(unit: Unit, standing_id: UUID) -> Sequence[StandingAppeal]:
    return unit.session.scalars(
        select(StandingAppeal)
        .where(StandingAppeal.standing_id == standing_id)
        .order_by(StandingAppeal.made_at.desc())
    ).all()


def looks_of(unit: Unit, standing_id: UUID) -> list[StandingLook]:
    """Return of each month the look that holds, the latest month first."""
    return holding(every_look(unit, standing_id))


def every_look(unit: Unit, standing_id: UUID) -> list[tuple[StandingLook, int]]:
    """Return all looks, each with its run's number, the latest month and run first."""
    rows = unit.session.execute(
        select(StandingLook, ScoreRun.number)
        .join(ScoreRun, ScoreRun.id == StandingLook.run_id)
        .where(StandingLook.standing_id == standing_id)
        .order_by(StandingLook.month.desc(), ScoreRun.number.desc())
    )
    return [(look, number) for look, number in rows]


def holding(looks: Sequence[tuple[StandingLook, int]]) -> list[StandingLook]:
    """Return of each month the look of the last run, in the order of `every_look`."""
    held: dict[date, StandingLook] = {}
    for look, _ in looks:
        held.setdefault(look.month, look)
    return [*held.values()]


def events_of(unit: Unit, standing_id: UUID) -> Sequence[StandingEvent]:
    """Return what moved a standing, the latest first."""
    return unit.session.scalars(
        select(StandingEvent)
        .where(StandingEvent.standing_id == standing_id)
        .order_by(StandingEvent.number.desc())
    ).all()


def signers_of(
    events: Sequence[StandingEvent], *, until: StandingEvent | None = None
) -> set[UUID | None]:
    """Return who signed a step of a course, as `signed_steps`."""
    return {one.signed_by for one in signed_steps(events, until=until)}


def signed_steps(
    events: Sequence[StandingEvent], *, until: StandingEvent | None = None
) -> list[StandingEvent]:
    """Return the steps of a course that were signed, of a standing's events, the latest first.

    A course begins where it last stood at normal or was a newcomer. `until`: an event of it, which
    is not the last one's course if the vendor has recovered since.
    """
    found = []
    for one in events:
        if until is not None and one.number > until.number:
            continue
        if one.to_state in {VendorStanding.NORMAL, VendorStanding.NEWCOMER}:
            break
        if one.because in STEPS:
            found.append(one)
    return found


def _last(events: Sequence[StandingEvent], because: Because) -> StandingEvent | None:
    return next((one for one in events if one.because == because), None)


def _is_visible(unit: Unit) -> ColumnElement[bool]:
    if unit.actor.is_system:
        return true()
    match unit.actor.organisation_kind:
        case OrganisationKind.VENDOR:
            return Standing.vendor_id == unit.actor.organisation_id
        case OrganisationKind.BUREAU:
            below = visible_organisations(unit, OrganisationKind.VENDOR)
            here = let_in(Standing.vendor_id, Standing.cell).where(
                Admission.bureau_id.in_(answered_for(unit))
            )
            return or_(
                Standing.vendor_id.in_(below.with_only_columns(Organisation.id)),
                here.correlate(Standing).exists(),
            )
    return false()
