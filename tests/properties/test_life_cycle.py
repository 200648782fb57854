"""Whatever vendors and reviewers do, nothing is listed that two people have not admitted (R4, R13).

A machine lets people try acts where they fit, every act anywhere, and somebody at the database,
too. After each act every version that is listed has an admission of one bureau, proposed and
decided by two different people who hold its role and no interest in the vendor; nothing of a
resource is listed that is taken down, and every price that was admitted is an offer (R14).
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck
from hypothesis import settings as profile
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from catalog.admission import claim, judge, propose, release
from catalog.admission_models import ProposedOffer, Takedown
from catalog.appeals import appeal, decide_appeal
from catalog.attachments.reading import files_of
from catalog.criteria import Criterion, Depth, Finding, criteria_of
from catalog.drafts import save_draft
from catalog.models import Admission, Offer, Version
from catalog.opening import is_open
from catalog.reviewers import declare_interest
from catalog.states import AdmissionState, VersionState
from catalog.submissions import submit, withdraw
from kernel.ids import VersionId
from kernel.settings import Settings
from kernel.unit import Unit
from tests.support.admission_builders import a_self_check
from tests.support.lives import WORLD, Acts
from tests.support.settlement_builders import SYSTEM

COUNTY = ("first", "second", "third")
PEOPLE = ("manager", "other_manager", *COUNTY, "upper")
people = st.sampled_from(PEOPLE)
vendors = st.sampled_from(["manager"] * 4 + ["other_manager", "first"])
reviewers = st.sampled_from([*COUNTY] * 2 + ["upper"])
pairs = st.permutations(COUNTY).map(lambda order: order[:2]) | st.tuples(reviewers, reviewers)
"""Who proposes and who decides: mostly two who may."""
which = st.integers(0, 20)
skus = st.sampled_from("AB")
prices = st.tuples(
    st.sampled_from(["0.0200", "0.0300", "0.0400"]),
    st.sampled_from([date(2026, 8, 1)] * 3 + [date(2026, 8, 4), date(2026, 12, 20)]),
)
verdicts = st.sampled_from(
    [AdmissionState.ADMITTED] * 3 + [AdmissionState.RETURNED, AdmissionState.REFUSED]
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Act:
    """What people try while a version is in one of `states`; `weight`: how often."""

    name: str
    facts: dict[str, st.SearchStrategy[Any]]
    states: tuple[VersionState, ...] = ()
    weight: int = 1


SOON = 6
NEW = st.booleans()
DRAFT, SUBMITTED, IN_REVIEW = VersionState.DRAFT, VersionState.SUBMITTED, VersionState.IN_REVIEW
LISTED, SUSPENDED, REFUSED = VersionState.LISTED, VersionState.SUSPENDED, VersionState.REFUSED
ACTS = (
    Act(name="draft", facts={"sku": skus, "price": st.none() | prices, "is_new": NEW}, weight=2),
    Act(
        name="whole_round",
        facts={"sku": skus, "price": prices, "is_new": NEW, "people": pairs},
        weight=4,
    ),
    Act(
        name="attach",
        facts={"number": which, "who": vendors, "digit": st.sampled_from("123"), "is_kept": NEW},
        states=(DRAFT,),
    ),
    Act(name="submit", facts={"number": which, "who": vendors}, states=(DRAFT,), weight=2),
    Act(
        name="take_up",
        facts={"number": which, "who": reviewers, "is_claim": NEW},
        states=(SUBMITTED,),
        weight=2,
    ),
    Act(
        name="review",
        facts={"number": which, "who": reviewers, "verdict": verdicts},
        states=(IN_REVIEW,),
        weight=2,
    ),
    Act(
        name="decide",
        facts={"number": which, "who": reviewers, "verdict": verdicts},
        states=(IN_REVIEW,),
        weight=3,
    ),
    Act(name="take_down", facts={"number": which, "who": reviewers}, states=(LISTED,), weight=4),
    Act(name="restore", facts={"number": which, "who": reviewers}, states=(SUSPENDED,)),
    Act(
        name="appeal",
        facts={
            "number": which,
            "who": vendors,
            "by": reviewers,
            "upheld": st.sampled_from([True, True, False]),
        },
        states=(SUSPENDED, REFUSED),
        weight=6,
    ),
    Act(
        name="anywhere",
        facts={
            "number": which,
            "who": people,
            "act": st.sampled_from(
                ["attach", "detach", "propose", "release", "withdraw", "take_down"]
            ),
        },
        weight=3,
    ),
    Act(name="declare", facts={}),
    Act(
        name="at_the_database",
        facts={"number": which, "state": st.sampled_from([VersionState.ADMITTED, LISTED])},
    ),
    Act(
        name="behind_the_services",
        facts={
            "statement": st.sampled_from(
                (
                    "DELETE FROM attachment",
                    "DELETE FROM admission",
                    "UPDATE admission SET state = 'admitted', decided_by = proposed_by",
                    "UPDATE takedown SET restored_at = NULL, restored_by = NULL",
                    "UPDATE admission SET findings = '{}'",
                )
            )
        },
    ),
)


class Life(Acts):
    """The versions of two resources, and everybody's acts on them."""

    @initialize(order=st.permutations(COUNTY), is_priced_first=st.booleans())
    def a_life_begins(self, order: list[str], is_priced_first: bool) -> None:
        """Two are listed, one gets another price, one is taken down and comes back by an appeal."""
        first, second, _ = order
        for sku in "AB":
            self.whole_round(sku, ("0.0200", date(2026, 8, 1)), True, order[:2])
        if is_priced_first:
            self.whole_round("A", ("0.0300", date(2026, 12, 20)), False, order[1:])
        self.take_down(0, first)
        self.appeal(0, "manager", second, True)
        if not is_priced_first:
            self.whole_round("A", ("0.0300", date(2026, 12, 20)), False, order[1:])
        self.what_was_priced_with_an_admission_is_an_offer()
        assert self.done >= {"listed", "repriced", "taken_down", "appealed", "restored"}

    @rule(data=st.data())
    def somebody_acts(self, data: st.DataObject) -> None:
        """One rule for all acts: a run leaves out some of its rules, and no life some of these."""
        fit = [one for one in ACTS if not one.states or self.known(*one.states)]
        act = data.draw(st.sampled_from([one for one in fit for _ in range(one.weight)]))
        getattr(self, act.name)(**data.draw(st.fixed_dictionaries(act.facts)))

    def draft(self, sku: str, price: tuple[str, date] | None, is_new: bool) -> None:
        """Draft other content, or the last again, with or without another price."""
        self.contents += is_new
        row = self.desk.row(sku, title=f"资源{self.contents}")
        offer = self.desk.offer(sku, price[0], valid_from=price[1]) if price else None
        self._as("manager", lambda unit: save_draft(unit, row, offer=offer))

    def whole_round(
        self, sku: str, price: tuple[str, date], is_new: bool, people: Sequence[str]
    ) -> None:
        """Draft, submit, propose and decide, as far as these people may."""
        self.draft(sku, price, is_new)
        for version_id in self.known(VersionState.DRAFT):
            self._as("manager", lambda unit, one=version_id: submit(unit, one, a_self_check()))
        waiting = self.known(VersionState.SUBMITTED)
        for version_id in waiting:
            self._propose(version_id, people[0])
        for version_id in waiting:
            self._decide(version_id, people[1], AdmissionState.ADMITTED)

    def attach(self, number: int, who: str, digit: str, is_kept: bool) -> None:
        self._attach(self._one(number, VersionState.DRAFT), who, digit)
        if not is_kept:
            self._detach(self._one(number), who)

    def submit(self, number: int, who: str) -> None:
        version_id = self._one(number, VersionState.DRAFT)
        self._as(who, lambda unit: submit(unit, version_id, a_self_check()))

    def take_up(self, number: int, who: str, is_claim: bool) -> None:
        version_id = self._one(number, VersionState.SUBMITTED)
        if is_claim:
            self._as(who, lambda unit: claim(unit, [version_id]))
        else:
            self._propose(version_id, who)

    def review(self, number: int, who: str, verdict: AdmissionState) -> None:
        finding = Finding.MEETS if verdict is AdmissionState.ADMITTED else Finding.FAILS
        version_id = self._one(number, VersionState.IN_REVIEW)

        def act(unit: Unit) -> None:
            for criterion in Criterion:
                judge(unit, version_id, criterion, finding=finding, evidence="见附件")
            propose(unit, version_id, verdict=verdict, note="建议")

        self._as(who, act)

    def decide(self, number: int, who: str, verdict: AdmissionState) -> None:
        self._decide(self._one(number, VersionState.IN_REVIEW), who, verdict)

    def take_down(self, number: int, who: str) -> None:
        self._take_down(self._one(number, VersionState.LISTED), who)

    def restore(self, number: int, who: str) -> None:
        self._restore(self._one(number, VersionState.SUSPENDED), who)

    def appeal(self, number: int, who: str, by: str, upheld: bool) -> None:
        version_id = self._one(number, VersionState.SUSPENDED, VersionState.REFUSED)
        is_down = self.states[version_id] is VersionState.SUSPENDED
        self._as(who, lambda unit: appeal(unit, version_id, claim="不服"), told="appealed")
        self._as(
            by,
            lambda unit: decide_appeal(unit, version_id, upheld=upheld, note="复核"),
            told="restored" if upheld and is_down else "",
        )

    def anywhere(self, number: int, who: str, act: str) -> None:
        """Try what may not fit at all."""
        version_id = self._one(number)
        match act:
            case "release":
                self._as(who, lambda unit: release(unit, version_id, note="交他人审核"))
            case "withdraw":
                self._as(who, lambda unit: withdraw(unit, version_id))
            case _:
                getattr(self, f"_{act}")(version_id, who)

    def declare(self) -> None:
        if self.contents <= SOON:
            return  # so that the others are left to review
        vendor_code = self.desk.firm.code
        self._as(
            "third", lambda unit: declare_interest(unit, vendor_code=vendor_code, reason="亲属")
        )

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
            assert set(one.findings) >= set(criteria_of(Depth(one.depth)))

    @invariant()
    def nothing_is_listed_of_what_is_taken_down(self) -> None:
        """R14: whatever it changes, and however it comes."""
        with self.units(SYSTEM) as unit:
            down = select(Takedown.resource_id).where(Takedown.restored_at.is_(None))
            listed = select(Version.id).where(
                Version.resource_id.in_(down), Version.state == VersionState.LISTED
            )
            assert unit.session.scalars(listed).all() == []

    @invariant()
    def what_was_priced_with_an_admission_is_an_offer(self) -> None:
        """R14: none before its day, each beginning on a day of its own."""
        with self.units(SYSTEM) as unit:
            offers = unit.session.scalars(select(Offer)).all()
            proposed = unit.session.execute(
                select(Version.resource_id, ProposedOffer)
                .join(ProposedOffer, ProposedOffer.version_id == Version.id)
                .join(Admission, Admission.version_id == Version.id)
                .where(Admission.state == AdmissionState.ADMITTED)
            ).all()
        assert len(offers) == len(proposed)
        for resource_id, price in proposed:
            assert any(
                (one.resource_id, one.plan) == (resource_id, price.plan)
                and one.valid_from >= price.valid_from
                for one in offers
            )
        if len(offers) > len({one.resource_id for one in offers}):
            self.done.add("repriced")

    @invariant()
    def a_resource_has_one_draft(self) -> None:
        with self.units(SYSTEM) as unit:
            drafts = unit.session.scalars(
                select(Version.resource_id).where(Version.state == VersionState.DRAFT)
            ).all()
        assert len(set(drafts)) == len(drafts)

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


def test_no_path_lists_what_two_reviewers_have_not_admitted(
    server: str, settings: Settings
) -> None:
    """R4, R13, R14."""
    WORLD.update(server=server, settings=settings)
    run_state_machine_as_test(
        Life,
        settings=profile(
            max_examples=10,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
