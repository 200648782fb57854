"""Whatever vendors and reviewers do, nothing is listed that two people have not admitted (R4, R13).

A machine lets everybody try every act at any moment, and somebody at the database, too. After each
act every version that is listed has an admission of one bureau, proposed and decided by two
different people who hold its role and no interest in the vendor.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck
from hypothesis import settings as profile
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from catalog.admission import claim, decide_admission, judge, propose, propose_admission, release
from catalog.admission_models import Takedown
from catalog.appeals import appeal, decide_appeal
from catalog.attachments.attaching import attach, detach, expect_file
from catalog.attachments.reading import files_of
from catalog.criteria import Criterion, Finding
from catalog.drafts import save_draft
from catalog.models import Admission, Version
from catalog.opening import is_open
from catalog.reviewers import declare_interest
from catalog.states import LIFE_CYCLE, AdmissionState, VersionState
from catalog.submissions import submit, withdraw
from catalog.takedowns import Ground, restore, take_down
from kernel.errors import MarketError
from kernel.ids import VersionId
from kernel.settings import Settings
from kernel.unit import Unit, Units
from tests.support.admission_builders import Desk, a_desk, a_self_check
from tests.support.database import fresh_units
from tests.support.settlement_builders import SYSTEM

PEOPLE = ("manager", "other_manager", "first", "second", "third", "upper")
people = st.sampled_from(PEOPLE)
reviewers = st.sampled_from(PEOPLE[2:])
which = st.integers(0, 20)
verdicts = st.sampled_from(
    [AdmissionState.ADMITTED] * 3 + [AdmissionState.RETURNED, AdmissionState.REFUSED]
)


class Life(RuleBasedStateMachine):
    """The versions of two resources, and everybody's acts on them."""

    units: Units
    desk: Desk

    def __init__(self) -> None:
        super().__init__()
        self._scope = fresh_world()
        self.units = self._scope.__enter__()
        self.desk = a_desk(self.units)
        self.versions: list[VersionId] = []
        self.states: dict[VersionId, str] = {}
        self.files: dict[VersionId, set[tuple[str, str]]] = {}
        self.contents = 0

    def teardown(self) -> None:
        self._scope.__exit__(None, None, None)

    def _as(self, who: str, act: Any) -> None:
        """Let somebody try an act; who may not is told so, and nothing has happened then."""
        with suppress(MarketError), self.units(getattr(self.desk, who)) as unit:
            act(unit)

    def _one(self, number: int) -> VersionId:
        return self.versions[number % len(self.versions)]

    @rule(sku=st.sampled_from("AB"))
    def draft(self, sku: str) -> None:
        self.contents += 1
        with self.units(self.desk.manager) as unit:
            row = self.desk.row(sku, title=f"资源{self.contents}")
            version_id = save_draft(unit, row, offer=None)
        if version_id not in self.versions:
            self.versions.append(version_id)

    @precondition(lambda self: self.versions)
    @rule(number=which, who=people, digit=st.sampled_from("123"))
    def attach(self, number: int, who: str, digit: str) -> None:
        def act(unit: Unit) -> None:
            facts = {"name": f"{digit}.pdf", "digest": digit * 64}
            version_id = self._one(number)
            expect_file(unit, version_id, size_bytes=1, media_type="application/pdf", **facts)
            attach(unit, version_id, purpose="content", **facts)

        self._as(who, act)

    @precondition(lambda self: self.versions)
    @rule(number=which, who=people)
    def detach(self, number: int, who: str) -> None:
        def act(unit: Unit) -> None:
            for one in files_of(unit, [self._one(number)]).get(self._one(number), []):
                detach(unit, self._one(number), one.id)

        self._as(who, act)

    @precondition(lambda self: self.versions)
    @rule(number=which, who=people)
    def submit(self, number: int, who: str) -> None:
        self._as(who, lambda unit: submit(unit, self._one(number), a_self_check()))

    @precondition(lambda self: self.versions)
    @rule(number=which, who=reviewers)
    def claim(self, number: int, who: str) -> None:
        self._as(who, lambda unit: claim(unit, [self._one(number)]))

    @precondition(lambda self: self.versions)
    @rule(number=which, who=reviewers, verdict=verdicts)
    def review(self, number: int, who: str, verdict: AdmissionState) -> None:
        finding = Finding.MEETS if verdict is AdmissionState.ADMITTED else Finding.FAILS

        def act(unit: Unit) -> None:
            for criterion in Criterion:
                judge(unit, self._one(number), criterion, finding=finding, evidence="见附件")
            propose(unit, self._one(number), verdict=verdict, note="建议")

        self._as(who, act)

    @precondition(lambda self: self.versions)
    @rule(number=which, who=reviewers)
    def propose_at_once(self, number: int, who: str) -> None:
        self._as(who, lambda unit: propose_admission(unit, [self._one(number)], note="核对"))

    @precondition(lambda self: self.versions)
    @rule(number=which, who=reviewers, verdict=verdicts)
    def decide(self, number: int, who: str, verdict: AdmissionState) -> None:
        self._as(
            who,
            lambda unit: decide_admission(unit, [self._one(number)], note="定", verdict=verdict),
        )

    @precondition(lambda self: self.versions)
    @rule(number=which, who=reviewers)
    def release(self, number: int, who: str) -> None:
        self._as(who, lambda unit: release(unit, self._one(number), note="交他人审核"))

    @precondition(lambda self: self.versions)
    @rule(number=which, who=reviewers)
    def take_down(self, number: int, who: str) -> None:
        self._as(
            who,
            lambda unit: take_down(unit, self._one(number), ground=Ground.OTHER, reason="举报"),
        )

    @precondition(lambda self: self.versions)
    @rule(number=which, who=reviewers)
    def restore(self, number: int, who: str) -> None:
        self._as(who, lambda unit: restore(unit, self._one(number), note="已核实"))

    @precondition(lambda self: self.versions)
    @rule(number=which, who=people)
    def appeal(self, number: int, who: str) -> None:
        self._as(who, lambda unit: appeal(unit, self._one(number), claim="不服"))

    @precondition(lambda self: self.versions)
    @rule(number=which, who=reviewers, upheld=st.booleans())
    def decide_appeal(self, number: int, who: str, upheld: bool) -> None:
        self._as(
            who, lambda unit: decide_appeal(unit, self._one(number), upheld=upheld, note="复核")
        )

    @precondition(lambda self: self.versions)
    @rule(number=which, who=people)
    def withdraw(self, number: int, who: str) -> None:
        self._as(who, lambda unit: withdraw(unit, self._one(number)))

    @rule(who=reviewers)
    def declare(self, who: str) -> None:
        if who == "third":  # the others have to be left to review
            self._as(
                who,
                lambda unit: declare_interest(
                    unit, vendor_code=self.desk.firm.code, reason="亲属任职"
                ),
            )

    @precondition(lambda self: self.versions)
    @rule(number=which, state=st.sampled_from(VersionState))
    def at_the_database(self, number: int, state: VersionState) -> None:
        with suppress(DBAPIError), self.units(SYSTEM) as unit:
            unit.session.execute(
                text("UPDATE version SET state = :state WHERE id = :id"),
                {"state": state, "id": self._one(number)},
            )

    @invariant()
    def what_is_listed_was_admitted_by_two(self) -> None:
        with self.units(SYSTEM) as unit:
            listed = unit.session.scalars(
                select(Version.id).where(
                    Version.state.in_([VersionState.ADMITTED, VersionState.LISTED])
                )
            ).all()
            admissions = {
                one.version_id: one
                for one in unit.session.scalars(
                    select(Admission).where(Admission.state == AdmissionState.ADMITTED)
                )
            }
        bureaus = {
            getattr(self.desk, who).person_id: getattr(self.desk, who).organisation_id
            for who in PEOPLE[2:]
        }
        for version_id in listed:
            one = admissions[version_id]
            assert one.proposed_by != one.decided_by
            assert bureaus[one.proposed_by] == bureaus[one.decided_by] == one.bureau_id
            assert set(one.findings) == set(Criterion)

    @precondition(lambda self: self.versions)
    @rule(
        statement=st.sampled_from(
            (
                "DELETE FROM attachment",
                "DELETE FROM admission",
                "UPDATE admission SET state = 'admitted', decided_by = proposed_by",
                "UPDATE takedown SET restored_at = NULL, restored_by = NULL",
                "UPDATE admission SET findings = '{}'",
            )
        )
    )
    def behind_the_services(self, statement: str) -> None:
        with suppress(DBAPIError), self.units(SYSTEM) as unit:
            refused = unit.session.execute(
                text("SELECT count(*) FROM version WHERE state <> 'draft'")
            ).scalar_one()
            if refused:  # of a draft alone files may go
                unit.session.execute(text(statement))

    @invariant()
    def what_is_opened_was_admitted_and_is_not_taken_down(self) -> None:
        """R14: neither a withdrawal nor a newer version opens what nobody admitted."""
        with self.units(SYSTEM) as unit:
            opened = set(unit.session.scalars(select(Version.id).where(is_open())))
            admitted = set(
                unit.session.scalars(
                    select(Admission.version_id).where(Admission.state == AdmissionState.ADMITTED)
                )
            )
            down = {
                UUID(one)
                for found in unit.session.scalars(
                    select(Takedown.versions).where(Takedown.restored_at.is_(None))
                )
                for one in found
            }
        assert opened <= admitted and not opened & down

    @invariant()
    def files_stay_with_what_was_submitted(self) -> None:
        with self.units(SYSTEM) as unit:
            submitted = unit.session.scalars(
                select(Version.id).where(Version.state != VersionState.DRAFT)
            ).all()
            files = files_of(unit, submitted)
        for version_id in map(VersionId, submitted):
            now = {(one.name, one.digest) for one in files.get(version_id, [])}
            assert self.files.setdefault(version_id, now) == now

    @invariant()
    def nothing_leaves_the_table(self) -> None:
        with self.units(SYSTEM) as unit:
            now = {
                VersionId(row.id): VersionState(row.state)
                for row in unit.session.execute(select(Version.id, Version.state))
            }
        for version_id, after in now.items():
            before = self.states.get(version_id, VersionState.DRAFT)
            assert before == after or reaches(VersionState(before), after)
        self.states = dict(now)


def reaches(before: VersionState, after: VersionState) -> bool:
    """Whether one act leads there: a decision admits and lists at once, a claim may propose."""
    steps = {target for source, target in LIFE_CYCLE if source is before}
    return after in steps or (before is VersionState.IN_REVIEW and after is VersionState.LISTED)


@contextmanager
def fresh_world() -> Iterator[Units]:
    """Yield units on a database of their own; the test says where."""
    server, told = WORLD["server"], WORLD["settings"]
    assert isinstance(server, str) and isinstance(told, Settings)
    with fresh_units(server, told, worlds=True) as units:
        yield units


WORLD: dict[str, object] = {}


def test_no_path_lists_what_two_reviewers_have_not_admitted(
    server: str, settings: Settings
) -> None:
    """R4, R13."""
    WORLD.update(server=server, settings=settings)
    run_state_machine_as_test(
        Life,
        settings=profile(
            max_examples=10,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
