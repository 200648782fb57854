"""Emergency takedown, restoring and appeals, each decided by another (R14)."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from catalog.admission import claim, decide_admission, propose_admission
from catalog.appeals import appeal, decide_appeal
from catalog.awaiting import awaiting_decision, awaiting_proposal
from catalog.cases import case
from catalog.desk import queue
from catalog.reviewers import declare_interest
from catalog.risk import Factor
from catalog.states import AdmissionState
from catalog.takedowns import Ground, restore, take_down
from kernel.errors import (
    AppealedAlready,
    Conflict,
    NotFound,
    PartNotListed,
    ReasonRequired,
    TookPart,
    UnderTakedown,
    VendorInterest,
)
from tests.support.admission_builders import Desk, a_desk
from tests.support.settlement_builders import SYSTEM

REFUSED, RETURNED = AdmissionState.REFUSED, AdmissionState.RETURNED


@pytest.fixture
def desk(units) -> Desk:
    return a_desk(units)


def test_a_takedown_suspends_every_version_and_another_reviewer_lifts_it(desk):
    """R14: at once, with its reason, and never lifted by who made it."""
    older = desk.listed()
    newer = desk.decided(desk.submitted(title="第二版"))
    with desk.units(desk.first) as unit:
        with pytest.raises(ReasonRequired):
            take_down(unit, newer, ground=Ground.RED_LINE, reason=" ")
        take_down(unit, newer, ground=Ground.RED_LINE, reason="内容不当")
    assert {desk.state(older), desk.state(newer)} == {"suspended"}
    with desk.units(desk.first) as unit, pytest.raises(TookPart):
        restore(unit, newer, note="已改")
    with desk.units(desk.second) as unit:
        restore(unit, newer, note="核实无误")
    assert {desk.state(older), desk.state(newer)} == {"listed"}


def test_who_does_not_answer_for_it_neither_takes_down_nor_restores(desk):
    """R10: the admitting bureau and those above it; what is above is not lifted from below."""
    version_id = desk.listed()
    with desk.units(desk.upper) as unit:
        take_down(unit, version_id, ground=Ground.OTHER, reason="省里通报")
    with desk.units(desk.first) as unit, pytest.raises(NotFound):
        restore(unit, version_id, note="恢复")
    by_city = desk.proposed(desk.submitted("C"), by=desk.upper)
    with desk.units(desk.first) as unit, pytest.raises(NotFound):
        decide_admission(unit, [by_city], note="同意")


def test_a_refusal_is_appealed_once_and_reviewed_again_by_others(desk):
    """R14: another reviewer judges; upheld, neither of the two takes it up again."""
    version_id = desk.decided(desk.submitted(), verdict=REFUSED)
    with desk.units(desk.manager) as unit:
        with pytest.raises(ReasonRequired):
            appeal(unit, version_id, claim=" ")
        appeal(unit, version_id, claim="第3页依据有误")
    with desk.units(desk.manager) as unit, pytest.raises(AppealedAlready):
        appeal(unit, version_id, claim="再诉")
    for actor in (desk.first, desk.second):
        with desk.units(actor) as unit, pytest.raises(TookPart):
            decide_appeal(unit, version_id, upheld=True, note="成立")
    with desk.units(desk.third) as unit:
        with pytest.raises(ReasonRequired):
            decide_appeal(unit, version_id, upheld=True, note=" ")
        decide_appeal(unit, version_id, upheld=True, note="依据不足")
    assert desk.state(version_id) == "submitted"
    with desk.units(desk.first) as unit, pytest.raises(TookPart):
        claim(unit, [version_id])
    desk.proposed(version_id, by=desk.third)


def test_a_dismissed_appeal_changes_nothing(desk):
    version_id = desk.decided(desk.submitted(), verdict=REFUSED)
    with desk.units(desk.manager) as unit:
        appeal(unit, version_id, claim="不服")
    with desk.units(desk.upper) as unit:
        decide_appeal(unit, version_id, upheld=False, note="依据充分")
    assert desk.state(version_id) == "refused"
    with pytest.raises(DBAPIError), desk.units(SYSTEM) as unit:
        unit.session.connection().exec_driver_sql("UPDATE admission_appeal SET outcome = 'upheld'")


def test_an_upheld_appeal_against_a_takedown_lists_it_again(desk):
    version_id = desk.listed()
    with desk.units(desk.first) as unit:
        take_down(unit, version_id, ground=Ground.INFRINGEMENT, reason="有人举报")
    with desk.units(desk.manager) as unit:
        appeal(unit, version_id, claim="有授权书")
    with desk.units(desk.first) as unit, pytest.raises(TookPart):
        decide_appeal(unit, version_id, upheld=True, note="成立")
    with desk.units(desk.second) as unit:
        decide_appeal(unit, version_id, upheld=True, note="授权有效")
    assert desk.state(version_id) == "listed"


def test_nothing_but_a_refusal_or_takedown_is_appealed(desk):
    version_id = desk.listed()
    with desk.units(desk.manager) as unit, pytest.raises(Conflict):
        appeal(unit, version_id, claim="不服")


def test_nothing_else_of_a_resource_is_listed_under_a_takedown(desk):
    """R14: neither another price nor other content brings back what was taken down."""
    listed = desk.listed()
    dearer = desk.proposed(desk.submitted(offer=desk.offer(price="0.0600")))
    with desk.units(desk.third) as unit:
        take_down(unit, listed, ground=Ground.RED_LINE, reason="内容不当")
    for actor in (desk.second, desk.manager):
        with desk.units(actor) as unit:
            (told,) = case(unit, dearer).takedowns
            assert (told.ground, told.restored_at) == ("red_line", None)
    with desk.units(desk.second) as unit:
        assert "restore" not in case(unit, dearer).acts
        assert awaiting_decision(unit) == []
    with pytest.raises(UnderTakedown), desk.units(desk.second) as unit:
        decide_admission(unit, [dearer], note="同意")
    mended = desk.submitted(title="第二版")
    with desk.units(desk.first) as unit:
        assert awaiting_proposal(unit) == []
    with pytest.raises(UnderTakedown), desk.units(desk.first) as unit:
        propose_admission(unit, [mended], note="核对")
    with pytest.raises(UnderTakedown):
        desk.proposed(mended)
    desk.proposed(desk.submitted("B"))
    with desk.units(desk.second) as unit:
        (other,) = awaiting_decision(unit)
        decide_admission(unit, [other], note="同意")
        restore(unit, listed, note="核实无误")
    with desk.units(desk.second) as unit:
        decide_admission(unit, awaiting_decision(unit), note="同意")
    assert [desk.state(one) for one in (listed, dearer, other)] == ["listed"] * 3


def test_the_database_lists_nothing_else_under_a_takedown_either(desk):
    """R14."""
    listed = desk.listed()
    dearer = desk.proposed(desk.submitted(offer=desk.offer(price="0.0600")))
    with desk.units(desk.third) as unit:
        take_down(unit, listed, ground=Ground.RED_LINE, reason="内容不当")
    with pytest.raises(DBAPIError, match="under a takedown"), desk.units(SYSTEM) as unit:
        facts = {"id": dearer, "who": desk.second.person_id}
        unit.session.execute(
            text(
                "UPDATE admission SET state = 'admitted', decided_by = :who, decided_at = now() "
                "WHERE version_id = :id"
            ),
            facts,
        )
        unit.session.execute(text("UPDATE version SET state = 'admitted' WHERE id = :id"), facts)


def test_a_pack_with_a_part_gone_keeps_no_other_decision_waiting(desk):
    listed = [desk.listed(sku) for sku in "BC"]
    pack = desk.proposed(desk.submitted("P", parts=("B", "C"), type=""))
    other = desk.proposed(desk.submitted("D"))
    with desk.units(desk.first) as unit:
        take_down(unit, listed[0], ground=Ground.ERRORS, reason="第3页有误")
    with desk.units(desk.second) as unit:
        assert awaiting_decision(unit) == [other]
        with pytest.raises(PartNotListed):
            decide_admission(unit, [pack], note="同意")


def test_a_draft_keeps_no_takedown_from_being_made_or_lifted(desk):
    """R14: what its vendor is writing is not the desk's, and holds nothing up."""
    listed = desk.listed()
    draft = desk.draft(title="第二版")
    with desk.units(desk.first) as unit:
        take_down(unit, listed, ground=Ground.ERRORS, reason="第3页有误")
    with desk.units(desk.second) as unit:
        restore(unit, listed, note="核实无误")
    assert (desk.state(listed), desk.state(draft)) == ("listed", "draft")


def test_lifting_a_takedown_upholds_the_appeal_against_it(desk):
    """R14: who lifts it grants what was asked for, whichever version was appealed for."""
    older = desk.listed()
    newer = desk.decided(desk.submitted(title="第二版"))
    with desk.units(desk.first) as unit:
        take_down(unit, newer, ground=Ground.INFRINGEMENT, reason="有人举报")
    with desk.units(desk.manager) as unit:
        appeal(unit, newer, claim="有授权书")
    with desk.units(desk.third) as unit:
        declare_interest(unit, vendor_code=desk.firm.code, reason="亲属在该公司")
    with desk.units(desk.third) as unit, pytest.raises(VendorInterest):
        restore(unit, older, note="授权有效")
    with desk.units(desk.second) as unit:
        restore(unit, older, note="授权有效")
    with desk.units(desk.second) as unit:
        found = case(unit, newer)
        (ended,) = found.appeals
        (told,) = [one for one in found.history if one.act == "appeal.upheld"]
        assert (ended.outcome, ended.note) == ("upheld", "授权有效")
        assert (told.who, told.note) == ("second", "授权有效")
        assert "decide_appeal" not in found.acts
        assert [one.standing for one in queue(unit)] == []
    with desk.units(desk.second) as unit, pytest.raises(NotFound):
        decide_appeal(unit, newer, upheld=False, note="依据充分")


def test_a_takedown_that_was_appealed_against_rightly_speaks_against_nobody(desk):
    """R14: what was lifted otherwise goes on bringing its vendor's versions forward."""
    listed = desk.listed()
    for claim_ in ("有授权书", ""):
        with desk.units(desk.first) as unit:
            take_down(unit, listed, ground=Ground.INFRINGEMENT, reason="有人举报")
        if claim_:
            with desk.units(desk.manager) as unit:
                appeal(unit, listed, claim=claim_)
        with desk.units(desk.second) as unit:
            restore(unit, listed, note="核实无误")
    other = desk.submitted("B")
    with desk.units(desk.second) as unit:
        counted = {one.factor: one.count for one in case(unit, other).factors}
    assert counted[Factor.EARLIER_TAKEDOWNS] == 1


def test_the_database_leaves_no_appeal_open_against_a_lifted_takedown(desk):
    """R14."""
    listed = desk.listed()
    with desk.units(desk.first) as unit:
        take_down(unit, listed, ground=Ground.ERRORS, reason="第3页有误")
    with desk.units(desk.manager) as unit:
        made = appeal(unit, listed, claim="没有错")
    lift = text("UPDATE takedown SET restored_by = :who, restored_at = now(), note = '核实'")
    with pytest.raises(DBAPIError, match="is open"), desk.units(SYSTEM) as unit:
        unit.session.execute(lift, {"who": desk.second.person_id})
    with desk.units(desk.second) as unit:
        restore(unit, listed, note="核实无误")
    again = text(
        "INSERT INTO admission_appeal (id, version_id, kind, against, claim, made_at, note) "
        "SELECT :id, version_id, kind, :id, claim, made_at, '' FROM admission_appeal"
    )
    with pytest.raises(DBAPIError, match="no takedown"), desk.units(SYSTEM) as unit:
        unit.session.execute(again, {"id": made})
