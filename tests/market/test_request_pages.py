"""The request of a school on its page: seen before it is submitted, and faults in words (R21)."""

import re
from collections.abc import Iterator

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from kernel.actors import Role
from kernel.settings import Settings
from kernel.unit import Units
from procurement.queries import selections_of
from tests.support.application import an_app
from tests.support.settlement_builders import SYSTEM
from tests.support.site_builders import Site, a_site, csrf_token, sign_in

REQUEST = "/school/resources/request"
ASKED = f"{REQUEST}?asked=yes"


@pytest.fixture
def site(units: Units) -> Site:
    return a_site(units)


@pytest.fixture
def client(settings: Settings, units: Units, site: Site) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(settings, units)) as client:
        client.headers.update({"accept": "text/html"})
        yield client


@pytest.fixture
def form(client: TestClient[Litestar], site: Site) -> dict[str, str]:
    """A request of the teacher, right in all its fields; the resource lies in the draft."""
    sign_in(client, Role.TEACHER)
    key = f"{site.market.vendor.code}/{site.market.sku}"
    post(client, "/school/resources", {"resource": key})
    return {
        "resource": key,
        "starts_on": "2026-09-01",
        "ends_on": "2026-12-31",
        "reason": "新学期",
        "ceiling": "99999999.00",
        "how": "buy",
        "act": "request",
    }


def post(client: TestClient[Litestar], path: str, form: dict[str, str]) -> str:
    """Post a form; return where it leads."""
    answer = client.post(
        path, data={"csrf_token": csrf_token(client), **form}, follow_redirects=False
    )
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def seen(html: str) -> str:
    found = re.search(r'name="seen" value="([^"]*)"', html)
    assert found
    return found[1]


def test_what_was_never_seen_is_shown_with_its_shortage_before_it_is_submitted(
    client: TestClient[Litestar], site: Site, units: Units, form: dict[str, str]
) -> None:
    """R21, R23: lines, shortage and signers first; the same again, once seen, is submitted."""
    blank = client.get(REQUEST).text
    assert seen(blank) == "" and "填写各项金额上限后" in blank and "0.00" not in blank
    assert post(client, REQUEST, form) == ASKED
    page = client.get(ASKED).text
    assert "尚未提交" in page and re.search(r"缺 99,99\d,\d{3}\.\d\d 元。", page)
    assert "教研组长 → " in page and "notice--missing" in page
    with units(SYSTEM) as unit:
        assert len(selections_of(unit, site.market.school.id)) == 1  # the site's own
    assert "尚未提交" not in client.get(REQUEST).text
    sent = post(client, REQUEST, {**form, "seen": seen(page)})
    assert sent.startswith("/school/selections/")
    assert 'id="money"' in client.get(sent).text


def test_what_was_changed_since_it_was_seen_is_shown_again(
    client: TestClient[Litestar], form: dict[str, str]
) -> None:
    """R21: another ceiling or day asks once more; another reason does not."""
    post(client, REQUEST, {**form, "act": "save"})
    before = seen(client.get(REQUEST).text)
    assert before
    for changed in ({"ceiling": "88888888.00"}, {"ends_on": "2026-11-30"}, {"seen": "x"}):
        assert post(client, REQUEST, {**form, "seen": before, **changed}) == ASKED, changed
    sent = post(client, REQUEST, {**form, "seen": before, "reason": "另一个原因"})
    assert sent.startswith("/school/selections/")


def test_a_fault_is_said_in_the_words_of_the_form(
    client: TestClient[Litestar], form: dict[str, str]
) -> None:
    """R21: no field by its inner name, and the limit of two fiscal years where it is passed."""
    post(client, REQUEST, {**form, "ceiling": "0"})
    page = client.get(ASKED).text
    assert "“0.00”无效。应为：大于 0 的数。" in page and "ceiling_yuan" not in page
    post(client, REQUEST, {**form, "ends_on": "2031-12-31"})
    page = client.get(ASKED).text
    limit = "“2031-12-31”无效。应为：2027-12-31 或之前，一份申请最多跨两个财政年度。"
    assert page.count(limit) == 2
    assert "有 1 处需要更正" in page
    post(client, REQUEST, {**form, "ends_on": "2031-12-31", "how": "try", "ceiling": ""})
    assert "无效" not in client.get(ASKED).text  # a trial ends after its days anyway
