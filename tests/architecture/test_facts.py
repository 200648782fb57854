"""What errors say of their facts is read in Chinese, too: every fact that is a word has its own."""

import ast
from collections.abc import Iterator
from pathlib import Path

import kernel.errors
from kernel.errors import MarketError
from kernel.i18n import readable, translations
from tests.support.repository import PACKAGES, ROOT

FACTS = ("expected", "act", "needs", "what", "rule")
ERRORS = {
    name
    for name, one in vars(kernel.errors).items()
    if isinstance(one, type) and issubclass(one, MarketError)
}
BY_POSITION = {"require": ("act", 0), "require_bureau": ("act", 1)}
"""Functions that take a fact as an argument, and at which place."""


def facts_in(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (fact, words) for the errors that a module raises with a word of its own."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        given = {word.arg: word.value for word in node.keywords if word.arg in FACTS}
        if name in BY_POSITION:
            fact, place = BY_POSITION[name]
            given |= {fact: node.args[place]} if len(node.args) > place else {}
        elif name not in ERRORS:
            continue
        for fact, value in given.items():
            if isinstance(value, ast.Constant) and is_words(value.value):
                yield fact, value.value


def is_words(value: object) -> bool:
    """An example such as 12.34 reads the same everywhere."""
    return isinstance(value, str) and any(
        part.isalpha() and len(part) > 2 for part in value.split()
    )


def test_every_word_among_the_facts_has_its_chinese() -> None:
    catalogue = translations("zh_CN")
    missing = {
        f"{fact}: {readable(words)}"
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for fact, words in facts_in(path)
        if catalogue.pgettext(f"fact:{fact}", readable(words)) == readable(words)
    }
    assert missing == set()
