"""Payments on pages: proposed by one person, released by another, followed by the vendor."""

from collections.abc import Iterator

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import select

from kernel.actors import Role
from kernel.jobs import RecordingDispatcher
from kernel.money import yuan
from kernel.settings import Settings
from kernel.unit import Units
from market.bootstrap import TASKS
from settlement.payment_models import GatewayEvent, GatewayParty, Payment, PaymentRun
from settlement.payments.parties import know_payees
from settlement.payments.sandbox import Fault
from settlement.payments.states import PaymentMethod, RunPurpose
from settlement.payments.treasury import ReturnRow, export_orders, record_returns
from settlement.payout_models import Withholding
from tests.settlement.payments.test_after_payment import credited
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
from tests.support.settlement_builders import SYSTEM
from tests.support.site_builders import csrf_token, sign_in

PAGE = "/bureau/payments"
PEOPLE = ("maker-1", "checker-1", "vendor-1", "auditor-1")


@pytest.fixture
def owed(units: Units) -> Payables:
    found = payables(units)
    with cheap_passwords(), units(SYSTEM) as unit:
        for login, roles, organisation in (
            ("maker-1", [Role.BUREAU_FINANCE], found.market.bureau),
            ("checker-1", [Role.BUREAU_FINANCE], found.market.bureau),
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


def send(client: TestClient[Litestar], address: str, **form: str):
    data = {"csrf_token": csrf_token(client), **form}
    return client.post(address, data=data, follow_redirects=False)


def a_run(client: TestClient[Litestar], units: Units) -> str:
    """Propose a run as the maker; return its address."""
    _, gateway = practice(units)
    know_payees(units, SYSTEM, gateway)
    sign_in(client, "maker-1")
    told = send(client, PAGE, month="2026-03", method="gateway")
    assert told.status_code == 303, told.text
    return str(told.headers["location"])


def test_a_run_is_proposed_previewed_released_and_followed(
    client: TestClient[Litestar],
    units: Units,
    owed: Payables,
    dispatcher: RecordingDispatcher,
):
    address = a_run(client, units)
    shown = client.get(address).text
    assert "Withdraw it" in shown and "Check and release" not in shown
    assert send(client, f"{address}/release").status_code == 409  # said on the page

    sign_in(client, "checker-1")
    assert "Release 17.42 yuan" in client.get(address).text
    dispatcher.sent.clear()
    assert send(client, f"{address}/release").status_code == 303
    assert [name for name, _ in dispatcher.sent] == ["settlement.pay"]
    for name, arguments in dispatcher.sent:
        TASKS[name](units, **arguments)

    told = client.get(address).text
    assert "17.42" in told and "Paid" in told
    assert address.rpartition("/")[2] in client.get(PAGE).text
    sign_in(client, "vendor-1")
    payouts = client.get("/vendor/payouts").text
    assert "9.30" in payouts
    assert owed.other.name not in payouts


def test_a_run_is_returned_only_with_its_reason(client: TestClient[Litestar], units: Units):
    address = a_run(client, units)
    sign_in(client, "checker-1")

    refused = send(client, f"{address}/return", note=" ")
    assert refused.status_code == 422 and "only with its reason" in refused.text
    assert send(client, f"{address}/return", note="金额待核").status_code == 303
    assert "金额待核" in client.get(address).text
    with units(SYSTEM) as unit:
        assert unit.session.scalars(select(PaymentRun.state)).all() == ["returned"]


def test_a_failure_is_told_with_the_next_step(
    client: TestClient[Litestar], units: Units, dispatcher: RecordingDispatcher
):
    sandbox, _ = practice(units)
    address = a_run(client, units)
    sandbox.expect("transfers.create", Fault.DECLINED)
    sign_in(client, "checker-1")
    send(client, f"{address}/release")
    TASKS["settlement.pay"](units, number=address.rpartition("/")[2])

    shown = client.get(address).text
    assert "Balance insufficient" in shown
    assert "propose to take back" in shown
    with units(SYSTEM) as unit:
        key = unit.session.scalars(select(Payment.key).where(Payment.state == "failed")).one()
    assert send(client, f"{address}/retry", key="other:key").status_code == 404
    assert send(client, f"{address}/retry", key=key).status_code == 303
    TASKS["settlement.sweep_payments"](units)

    with units(SYSTEM) as unit:
        assert set(unit.session.scalars(select(Payment.state))) == {"paid"}
        states = set(unit.session.scalars(select(GatewayEvent.state)))
    assert states <= {"applied", "ignored"}


def test_a_parked_message_of_own_payers_is_applied_again_on_the_page(
    client: TestClient[Litestar], units: Units, owed: Payables
):
    """R49, R59: what speaks of nobody's payment is the operator's; who only reads acts on none."""
    paid(units, owed, practice(units)[1])
    with units(SYSTEM) as unit:
        key = unit.session.scalars(select(Payment.key).where(Payment.kind == "collection")).one()
        for event_id, metadata in (("evt_ours", {"key": key}), ("evt_whose", {})):
            unit.session.add(
                GatewayEvent(
                    provider="stripe",
                    event_id=event_id,
                    kind="charge.succeeded",
                    body={"id": "py_1", "metadata": metadata},
                    state="parked",
                    because="could not be read",
                    received_at=unit.clock.now(),
                )
            )
    sign_in(client, "auditor-1")
    shown = client.get(PAGE).text
    assert "evt_ours" in shown and "evt_whose" not in shown and "Apply it again" not in shown

    sign_in(client, "maker-1")
    unsaid = send(client, f"{PAGE}/parked", event="evt_ours", because=" ")
    assert "only with its reason" in unsaid.text
    others = send(client, f"{PAGE}/parked", event="evt_whose", because="looked")
    assert "evt_whose" in others.text and "There is no" in others.text
    assert send(client, f"{PAGE}/parked", event="evt_ours", because="looked").status_code == 303
    assert "evt_ours" not in client.get(PAGE).text


def test_what_cannot_be_taken_back_is_given_up_on_the_runs_page(
    client: TestClient[Litestar], units: Units, owed: Payables
):
    """R41: the page says what to do about it, and the vendor why its bank is not paid."""
    sandbox, gateway = practice(units)
    paid(units, owed, gateway)
    credited(units, owed)
    sandbox.expect("reversals.create", Fault.DECLINED)
    number = released(units, owed, purpose=RunPurpose.REFUND)
    TASKS["settlement.pay"](units, number=number)
    with units(SYSTEM) as unit:
        key = unit.session.scalars(select(Payment.key).where(Payment.state == "failed")).one()
    sign_in(client, "vendor-1")
    assert "waits while a credit is taken back" in client.get("/vendor/payouts").text

    sign_in(client, "maker-1")
    address = f"{PAGE}/{number}"
    shown = client.get(address).text
    assert "give it up" in shown and "Give it up and set off 0.30 yuan later" in shown
    assert send(client, f"{address}/give-up", key="other:key").status_code == 404
    assert send(client, f"{address}/give-up", key=key).status_code == 303

    shown = client.get(address).text
    assert "Give it up" not in shown and "Withdrawn" in shown
    sign_in(client, "vendor-1")
    told = client.get("/vendor/payouts").text
    assert "waits while a credit is taken back" not in told and "0.30" in told


def test_a_refund_that_came_back_is_told_and_given_anew_on_the_runs_page(
    client: TestClient[Litestar], units: Units, owed: Payables
):
    """R41: though it had been paid, the page says what failed, and what to do about it."""
    sandbox, gateway = practice(units)
    paid(units, owed, gateway)
    credited(units, owed)
    number = released(units, owed, purpose=RunPurpose.REFUND)
    TASKS["settlement.pay"](units, number=number)
    with units(SYSTEM) as unit:
        key, refund = unit.session.execute(
            select(Payment.key, Payment.gateway_id).where(Payment.kind == "refund")
        ).one()
    sandbox.return_refund(str(refund))
    sandbox.deliver()

    sign_in(client, "maker-1")
    address = f"{PAGE}/{number}"
    shown = client.get(address).text
    assert "Declined" in shown and "The payer&#39;s money waits at the gateway" in shown
    assert send(client, f"{address}/retry", key=key).status_code == 303
    TASKS["settlement.pay"](units, number=number)
    assert "waits at the gateway" not in client.get(address).text


def test_withheld_tax_is_remitted_on_its_page_by_two_people(
    client: TestClient[Litestar], units: Units, owed: Payables
):
    """R64: what was withheld of whom, what is owed, and what the tax office got of it."""
    with units(SYSTEM) as unit:
        sells_as_a_teacher(unit, owed.other)
    _, gateway = practice(units)
    paid(units, owed, gateway)
    with units(SYSTEM) as unit:
        month, fen = unit.session.execute(select(Withholding.month, Withholding.tax_fen)).one()
    address, form = f"{PAGE}/taxes", {"month": f"{month:%Y-%m}", "paid_on": month.isoformat()}
    sign_in(client, "maker-1")
    assert address in client.get(PAGE).text
    shown = client.get(address).text
    assert owed.other.name in shown and yuan(fen) in shown
    wrong = send(client, address, **form, amount_yuan="x", reference="R-1").text
    assert "amount" in wrong and "Propose to record it" in wrong
    more = send(client, address, **form, amount_yuan="999", reference="R-1").text
    assert "is not within" in more
    told = send(client, address, **form, amount_yuan=yuan(fen), reference="R-1")
    assert told.status_code == 303, told.text
    assert "Withdraw it" in client.get(address).text

    sign_in(client, "checker-1")
    assert f"Record {yuan(fen)} yuan as remitted" in client.get(address).text
    number = f"{owed.market.bureau.code}-T-{month:%Y-%m}-01"
    assert "only with its reason" in send(client, f"{address}/{number}/return", note=" ").text
    assert send(client, f"{address}/{number}/check").status_code == 303
    shown = client.get(address).text
    assert "Recorded" in shown and "R-1" in shown and "Propose to record it" not in shown
    sign_in(client, "auditor-1")
    shown = client.get(address)
    assert shown.status_code == 200 and "Take back" not in shown.text


def test_what_was_remitted_wrongly_is_taken_back_on_its_page(
    client: TestClient[Litestar], units: Units, owed: Payables
):
    """R64: with its own paper and reason, by two people; what is wrong stands beside its field."""
    with units(SYSTEM) as unit:
        sells_as_a_teacher(unit, owed.other)
    _, gateway = practice(units)
    paid(units, owed, gateway)
    with units(SYSTEM) as unit:
        month, fen = unit.session.execute(select(Withholding.month, Withholding.tax_fen)).one()
    address, day = f"{PAGE}/taxes", month.isoformat()
    number = f"{owed.market.bureau.code}-T-{month:%Y-%m}-01"
    sign_in(client, "maker-1")
    remit = {"month": f"{month:%Y-%m}", "paid_on": day, "amount_yuan": yuan(fen)}
    send(client, address, **remit, reference="R-1")
    assert "Propose to take it back" not in client.get(address).text, "it is not recorded yet"
    sign_in(client, "checker-1")
    send(client, f"{address}/{number}/check")

    sign_in(client, "maker-1")
    assert f"{number}, receipt R-1: {yuan(fen)} yuan stand" in client.get(address).text
    form = {"number": number, "back_yuan": "0.02", "paper": "T-1", "back_on": day}
    back = f"{address}/taken-back"
    assert "only with its reason" in send(client, back, **form).text
    assert "amount" in send(client, back, **form | {"back_yuan": "x"}, because="x").text
    late = send(client, back, **form | {"back_on": "2090-01-01"}, because="x").text
    assert "at latest" in late and "field-back_on" in late
    more = send(client, back, **form | {"back_yuan": "999"}, because="x").text
    assert "still stands for" in more
    assert send(client, back, **form | {"number": "none"}, because="x").status_code == 404
    assert send(client, back, **form, because="登记有误").status_code == 303

    sign_in(client, "checker-1")
    assert "Record 0.02 yuan as taken back" in client.get(address).text
    told = send(client, f"{address}/{number[:-2]}02/check")
    assert told.status_code == 303
    shown = client.get(address).text
    assert "-0.02" in shown.replace("−", "-") and "登记有误" in shown
    assert f"{yuan(fen - 2)} yuan stand" in shown


def test_what_is_wrong_with_a_proposal_is_said_beside_its_field(
    client: TestClient[Litestar], units: Units
):
    sign_in(client, "maker-1")

    assert "Write the month like 2026-03." in send(client, PAGE, month="?", method="gateway").text
    assert "Choose how it is paid." in send(client, PAGE, month="2026-03", method="cash").text
    nothing = send(client, PAGE, month="2026-02", method="treasury")
    assert "Nothing that was stated up to 2026-02" in nothing.text


def test_an_auditor_reads_and_exports_and_does_nothing(client: TestClient[Litestar], units: Units):
    address = a_run(client, units)
    sign_in(client, "auditor-1")

    shown = client.get(address)
    assert shown.status_code == 200
    assert "Release" not in shown.text.replace("Released", "")
    export = client.get(address, params={"format": "csv"})
    assert export.headers["content-type"].startswith("text/csv")
    assert export.text.count("\n") == 4
    assert send(client, f"{address}/release").status_code == 403


def test_treasury_orders_are_handed_out_as_a_file(client: TestClient[Litestar], units: Units):
    sign_in(client, "maker-1")
    address = send(client, PAGE, month="2026-03", method="treasury").headers["location"]
    assert send(client, f"{address}/orders").status_code == 409
    sign_in(client, "checker-1")
    send(client, f"{address}/release")

    answer = send(client, f"{address}/orders")

    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.text.count("\n") == 6
    with units(SYSTEM) as unit:
        assert set(unit.session.scalars(select(Payment.state))) == {"sent"}


def test_a_vendor_completes_what_the_gateway_needs_to_know(
    client: TestClient[Litestar], units: Units, owed: Payables
):
    sign_in(client, "vendor-1")
    assert send(client, "/vendor/payouts/onboarding").status_code == 404
    _, gateway = practice(units)
    know_payees(units, SYSTEM, gateway)
    with units(SYSTEM) as unit:
        party = unit.session.get_one(GatewayParty, (owed.market.vendor.id, "payee"))
        party.ready = False

    assert "/vendor/payouts/onboarding" in client.get("/vendor/payouts").text
    told = send(client, "/vendor/payouts/onboarding")
    assert told.status_code == 303
    assert "/vendor/payouts#link_" in told.headers["location"]


def test_tax_that_came_back_is_not_told_as_due(
    client: TestClient[Litestar], units: Units, owed: Payables
):
    """R64: the vendor sees what is its own, and beside it what goes to the tax office again."""
    with units(SYSTEM) as unit:
        sells_as_a_teacher(unit, owed.market.vendor)
    number = released(units, owed, method=PaymentMethod.TREASURY)
    with units(owed.maker) as unit:
        export_orders(unit, number)
        tax = unit.session.scalars(select(Payment).where(Payment.kind == "withholding")).one()
        rows = [
            ReturnRow(
                order_no=one.key,
                voucher_no=one.key,
                result="returned" if one.kind == "withholding" else "paid",
                amount_fen=one.amount_fen,
            )
            for one in unit.session.scalars(select(Payment))
        ]
        assert {one.fate for one in record_returns(unit, rows)} == {"accepted"}

    sign_in(client, "vendor-1")
    shown = " ".join(client.get("/vendor/payouts").text.split())
    due = shown.split("Due, in no run yet")[1].split("In a payment run")[0]
    again = shown.split("Tax to be paid over again")[1]
    assert yuan(tax.amount_fen) not in due
    assert again.index(yuan(tax.amount_fen)) < again.index("sent back by a treasury") + 200
