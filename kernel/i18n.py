"""Languages: one catalogue per locale, read from its .po at start; English is the message id.

Decides which language a reader gets and how errors, enums and marked texts read in it. Chinese
(`zh_CN`) is complete and the default; the English catalogue holds only what must read otherwise
than its message id. Templates use `_()`, Python marks a text with `msgid()` and translates it where
the reader is known.
"""

import re
from enum import Enum
from functools import cache, lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

from kernel.errors import InvalidInput, MarketError

LOCALES: Final = ("zh_CN", "en")
DEFAULT_LOCALE: Final = "zh_CN"
CATALOGUES = Path(__file__).parent / "locale"
HTML_LANGUAGE: Final = {"zh_CN": "zh-CN", "en": "en"}
COMMON_CONTEXT: Final = "label"
LIST_SEPARATOR: Final = {"zh_CN": "、", "en": ", "}
MOST_KEPT: Final = 4096
"""How many words are kept as they read: a page of the storefront shows some hundred."""
LANGUAGE_NAMES: Final = {"zh_CN": "中文", "en": "English"}


def msgid(text: str) -> str:
    """Mark a text for the catalogue and return it as it is; it is translated where it is shown."""
    return text


@cache
def translations(locale: str) -> Translations:
    """Return the catalogue of `locale`, compiled in memory; an unknown locale is a `ValueError`."""
    if locale not in LOCALES:
        raise ValueError(f"no such locale: {locale}")
    source = CATALOGUES / locale / "LC_MESSAGES" / "messages.po"
    compiled = BytesIO()
    with source.open("rb") as file:
        write_mo(compiled, read_po(file, locale=locale))
    compiled.seek(0)
    return Translations(compiled)


def translate(text: str, locale: str) -> str:
    return translations(locale).gettext(text) if text else ""


def negotiate(accept_language: str, *, cookie: str, default: str) -> str:
    """Return the reader's locale: what was chosen (cookie), else what the browser prefers."""
    if cookie in LOCALES:
        return cookie
    for tag in _by_preference(accept_language):
        if tag == "zh" or tag.startswith("zh-"):
            return "zh_CN"
        if tag == "en" or tag.startswith("en-"):
            return "en"
    return default


def _by_preference(accept_language: str) -> list[str]:
    wanted: list[tuple[int, int, str]] = []
    for position, part in enumerate(accept_language.split(",")):
        tag, _, weight = part.strip().lower().partition(";")
        match = re.fullmatch(r"\s*q=([01])(?:\.(\d{1,3}))?\s*", weight)
        permille = int(match[1]) * 1000 + int((match[2] or "0").ljust(3, "0")) if match else 1000
        if tag.strip() and permille:
            wanted.append((-permille, position, tag.strip()))
    return [tag for _, _, tag in sorted(wanted)]


def readable(code: str) -> str:
    """Return the English words of a code: `no_new_schools` becomes `No new schools`."""
    return code.replace("_", " ").replace("-", " ").capitalize()


@lru_cache(maxsize=MOST_KEPT, typed=True)
def label(value: str, locale: str, *, kind: str = "") -> str:
    """Return how a member of an enum or a code reads in `locale`.

    The context in the catalogue is `kind`, or the enum's class name; where the catalogue has no
    such entry, the common context `label` is asked, then the word without a context, so that what
    reads the same everywhere stands there once. What is not stated reads as nothing: under the
    empty word a catalogue keeps its own header.
    """
    words = readable(str(value))
    if not words:
        return ""
    catalogue = translations(locale)
    for context in (kind or type(value).__name__, COMMON_CONTEXT):
        shown = str(catalogue.pgettext(context, words))
        if shown != words:
            return shown
    return str(catalogue.gettext(words))


@lru_cache(maxsize=MOST_KEPT)
def term(word: str, locale: str, *, kind: str) -> str:
    """Return how a word of a vocabulary reads in `locale`: as it is, unless it has another name."""
    return str(translations(locale).pgettext(kind, word)) if word else ""


def translate_error(
    error: MarketError, locale: str, *, summary: str | None = None, remedy: str | None = None
) -> str:
    """Return what happened and the way out, in `locale`; codes among the facts read as words.

    `summary` says in other words what happened, `remedy` what to do.
    """
    facts = {name: _fact(name, value, locale) for name, value in error.facts.items()}
    if isinstance(error, InvalidInput) and error.limits:
        facts["expected"] = _fact("expected", error.pattern, locale).format(**error.limits)
    gettext = translations(locale).gettext
    sentence = error.sentence(gettext, facts=facts, summary=summary, remedy=remedy)
    return sentence.replace("。 ", "。")  # Chinese sentences stand without a space between them


def _fact(name: str, value: Any, locale: str) -> Any:
    """Return one fact as a reader should see it; only known codes change, never data."""
    if isinstance(value, Enum):
        return label(str(value.value), locale, kind=type(value).__name__)
    if isinstance(value, list | tuple):
        return LIST_SEPARATOR[locale].join(str(_fact(name, one, locale)) for one in value)
    if isinstance(value, str):
        words = readable(value)
        shown = translations(locale).pgettext(f"fact:{name}", words)
        return value if shown == words else shown
    return value
