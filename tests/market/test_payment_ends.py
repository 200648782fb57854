"""What of payments waits or is left out, on the pages: late money, who got nothing, odd filters."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from kernel.actors import Role
from kernel.money import yuan
from kernel.settings import Settings
from kernel.unit import Units
from settlement.payments.engine import pay_run, retry_payment
from settlement.payments.holds import hold_payee, lift_hold
from settlement.payments.parties import know_payees
from settlement.payments.plans import plan_run
from settlement.payments.states import LeftOut, PaymentMethod
from settlement.web import payments
from tests.faults.test_paid_late import declined, paid_after_all
from tests.settlement.payments.test_open_and_overdue import april
from tests.support.accounts import PASSWORD
from tests.support.application import an_app
from tests.support.builders import a_person
from tests.support.passwords import cheap_passwords
from tests.support.payment_builders import Payables, payables, practice, proposed, released
from tests.support.settlement_builders import APRIL, SYSTEM
from tests.support.site_builders import counted_queries, csrf_token, sign_in

PAGE = "/bureau/payments"
MOST_QUERIES = 12
MARCH_FEN = 1_033 - 52 - 51
"""What the first vendor is due of March, less fee and retention."""


@pytest.fixture
def owed(units: Units) -> Payables:
    units.settings = replace(units.settings, payout_minimum_fen=0)
    found = payables(units)
    with cheap_passwords(), units(SYSTEM) as unit:
        for login, roles, organisation in (
            ("finance-1", [Role.BUREAU_FINANCE], found.market.bureau),
            ("auditor-1", [Role.AUDITOR], found.market.bureau),
            ("vendor-1", [Role.VENDOR_MANAGER], found.market.vendor),
        ):
            a_person(unit, organisation, roles, login=login, password=PASSWORD)
    return found


@pytest.fixture
def client(settings: Settings, units: Units, owed: Payables) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(settings, units)) as client:
        client.headers.update({"accept": "text/html", "accept-language": "en"})
        yield client


def plain(client: TestClient[Litestar], address: str, **params: str) -> str:
    """Return a page's text with single spaces between its words."""
    return " ".join(client.get(address, params=params).text.split())


def left_out(units: Units, owed: Payables) -> dict[str, int]:
    """Return what a run of April would leave out of the first vendor, by reason."""
    with units(owed.maker) as unit:
        plan = plan_run(unit, APRIL, method=PaymentMethod.GATEWAY)
    payee = owed.market.vendor.id
    return {one.because: one.amount_fen for one in plan.omitted if one.payee_id == payee}


def test_late_money_is_listed_and_says_what_sets_off_what_is_due_next(
    client: TestClient[Litestar], units: Units, owed: Payables
):
    """R38, R62: an auditor sees what waits, from whom and where to act, and why less is due."""
    sandbox, gateway, number = declined(units, owed)
    second = released(units, owed)
    assert pay_run(units, SYSTEM, gateway, second) == {"paid": 4}
    sandbox.deliver()
    april(units, owed)
    before = left_out(units, owed)
    assert LeftOut.PAID_LATE not in before
    sign_in(client, "auditor-1")
    assert "Paid late, and waiting" not in plain(client, PAGE)

    paid_after_all(units, sandbox, number)

    with counted_queries(units.engine) as sent:
        shown = plain(client, PAGE)
    assert len(sent) <= MOST_QUERIES
    late = shown.split('id="late"')[1].split("</section>")[0]
    assert owed.market.school.name in late and owed.market.vendor.name in late
    assert yuan(MARCH_FEN) in late and f'href="{PAGE}/{number}"' in late
    assert f"{units.clock.now():%Y-%m}" in late
    after = left_out(units, owed)
    assert after[LeftOut.PAID_LATE] == MARCH_FEN
    assert after[LeftOut.CARRIED] < 0, "April is set off whole"
    plan = plain(client, f"{PAGE}/plan", month="2026-04", method="gateway")
    assert f'<a href="{PAGE}#late"><span class="word">Its payer paid late' in plan
    sign_in(client, "vendor-1")
    told = plain(client, "/vendor/payouts").split("Paid late, and waiting")[1]
    assert yuan(MARCH_FEN) in told[:300]


def test_late_money_that_is_passed_on_waits_no_more(
    client: TestClient[Litestar], units: Units, owed: Payables
):
    """R38: what was acted on is neither listed nor said to set anything off."""
    sandbox, gateway, number = declined(units, owed)
    for key in paid_after_all(units, sandbox, number):
        with units(SYSTEM) as unit:
            retry_payment(unit, key)
    assert pay_run(units, SYSTEM, gateway, number) == {"paid": 4}

    sign_in(client, "finance-1")
    assert 'id="late"' not in client.get(PAGE).text
    sign_in(client, "vendor-1")
    assert "Paid late, and waiting" not in client.get("/vendor/payouts").text
    assert LeftOut.PAID_LATE not in left_out(units, owed)


def test_a_run_tells_whom_it_left_out_and_why(
    client: TestClient[Litestar], units: Units, owed: Payables
):
    """R59: on its page, in a file and over HTTP, by what was so when it was proposed."""
    _, gateway = practice(units)
    know_payees(units, SYSTEM, gateway)
    with units(owed.maker) as unit:
        hold_payee(unit, owed.market.vendor.code, because="资质复核")
    number = proposed(units, owed)
    with units(owed.maker) as unit:
        lift_hold(unit, owed.market.vendor.code)
    sign_in(client, "auditor-1")

    with counted_queries(units.engine) as sent:
        shown = plain(client, f"{PAGE}/{number}")
    assert len(sent) <= MOST_QUERIES
    told = shown.split('id="left-out"')[1]
    for text in (owed.market.vendor.name, yuan(MARCH_FEN), "Payouts are held"):
        assert text in told
    assert owed.other.name not in told
    address = f"{PAGE}/{number}/left-out"
    assert f'href="{address}"' in told
    assert "Payouts are held" in plain(client, address)
    lines = client.get(address, params={"format": "csv"}).text.strip().splitlines()
    assert len(lines) == 2
    assert owed.market.vendor.name in lines[1] and yuan(MARCH_FEN) in lines[1]
    assert client.get(f"/api/v1/payment-runs/{number}/left-out").json() == [
        {
            "payer": {"code": owed.market.school.code, "name": owed.market.school.name},
            "payee": {"code": owed.market.vendor.code, "name": owed.market.vendor.name},
            "amount_fen": MARCH_FEN,
            "because": "held",
        }
    ]
    assert client.get("/api/v1/payment-runs/none-P-2026-03-01/left-out").status_code == 404


def test_a_run_that_left_nobody_out_says_nothing_of_it(
    client: TestClient[Litestar], units: Units, owed: Payables
):
    _, gateway = practice(units)
    know_payees(units, SYSTEM, gateway)
    number = proposed(units, owed)
    sign_in(client, "auditor-1")

    assert 'id="left-out"' not in client.get(f"{PAGE}/{number}").text
    assert "was left out of this run" in plain(client, f"{PAGE}/{number}/left-out")
    assert client.get(f"/api/v1/payment-runs/{number}/left-out").json() == []


WRONG = [{"month": "2026-13"}, {"method": "cheque"}, {"purpose": "gift"}]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda one: next(iter(one)))
@pytest.mark.parametrize("path", [PAGE, f"{PAGE}/plan"])
def test_what_a_plan_is_asked_for_wrongly_is_said(
    client: TestClient[Litestar], path: str, wrong: dict[str, str]
):
    """What is shown in its place is what the fields below say, and what a link leads to."""
    sign_in(client, "auditor-1")
    (value,) = wrong.values()

    shown = plain(client, path, **wrong)

    assert f"“{value}” can't be chosen here" in shown
    main = shown.split("<main", 1)[1]
    assert f'value="{value}"' not in main and f"={value}" not in main
    right = plain(client, path, month="2026-03", method="treasury", purpose="pay")
    assert "be chosen here" not in right
    assert "be chosen here" not in plain(client, path)


@pytest.mark.parametrize("wrong", WRONG, ids=lambda one: next(iter(one)))
def test_no_file_is_made_of_a_plan_that_is_asked_for_wrongly(
    client: TestClient[Litestar], wrong: dict[str, str]
):
    """It would hold another plan than was asked for, and say nothing of it."""
    sign_in(client, "auditor-1")
    (value,) = wrong.values()

    told = client.get(f"{PAGE}/plan", params={**wrong, "format": "csv"})

    assert told.status_code == 422
    assert value in told.text


def test_what_can_not_be_proposed_is_said_beside_its_field_alone(
    client: TestClient[Litestar], units: Units
):
    sign_in(client, "finance-1")
    data = {"csrf_token": csrf_token(client), "month": "2026-13", "method": "gateway"}
    told = client.post(PAGE, data=data).text
    assert "Write the month like 2026-03." in told
    assert "be chosen here" not in told


def test_the_total_of_a_preview_says_of_how_many_rows_it_is(
    client: TestClient[Litestar], units: Units, owed: Payables, monkeypatch: pytest.MonkeyPatch
):
    """Of what the next run would pay the first rows are shown, and their total is of all."""
    _, gateway = practice(units)
    know_payees(units, SYSTEM, gateway)
    sign_in(client, "auditor-1")
    with units(owed.maker) as unit:
        plan = plan_run(unit, None, method=PaymentMethod.GATEWAY)
    whole = yuan(plan.paid_out_fen)
    assert "Total of all" not in plain(client, PAGE)

    monkeypatch.setattr(payments, "MOST_SHOWN", 2)
    shown = plain(client, PAGE).split("What the next run would pay", 1)[1]
    foot = shown.split("<tfoot>")[1].split("</tfoot>")[0]

    assert "Total of all 3" in foot and whole in foot
