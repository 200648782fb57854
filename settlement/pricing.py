"""Prices: pure functions from frozen terms and a quantity to an amount, with its arithmetic.

Knows nothing of ceilings, lines or the database. Quantity − free allowance → tiers or unit price →
period cap, all exact; the fen are rounded once, at the end. Prices include tax (R64).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from catalog.plans import Plan, check_plan, plan_of
from kernel.money import round_to_fen, split_by_largest_remainder, whole_numbers
from settlement.arithmetic import Step, arithmetic_text

PRICE_PLACES = Decimal("0.0001")


class Metric(StrEnum):
    """What a plan counts; the name stands on each statement line."""

    USES = "uses"
    UNIQUE_USES = "unique_uses"
    LEARNERS = "learners"
    CLASS_SESSIONS = "class_sessions"
    PERIODS = "periods"


METRICS: Final = {
    Plan.PER_USE: Metric.USES,
    Plan.PER_UNIQUE_USE: Metric.UNIQUE_USES,
    Plan.PER_LEARNER: Metric.LEARNERS,
    Plan.PER_CLASS: Metric.CLASS_SESSIONS,
    Plan.FLAT: Metric.PERIODS,
}


@dataclass(frozen=True, slots=True)
class Price:
    """An amount in fen and how it came about: `2,315 × 0.0200 = 46.30`.

    `unit_price` is the plan's first price; `steps` are the figures of the arithmetic, as they are
    stored with a line.
    """

    amount_fen: int
    unit_price: Decimal
    arithmetic: str
    steps: Sequence[Step]


def metric_of(terms: Mapping[str, Any]) -> Metric:
    """Return what these terms count. `PERIODS`: 1 if there was any billable use, else 0."""
    return METRICS[Plan(terms["plan"])]


def learner_cap_of(terms: Mapping[str, Any]) -> int | None:
    """Return how many units of one learner count in a period at most; None without a cap.

    The count applies it, since only the count knows whose units they are.
    """
    cap: int | None = terms.get("learner_cap")
    return cap


def check_terms(terms: Mapping[str, Any]) -> None:
    """Raise `InvalidInput`, naming the key, unless the plan in these terms is well formed.

    What stands beside the plan (rates, title …) is not looked at.
    """
    check_plan(plan_of(terms))


def price(terms: Mapping[str, Any], quantity: int) -> Price:
    """Price a quantity of the terms' metric, rounded half-even to the fen once.

    Raises `ValueError` for a plan this version does not know or a negative quantity.
    """
    Plan(terms["plan"])
    if quantity < 0:
        raise ValueError(f"a quantity can't be negative: {quantity}")
    unit_price = Decimal(terms["unit_price"])
    left, steps = _less_free(terms, quantity)
    exact = Decimal(0)
    for units, tier_price in _by_tier(terms, left):
        exact += units * tier_price
        steps.append(
            {
                "kind": "price",
                "quantity": units,
                "unit_price": _four(tier_price),
                "yuan": _four(units * tier_price),
            }
        )
    if "period_cap" in terms:
        cap = Decimal(terms["period_cap"])
        if exact > cap:
            steps.append({"kind": "cap", "yuan": _four(cap), "from_yuan": _four(exact)})
            exact = cap
    amount_fen = round_to_fen(exact)
    return Price(
        amount_fen=amount_fen,
        unit_price=unit_price,
        arithmetic=arithmetic_text(steps, amount_fen=amount_fen),
        steps=steps,
    )


def _less_free(terms: Mapping[str, Any], quantity: int) -> tuple[int, list[Step]]:
    """Return the quantity that has to be paid, and the step that says so, if there is one."""
    allowance = int(terms.get("free_allowance", 0))
    if not allowance:
        return quantity, []
    free = min(allowance, quantity)
    left = quantity - free
    return left, [{"kind": "free", "quantity": quantity, "free": free, "left": left}]


def _by_tier(terms: Mapping[str, Any], quantity: int) -> list[tuple[int, Decimal]]:
    """Return how many units fall into each tier, with its price; one entry without tiers."""
    tiers = terms.get("tiers")
    if not tiers:
        return [(quantity, Decimal(terms["unit_price"]))]
    parts: list[tuple[int, Decimal]] = []
    reached = 0
    for tier in tiers:
        end = quantity if tier["up_to"] is None else min(int(tier["up_to"]), quantity)
        if end > reached or not parts:
            parts.append((end - reached, Decimal(tier["unit_price"])))
            reached = end
    return parts


def _four(amount: Decimal) -> str:
    """Show an exact amount with four decimals; none has more."""
    return f"{amount.quantize(PRICE_PLACES):f}"


@dataclass(frozen=True, slots=True)
class Split:
    """How a drawn amount is shared; the parts add up to it exactly (R38).

    `school_fen` goes to the school of a teacher who made the resource in service (R40).
    """

    vendor_fen: int
    school_fen: int
    fee_fen: int
    retention_fen: int


def split(terms: Mapping[str, Any], drawn_fen: int) -> Split:
    """Share what was drawn between vendor, the author's school, platform fee and retention.

    What fee and retention leave is the author's, of which the school has `school_rate` (none in
    terms that don't name it). All four are cut at once, so that nothing is rounded twice.
    """
    weights = _weights(terms["fee_rate"], terms["retention_rate"], terms.get("school_rate", "0"))
    return Split(*split_by_largest_remainder(drawn_fen, weights))


@lru_cache(maxsize=1024)
def _weights(fee_rate: str, retention_rate: str, school_rate: str) -> Sequence[int]:
    """Return the four shares' weights as whole numbers; few different rates are agreed."""
    fee, retention, school = Decimal(fee_rate), Decimal(retention_rate), Decimal(school_rate)
    left = 1 - fee - retention
    return whole_numbers([left * (1 - school), left * school, fee, retention])
