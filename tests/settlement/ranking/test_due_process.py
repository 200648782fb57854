"""A vendor's way through due process: never a step without its gates, and each can be appealed."""

from datetime import date, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from kernel.actors import Actor, Role
from kernel.clock import parse_month
from kernel.errors import (
    AppealedAlready,
    DeadlinePassed,
    InvalidInput,
    NotFound,
    ReasonRequired,
    Refused,
    StepNotDue,
    TookPart,
    VendorInterest,
)
from kernel.identity.people import RosterRow, record_roster
from kernel.unit import Units
from settlement.ranking.due_process import issue_notice, let_exit, suspend
from settlement.ranking.models import (
    ScoreRun,
    Standing,
    StandingAppeal,
    StandingEvent,
    StandingNotice,
    StruckEvidence,
)
from settlement.ranking.runs import require_run
from settlement.ranking.standing_appeals import appeal_standing, decide_standing_appeal
from settlement.verify.rankings import check_rankings
from tests.support.builders import took
from tests.support.ranking_builders import (
    BAD,
    Contest,
    a_contest,
    audited,
    lived,
    move_to,
    next_look,
    on_probation,
    ranked,
    said,
    standing_of,
    suspended,
    wronged,
)
from tests.support.settlement_builders import SYSTEM
from tests.support.standing_builders import last_event

MARCH, APRIL = (parse_month(f"2026-{month:02d}") for month in (3, 4))


def states(units: Units, contest: Contest) -> list[str]:
    return [standing_of(units, contest, n).state for n in range(len(contest.sellers))]


def test_looks_alone_let_in_put_on_watch_and_find_recovered(units: Units) -> None:
    """R44: who recovers stands where it stood, by itself."""
    contest = a_contest(units)
    lived(units, contest, MARCH, {0: 5, 1: 4, BAD: 1})
    audited(units, contest, failing=BAD)
    ranked(units, MARCH)
    assert states(units, contest) == ["newcomer"] * 3
    lived(units, contest, APRIL, {BAD: 5})
    ranked(units, APRIL)
    assert states(units, contest) == ["normal", "normal", "watch"]
    may = parse_month("2026-05")
    lived(units, contest, may)
    ranked(units, may)
    assert states(units, contest) == ["normal"] * 3


def test_a_notice_names_what_each_school_says_and_gives_a_term(units: Units) -> None:
    """R44."""
    contest = on_probation(units)
    standing = standing_of(units, contest)
    with units(SYSTEM) as unit:
        notice = unit.session.scalars(select(StandingNotice)).one()
        event = unit.session.scalars(
            select(StandingEvent).where(StandingEvent.because == "notice")
        ).one()
    assert standing.state == "probation"
    assert [one["number"] for one in notice.items] == [*range(1, 9)]
    assert [one["component"] for one in notice.items] == ["ratings", "defects"] * 4
    assert notice.items[0]["what"] == {"teachers": 2, "stars": 2}
    assert notice.items[1]["what"] == {"severity": 10, "months": 2}
    assert notice.mend_by == event.day + timedelta(days=183)
    assert event.signed_by == contest.reviewers[0].person_id
    assert event.appeal_by == date(2026, 5, 18)  # ten working days on, one Saturday is worked


def test_no_step_comes_before_its_gates(units: Units) -> None:
    """R44: neither a suspension within the term, nor an exit without a suspension."""
    contest = on_probation(units)
    standing = standing_of(units, contest)
    for act in (suspend, let_exit, issue_notice):
        with units(contest.reviewers[1]) as unit, pytest.raises(StepNotDue):
            act(unit, standing.id, note="没有改善", seen=require_run(unit).id)


def test_suspension_needs_looks_fresh_schools_and_a_person(units: Units) -> None:
    """R44: two looks after the notice, three schools that were affected since, a signature."""
    contest = on_probation(units)
    standing = standing_of(units, contest)
    # The term is over, and the last look is that of before the notice.
    move_to(units, units.clock.now() + timedelta(days=190))
    with units(contest.reviewers[1]) as unit, pytest.raises(StepNotDue, match="looks"):
        suspend(unit, standing.id, note="没有改善", seen=require_run(unit).id)
    with units(SYSTEM) as unit, pytest.raises(Refused):
        suspend(unit, standing.id, note="没有改善", seen=require_run(unit).id)


def test_an_upheld_appeal_strikes_evidence_out_and_ranks_again(units: Units) -> None:
    """R44, R45."""
    contest = suspended(units)
    standing = standing_of(units, contest)
    manager = contest.sellers[BAD].manager
    with units(manager) as unit:
        appeal = appeal_standing(
            unit,
            standing.id,
            event=last_event(unit, standing.id),
            claim="两所学校的评价不是使用者所写",
            contested=[1, 2, 3, 4],
        )
        with pytest.raises(AppealedAlready):
            appeal_standing(
                unit, standing.id, event=last_event(unit, standing.id), claim="再申诉一次"
            )
    for signer in contest.reviewers[:2]:  # of the notice, and of the suspension
        with units(signer) as unit, pytest.raises(TookPart):
            decide_standing_appeal(unit, appeal.id, upheld=True, note="同意", struck=[1])
    with units(SYSTEM) as unit:
        before = unit.session.scalars(select(ScoreRun).order_by(ScoreRun.month.desc())).first()
    with units(contest.reviewers[2]) as unit:
        decide_standing_appeal(
            unit, appeal.id, upheld=True, note="评价者未实际使用", struck=[*range(1, 9)]
        )

    standing = standing_of(units, contest)
    assert standing.state == "normal"
    with units(SYSTEM) as unit:
        struck = unit.session.scalars(select(StruckEvidence)).all()
        again = unit.session.scalars(
            select(ScoreRun).order_by(ScoreRun.month.desc(), ScoreRun.number.desc())
        ).first()
        assert list(check_rankings(unit)) == []
    assert len(struck) == 8
    assert (again.month, again.number) == (before.month, before.number + 1)


def test_who_recovers_while_its_appeal_waits_stays_recovered(units: Units) -> None:
    """R44."""
    contest = on_probation(units)
    standing = standing_of(units, contest)
    with units(contest.sellers[BAD].manager) as unit:
        appeal = appeal_standing(
            unit, standing.id, event=last_event(unit, standing.id), claim="已整改", contested=[1]
        )
    said(units, contest, {BAD: 5})
    may = parse_month("2026-05")
    lived(units, contest, may)
    ranked(units, may)
    assert standing_of(units, contest).state == "normal"
    with units(contest.reviewers[2]) as unit:
        decide_standing_appeal(unit, appeal.id, upheld=True, note="确已整改", struck=[1])
    assert standing_of(units, contest).state == "normal"
    with units(contest.sellers[BAD].manager) as unit, pytest.raises(NotFound):
        appeal_standing(
            unit, standing.id, event=last_event(unit, standing.id), claim="没有可申诉的"
        )


def test_a_dismissed_appeal_leaves_everything_and_exit_waits_for_it(units: Units) -> None:
    """R44: the exit is stayed while an appeal waits."""
    contest = suspended(units)
    standing = standing_of(units, contest)
    with units(contest.sellers[BAD].manager) as unit:
        appeal = appeal_standing(
            unit, standing.id, event=last_event(unit, standing.id), claim="请复核"
        )
    next_look(units, contest)
    with units(contest.reviewers[1]) as unit, pytest.raises(StepNotDue, match="appeal"):
        let_exit(unit, standing.id, note="退出", seen=require_run(unit).id)
    with pytest.raises(DBAPIError, match="an appeal stays it"), units(SYSTEM) as unit:
        _event(unit, standing, contest.reviewers[1], to="exiting", because="exit")
    with units(contest.reviewers[2]) as unit:
        decide_standing_appeal(unit, appeal.id, upheld=False, note="证据确凿")
    assert standing_of(units, contest).state == "no_new_schools"
    with units(contest.reviewers[1]) as unit:
        let_exit(unit, standing.id, note="整改无效，学期结束后退出", seen=require_run(unit).id)
    assert standing_of(units, contest).state == "exiting"


def test_an_appeal_comes_in_time_from_the_vendor_itself(units: Units) -> None:
    """R44."""
    contest = on_probation(units)
    standing = standing_of(units, contest)
    with units(contest.sellers[0].manager) as unit, pytest.raises(NotFound):
        appeal_standing(unit, standing.id, event=last_event(unit, standing.id), claim="别人的")
    manager = contest.sellers[BAD].manager
    with units(manager) as unit:
        with pytest.raises(ReasonRequired):
            appeal_standing(unit, standing.id, event=last_event(unit, standing.id), claim=" ")
        with pytest.raises(InvalidInput):
            appeal_standing(
                unit, standing.id, event=last_event(unit, standing.id), claim="不服", contested=[99]
            )
    move_to(units, units.clock.now() + timedelta(days=30))
    with units(manager) as unit, pytest.raises(DeadlinePassed):
        appeal_standing(unit, standing.id, event=last_event(unit, standing.id), claim="晚了")


def test_who_has_an_interest_signs_nothing(units: Units) -> None:
    """R44, R13."""
    contest = a_contest(units)
    lived(units, contest, MARCH, {0: 5, 1: 4, BAD: 1})
    wronged(units, contest, MARCH, BAD)
    lived(units, contest, APRIL)
    ranked(units, APRIL)
    vendor = contest.sellers[BAD].organisation
    with units(SYSTEM) as unit:
        row = RosterRow(
            person_no="SR-1",
            name="兼职",
            organisation_kind="vendor",
            organisation_code=vendor.code,
            roles=(Role.VENDOR_MANAGER,),
        )
        took(record_roster(unit, [row]))
    standing = standing_of(units, contest)
    with units(contest.reviewers[1]) as unit, pytest.raises(VendorInterest):
        issue_notice(unit, standing.id, note="请整改", seen=require_run(unit).id)
    with units(contest.finance) as unit, pytest.raises(Refused):
        issue_notice(unit, standing.id, note="请整改", seen=require_run(unit).id)


@pytest.mark.parametrize(
    ("to", "because"),
    [
        ("no_new_schools", "suspension"),
        ("exiting", "exit"),
        ("left", "ended"),
        ("normal", "appeal"),
        ("exiting", "suspension"),
        ("no_new_schools", "look"),
    ],
)
def test_the_database_lets_no_step_be_skipped(units: Units, to: str, because: str) -> None:
    """R44."""
    contest = on_probation(units)
    standing = standing_of(units, contest)
    with pytest.raises(DBAPIError, match="is refused"), units(SYSTEM) as unit:
        _event(unit, standing, contest.reviewers[1], to=to, because=because)


def test_the_database_moves_a_standing_with_its_event_only(units: Units) -> None:
    """R44."""
    contest = on_probation(units)
    standing = standing_of(units, contest)
    for statement in (
        "UPDATE standing SET state = 'normal'",
        "DELETE FROM standing",
        "UPDATE standing_event SET note = 'x'",
        "DELETE FROM standing_look",
        "UPDATE standing_notice SET mend_by = mend_by - 90",
    ):
        with pytest.raises(DBAPIError), units(SYSTEM) as unit:
            unit.session.execute(text(statement))
    with pytest.raises(DBAPIError, match="no appeal struck it out"), units(SYSTEM) as unit:
        appeal = unit.session.scalars(select(StandingAppeal.id)).first() or standing.id
        unit.session.add(
            StruckEvidence(
                appeal_id=appeal,
                school_id=contest.schools[0].id,
                component="ratings",
                vendor_id=standing.vendor_id,
                cell=standing.cell,
                until=unit.clock.now(),
                reason="x",
            )
        )
        unit.session.flush()


def _event(unit, standing: Standing, signer: Actor, *, to: str, because: str) -> None:
    at = unit.clock.now()
    unit.session.add(
        StandingEvent(
            id=standing.id,
            standing_id=standing.id,
            number=0,
            from_state=standing.state,
            to_state=to,
            because=because,
            signed_by=signer.person_id,
            note="硬来",
            at=at,
            day=at.date(),
            appeal_by=at.date() if because in {"suspension", "exit"} else None,
        )
    )
    unit.session.flush()
