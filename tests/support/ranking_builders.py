"""A county in which several vendors sell the same kind of thing to several schools, for rankings.

The schools use what they selected, month by month, and their teachers say what they think of it.
Everything goes through the real services; the clock moves with the months.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select

from catalog.blind_audit import judge_sample
from catalog.models import Version
from catalog.sharing_models import BlindSample
from kernel.actors import Actor, OrganisationKind, Role
from kernel.clock import SHANGHAI, FixedClock, Month, month_of, next_month, parse_month
from kernel.identity.models import Learner, Organisation
from kernel.identity.organisations import SchoolRow, organisation_by_code, record_schools
from kernel.ids import ResourceId, new_id, new_learner_id
from kernel.unit import Unit, Units
from settlement.agreement_ends import end_what_is_over
from settlement.agreements import Draw
from settlement.closing import settle
from settlement.confirmations import confirm_lines
from settlement.dispute_rules import DisputeReason
from settlement.disputes import answer_dispute, dispute_line
from settlement.funding_lines import issue_amount, open_line
from settlement.metering.models import Launch
from settlement.metering.sources import admit_source
from settlement.models import Agreement, StatementLine
from settlement.ranking.due_process import issue_notice, let_exit, suspend
from settlement.ranking.looks import leave_when_over
from settlement.ranking.models import ScoreRun, Standing
from settlement.ranking.ranking import rank
from settlement.ranking.runs import Ranked, require_run
from settlement.ratings import rate
from tests.support.accounts import PASSWORD
from tests.support.builders import (
    COUNTY,
    a_person,
    a_region_tree,
    a_resource,
    a_vendor,
    acting_as,
    took,
)
from tests.support.draws import drawn_before
from tests.support.settlement_builders import SYSTEM, an_agreement, deliver
from tests.support.usage_builders import a_report
from tests.support.worlds import a_world

MARCH, APRIL = parse_month("2026-03"), parse_month("2026-04")
BAD: Final = 2
"""The number of the vendor whom all schools find bad, where one is."""
CELL: Final = "primary/语文/视频"

OPENED_AT: Final = datetime(2026, 2, 24, 9, tzinfo=SHANGHAI)
STARTS_ON, ENDS_ON = date(2026, 3, 1), date(2026, 12, 31)


@dataclass(frozen=True, slots=True)
class Teacher:
    actor: Actor
    learner_id: UUID


@dataclass(frozen=True, slots=True)
class Seller:
    """A vendor with one resource, who sells it, and the code under which it reports use."""

    organisation: Organisation
    resource_id: ResourceId
    sku: str
    manager: Actor
    source: str

    @property
    def key(self) -> str:
        return f"{self.organisation.code}/{self.sku}"


@dataclass(frozen=True, slots=True)
class Contest:
    """Vendors and schools of one county; each school has an agreement with each vendor."""

    bureau: Organisation
    schools: Sequence[Organisation]
    teachers: Mapping[UUID, Sequence[Teacher]]
    sellers: Sequence[Seller]
    reviewers: Sequence[Actor]
    finance: Actor
    heads: Mapping[UUID, Actor]
    """By school, who confirms and disputes."""


@a_world
def a_contest(units: Units, *, schools: int = 4, sellers: int = 3, teachers: int = 2) -> Contest:
    """Open it in February 2026; agreements run from March to December. Every other school is
    rural."""
    move_to(units, OPENED_AT)
    with units(SYSTEM) as unit:
        bureau = a_region_tree(unit)
        reviewers = [
            a_person(
                unit,
                bureau,
                [Role.ADMISSION],
                person_no=f"SR-{n}",
                login=f"reviewer-{n}",
                password=PASSWORD,
            )
            for n in range(3)
        ]
        finance = a_person(
            unit, bureau, [Role.BUREAU_FINANCE], login="bureau-finance", password=PASSWORD
        )
        made = [_a_school(unit, n) for n in range(schools)]
        heads = {
            school.id: a_person(
                unit,
                school,
                [Role.PRINCIPAL, Role.SCHOOL_FINANCE],
                login=f"head-{n}",
                password=PASSWORD,
            )
            for n, school in enumerate(made)
        }
        people = {school.id: [_a_teacher(unit, school) for _ in range(teachers)] for school in made}
        found = [_a_seller(unit, reviewers[0], n) for n in range(sellers)]
        for school in made:
            line_id = open_line(unit, school.id, fiscal_year=2026, source="per_student")
            issue_amount(
                unit, line_id, amount_fen=1_000_000, key=f"test:{school.code}", memo="allocation"
            )
            for number, seller in enumerate(found):
                an_agreement(
                    unit,
                    school,
                    vendor_id=seller.organisation.id,
                    resource_id=seller.resource_id,
                    draws=[Draw(line_id, 10_000)],
                    unit_price="0.5000",
                    reference=f"A-{number}",
                    starts_on=STARTS_ON,
                    ends_on=ENDS_ON,
                )
    return Contest(bureau, made, people, found, reviewers, finance, heads)


def used(units: Units, contest: Contest, month: Month, *, day: int = 10) -> None:
    """Have every teacher use every vendor's resource with a class, once in the month."""
    at = datetime(month.year, month.month, day, 9, tzinfo=SHANGHAI).astimezone(UTC)
    reports: dict[str, list[UUID]] = {seller.source: [] for seller in contest.sellers}
    with units(SYSTEM) as unit:
        agreements = {
            (one.payer_id, one.vendor_id): one for one in unit.session.scalars(select(Agreement))
        }
        for school in contest.schools:
            for seller in contest.sellers:
                agreement = agreements.get((school.id, seller.organisation.id))
                if agreement is None or agreement.ends_on < at.date():
                    continue
                for teacher in contest.teachers[school.id]:
                    launch = _a_launch(agreement, school, teacher, at)
                    unit.session.add(launch)
                    reports[seller.source].append(launch.id)
    move_to(units, at + timedelta(hours=8))
    for source, launches in reports.items():
        rows = [
            a_report(one, f"{one}", occurred_at=at + timedelta(minutes=10), session="s")
            for one in launches
        ]
        outcomes = deliver(units, rows, source=source, name=f"{source}-{at:%Y-%m-%d}.csv")
        assert {one.outcome for one in outcomes} <= {"accepted"}, outcomes


def closed(units: Units, month: Month) -> None:
    """Close a month on the second day after it."""
    move_to(units, first_day_after(month) + timedelta(days=1, hours=10))
    settle(units, SYSTEM, month)


def said(
    units: Units, contest: Contest, stars: Mapping[int, int], *, schools: Sequence[int] = ()
) -> None:
    """Have all teachers (of some schools) rate vendors' resources: stars by the vendor's number."""
    wanted = [contest.schools[n] for n in schools] if schools else contest.schools
    for school in wanted:
        for teacher in contest.teachers[school.id]:
            with units(teacher.actor) as unit:
                for number, given in stars.items():
                    rate(unit, contest.sellers[number].key, stars=given)


def wronged(units: Units, contest: Contest, month: Month, number: int) -> None:
    """Have every school dispute its line of a vendor, who gives all of it back: a grave defect."""
    seller = contest.sellers[number]
    for school in contest.schools:
        with units(SYSTEM) as unit:
            line_id = unit.session.scalars(
                select(StatementLine.id).where(
                    StatementLine.payer_id == school.id,
                    StatementLine.month == month,
                    StatementLine.vendor_id == seller.organisation.id,
                )
            ).one()
        with units(contest.heads[school.id]) as unit:
            dispute_id = dispute_line(
                unit, line_id, reason=DisputeReason.UNUSABLE, claim="课堂上打不开", claimed_fen=0
            )
        with units(seller.manager) as unit:
            billed = unit.session.get_one(StatementLine, line_id).amount_fen
            answer_dispute(unit, dispute_id, answer="确有此事，全部退回", offered_fen=billed)


def audited(units: Units, contest: Contest, *, failing: int, times: int = 4) -> None:
    """Have all listed versions judged blind several times, those of one vendor found wanting.

    They were drawn before draws were the trail's, when one could be drawn again and again.
    """
    for n in range(times):
        drawn = drawn_before(units, contest.bureau, contest.reviewers[0], seed=f"seed-{n}")
        with units(contest.reviewers[1]) as unit:
            fails = set(
                unit.session.scalars(
                    select(Version.id).where(
                        Version.resource_id == contest.sellers[failing].resource_id
                    )
                )
            )
            for sample_id in drawn:
                version_id = unit.session.get_one(BlindSample, sample_id).version_id
                passed = version_id not in fails
                judge_sample(unit, sample_id, passed=passed, note="按八项标准逐条核对")


def ranked(units: Units, month: Month) -> Ranked:
    with units(SYSTEM) as unit:
        return rank(unit, month)


def lived(
    units: Units, contest: Contest, month: Month, stars: Mapping[int, int] | None = None
) -> None:
    """Let a month go by: use, close, and what the teachers say on the day after the close."""
    used(units, contest, month)
    closed(units, month)
    if stars:
        said(units, contest, stars)


@a_world
def on_probation(units: Units) -> Contest:
    """A vendor (the last of three) whom all schools find bad got its notice in May 2026."""
    contest = a_contest(units)
    lived(units, contest, MARCH, {0: 5, 1: 4, 2: 1})
    wronged(units, contest, MARCH, 2)
    lived(units, contest, APRIL)
    ranked(units, APRIL)
    units.clock.advance(timedelta(days=3))
    with units(contest.reviewers[0]) as unit:
        issue_notice(
            unit,
            standing_id_of(unit, contest, 2),
            note="请按所列事项整改",
            seen=require_run(unit).id,
        )
    return contest


@a_world
def suspended(units: Units) -> Contest:
    """That vendor mended nothing: in November two looks and all schools say so once more."""
    contest = on_probation(units)
    for month in (parse_month("2026-09"), parse_month("2026-10")):
        lived(units, contest, month, {2: 1})
        ranked(units, month)
    units.clock.advance(timedelta(days=8))
    with units(contest.reviewers[1]) as unit:
        suspend(
            unit, standing_id_of(unit, contest, 2), note="期满未改善", seen=require_run(unit).id
        )
    return contest


@a_world
def departed(units: Units) -> Contest:
    """That vendor was let go: its schools finished their term by the end of 2026, and it left."""
    contest = suspended(units)
    next_look(units, contest)
    with units(contest.reviewers[1]) as unit:
        let_exit(
            unit,
            standing_id_of(unit, contest, BAD),
            note="整改无效，学期结束后退出",
            seen=require_run(unit).id,
        )
    december = parse_month("2026-12")
    used(units, contest, december)
    closed(units, december)
    for school in contest.schools:
        with units(contest.heads[school.id]) as unit:
            confirm_lines(unit, school.id, december)
    settle(units, SYSTEM, december)
    with units(SYSTEM) as unit:
        end_what_is_over(unit)
        assert leave_when_over(unit) == 1
    return contest


def standing_id_of(unit: Unit, contest: Contest, number: int) -> UUID:
    return unit.session.scalars(
        select(Standing.id).where(Standing.vendor_id == contest.sellers[number].organisation.id)
    ).one()


def standing_of(units: Units, contest: Contest, number: int = BAD) -> Standing:
    with units(SYSTEM) as unit:
        return unit.session.scalars(
            select(Standing).where(Standing.vendor_id == contest.sellers[number].organisation.id)
        ).one()


def next_look(units: Units, contest: Contest) -> Month:
    """Let one more month go by and look again; return it."""
    with units(SYSTEM) as unit:
        last = unit.session.scalars(select(ScoreRun.month).order_by(ScoreRun.month.desc())).first()
    month = Month(date(last.year, last.month + 1, 1))
    lived(units, contest, month)
    ranked(units, month)
    return month


def move_to(units: Units, at: datetime) -> None:
    assert isinstance(units.clock, FixedClock)
    units.clock.at = at.astimezone(UTC)


def first_day_after(month: Month) -> datetime:
    day = next_month(month_of(month))
    return datetime(day.year, day.month, day.day, tzinfo=SHANGHAI)


def _a_school(unit, number: int) -> Organisation:
    code = f"{2_198_000_001 + number}"
    row = SchoolRow(
        code=code,
        name=f"第{number + 1}小学",
        region_code=COUNTY,
        stages=("primary",),
        setting="rural" if number % 2 else "urban",
    )
    took(record_schools(unit, [row]))
    return organisation_by_code(unit, OrganisationKind.SCHOOL, code=code)


def _a_teacher(unit, school: Organisation) -> Teacher:
    actor = a_person(unit, school, [Role.TEACHER])
    number = new_learner_id()
    unit.session.add(Learner(id=number, person_id=actor.person_id))
    return Teacher(actor, number)


def _a_seller(unit, reviewer: Actor, number: int) -> Seller:
    vendor = a_vendor(unit)
    sku = f"SKU-{number}"
    resource_id = a_resource(unit, vendor, sku, unit_price="0.5000")
    manager = a_person(
        unit, vendor, [Role.VENDOR_MANAGER], login=f"vendor-{number}", password=PASSWORD
    )
    source = f"source-{number}"
    with acting_as(unit, reviewer):
        admit_source(
            unit, code=source, name="资源方上报", trust="ticketed", organisation_id=vendor.id
        )
    return Seller(vendor, resource_id, sku, manager, source)


def _a_launch(agreement: Agreement, school: Organisation, teacher: Teacher, at: datetime) -> Launch:
    return Launch(
        id=new_id(),
        payer_id=agreement.payer_id,
        agreement_id=agreement.id,
        vendor_id=agreement.vendor_id,
        resource_id=agreement.resource_id,
        version_id=agreement.version_id,
        school_id=school.id,
        learner_id=teacher.learner_id,
        kind="class",
        class_name="三年级1班",
        session_id=f"{teacher.learner_id}-{at:%m%d}",
        pseudonym="ps-1",
        device_id=None,
        issued_at=at,
        expires_at=at + timedelta(hours=2),
    )
