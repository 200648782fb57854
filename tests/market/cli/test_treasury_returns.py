"""A treasury's return file, by a command and on a page: each row by itself (R63)."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import select

from kernel.actors import Role
from kernel.identity.grants import actor_of
from kernel.identity.models import LoginHolder, PersonPrivate
from kernel.money import yuan
from kernel.settings import Settings
from kernel.trail import TrailRow
from kernel.unit import Units
from settlement.payment_models import Payment, TreasuryReturn
from settlement.payments.runs import release_run
from settlement.payments.states import PaymentMethod
from settlement.payments.treasury import ReturnRow, export_orders, record_returns
from settlement.queries.treasury_returns import unknown_returns
from settlement.verify.recompute import verify
from tests.market.cli.conftest import Market
from tests.support.accounts import PASSWORD
from tests.support.application import an_app
from tests.support.builders import a_person
from tests.support.passwords import cheap_passwords
from tests.support.payment_builders import Payables, payables, proposed, released
from tests.support.settlement_builders import SYSTEM
from tests.support.site_builders import counted_queries, csrf_token, sign_in

PAGE = "/bureau/payments/returns"
HEADER = "order_no,voucher_no,result,amount_yuan,reason"


@pytest.fixture
def owed(units: Units) -> Payables:
    found = payables(units)
    with cheap_passwords(), units(SYSTEM) as unit:
        for login, role in (("maker", Role.BUREAU_FINANCE), ("auditor", Role.AUDITOR)):
            a_person(unit, found.market.bureau, [role], login=login, password=PASSWORD)
    return found


@pytest.fixture
def client(settings: Settings, units: Units, owed: Payables) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(settings, units)) as client:
        client.headers.update({"accept": "text/html", "accept-language": "en"})
        yield client


def a_return_file(units: Units, owed: Payables) -> tuple[str, str]:
    """Return a file of all orders, the first paid in part, one row unknown; and the first's key."""
    number = released(units, owed, method=PaymentMethod.TREASURY)
    with units(owed.maker) as unit:
        content = export_orders(unit, number).decode("utf-8-sig")
    first, *others = csv.DictReader(io.StringIO(content))
    lines = [HEADER, f"{first['order_no']},V0,paid,0.01,"]
    lines += [f"{one['order_no']},V{n},paid,{one['amount_yuan']}," for n, one in enumerate(others)]
    return "\n".join([*lines, "NO-SUCH,VX,paid,5.00,"]), first["order_no"]


def left_open(units: Units) -> tuple[list[str], list[str]]:
    """Return the orders that are not paid whole, and those of the rows that fit none."""
    with units(SYSTEM) as unit:
        orders = unit.session.scalars(select(Payment.key).where(Payment.state != "paid")).all()
        return list(orders), [one.order_no for one in unknown_returns(unit)]


def test_a_file_with_an_unknown_row_is_taken_but_for_that_row(
    market: Market, units: Units, owed: Payables, tmp_path: Path
):
    """R63: exactly the partial one and the unknown one stay open; the unknown one is reported."""
    text, partial = a_return_file(units, owed)
    path, rejects = tmp_path / "returns.csv", tmp_path / "rejects.csv"
    path.write_text(text, encoding="utf-8")
    command = ("import", "treasury-returns", path, "--as", "maker", "--json")

    tried = market(*command, "--dry-run")
    assert (tried.json["accepted"], left_open(units)[1]) == (5, [])
    taken = market(*command, "--rejects", rejects)

    assert (taken.status, taken.json["received"]) == (0, 6)
    assert (taken.json["accepted"], taken.json["rejected"]) == (5, 1)
    assert "row 7, order_no" in taken.err
    (reject,) = csv.DictReader(io.StringIO(rejects.read_text(encoding="utf-8-sig")))
    assert (reject["order_no"], reject["code"]) == ("NO-SUCH", "not-found")
    assert left_open(units) == ([partial], ["NO-SUCH"])
    again = market(*command)
    assert (again.status, again.json["duplicates"], again.json["rejected"]) == (0, 6, 0)
    assert verify(units, SYSTEM) == []


def test_what_can_be_read_of_a_file_is_taken(
    market: Market, units: Units, owed: Payables, tmp_path: Path
):
    text, partial = a_return_file(units, owed)
    path = tmp_path / "returns.csv"
    path.write_text(f"{text}\n{partial},V9,perhaps,1.00,\n{partial},V0,paid,0.02,")

    taken = market("import", "treasury-returns", path, "--as", "maker", "--json").json

    counts = {name: taken[name] for name in ("received", "accepted", "conflicts", "rejected")}
    assert counts == {"received": 8, "accepted": 5, "conflicts": 1, "rejected": 2}
    path.write_text(f"{HEADER}\nNO-SUCH-EITHER,V1,paid,1.00,")
    assert market("import", "treasury-returns", path, "--as", "maker").status == 1


def test_a_return_file_is_sent_on_the_page(
    client: TestClient[Litestar], units: Units, owed: Payables
):
    """R63: by who may order payments; who only reads sees what fits no order."""
    text, partial = a_return_file(units, owed)
    sign_in(client, "maker")

    def send(content: str):
        form = {"csrf_token": csrf_token(client)}
        files = {"file": ("returns.csv", content.encode(), "text/csv")}
        return client.post(f"{PAGE}/import", data=form, files=files)

    told = send(text)

    assert told.status_code == 200
    assert "Of 6 rows of returns.csv, 5 were taken" in told.text
    assert "There is no treasury order" in told.text
    assert left_open(units) == ([partial], ["NO-SUCH"])
    with units(SYSTEM) as unit:
        assert set(unit.session.scalars(select(TreasuryReturn.bureau_id))) == {
            owed.market.bureau.id
        }
    assert send("not a table").status_code == 422
    assert PAGE in client.get("/bureau/payments").text
    sign_in(client, "auditor")
    shown = client.get(PAGE)
    assert (shown.status_code, "NO-SUCH" in shown.text) == (200, True)
    assert 'type="file"' not in shown.text
    assert send(text).status_code == 403


def test_an_unknown_row_is_dismissed_with_its_reason_and_stays(
    client: TestClient[Litestar], units: Units, owed: Payables
):
    """R63, R59: the list of what is open ends, and nothing of it is lost."""
    with units(owed.maker) as unit:
        record_returns(
            unit,
            [ReturnRow(order_no="NO-SUCH", voucher_no="VX", result="paid", amount_fen=500)],
        )
        (row,) = unknown_returns(unit)
    sign_in(client, "maker")

    def dismiss(because: str):
        form = {"csrf_token": csrf_token(client), "row": str(row.id), "because": because}
        return client.post(f"{PAGE}/dismiss", data=form)

    refused = dismiss(" ")
    assert (refused.status_code, "only with its reason" in refused.text) == (422, True)
    shown = dismiss("paid by hand, another office's")

    assert "paid by hand, another office&#39;s" in shown.text
    with units(SYSTEM) as unit:
        assert unknown_returns(unit) == []
        assert unit.session.scalars(select(TreasuryReturn.order_no)).all() == ["NO-SUCH"]
        told = unit.session.scalars(
            select(TrailRow).where(TrailRow.act == "treasury_return.dismissed")
        ).one()
    assert (told.subject_id, told.facts["amount_fen"]) == ("NO-SUCH VX", 500)
    again = dismiss("once more")
    assert (again.status_code, "already" in again.text) == (422, True)
    sign_in(client, "auditor")
    assert "paid by hand" in client.get(PAGE).text
    assert dismiss("not mine to say").status_code == 403


def test_a_row_that_was_not_taken_says_why_and_what_to_do(
    client: TestClient[Litestar], units: Units, owed: Payables
):
    """R63: by what is so now, with the person who read it by name."""
    number = proposed(units, owed, method=PaymentMethod.TREASURY)
    with units(SYSTEM) as unit:
        early, paid, partly = unit.session.scalars(select(Payment).order_by(Payment.key)).all()[:3]
    with units(SYSTEM) as unit:
        reader = unit.session.scalars(
            select(PersonPrivate)
            .join(LoginHolder, LoginHolder.person_id == PersonPrivate.person_id)
            .where(LoginHolder.login == "maker")
        ).one()
        reader.name = "周乐"

    def returned(order_no: str, voucher_no: str, amount_fen: int, result: str = "paid") -> None:
        row = ReturnRow(
            order_no=order_no, voucher_no=voucher_no, result=result, amount_fen=amount_fen
        )
        with units(maker) as unit:
            record_returns(unit, [row])

    with units(SYSTEM) as unit:
        maker = actor_of(unit, person_id=reader.person_id, via="test")
    returned(early.key, "V1", early.amount_fen)
    with units(owed.checker) as unit:
        release_run(unit, number)
    returned(paid.key, "V2", paid.amount_fen)
    returned(paid.key, "V3", 1)
    returned(partly.key, "V4", partly.amount_fen - 1)
    returned(partly.key, "V5", 2)
    returned(partly.key, "V6", 1, "returned")  # taken: the rest comes back
    returned(partly.key, "V7", partly.amount_fen, "returned")
    returned("NO-SUCH", "V8", 5)
    sign_in(client, "auditor")

    with counted_queries(units.engine) as sent:
        client.get(PAGE)
    assert len(sent) <= 12
    rows = csv.DictReader(io.StringIO(client.get(PAGE, params={"format": "csv"}).text[1:]))
    told = {row["Voucher"]: row for row in rows}
    why = {voucher: row["What is wrong, and what to do"] for voucher, row in told.items()}

    kept = yuan(partly.amount_fen - 1)
    assert why["V1"] == "It fits its order by now. Send the row again."
    assert why["V3"].startswith("Nothing of the order is open any more. Ask the treasury")
    assert why["V5"].startswith("Nothing of the order is open any more")
    assert why["V7"].startswith(f"The order can take 0.01–{kept} yuan by such a row.")
    assert why["V8"].startswith("No order of your payers has this number. Correct it")
    assert told.keys() == {"V1", "V3", "V5", "V7", "V8"}
    assert {row["Read by"] for row in told.values()} == {"周乐 maker"}
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(client.headers, "accept-language", "zh-CN")
        assert "期限" not in client.get(PAGE).text
