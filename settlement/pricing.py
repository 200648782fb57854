"""Prices: pure functions from frozen terms and a quantity to an amount, with its arithmetic.

Knows nothing of ceilings, lines or the database. Each plan rounds once, at the end.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from kernel.money import round_to_fen, split_by_largest_remainder

PER_USE = "per_use"
PLANS = (PER_USE,)


@dataclass(frozen=True, slots=True)
class Price:
    """An amount in fen and how it came about: `2,315 × 0.0200 = 46.30`."""

    amount_fen: int
    unit_price: Decimal
    arithmetic: str


def price(terms: Mapping[str, Any], quantity: int) -> Price:
    """Price `quantity` uses at the agreement's frozen terms, rounded half-even to the fen once.

    Raises `ValueError` for a plan this version does not know.
    """
    if terms["plan"] != PER_USE:
        raise ValueError(f"unknown plan: {terms['plan']}")
    unit_price = Decimal(terms["unit_price"])
    exact = unit_price * quantity
    amount_fen = round_to_fen(exact)
    return Price(
        amount_fen=amount_fen,
        unit_price=unit_price,
        arithmetic=f"{quantity:,} × {unit_price} = {Decimal(amount_fen) / 100:,.2f}",
    )


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
    fee = Decimal(terms["fee_rate"])
    retention = Decimal(terms["retention_rate"])
    school = Decimal(terms.get("school_rate", "0"))
    left = 1 - fee - retention
    parts = split_by_largest_remainder(
        drawn_fen, [left * (1 - school), left * school, fee, retention]
    )
    return Split(*parts)
