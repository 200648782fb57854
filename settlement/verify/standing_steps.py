"""Each event of a standing against the gates that it passed, and who signed it (R44, R45).

The gates are those of the configuration of the run that it rests on.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import exists, select, text

from kernel.clock import shanghai_day
from kernel.unit import Unit
from settlement.ranking.config import Gates
from settlement.ranking.evidence_queries import VENDOR
from settlement.ranking.items import items_of
from settlement.ranking.looks import moved_to
from settlement.ranking.models import (
    ScoreSnapshot,
    Standing,
    StandingAppeal,
    StandingEvent,
    StandingLook,
    StandingNotice,
    StandingReturn,
)
from settlement.ranking.standing_gates import affected
from settlement.ranking.standing_states import Because, VendorStanding, may_follow
from settlement.ranking.standings import signers_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """All that is kept of a standing; its events in their order, looks by run, gates by run."""

    named: str
    standing: Standing
    events: Sequence[StandingEvent]
    notices: Mapping[UUID, StandingNotice]
    appeals: Mapping[UUID, StandingAppeal]
    returns: Sequence[StandingReturn]
    looks: Mapping[UUID, StandingLook]
    gates: Mapping[UUID, Gates]


# Who signed or decided without a role in a bureau that could have answered for it at that moment:
# above a bureau that let something of the vendor's in the cell in by then, or the topmost.
UNFIT: Final = text(
    """
WITH signed AS (
    SELECT id, standing_id, signed_by, at FROM standing_event WHERE signed_by IS NOT NULL
), let_in AS (
    SELECT s.id AS standing_id, m.decided_at, o.region_code
    FROM standing s JOIN resource r ON r.vendor_id = s.vendor_id
    JOIN version v ON v.resource_id = r.id
        AND v.stage || '/' || v.subject || '/' || v.type = s.cell
    JOIN admission m ON m.version_id = v.id AND m.state = 'admitted'
    JOIN organisation o ON o.id = m.bureau_id
)
SELECT e.id FROM signed e WHERE NOT EXISTS (
    SELECT FROM role_grant g
    JOIN organisation b ON b.id = g.organisation_id AND b.kind = 'bureau'
    WHERE g.person_id = e.signed_by AND g.role = 'admission' AND g.granted_from <= e.at
        AND (g.granted_until IS NULL OR g.granted_until > e.at)
        AND (EXISTS (
                SELECT FROM let_in l JOIN region_closure c ON c.region_code = l.region_code
                    AND c.ancestor_code = b.region_code
                WHERE l.standing_id = e.standing_id AND l.decided_at <= e.at)
            OR NOT EXISTS (
                SELECT FROM region_closure c JOIN organisation higher
                    ON higher.region_code = c.ancestor_code AND higher.kind = 'bureau'
                WHERE c.region_code = b.region_code AND c.distance > 0)))
"""
)


def unfit_signers(unit: Unit) -> set[UUID]:
    """Return the events whose signer was then no reviewer of a bureau that may answer for it."""
    return set(unit.session.scalars(UNFIT))


def check_step(unit: Unit, kept: Kept, event: StandingEvent) -> Iterator[str]:
    """Yield what of an event is not as due process had it at that moment."""
    named = f"{kept.named}: event {event.number} ({event.because})"
    states = VendorStanding(event.from_state), VendorStanding(event.to_state)
    because = Because(event.because)
    if not may_follow(*states, because):
        yield f"{named} leads from {event.from_state} to {event.to_state}, which nothing does"
        return
    if because is not Because.RETURN and because is not Because.ENDED:
        look = kept.looks.get(event.run_id) if event.run_id else None
        if look is None or look.run_id not in kept.gates:
            yield f"{named} rests on run {event.run_id}, which did not look at it"
            return
        yield from _by_look(unit, kept, event, look)
    match because:
        case Because.EXIT:
            yield from _after(kept, event, Because.SUSPENSION)
        case Because.ENDED:
            yield from _after(kept, event, Because.EXIT)
        case Because.APPEAL:
            appeal = kept.appeals.get(event.appeal_id) if event.appeal_id else None
            if appeal is None or appeal.outcome != "upheld":
                yield f"{named} rests on an appeal that was not upheld"
            elif (appeal.decided_by, appeal.note) != (event.signed_by, event.note):
                yield f"{named} has another signer or note than its appeal"
            elif event.signed_by in _signers(kept, appeal):
                yield f"{named} is signed by somebody who signed a step that it takes back"
        case Because.RETURN:
            if not any(
                (one.outcome, one.decided_by, one.note) == ("granted", event.signed_by, event.note)
                for one in kept.returns
            ):
                yield f"{named} rests on no application that was granted so"


def _by_look(unit: Unit, kept: Kept, event: StandingEvent, look: StandingLook) -> Iterator[str]:
    named = f"{kept.named}: event {event.number} ({event.because})"
    gates = kept.gates[look.run_id]
    match Because(event.because):
        case Because.LOOK:
            snapshot = unit.session.scalars(
                select(ScoreSnapshot).where(
                    ScoreSnapshot.run_id == look.run_id,
                    ScoreSnapshot.kind == VENDOR,
                    ScoreSnapshot.subject_id == kept.standing.vendor_id,
                    ScoreSnapshot.cell == kept.standing.cell,
                )
            ).one_or_none()
            state = VendorStanding(event.from_state)
            if snapshot is None or moved_to(state, snapshot, gates) != event.to_state:
                yield f"{named} leads to {event.to_state}, its run does not"
        case Because.NOTICE:
            if look.p_bad < gates.probation:
                yield f"{named} rests on P_bad {look.p_bad}, below {gates.probation}"
            yield from _check_notice(unit, kept, event, gates)
        case Because.SUSPENSION:
            notice = kept.notices.get(event.notice_id) if event.notice_id else None
            if notice is None or event.day <= notice.mend_by:
                yield f"{named} came before the term of a notice was over"
            if look.p_bad < gates.no_new_schools:
                yield f"{named} rests on P_bad {look.p_bad}, below {gates.no_new_schools}"
            if affected(look) < gates.fresh_schools:
                yield f"{named} rests on {affected(look)} schools, it takes {gates.fresh_schools}"
        case Because.EXIT:
            if look.p_bad < gates.no_new_schools:
                yield f"{named} rests on P_bad {look.p_bad}, below {gates.no_new_schools}"


def _check_notice(unit: Unit, kept: Kept, event: StandingEvent, gates: Gates) -> Iterator[str]:
    """A notice is its event's: who, when, why; it gives a term, and names what its run has."""
    named = f"{kept.named}: the notice of event {event.number}"
    notice = kept.notices.get(event.notice_id) if event.notice_id else None
    if notice is None:
        yield f"{named} is not there"
        return
    for what, has, told in (
        ("run", notice.run_id, event.run_id),
        ("signer", notice.issued_by, event.signed_by),
        ("note", notice.note, event.note),
        ("day", shanghai_day(notice.issued_at), event.day),
    ):
        if has != told:
            yield f"{named} has another {what} than the event"
    term = event.day + timedelta(days=gates.probation_days)
    if notice.mend_by != term:
        yield f"{named} is to be mended by {notice.mend_by}, its term ends on {term}"
    standing = kept.standing
    if notice.items != items_by(unit, standing, notice.run_id):
        yield f"{named} does not name what its run has"


def items_by(unit: Unit, standing: Standing, run_id: UUID) -> list[dict[str, Any]]:
    """Return what schools say against a vendor by a run, nothing if the run has no score of it."""
    scored = exists().where(
        ScoreSnapshot.run_id == run_id,
        ScoreSnapshot.kind == VENDOR,
        ScoreSnapshot.subject_id == standing.vendor_id,
        ScoreSnapshot.cell == standing.cell,
    )
    if not unit.session.scalar(select(scored)):
        return []
    return items_of(unit, standing.vendor_id, cell=standing.cell, run_id=run_id)


def _after(kept: Kept, event: StandingEvent, step: Because) -> Iterator[str]:
    """The days to appeal against the step before were over."""
    before = [one for one in kept.events if one.because == step and one.number < event.number]
    if not before or before[-1].appeal_by is None or event.day <= before[-1].appeal_by:
        yield (
            f"{kept.named}: event {event.number} ({event.because}) came before the days to appeal "
            f"against the {step} were over"
        )


def _signers(kept: Kept, appeal: StandingAppeal) -> set[UUID | None]:
    """Return who signed a step of the course that an appeal contests."""
    events = [*reversed(kept.events)]
    until = next((one for one in events if one.id == appeal.event_id), None)
    return signers_of(events, until=until) if until is not None else set()
