"""Geometry of a bar of money: where each part begins and how wide it is, without floats."""

from collections.abc import Sequence
from dataclasses import dataclass

from kernel.money import split_by_largest_remainder

FULL = 1000
NARROWEST_WITH_FIGURE = 150


@dataclass(frozen=True, slots=True)
class Segment:
    """One part of a bar; `x` and `width` are SVG percentages, `roomy` says its figure fits."""

    key: str
    amount_fen: int
    x: str
    middle: str
    width: str
    roomy: bool


def segments(parts: Sequence[tuple[str, int]]) -> list[Segment]:
    """Lay out the parts (key, fen; none negative) along a bar that they fill; zero parts vanish."""
    shown = [(key, amount_fen) for key, amount_fen in parts if amount_fen > 0]
    widths = split_by_largest_remainder(FULL, [amount for _, amount in shown]) if shown else []
    laid_out: list[Segment] = []
    start = 0
    for (key, amount_fen), width in zip(shown, widths, strict=True):
        laid_out.append(
            Segment(
                key=key,
                amount_fen=amount_fen,
                x=_percent(start),
                middle=_percent(start + width // 2),
                width=_percent(width),
                roomy=width >= NARROWEST_WITH_FIGURE,
            )
        )
        start += width
    return laid_out


def _percent(permille: int) -> str:
    return f"{permille // 10}.{permille % 10}%"
