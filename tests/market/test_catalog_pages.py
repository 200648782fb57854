"""The storefront's pages and interface: open to everybody, and only what is listed on them (R8)."""

import json
import re
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import select

from catalog import resources
from catalog.criteria import Criterion
from catalog.exporting import catalogue_rows
from catalog.listing_models import Favourite, SearchMiss
from kernel.actors import Role
from kernel.settings import Settings
from kernel.unit import Units
from tests.support.application import an_app
from tests.support.catalogue_builders import a_row, listed, submitted
from tests.support.settlement_builders import SYSTEM
from tests.support.site_builders import Site, a_site, counted_queries, csrf_token, sign_in
from tests.support.worlds import a_world

DECIMALS = "小数乘法互动课件"
DRAFT = "尚未准入的草稿"
API = "/api/v1/resources"


@pytest.fixture
@a_world
def site(units: Units) -> Site:
    """A site whose vendors list more, one of them with a draft beside it.

    `JS-1` was admitted before addresses were checked.
    """
    site = a_site(units)
    with units(SYSTEM) as unit, patch.object(resources, "is_web_address", return_value=True):
        vendor, other = site.market.vendor, site.other.vendor
        listed(
            unit,
            [
                a_row(
                    vendor,
                    "SX-1",
                    DECIMALS,
                    grade="五年级",
                    type="课件",
                    edition="人教版",
                    author="知穗",
                    chapter="五年级上册/小数乘法",
                    keywords=("小数",),
                    devices=("每生一台设备",),
                    address="https://vendor.example/sx-1",
                ),
                a_row(vendor, "JS-1", "可疑地址", address="javascript:alert(1)"),
                a_row(other, "YW/1 a", "荷花", subject="语文", type="视频"),
            ],
        )
        submitted(unit, [a_row(vendor, "D-1", DRAFT)])
    return site


@pytest.fixture
def client(settings: Settings, units: Units, site: Site) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(settings, units)) as client:
        client.headers.update({"accept": "text/html"})
        yield client


def test_a_visitor_finds_narrows_and_reads_what_is_listed(
    client: TestClient[Litestar], site: Site
) -> None:
    page = client.get("/catalog?q=xscf")
    assert page.status_code == 200 and DECIMALS in page.text and "荷花" not in page.text
    everything = client.get("/catalog").text
    assert "偏向条件好的学校" in everything
    narrowed = client.get("/catalog", params={"subject": "语文", "type": "视频"}).text
    assert "荷花" in narrowed and DECIMALS not in narrowed
    assert "/catalog?type=%E8%A7%86%E9%A2%91" in narrowed  # the way back from one of them
    detail = client.get(f"/catalog/resources/{site.market.vendor.code}/SX-1").text
    for text in (
        "人教版",
        "五年级上册/小数乘法",
        "每生一台设备",
        "0.1000",
        "https://vendor.example",
    ):
        assert text in detail
    assert "现行" in detail and "教育局" in detail


def test_a_visitors_home_leads_into_the_catalogue(client: TestClient[Litestar]) -> None:
    def total(address: str) -> str:
        found = re.search(r"共 (\d+) 项资源", client.get(address).text)
        assert found
        return found[1]

    assert total("/") == total("/catalog") != "0"
    subject = f"/catalog?subject={quote('语文')}"
    words = f'href="{subject}">语文 <span class="muted figure">{total(subject)}</span>'
    home = client.get("/").text
    assert words in home and DRAFT not in home


def test_an_article_number_with_a_slash_has_its_page(
    client: TestClient[Litestar], site: Site
) -> None:
    address = f"/catalog/resources/{site.other.vendor.code}/{quote('YW/1 a')}"
    assert address in client.get("/catalog?q=荷花").text
    page = client.get(address).text
    assert "荷花" in page
    chain = address.replace("/catalog/resources/", "/responsibility/")
    assert f'href="{chain}"' in page
    assert "荷花" in client.get(chain).text


def test_an_address_that_is_no_web_address_is_no_link(
    client: TestClient[Litestar], site: Site
) -> None:
    for base in ("/catalog", "/api/v1"):
        answer = client.get(f"{base}/resources/{site.market.vendor.code}/JS-1")
        assert answer.status_code == 200
        assert "javascript:" not in answer.text


@pytest.mark.parametrize("login", ["", Role.VENDOR_MANAGER, "other-vendor", Role.TEACHER])
def test_a_draft_is_nowhere_by_any_address(
    client: TestClient[Litestar], site: Site, login: str
) -> None:
    """R4: by no id, filter, export or search, not even to its own vendor here."""
    if login:
        sign_in(client, login)
    code = site.market.vendor.code
    for address in (
        "/catalog",
        f"/catalog?q={DRAFT}",
        f"/catalog?vendor={code}",
        f"/catalog?vendor={code}&sort=newest",
        f"/catalog/vendors/{code}",
        f"/catalog/compare?r={code}/D-1&r={code}/SX-1",
        f"{API}?vendor={code}&limit=200",
        f"{API}?q={DRAFT}&facets=true",
    ):
        text = client.get(address).text
        shown = text.replace(f'value="{DRAFT}"', "").replace(f"“{DRAFT}”", "")
        assert DRAFT not in shown and f'href="/catalog/resources/{code}/D-1"' not in text, address
        assert '"sku":"D-1"' not in text, address
    for address in (f"/catalog/resources/{code}/D-1", f"{API}/{code}/D-1"):
        assert client.get(address).status_code == 404


def test_reviewers_are_named_to_those_who_are_signed_in(
    client: TestClient[Litestar], site: Site
) -> None:
    """R10: the bureau that answers is public."""
    address = f"/catalog/resources/{site.market.vendor.code}/SX-1"
    assert "评审人" not in client.get(address).text
    sign_in(client, Role.TEACHER)
    assert "评审人" in client.get(address).text


def test_what_a_person_keeps_is_theirs_alone(
    client: TestClient[Litestar], site: Site, units: Units
) -> None:
    key = f"{site.market.vendor.code}/SX-1"
    sign_in(client, Role.TEACHER)
    form = {"resource": key, "csrf_token": csrf_token(client), "next": "/catalog/favourites"}
    kept = client.post("/catalog/favourites", data=form)
    assert kept.status_code == 200 and DECIMALS in kept.text
    assert "已收藏" in client.get("/catalog?q=小数").text
    assert client.post("/catalog/favourites", data=form | {"act": "bogus"}).status_code == 404
    unknown = client.post("/catalog/favourites", data=form | {"resource": "x/y"})
    assert unknown.status_code == 404
    with units(SYSTEM) as unit:
        assert len(unit.session.scalars(select(Favourite)).all()) == 1
    sign_in(client, Role.PRINCIPAL)
    assert DECIMALS not in client.get("/catalog/favourites").text
    sign_in(client, Role.TEACHER)
    dropped = form | {"act": "drop", "csrf_token": csrf_token(client), "next": "//evil.example"}
    answer = client.post("/catalog/favourites", data=dropped, follow_redirects=False)
    assert answer.headers["location"] == "/"
    assert DECIMALS not in client.get("/catalog/favourites").text


def test_up_to_four_are_compared_and_the_others_named(
    client: TestClient[Litestar], site: Site
) -> None:
    code, other = site.market.vendor.code, site.other.vendor.code
    keys = [f"{code}/SX-1", f"{other}/YW/1 a", f"{code}/JS-1", f"{code}/{site.market.sku}", "a/b"]
    page = client.get("/catalog/compare", params={"r": keys})
    assert page.text.count("移出比较") == 4
    assert "另勾选了 1 项" in page.text
    assert re.search(r'comparison__differs">\s*<th scope="row">价格', page.text)
    assert "尚未选择资源" in client.get("/catalog/compare").text


def test_of_a_comparison_what_differs_can_be_shown_alone(
    client: TestClient[Litestar], site: Site
) -> None:
    code, other = site.market.vendor.code, site.other.vendor.code
    keys = [f"{code}/SX-1", f"{other}/YW/1 a"]
    whole = client.get("/catalog/compare", params={"r": keys}).text
    short = client.get("/catalog/compare", params={"r": keys, "show": "differences"}).text
    assert whole.count("comparison__differs") == short.count("comparison__differs") > 0
    rows = whole.count('<th scope="row">')
    # Price, ratings and acts stand in both.
    assert short.count('<th scope="row">') == short.count("comparison__differs") + 3 < rows
    assert "仅看差异" in whole and "显示全部项目" in short
    assert short.count('show=differences">移出比较') == 2, (
        "who takes one out sees differences still"
    )
    one = client.get("/catalog/compare", params={"r": keys[:1], "show": "differences"}).text
    assert one.count('<th scope="row">') == rows, "nothing to differ from"


def test_a_vendor_has_a_public_page_once_something_of_it_is_listed(
    client: TestClient[Litestar], site: Site
) -> None:
    page = client.get(f"/catalog/vendors/{site.market.vendor.code}")
    assert site.market.vendor.name in page.text and "数学" in page.text
    assert client.get("/catalog/vendors/nobody").status_code == 404


def test_a_teacher_puts_a_resource_into_the_request(
    client: TestClient[Litestar], site: Site
) -> None:
    address = f"/catalog/resources/{site.market.vendor.code}/SX-1"
    assert "加入申请" not in client.get(address).text
    sign_in(client, Role.VENDOR_MANAGER)
    assert "加入申请" not in client.get(address).text
    sign_in(client, Role.TEACHER)
    assert "加入申请" in client.get(address).text
    form = {"resource": f"{site.market.vendor.code}/SX-1", "csrf_token": csrf_token(client)}
    assert DECIMALS in client.post("/school/resources", data=form).text


def test_a_search_in_vain_is_counted_and_says_so(
    client: TestClient[Litestar], site: Site, units: Units
) -> None:
    assert "没有找到与“量子力学”相符的资源" in client.get("/catalog?q=量子力学").text
    client.get("/catalog?q=量子力学&subject=语文")  # narrowed: not what is missing
    with units(SYSTEM) as unit:
        assert [one.times for one in unit.session.scalars(select(SearchMiss))] == [1]


def test_what_an_address_says_wrongly_is_left_out(client: TestClient[Litestar], site: Site) -> None:
    for query in ("sort=x", "stage=nursery&type=", "limit=9", "q=" + "字" * 500, "q=%00"):
        assert client.get(f"/catalog?{query}").status_code == 200, query
    assert client.get("/catalog?after=x").status_code == 422


def test_pages_take_few_queries(client: TestClient[Litestar], site: Site, units: Units) -> None:
    sign_in(client, Role.TEACHER)
    with counted_queries(units.engine) as sent:
        client.get("/catalog?q=小数&subject=数学&type=课件")
    assert len(sent) <= 12, sent
    with counted_queries(units.engine) as sent:
        client.get(f"/catalog/resources/{site.market.vendor.code}/SX-1")
    assert len(sent) <= 12, sent


# The interface


def test_the_interface_answers_pages_facets_and_why(
    client: TestClient[Litestar], site: Site
) -> None:
    found = client.get(f"{API}?q=小数&facets=true").json()
    (item,) = found["items"]
    assert (item["title"], item["unit_price"], item["why"]) == (
        DECIMALS,
        "0.1000",
        ["in_title"],
    )
    assert found["total"] == 1
    assert found["facets"]["subject"] == [{"word": "数学", "results": 1}]
    first = client.get(f"{API}?limit=2&sort=newest").json()
    second = client.get(API, params={"limit": 2, "sort": "newest", "after": first["next"]}).json()
    skus = [one["sku"] for one in first["items"] + second["items"]]
    assert len(set(skus)) == 4
    assert (first["total"], first["facets"]) == (None, None)


def test_the_interface_gives_a_resource_in_the_words_of_schema_org(
    client: TestClient[Litestar], site: Site
) -> None:
    """R5, R53: other catalogues read it without knowing ours."""
    answer = client.get(f"{API}/{site.market.vendor.code}/SX-1").json()
    described = answer["learning_resource"]
    assert described["@type"] == "LearningResource"
    assert described["about"] == "数学"
    assert described["educationalLevel"] == ["小学", "五年级", "成长级"]
    assert {
        "@type": "AlignmentObject",
        "alignmentType": "textbook",
        "educationalFramework": "人教版",
        "targetName": "五年级上册/小数乘法",
    } in described["educationalAlignment"]
    assert json.dumps(answer["versions"]).count("reviewer") == 0
    assert set(answer["versions"][0]) == {"number", "title", "digest", "admitted_by", "admitted_at"}


@pytest.mark.parametrize(
    "query",
    [
        *("sort=x", "colour=red", "limit=0", "limit=201", "after=%00", "after=x", "stage=nope"),
        "subject=数学&subject=语文",  # of which one would be dropped without a word
    ],
)
def test_the_interface_names_what_is_wrong(client: TestClient[Litestar], query: str) -> None:
    answer = client.get(f"{API}?{query}", headers={"accept": "application/json"})
    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"].startswith("application/problem+json")


def recorded(client: TestClient[Litestar], rows: list[dict[str, Any]]) -> dict[str, Any]:
    headers = {"x-csrf-token": csrf_token(client), "accept": "application/json"}
    answer = client.post(API, json=rows, headers=headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_vendor_records_its_own_resources_row_by_row(
    client: TestClient[Litestar], site: Site
) -> None:
    row = {
        "vendor_code": site.market.vendor.code,
        "sku": "API-1",
        "title": "接口上报的课件",
        "kind": "personalised",
        "tier": "growth",
        "subject": "math",
        "bandwidth_mbps": "2.5",
        "devices": ["projector"],
    }
    other = row | {"vendor_code": site.other.vendor.code}
    sign_in(client, Role.VENDOR_MANAGER)
    answer = recorded(client, [row, row, row | {"sku": "API-2", "subject": "数学课"}, other])
    fates = [(one["fate"], one["field"], one["code"]) for one in answer["rows"]]
    assert fates == [
        ("accepted", "", ""),
        ("duplicate", "", ""),
        ("rejected", "subject", "not-in-vocabulary"),
        ("rejected", "vendor_code", "not-found"),
    ]
    assert (answer["received"], answer["accepted"]) == (4, 1)
    assert "接口上报的课件" not in client.get("/catalog?q=接口上报").text.split("storefront")[-1]


def test_a_vendor_commits_itself_by_the_interface_as_in_a_file(
    client: TestClient[Litestar], site: Site, units: Units
) -> None:
    """R12: all criteria and the commitment, or the row is told what is missing."""
    row: dict[str, Any] = {
        "vendor_code": site.market.vendor.code,
        "sku": "API-3",
        "title": "自查过的课件",
        "kind": "personalised",
        "tier": "growth",
        "commitment": "本单位承诺",
        **{f"check_{one}": "已自查" for one in Criterion},
        "suits_stages": ["primary"],
        "suits_conditions": "有投影即可",
    }
    sign_in(client, Role.VENDOR_MANAGER)
    half = row | {"sku": "API-4", "check_safety": ""}
    nowhere = row | {"sku": "API-5", "suits_stages": ["moon"]}
    answer = recorded(client, [row, half, nowhere])

    assert [(one["fate"], one["field"]) for one in answer["rows"]] == [
        ("accepted", ""),
        ("rejected", "check_safety"),
        ("rejected", "suits_stages"),
    ]
    with units(SYSTEM) as unit:
        (kept,) = [one for one in catalogue_rows(unit) if one.sku == "API-3"]
    assert set(kept.answers) == set(Criterion) and kept.commitment == "本单位承诺"
    assert (kept.suits_stages, kept.suits_conditions) == (("primary",), "有投影即可")


def test_what_is_no_list_of_resources_is_refused(client: TestClient[Litestar], site: Site) -> None:
    sign_in(client, Role.VENDOR_MANAGER)
    headers = {"x-csrf-token": csrf_token(client), "accept": "application/json"}
    rows = [{"vendor_code": "x", "sku": "y"}]
    wrong = [rows, [{**rows[0], "colour": "red"}], {"rows": []}, [{}] * 1_001]
    assert {client.post(API, json=one, headers=headers).status_code for one in wrong} == {422}
    whole = {"vendor_code": "x", "sku": "y", "title": "z", "kind": "basic", "tier": "basic"}
    assert client.post(API, json=[whole] * 1_001, headers=headers).status_code == 422
