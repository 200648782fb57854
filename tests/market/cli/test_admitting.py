"""`market admit`: what a reviewer may not decide is left to a colleague, and said (R13)."""

from catalog.reviewers import declare_interest
from kernel.unit import Units
from tests.market.cli.conftest import Market
from tests.support.admission_builders import a_desk


def test_what_is_left_to_a_colleague_is_said(market: Market, units: Units) -> None:
    """R13: how many of which vendor, and that the others were taken all the same."""
    desk = a_desk(units)
    for sku in ("A", "B"):
        desk.submitted(sku)
    with units(desk.second) as unit:
        declare_interest(unit, vendor_code=desk.firm.code, reason="亲属任职")

    done = market("admit", "--propose-as", "first", "--decide-as", "second", "--note", "核对")
    assert done.status == 0
    assert done.out.split() == ["proposed", "2", "listed", "0"]
    left = f"2 of {desk.firm.code} left to a colleague: second has an interest in that vendor.\n"
    assert left in done.err and "first has an interest" not in done.err

    again = market("admit", "--decide-as", "second", "--note", "核对", "--json")
    assert again.json["left_to_others"] == {"second": {desk.firm.code: 2}}
    rest = market("admit", "--decide-as", "third", "--note", "核对", "--json")
    assert rest.json == {"proposed": 0, "listed": 2, "left_to_others": {"third": {}}}
