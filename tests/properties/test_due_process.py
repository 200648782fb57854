"""Whatever is tried in whatever order: nobody is suspended or let go but by due process (R44)."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import insert, select, text

from kernel.clock import SHANGHAI, next_month, shanghai_day
from kernel.errors import MarketError
from kernel.ids import new_id
from kernel.unit import Units
from settlement.ranking.due_process import issue_notice, let_exit, suspend
from settlement.ranking.looks import look_at
from settlement.ranking.models import (
    ScoreRun,
    ScoreSnapshot,
    Standing,
    StandingAppeal,
    StandingEvent,
    StandingLook,
    StandingNotice,
)
from settlement.ranking.rules import SHIPPED, digest_of
from settlement.ranking.runs import publish_config, require_run
from settlement.ranking.standing_appeals import appeal_standing
from tests.support.ranking_builders import CELL, Contest, a_contest
from tests.support.settlement_builders import SYSTEM
from tests.support.standing_builders import last_event

BEGINNING = datetime(2026, 3, 3, 2, tzinfo=UTC)
GATES = SHIPPED.ranking.gates
ACTS: dict[str, Any] = {"notice": issue_notice, "suspension": suspend, "exit": let_exit}


def a_machine(
    units: Units, contest: Contest, *, reached: set[str], looked: list[Any]
) -> type[RuleBasedStateMachine]:
    """Return a machine on one vendor, which adds the states that it reached.

    `looked`: the looks of an example, emptied when the next begins.
    """

    class DueProcess(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.vendor = contest.sellers[0].organisation.id
            self.month = date(2026, 3, 1)

        @initialize()
        def begin(self) -> None:
            units.clock.at = BEGINNING
            looked.clear()
            with units(SYSTEM) as unit:
                for table in (
                    *("struck_evidence", "standing_appeal", "standing_event", "standing_notice"),
                    *("standing_look", "standing", "score_snapshot", "score_run"),
                ):
                    unit.session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
                    unit.session.execute(text(f"DELETE FROM {table}"))
                    unit.session.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER USER"))
                publish_config(unit, SHIPPED)

        @rule(p=st.sampled_from(["0.1", "0.4", "0.6", "0.8", "0.95"]), new=st.booleans())
        def look(self, p: str, *, new: bool) -> None:
            """A month goes by and is ranked."""
            self.month = next_month(self.month)
            first = date(self.month.year, self.month.month, 1)
            units.clock.at = max(
                units.clock.at + timedelta(hours=1),
                units.clock.at.replace(
                    year=next_month(first).year, month=next_month(first).month, day=3
                ),
            )
            with units(SYSTEM) as unit:
                run = ScoreRun(
                    id=new_id(),
                    month=first,
                    number=1,
                    config_version=SHIPPED.version,
                    priors={},
                    counts={},
                    digest=digest_of(str(new_id())),
                    ran_at=unit.clock.now(),
                    ran_by="test",
                )
                unit.session.add(run)
                unit.session.flush()
                unit.session.execute(insert(ScoreSnapshot), [self._snapshot(run, p, new=new)])
                look_at(unit, run)

        @rule(days=st.sampled_from([1, 12, 40, 190]))
        def wait(self, days: int) -> None:
            units.clock.advance(timedelta(days=days))
            self.month = max(self.month, units.clock.at.astimezone(SHANGHAI).date().replace(day=1))

        @rule(dropped=st.sets(st.integers(0, 8), max_size=1), who=st.integers(0, 1))
        def press(self, dropped: set[int], who: int) -> None:
            """Somebody goes the whole way, and leaves out a step of it, or none."""
            steps = [
                lambda: self.look("0.95", new=False),
                lambda: self.sign("notice", who),
                lambda: self.wait(190),
                lambda: self.look("0.95", new=False),
                lambda: self.look("0.8", new=False),
                lambda: self.sign("suspension", who),
                lambda: self.wait(40),
                lambda: self.look("0.95", new=False),
                lambda: self.sign("exit", who),
            ]
            for number, step in enumerate(steps):
                if number not in dropped:
                    step()

        @rule(act=st.sampled_from(sorted(ACTS)), who=st.integers(0, 2))
        def sign(self, act: str, who: int) -> None:
            """One of two reviewers, or the system, tries a step."""
            actor = SYSTEM if who == 2 else contest.reviewers[who]
            standing = self._standing()
            if standing is None:
                return
            try:
                with units(actor) as unit:
                    ACTS[act](unit, standing.id, note="依程序", seen=require_run(unit).id)
            except MarketError:
                pass

        @rule()
        def contest_it(self) -> None:
            standing = self._standing()
            if standing is None:
                return
            try:
                with units(contest.sellers[0].manager) as unit:
                    appeal_standing(
                        unit, standing.id, event=last_event(unit, standing.id), claim="不服"
                    )
            except MarketError:
                pass

        @rule()
        def dismiss(self) -> None:
            """The appeal is dismissed, as far as a row can be, by one who signed nothing."""
            waits = self._open_appeal()
            if waits is None:
                return
            with units(SYSTEM) as unit:
                appeal = unit.session.get_one(StandingAppeal, waits)
                appeal.outcome, appeal.note = "dismissed", "驳回"
                appeal.decided_at = unit.clock.now()
                appeal.decided_by = contest.reviewers[2].person_id

        @invariant()
        def nobody_was_suspended_without_due_process(self) -> None:
            with units(SYSTEM) as unit:
                events = unit.session.scalars(
                    select(StandingEvent).order_by(StandingEvent.number)
                ).all()
                reached.update(one.to_state for one in events)
                for event in events:
                    if event.to_state == "no_new_schools":
                        self._was_due(unit, event)
                    if event.to_state == "exiting":
                        before = [
                            one
                            for one in events
                            if one.because == "suspension" and one.number < event.number
                        ]
                        assert before and event.day > before[-1].appeal_by
                        assert event.signed_by is not None
                        assert self._not_stayed(unit, event)

        def _was_due(self, unit, event: StandingEvent) -> None:
            notice = unit.session.get_one(StandingNotice, event.notice_id)
            looks = unit.session.scalars(
                select(StandingLook)
                .where(StandingLook.at <= event.at)
                .order_by(StandingLook.month.desc())
                .limit(GATES.looks)
            ).all()
            assert event.signed_by is not None
            assert event.day > notice.mend_by
            assert notice.mend_by - shanghai_day(notice.issued_at) >= timedelta(
                days=GATES.probation_days
            )
            assert len(looks) == GATES.looks
            assert all(one.at > notice.issued_at for one in looks)
            assert all(one.p_bad >= GATES.no_new_schools for one in looks)
            assert looks[0].month == next_month(looks[1].month)
            assert len({one["school"] for one in looks[0].fresh}) >= GATES.fresh_schools
            assert self._not_stayed(unit, event)

        def _not_stayed(self, unit, event: StandingEvent) -> bool:
            return not [
                one
                for one in unit.session.scalars(select(StandingAppeal))
                if one.made_at < event.at and (one.decided_at is None or one.decided_at > event.at)
            ]

        def _standing(self) -> Standing | None:
            with units(SYSTEM) as unit:
                return unit.session.scalars(select(Standing)).one_or_none()

        def _open_appeal(self) -> Any:
            with units(SYSTEM) as unit:
                return unit.session.scalars(
                    select(StandingAppeal.id).where(StandingAppeal.outcome.is_(None))
                ).one_or_none()

        def _snapshot(self, run: ScoreRun, p: str, *, new: bool) -> dict[str, Any]:
            school = {
                "school": str(contest.schools[0].id),
                "rating_points": 0,
                "raters": 2,
                "rating_age_days": 1,
                "renewed": 0,
                "ended": 0,
                "defects": 0,
                "months": 1,
                "uses": 1,
                "rural": False,
            }
            evidence = {
                "subject": str(self.vendor),
                "cell": CELL,
                "schools": [school],
                "audits_passed": 0,
                "audits": 0,
                "first_listed_days": 90,
                "excluded": [],
            }
            return {
                "run_id": run.id,
                "kind": "vendor",
                "subject_id": self.vendor,
                "cell": CELL,
                "inputs": {"evidence": evidence, "left_out": []},
                "inputs_digest": b"",
                "score": Decimal("40"),
                "sd": Decimal("5"),
                "p_bad": Decimal(p),
                "schools": 4,
                "is_newcomer": new,
                **dict.fromkeys(("place", "place_low", "place_high"), None if new else 1),
                "band": "",
                "result": {},
            }

    return DueProcess


def test_nobody_is_suspended_or_let_go_but_by_due_process(units: Units, monkeypatch) -> None:
    """R44: notice, its term, two looks, three schools, a person, no appeal that waits."""
    contest = a_contest(units)
    fresh = [
        {"school": str(school.id), "what": ["ratings"], "on": "2026-05-01"}
        for school in contest.schools
    ]
    looked: list[Any] = []

    def some(unit, month, rules, *, left_out):
        """Two schools are affected every fifth month, four else."""
        looked.append(month)
        return dict.fromkeys(left_out, fresh[: 2 if len(looked) % 5 == 0 else 4])

    monkeypatch.setattr("settlement.ranking.looks.fresh_schools", some)
    reached: set[str] = set()
    machine = a_machine(units, contest, reached=reached, looked=looked).TestCase
    machine.settings = hypothesis_settings(max_examples=12, stateful_step_count=30, deadline=None)
    machine().runTest()
