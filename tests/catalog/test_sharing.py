"""Claims of infringement, schools' needs, teachers' works, lineage, responsibility."""

from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy.exc import DBAPIError

from catalog.admission import propose_admission
from catalog.awaiting import awaiting_proposal
from catalog.desk import queue
from catalog.drafts import save_draft
from catalog.infringements import counter_notice, decide_notice, give_notice, notices
from catalog.lineage import ancestors, declare_parents, derivatives
from catalog.needs import answer_need, close_need, needs, post_need
from catalog.ownership import decide_work, works
from catalog.responsibility import responsibility
from catalog.risk import Factor
from catalog.submissions import submit
from kernel.actors import VISITOR, Actor, Role
from kernel.errors import (
    AlreadyExists,
    AnswerAwaited,
    Conflict,
    InvalidInput,
    LicenceForbids,
    NotFound,
    OwnershipUnconfirmed,
    ReasonRequired,
    Refused,
    TookPart,
)
from kernel.identity.models import Organisation
from kernel.ids import VersionId
from tests.support.admission_builders import Desk, a_desk, a_self_check
from tests.support.builders import a_person, a_school, a_selling_teacher
from tests.support.settlement_builders import SYSTEM

DUE = date(2026, 9, 1)


@pytest.fixture
def desk(units) -> Desk:
    return a_desk(units)


def school_people(desk: Desk, *roles: Role) -> tuple[Organisation, list[Actor]]:
    with desk.units(SYSTEM) as unit:
        school = a_school(unit)
        return school, [a_person(unit, school, [role]) for role in roles]


# Claims that a right is infringed (R14)


def notice(desk: Desk, version_id: VersionId, *, by: Actor) -> UUID:
    with desk.units(by) as unit:
        return give_notice(
            unit,
            version_id,
            claimant="某出版社",
            contact="13800000000",
            work="《分数十讲》",
            claim="第3页与原书一致",
        )


def test_a_claim_is_answered_then_decided_by_another_and_takes_it_down(desk):
    """R14: notice, counter-notice, decision."""
    version_id = desk.listed()
    notice_id = notice(desk, version_id, by=desk.first)
    with desk.units(desk.second) as unit, pytest.raises(AnswerAwaited):
        decide_notice(unit, notice_id, upheld=True, note="比对一致")
    with desk.units(desk.other_manager) as unit, pytest.raises(NotFound):
        counter_notice(unit, notice_id, statement="不是我的")
    with desk.units(desk.manager) as unit:
        with pytest.raises(ReasonRequired):
            counter_notice(unit, notice_id, statement=" ")
        counter_notice(unit, notice_id, statement="已获授权")
        (seen,) = notices(unit)
        assert (seen.state, seen.contact) == ("countered", "")
    with desk.units(desk.manager) as unit, pytest.raises(Conflict):
        counter_notice(unit, notice_id, statement="再答")
    with desk.units(desk.first) as unit, pytest.raises(TookPart):
        decide_notice(unit, notice_id, upheld=True, note="比对一致")
    with desk.units(desk.second) as unit:
        decide_notice(unit, notice_id, upheld=True, note="比对一致")
        assert notices(unit)[0].contact == "13800000000"
    assert desk.state(version_id) == "suspended"


def test_silence_for_its_days_lets_a_claim_be_decided(desk, clock):
    version_id = desk.listed()
    _, (teacher,) = school_people(desk, Role.TEACHER)
    notice_id = notice(desk, version_id, by=teacher)
    clock.advance(timedelta(days=11))
    with desk.units(desk.first) as unit:
        decide_notice(unit, notice_id, upheld=False, note="不构成")
    assert desk.state(version_id) == "listed"
    with desk.units(teacher) as unit:
        assert [one.state for one in notices(unit)] == ["dismissed"]
    with pytest.raises(DBAPIError), desk.units(SYSTEM) as unit:
        unit.session.connection().exec_driver_sql(
            "UPDATE infringement_notice SET outcome = 'upheld'"
        )


def test_nobody_claims_about_a_draft_or_as_a_visitor(desk):
    draft, listed = desk.draft("D"), desk.listed("L")
    with pytest.raises(NotFound):
        notice(desk, draft, by=desk.other_manager)
    with pytest.raises(Refused):
        notice(desk, listed, by=VISITOR)


# Needs and the fast channel (R61)


def a_need(desk: Desk, teacher: Actor) -> UUID:
    with desk.units(teacher) as unit:
        return post_need(
            unit,
            title="藏语数学练习",
            stage="primary",
            subject="数学",
            description="四年级，藏汉双语",
            wanted_by=DUE,
        )


def test_a_need_is_answered_and_the_answer_comes_first_at_the_desk(desk):
    """R61: a school posts, vendors answer, the desk has a fast channel for it."""
    _, (teacher, principal) = school_people(desk, Role.TEACHER, Role.PRINCIPAL)
    need_id = a_need(desk, teacher)
    earlier = desk.submitted("E")
    answer = desk.submitted("A", title="藏汉双语练习")
    with desk.units(desk.manager) as unit:
        assert [one.title for one in needs(unit)] == ["藏语数学练习"]
        answer_need(unit, need_id, version_id=answer, note="适用四年级")
    with desk.units(desk.manager) as unit, pytest.raises(AlreadyExists):
        answer_need(unit, need_id, version_id=answer, note="")
    with desk.units(desk.other_manager) as unit, pytest.raises(NotFound):
        answer_need(unit, need_id, version_id=earlier, note="")
    with desk.units(desk.first) as unit:
        rows = queue(unit)
    assert [row.version_id for row in rows] == [answer, earlier]
    assert Factor.SCHOOL_NEED in {one.factor for one in rows[0].factors}
    with desk.units(principal) as unit:
        assert needs(unit)[0].answers == (), "what is not listed is not shown to schools"
    desk.decided(answer)
    with desk.units(principal) as unit:
        close_need(unit, need_id, chosen=[answer])
        (found,) = needs(unit)
    assert [one.chosen for one in found.answers] == [True]
    with desk.units(desk.manager) as unit:
        assert needs(unit) == []
        with pytest.raises(Conflict):
            answer_need(unit, need_id, version_id=earlier, note="")


def test_a_need_is_its_schools_and_says_what_is_lacked(desk):
    _, (teacher,) = school_people(desk, Role.TEACHER)
    _, (other,) = school_people(desk, Role.TEACHER)
    need_id = a_need(desk, teacher)
    with desk.units(other) as unit:
        assert needs(unit) == []
        with pytest.raises(NotFound):
            close_need(unit, need_id)
    for facts in ({"title": " "}, {"wanted_by": date(2020, 1, 1)}):
        with desk.units(teacher) as unit, pytest.raises(InvalidInput):
            post_need(
                unit,
                **{
                    "title": "练习",
                    "stage": "",
                    "subject": "",
                    "description": "缺",
                    "wanted_by": DUE,
                    **facts,
                },
            )
    with desk.units(desk.manager) as unit, pytest.raises(Refused):
        post_need(unit, title="x", stage="", subject="", description="x", wanted_by=DUE)


# Teachers' works (R3, R40)


def a_teachers_version(desk: Desk, *, price: str = "0", **facts):
    """Return a teacher's submitted version, the teacher, and the school's principal."""
    with desk.units(SYSTEM) as unit:
        school = a_school(unit)
        vendor = a_selling_teacher(unit, school)
        teacher = a_person(unit, vendor, [Role.VENDOR_MANAGER])
        principal = a_person(unit, school, [Role.PRINCIPAL])
    row = desk.row("T", vendor_code=vendor.code, kind="school_based", **facts)
    offer = desk.offer("T", price)
    with desk.units(teacher) as unit:
        version_id = save_draft(unit, row, offer=offer)
    with desk.units(teacher) as unit:
        submit(unit, version_id, a_self_check())
    return version_id, teacher, principal


@pytest.mark.parametrize(
    ("facts", "share"),
    [
        ({}, "0.0000"),
        (
            {"ownership": "service_work", "school_share": Decimal("0.3"), "price": "0.05"},
            "0.3000",
        ),
    ],
)
def test_a_teachers_work_is_admitted_once_the_school_confirmed_whose_it_is(desk, facts, share):
    """R3, R40: free or paid, personal or a service work with the school's share."""
    version_id, _, principal = a_teachers_version(desk, **facts)
    with desk.units(desk.second) as unit:
        assert awaiting_proposal(unit) == []
        with pytest.raises(OwnershipUnconfirmed):
            propose_admission(unit, [version_id], note="核对")
    with desk.units(principal) as unit:
        (declared,) = works(unit)
        assert str(declared.school_share) == share
        decide_work(unit, version_id, confirmed=True)
    with desk.units(principal) as unit, pytest.raises(Conflict):
        decide_work(unit, version_id, confirmed=False, note="改主意")
    desk.decided(version_id)
    assert desk.state(version_id) == "listed"


def test_a_rejection_says_why_and_another_school_sees_nothing(desk):
    version_id, teacher, principal = a_teachers_version(desk)
    _, (stranger,) = school_people(desk, Role.PRINCIPAL)
    with desk.units(stranger) as unit:
        assert works(unit) == []
        with pytest.raises(NotFound):
            decide_work(unit, version_id, confirmed=True)
    with desk.units(teacher) as unit, pytest.raises(Refused):
        decide_work(unit, version_id, confirmed=True)
    with desk.units(principal) as unit:
        with pytest.raises(ReasonRequired):
            decide_work(unit, version_id, confirmed=False)
        decide_work(unit, version_id, confirmed=False, note="属职务作品")
    with pytest.raises(OwnershipUnconfirmed):
        desk.proposed(version_id)


def test_a_firm_declares_nothing_to_a_school(desk):
    version_id = desk.submitted()
    desk.decided(version_id)
    assert desk.state(version_id) == "listed"


# What was made from what (R6)


def derived(desk: Desk, sku: str, *parents: str) -> VersionId:
    version_id = desk.draft(sku)
    with desk.units(desk.manager) as unit:
        declare_parents(unit, version_id, [(desk.firm.code, parent) for parent in parents])
        submit(unit, version_id, a_self_check())
    return desk.decided(version_id)


def test_a_plan_and_the_plans_made_from_it_know_each_other(desk):
    """R6: 共性教案 and its 个案, over generations and from two parents."""
    shared, other = desk.listed("S"), desk.listed("O")
    child = derived(desk, "C", "S", "O")
    grandchild = derived(desk, "G", "C")
    with desk.units(VISITOR) as unit:
        up = {(one.version_id, one.distance) for one in ancestors(unit, grandchild)}
        down = {(one.version_id, one.distance) for one in derivatives(unit, shared)}
    assert up == {(child, 1), (shared, 2), (other, 2)}
    assert down == {(child, 1), (grandchild, 2)}


def test_only_what_is_listed_and_may_be_built_on_is_a_parent(desk):
    desk.submitted("W")
    desk.listed("N", licence="CC BY-NC-ND 4.0")
    draft = desk.draft("C")
    with desk.units(desk.manager) as unit:
        with pytest.raises(NotFound):
            declare_parents(unit, draft, [(desk.firm.code, "W")])
        with pytest.raises(LicenceForbids):
            declare_parents(unit, draft, [(desk.firm.code, "N")])


def test_a_lineage_stays_once_it_is_submitted(desk):
    desk.listed("S")
    derived(desk, "C", "S")
    for statement in ("DELETE FROM derivation", "UPDATE derivation SET parent_id = version_id"):
        with pytest.raises(DBAPIError), desk.units(SYSTEM) as unit:
            unit.session.connection().exec_driver_sql(statement)


# Who answers (R10)


def test_everybody_reads_who_answers_for_a_resource(desk):
    """R10: vendor, bureau and both reviewers; nothing of what was never published.

    A visitor reads when each reviewer acted, who is signed in their names.
    """
    desk.listed("A")
    desk.submitted("B")
    with desk.units(VISITOR) as unit:
        (version,) = responsibility(unit, vendor_code=desk.firm.code, sku="A").versions
        with pytest.raises(NotFound):
            responsibility(unit, vendor_code=desk.firm.code, sku="B")
    assert (version.bureau_name, version.first_reviewer, version.second_reviewer) == (
        "青禾县教育局",
        "",
        "",
    )
    assert version.proposed_at and version.decided_at
    with desk.units(desk.other_manager) as unit:
        (version,) = responsibility(unit, vendor_code=desk.firm.code, sku="A").versions
    assert (version.bureau_name, version.first_reviewer, version.second_reviewer) == (
        "青禾县教育局",
        "first",
        "second",
    )
    assert version.has_self_check
