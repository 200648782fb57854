"""Dictionaries of Chinese words and their readings, loaded by the first who needs them.

They take about 90 MB of a process, and most processes never cut a word: a close has its bound.
"""

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import Any


def words_of(run: str) -> Sequence[str]:
    """Return the words of a run of Chinese characters, in their order."""
    found: Sequence[str] = _jieba().cut(run)
    return found


def words_within(run: str) -> Sequence[str]:
    """Return the words of a run and those within them, as a search engine cuts it."""
    found: Sequence[str] = _jieba().cut_for_search(run)
    return found


def readings_of(word: str) -> Sequence[str]:
    """Return the pinyin of a word by its characters, without tones; `?` for what has none."""
    found: Sequence[str] = _pypinyin().lazy_pinyin(word, errors=lambda _: "?")
    return found


@cache
def _jieba() -> Any:
    return import_module("rjieba")


@cache
def _pypinyin() -> Any:
    return import_module("pypinyin")
