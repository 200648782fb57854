"""Admission by two people of one bureau, who answer for it (R9, R10, R13)."""

import pytest
from sqlalchemy import select

from catalog.admission import decide_admission, propose_admission
from catalog.awaiting import awaiting_decision, awaiting_proposal, left_to_others
from catalog.models import Admission
from catalog.queries import latest_versions
from catalog.reviewers import declare_interest
from catalog.states import AdmissionState
from kernel.actors import Actor, Role, system_actor
from kernel.errors import (
    Conflict,
    NoteRequired,
    NotFound,
    OwnInterest,
    Refused,
    VendorInterest,
)
from kernel.identity.people import RosterRow, record_roster
from kernel.ids import VersionId
from kernel.trail import TrailRow
from tests.support.builders import (
    CITY,
    a_bureau,
    a_person,
    a_region_tree,
    a_resource,
    a_vendor,
    took,
)
from tests.support.worlds import a_world

SYSTEM = system_actor("test")


@pytest.fixture
@a_world
def scene(units):
    """Two reviewers of the county and one of the city; two submitted versions of one vendor."""
    with units(SYSTEM) as unit:
        county = a_region_tree(unit)
        city = a_bureau(unit, region_code=CITY)
        firm = a_vendor(unit)
        for sku in ("A", "B"):
            a_resource(unit, firm, sku, listed=False)
        return {
            "firm": firm,
            "county": county,
            "first": a_person(unit, county, [Role.ADMISSION], person_no="first"),
            "second": a_person(unit, county, [Role.ADMISSION]),
            "elsewhere": a_person(unit, city, [Role.ADMISSION]),
        }


def proposed(units, actor: Actor) -> list[VersionId]:
    with units(actor) as unit:
        waiting = awaiting_proposal(unit)
        propose_admission(unit, waiting, note="八项标准逐项核对")
    return waiting


def states(units) -> set[str]:
    with units(SYSTEM) as unit:
        return set(unit.session.scalars(select(Admission.state)))


def test_one_proposes_another_decides_and_it_is_listed(units, scene):
    versions = proposed(units, scene["first"])
    assert len(versions) == 2
    with units(scene["second"]) as unit:
        assert awaiting_proposal(unit) == []
        assert awaiting_decision(unit, vendor_code="nobody") == []
        assert awaiting_decision(unit, vendor_code=scene["firm"].code) == versions
        decide_admission(unit, versions, note="同意")
        assert awaiting_decision(unit) == []
    with units(SYSTEM) as unit:
        one = unit.session.scalars(select(Admission)).first()
        acts = unit.session.scalars(select(TrailRow).order_by(TrailRow.id)).all()
    assert one.bureau_id == scene["county"].id
    assert (one.proposed_by, one.decided_by) == (
        scene["first"].person_id,
        scene["second"].person_id,
    )
    assert [row.act for row in acts if row.act.startswith("admission")] == [
        "admission.claimed",
        "admission.claimed",
        "admission.proposed",
        "admission.proposed",
        "admission.admitted",
        "admission.admitted",
    ]


def test_an_interest_in_one_vendor_leaves_the_others_to_decide(units, scene):
    """R13: what the reviewer is barred from is left to colleagues, and said."""
    with units(SYSTEM) as unit:
        other = a_vendor(unit)
        a_resource(unit, other, "C", listed=False)
    with units(scene["second"]) as unit:
        declare_interest(unit, vendor_code=other.code, reason="亲属任职")
        own = awaiting_proposal(unit)
        assert len(own) == 2
        assert left_to_others(unit) == {other.code: 1}
    assert len(proposed(units, scene["first"])) == 3
    with units(scene["second"]) as unit:
        assert awaiting_decision(unit) == own
        decide_admission(unit, awaiting_decision(unit), note="同意")
        assert left_to_others(unit) == {other.code: 1}
        assert left_to_others(unit, vendor_code=scene["firm"].code) == {}
    with units(scene["first"]) as unit:
        assert left_to_others(unit) == {}


def test_nobody_decides_what_they_proposed(units, scene):
    versions = proposed(units, scene["first"])
    with units(scene["first"]) as unit:
        assert awaiting_decision(unit) == []
    with units(scene["first"]) as unit, pytest.raises(OwnInterest):
        decide_admission(unit, versions, note="同意")
    assert states(units) == {"proposed"}


def test_another_bureau_does_not_decide(units, scene):
    versions = proposed(units, scene["first"])
    with units(scene["elsewhere"]) as unit:
        assert awaiting_decision(unit) == []
        with pytest.raises(NotFound):
            decide_admission(unit, versions, note="同意")


def test_what_is_taken_up_or_decided_is_not_taken_up_again(units, scene):
    versions = proposed(units, scene["first"])
    with units(scene["elsewhere"]) as unit, pytest.raises(Conflict):
        propose_admission(unit, versions, note="核对")
    with units(scene["second"]) as unit:
        decide_admission(unit, versions, note="同意")
        with pytest.raises(Conflict):
            decide_admission(unit, versions, note="同意")


def test_a_refusal_says_why(units, scene):
    versions = proposed(units, scene["first"])
    with units(scene["second"]) as unit, pytest.raises(NoteRequired):
        decide_admission(unit, versions, note=" ", verdict=AdmissionState.REFUSED)
    with units(scene["second"]) as unit:
        decide_admission(unit, versions, note="导向不当", verdict=AdmissionState.REFUSED)
    assert states(units) == {"refused"}


def test_whoever_has_worked_for_the_vendor_does_not_review_it(units, scene):
    with units(SYSTEM) as unit:
        waiting = awaiting_proposal(unit)
        took(
            record_roster(
                unit,
                [
                    RosterRow(
                        person_no="first",
                        organisation_kind="vendor",
                        organisation_code=scene["firm"].code,
                        roles=(Role.VENDOR_MANAGER,),
                    ),
                    RosterRow(
                        person_no="first",
                        organisation_kind="bureau",
                        organisation_code=scene["county"].code,
                        roles=(Role.ADMISSION,),
                    ),
                ],
            )
        )
    with units(scene["first"]) as unit, pytest.raises(VendorInterest):
        propose_admission(unit, waiting, note="核对")
    with units(scene["first"]) as unit:
        assert awaiting_proposal(unit) == []


def test_only_reviewers_review_and_the_system_is_none(units, scene):
    with units(SYSTEM) as unit:
        auditor = a_person(unit, scene["county"], [Role.AUDITOR])
        waiting = awaiting_proposal(unit)
    for actor in (auditor, SYSTEM):
        with units(actor) as unit, pytest.raises(Refused):
            propose_admission(unit, waiting, note="核对")


def test_an_unknown_version_is_not_found(units, scene):
    with units(scene["first"]) as unit, pytest.raises(NotFound):
        propose_admission(unit, [VersionId(scene["firm"].id)], note="核对")


def test_a_returned_version_is_answered_by_the_next_number(units, scene):
    versions = proposed(units, scene["first"])
    with units(scene["second"]) as unit:
        decide_admission(unit, versions, note="请补充字幕", verdict=AdmissionState.RETURNED)
    with units(SYSTEM) as unit:
        resource_id = a_resource(unit, scene["firm"], "A", listed=False, kind="school_based")
        newest = latest_versions(unit, [resource_id])[resource_id]
    assert (newest.number, newest.state) == (2, "submitted")
