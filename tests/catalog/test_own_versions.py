"""A vendor's own versions: the whole list, its pages, and what a manager looks for."""

import pytest

from catalog.states import VersionState
from catalog.versions import Looked, count_own_versions, own_versions, own_versions_shown
from kernel.errors import InvalidInput
from kernel.ids import VersionId, new_id
from tests.support.admission_builders import Desk, a_desk

ALL = Looked()


@pytest.fixture
def desk(units) -> Desk:
    """Given a vendor with three resources, of which B has two versions."""
    desk = a_desk(units)
    for sku in ("C", "B", "A_1"):
        desk.submitted(sku)
    desk.draft("B", title="分数加减法")
    return desk


def _keys(rows):
    return [(row.sku, row.number, row.is_newest) for row in rows]


def test_pages_by_cursor_are_the_whole_list(desk):
    with desk.units(desk.manager) as unit:
        everything = own_versions(unit)
        assert _keys(everything) == [
            ("A_1", 1, True),
            ("B", 2, True),
            ("B", 1, False),
            ("C", 1, True),
        ]
        paged = own_versions(unit, limit=1)
        while rows := own_versions(unit, after=paged[-1].version_id, limit=1):
            paged += rows
    assert paged == everything


def test_a_cursor_that_is_no_version_of_the_vendor_is_refused(desk):
    with desk.units(desk.manager) as unit:
        first = own_versions(unit)[0].version_id
        with pytest.raises(InvalidInput):
            own_versions(unit, after=VersionId(new_id()))
    with desk.units(desk.other_manager) as unit, pytest.raises(InvalidInput):
        own_versions(unit, after=first)


@pytest.mark.parametrize(
    ("looked", "found"),
    [
        (ALL, [("A_1", 1), ("B", 2), ("B", 1), ("C", 1)]),
        (Looked(only_newest=True), [("A_1", 1), ("B", 2), ("C", 1)]),
        (Looked(words="加减"), [("B", 2)]),
        (Looked(words="a_"), [("A_1", 1)]),
        (Looked(words="%"), []),
        (Looked(states=frozenset({VersionState.DRAFT})), [("B", 2)]),
    ],
)
def test_what_is_looked_for_is_found_and_counted(desk, looked, found):
    with desk.units(desk.manager) as unit:
        rows = own_versions_shown(unit, looked)
        assert [(row.sku, row.number) for row in rows] == found
        assert count_own_versions(unit, looked) == len(found)
    with desk.units(desk.other_manager) as unit:
        assert own_versions_shown(unit, looked) == []
        assert count_own_versions(unit, looked) == 0


def test_a_page_is_cut_out_of_the_order_that_is_asked_for(desk):
    with desk.units(desk.manager) as unit:
        rows = own_versions_shown(unit, ALL, sort="sku", descending=True, limit=2, offset=1)
    assert [(row.sku, row.number) for row in rows] == [("B", 2), ("B", 1)]
