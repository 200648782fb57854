"""Forms say all that is wrong beside its field, and no page offers what its reader may not open."""

import re
from collections.abc import Iterator

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from kernel.actors import Role
from kernel.clock import FixedClock
from kernel.identity.grants import actor_of
from kernel.identity.names import names_of_actors
from kernel.settings import Settings
from kernel.unit import Units
from settlement.periods import month_to_close
from tests.support.application import an_app
from tests.support.links import dead_links
from tests.support.settlement_builders import APRIL, SYSTEM
from tests.support.site_builders import (
    BUREAU_STAFF,
    SCHOOL_STAFF,
    Site,
    a_site,
    csrf_token,
    sign_in,
)

REQUEST = "/school/resources/request"
LISTED = "/bureau/allocations/listed"


@pytest.fixture
def site(units: Units) -> Site:
    return a_site(units, disputes=True)


@pytest.fixture
def client(settings: Settings, units: Units, site: Site) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(settings, units)) as client:
        client.headers.update({"accept": "text/html"})
        yield client


def send(client: TestClient[Litestar], path: str, **form: str | list[str]):
    return client.post(
        path, data={"csrf_token": csrf_token(client), **form}, follow_redirects=False
    )


def test_every_link_on_every_page_opens_for_who_sees_it(
    client: TestClient[Litestar], site: Site
) -> None:
    """R49: a page offers nothing that its reader may not open, or that can't be done now."""
    refused: dict[str, dict[str, int]] = {}
    opened = 0
    for role in (*SCHOOL_STAFF, *BUREAU_STAFF, Role.VENDOR_MANAGER):
        sign_in(client, role)
        dead, followed = dead_links(client, start="/")
        opened += followed
        if dead:
            refused[role] = dead
    assert refused == {}
    assert opened > 150


def test_a_request_says_all_that_is_wrong_and_sends_back_to_its_address(
    client: TestClient[Litestar], site: Site
) -> None:
    """R21: each fault is led to from the summary and stands beside its field."""
    sign_in(client, Role.TEACHER)
    keys = [f"{site.market.vendor.code}/SKU-{number}" for number in (3, 4)]
    send(client, "/school/resources", resource=keys)
    wrong = send(
        client,
        REQUEST,
        resource=keys,
        starts_on="2026-12-01",
        ends_on="2026-11-01",
        reason="",
        ceiling=["abc", ""],
        later=["7.00", "8.00"],
        how=["buy", "buy"],
        act="request",
    )
    assert wrong.status_code == 303
    page = client.get(wrong.headers["location"])
    assert page.status_code == 200
    for field in ("ends_on", "reason", "ceiling-1", "ceiling-2"):
        assert f'href="#field-{field}"' in page.text, field
        assert f'id="field-{field}"' in page.text, field
        assert f'id="error-{field}"' in page.text, field
    assert "有 4 处需要更正" in page.text and "末日早于首日" in page.text
    assert "“abc”不是有效的金额" in page.text
    assert re.search(r'class="form-errors"[^>]*tabindex="-1" autofocus', page.text)
    # Days in one year leave no ceiling of a second one behind, and what is empty is no fault yet.
    assert "7.00" not in page.text
    looked_at = client.get(REQUEST).text
    assert 'id="error-reason"' not in looked_at and 'id="error-ceiling-1"' in looked_at
    saved = send(client, REQUEST, resource=keys, act="save")
    assert (saved.status_code, saved.headers["location"]) == (303, REQUEST)


def test_what_is_refused_of_a_resource_stands_at_its_head(
    client: TestClient[Litestar], site: Site
) -> None:
    sign_in(client, Role.TEACHER)
    keys = [f"{site.market.vendor.code}/SKU-3", f"{site.market.vendor.code}/gone"]
    form = {
        "resource": keys,
        "starts_on": "2026-09-01",
        "ends_on": "2026-12-31",
        "reason": "新学期",
        "ceiling": ["20.00", "10.00"],
        "how": ["buy", "buy"],
    }
    send(client, "/school/resources", resource=keys)
    wrong = send(client, REQUEST, **form, act="request")
    page = client.get(wrong.headers["location"]).text
    assert 'href="#field-item-2"' in page and 'id="field-item-2"' in page
    assert 'href="#field-item-1"' not in page


def test_a_listed_amount_is_typed_with_names_to_choose_from_and_words_as_they_are_called(
    client: TestClient[Litestar], site: Site
) -> None:
    """R18: all faults at once; the proposal opens, and the same again leads to it."""
    sign_in(client, Role.BUREAU_FINANCE)
    school = site.market.school
    form = client.get(LISTED).text
    assert f'<option value="{school.code}">{school.name}</option>' in form
    wrong = send(client, LISTED, payer_code="", fiscal_year="26", source="surcharge", amount="1e5")
    assert wrong.status_code == 422
    for field in ("payer_code", "fiscal_year", "document", "amount"):
        assert f'id="error-{field}"' in wrong.text, field
    typed = {
        "payer_code": school.code,
        "fiscal_year": "2026",
        "source": "surcharge",
        "document": "教财8号",
        "amount": "100.00",
        "tiers": "成长级；创新级",
        "stages": "小学",
    }
    made = send(client, LISTED, **typed)
    assert made.status_code == 303
    page = client.get(made.headers["location"]).text
    assert "教财8号" in page and "成长级" in page and "小学" in page
    neither = send(client, LISTED, **typed | {"amount": ""})
    assert "金额和资金总额都没有填写" in neither.text


def test_a_reason_is_not_called_optional_where_it_is_needed(
    client: TestClient[Litestar], site: Site
) -> None:
    sign_in(client, Role.RESEARCH_LEAD)
    page = client.get(f"/school/selections/{site.selection_id}").text
    assert "（选填）" not in page
    assert "退回或驳回时必选" in page


def test_a_resource_has_a_page_that_says_where_the_school_stands_with_it(
    client: TestClient[Litestar], site: Site
) -> None:
    """R5: its metadata; what the school has or asks for is marked there and in the list."""
    sign_in(client, Role.TEACHER)
    market = site.market
    address = f"/school/resources/{market.vendor.code}/{market.sku}"
    listed = client.get("/school/resources").text
    assert f'href="{address}"' in listed and "已申请" in listed
    page = client.get(address).text
    assert market.vendor.name in page and "本校已提交选用申请" in page
    assert client.get(f"/school/resources/{market.vendor.code}/nothing").status_code == 404


def test_names_stand_where_people_acted_and_a_vendor_reads_no_schools_names(
    client: TestClient[Litestar], site: Site, units: Units
) -> None:
    """R58: the books keep logins; who may know a name reads it beside them."""
    sign_in(client, Role.BUREAU_FINANCE)
    send(
        client,
        LISTED,
        payer_code=site.market.school.code,
        fiscal_year="2026",
        source="surcharge",
        document="教财9号",
        amount="1.00",
    )
    desk = client.get("/bureau/allocations?year=2026").text
    assert re.search(r">[^<]+ bureau_finance<", desk)
    acts = {Role.SCHOOL_FINANCE.value, site.market.finance.name, "system:cli", "gone"}
    shown = {}
    for role in (Role.PRINCIPAL, Role.VENDOR_MANAGER):
        with units(SYSTEM) as unit:
            reader = actor_of(unit, login=role, via="test")
        with units(reader) as unit:
            shown[role] = names_of_actors(unit, acts, locale="zh_CN")
    assert shown[Role.PRINCIPAL]["school_finance"].endswith(" school_finance")
    assert not shown[Role.PRINCIPAL][site.market.finance.name].startswith("person:")
    assert shown[Role.PRINCIPAL]["system:cli"] == "系统"
    assert shown[Role.PRINCIPAL]["gone"] == "gone"
    assert shown[Role.VENDOR_MANAGER] == {one: one for one in acts} | {"system:cli": "系统"}


def test_the_next_month_to_close_is_one_in_which_there_is_something(
    client: TestClient[Litestar], site: Site, units: Units, clock: FixedClock
) -> None:
    """A month without agreement or use is passed over, not offered and then refused."""
    with units(SYSTEM) as unit:
        assert month_to_close(unit) == APRIL
    sign_in(client, Role.OPERATOR)
    assert "/bureau/periods/2026-04/close" in client.get("/bureau/periods").text
