"""`market payments`, `pay` and `reconcile`, from what is due to zero differences."""

import csv
from pathlib import Path

import pytest
from sqlalchemy import select

from kernel.actors import Role
from kernel.unit import Units
from settlement.payment_models import GatewayEvent, Payment
from tests.market.cli.conftest import Market
from tests.support.builders import a_person
from tests.support.payment_builders import Payables, payables, released
from tests.support.settlement_builders import SYSTEM


@pytest.fixture
def owed(units: Units) -> Payables:
    found = payables(units)
    with units(SYSTEM) as unit:
        for login in ("maker", "checker"):
            a_person(unit, found.market.bureau, [Role.BUREAU_FINANCE], login=login)
    return found


def test_only_what_two_people_released_is_paid(market: Market, owed: Payables):
    made = market("payments", "propose", "2026-03", "--as", "maker", "--json")
    number = made.json["number"]

    assert "No run of this period is released" in market("pay", "2026-03").out
    refused = market("payments", "release", number, "--as", "maker")
    assert (refused.status, number in refused.err) == (1, True)
    assert market("payments", "release", number, "--as", "checker").status == 0
    paid = market("pay", "2026-03", "--json")
    assert (paid.status, paid.json["runs"]) == (0, {number: {"paid": 4}})
    assert market("pay", "2026-03", "--json").json["runs"] == {number: {"paid": 4}}

    assert market("reconcile", "2026-03", "--json").json["clean"] is True
    assert "Our books are what" in market("reconcile", "2026-03").out
    assert "nothing to compare" in market("reconcile", "2026-04").out
    assert market("verify").status == 0
    (row,) = market("payments", "list", "--json").json
    assert (row["state"], row["paid_fen"]) == ("paid", 1_742)


def test_orders_go_out_and_come_back_as_files(market: Market, owed: Payables, tmp_path: Path):
    """R63: the whole way of a treasury's payment by commands."""
    number = market(
        *("payments", "propose", "2026-03", "--method", "treasury", "--as", "maker", "--json")
    ).json["number"]
    market("payments", "release", number, "--as", "checker")
    out, back = tmp_path / "orders.csv", tmp_path / "returns.csv"
    assert market("payments", "orders", number, "-o", out, "--as", "maker").status == 0
    with out.open(encoding="utf-8-sig", newline="") as file:
        orders = list(csv.DictReader(file))
    with back.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["order_no", "voucher_no", "result", "amount_yuan", "reason"])
        for place, order in enumerate(orders):
            writer.writerow([order["order_no"], f"V{place}", "已支付", order["amount_yuan"], ""])

    taken = market("import", "treasury-returns", back, "--as", "maker", "--json")

    assert taken.json["accepted"] == len(orders) == 5
    assert market("payments", "list", "--json").json[0]["state"] == "paid"
    assert market("verify").status == 0


def test_a_held_vendor_is_left_out_until_it_is_lifted(market: Market, owed: Payables):
    vendor = owed.market.vendor.code
    assert market("payments", "hold", vendor, "--because", "资料复核").status == 0
    first = market(
        *("payments", "propose", "2026-03", "--method", "treasury", "--as", "maker", "--json")
    )
    assert market("payments", "list", "--json").json[0]["amount_fen"] == 1_742 - 930
    assert market("payments", "withdraw", first.json["number"], "--as", "maker").status == 0
    assert market("payments", "lift", vendor).status == 0
    assert market("payments", "lift", vendor).status == 1
    market("payments", "propose", "2026-03", "--method", "treasury", "--as", "maker")
    assert market("payments", "list", "--json").json[0]["amount_fen"] == 1_742


def test_a_message_that_stays_parked_is_an_error(market: Market, units: Units, owed: Payables):
    number = released(units, owed)
    with units(SYSTEM) as unit:
        key = unit.session.scalars(select(Payment.key).where(Payment.kind == "collection")).one()
        unit.session.add(
            GatewayEvent(
                provider="stripe",
                event_id="evt_wrong",
                kind="payment_intent.succeeded",
                body={"id": "pi_1", "amount": 5, "status": "succeeded", "metadata": {"key": key}},
                state="parked",
                because="5 fen",
                received_at=unit.clock.now(),
            )
        )
    assert key.startswith(number)

    told = market("payments", "apply", "evt_wrong", "--because", "asked the gateway")

    assert (told.status, "parked" in told.out) == (1, True)
