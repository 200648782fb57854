"""Money as whole fen, and the only places where a fraction of a fen is rounded.

Amounts are `int` fen (CNY), unit prices and rates are `Decimal` with at most four places.
A product of the two is rounded exactly once, by `round_to_fen`; what is shared out is shared
by `split_by_largest_remainder`, which never loses or makes a fen.
"""

import math
import re
from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import cast

from kernel.errors import InvalidAmount, InvalidSignedAmount

FEN_PER_YUAN = 100
LARGEST_AMOUNT_FEN = (
    10**15
)  # ten trillion yuan: above any province's year, below what BIGINT sums hold
# A comma groups three digits; anywhere else it may be meant as a decimal point.
MINUS_SIGNS = ("-", "−")  # a true minus is typed, too
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
    scaled = whole_numbers(weights)
    base = sum(scaled)
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


def whole_numbers(weights: Sequence[Decimal | int]) -> Sequence[int]:
    """Scale weights to integers of the same proportions."""
    if all(isinstance(weight, int) for weight in weights):
        return cast("Sequence[int]", weights)
    ratios = [Decimal(weight).as_integer_ratio() for weight in weights]
    common = math.lcm(*(denominator for _, denominator in ratios)) if ratios else 1
    return [numerator * (common // denominator) for numerator, denominator in ratios]


def parse_fen(text: str) -> int:
    """Read an amount in yuan with at most two decimals, such as `1,234.50`, as fen.

    Raises `InvalidAmount` for anything else: more decimals, a negative amount, no number.
    """
    amount = parse_rate(text, places=2)
    return int(amount * FEN_PER_YUAN)


def parse_signed_fen(text: str) -> int:
    """Read an amount in yuan that may be below zero, such as `-1,234.50`, as fen.

    Raises `InvalidSignedAmount` for what is no number, or has more than two decimals.
    """
    cleaned = text.strip()
    is_below = cleaned.startswith(MINUS_SIGNS)
    try:
        amount_fen = parse_fen(cleaned[1:] if is_below else cleaned)
    except InvalidAmount as error:
        raise InvalidSignedAmount(**{**error.facts, "text": text}) from None
    return -amount_fen if is_below else amount_fen


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


DIGITS_IN_CAPITALS = "零壹贰叁肆伍陆柒捌玖"
PLACES_IN_CAPITALS = ("", "拾", "佰", "仟")
GROUPS_IN_CAPITALS = ("", "万", "亿", "万亿")


def capitals(amount_fen: int) -> str:
    """Show fen as Chinese vouchers write them out: 壹万贰仟叁佰元零伍分, 叁元整, 负伍角整.

    One 零 stands for any run of empty places between two written ones; 整 ends an amount without
    分. By the rules for bills and settlement vouchers (支付结算办法, 附一).
    """
    sign = "负" if amount_fen < 0 else ""
    yuan_part, cents = divmod(abs(amount_fen), FEN_PER_YUAN)
    jiao, fen = divmod(cents, 10)
    text = f"{_whole_in_capitals(yuan_part)}元" if yuan_part else ""
    if jiao:
        # An empty place of single yuan before the 角 is read as 零, as in 壹拾元零伍角.
        text += "零" if yuan_part and yuan_part % 10 == 0 else ""
        text += f"{DIGITS_IN_CAPITALS[jiao]}角"
    if fen:
        text += "零" if yuan_part and not jiao else ""
        return f"{sign}{text}{DIGITS_IN_CAPITALS[fen]}分"
    return f"{sign}{text or '零元'}整"


def _whole_in_capitals(number: int) -> str:
    """Write a whole number above zero, four digits by four."""
    groups = []
    while number:
        number, group = divmod(number, 10_000)
        groups.append(group)
    if len(groups) > len(GROUPS_IN_CAPITALS):
        raise ValueError("too large to be written out")
    text = ""
    for position in range(len(groups) - 1, -1, -1):
        group = groups[position]
        if not group:
            continue
        higher = groups[position + 1] if position + 1 < len(groups) else 0
        gap = bool(text) and (group < 1_000 or higher % 10 == 0)
        text += ("零" if gap else "") + _four_in_capitals(group) + _group_name(groups, position)
    return text


def _group_name(groups: Sequence[int], position: int) -> str:
    """Return 万, 亿 or 万亿; before a written 亿 the 万 of 万亿 stands alone."""
    name = GROUPS_IN_CAPITALS[position]
    return "万" if position == 3 and groups[2] else name


def _four_in_capitals(group: int) -> str:
    text, gap = "", False
    for position, place in zip(range(3, -1, -1), reversed(PLACES_IN_CAPITALS), strict=True):
        digit = group // 10**position % 10
        if digit:
            text += ("零" if gap and text else "") + DIGITS_IN_CAPITALS[digit] + place
            gap = False
        else:
            gap = True
    return text
