"""`market preview`, `simulate statement` and `explain` on the command line."""

import pytest

from kernel.actors import Role
from kernel.unit import Units
from settlement.closing import settle
from tests.support.builders import a_person
from tests.support.settlement_builders import MARCH, SYSTEM, Market, a_market, a_use, at, deliver
from tests.support.worlds import a_world

PRICE = ("--unit-price", "2.00")


@pytest.fixture
@a_world
def school(units: Units) -> Market:
    """A school with eight uses at 1 yuan in March, not settled yet."""
    school = a_market(units, unit_price="1.0000", ceiling_fen=1_000)
    deliver(units, [a_use(units, school, f"e{n}", at(2, 8, n)) for n in range(8)])
    return school


def test_a_preview_shows_what_would_be_billed(market, school):
    code = school.school.code
    found = market("preview", "2026-03", "--payer", code, "--json").json
    assert (found["amount_fen"], found["uncovered_fen"], len(found["lines"])) == (800, 0, 1)
    assert found["lines"][0]["arithmetic"] == "8 × 1.0000 = 8.00"
    assert found["lines"][0]["warns"]
    shown = market("preview", "2026-03").out
    assert "four fifths" in shown and "billed 8.00 yuan" in shown
    assert market("preview", "2026-03", "--payer", "none").status == 1
    assert market("preview", "2024-03").status == 1


def test_a_preview_says_that_a_ceiling_is_used_up_or_by_how_much_it_is_exceeded(
    market, school, units
):
    """R33: not that four fifths are used."""
    two = [a_use(units, school, f"f{n}", at(3, 8, n)) for n in range(2)]
    deliver(units, two, name="f.csv")
    shown = market("preview", "2026-03").out
    assert "the ceiling is used up" in shown and "four fifths" not in shown
    deliver(units, [a_use(units, school, "g", at(4))], name="g.csv")
    shown = market("preview", "2026-03").out
    assert "the ceiling is exceeded by 1.00, which is not paid" in shown
    assert "four fifths" not in shown


def test_a_simulation_shows_before_and_after(market, school):
    code = school.school.code
    found = market("simulate", "statement", "2026-03", *PRICE, "--json").json
    assert (found["before_fen"], found["after_fen"]) == (800, 1_000)
    assert found["lines"][0]["difference_fen"] == 200
    wider = market("simulate", "statement", "2026-03", *PRICE, "--ceiling", "20", "--json").json
    assert wider["after_fen"] == 1_600
    agreement = ("--agreement", f"{code}-A-1", "--tiers", "4:1.00;*:0.50", "--free-allowance", 2)
    text = market("simulate", "statement", "2026-03", "--payer", code, *agreement).out
    assert "8.00 → 5.00 yuan (-3.00)" in text
    pupils = market("simulate", "statement", "2026-03", "--pupils", f"{code}=900", "--json").json
    assert pupils["funding_lines"][0]["school"] == code


@pytest.mark.parametrize(
    "wrong",
    [
        ("--pupils", "x"),
        ("--pupils", "nowhere=3"),
        ("--unit-price", "cheap"),
        ("--tiers", "1000:0.02"),
        ("--agreement", "none", *PRICE),
        ("--plan", "flat", "--tiers", "1000:0.02;*:0.01"),
        ("--plan", "per_class", "--learner-cap", "2"),
    ],
)
def test_what_can_not_be_is_one_line_with_the_way_out(market, school, wrong):
    found = market("simulate", "statement", "2026-03", *wrong)
    assert found.status in {1, 2} and len(found.err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("wrong", "option"),
    [
        (("--plan", "flat", "--tiers", "1000:0.02;*:0.01"), "--tiers"),
        (("--plan", "flat", "--free-allowance", "5"), "--free-allowance"),
        (("--tiers", "1000:0.02"), "--tiers"),
        (("--tiers", "cheap"), "--tiers"),
        (("--unit-price", "99999999"), "--unit-price"),
    ],
)
def test_what_is_wrong_names_its_option(market, school, wrong, option):
    found = market("simulate", "statement", "2026-03", *wrong)
    assert found.status in {1, 2} and option in found.err


def test_a_vendor_is_told_what_is_paid_and_not_from_which_lines(market, units, school):
    settle(units, SYSTEM, MARCH)
    with units(SYSTEM) as unit:
        a_person(unit, school.vendor, [Role.VENDOR_MANAGER], login="seller")
    number = f"{school.school.code}-2026-03"
    shown = market("explain", number, "--as", "seller").out
    assert "paid for from the school's funding lines 8.00; uncovered 0.00" in shown
    assert "nothing" not in shown and "per_student" not in shown
    assert "2026" in market("explain", number).out.split("drawn: ")[1]


def test_a_statement_is_explained_in_both_languages(market, units, school):
    settle(units, SYSTEM, MARCH)
    number = f"{school.school.code}-2026-03"
    assert "8 × 1.0000 = 8.00" in market("explain", number).out
    assert "应付金额 8.00" in market("explain", number, "--language", "zh_CN").out
    assert len(market("explain", number, "--json").json["explained"]) == 1
    assert market("explain", number, "none").status == 1
