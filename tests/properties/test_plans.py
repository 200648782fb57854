"""What must always hold of prices, whatever the plan (R33, R38)."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from settlement.pricing import check_terms, metric_of, price
from tests.support.plans import plans, tiers

quantities = st.integers(0, 10**6)


def exact_fen(terms: dict[str, Any], quantity: int) -> Fraction:
    """Return the price unit by unit of the tiers, written apart from the product's way."""
    paid = max(quantity - terms.get("free_allowance", 0), 0)
    bounds = terms.get("tiers") or [{"up_to": None, "unit_price": terms["unit_price"]}]
    due, below = Fraction(0), 0
    for tier in bounds:
        end = paid if tier["up_to"] is None else tier["up_to"]
        due += max(min(paid, end) - below, 0) * Fraction(tier["unit_price"])
        below = end
    cap = terms.get("period_cap")
    return 100 * (due if cap is None else min(due, Fraction(cap)))


@given(plans(), quantities, quantities)
def test_more_use_never_costs_less(terms: dict[str, Any], one: int, other: int) -> None:
    check_terms(terms)
    less, more = sorted((one, other))
    assert price(terms, less).amount_fen <= price(terms, more).amount_fen


@given(plans())
def test_no_use_costs_nothing(terms: dict[str, Any]) -> None:
    assert price(terms, 0).amount_fen == 0


@given(plans(), quantities)
def test_an_amount_is_rounded_once(terms: dict[str, Any], quantity: int) -> None:
    """R38: no more than half a fen from what is exactly due, whatever steps led there."""
    assert abs(price(terms, quantity).amount_fen - exact_fen(terms, quantity)) <= Fraction(1, 2)


@given(tiers(), st.integers(0, 6_000))
def test_tiers_are_the_sum_over_single_units(bounds: list[dict[str, Any]], quantity: int) -> None:
    terms = {"plan": "per_use", "unit_price": bounds[0]["unit_price"], "tiers": bounds}
    each = (
        next(t["unit_price"] for t in bounds if t["up_to"] is None or unit <= t["up_to"])
        for unit in range(1, quantity + 1)
    )
    due = sum((Decimal(unit_price) for unit_price in each), Decimal(0))
    stepped = sum(Decimal(step["yuan"]) for step in price(terms, quantity).steps)
    assert stepped == due


@given(plans(), st.data())
def test_an_allowance_that_is_not_used_up_costs_nothing(
    terms: dict[str, Any], data: st.DataObject
) -> None:
    quantity = data.draw(st.integers(0, terms.get("free_allowance", 0)))
    assert price(terms, quantity).amount_fen == 0


@given(plans(), quantities)
def test_a_period_cap_holds(terms: dict[str, Any], quantity: int) -> None:
    if "period_cap" in terms:
        due = price(terms, quantity).amount_fen
        assert due <= Fraction(terms["period_cap"]) * 100 + Fraction(1, 2)


@given(plans(), quantities, st.randoms())
def test_the_order_of_the_terms_changes_nothing(
    terms: dict[str, Any], quantity: int, random: Any
) -> None:
    """R39: terms are stored as JSON, whose keys have no order."""
    keys = list(terms)
    random.shuffle(keys)
    shuffled = {key: terms[key] for key in keys}
    assert price(shuffled, quantity) == price(terms, quantity)
    assert metric_of(shuffled) is metric_of(terms)
