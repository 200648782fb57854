"""How long texts are, which signs an article number has, and what is a stage: in every way in."""

from dataclasses import replace
from datetime import date

import pytest

from catalog.admission import judge, propose_admission
from catalog.criteria import Criterion, Finding
from catalog.drafts import save_draft
from catalog.needs import post_need
from catalog.resources import record_catalogue
from catalog.submissions import submit, suitability
from kernel.actors import Role
from kernel.errors import InvalidInput
from kernel.i18n import translate_error
from kernel.outcomes import Fate
from tests.support.admission_builders import Desk, a_desk, a_self_check
from tests.support.builders import a_person, a_school
from tests.support.settlement_builders import SYSTEM

WRONG = [
    ({"sku": "x" * 65}, "sku"),
    ({"sku": "长" * 6_000}, "sku"),
    ({"sku": ".."}, "sku"),
    ({"sku": "a/../b"}, "sku"),
    ({"sku": "/a"}, "sku"),
    ({"sku": "a\\b"}, "sku"),
    ({"sku": "a\nb"}, "sku"),
    ({"sku": " a"}, "sku"),
    ({"title": "长" * 201}, "title"),
    ({"title": "一行\n两行"}, "title"),
    ({"title": "由左\u202e到右"}, "title"),
    ({"commitment": "由左\u2067到右"}, "commitment"),
    ({"keywords": ("词", "长" * 51)}, "keywords"),
    ({"keywords": tuple(map(str, range(31)))}, "keywords"),
    ({"author": "长" * 201}, "author"),
    ({"conditions": "长" * 5_001}, "conditions"),
    ({"conditions": "响铃\a"}, "conditions"),
    ({"check_safety": "长" * 5_001}, "check_safety"),
    ({"commitment": "长" * 5_001}, "commitment"),
    ({"suits_conditions": "响铃\a"}, "suits_conditions"),
]
TOO_LONG = "长" * 5_001


@pytest.fixture
def desk(units) -> Desk:
    return a_desk(units)


@pytest.mark.parametrize(("facts", "field"), WRONG)
def test_a_text_that_nobody_can_show_is_refused_with_its_field(desk, facts, field):
    """The same in a draft and in a file; a value is told by its beginning."""
    row = desk.row(**facts)
    with desk.units(desk.manager) as unit, pytest.raises(InvalidInput) as refused:
        save_draft(unit, row)
    with desk.units(desk.manager) as unit:
        (outcome,) = record_catalogue(unit, [row])

    assert (outcome.fate, outcome.field) == (Fate.REJECTED, field)
    assert refused.value.facts["field"] == field
    said = translate_error(refused.value, "zh_CN")
    assert len(said) < 200 and "characters" not in said and "letters" not in said


def test_what_is_just_as_long_as_it_may_be_is_kept(desk):
    facts = {"title": "长" * 200, "keywords": ("长" * 50,), "conditions": "一\n二" + "长" * 4_997}
    with desk.units(desk.manager) as unit:
        assert save_draft(unit, desk.row("小数/(1).a@b" + "x" * 52, **facts))


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"answers": a_self_check().answers | {"safety": TOO_LONG}}, "check_safety"),
        ({"commitment": TOO_LONG}, "commitment"),
        ({"conditions": TOO_LONG}, "conditions"),
    ],
)
def test_what_a_vendor_declares_is_no_longer_than_anybody_reads(desk, facts, field):
    """R12: the field is named as it is in a file."""
    version_id = desk.draft()
    with desk.units(desk.manager) as unit, pytest.raises(InvalidInput) as refused:
        submit(unit, version_id, a_self_check(**facts))

    assert refused.value.facts["field"] == field
    assert "5000" in translate_error(refused.value, "zh_CN")
    assert desk.state(version_id) == "draft"


def test_what_a_reviewer_writes_is_no_longer_than_anybody_reads(desk):
    """R11: evidence, and the note that is the evidence of a whole catalogue."""
    judged, whole = desk.claimed(desk.submitted("A")), desk.submitted("B")
    acts = {
        "evidence": lambda unit: judge(
            unit, judged, Criterion.SAFETY, finding=Finding.MEETS, evidence=TOO_LONG
        ),
        "note": lambda unit: propose_admission(unit, [whole], note=TOO_LONG),
    }
    for field, act in acts.items():
        with desk.units(desk.first) as unit, pytest.raises(InvalidInput) as refused:
            act(unit)
        assert refused.value.facts["field"] == field
        said = translate_error(refused.value, "zh_CN")
        assert "5000" in said and field not in said and len(said) < 200

    with desk.units(desk.first) as unit:
        judge(unit, judged, Criterion.SAFETY, finding=Finding.MEETS, evidence="一\n二")
    assert desk.admission(judged).findings["safety"]["evidence"] == "一\n二"
    assert desk.state(whole) == "submitted"


def test_what_is_no_stage_is_neither_submitted_nor_proposed_nor_asked_for(desk):
    """R60: everybody reads for which stages something suits."""
    version_id = desk.draft()
    with desk.units(desk.manager) as unit, pytest.raises(InvalidInput) as refused:
        submit(unit, version_id, replace(a_self_check(), stages=("primary", "bogus")))
    assert (refused.value.facts["field"], refused.value.facts["value"]) == ("stages", "bogus")
    with pytest.raises(InvalidInput):
        suitability(("nonsense",), "")
    with pytest.raises(InvalidInput):
        suitability((), "长" * 5_001)
    assert suitability(("primary", "primary"), " 有投影 ") == {
        "stages": ["primary"],
        "conditions": "有投影",
    }
    with desk.units(SYSTEM) as unit:
        teacher = a_person(unit, a_school(unit), [Role.TEACHER])
    with desk.units(teacher) as unit, pytest.raises(InvalidInput) as refused:
        post_need(
            unit, title="缺", stage="x", subject="", description="缺", wanted_by=date(2030, 1, 1)
        )
    assert refused.value.facts["field"] == "stage"
