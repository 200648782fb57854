"""Each rule on use that is not billable, as the school and the vendor see it (R30, R49)."""

import csv
import io
import re
from collections.abc import Iterator
from datetime import date
from uuid import UUID

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from kernel.actors import Role
from kernel.settings import Settings
from kernel.unit import Units
from settlement.closing import settle
from tests.support.accounts import PASSWORD
from tests.support.application import an_app
from tests.support.builders import a_learner, a_person, a_selling_teacher
from tests.support.plan_builders import a_purchase, counted_pupils, works_for
from tests.support.settlement_builders import (
    MARCH,
    SYSTEM,
    Market,
    a_market,
    a_use,
    at,
    deliver,
)
from tests.support.site_builders import sign_in
from tests.support.statement_readings import the_line

RULES = ("own-school", "vendor-staff", "outside", "over-enrolment")
SCHOOL, VENDOR = "school-finance", "vendor-manager"


@pytest.fixture
def client(settings: Settings, units: Units) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(settings, units)) as client:
        client.headers.update({"accept": "text/html"})
        yield client


def a_hit(units: Units, rule: str) -> tuple[Market, set[str]]:
    """Close a March in which the rule hits two events of learner X; return whose events."""
    market = a_market(units, learners=["L1"])
    left_on = date(2026, 3, 1) if rule == "outside" else None
    with units(SYSTEM) as unit:
        a_learner(unit, market.school, "X", left_on=left_on)
        if rule == "own-school":
            teacher = a_selling_teacher(unit, market.school)
        a_person(unit, market.school, [Role.SCHOOL_FINANCE], login=SCHOOL, password=PASSWORD)
    if rule == "own-school":
        market = a_purchase(units, market, vendor=teacher)
    if rule == "vendor-staff":
        works_for(units, market.vendor, "X", since=at(1))
    if rule == "over-enrolment":
        counted_pupils(units, market.school, 1)
    with units(SYSTEM) as unit:
        a_person(unit, market.vendor, [Role.VENDOR_MANAGER], login=VENDOR, password=PASSWORD)
    rows = [
        a_use(units, market, "L1-repeat", at(2)),
        a_use(units, market, "L1-use", at(2, 8, 0, 10)),
        a_use(units, market, "X-repeat", at(3), learner="X"),
        a_use(units, market, "X-1", at(3, 8, 0, 10), learner="X"),
        a_use(units, market, "X-2", at(4), learner="X"),
    ]
    deliver(units, rows)
    settle(units, SYSTEM, MARCH)
    return market, {"X-1", "X-2", "L1-use"} if rule == "own-school" else {"X-1", "X-2"}


def addresses(line_id: UUID) -> dict[str, str]:
    return {
        SCHOOL: f"/school/statements/2026-03/lines/{line_id}",
        VENDOR: f"/vendor/periods/2026-03/lines/{line_id}",
    }


def listed(client: TestClient[Litestar], address: str) -> set[str]:
    """Return the events of a list of uses, from its export."""
    response = client.get(f"{address}&format=csv")
    assert response.status_code == 200
    rows = csv.reader(io.StringIO(response.content.decode("utf-8-sig")))
    return {row[1] for row in list(rows)[1:]}


@pytest.mark.parametrize("rule", RULES)
def test_what_a_rule_left_out_is_shown_to_school_and_vendor_and_opens_its_events(
    units: Units, client: TestClient[Litestar], rule: str
) -> None:
    """R30: use that is not billable is shown, by rule, with its number and its events."""
    market, hit = a_hit(units, rule)
    line = the_line(units, market, MARCH)
    counted = {"L1-use"} - hit
    for login, address in addresses(line.id).items():
        sign_in(client, login)
        page = client.get(address)
        assert page.status_code == 200
        figures = dict(
            re.findall(r'href="[^"]*uses\?judgement=([a-z-]+)"[^>]*>\s*([\d,]+)\s*<', page.text)
        )
        assert figures == {
            "outside": "0",
            "repeat": "2",
            "counted": str(len(counted)),
            rule: str(len(hit)),
        }
        uses = f"{address}/uses"
        assert listed(client, f"{uses}?judgement={rule}") == hit
        assert listed(client, f"{uses}?judgement=counted") == counted
        assert listed(client, f"{uses}?judgement=repeat") == {"L1-repeat", "X-repeat"}
        html = client.get(f"{uses}?judgement={rule}")
        assert html.status_code == 200
        for event in hit:
            assert event in html.text
        assert "X-repeat" not in html.text
