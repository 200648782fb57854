"""A changed bank account is told to all managers of its vendor, on their home."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import select

from kernel.actors import Role
from kernel.clock import FixedClock
from kernel.identity.models import PersonPrivate
from kernel.settings import Settings
from kernel.unit import Units
from settlement.payments.bank_accounts import LATELY_DAYS, WAITS
from tests.support.accounts import PASSWORD
from tests.support.application import an_app
from tests.support.builders import a_person
from tests.support.passwords import cheap_passwords
from tests.support.payment_builders import Payables, payables
from tests.support.settlement_builders import SYSTEM
from tests.support.site_builders import counted_queries, csrf_token, sign_in

TOLD = "The bank account to which treasuries pay you was changed."


@pytest.fixture
def owed(units: Units) -> Payables:
    found = payables(units)
    with cheap_passwords(), units(SYSTEM) as unit:
        for login, vendor in (
            ("stolen", found.market.vendor),
            ("colleague", found.market.vendor),
            ("elsewhere", found.other),
        ):
            person = a_person(unit, vendor, [Role.VENDOR_MANAGER], login=login, password=PASSWORD)
            private = unit.session.scalars(
                select(PersonPrivate).where(PersonPrivate.person_id == person.person_id)
            ).one()
            private.name = f"name of {login}"
    return found


@pytest.fixture
def client(settings: Settings, units: Units, owed: Payables) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(settings, units)) as client:
        client.headers.update({"accept": "text/html", "accept-language": "en"})
        yield client


def home_of(client: TestClient[Litestar], login: str) -> str:
    sign_in(client, login)
    return " ".join(client.get("/vendor").text.split())


def test_who_has_one_login_turns_no_payment_unseen(
    client: TestClient[Litestar], units: Units, clock: FixedClock
):
    """R59: the others read who, when, the last digits and from when; other vendors nothing."""
    assert TOLD not in home_of(client, "colleague")
    clock.advance(timedelta(days=1))
    sign_in(client, "stolen")
    form = {"holder": "某公司", "bank": "远方银行", "number": "6222020200009998877"}
    data = {"csrf_token": csrf_token(client), **form}
    answer = client.post("/vendor/payouts/account", data=data, follow_redirects=False)
    assert answer.status_code == 303, answer.text

    for login in ("colleague", "stolen"):
        shown = home_of(client, login).split(TOLD)[1][:1_000]
        for text in ("name of stolen", "远方银行", "…8877", "2026-", "counts from"):
            assert text in shown
        assert "6222020200009998877" not in shown
    with counted_queries(units.engine) as sent:
        client.get("/vendor")
    assert len(sent) <= 12
    assert TOLD not in home_of(client, "elsewhere")

    clock.advance(WAITS)
    assert "counts since" in home_of(client, "colleague")
    clock.advance(timedelta(days=LATELY_DAYS))
    assert TOLD not in home_of(client, "colleague")
