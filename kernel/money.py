"""Money as whole fen, and the only places where a fraction of a fen is rounded.

Amounts are `int` fen (CNY), unit prices and rates are `Decimal` with at most four places.
A product of the two is rounded exactly once, by `round_to_fen`; what is shared out is shared
by `split_by_largest_remainder`, which never loses or makes a fen.
"""

import math
import re
from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal

from kernel.errors import InvalidAmount

FEN_PER_YUAN = 100
LARGEST_AMOUNT_FEN = (
    10**15
)  # ten trillion yuan: above any province's year, below what BIGINT sums hold
# A comma groups three digits; anywhere else it may be meant as a decimal point.
NUMBER = re.compile(r"-?(\d+|\d{1,3}(,\d{3})+)(\.\d+)?", re.ASCII)


def round_to_fen(amount_yuan: Decimal) -> int:
    """Return `amount_yuan` in fen, half to even: the one rounding of a statement line."""
    return int((amount_yuan * FEN_PER_YUAN).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


def split_by_largest_remainder(total_fen: int, weights: Sequence[Decimal | int]) -> list[int]:
    """Share `total_fen` by `weights` so that the parts add up to it exactly.

    Each part gets the floor of its exact share; the fen left over go to the largest remainders,
    the earlier position first among equals. A negative total is the mirror image of a positive
    one, so that a credit reverses a charge exactly. Weights are not negative; if all are
    zero there is nothing to share by, and a total other than zero raises `ValueError`.
    """
    if any(weight < 0 for weight in weights):
        raise ValueError("weights must not be negative")
    if total_fen < 0:
        return [-part for part in split_by_largest_remainder(-total_fen, weights)]
    scaled, base = _whole_numbers(weights)
    if base == 0:
        if total_fen != 0:
            raise ValueError("nothing to share by: all weights are zero")
        return [0 for _ in weights]
    parts = [total_fen * weight // base for weight in scaled]
    remainders = [total_fen * weight % base for weight in scaled]
    left = total_fen - sum(parts)
    by_remainder = sorted(range(len(parts)), key=lambda position: (-remainders[position], position))
    for position in by_remainder[:left]:
        parts[position] += 1
    return parts


def _whole_numbers(weights: Sequence[Decimal | int]) -> tuple[list[int], int]:
    """Scale the weights to integers of the same proportions; return them and their sum."""
    ratios = [Decimal(weight).as_integer_ratio() for weight in weights]
    common = math.lcm(*(denominator for _, denominator in ratios)) if ratios else 1
    scaled = [numerator * (common // denominator) for numerator, denominator in ratios]
    return scaled, sum(scaled)


def parse_fen(text: str) -> int:
    """Read an amount in yuan with at most two decimals, such as `1,234.50`, as fen.

    Raises `InvalidAmount` for anything else: more decimals, a negative amount, no number.
    """
    amount = parse_rate(text, places=2)
    return int(amount * FEN_PER_YUAN)


def parse_rate(text: str, *, places: int = 4) -> Decimal:
    """Read a price or rate that is not negative and has at most `places` decimals."""
    cleaned = text.strip().removeprefix("¥").removesuffix("元").strip()
    if not NUMBER.fullmatch(cleaned):
        raise InvalidAmount(text=text, reason="not-a-number", places=places)
    rate = Decimal(cleaned.replace(",", ""))
    if rate < 0:
        raise InvalidAmount(text=text, reason="negative", places=places)
    if rate > LARGEST_AMOUNT_FEN // FEN_PER_YUAN:
        raise InvalidAmount(text=text, reason="too-large", places=places)
    if rate != round(rate, places):
        raise InvalidAmount(text=text, reason="too-many-decimals", places=places)
    return rate


def yuan(amount_fen: int) -> str:
    """Show fen as yuan with two decimals and thousands separators: `-1,234.50`."""
    sign = "-" if amount_fen < 0 else ""
    whole, fen = divmod(abs(amount_fen), FEN_PER_YUAN)
    return f"{sign}{whole:,}.{fen:02d}"


def plain_yuan(amount_fen: int) -> str:
    """Show fen as yuan for machines and spreadsheets: no separators, two decimals."""
    return yuan(amount_fen).replace(",", "")
