"""Data and tool services go the way that files go: listed, found, agreed, opened, billed."""

from datetime import date

import pytest

from catalog.search import Wanted, search
from catalog.submissions import submit
from kernel.clock import FixedClock
from kernel.errors import FilingNumberMissing
from kernel.ids import ResourceId
from settlement.agreements import Draw
from settlement.closing import settle
from settlement.metering.launches import enter, open_launch
from settlement.queries.lines import lines_of
from tests.support.admission_builders import a_desk, a_self_check
from tests.support.catalogue_builders import a_row, listed, newest_versions
from tests.support.launch_builders import a_classroom
from tests.support.settlement_builders import (
    LOG,
    MARCH,
    SYSTEM,
    a_use,
    an_agreement,
    at,
    deliver,
)

SERVICES = {"数据服务": "学情分析服务", "批改服务": "作文批改服务", "学习工具": "函数作图工具"}
ADDRESS = "https://vendor.example/open"


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(at(2, 9))


@pytest.mark.parametrize(("kind", "title"), SERVICES.items())
def test_a_service_is_found_agreed_opened_and_billed_as_a_file_is(units, clock, kind, title):
    """R7: a data or tool service has its facet, its price and its ticket."""
    classroom = a_classroom(units)
    market = classroom.market
    row = a_row(market.vendor, "SV-1", title, type=kind, launch_url=ADDRESS)
    with units(SYSTEM) as unit:
        listed(unit, [row], price="0.5000")
        (hit,) = search(unit, Wanted(filters={"type": kind})).hits
        (found,) = newest_versions(unit, [row])
        an_agreement(
            unit,
            market.school,
            vendor_id=market.vendor.id,
            resource_id=ResourceId(hit.resource_id),
            draws=[Draw(market.line_id, 5_000)],
            unit_price="0.5000",
            reference="SV",
            starts_on=date(2026, 3, 1),
        )
    with units(classroom.pupil) as unit:
        opened = open_launch(unit, vendor_code=market.vendor.code, sku="SV-1")
        address, ticket = enter(unit, opened.id)
    clock.at = at(2, month=4)
    uses = [a_use(units, market, f"e{n}", at(3, 8 + n), sku="SV-1") for n in range(4)]
    deliver(units, uses, source=LOG)
    settle(units, SYSTEM, MARCH)
    with units(SYSTEM) as unit:
        bills = {line.agreement_number[-2:]: line for line in lines_of(unit)}

    assert (hit.title, address) == (title, ADDRESS) and ticket.text
    assert opened.launch.version_id == found
    assert (bills["SV"].quantity, bills["SV"].amount_fen) == (4, 200)


def test_a_service_outside_the_platform_needs_its_filing_number(units):
    """R7, R12."""
    desk = a_desk(units)
    draft = desk.draft(type="数据服务", launch_url=ADDRESS)
    with pytest.raises(FilingNumberMissing), desk.units(desk.manager) as unit:
        submit(unit, draft, a_self_check())
    with desk.units(desk.manager) as unit:
        submit(unit, draft, a_self_check(filing_number="教APP备1101234号"))
    desk.decided(draft)
    assert desk.state(draft) == "listed"
