"""The month's estimate on a page: what it shows and asks, and that nothing is written."""

import re
from collections.abc import Iterator

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import func, select

from kernel.actors import Role
from kernel.settings import Settings
from kernel.unit import Units
from settlement.models import StatementLine
from tests.support.application import an_app
from tests.support.settlement_builders import SYSTEM
from tests.support.site_builders import Site, a_site, sign_in

PAGE = "/school/preview"


@pytest.fixture
def site(units: Units) -> Site:
    return a_site(units)


@pytest.fixture
def client(settings: Settings, units: Units) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(settings, units)) as client:
        client.headers.update({"accept": "text/html"})
        yield client


def read(client: TestClient[Litestar], **query: str) -> str:
    response = client.get(PAGE, params=query)
    assert response.status_code == 200
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.text))


def test_the_estimate_warns_at_four_fifths_of_a_ceiling(
    client: TestClient[Litestar], site: Site
) -> None:
    """R33: 3 × 0.3333 = 1.00 of which the ceiling lets 0.90 through."""
    sign_in(client, Role.SCHOOL_FINANCE)
    text = read(client, month="2026-03")
    assert "2026-03 预估" in text
    assert re.search(r"预计应付 0\.90 元", text)
    assert "有 1 份协议的上限已用到八成或以上" in text
    assert "上限已用完" in text


def test_a_what_if_shows_both_bills_and_writes_nothing(
    client: TestClient[Litestar], units: Units, site: Site
) -> None:
    sign_in(client, Role.PRINCIPAL)
    before = billed(units)
    text = read(client, month="2026-03", unit_price="0.2", ceiling="20")
    assert "不写入任何数据" in text
    assert re.search(r"现行应付金额 0\.90 元 假设应付金额 0\.60 元 差额 -0\.30 元", text)
    assert "每次 0.2000 元" in text
    assert billed(units) == before


def billed(units: Units) -> int | None:
    with units(SYSTEM) as unit:
        return unit.session.scalar(select(func.sum(StatementLine.amount_fen)))


def test_what_can_not_be_read_is_said_beside_its_field(
    client: TestClient[Litestar], site: Site
) -> None:
    sign_in(client, Role.SCHOOL_FINANCE)
    text = read(client, month="2026-03", unit_price="cheap", pupils="-3", ceiling="1.005")
    assert "有 3 处需要更正" in text
    assert "请填写学生人数" in text
    unknown = read(client, month="2026-03", unit_price="1", agreement="none")
    assert "none" in unknown
    assert "假设应付金额" not in unknown


def test_a_month_that_is_not_offered_gives_the_latest(
    client: TestClient[Litestar], site: Site
) -> None:
    sign_in(client, Role.SCHOOL_FINANCE)
    for month in ("", "1999-01", "2026-13", "x"):
        assert "2026-06 预估" in read(client, month=month)


def test_only_who_answers_for_money_finds_the_entry(
    client: TestClient[Litestar], site: Site
) -> None:
    sign_in(client, Role.TEACHER)
    assert PAGE not in client.get("/school").text
    sign_in(client, Role.ACADEMIC)
    assert PAGE in client.get("/school").text


def test_the_estimate_is_exported_as_it_is_shown(client: TestClient[Litestar], site: Site) -> None:
    sign_in(client, Role.SCHOOL_FINANCE)
    rows = client.get(PAGE, params={"month": "2026-03", "format": "csv"}).text.splitlines()
    assert len(rows) == 2
    assert "0.90" in rows[1]
