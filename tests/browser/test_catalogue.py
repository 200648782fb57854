"""The storefront in a real browser: found, narrowed, compared, kept, put into a request (R8)."""

import csv
from importlib.resources import files

import pytest
from playwright.sync_api import Page, expect

from catalog.listings import Signal, publish_signals
from catalog.search import hits_by_key
from kernel.actors import Role
from kernel.unit import Units
from market.imports.registry import MASTER_KINDS
from tests.support.browser import NARROW, assert_sound, enter
from tests.support.catalogue_builders import listed
from tests.support.settlement_builders import SYSTEM
from tests.support.site_builders import Site, a_site
from tests.support.worlds import a_world

pytestmark = pytest.mark.browser

DECIMALS = "人教版数学五年级下册《长方体和正方体》立体演示"


@pytest.fixture
@a_world
def site(units: Units) -> Site:
    """A site whose vendor lists what the sample county's vendors do."""
    site = a_site(units)
    source = files("market.demo").joinpath("resources.csv").read_text(encoding="utf-8")
    kind = MASTER_KINDS["catalogue"]
    with units(SYSTEM) as unit:
        texts = [
            row | {"vendor_code": site.market.vendor.code, "ownership": "", "school_share": ""}
            for row in csv.DictReader(source.splitlines())
        ]
        listed(unit, [kind.row(row) for row in texts])
        (hit,) = hits_by_key(unit, [f"{site.market.vendor.code}/ZS-SX-0502"])
        publish_signals(
            unit,
            [Signal(resource_id=hit.resource_id, schools=12, renewals=7, ratings=9, stars=41)],
        )
    return site


def test_a_visitor_searches_and_narrows(page: Page, site: Site) -> None:
    page.goto("/")
    page.get_by_role("searchbox").fill("sx")
    page.get_by_role("button", name="搜索").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("资源目录")
    assert_sound(page)
    page.get_by_role("complementary").get_by_role("link", name="五年级").click()
    expect(page.get_by_role("list", name="已选条件")).to_contain_text("五年级")
    expect(page.get_by_role("row", name=DECIMALS)).to_contain_text("题名含")
    assert_sound(page)
    page.get_by_role("link", name=DECIMALS).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(DECIMALS)
    expect(page.get_by_text("4.6/5 分")).to_be_visible()
    assert_sound(page)
    page.goto("/catalog?q=量子力学")
    expect(page.get_by_text("没有找到与")).to_be_visible()
    assert_sound(page)
    page.goto("/catalog?q=སྐད་ཡིག")
    expect(page.get_by_role("row", name="སྐད་ཡིག")).to_have_count(1)


def test_on_a_phone_facets_come_when_they_are_asked_for(page: Page, site: Site) -> None:
    page.set_viewport_size(NARROW)
    page.goto("/catalog?q=sx")
    facets = page.get_by_role("complementary")
    expect(facets).to_be_hidden()
    for order in page.get_by_role("navigation", name="排序").get_by_role("link").all():
        place = order.bounding_box()
        assert place and place["x"] + place["width"] <= NARROW["width"]
    page.get_by_role("link", name="筛选", exact=True).click()
    expect(facets).to_be_visible()
    shown, rows = facets.bounding_box(), page.get_by_role("table").bounding_box()
    assert shown and rows and shown["y"] + shown["height"] <= rows["y"]
    assert_sound(page)


def test_a_teacher_compares_keeps_and_requests(page: Page, site: Site) -> None:
    enter(page, Role.TEACHER)
    page.goto("/catalog?q=数学")
    boxes = page.get_by_role("checkbox")
    for place in range(3):
        boxes.nth(place).check()
    page.get_by_role("button", name="比较所勾选的资源").click()
    expect(page.get_by_role("link", name="移出比较")).to_have_count(3)
    assert_sound(page)
    page.goto(f"/catalog/resources/{site.market.vendor.code}/ZS-SX-0502")
    page.get_by_role("button", name="收藏").click()
    expect(page.get_by_role("button", name="取消收藏")).to_be_visible()
    page.goto("/catalog/favourites")
    expect(page.get_by_role("row", name=DECIMALS)).to_be_visible()
    assert_sound(page)
    page.goto(f"/catalog/vendors/{site.market.vendor.code}")
    assert_sound(page)
    page.goto(f"/catalog/resources/{site.market.vendor.code}/ZS-SX-0502")
    page.get_by_role("button", name="加入申请").click()
    expect(page.get_by_text(DECIMALS).first).to_be_visible()
