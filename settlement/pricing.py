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
    """How a drawn amount is shared; the parts add up to it exactly (R38)."""

    vendor_fen: int
    fee_fen: int
    retention_fen: int


def split(terms: Mapping[str, Any], drawn_fen: int) -> Split:
    """Share what was drawn between vendor, platform fee and quality retention."""
    fee = Decimal(terms["fee_rate"])
    retention = Decimal(terms["retention_rate"])
    parts = split_by_largest_remainder(drawn_fen, [1 - fee - retention, fee, retention])
    return Split(*parts)
