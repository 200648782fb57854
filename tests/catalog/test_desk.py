"""The admission desk: self-check, queue, findings, two reviewers."""

from datetime import timedelta

import pytest

from catalog.admission import claim, decide_admission, judge, propose, release
from catalog.cases import case
from catalog.criteria import Criterion, Finding, Reason
from catalog.desk import Sought, count_queue, queue, waiting_cases
from catalog.models import Version
from catalog.reviewers import declare_interest
from catalog.risk import WEIGHTS, Factor, weigh
from catalog.states import AdmissionState
from catalog.submissions import submit
from kernel.errors import (
    ClaimedByAnother,
    CommitmentMissing,
    Conflict,
    FilingNumberMissing,
    FindingsAgainst,
    FindingsMissing,
    NotClaimed,
    NoteRequired,
    NotFound,
    NotProposed,
    OwnInterest,
    ReasonRequired,
    SelfCheckMissing,
    VendorInterest,
)
from kernel.i18n import translate_error
from kernel.identity.people import RosterRow, record_roster
from tests.support.admission_builders import Desk, a_desk, a_self_check
from tests.support.builders import a_resource, took
from tests.support.settlement_builders import SYSTEM

REFUSED, RETURNED = AdmissionState.REFUSED, AdmissionState.RETURNED


@pytest.fixture
def desk(units) -> Desk:
    return a_desk(units)


# What the vendor does first (R12)


@pytest.mark.parametrize(
    ("facts", "error"),
    [
        ({"answers": {"political": "已查"}}, SelfCheckMissing),
        ({"commits": False}, CommitmentMissing),
        ({"commitment": " "}, CommitmentMissing),
    ],
)
def test_nothing_is_submitted_without_self_check_and_commitment(desk, facts, error):
    """R12."""
    version_id = desk.draft()
    with desk.units(desk.manager) as unit, pytest.raises(error):
        submit(unit, version_id, a_self_check(**facts))
    assert desk.state(version_id) == "draft"


@pytest.mark.parametrize("number", ["", "备案中", "教APP备1号"])
def test_an_app_outside_the_platform_needs_its_filing_number(desk, number):
    """R12: where it applies, and nowhere else."""
    version_id = desk.draft(launch_url="https://app.example.com/open")
    with desk.units(desk.manager) as unit, pytest.raises(FilingNumberMissing):
        submit(unit, version_id, a_self_check(filing_number=number))
    with desk.units(desk.manager) as unit:
        submit(unit, version_id, a_self_check(filing_number="教APP备3301234号"))
    with desk.units(desk.first) as unit:
        assert case(unit, version_id).filing_number == "教APP备3301234号"


def test_a_draft_is_kept_until_it_is_submitted_and_then_stays(desk):
    first = desk.draft(title="初稿")
    assert desk.draft(title="二稿") == first
    with desk.units(desk.manager) as unit:
        submit(unit, first, a_self_check())
        assert unit.session.get_one(Version, first).title == "二稿"
    assert desk.draft(title="三稿") != first


def test_another_vendors_draft_is_neither_seen_nor_submitted(desk):
    version_id = desk.draft()
    for actor in (desk.other_manager, desk.first, desk.upper):
        with desk.units(actor) as unit, pytest.raises(NotFound):
            case(unit, version_id)
    with desk.units(desk.other_manager) as unit, pytest.raises(NotFound):
        submit(unit, version_id, a_self_check())


# The queue


def test_the_queue_is_ordered_by_named_factors_with_caps(desk, clock):
    """R13: what a file brought without a self-check comes first; each factor says its points."""
    desk.submitted("A")
    with desk.units(SYSTEM) as unit:
        a_resource(unit, desk.rival, "F", listed=False)
    with desk.units(desk.first) as unit:
        rows = queue(unit)
        assert waiting_cases(unit) == 2
    assert [row.sku for row in rows] == ["F", "A"]
    assert {one.factor for one in rows[0].factors} == {
        Factor.NO_SELF_CHECK,
        Factor.NEW_VENDOR,
        Factor.FOR_THE_YOUNGEST,
        Factor.FIRST_VERSION,
    }
    assert rows[0].points == sum(one.points for one in rows[0].factors)
    clock.advance(timedelta(days=400))
    with desk.units(desk.first) as unit:
        waited = {one.factor: one.points for one in queue(unit)[0].factors}
    assert waited[Factor.WAITING] == WEIGHTS[Factor.WAITING].cap


@pytest.mark.parametrize("factor", Factor)
def test_no_factor_brings_more_than_its_cap(factor):
    (one,) = weigh({factor: 1_000_000})
    assert (one.points, one.cap) == (WEIGHTS[factor].cap, WEIGHTS[factor].cap)


def test_a_page_of_the_queue_is_cut_out_of_the_whole_and_counted(desk):
    """R13: what is narrowed, ordered and cut by the database is what the whole queue holds."""
    for sku in ("A", "B", "C"):
        desk.submitted(sku, title=f"分数{sku}")
    desk.claimed(desk.submitted("D", title="小数"))
    with desk.units(desk.first) as unit:
        whole = queue(unit)
        assert [one for offset in range(4) for one in queue(unit, limit=1, offset=offset)] == whole
        assert count_queue(unit) == len(whole) == 4
        mine, words = Sought(standing="mine"), Sought(words="分数b")
        assert [row.sku for row in queue(unit, mine)] == ["D"]
        assert [row.sku for row in queue(unit, words)] == ["B"]
        assert (count_queue(unit, mine), count_queue(unit, words)) == (1, 1)
        by_title = queue(unit, Sought(standing="waiting"), sort="title", descending=True)
        assert [row.sku for row in by_title] == ["C", "B", "A"]
        assert queue(unit, Sought(words="%")) == []


def test_what_was_let_in_is_listed_by_title_without_points(desk):
    """R10."""
    for sku, title in (("A", "乙"), ("B", "丙")):
        desk.listed(sku, title=title)
    with desk.units(desk.first) as unit:
        rows = queue(unit, Sought(standing="listed"))
        assert {row.sku for row in rows} == {"A", "B"}
        assert [row.title for row in rows] == sorted(row.title for row in rows)
        assert {row.points for row in rows} == {0}
        assert count_queue(unit, Sought(standing="listed")) == 2


@pytest.mark.parametrize(
    ("facts", "changes"),
    [
        ({"title": "小数"}, ["content"]),
        ({"keywords": ("分数", "小数")}, ["content"]),
        ({"licence": "CC0 1.0"}, ["licence"]),
        ({"licence": "CC0 1.0", "subject": "科学"}, ["content", "licence"]),
    ],
)
def test_what_a_version_changes_of_the_admitted_one_stands_in_the_queue(desk, facts, changes):
    """R14."""
    desk.listed("A")
    desk.submitted("A", **facts)
    with desk.units(desk.first) as unit:
        (row,) = queue(unit)
    assert row.changes == tuple(changes)
    named = {one.factor for one in row.factors}
    assert (Factor.CONTENT_CHANGED in named) is ("content" in changes)
    assert Factor.FIRST_VERSION not in named


def test_what_a_bureau_has_claimed_is_gone_from_the_others_queue(desk):
    version_id = desk.claimed(desk.submitted())
    with desk.units(desk.upper) as unit:
        assert queue(unit) == []
    with desk.units(desk.second) as unit:
        (row,) = queue(unit)
    assert (row.standing, row.holder) == ("with-a-colleague", "first")
    with desk.units(desk.upper) as unit, pytest.raises(Conflict):
        claim(unit, [version_id])


def test_who_comes_too_late_or_too_early_is_told_so(desk):
    """R13: a colleague has it, nobody has it yet, or it is decided."""
    version_id = desk.submitted()
    with desk.units(desk.first) as unit:
        with pytest.raises(NotClaimed):
            propose(unit, version_id, verdict=AdmissionState.ADMITTED, note="建议")
        with pytest.raises(NotClaimed):
            decide_admission(unit, [version_id], note="同意")
    desk.claimed(version_id)
    with desk.units(desk.second) as unit, pytest.raises(ClaimedByAnother):
        claim(unit, [version_id])
    with desk.units(desk.second) as unit, pytest.raises(Conflict) as refused:
        decide_admission(unit, [version_id], note="同意")
    assert "“已领取”变为“已准入”" in translate_error(refused.value, "zh_CN")


def test_a_claim_is_released_by_its_holder_or_by_a_colleague_who_says_why(desk):
    version_id = desk.claimed(desk.submitted())
    with desk.units(desk.second) as unit, pytest.raises(ReasonRequired):
        release(unit, version_id)
    with desk.units(desk.first) as unit:
        release(unit, version_id)
    desk.claimed(version_id, by=desk.second)
    with desk.units(desk.first) as unit:
        release(unit, version_id, note="休假")
    assert desk.state(version_id) == "submitted"
    assert desk.admission(version_id).round == 2


# Findings and the two reviewers (R11, R13)


def test_each_criterion_is_judged_with_evidence_before_anything_is_proposed(desk):
    """R11."""
    version_id = desk.claimed(desk.submitted())
    with desk.units(desk.first) as unit:
        with pytest.raises(FindingsMissing):
            judge(unit, version_id, Criterion.SAFETY, finding=Finding.MEETS, evidence=" ")
        for criterion in list(Criterion)[:-1]:
            judge(unit, version_id, criterion, finding=Finding.MEETS, evidence="第1页")
    with desk.units(desk.first) as unit, pytest.raises(FindingsMissing) as refused:
        propose(unit, version_id, verdict=AdmissionState.ADMITTED, note="")
    assert refused.value.facts["missing"] == [Criterion.PUBLIC_BENEFIT]


def test_what_fails_a_criterion_is_not_proposed_for_admission(desk):
    version_id = desk.claimed(desk.submitted())
    with desk.units(desk.first) as unit:
        for criterion in Criterion:
            judge(unit, version_id, criterion, finding=Finding.FAILS, evidence="第1页")
        with pytest.raises(FindingsAgainst):
            propose(unit, version_id, verdict=AdmissionState.ADMITTED, note="")
        with pytest.raises(NoteRequired):
            propose(unit, version_id, verdict=REFUSED, note=" ")
        propose(unit, version_id, verdict=REFUSED, note="", reasons=[Reason.ERRORS])
    with desk.units(desk.second) as unit:
        decide_admission(unit, [version_id], note="", verdict=REFUSED)
    assert desk.admission(version_id).reasons == ["errors"]


def test_only_who_claimed_judges_and_only_another_decides(desk):
    """R13."""
    version_id = desk.claimed(desk.submitted())
    with desk.units(desk.second) as unit, pytest.raises(ClaimedByAnother):
        judge(unit, version_id, Criterion.SAFETY, finding=Finding.MEETS, evidence="第1页")
    with desk.units(desk.first) as unit:
        release(unit, version_id)
    desk.proposed(version_id)
    with desk.units(desk.first) as unit, pytest.raises(OwnInterest):
        decide_admission(unit, [version_id], note="同意")


def test_the_second_reviewer_admits_nothing_that_the_first_would_not(desk):
    """R13: what two did not admit, one does not let in; it goes back to the queue instead."""
    version_id = desk.proposed(desk.submitted(), verdict=REFUSED)
    with desk.units(desk.second) as unit, pytest.raises(NotProposed):
        decide_admission(unit, [version_id], note="可以")
    with desk.units(desk.second) as unit:
        release(unit, version_id, note="不同意驳回，请他人再审")
    assert desk.state(version_id) == "submitted"
    desk.proposed(version_id, by=desk.third)


def test_a_return_against_the_proposal_says_why(desk):
    version_id = desk.proposed(desk.submitted())
    with desk.units(desk.second) as unit:
        with pytest.raises(NoteRequired):
            decide_admission(unit, [version_id], note="", verdict=RETURNED)
        decide_admission(unit, [version_id], note="请补字幕", verdict=RETURNED)
    with desk.units(desk.manager) as unit:
        found = case(unit, version_id)
    assert (found.state, found.rounds[-1].decision_note) == ("returned", "请补字幕")


def test_whoever_has_an_interest_reviews_nothing_of_the_vendor(desk):
    """R13: a role held there once, or the reviewer's own word."""
    version_id = desk.submitted()
    with desk.units(desk.third) as unit:
        declare_interest(unit, vendor_code=desk.firm.code, reason="亲属任职")
    with desk.units(SYSTEM) as unit:
        took(
            record_roster(
                unit,
                [
                    RosterRow(
                        person_no="former",
                        name="前员工",
                        organisation_kind=kind,
                        organisation_code=code,
                        roles=(role,),
                        login="former",
                    )
                    for kind, code, role in (
                        ("vendor", desk.firm.code, "vendor_manager"),
                        ("bureau", desk.county.code, "admission"),
                    )
                ],
            )
        )
    with desk.units(desk.third) as unit, pytest.raises(VendorInterest):
        claim(unit, [version_id])
    desk.proposed(version_id)
    with desk.units(desk.third) as unit, pytest.raises(VendorInterest):
        decide_admission(unit, [version_id], note="同意")


def test_for_which_schools_it_suits_is_judged_before_release(desk):
    """R60: what the vendor offers, then what the reviewers found."""
    version_id = desk.claimed(desk.submitted())
    with desk.units(desk.first) as unit:
        assert case(unit, version_id).suits["conditions"] == "教室有投影即可"
        for criterion in Criterion:
            judge(unit, version_id, criterion, finding=Finding.ON_CONDITION, evidence="实测")
        propose(
            unit,
            version_id,
            verdict=AdmissionState.ADMITTED,
            note="",
            suits={"stages": ["primary"], "conditions": "须有20兆以上网络"},
        )
    with desk.units(desk.second) as unit:
        decide_admission(unit, [version_id], note="同意")
        assert case(unit, version_id).suits == {
            "stages": ["primary"],
            "conditions": "须有20兆以上网络",
        }


def test_a_vendor_reads_nothing_of_a_review_before_its_decision(desk):
    version_id = desk.proposed(desk.submitted(), verdict=REFUSED, note="初审意见")
    with desk.units(desk.manager) as unit:
        before = case(unit, version_id)
    with desk.units(desk.second) as unit:
        decide_admission(unit, [version_id], note="同意驳回", verdict=REFUSED)
    with desk.units(desk.manager) as unit:
        after = case(unit, version_id)
    assert not before.rounds
    assert not any(one.evidence for one in before.judged)
    assert not before.factors
    assert after.rounds[-1].note == "初审意见"
    assert all(one.evidence for one in after.judged)
    assert not any(one.who for one in after.history), "names are the desk's"
