"""A payout adds up to its lines, for who may see it, however it was corrected and paid."""

from collections.abc import Iterator

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import event, text

from kernel.actors import Role
from kernel.settings import Settings
from kernel.unit import Unit, Units
from settlement.closing import settle
from settlement.payments.bank_payouts import pay_out
from settlement.payments.engine import pay_run
from settlement.payments.plans import plan_run
from settlement.payments.states import PaymentMethod, RunPurpose
from settlement.queries.payouts import lines_of_payout, payouts_after
from settlement.verify.recompute import verify
from tests.support.accounts import PASSWORD
from tests.support.application import an_app
from tests.support.builders import a_person
from tests.support.passwords import cheap_passwords
from tests.support.payment_builders import (
    Payables,
    paid,
    payables,
    practice,
    released,
    sells_as_a_teacher,
)
from tests.support.settlement_builders import APRIL, SYSTEM, a_use, at, confirm_all, deliver
from tests.support.site_builders import sign_in


@pytest.fixture
def owed(units: Units) -> Payables:
    found = payables(units)
    with cheap_passwords(), units(SYSTEM) as unit:
        sells_as_a_teacher(unit, found.other)
        for login, role, organisation in (
            ("teacher-1", Role.VENDOR_MANAGER, found.other),
            ("firm-1", Role.VENDOR_MANAGER, found.market.vendor),
            ("auditor-1", Role.AUDITOR, found.market.bureau),
        ):
            a_person(unit, organisation, [role], login=login, password=PASSWORD)
    return found


@pytest.fixture
def client(settings: Settings, units: Units, owed: Payables) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(settings, units)) as found:
        found.headers.update({"accept": "text/html", "accept-language": "en"})
        yield found


def assert_each_adds_up(unit: Unit) -> int:
    rows = payouts_after(unit, after=None, limit=200)
    for row in rows:
        assert sum(one.amount_fen for one in lines_of_payout(unit, row.id)) == row.gross_fen, row
    return len(rows)


def corrected_april(units: Units, owed: Payables, *, uses: int) -> None:
    rows = [a_use(units, owed.market, "late", at(2, 8, 0, 30))]
    rows += [a_use(units, owed.market, f"a{n}", at(3, 8, n, month=4)) for n in range(uses)]
    deliver(units, rows, name="april")
    settle(units, SYSTEM, APRIL)
    confirm_all(units, owed.market, APRIL)
    settle(units, SYSTEM, APRIL)


@pytest.mark.parametrize("method", list(PaymentMethod))
def test_payouts_add_up_to_their_lines_also_when_a_credit_is_set_off(
    units: Units, owed: Payables, method: PaymentMethod
):
    """R64: gross of the tax; March's credit is a line below zero of April's payout."""
    _, gateway = practice(units)
    paid(units, owed, gateway)
    corrected_april(units, owed, uses=6)
    released(units, owed, method=method, month=APRIL)

    with units(SYSTEM) as unit:
        assert assert_each_adds_up(unit) >= 3
        latest = payouts_after(unit, after=None, limit=200)[-1]
        lines = lines_of_payout(unit, latest.id)
    assert {f"{one.of_month:%m}": one.amount_fen > 0 for one in lines} == {"03": False, "04": True}
    assert verify(units, SYSTEM) == []


def test_a_reversal_adds_up_below_zero(units: Units, owed: Payables):
    _, gateway = practice(units)
    paid(units, owed, gateway)
    corrected_april(units, owed, uses=0)
    number = released(units, owed, purpose=RunPurpose.REFUND)
    pay_run(units, SYSTEM, gateway, number)

    with units(SYSTEM) as unit:
        assert_each_adds_up(unit)
        back = [one for one in payouts_after(unit, after=None, limit=200) if one.kind == "reversal"]
    assert [one.amount_fen < 0 for one in back] == [True]
    assert verify(units, SYSTEM) == []


def test_verify_names_a_payment_whose_parts_say_something_else(units: Units, owed: Payables):
    _, gateway = practice(units)
    paid(units, owed, gateway)
    with units(SYSTEM) as unit:
        unit.session.execute(text("ALTER TABLE payment_part DISABLE TRIGGER USER"))
        unit.session.execute(
            text(
                "UPDATE payment_part SET amount_fen = amount_fen + 1 WHERE payment_id = "
                "(SELECT id FROM payment WHERE kind = 'transfer' ORDER BY key LIMIT 1)"
            )
        )
    found = verify(units, SYSTEM)
    assert found
    assert all("its parts make" in one for one in found)


def test_a_vendor_reads_its_own_and_a_bureau_its_payers_payouts(
    client: TestClient[Litestar], units: Units, owed: Payables
):
    sandbox, gateway = practice(units)
    paid(units, owed, gateway)
    pay_out(units, SYSTEM, gateway)
    sandbox.deliver()

    sign_in(client, "teacher-1")
    (own,) = client.get("/api/v1/payouts").json()["items"]
    whole = client.get(f"/api/v1/payouts/{own['key']}").json()
    assert own["gross_fen"] - own["withheld_fen"] == own["amount_fen"] == own["paid_fen"]
    assert own["withheld_fen"] == whole["withholding"]["tax_fen"] > 0
    assert sum(one["amount_fen"] for one in whole["lines"]) == own["gross_fen"]
    assert own["bank"]["state"] == "paid"
    assert client.get("/api/v1/payouts?state=failed").json()["items"] == []
    page = client.get(f"/vendor/payouts/{own['key']}").text
    assert "How the tax came about" in page
    assert own["bank"]["key"] in client.get("/vendor/payouts").text

    sign_in(client, "firm-1")
    assert client.get(f"/api/v1/payouts/{own['key']}").status_code == 404
    assert client.get(f"/vendor/payouts/{own['key']}").status_code == 404

    sign_in(client, "auditor-1")
    first = client.get("/api/v1/payouts?limit=1").json()
    second = client.get(f"/api/v1/payouts?limit=1&after={first['next']}").json()
    assert {one["items"][0]["payee"]["code"] for one in (first, second)} == {
        owed.market.vendor.code,
        owed.other.code,
    }
    assert second["next"] is None
    assert client.get(f"/bureau/payouts/{own['key']}").status_code == 200


def test_a_plan_asks_the_same_few_questions_for_any_number_of_payments(
    units: Units, owed: Payables
):
    """A province's plan is made of sets: nothing is asked for each payer, payee or line."""
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        asked.append(statement)

    event.listen(units.engine, "before_cursor_execute", note)
    try:
        with units(owed.maker) as unit:
            plan = plan_run(unit, APRIL, method=PaymentMethod.GATEWAY)
        many = len(asked)
        asked.clear()
        with units(owed.market.finance) as unit:
            plan_run(unit, APRIL, method=PaymentMethod.TREASURY)
    finally:
        event.remove(units.engine, "before_cursor_execute", note)
    assert len(plan.payments) + len(plan.omitted) >= 2
    assert many <= 12
    assert len(asked) <= many + 1
