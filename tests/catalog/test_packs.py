"""Packs: what may be bundled, their versions and admission, how they are listed and taken out."""

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from catalog.admission import decide_admission
from catalog.cases import case
from catalog.criteria import Change, Depth
from catalog.drafts import save_draft
from catalog.exporting import catalogue_rows
from catalog.models import Version
from catalog.packs import PACK, packs_with, parts_of
from catalog.resources import record_catalogue
from catalog.search import Wanted, search
from catalog.takedowns import Ground, take_down
from kernel.errors import InvalidInput, MarketError, PartNotListed
from kernel.outcomes import Fate
from tests.support.admission_builders import Desk, a_desk
from tests.support.settlement_builders import SYSTEM


@pytest.fixture
def desk(units) -> Desk:
    desk = a_desk(units)
    for sku in ("A", "B"):
        desk.listed(sku)
    return desk


def parts(desk: Desk, pack_id) -> list[str]:
    with desk.units(SYSTEM) as unit:
        return [f"{one.sku}@{one.number}" for one in parts_of(unit, pack_id)]


def test_a_pack_bundles_the_newest_listed_versions_and_stays_so(desk):
    """R4: a pack's version is as immutable as what it bundles; its parts go on without it."""
    first = desk.decided(
        desk.submitted("P", offer=desk.offer("P", "0.5"), title="资源包", type="", parts=("A", "B"))
    )
    desk.listed("A", title="资源A第二版", price="0.03")
    second = desk.draft("P", title="资源包", type="", parts=("A", "B"))

    assert parts(desk, first) == ["A@1", "B@1"]
    assert parts(desk, second) == ["A@2", "B@1"]
    with desk.units(desk.manager) as unit:
        found = case(unit, second)
    assert found.changes == (Change.CONTENT,) and found.depth is Depth.FULL
    assert [(one.name, one.before, one.after) for one in found.differences] == [
        ("parts", ["A@1", "B@1"], ["A@2", "B@1"])
    ]


def test_a_pack_is_found_by_its_type_and_its_parts_name_it(desk):
    pack = desk.decided(desk.submitted("P", offer=desk.offer("P"), type="", parts=("A", "B@1")))
    with desk.units(desk.manager) as unit:
        (hit,) = search(unit, Wanted(filters={"type": PACK})).hits
        part = parts_of(unit, pack)[0]
        (shown,) = packs_with(unit, part.resource_id)

    assert hit.sku == shown.sku == "P"


@pytest.mark.parametrize(
    ("named", "error"),
    [
        (("A", "C"), PartNotListed),
        (("A", "B@2"), PartNotListed),
        (("A", "draft"), PartNotListed),
        (("A", "rival"), PartNotListed),
        (("A",), InvalidInput),
        (("A", "A@1"), InvalidInput),
        (("A", "FREE"), InvalidInput),
        (("A", "P"), InvalidInput),
    ],
)
def test_what_may_not_be_bundled_is_named(desk, named, error):
    desk.listed("FREE", kind="basic", price="0")
    desk.draft("draft")
    desk.decided(desk.submitted("P", offer=desk.offer("P"), type="", parts=("A", "B")))
    with desk.units(desk.other_manager) as unit:
        rival = desk.row("rival", vendor_code=desk.rival.code)
        assert record_catalogue(unit, [rival])[0].fate is Fate.ACCEPTED

    with pytest.raises(error) as refused:
        desk.draft("Q", type="", parts=named)
    assert refused.value.facts["field"] == "parts"


def test_the_type_of_a_pack_is_no_other_and_nothing_else_has_it(desk):
    for facts in ({"parts": ("A", "B"), "type": "视频"}, {"type": PACK}):
        with pytest.raises(MarketError), desk.units(desk.manager) as unit:
            save_draft(unit, desk.row("Q", **facts))


def test_a_pack_is_listed_only_with_all_its_parts(desk):
    pack = desk.proposed(desk.submitted("P", offer=desk.offer("P"), type="", parts=("A", "B")))
    with desk.units(SYSTEM) as unit:
        part = parts_of(unit, pack)[1]
    with desk.units(desk.third) as unit:
        take_down(unit, part.version_id, ground=Ground.ERRORS, reason="有误")

    with pytest.raises(PartNotListed, match="B@1"), desk.units(desk.second) as unit:
        decide_admission(unit, [pack], note="同意")


def test_what_is_taken_out_is_brought_in_again_as_it_is(desk):
    desk.decided(desk.submitted("P", offer=desk.offer("P"), type="", parts=("A", "B")))
    desk.listed("A", title="资源A第二版", price="0.03")
    with desk.units(desk.manager) as unit:
        rows = list(catalogue_rows(unit))
        outcomes = record_catalogue(unit, rows)

    assert {row.sku: row.parts for row in rows}["P"] == ("A@1", "B@1")
    assert {one.fate for one in outcomes} == {Fate.DUPLICATE}


def test_a_draft_may_bundle_others_than_before(desk):
    desk.listed("C")
    draft = desk.draft("P", type="", parts=("A", "B"))
    assert desk.draft("P", type="", parts=("C", "A")) == draft
    assert parts(desk, draft) == ["C@1", "A@1"]
    assert desk.draft("P", parts=()) == draft
    assert parts(desk, draft) == []


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM pack_part",
        "UPDATE pack_part SET position = position + 5",
        "TRUNCATE pack_part",
        """INSERT INTO pack_part SELECT pack_id, 3, r.id, v.id FROM pack_part
        JOIN version v ON true JOIN resource r ON r.id = v.resource_id
        WHERE r.sku = 'C' LIMIT 1""",
        """UPDATE version SET metadata = metadata || '{"parts": ["A@1", "C@1"]}'
        WHERE id IN (SELECT pack_id FROM pack_part)""",
    ],
)
def test_the_database_keeps_the_parts_of_what_was_submitted(desk, statement):
    desk.listed("C")
    desk.submitted("P", type="", parts=("A", "B"))

    with pytest.raises(DBAPIError), desk.units(SYSTEM) as unit:
        unit.session.execute(text(statement))
    with desk.units(SYSTEM) as unit:
        pack = unit.session.scalars(select(Version.id).where(Version.type == PACK)).one()
    assert parts(desk, pack) == ["A@1", "B@1"]
