"""Where runs stand once nothing is under way: paid, in part, not at all, or by a later run."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from kernel.actors import Role
from kernel.clock import FixedClock
from kernel.settings import Settings
from kernel.unit import Units
from settlement.payments.calling_off import call_off
from settlement.payments.engine import pay_run
from settlement.payments.parties import know_payees
from settlement.payments.sandbox import Fault
from settlement.payments.states import PaymentMethod
from settlement.payments.treasury import ReturnRow, export_orders, record_returns
from settlement.queries.payments import payment_run, payments_of_run
from tests.support.accounts import PASSWORD
from tests.support.application import an_app
from tests.support.builders import a_person
from tests.support.passwords import cheap_passwords
from tests.support.payment_builders import Payables, payables, practice, released
from tests.support.settlement_builders import SYSTEM
from tests.support.site_builders import sign_in


@pytest.fixture
def owed(units: Units) -> Payables:
    found = payables(units)
    with cheap_passwords(), units(SYSTEM) as unit:
        a_person(
            unit, found.market.bureau, [Role.BUREAU_FINANCE], login="finance-1", password=PASSWORD
        )
    return found


@pytest.fixture
def client(settings: Settings, units: Units, owed: Payables) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(settings, units)) as client:
        client.headers.update({"accept": "text/html", "accept-language": "en"})
        yield client


def standing(units: Units, number: str) -> str:
    with units(SYSTEM) as unit:
        return payment_run(unit, number).standing


@pytest.mark.parametrize(
    ("first", "others", "expected"),
    [
        ("paid", "paid", "paid"),
        ("returned", "paid", "in_part"),
        ("returned", "returned", "nothing"),
    ],
)
def test_a_run_is_paid_only_if_all_came_through(
    units: Units, owed: Payables, first: str, others: str, expected: str
):
    number = released(units, owed, method=PaymentMethod.TREASURY)
    with units(owed.maker) as unit:
        export_orders(unit, number)
        orders = payments_of_run(unit, number)
        rows = [
            ReturnRow(
                order_no=one.key,
                voucher_no=f"V{place}",
                result=others if place else first,
                amount_fen=one.amount_fen,
            )
            for place, one in enumerate(orders)
        ]
    assert len(rows) > 1 and standing(units, number) == "released"
    with units(owed.maker) as unit:
        record_returns(unit, rows)

    assert standing(units, number) == expected


def test_what_a_later_run_pays_is_asked_of_nobody_again(
    client: TestClient[Litestar], units: Units, owed: Payables, clock: FixedClock
):
    """R41: a collection that failed is told once, and leads to the run that took it up."""
    sandbox, gateway = practice(units)
    know_payees(units, SYSTEM, gateway)
    number = released(units, owed)
    sandbox.expect("payment_intents.create", Fault.DECLINED)
    pay_run(units, SYSTEM, gateway, number)
    sign_in(client, "finance-1")
    address = f"/bureau/payments/{number}"
    assert standing(units, number) == "failed"
    assert client.get(address).text.count("propose another run") == 1
    assert "It is being cancelled at the gateway." in client.get(address).text
    call_off(units, SYSTEM, gateway)
    told = client.get(address).text
    assert "nobody can pay it any more" in told and "It is being cancelled" not in told

    clock.advance(timedelta(minutes=1))
    later = released(units, owed)
    pay_run(units, SYSTEM, gateway, later)

    assert (standing(units, number), standing(units, later)) == ("nothing", "paid")
    told = client.get(address).text
    assert "propose another run" not in told
    assert f'href="/bureau/payments/{later}"' in told
