"""Due process: what a person decides of a vendor's standing, step by step (R44).

A notice names item by item what schools say, and gives a term to mend it; only if the looks after
it find no better, and newly affected schools say so, a reviewer may suspend, and after the days to
appeal let the vendor exit. Each step is signed by a reviewer without an interest in the vendor, of
the bureau that answers for it (`jurisdiction`), and can be appealed (`standing_appeals`). A
signature is of the run that its signer read (`seen`): after another look nothing is signed.
"""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import select

from catalog.models import Resource, Version
from catalog.reviewers import Reviewer, refuse_interest, require_reviewer
from kernel.clock import shanghai_day
from kernel.errors import AnotherLook, StepNotDue
from kernel.ids import new_id
from kernel.unit import Unit
from settlement.ranking.cells import told_cell
from settlement.ranking.items import items_of
from settlement.ranking.jurisdiction import require_answer_for
from settlement.ranking.looks import move
from settlement.ranking.models import Standing, StandingEvent, StandingNotice
from settlement.ranking.standing_gates import Course, first_unmet, gates_of
from settlement.ranking.standing_states import Because, VendorStanding
from settlement.ranking.standings import course_of, require_standing
from settlement.texts import reason_of
from settlement.workdays import after_workdays

TO: dict[Because, VendorStanding] = {
    Because.NOTICE: VendorStanding.PROBATION,
    Because.SUSPENSION: VendorStanding.NO_NEW_SCHOOLS,
    Because.EXIT: VendorStanding.EXITING,
}


def issue_notice(unit: Unit, standing_id: UUID, *, note: str, seen: UUID) -> StandingNotice:
    """Tell a vendor on watch what it has to mend within a term: watch → probation.

    The items are what the last look rests on, school by school. `seen`: the run of the look that
    the signer read. Raises `NotFound`, `AnotherLook`, `StepNotDue`, `ReasonRequired`,
    `VendorInterest`, `Refused`.
    """
    standing, course, reviewer = _begin(unit, standing_id, Because.NOTICE, seen=seen)
    note = reason_of("note", note)
    assert course.look is not None  # a gate
    items = items_of(unit, standing.vendor_id, cell=standing.cell, run_id=course.look.run_id)
    if not items:
        raise StepNotDue(
            key=standing.cell,
            cell=told_cell(standing.cell),
            state=VendorStanding(standing.state),
            wanted=VendorStanding.PROBATION,
            rule="no school says anything that could be mended",
        )
    today = shanghai_day(unit.clock.now())
    notice = StandingNotice(
        id=new_id(),
        standing_id=standing.id,
        run_id=course.look.run_id,
        items=items,
        note=note,
        issued_at=unit.clock.now(),
        issued_by=reviewer.person_id,
        mend_by=today + timedelta(days=course.gates.probation_days),
    )
    unit.session.add(notice)
    unit.session.flush()
    _sign(unit, standing, course, Because.NOTICE, reviewer, notice_id=notice.id, note=note)
    return notice


def suspend(unit: Unit, standing_id: UUID, *, note: str, seen: UUID) -> StandingEvent:
    """Let a vendor on probation take no new schools: probation → no_new_schools.

    Raises `StepNotDue` naming the first gate that is not met, and as `issue_notice`.
    """
    standing, course, reviewer = _begin(unit, standing_id, Because.SUSPENSION, seen=seen)
    note = reason_of("note", note)
    assert course.notice is not None  # a gate
    return _sign(
        unit,
        standing,
        course,
        Because.SUSPENSION,
        reviewer,
        notice_id=course.notice.id,
        note=note,
    )


def let_exit(unit: Unit, standing_id: UUID, *, note: str, seen: UUID) -> StandingEvent:
    """Let a vendor go: no_new_schools → exiting. Its schools finish their term.

    Raises as `suspend`.
    """
    standing, course, reviewer = _begin(unit, standing_id, Because.EXIT, seen=seen)
    note = reason_of("note", note)
    return _sign(unit, standing, course, Because.EXIT, reviewer, note=note)


def require_judge_of(unit: Unit, standing: Standing, act: str) -> Reviewer:
    """Return the reviewer that acts; raise for one with an interest in the vendor, and for one of a
    bureau that does not answer for all that was let in there."""
    reviewer = require_reviewer(unit, act)
    require_answer_for(unit, standing, act)
    versions = unit.session.scalars(
        select(Version)
        .join(Resource, Resource.id == Version.resource_id)
        .where(Resource.vendor_id == standing.vendor_id)
        .limit(1)
    ).all()
    refuse_interest(unit, reviewer, versions)
    return reviewer


def _begin(
    unit: Unit, standing_id: UUID, step: Because, *, seen: UUID
) -> tuple[Standing, Course, Reviewer]:
    standing = require_standing(unit, standing_id, lock=True)
    reviewer = require_judge_of(unit, standing, "sign a step of due process")
    course = course_of(unit, standing)
    if course.look is None or course.look.run_id != seen:
        raise AnotherLook(key=standing.cell, cell=told_cell(standing.cell))
    unmet = first_unmet(gates_of(unit, course, step))
    if unmet is not None:
        raise StepNotDue(
            key=standing.cell,
            cell=told_cell(standing.cell),
            state=VendorStanding(standing.state),
            wanted=TO[step],
            rule=unmet.rule,
        )
    return standing, course, reviewer


def _sign(
    unit: Unit,
    standing: Standing,
    course: Course,
    step: Because,
    reviewer: Reviewer,
    *,
    note: str,
    notice_id: UUID | None = None,
) -> StandingEvent:
    today = shanghai_day(unit.clock.now())
    return move(
        unit,
        standing,
        TO[step],
        because=step,
        run_id=course.look.run_id if course.look else None,
        notice_id=notice_id,
        signed_by=reviewer.person_id,
        note=note,
        appeal_by=after_workdays(today, course.gates.appeal_workdays),
    )
