"""Treasury payment: one order per payee and line, and the file that comes back (R63)."""

import csv
import io
from dataclasses import replace

import pytest
from sqlalchemy import delete, select, text

from kernel.actors import Actor, Role
from kernel.errors import Conflict, NothingToPay, NotReleased
from kernel.identity.regions import RegionRow, record_regions
from kernel.outcomes import Fate
from kernel.unit import Units
from settlement.dues import dues, paid_of
from settlement.funding_lines import line_balances
from settlement.ledger.posting import INSTALLATION, AccountKind
from settlement.payment_models import Payment, TreasuryReturn
from settlement.payments.bank_accounts import BankAccountRow, record_bank_accounts
from settlement.payments.parts import open_dues
from settlement.payments.plans import LeftOut, plan_run
from settlement.payments.states import PaymentMethod
from settlement.payments.treasury import ReturnRow, export_orders, order_rest_again, record_returns
from settlement.payout_models import BankAccount
from settlement.queries.payments import payment_run
from settlement.queries.treasury_returns import unknown_returns
from settlement.verify.recompute import verify
from tests.support.builders import a_bureau, a_person, took
from tests.support.payment_builders import (
    FEE_FEN,
    HELD_FEN,
    TOTAL_FEN,
    Payables,
    a_bank_account,
    balance,
    held_at_gateway,
    payables,
    proposed,
    released,
)
from tests.support.settlement_builders import SYSTEM

TREASURY = PaymentMethod.TREASURY


@pytest.fixture
def owed(units: Units) -> Payables:
    return payables(units)


def orders_of(units: Units, owed: Payables, number: str) -> list[dict[str, str]]:
    with units(owed.maker) as unit:
        content = export_orders(unit, number)
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


def returned(units: Units, owed: Payables, *rows: ReturnRow) -> list[Fate]:
    with units(owed.maker) as unit:
        return [one.fate for one in record_returns(unit, rows)]


def a_return(order: dict[str, str], voucher: str, *, amount_fen: int, result: str = "paid"):
    return ReturnRow(
        order_no=order["order_no"], voucher_no=voucher, result=result, amount_fen=amount_fen
    )


def fen(order: dict[str, str]) -> int:
    return int(order["amount_yuan"].replace(".", ""))


def test_each_payee_has_an_order_of_each_line_and_the_file_is_the_same_again(
    units: Units, owed: Payables
):
    """R63: nothing passes through the platform, which gets its fee by an order as well."""
    number = released(units, owed, method=TREASURY)
    orders = orders_of(units, owed, number)

    assert orders == orders_of(units, owed, number)
    assert len({one["order_no"] for one in orders}) == len(orders) == 5
    assert {one["payee_code"] for one in orders} == {
        owed.market.vendor.code,
        owed.other.code,
        "platform",
    }
    assert sum(map(fen, orders)) == TOTAL_FEN - HELD_FEN
    assert sum(fen(one) for one in orders if one["payee_code"] == "platform") == FEE_FEN
    assert {one["source"] for one in orders} == {"per_student", "surcharge"}


def test_what_two_people_did_not_release_is_no_order(units: Units, owed: Payables):
    number = proposed(units, owed, method=TREASURY)
    with pytest.raises(NotReleased), units(owed.maker) as unit:
        export_orders(unit, number)


def test_a_file_with_a_partial_and_an_unknown_row_leaves_exactly_these_open(
    units: Units, owed: Payables
):
    """R63: what was paid is paid, the rest of the partial one is open, the unknown one is kept."""
    number = released(units, owed, method=TREASURY)
    orders = orders_of(units, owed, number)
    partial, whole = orders[0], orders[1:]
    rows = [a_return(one, f"V{n}", amount_fen=fen(one)) for n, one in enumerate(whole)]
    rows.append(a_return(partial, "V-part", amount_fen=fen(partial) - 7))
    rows.append(ReturnRow(order_no="???", voucher_no="V-x", result="paid", amount_fen=500))

    fates = returned(units, owed, *rows)

    assert fates == [Fate.ACCEPTED] * len(orders) + [Fate.REJECTED]
    assert returned(units, owed, *rows) == [Fate.DUPLICATE] * (len(orders) + 1)
    with units(SYSTEM) as unit:
        open_orders = unit.session.scalars(select(Payment.key).where(Payment.state != "paid")).all()
        unknown = unknown_returns(unit)
        run = payment_run(unit, number)
    assert open_orders == [partial["order_no"]]
    assert [one.order_no for one in unknown] == ["???"]
    assert run.paid_fen == TOTAL_FEN - HELD_FEN - 7
    assert balance(units, owed.market.school.id, AccountKind.CLEARING) == HELD_FEN + 7
    assert verify(units, SYSTEM) == []
    assert returned(units, owed, a_return(partial, "V-rest", amount_fen=8)) == [Fate.REJECTED]
    assert returned(units, owed, a_return(partial, "V-rest2", amount_fen=7)) == [Fate.ACCEPTED]
    assert balance(units, INSTALLATION, AccountKind.BANK) == FEE_FEN
    assert held_at_gateway(units) == 0
    assert verify(units, SYSTEM) == []


def test_an_order_that_came_back_may_be_proposed_again(units: Units, owed: Payables):
    number = released(units, owed, method=TREASURY)
    first, second, *_ = orders_of(units, owed, number)
    paid_then_returned = [
        a_return(first, "V1", amount_fen=fen(first)),
        a_return(first, "V2", amount_fen=fen(first), result="returned"),
        a_return(second, "V3", amount_fen=fen(second), result="returned"),
    ]

    assert returned(units, owed, *paid_then_returned) == [Fate.ACCEPTED] * 3

    school = owed.market.school.id
    with units(SYSTEM) as unit:
        left = open_dues(dues(unit, [school]), paid_of(unit, [school]))
        lines = line_balances(unit, [owed.market.line_id, owed.other_line_id])
    assert sum(left.values()) == fen(first) + fen(second)
    assert sum(one.paid_fen for one in lines.values()) == 0
    assert verify(units, SYSTEM) == []
    again = released(units, owed, method=TREASURY)
    assert sum(map(fen, orders_of(units, owed, again))) == fen(first) + fen(second)
    with pytest.raises(NothingToPay):
        proposed(units, owed, method=TREASURY)


@pytest.mark.parametrize("by_file", [True, False], ids=["returned", "by hand"])
def test_the_rest_of_an_order_paid_in_part_is_ordered_again(
    units: Units, owed: Payables, by_file: bool
):
    """R63: what came through counts, the rest is due again, and nothing is paid twice."""
    units.settings = replace(units.settings, payout_minimum_fen=0)
    number = released(units, owed, method=TREASURY)
    first, *others = orders_of(units, owed, number)
    returned(
        units, owed, *(a_return(one, f"V{n}", amount_fen=fen(one)) for n, one in enumerate(others))
    )
    returned(units, owed, a_return(first, "V-part", amount_fen=fen(first) - 7))
    if by_file:
        rest = a_return(first, "V-back", amount_fen=7, result="returned")
        assert returned(units, owed, rest) == [Fate.ACCEPTED]
    else:
        with units(owed.maker) as unit:
            order_rest_again(unit, first["order_no"])
    assert verify(units, SYSTEM) == []

    (again,) = orders_of(units, owed, released(units, owed, method=TREASURY))

    assert (fen(again), again["payee_code"]) == (7, first["payee_code"])
    late = a_return(first, "V-late", amount_fen=7)
    assert returned(units, owed, late) == [Fate.REJECTED], "the treasury paid what was ordered anew"
    assert returned(units, owed, a_return(again, "V-again", amount_fen=7)) == [Fate.ACCEPTED]
    assert balance(units, owed.market.school.id, AccountKind.CLEARING) == HELD_FEN
    assert verify(units, SYSTEM) == []
    with pytest.raises(Conflict), units(owed.maker) as unit:
        order_rest_again(unit, first["order_no"])


def first_paid(units: Units, owed: Payables, *, less_fen: int = 0) -> tuple[dict[str, str], int]:
    """Send the orders of a run and have the first paid, less some fen; return it and its amount."""
    units.settings = replace(units.settings, payout_minimum_fen=0)
    number = released(units, owed, method=TREASURY)
    first, *others = orders_of(units, owed, number)
    rows = [a_return(one, f"V{n}", amount_fen=fen(one)) for n, one in enumerate(others)]
    rows.append(a_return(first, "V-first", amount_fen=fen(first) - less_fen))
    assert set(returned(units, owed, *rows)) == {Fate.ACCEPTED}
    return first, fen(first)


def due_again(units: Units, owed: Payables) -> int:
    school = owed.market.school.id
    with units(SYSTEM) as unit:
        return sum(open_dues(dues(unit, [school]), paid_of(unit, [school])).values())


def test_what_comes_back_of_a_paid_order_is_due_again_and_no_more(units: Units, owed: Payables):
    """R63: a part, then another, then the rest; each by its own amount."""
    first, whole = first_paid(units, owed)
    left = whole
    for number, back in enumerate((7, 5, whole - 12)):
        row = a_return(first, f"V-back-{number}", amount_fen=back, result="returned")
        assert returned(units, owed, row) == [Fate.ACCEPTED]
        assert returned(units, owed, row) == [Fate.DUPLICATE]
        left -= back
        assert due_again(units, owed) == whole - left
        assert balance(units, owed.market.school.id, AccountKind.CLEARING) == (
            HELD_FEN + whole - left
        )
        assert verify(units, SYSTEM) == []
    more = a_return(first, "V-more", amount_fen=1, result="returned")
    assert returned(units, owed, more) == [Fate.REJECTED], "nothing of it is left"
    late = a_return(first, "V-late", amount_fen=1)
    assert returned(units, owed, late) == [Fate.REJECTED], "its amount is due in another order"
    (again,) = orders_of(units, owed, released(units, owed, method=TREASURY))
    assert fen(again) == whole
    assert verify(units, SYSTEM) == []


def test_more_than_the_rest_of_an_order_comes_back_off_what_was_paid(units: Units, owed: Payables):
    first, whole = first_paid(units, owed, less_fen=10)

    rows = [a_return(first, "V-b", amount_fen=14, result="returned")]
    assert returned(units, owed, *rows) == [Fate.ACCEPTED]

    assert due_again(units, owed) == 14
    with units(SYSTEM) as unit:
        order = unit.session.scalars(select(Payment).where(Payment.key == first["order_no"])).one()
    assert (order.state, order.paid_fen) == ("cut", whole - 14)
    assert verify(units, SYSTEM) == []


@pytest.mark.parametrize(
    ("less_fen", "back_fen", "least"),
    [(10, 9, "0.10"), (10, None, "0.10"), (0, None, "0.01")],
    ids=["less than is still to be paid", "more than the order", "more than was paid"],
)
def test_an_amount_that_cannot_come_back_is_refused_by_name(
    units: Units, owed: Payables, less_fen: int, back_fen: int | None, least: str
):
    first, whole = first_paid(units, owed, less_fen=less_fen)
    row = a_return(first, "V-x", amount_fen=back_fen or whole + 1, result="returned")
    with units(owed.maker) as unit:
        (outcome,) = record_returns(unit, [row])
    assert (outcome.fate, outcome.field) == (Fate.REJECTED, "amount_yuan")
    assert outcome.error is not None
    assert outcome.error.facts["expected"] == f"{least}–{first['amount_yuan']}"
    assert due_again(units, owed) == 0
    assert verify(units, SYSTEM) == []


def test_of_an_order_not_paid_yet_a_part_comes_back_only_beside_what_is_paid(
    units: Units, owed: Payables
):
    """Whichever of the two the file names first."""
    number = released(units, owed, method=TREASURY)
    first, *_ = orders_of(units, owed, number)
    back = a_return(first, "V-back", amount_fen=7, result="returned")

    assert returned(units, owed, back) == [Fate.REJECTED]
    paid = a_return(first, "V-paid", amount_fen=fen(first) - 7)
    assert returned(units, owed, back, paid) == [Fate.ACCEPTED] * 2

    with units(SYSTEM) as unit:
        order = unit.session.scalars(select(Payment).where(Payment.key == first["order_no"])).one()
    assert (order.state, order.paid_fen) == ("cut", fen(first) - 7)
    assert verify(units, SYSTEM) == []


def test_an_order_keeps_the_bank_account_that_it_was_proposed_with(units: Units, owed: Payables):
    number = released(units, owed, method=TREASURY)
    before = orders_of(units, owed, number)
    with units(SYSTEM) as unit:
        a_bank_account(unit, owed.other, number="6222020200009999999")

    after = orders_of(units, owed, number)

    assert after == before
    own = {one["account_no"] for one in after if one["payee_code"] == owed.other.code}
    assert own == {"6222020200001234567"}
    assert {one["account_no"] for one in after if one["payee_code"] == "platform"} == {""}


def test_who_has_no_bank_account_is_left_out_with_the_reason(units: Units, owed: Payables):
    with units(SYSTEM) as unit:
        unit.session.execute(text("ALTER TABLE bank_account DISABLE TRIGGER USER"))
        unit.session.execute(
            delete(BankAccount).where(BankAccount.organisation_id == owed.other.id)
        )
        plan = plan_run(unit, None, method=TREASURY)
    assert [(one.payee_id, one.because) for one in plan.omitted] == [
        (owed.other.id, LeftOut.NO_ACCOUNT)
    ]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("number", "12 34"),
        ("number", "abc"),
        ("branch_code", "123"),
        ("holder", " "),
        ("code", "x"),
    ],
)
def test_a_bank_account_that_cannot_be_is_refused_with_its_field(
    units: Units, owed: Payables, field: str, value: str
):
    row = BankAccountRow(
        kind="vendor",
        code=owed.other.code,
        holder="甲公司",
        bank="某银行",
        number="6222020200001234567",
    )
    with units(SYSTEM) as unit:
        (outcome,) = record_bank_accounts(unit, [replace(row, **{field: value})])
    assert (outcome.fate, outcome.field) == (Fate.REJECTED, field)


def test_what_a_treasury_said_stays_as_it_said_it(units: Units, owed: Payables):
    number = released(units, owed, method=TREASURY)
    order = orders_of(units, owed, number)[0]
    returned(units, owed, a_return(order, "V1", amount_fen=1))

    assert returned(units, owed, a_return(order, "V1", amount_fen=2)) == [Fate.CONFLICT]
    with pytest.raises(Exception, match="append-only"), units(SYSTEM) as unit:
        unit.session.scalars(select(TreasuryReturn)).one().amount_fen = 3
        unit.session.flush()


def another_finance_person(units: Units) -> Actor:
    with units(SYSTEM) as unit:
        took(record_regions(unit, [RegionRow(code="990122", name="另一县")]))
        return a_person(unit, a_bureau(unit, region_code="990122"), [Role.BUREAU_FINANCE])


def test_another_bureaus_row_does_not_keep_out_the_owners(units: Units, owed: Payables):
    """R63: an unknown row is of who read it; the true one is matched, whoever sent it first."""
    order, *_ = orders_of(units, owed, released(units, owed, method=TREASURY))
    row = a_return(order, "V1", amount_fen=fen(order))
    with units(another_finance_person(units)) as unit:
        (other,) = record_returns(unit, [row])
        assert [one.order_no for one in unknown_returns(unit)] == [order["order_no"]]
    assert (other.fate, other.field) == (Fate.REJECTED, "order_no")

    assert returned(units, owed, row) == [Fate.ACCEPTED]

    assert returned(units, owed, row) == [Fate.DUPLICATE]
    with units(owed.maker) as unit:
        assert unknown_returns(unit) == []


def test_a_row_with_a_wrong_amount_is_corrected_under_its_voucher(units: Units, owed: Payables):
    """R63: once the right one is there, the wrong one is no open question any more."""
    order, *_ = orders_of(units, owed, released(units, owed, method=TREASURY))
    wrong = a_return(order, "V1", amount_fen=fen(order) * 100)
    right = a_return(order, "V1", amount_fen=fen(order))
    assert returned(units, owed, wrong, wrong) == [Fate.REJECTED, Fate.DUPLICATE]
    with units(owed.maker) as unit:
        assert [one.amount_fen for one in unknown_returns(unit)] == [fen(order) * 100]

    assert returned(units, owed, right) == [Fate.ACCEPTED]

    assert returned(units, owed, wrong) == [Fate.CONFLICT]
    with units(owed.maker) as unit:
        assert unknown_returns(unit) == []
    assert verify(units, SYSTEM) == []
