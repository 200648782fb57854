"""What a quantity costs under each plan, by examples worked out by hand (R33, R64)."""

from decimal import Decimal
from typing import Any

import pytest

from catalog.plans import is_free
from kernel.errors import InvalidInput
from settlement.pricing import Metric, check_terms, learner_cap_of, metric_of, price

TIERS = [{"up_to": 1000, "unit_price": "0.0200"}, {"up_to": None, "unit_price": "0.0100"}]


def terms(plan: str = "per_use", unit_price: str = "0.0200", **more: Any) -> dict[str, Any]:
    return {"plan": plan, "unit_price": unit_price, "fee_rate": "0.0500", **more}


@pytest.mark.parametrize(
    ("frozen", "quantity", "amount_fen", "arithmetic"),
    [
        (terms(), 2315, 4630, "2,315 × 0.0200 = 46.30"),
        (terms(), 0, 0, "0 × 0.0200 = 0.00"),
        (terms(unit_price="0.0150"), 1, 2, "1 × 0.0150 = 0.02"),  # 1.5 fen goes to the even 2
        (terms(unit_price="0.0250"), 1, 2, "1 × 0.0250 = 0.02"),  # 2.5 fen goes to the even 2
        (terms(unit_price="0.0000"), 999, 0, "999 × 0.0000 = 0.00"),
        (terms("per_unique_use", "0.5000"), 31, 1550, "31 × 0.5000 = 15.50"),
        (terms("per_learner", "3.0000"), 210, 63000, "210 × 3.0000 = 630.00"),
        (terms("per_class", "2.5000"), 18, 4500, "18 × 2.5000 = 45.00"),
        (terms("flat", "300.0000"), 1, 30000, "1 × 300.0000 = 300.00"),
        (terms("flat", "300.0000"), 0, 0, "0 × 300.0000 = 0.00"),
        (
            terms(free_allowance=100, period_cap="30.0000", tiers=TIERS),
            2315,
            3000,
            "2,315 − 100 free = 2,215; 1,000 × 0.0200 + 1,215 × 0.0100 = 32.15; capped at 30.00",
        ),
        (
            terms(free_allowance=100, period_cap="40.0000", tiers=TIERS),
            2315,
            3215,
            "2,315 − 100 free = 2,215; 1,000 × 0.0200 + 1,215 × 0.0100 = 32.15",
        ),
        (terms(tiers=TIERS), 1000, 2000, "1,000 × 0.0200 = 20.00"),
        (terms(tiers=TIERS), 1001, 2001, "1,000 × 0.0200 + 1 × 0.0100 = 20.01"),
        (terms(free_allowance=100), 100, 0, "100 − 100 free = 0; 0 × 0.0200 = 0.00"),
        (terms(free_allowance=100), 40, 0, "40 − 40 free = 0; 0 × 0.0200 = 0.00"),
        # What is cut at the cap was not rounded before.
        (
            terms(unit_price="0.1005", period_cap="100.0000"),
            1015,
            10000,
            "1,015 × 0.1005 = 102.0075; capped at 100.00",
        ),
    ],
)
def test_a_quantity_is_priced_by_its_plan(
    frozen: dict[str, Any], quantity: int, amount_fen: int, arithmetic: str
) -> None:
    """R33: free allowance, tiers, cap, and one rounding, in this order."""
    priced = price(frozen, quantity)

    assert (priced.amount_fen, priced.arithmetic) == (amount_fen, arithmetic)
    assert priced.unit_price == Decimal(frozen["unit_price"])


def test_the_steps_carry_every_figure_of_the_arithmetic() -> None:
    """They are stored with the line, so plain text and numbers only."""
    frozen = terms(free_allowance=100, period_cap="30.0000", tiers=TIERS)

    assert price(frozen, 2315).steps == [
        {"kind": "free", "quantity": 2315, "free": 100, "left": 2215},
        {"kind": "price", "quantity": 1000, "unit_price": "0.0200", "yuan": "20.0000"},
        {"kind": "price", "quantity": 1215, "unit_price": "0.0100", "yuan": "12.1500"},
        {"kind": "cap", "yuan": "30.0000", "from_yuan": "32.1500"},
    ]


@pytest.mark.parametrize(
    ("plan", "metric"),
    [
        ("per_use", Metric.USES),
        ("per_unique_use", Metric.UNIQUE_USES),
        ("per_learner", Metric.LEARNERS),
        ("per_class", Metric.CLASS_SESSIONS),
        ("flat", Metric.PERIODS),
    ],
)
def test_each_plan_counts_its_own_unit(plan: str, metric: Metric) -> None:
    check_terms(terms(plan))
    assert metric_of(terms(plan)) is metric


def test_a_learner_cap_is_for_the_count() -> None:
    capped = terms(learner_cap=20)
    check_terms(capped)
    assert (learner_cap_of(capped), learner_cap_of(terms())) == (20, None)
    assert price(capped, 500).amount_fen == 1000


@pytest.mark.parametrize(
    ("malformed", "field"),
    [
        (terms("per_month"), "plan"),
        ({"unit_price": "0.0200"}, "plan"),
        ({"plan": "per_use"}, "unit_price"),
        (terms(unit_price="-0.0200"), "unit_price"),
        (terms(unit_price="0.02005"), "unit_price"),
        (terms(unit_price="100000.01"), "unit_price"),
        ({"plan": "per_use", "unit_price": 0.02}, "unit_price"),
        (terms(tiers=[]), "tiers"),
        (terms(tiers=[{"up_to": 1000, "unit_price": "0.0200"}]), "tiers"),
        (terms(tiers=[TIERS[0], {"up_to": 500, "unit_price": "0.01"}, TIERS[1]]), "tiers"),
        (terms(tiers=[TIERS[0], TIERS[0], TIERS[1]]), "tiers"),
        (terms(tiers=[TIERS[1], TIERS[1]], unit_price="0.0100"), "tiers"),
        (terms(tiers=[{"up_to": None, "unit_price": "-1"}]), "tiers"),
        (terms(tiers=[{"upto": None, "unit_price": "0.0200"}]), "tiers"),
        (terms(tiers=TIERS, unit_price="0.0300"), "unit_price"),
        (terms(free_allowance=-1), "free_allowance"),
        (terms(free_allowance="100"), "free_allowance"),
        (terms(free_allowance=True), "free_allowance"),
        (terms(period_cap="-1.0000"), "period_cap"),
        (terms(period_cap="0.0000"), "period_cap"),
        (terms(learner_cap=0), "learner_cap"),
        (terms("per_learner", learner_cap=5), "learner_cap"),
        (terms("per_class", learner_cap=5), "learner_cap"),
        (terms("flat", period_cap="10.0000"), "period_cap"),
        (terms("flat", free_allowance=1), "free_allowance"),
        (terms("flat", tiers=TIERS), "tiers"),
    ],
)
def test_malformed_terms_are_refused_with_their_key(malformed: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_terms(malformed)
    assert refused.value.facts["field"] == field


def test_a_plan_is_free_only_if_all_its_prices_are_zero() -> None:
    """The first tier may cost nothing and the next something."""
    late = [{"up_to": 10, "unit_price": "0.0000"}, {"up_to": None, "unit_price": "0.0100"}]
    assert is_free(terms(unit_price="0.0000"))
    assert not is_free(terms(unit_price="0.0000", tiers=late))
    assert not is_free(terms())


def test_a_quantity_below_zero_or_an_unknown_plan_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="negative"):
        price(terms(), -1)
    with pytest.raises(ValueError, match="per_month"):
        price(terms("per_month"), 1)
