"""The way back of a vendor that left: after a term, by another reviewer, as a newcomer (R44)."""

from datetime import timedelta
from uuid import UUID

import pytest
from litestar.testing import TestClient
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from kernel.clock import Month, month_of, shanghai_day
from kernel.errors import (
    AppealedAlready,
    DoneAlready,
    NotFound,
    ReasonRequired,
    Refused,
    StepNotDue,
    TookPart,
)
from kernel.ids import new_id
from kernel.settings import Settings
from kernel.unit import Units
from settlement.ranking.config import RETURN_DAYS
from settlement.ranking.evidence import gather
from settlement.ranking.models import StandingAppeal, StandingEvent
from settlement.ranking.returning import NOT_LEFT, apply_to_return, decide_return, returns_of
from settlement.ranking.rules import SHIPPED
from settlement.ranking.runs import require_run
from settlement.ranking.slots import SILENT
from settlement.ranking.standing_appeals import appeal_standing, decide_standing_appeal
from settlement.ranking.standings import events_of
from tests.support.application import an_app
from tests.support.ranking_builders import (
    BAD,
    Contest,
    audited,
    departed,
    ranked,
    standing_of,
    suspended,
)
from tests.support.settlement_builders import SYSTEM
from tests.support.site_builders import csrf_token, sign_in
from tests.support.standing_builders import last_event


@pytest.fixture
def contest(units: Units) -> Contest:
    return departed(units)


def a_term_later(units: Units) -> None:
    units.clock.advance(timedelta(days=RETURN_DAYS))


def test_a_vendor_that_left_applies_once_its_term_is_over(units: Units, contest: Contest) -> None:
    """R44: as itself, with what changed, one application at a time; the database asks the same."""
    standing, manager = standing_of(units, contest), contest.sellers[BAD].manager
    assert standing.state == "left"
    with pytest.raises(StepNotDue), units(manager) as unit:
        apply_to_return(unit, standing.id, claim="更换了内容团队")
    a_term_later(units)
    with pytest.raises(ReasonRequired), units(manager) as unit:
        apply_to_return(unit, standing.id, claim=" ")
    for who, error in (
        (contest.sellers[0].manager, NotFound),
        (contest.reviewers[2], Refused),
    ):
        with pytest.raises(error), units(who) as unit:
            apply_to_return(unit, standing.id, claim="更换了内容团队")
    with pytest.raises(StepNotDue, match=NOT_LEFT), units(contest.sellers[0].manager) as unit:
        apply_to_return(unit, standing_of(units, contest, 0).id, claim="没有退出")
    with units(manager) as unit:
        apply_to_return(unit, standing.id, claim="更换了内容团队")
    with pytest.raises(AppealedAlready), units(manager) as unit:
        apply_to_return(unit, standing.id, claim="再次申请")


def test_another_reviewer_lets_it_begin_as_a_newcomer_and_the_trail_stays(
    units: Units, contest: Contest
) -> None:
    """R43, R44: what schools said before counts no more; a refused one may apply again."""
    standing, manager = standing_of(units, contest), contest.sellers[BAD].manager
    before = known_of(units, contest)
    assert before["raters"] == 8
    audited(units, contest, failing=BAD, times=1)
    a_term_later(units)
    for granted in (False, True):
        with units(manager) as unit:
            apply_to_return(unit, standing.id, claim="更换了内容团队")
        for signer in contest.reviewers[:2]:
            with pytest.raises(TookPart), units(signer) as unit:
                decide_return(unit, standing.id, granted=True, note="同意")
        with pytest.raises(ReasonRequired), units(contest.reviewers[2]) as unit:
            decide_return(unit, standing.id, granted=granted, note="")
        with units(contest.reviewers[2]) as unit:
            decide_return(unit, standing.id, granted=granted, note="已核实整改材料")
        state = standing_of(units, contest).state
        assert state == ("newcomer" if granted else "left")
    with pytest.raises(DoneAlready), units(contest.reviewers[2]) as unit:
        decide_return(unit, standing.id, granted=True, note="没有申请")
    with units(SYSTEM) as unit:
        steps = [one.because for one in events_of(unit, standing.id)]
        assert [one.outcome for one in returns_of(unit, standing.id)] == ["granted", "refused"]
    assert steps == ["return", "ended", "exit", "suspension", "notice", "look"]
    silent = let_in_long_ago(units)
    assert contest.sellers[0].resource_id in silent
    assert contest.sellers[BAD].resource_id not in silent, "it begins anew, and so do its places"
    units.clock.advance(timedelta(days=32))
    after = known_of(units, contest, by_now=True)
    assert after == {}
    with units(SYSTEM) as unit:
        run = require_run(unit)
    assert ranked(units, run.month).is_new is False, "what was ranked before stays as it was"


def let_in_long_ago(units: Units) -> set[UUID]:
    """Return what no place would be kept for, if a ranking knew nothing of anything."""
    until = units.clock.now() - timedelta(days=RETURN_DAYS)
    with units(SYSTEM) as unit:
        return {*unit.session.scalars(SILENT, {"run_id": new_id(), "until": until})}


def known_of(units: Units, contest: Contest, *, by_now: bool = False) -> dict[str, int]:
    """Return what counts of the vendor: of the last month ranked, or of the month before now."""
    vendor = str(contest.sellers[BAD].organisation.id)
    with units(SYSTEM) as unit:
        month = Month(require_run(unit).month)
        if by_now:
            month = month_of(shanghai_day(unit.clock.now()) - timedelta(days=31))
        found = [
            one.evidence
            for one in gather(unit, month, SHIPPED).subjects["vendor"]
            if one.evidence.subject == vendor
        ]
    if not found:
        return {}
    return {"raters": sum(one.raters for one in found[0].schools)}


def test_who_signed_a_step_of_a_course_before_may_decide_the_return(
    units: Units, contest: Contest
) -> None:
    """R44: it had recovered since; by the service and by the database. People do not run out."""
    standing = standing_of(units, contest)
    recovered_before(units, standing.id, "suspension")
    a_term_later(units)
    with units(contest.sellers[BAD].manager) as unit:
        apply_to_return(unit, standing.id, claim="更换了内容团队")
    with pytest.raises(TookPart), units(contest.reviewers[1]) as unit:
        decide_return(unit, standing.id, granted=True, note="同意")
    with units(contest.reviewers[0]) as unit:
        decide_return(unit, standing.id, granted=True, note="已核实整改材料")
    assert standing_of(units, contest).state == "newcomer"


def test_who_signed_a_step_of_a_course_before_may_decide_an_appeal(units: Units) -> None:
    """R44: but nobody an appeal against a step of the course in which they signed one."""
    contest = suspended(units)
    standing = standing_of(units, contest)
    recovered_before(units, standing.id, "suspension")
    with units(contest.sellers[BAD].manager) as unit:
        appeal = appeal_standing(
            unit, standing.id, event=last_event(unit, standing.id), claim="请复核"
        )
    with pytest.raises(TookPart), units(contest.reviewers[1]) as unit:
        decide_standing_appeal(unit, appeal.id, upheld=False, note="维持")
    with units(contest.reviewers[0]) as unit:
        decide_standing_appeal(unit, appeal.id, upheld=False, note="维持")


def test_who_signed_decides_no_appeal_that_waits_while_the_vendor_recovers(units: Units) -> None:
    """R44: the course of an appeal is that of the step that it contests."""
    contest = suspended(units)
    standing = standing_of(units, contest)
    with units(contest.sellers[BAD].manager) as unit:
        appeal = appeal_standing(
            unit, standing.id, event=last_event(unit, standing.id), claim="请复核"
        )
    recovered_before(units, standing.id, "")
    for signer in contest.reviewers[:2]:
        with pytest.raises(TookPart), units(signer) as unit:
            decide_standing_appeal(unit, appeal.id, upheld=False, note="维持")
        with pytest.raises(DBAPIError, match="signed nothing"), units(SYSTEM) as unit:
            row = unit.session.get_one(StandingAppeal, appeal.id)
            row.outcome, row.note = "dismissed", "维持"
            row.decided_by, row.decided_at = signer.person_id, unit.clock.now()
            unit.session.flush()
    with units(contest.reviewers[2]) as unit:
        decide_standing_appeal(unit, appeal.id, upheld=False, note="维持")


def recovered_before(units: Units, standing_id: UUID, because: str) -> None:
    """Have a standing have been normal, and on watch again, before a step; else after all."""
    with units(SYSTEM) as unit:
        events = [*reversed(events_of(unit, standing_id))]
        at = next((n for n, one in enumerate(events) if one.because == because), len(events))
        number = events[at].number if at < len(events) else events[-1].number + 1
        unit.session.execute(text("ALTER TABLE standing_event DISABLE TRIGGER USER"))
        for one in reversed(events[at:]):
            unit.session.execute(
                text("UPDATE standing_event SET number = number + 2 WHERE id = :id"), {"id": one.id}
            )
        for n, (one, to) in enumerate((("probation", "normal"), ("normal", "watch"))):
            unit.session.execute(
                text(
                    "INSERT INTO standing_event (id, standing_id, number, from_state, to_state,"
                    " because, run_id, note, at, day) SELECT :new, standing_id, :number, :one, :to,"
                    " 'look', run_id, '', at, day FROM standing_event WHERE id = :like"
                ),
                {
                    "new": new_id(),
                    "number": number + n,
                    "one": one,
                    "to": to,
                    "like": events[at - 1].id,
                },
            )
        unit.session.execute(text("ALTER TABLE standing_event ENABLE TRIGGER USER"))


def test_the_database_lets_nobody_return_otherwise(units: Units, contest: Contest) -> None:
    """R44: no return without an application that was granted, and none before the term."""
    standing = standing_of(units, contest)

    def returns() -> None:
        with units(SYSTEM) as unit:
            unit.session.add(
                StandingEvent(
                    id=standing.id,
                    standing_id=standing.id,
                    number=0,
                    from_state="left",
                    to_state="newcomer",
                    because="return",
                    signed_by=contest.reviewers[2].person_id,
                    note="同意",
                    at=unit.clock.now(),
                    day=unit.clock.now().date(),
                )
            )
            unit.session.flush()

    with pytest.raises(DBAPIError, match="term is not over"):
        returns()
    a_term_later(units)
    with pytest.raises(DBAPIError, match="nobody granted it"):
        returns()
    with units(contest.sellers[BAD].manager) as unit:
        apply_to_return(unit, standing.id, claim="更换了内容团队")
    for statement in (
        "UPDATE standing_return SET claim = 'x'",
        "DELETE FROM standing_return",
        "UPDATE standing SET state = 'newcomer' WHERE state = 'left'",
    ):
        with pytest.raises(DBAPIError), units(SYSTEM) as unit:
            unit.session.execute(text(statement))
    with pytest.raises(DBAPIError, match="signed nothing"), units(SYSTEM) as unit:
        unit.session.execute(
            text(
                "UPDATE standing_return SET outcome = 'granted', note = 'x', decided_at = :now, "
                "decided_by = :who"
            ),
            {"now": unit.clock.now(), "who": contest.reviewers[0].person_id},
        )
    with units(SYSTEM) as unit:
        kept = unit.session.scalars(select(StandingEvent).order_by(StandingEvent.number)).all()
    assert "return" not in {one.because for one in kept}


def test_a_vendor_returns_on_pages_and_by_calls(
    settings: Settings, units: Units, contest: Contest
) -> None:
    """R44: the page names the day from which it may apply, and asks who decides for the reason."""
    standing = standing_of(units, contest)
    own, desk = f"/vendor/standing/{standing.id}", f"/bureau/standings/{standing.id}"
    with TestClient(an_app(settings, units)) as client:
        client.headers["accept"] = "text/html"

        def send(login: str, path: str, **fields: str) -> str:
            sign_in(client, login)
            form = {"csrf_token": csrf_token(client), **fields}
            return client.post(path, data=form, follow_redirects=True).text

        day = (standing.since + timedelta(days=RETURN_DAYS)).isoformat()
        sign_in(client, "vendor-2")
        assert f"自 {day} 起可申请重新加入" in client.get(own).text
        a_term_later(units)
        assert "field-claim" in send("vendor-2", f"{own}/return", claim="")
        assert "更换了内容团队" in send("vendor-2", f"{own}/return", claim="更换了内容团队")
        assert "field-granted" in send("reviewer-2", f"{desk}/return", granted="", note="已核实")
        page = send("reviewer-2", f"{desk}/return", granted="yes", note="已核实")
        assert "新入驻" in page
        assert "重新加入" in page
        client.headers["accept"] = "application/json"
        sign_in(client, "vendor-2")
        told = client.get(f"/api/v1/standings/{standing.id}").json()
        assert (told["state"], told["return_on"]) == ("newcomer", None)
        assert told["events"][0]["because"] == "return"
        again = client.post(
            f"/api/v1/standings/{standing.id}/return",
            json={"claim": "再次"},
            headers={"x-csrf-token": csrf_token(client)},
        )
        assert again.status_code == 409
