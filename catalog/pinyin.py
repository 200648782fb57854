"""Pinyin as teachers type it: initials (`xsjf`) or syllables (`xiaoshujianfa`), without tones.

Decides how Chinese reads in Latin letters and how a run of letters falls into syllables. `ü` is
typed as `v`.
"""

from functools import cache, lru_cache
from importlib.resources import files
from typing import Final

from catalog.dictionaries import readings_of

LONGEST_SYLLABLE: Final = 6
LONGEST_TYPED: Final = 40
READINGS: Final = 4
"""How many ways of reading a run of letters are tried: `xian` is xian and xi'an."""


@lru_cache(maxsize=50_000)
def syllables_of(word: str) -> tuple[str, ...]:
    """Return the syllables of a Chinese word, one for each character."""
    return tuple(readings_of(word))


def readings(letters: str) -> list[tuple[str, ...]]:
    """Return the ways in which letters are a row of whole syllables, the shortest first."""
    if not letters.isascii() or not letters.isalpha() or len(letters) > LONGEST_TYPED:
        return []
    found: list[list[tuple[str, ...]]] = [[()]]
    for end in range(1, len(letters) + 1):
        here = [
            (*before, letters[start:end])
            for start in range(max(0, end - LONGEST_SYLLABLE), end)
            if letters[start:end] in _syllables()
            for before in found[start]
        ]
        found.append(sorted(here, key=len)[:READINGS])
    return found[-1]


@cache
def _syllables() -> frozenset[str]:
    source = files("catalog").joinpath("pinyin_syllables.txt").read_text(encoding="utf-8")
    return frozenset(source.split())
