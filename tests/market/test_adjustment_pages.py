"""The page of an adjustment and the list of its uses: all figures add up (R37, R49)."""

import csv
import io
import re
from collections.abc import Iterator

import msgspec
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from kernel.actors import Role
from kernel.settings import Settings
from kernel.unit import Units
from settlement.closing import settle
from settlement.exports import export_statements
from tests.support.accounts import PASSWORD
from tests.support.application import an_app
from tests.support.builders import a_person
from tests.support.settlement_builders import (
    APRIL,
    MARCH,
    SYSTEM,
    Market,
    a_market,
    a_use,
    at,
    deliver,
)
from tests.support.site_builders import sign_in
from tests.support.statement_readings import lines_by_month

SCHOOL, VENDOR = "school-finance", "vendor-manager"


@pytest.fixture
def client(settings: Settings, units: Units) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(settings, units)) as client:
        client.headers.update({"accept": "text/html"})
        yield client


def adjusted(units: Units, *, seconds: list[int], late: list[int]) -> Market:
    """State March with uses at these seconds, and April with late ones of March."""
    market = a_market(units)
    with units(SYSTEM) as unit:
        a_person(unit, market.school, [Role.SCHOOL_FINANCE], login=SCHOOL, password=PASSWORD)
        a_person(unit, market.vendor, [Role.VENDOR_MANAGER], login=VENDOR, password=PASSWORD)
    for name, chosen, month in (("own", seconds, MARCH), ("late", late, APRIL)):
        rows = [
            a_use(units, market, f"{name}-{second}", at(2, 8, second // 60, second % 60))
            for second in chosen
        ]
        deliver(units, rows, name=name)
        settle(units, SYSTEM, month)
    return market


def texts(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


@pytest.mark.parametrize(
    ("seconds", "late", "quantity", "billed", "counted"),
    [
        ([0, 100], [200, 210], 1, "0.33", {"own-0", "own-100", "late-210"}),
        ([0, 50], [25], -1, "-0.34", {"own-50"}),
        ([0], [0], 0, "0.00", None),
    ],
)
def test_an_adjustment_shows_the_month_anew_and_what_it_adds(
    units: Units,
    client: TestClient[Litestar],
    *,
    seconds: list[int],
    late: list[int],
    quantity: int,
    billed: str,
    counted: set[str] | None,
) -> None:
    """R37: the whole month is counted anew; the line is what that adds to what was stated."""
    market = adjusted(units, seconds=seconds, late=late)
    line = lines_by_month(units, market)["2026-04", "2026-03"]
    assert line.quantity == quantity
    for login, address in (
        (SCHOOL, f"/school/statements/2026-04/lines/{line.id}"),
        (VENDOR, f"/vendor/periods/2026-04/lines/{line.id}"),
    ):
        sign_in(client, login)
        page = client.get(address)
        assert page.status_code == 200
        figures = dict(
            re.findall(r'href="[^"]*uses(\?judgement=[a-z-]+)?"[^>]*>\s*([\d,]+)\s*<', page.text)
        )
        assert figures[""] == str(len(seconds) + len(late))
        shown = texts(page.text).replace("−", "-")
        assert "本行更正2026-03" in shown
        assert "收到的记录 全月" in shown and "应付金额 增减" in shown
        assert billed in shown
        uses = client.get(f"{address}/uses?format=csv")
        assert uses.status_code == 200
        rows = list(csv.reader(io.StringIO(uses.content.decode("utf-8-sig"))))[1:]
        assert len(rows) == len(seconds) + len(late)
        assert client.get(f"{address}/uses").status_code == 200
        listed = client.get(f"{address}/uses?judgement=counted&format=csv")
        events = {row[1] for row in csv.reader(io.StringIO(listed.content.decode("utf-8-sig")))}
        if counted is not None:
            assert counted <= events
            assert len(events) == len(counted) + 1  # with the head


def test_an_adjustment_is_exported_with_what_it_corrects(units: Units) -> None:
    """R39: canonical lines, ordered by agreement, kind and month; no ids or clock times."""
    market = adjusted(units, seconds=[0, 100], late=[200])
    with units(SYSTEM) as unit:
        exported = export_statements(unit, APRIL)
    (line,) = [msgspec.json.decode(one) for one in exported.splitlines()]
    assert (line["kind"], line["of_month"], line["month"]) == ("adjustment", "2026-03", "2026-04")
    assert (line["quantity"], line["rated_fen"]) == (1, 33)
    assert line["explanation"]["stated"]["quantity"] == 2
    assert line["draws"] == [{"fiscal_year": 2026, "source": "per_student", "amount_fen": 33}]
    assert line["schools"][0]["school"] == market.school.code
    assert str(market.agreement_id).encode() not in exported
    assert msgspec.json.encode(line, order="deterministic") + b"\n" == exported
