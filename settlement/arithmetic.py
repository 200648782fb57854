"""The arithmetic of a price as text, from its steps: for statements, exports and the command line.

Steps are plain data, since they are stored with the line that they explain:
`free` {quantity, free, left} · `price` {quantity, unit_price, yuan}, one per tier · `cap` {yuan,
from_yuan}. Yuan and prices are text with four decimals; the fen are the line's own.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from kernel.i18n import msgid
from kernel.money import yuan

Step = dict[str, str | int]
Translate = Callable[[str], str]

FREE = msgid("{quantity} − {free} free = {left}")
CAPPED = msgid("capped at {cap}")


def _as_it_is(text: str) -> str:
    return text


def arithmetic_text(
    steps: Sequence[Mapping[str, Any]], *, amount_fen: int, translate: Translate = _as_it_is
) -> str:
    """Return `2,315 − 100 free = 2,215; 1,000 × 0.0200 + 1,215 × 0.0100 = 32.15; capped at 30.00`.

    The last figure is the amount in yuan, rounded to the fen; `translate` gives the reader's words.
    """
    parts = [
        translate(FREE).format(
            quantity=f"{step['quantity']:,}", free=f"{step['free']:,}", left=f"{step['left']:,}"
        )
        for step in steps
        if step["kind"] == "free"
    ]
    priced = [step for step in steps if step["kind"] == "price"]
    caps = [step for step in steps if step["kind"] == "cap"]
    products = " + ".join(f"{step['quantity']:,} × {step['unit_price']}" for step in priced)
    shown = _exact(caps[0]["from_yuan"]) if caps else yuan(amount_fen)
    parts.append(f"{products} = {shown}")
    parts.extend(translate(CAPPED).format(cap=yuan(amount_fen)) for _ in caps)
    return "; ".join(parts)


def _exact(amount_yuan: str) -> str:
    """Show an amount that is not rounded: two decimals where that is exact, else all four."""
    amount = Decimal(amount_yuan)
    hundredths = amount.quantize(Decimal("0.01"))
    return f"{hundredths if hundredths == amount else amount:,f}"
