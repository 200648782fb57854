"""Price plans: the words and keys in which an offer says what is paid for, and their check.

Decides which plans there are and what each may carry. An offer stores them, a selection freezes
them into its terms, and settlement prices by them.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, NamedTuple

from kernel.errors import InvalidAmount, InvalidInput
from kernel.money import parse_rate


class Plan(StrEnum):
    """What one unit is: a use, a use once per session, a learner, a class session, or a period."""

    PER_USE = "per_use"
    PER_UNIQUE_USE = "per_unique_use"
    PER_LEARNER = "per_learner"
    PER_CLASS = "per_class"
    FLAT = "flat"


class Tier(NamedTuple):
    """One price of several: units up to `up_to` (None: all the others) cost `unit_price` yuan."""

    up_to: int | None
    unit_price: Decimal


PLAN_KEYS: Final = (
    *("plan", "unit_price", "tiers", "free_allowance", "period_cap", "learner_cap"),
)
"""What a plan may carry. Decimals are text of at most 4 places, in yuan.

unit_price: per unit, per period if flat. tiers: [{up_to, unit_price}], the last without an end
(`None`), each unit at its own tier's price. free_allowance: units per period that cost nothing.
period_cap: the most that is due per period. learner_cap: the most units of one learner that count
in a period.
"""
PRICE_PLACES: Final = 4
LARGEST_UNIT_PRICE: Final = Decimal(100_000)
"""Yuan; more for one unit is a slipped digit."""
LARGEST_FLAT_PRICE: Final = Decimal(10_000_000)
LARGEST_COUNT: Final = 10**12
TIER: Final = re.compile(r"(\d{1,12}|\*)\s*:\s*(\d{1,9}(?:\.\d{1,9})?)", re.ASCII)
OF_SINGLE_USES: Final = frozenset({Plan.PER_USE, Plan.PER_UNIQUE_USE})
"""Plans under which one learner may have several units, so that a learner cap means something."""


def check_plan(plan: Mapping[str, Any]) -> None:
    """Raise `InvalidInput`, naming the key at fault, unless the plan is whole and well formed."""
    for key in plan:
        if key not in PLAN_KEYS:
            raise InvalidInput(field=key, value=plan[key], expected=" | ".join(PLAN_KEYS))
    kind = _kind(plan.get("plan"))
    largest = LARGEST_FLAT_PRICE if kind is Plan.FLAT else LARGEST_UNIT_PRICE
    price = _price(plan.get("unit_price"), field="unit_price", largest=largest)
    if kind is Plan.FLAT:
        for key in ("tiers", "free_allowance", "period_cap"):
            if key in plan:
                raise _wrong(key, plan[key], "nothing, since a flat plan has one price per period")
    if "learner_cap" in plan and kind not in OF_SINGLE_USES:
        raise _wrong("learner_cap", plan["learner_cap"], "nothing, unless uses are what is paid")
    if "tiers" in plan:
        _check_tiers(plan["tiers"], first=price)
    if "free_allowance" in plan:
        _count(plan["free_allowance"], field="free_allowance")
    if "learner_cap" in plan:
        _count(plan["learner_cap"], field="learner_cap")
    if "period_cap" in plan:
        cap = _price(plan["period_cap"], field="period_cap", largest=LARGEST_FLAT_PRICE)
        if not cap:
            raise _wrong("period_cap", plan["period_cap"], "more than 0")


def plan_of(terms: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of an agreement's terms that is its plan."""
    return {key: terms[key] for key in PLAN_KEYS if key in terms}


FREE: Final[Mapping[str, Any]] = {"plan": "per_use", "unit_price": "0.0000"}
"""The price of what is free by policy, as it is stored."""


def is_free(plan: Mapping[str, Any]) -> bool:
    """Tell whether nothing is ever due: every price of the plan is zero."""
    prices = [tier["unit_price"] for tier in plan.get("tiers", ())] or [plan["unit_price"]]
    return not any(Decimal(price) for price in prices)


def normalised(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Return a checked plan with each decimal at four places, so that equal plans compare equal."""
    return {key: _normalised(key, value) for key, value in plan.items()}


def parse_tiers(text: str) -> tuple[Tier, ...]:
    """Read `1000:0.0200;*:0.0100`: up to 1,000 units at 0.0200 yuan each, the others at 0.0100.

    Raises `InvalidInput` (its field is for the caller to name). Whether the tiers make sense is
    decided by `check_plan`.
    """
    tiers = []
    for part in text.replace("；", ";").replace("：", ":").split(";"):
        match = TIER.fullmatch(part.strip())
        if match is None:
            raise InvalidInput(field="", value=text, expected="1000:0.0200;*:0.0100")
        end, price = match.groups()
        tiers.append(Tier(None if end == "*" else int(end), Decimal(price)))
    return tuple(tiers)


def _normalised(key: str, value: Any) -> Any:
    if key in ("unit_price", "period_cap"):
        return f"{Decimal(value):.{PRICE_PLACES}f}"
    if key == "tiers":
        return [
            {"up_to": tier["up_to"], "unit_price": _normalised("unit_price", tier["unit_price"])}
            for tier in value
        ]
    return value


def _check_tiers(tiers: object, *, first: Decimal) -> None:
    if not isinstance(tiers, Sequence) or isinstance(tiers, str) or not tiers:
        raise _wrong("tiers", tiers, "at least one tier")
    reached = 0
    for position, tier in enumerate(tiers, start=1):
        if not isinstance(tier, Mapping) or set(tier) != {"up_to", "unit_price"}:
            raise _wrong("tiers", tier, "up_to and unit_price in each tier")
        price = _price(tier["unit_price"], field="tiers", largest=LARGEST_UNIT_PRICE)
        if position == 1 and price != first:
            raise _wrong("unit_price", first, f"{price}, the price of the first tier")
        if position == len(tiers):
            if tier["up_to"] is not None:
                raise _wrong("tiers", tier["up_to"], "a last tier without an end")
        elif _count(tier["up_to"], field="tiers") <= reached:
            raise _wrong("tiers", tier["up_to"], f"more than {reached}, where the tier begins")
        else:
            reached = tier["up_to"]


def _kind(word: object) -> Plan:
    try:
        return Plan(str(word))
    except ValueError:
        raise _wrong("plan", word, " | ".join(Plan)) from None


def _price(text: object, *, field: str, largest: Decimal) -> Decimal:
    try:
        price = parse_rate(text if isinstance(text, str) else "", places=PRICE_PLACES)
    except InvalidAmount:
        expected = f"an amount that is not negative, with at most {PRICE_PLACES} decimals"
        raise _wrong(field, text, expected) from None
    if price > largest:
        raise _wrong(field, text, f"at most {largest}")
    return price


def _count(value: object, *, field: str) -> int:
    if type(value) is not int or not 0 < value <= LARGEST_COUNT:
        raise _wrong(field, value, "a whole number above 0")
    return value


def _wrong(field: str, value: object, expected: str) -> InvalidInput:
    return InvalidInput(field=field, value=value, expected=expected)
