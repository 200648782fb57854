"""Two versions compared: metadata, terms and files, as far as the actor sees the versions."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from catalog.attachments.attaching import attach, detach, expect_file
from catalog.attachments.reading import files_of
from catalog.cases import case
from catalog.differences import Difference, Part, compare_versions
from catalog.offers import OfferRow
from catalog.plans import Tier
from catalog.submissions import submit
from catalog.web.differences import difference_rows
from kernel.actors import VISITOR, Actor
from kernel.errors import NotFound
from tests.support.admission_builders import Desk, a_desk, a_self_check


@pytest.fixture
def desk(units) -> Desk:
    return a_desk(units)


def told(desk: Desk, actor: Actor, *, before: int | None = None, after: int | None = None):
    with desk.units(actor) as unit:
        found = compare_versions(
            unit, vendor_code=desk.firm.code, sku="A", before=before, after=after
        )
    return {(one.part.value, one.name): (one.before, one.after) for one in found.differences}


def with_file(desk: Desk, version_id, name: str, digit: str) -> None:
    with desk.units(desk.manager) as unit:
        for one in files_of(unit, [version_id]).get(version_id, []):
            detach(unit, version_id, one.id)
        facts = {"name": name, "digest": digit * 64}
        expect_file(unit, version_id, size_bytes=5, media_type="application/pdf", **facts)
        attach(unit, version_id, purpose="content", **facts)


def test_metadata_terms_and_files_are_told_apart(desk):
    """R14: what a change is, is said in its own words before anybody reviews it."""
    first = desk.draft(offer=desk.offer())
    with_file(desk, first, "课件.pdf", "1")
    with desk.units(desk.manager) as unit:
        submit(unit, first, a_self_check())
    desk.decided(first)
    tiered = OfferRow(
        vendor_code=desk.firm.code,
        sku="A",
        valid_from=date(2027, 1, 1),
        plan="per_use",
        unit_price_yuan=Decimal("0.03"),
        tiers=(Tier(100, Decimal("0.03")), Tier(None, Decimal("0.01"))),
        period_cap_yuan=Decimal(30),
    )
    second = desk.draft(title="新题目", keywords=("分数", "小数"), offer=tiered)
    with_file(desk, second, "练习.pdf", "2")

    found = told(desk, desk.manager)
    assert found["metadata", "title"] == ("资源A", "新题目")
    assert found["metadata", "keywords"] == ([], ["分数", "小数"])
    before, after = found["terms", "plan"]
    assert before == {"plan": "per_use", "unit_price": "0.0200"}
    assert after["period_cap"] == "30.0000" and len(after["tiers"]) == 2
    assert found["files", "课件.pdf"][1] is None
    assert found["files", "练习.pdf"][0] is None
    assert found["terms", "valid_from"] == (date(2026, 8, 1), date(2027, 1, 1))
    assert found["terms", "until"] == (date(2026, 12, 31), None)
    assert len(found) == 7
    backwards = told(desk, desk.manager, before=2, after=1)
    assert backwards["metadata", "title"] == ("新题目", "资源A")


def terms(found) -> dict:
    return {name: values for (part, name), values in found.items() if part == "terms"}


def test_a_version_changes_no_price_that_is_not_proposed_with_it(desk, clock):
    """R14: a price that was admitted since is not the later draft's."""
    desk.listed(price="1.5000")
    cheaper = desk.offer(price="0.9000", valid_from=date(2026, 8, 10))
    desk.decided(desk.submitted(offer=cheaper))
    clock.advance(timedelta(days=30))
    desk.draft(licence="CC BY-SA 4.0")
    found = told(desk, desk.manager)
    assert found == {("metadata", "licence"): ("CC BY 4.0", "CC BY-SA 4.0")}
    assert terms(told(desk, desk.manager, before=1)) == terms(told(desk, VISITOR, before=1))
    assert [one["unit_price"] for one in terms(told(desk, VISITOR))["plan"]] == ["1.5000", "0.9000"]


def test_the_days_of_a_price_are_told_also_where_it_ends_soon(desk):
    """R14: from when, and until which other price begins."""
    desk.listed()
    later = desk.offer(price="0.0300", valid_from=date(2026, 12, 5))
    desk.decided(desk.submitted(offer=later))
    short = desk.offer(price="0.0400", valid_from=date(2026, 12, 1))
    third = desk.submitted(offer=short)
    for actor in (desk.manager, desk.first):
        assert terms(told(desk, actor)) == {
            "plan": tuple({"plan": "per_use", "unit_price": one} for one in ("0.0200", "0.0400")),
            "valid_from": (date(2026, 8, 1), date(2026, 12, 1)),
            "until": (date(2026, 11, 30), date(2026, 12, 4)),
        }
    with desk.units(desk.first) as unit:
        assert len(terms({(o.part.value, o.name): o for o in case(unit, third).differences})) == 3
    desk.decided(third)
    assert terms(told(desk, VISITOR))["until"] == (date(2026, 11, 30), date(2026, 12, 4))


def test_a_price_with_another_day_alone_is_a_difference(desk):
    """R14: what is reviewed as a price says what of it changes."""
    desk.listed()
    for day in (date(2026, 12, 5), date(2026, 11, 5)):
        version_id = desk.submitted(offer=desk.offer(price="0.0300", valid_from=day))
        desk.decided(version_id)
    assert terms(told(desk, desk.first))["valid_from"] == (date(2026, 8, 1), date(2026, 11, 5))


def test_what_is_not_seen_is_not_compared(desk):
    """A draft's differences are its vendor's; a submitted one's the desk's, too."""
    desk.listed()
    second = desk.draft(title="新题目")
    for actor in (VISITOR, desk.first, desk.other_manager):
        assert told(desk, actor) == {}, "the only version that is seen, with itself"
        with pytest.raises(NotFound):
            told(desk, actor, before=1, after=2)
    with desk.units(desk.manager) as unit:
        submit(unit, second, a_self_check())
    assert told(desk, desk.first)["metadata", "title"] == ("资源A", "新题目")
    with pytest.raises(NotFound):
        told(desk, VISITOR, before=1, after=2)
    desk.decided(second)
    assert told(desk, VISITOR)["metadata", "title"] == ("资源A", "新题目")


def test_nothing_of_a_resource_that_is_only_drafted_is_there(desk):
    desk.draft()
    for actor in (VISITOR, desk.first, desk.other_manager):
        with pytest.raises(NotFound):
            told(desk, actor)


def test_the_share_of_a_school_is_read_in_percent():
    share = Difference(part=Part.METADATA, name="school_share", before="0.2500", after="0.3000")
    (row,) = difference_rows([share], "zh_CN")
    assert (row.before, row.after) == ("25%", "30%")
