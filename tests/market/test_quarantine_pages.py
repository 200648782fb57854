"""Rows put aside on a bureau's pages: by month, by reason, with the way out (R32)."""

from collections.abc import Iterator

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from kernel.actors import Role
from kernel.settings import Settings
from kernel.unit import Units
from tests.market.test_pages import exported, texts
from tests.support.application import an_app
from tests.support.settlement_builders import a_use, at, deliver
from tests.support.site_builders import Site, a_site, sign_in


@pytest.fixture
def site(units: Units) -> Site:
    return a_site(units)


@pytest.fixture
def client(settings: Settings, units: Units) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(settings, units)) as client:
        client.headers.update({"accept": "text/html"})
        yield client


def test_a_bureau_opens_the_quarantined_rows_of_a_month_by_reason(
    client: TestClient[Litestar], site: Site
) -> None:
    sign_in(client, Role.AUDITOR)
    month = "/bureau/periods/2026-03"
    assert f'href="{month}/quarantine?reason=unknown-learner"' in client.get(month).text
    rows = exported(client, f"{month}/quarantine?reason=unknown-learner")
    assert [(row["事件编号"], row["原因"], row["报送文件"]) for row in rows] == [
        ("unknown", "学习者不在名册内", "march.csv")
    ]
    assert rows[0]["处理办法"] == "请先通过名册导入该学习者再重新报送，或更正编号。"
    page = texts(client.get(f"{month}/quarantine").text)
    assert "nobody" not in page
    assert "重复与冲突行不改变账目，按交付文件计数" in page
    assert "没有暂存的记录" in client.get("/bureau/quarantine").text


def test_rows_of_a_month_that_is_not_closed_are_not_all_called_quarantined(
    client: TestClient[Litestar], units: Units, site: Site
) -> None:
    """R32: what was accepted or came twice is no quarantined row; the sums add up."""
    rows = [a_use(units, site.market, f"april {n}", at(2, n, month=4)) for n in range(9)]
    strange = a_use(units, site.market, "april of nobody", at(2, month=4), learner="nobody")
    deliver(units, [*rows, strange], name="april.csv")
    deliver(units, rows, name="april again.csv")
    sign_in(client, Role.AUDITOR)
    for address in ("/bureau/periods", "/bureau"):
        page = texts(client.get(address).text)
        assert "未归入上表任何账期的记录共 19 条：接收 9、重复 9、冲突 0。" in page
        assert "其中暂存 1 条： 学习者不在名册内 1" in page


def test_a_neighbouring_bureau_sees_none_of_the_quarantined_rows(
    client: TestClient[Litestar], site: Site
) -> None:
    sign_in(client, "other-auditor")
    assert exported(client, "/bureau/quarantine") == []
