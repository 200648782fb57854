"""How long texts about a resource may be, and which signs an article number has.

Decides by characters, in a form, over HTTP and in a file alike: a key stands in addresses and in an
index, a title in every list, what a vendor declares and a reviewer found on the case.
"""

import unicodedata
from collections.abc import Iterable
from typing import Any, Final

from catalog.criteria import Criterion
from kernel.errors import InvalidInput
from kernel.identity.recording import FieldError
from kernel.identity.stages import Stage
from kernel.texts import PLAIN, TURNING

LONGEST_STATEMENT: Final = 5_000
CHECKS: Final = tuple(f"check_{one}" for one in Criterion)
"""The fields of a self-check's answers, by criterion."""
LONGEST: Final = {
    "sku": 64,
    "title": 200,
    "author": 200,
    "chapter": 500,
    "conditions": LONGEST_STATEMENT,
    "suits_conditions": LONGEST_STATEMENT,
    "address": 2_000,
    "launch_url": 2_000,
    **dict.fromkeys((*CHECKS, "commitment"), LONGEST_STATEMENT),
}
LONGEST_KEYWORD: Final = 50
MOST_KEYWORDS: Final = 30
LONG: Final = frozenset({"conditions", "suits_conditions", "commitment", *CHECKS})
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
    if len(sku) > LONGEST["sku"]:
        error = _error(sku, "sku", TOO_LONG, most=LONGEST["sku"])
        raise FieldError(error, field="sku")
    parts = sku.split("/")
    is_whole = sku.isprintable() and sku == sku.strip() and "\\" not in sku
    if not is_whole or any(not part.strip(".") for part in parts):
        raise FieldError(_error(sku, "sku", SKU_SIGNS), field="sku")


def require_wording(texts: Any) -> None:
    """Raise `FieldError` for a text of a resource that is too long or holds control characters."""
    for field, most in LONGEST.items():
        _require(getattr(texts, field), field, most, LINES if field in LONG else frozenset())
    keywords: tuple[str, ...] = texts.keywords
    if len(keywords) > MOST_KEYWORDS:
        error = _error(str(len(keywords)), "keywords", TOO_MANY, most=MOST_KEYWORDS)
        raise FieldError(error, field="keywords")
    for word in keywords:
        _require(word, "keywords", LONGEST_KEYWORD)


def require_statement(text: str, *, field: str) -> None:
    """Raise `InvalidInput` for what is declared, found or noted and nobody reads to the end."""
    error = _wrong(text, field, LONGEST_STATEMENT, LINES)
    if error is not None:
        raise error


def require_suits(stages: Iterable[str], conditions: str) -> None:
    """Raise `InvalidInput` for what is no stage, and for conditions that nobody reads to the end.

    Everybody reads them, on the page of who answers for a resource (R60).
    """
    unknown = next((one for one in stages if one not in frozenset(Stage)), None)
    if unknown is not None:
        raise _error(unknown, "stages", " | ".join(Stage))
    require_statement(conditions, field="conditions")


def _require(text: str, field: str, most: int, allowed: frozenset[str] = frozenset()) -> None:
    error = _wrong(text, field, most, allowed)
    if error is not None:
        raise FieldError(error, field=field)


def _wrong(text: str, field: str, most: int, allowed: frozenset[str]) -> InvalidInput | None:
    if len(text) > most:
        return _error(text, field, TOO_LONG, most=most)
    controls = any(unicodedata.category(one) in CONTROLS for one in set(text) - allowed)
    if controls or TURNING.search(text):
        # Where lines are allowed it is the control characters alone.
        return _error(text, field, PLAIN if allowed else ONE_LINE)
    return None


def _error(value: str, field: str, expected: str, **limits: int) -> InvalidInput:
    """Return the error with the beginning of a value: a long one would fill the page it is on."""
    shown = "".join(one if one.isprintable() else " " for one in value[:SHOWN])
    dots = "…" if len(value) > SHOWN else ""
    return InvalidInput(field=field, value=shown + dots, expected=expected, limits=limits)
