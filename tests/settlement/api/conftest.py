"""A county's market with a vendor that reports uses of launches by the API."""

from collections.abc import Iterator

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from kernel.settings import Settings
from kernel.unit import Units
from tests.support.api import Machine, a_machine
from tests.support.application import an_app
from tests.support.settlement_builders import Market, a_market
from tests.support.usage_builders import a_ticketed_source
from tests.support.worlds import a_world


@pytest.fixture
@a_world
def market(units: Units) -> Market:
    found = a_market(units)
    a_ticketed_source(units, found)
    return found


@pytest.fixture
def client(settings: Settings, units: Units) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(settings, units)) as client:
        client.headers["accept-language"] = "en"
        yield client


@pytest.fixture
def vendor(client: TestClient[Litestar], units: Units, market: Market) -> Machine:
    return a_machine(client, units, market.vendor.id)
