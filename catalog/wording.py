"""How long the texts of a resource may be, and which signs an article number has.

Decides by characters, in a form, over HTTP and in a file alike: a key stands in addresses and in an
index, a title in every list.
"""

import unicodedata
from collections.abc import Iterable
from typing import Any, Final

from kernel.errors import InvalidInput
from kernel.identity.recording import FieldError
from kernel.identity.stages import Stage

LONGEST: Final = {
    "sku": 64,
    "title": 200,
    "author": 200,
    "chapter": 500,
    "conditions": 5_000,
    "suits_conditions": 5_000,
    "address": 2_000,
    "launch_url": 2_000,
}
LONGEST_KEYWORD: Final = 50
MOST_KEYWORDS: Final = 30
LONG: Final = frozenset({"conditions", "suits_conditions"})
LINES: Final = frozenset("\n\r\t")
"""Controls that a text of several lines has."""
CONTROLS: Final = frozenset({"Cc", "Zl", "Zp"})
SHOWN: Final = 40
SKU_SIGNS: Final = (
    "letters, digits and signs without \\, no outer blanks, and between / something else than dots"
)
TOO_LONG: Final = "at most {most} characters"
TOO_MANY: Final = "at most {most} words"
ONE_LINE: Final = "a text of one line, without control characters"


def require_sku(sku: str) -> None:
    """Raise `FieldError` for an article number that no address can hold."""
    _require_length(sku, "sku", LONGEST["sku"])
    parts = sku.split("/")
    is_whole = sku.isprintable() and sku == sku.strip() and "\\" not in sku
    if not is_whole or any(not part.strip(".") for part in parts):
        raise FieldError(_error(sku, "sku", SKU_SIGNS), field="sku")


def require_wording(texts: Any) -> None:
    """Raise `FieldError` for a text of a resource that is too long or holds control characters."""
    for field, most in LONGEST.items():
        text = getattr(texts, field)
        _require_length(text, field, most)
        _require_plain(text, field, LINES if field in LONG else frozenset())
    keywords: tuple[str, ...] = texts.keywords
    if len(keywords) > MOST_KEYWORDS:
        error = _error(str(len(keywords)), "keywords", TOO_MANY, most=MOST_KEYWORDS)
        raise FieldError(error, field="keywords")
    for word in keywords:
        _require_length(word, "keywords", LONGEST_KEYWORD)
        _require_plain(word, "keywords", frozenset())


def require_suits(stages: Iterable[str], conditions: str) -> None:
    """Raise `InvalidInput` for what is no stage, and for conditions that nobody reads to the end.

    Everybody reads them, on the page of who answers for a resource (R60).
    """
    unknown = next((one for one in stages if one not in frozenset(Stage)), None)
    if unknown is not None:
        raise _error(unknown, "stages", " | ".join(Stage))
    if len(conditions) > LONGEST["conditions"]:
        raise _error(conditions, "conditions", TOO_LONG, most=LONGEST["conditions"])


def _require_length(text: str, field: str, most: int) -> None:
    if len(text) > most:
        raise FieldError(_error(text, field, TOO_LONG, most=most), field=field)


def _require_plain(text: str, field: str, allowed: frozenset[str]) -> None:
    if any(unicodedata.category(one) in CONTROLS for one in set(text) - allowed):
        raise FieldError(_error(text, field, ONE_LINE), field=field)


def _error(value: str, field: str, expected: str, **limits: int) -> InvalidInput:
    """Return the error with the beginning of a value: a long one would fill the page it is on."""
    shown = "".join(one if one.isprintable() else " " for one in value[:SHOWN])
    dots = "…" if len(value) > SHOWN else ""
    return InvalidInput(field=field, value=shown + dots, expected=expected, limits=limits)
