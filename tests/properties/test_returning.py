"""Whatever is tried in whatever order: nobody who left is back but by the way back (R44)."""

from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from kernel.actors import Actor
from kernel.clock import shanghai_day
from kernel.errors import MarketError
from kernel.ids import new_id
from kernel.unit import Unit, Units
from settlement.ranking.config import RETURN_DAYS
from settlement.ranking.looks import move
from settlement.ranking.models import Standing, StandingEvent, StandingReturn
from settlement.ranking.returning import apply_to_return, decide_return
from settlement.ranking.standing_states import Because, VendorStanding
from settlement.ranking.standings import events_of, signers_of
from tests.support.ranking_builders import BAD, Contest, departed, standing_of
from tests.support.settlement_builders import SYSTEM

WAITS = (1, 40, RETURN_DAYS - 1, RETURN_DAYS)
COURSE = (
    ("newcomer", "watch", "look"),
    ("watch", "probation", "notice"),
    ("probation", "no_new_schools", "suspension"),
    ("no_new_schools", "exiting", "exit"),
    ("exiting", "left", "ended"),
)


def a_machine(units: Units, contest: Contest, *, reached: set[str]) -> type[RuleBasedStateMachine]:
    """Return a machine on a vendor that left, which adds what it reached."""
    left = standing_of(units, contest)
    beginning = units.clock.now()
    manager = contest.sellers[BAD].manager
    asking = [manager, contest.sellers[0].manager, contest.reviewers[2], SYSTEM]
    deciding = [*contest.reviewers, manager, SYSTEM]

    class Returning(RuleBasedStateMachine):
        @initialize()
        def begin(self) -> None:
            units.clock.at = beginning
            self.state, self.left_on = "left", left.since
            self.signers = {contest.reviewers[0].person_id, contest.reviewers[1].person_id}
            self.waits = False
            self.returns = 0
            with units(SYSTEM) as unit, unguarded(unit):
                unit.session.execute(text("DELETE FROM standing_return"))
                first = text(
                    "DELETE FROM standing_event WHERE standing_id = :id AND number > ("
                    "SELECT min(number) FROM standing_event WHERE standing_id = :id "
                    "AND because = 'ended')"
                )
                unit.session.execute(first, {"id": left.id})
                stands(unit, left.id, "left", left.since)

        @rule(days=st.sampled_from(WAITS))
        def wait(self, days: int) -> None:
            units.clock.advance(timedelta(days=days))

        @rule(who=st.sampled_from(range(4)), claim=st.sampled_from(["更换了内容团队", " "]))
        def ask(self, who: int, claim: str) -> None:
            """Somebody applies; only the vendor may, in time, once, saying what changed."""
            may = who == 0 and self.is_over and not self.waits and bool(claim.strip())
            assert self._done(asking[who], apply_to_return, claim=claim) is may
            self.waits |= may

        @rule(
            who=st.sampled_from(range(5)), granted=st.booleans(), note=st.sampled_from(["行", ""])
        )
        def decide(self, who: int, note: str, *, granted: bool) -> None:
            """Somebody decides; only a reviewer may who signed no step of the last course."""
            may = self._may_decide(who) and bool(note)
            done = self._done(deciding[who], decide_return, granted=granted, note=note)
            assert done is may
            if done:
                self._decided(granted=granted)

        @rule(who=st.sampled_from(range(3)), granted=st.booleans())
        def go_the_way(self, who: int, *, granted: bool) -> None:
            """The vendor waits, applies, and one of the reviewers decides, or tries to."""
            self.wait(RETURN_DAYS)
            self.ask(0, "更换了内容团队")
            self.decide(who, "行", granted=granted)

        @rule(who=st.sampled_from(range(3)), granted=st.booleans())
        def write(self, who: int, *, granted: bool) -> None:
            """Somebody writes the rows past the service, decided or not."""
            signer = contest.reviewers[who].person_id
            may = granted and self._may_decide(who)
            try:
                with units(SYSTEM) as unit:
                    if granted:
                        rows = unit.session.scalars(
                            select(StandingReturn).where(StandingReturn.outcome.is_(None))
                        )
                        for row in rows:
                            row.outcome, row.note = "granted", "硬来"
                            row.decided_by, row.decided_at = signer, unit.clock.now()
                        unit.session.flush()
                    move(
                        unit,
                        unit.session.get_one(Standing, left.id),
                        VendorStanding.NEWCOMER,
                        because=Because.RETURN,
                        signed_by=signer,
                        note="硬来",
                    )
            except DBAPIError:
                assert not may
            else:
                assert may
                self._decided(granted=True)

        @rule(days=st.sampled_from(WAITS), early=st.booleans())
        def ask_by_row(self, days: int, *, early: bool) -> None:
            """Somebody writes an application past the service, dated back where it is early."""
            units.clock.advance(timedelta(days=days))
            today = shanghai_day(units.clock.now())
            may = self.is_over and not self.waits and not early
            try:
                with units(SYSTEM) as unit:
                    unit.session.add(
                        StandingReturn(
                            id=new_id(),
                            standing_id=left.id,
                            claim="硬来",
                            made_at=unit.clock.now(),
                            made_on=today + timedelta(days=RETURN_DAYS) if early else today,
                            made_by=manager.person_id,
                            note="",
                        )
                    )
                    unit.session.flush()
            except DBAPIError:
                assert not may
            else:
                assert may
                self.waits = True

        @rule(who=st.sampled_from(range(3)))
        def leave_again(self, who: int) -> None:
            """Another course ends; only who signed a step of it is barred by it."""
            if self.state != "newcomer":
                return
            with units(SYSTEM) as unit, unguarded(unit):
                course(unit, left.id, contest.reviewers[who])
                self.left_on = shanghai_day(unit.clock.now())
                stands(unit, left.id, "left", self.left_on)
            self.state, self.signers = "left", {contest.reviewers[who].person_id}
            reached.add("left again")

        @invariant()
        def it_stands_where_the_way_back_led(self) -> None:
            with units(SYSTEM) as unit:
                events = events_of(unit, left.id)
                applications = unit.session.scalars(select(StandingReturn)).all()
                standing = unit.session.get_one(Standing, left.id)
                back = [one for one in events if one.because == "return"]
                assert (standing.state, standing.since >= self.left_on) == (self.state, True)
                assert len(back) == self.returns
                assert sum(one.outcome is None for one in applications) == int(self.waits)
                for event in back:
                    (granted,) = [one for one in applications if one.decided_at == event.at]
                    assert (granted.outcome, granted.decided_by) == ("granted", event.signed_by)
                    assert event.signed_by not in signers_of(events, until=before(events, event))
                    gone = before(events, event)
                    assert granted.made_on >= gone.day + timedelta(days=RETURN_DAYS)
                assert [one.number for one in events] == [*range(len(events), 0, -1)]

        @property
        def is_over(self) -> bool:
            first_day = self.left_on + timedelta(days=RETURN_DAYS)
            return self.state == "left" and shanghai_day(units.clock.now()) >= first_day

        def _may_decide(self, who: int) -> bool:
            is_reviewer = who < len(contest.reviewers)
            return self.waits and is_reviewer and deciding[who].person_id not in self.signers

        def _decided(self, *, granted: bool) -> None:
            self.waits = False
            reached.add("granted" if granted else "refused")
            if granted:
                self.state = "newcomer"
                self.returns += 1

        def _done(self, actor: Actor, act: Any, **said: Any) -> bool:
            try:
                with units(actor) as unit:
                    act(unit, left.id, **said)
            except MarketError:
                return False
            # A moment later, so that no two decisions are of one moment.
            units.clock.advance(timedelta(seconds=1))
            return True

    return Returning


class unguarded:  # noqa: N801 - reads as a statement
    """Switch the guards of standings off, for what a test sets up."""

    def __init__(self, unit: Unit) -> None:
        self.session = unit.session

    def __enter__(self) -> None:
        self._all("DISABLE")

    def __exit__(self, *_: object) -> None:
        self._all("ENABLE")

    def _all(self, word: str) -> None:
        self.session.flush()
        for table in ("standing", "standing_event", "standing_return"):
            self.session.execute(text(f"ALTER TABLE {table} {word} TRIGGER USER"))


def stands(unit: Unit, standing_id: UUID, state: str, since: date) -> None:
    unit.session.execute(
        text("UPDATE standing SET state = :state, since = :since WHERE id = :id"),
        {"state": state, "since": since, "id": standing_id},
    )


def course(unit: Unit, standing_id: UUID, signer: Actor) -> None:
    """Write a whole course, from a newcomer to one that left, all signed by one reviewer."""
    events = events_of(unit, standing_id)
    now: datetime = unit.clock.now()
    for number, (one, to, because) in enumerate(COURSE, start=events[0].number + 1):
        is_signed = because in {"notice", "suspension", "exit"}
        unit.session.add(
            StandingEvent(
                id=new_id(),
                standing_id=standing_id,
                number=number,
                from_state=one,
                to_state=to,
                because=because,
                signed_by=signer.person_id if is_signed else None,
                note="依程序" if is_signed else "",
                at=now,
                day=shanghai_day(now),
                appeal_by=shanghai_day(now) if is_signed else None,
            )
        )
    unit.session.flush()


def before(events: Any, event: StandingEvent) -> StandingEvent:
    """Return the event before one, of events the latest first."""
    found: StandingEvent = next(one for one in events if one.number < event.number)
    return found


def test_nobody_who_left_is_back_but_by_the_way_back(units: Units) -> None:
    """R44: its term, its application, a reviewer who signed nothing of its going, one at a time."""
    contest = departed(units)
    reached: set[str] = set()
    machine = a_machine(units, contest, reached=reached).TestCase
    machine.settings = hypothesis_settings(max_examples=20, stateful_step_count=30, deadline=None)
    machine().runTest()
    assert reached == {"granted", "refused", "left again"}, "each is tried many times"
