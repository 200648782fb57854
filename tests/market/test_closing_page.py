"""Closing a month on the bureau's pages: asked once, done by workers in shards, seen as it goes."""

from collections.abc import Iterator

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from kernel.actors import Role
from kernel.clock import FixedClock, show_month
from kernel.jobs import RecordingDispatcher
from kernel.settings import Settings
from kernel.unit import Units
from market.bootstrap import TASKS
from procurement.verification import verify
from settlement import periods
from settlement.tasks import PATIENCE
from tests.support.application import an_app
from tests.support.settlement_builders import APRIL, SYSTEM, a_use, at, deliver
from tests.support.site_builders import Site, a_site, csrf_token, sign_in

CLOSE = f"/bureau/periods/{show_month(APRIL)}/close"
SEEN = f"/bureau/periods/{show_month(APRIL)}"


@pytest.fixture
def site(units: Units) -> Site:
    return a_site(units)


@pytest.fixture
def client(settings: Settings, units: Units, site: Site) -> Iterator[TestClient[Litestar]]:
    deliver(units, [a_use(units, site.market, "april", at(3, month=4))], name="april.csv")
    with TestClient(an_app(settings, units)) as client:
        client.headers.update({"accept": "text/html"})
        yield client


def test_a_month_is_closed_by_the_workers_shard_by_shard_and_the_page_says_how_far(
    client: TestClient[Litestar],
    units: Units,
    dispatcher: RecordingDispatcher,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(periods, "SHARD", 1)
    sign_in(client, Role.BUREAU_FINANCE)
    assert CLOSE in client.get("/bureau/periods").text
    asked = client.get(CLOSE)
    assert asked.status_code == 200

    dispatcher.sent.clear()
    told = client.post(CLOSE, data={"csrf_token": csrf_token(client)}, follow_redirects=False)
    assert (told.status_code, told.headers["location"]) == (303, SEEN)
    shards = [task for task in dispatcher.sent if task[0] == "settlement.close_shard"]
    assert len(shards) == 2
    under_way = client.get(SEEN).text
    assert "<progress" in under_way and "refresh" in under_way

    name, arguments = shards[0]
    TASKS[name](units, **arguments)
    TASKS[name](units, **arguments)
    assert "<progress" in client.get(SEEN).text
    TASKS[name](units, **shards[1][1])

    assert "<progress" not in client.get(SEEN).text
    assert client.get(CLOSE, follow_redirects=False).headers["location"] == SEEN
    assert verify(units, SYSTEM) == []


def test_a_close_whose_messages_were_lost_is_taken_up_by_the_sweep(
    client: TestClient[Litestar], units: Units, clock: FixedClock
) -> None:
    sign_in(client, Role.OPERATOR)
    client.post(CLOSE, data={"csrf_token": csrf_token(client)})
    TASKS["settlement.resume_closes"](units)
    assert "<progress" in client.get(SEEN).text  # not long enough ago: a worker may be at it

    clock.advance(PATIENCE)
    TASKS["settlement.resume_closes"](units)

    assert "<progress" not in client.get(SEEN).text
    assert verify(units, SYSTEM) == []
