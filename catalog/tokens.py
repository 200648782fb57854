"""What search compares: the tokens of a listed text, and a typed text as a query over them (R8).

Decides how scripts are cut. Chinese: words (rjieba), characters and pairs of characters, so that a
part of a word is found too, and its pinyin: syllables, pairs of syllables and of initials. Tibetan:
syllables (between tsheg) and pairs of them. Other scripts: words, found by their beginnings.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from itertools import pairwise
from typing import Final

from catalog.dictionaries import words_of, words_within
from catalog.pinyin import readings, syllables_of
from catalog.vocabularies import VOCABULARIES

RUNS: Final = re.compile(
    r"(?P<han>[\u3400-\u9fff\U00020000-\U0003ffff]+)"
    r"|(?P<tibetan>[\u0f00-\u0fff]+)"
    r"|(?P<word>(?:(?![\u3400-\u9fff\u0f00-\u0fff\U00020000-\U0003ffff_])\w)+)"
)
"""A text's runs of one script; what stands between them is neither found nor searched."""
TSHEG: Final = "\u0f0b"
TIBETAN_BREAKS: Final = re.compile(r"[\u0f0b\u0f0c\u0f0d-\u0f14\u0f3a-\u0f3d]+")
JOINS: Final = frozenset("-_./")
INITIALS, SYLLABLES = "i:", "p:"
"""What pinyin begins with, so that it is never taken for an English word."""
IN_TITLE = "t:"
"""What a token of a title begins with where the index holds it once more (migration 0035)."""
TITLE, DESCRIBED, NAMED = "A", "B", "C"
"""Weights: what is in the title, what describes it, whose it is and where in the textbook."""
LITTLE_WORDS: Final = frozenset(["的", "了", "和", "与", "及", "在", "之", "等", "是", "把", "对"])
LONGEST_QUERY: Final = 100
LONGEST_TOKEN: Final = 100
KEPT: Final = 256
MOST_RUNS: Final = 12
ASKED: Final = re.compile(r"('(?:[^']|'')*')(?::(\*))?")
"""A token as it stands in a query, and whether what begins with it is meant."""
INITIALS_TYPED: Final = range(2, 13)


def normal(text: str) -> str:
    """Return a text without the differences that nobody types."""
    return unicodedata.normalize("NFKC", text).casefold().replace("ü", "v")


def tokens_of(text: str, *, spoken: bool = False) -> set[str]:
    """Return the tokens under which a listed text is found; `spoken`: by its pinyin, too."""
    found: set[str] = set()
    for script, run in _runs(text):
        match script:
            case "han":
                found.update(run, _pairs(run), words_within(run))
                if spoken:
                    found.update(_spoken(run))
            case "tibetan":
                syllables = _tibetan(run)
                found.update(syllables, (TSHEG.join(pair) for pair in pairwise(syllables)))
            case _:
                found.add(run)
    return {token[:LONGEST_TOKEN] for token in found}


def query_of(text: str) -> str:
    """Return the tsquery for a typed text: all its words, each in any way it can be meant.

    Empty for a text without any word.
    """
    return " & ".join(f"({word})" for word in _words(text) if word)


def any_of(text: str) -> str:
    """Return the tsquery for any word of a typed text: what of it a listed text has."""
    return " | ".join(f"({word})" for word in _words(text) if word)


def only_in(query: str, weight: str) -> str:
    """Return a tsquery that finds its words only where they have this weight."""
    return ASKED.sub(lambda found: f"{found[1]}:{found[2] or ''}{weight}", query)


def titled(query: str) -> str:
    """Return a tsquery that finds its words in titles only, by the marks of the index."""
    return ASKED.sub(lambda found: f"'{IN_TITLE}{found[0][1:]}", query)


@lru_cache(maxsize=KEPT)
def _words(text: str) -> tuple[str, ...]:
    """Return the query of each word; a page asks it for its rows, its reasons and its counts."""
    typed = normal(text[:LONGEST_QUERY])
    runs = [*RUNS.finditer(typed)][:MOST_RUNS]
    return tuple(_meant(str(run.lastgroup), run[0], is_code=_in_code(typed, run)) for run in runs)


def _in_code(text: str, run: re.Match[str]) -> bool:
    """Whether a run is a part of an article number, such as SX-1, and so no pinyin."""
    beside = text[max(0, run.start() - 1) : run.start()] + text[run.end() : run.end() + 1]
    return not JOINS.isdisjoint(beside)


def _meant(script: str, run: str, *, is_code: bool) -> str:
    """Return the query for one run: its own tokens, or those of what means the same."""
    ways = [_as_typed(script, run)]
    if script == "word" and not is_code:
        ways += _as_pinyin(run)
    ways += [_every(_plain(other)) for other in _same_as(run)]
    return _either(ways)


def _as_typed(script: str, run: str) -> str:
    if script == "han":
        return _either([_every(_pairs(run) or [run]), _by_words(run)])
    if script == "tibetan":
        syllables = _tibetan(run)
        return _every([TSHEG.join(pair) for pair in pairwise(syllables)] or syllables)
    return _quoted(run) + (":*" if len(run) > 1 else "")


def _by_words(run: str) -> str:
    """Return the query for a Chinese run by its words, which may stand apart in the title."""
    words = [word for word in words_of(run) if word not in LITTLE_WORDS]
    if len(words) < 2:
        return ""
    return " & ".join(
        f"({_either([_every(_plain(one)) for one in (word, *_same_as(word))])})" for word in words
    )


def _as_pinyin(run: str) -> Iterator[str]:
    for syllables in readings(run):
        pairs = [f"{SYLLABLES}{first}'{second}" for first, second in pairwise(syllables)]
        yield _every(pairs or [SYLLABLES + syllables[0]])
    if len(run) in INITIALS_TYPED and run.isascii() and run.isalpha():
        yield _every([INITIALS + first + second for first, second in pairwise(run)])


def _spoken(run: str) -> Iterator[str]:
    syllables = [one for word in words_of(run) for one in syllables_of(word)]
    for one in syllables:
        yield SYLLABLES + one
    for first, second in pairwise(syllables):
        yield f"{SYLLABLES}{first}'{second}"
        yield INITIALS + first[0] + second[0]


def _plain(text: str) -> list[str]:
    """Return the least tokens that stand for a word of our own lists."""
    found: list[str] = []
    for script, run in _runs(text):
        match script:
            case "han":
                found += _pairs(run) or [run]
            case "tibetan":
                found += _tibetan(run)
            case _:
                found.append(run)
    return found


def _same_as(word: str) -> tuple[str, ...]:
    """Return what else is called so: synonyms, and the terms of the vocabularies."""
    return _synonyms().get(word, ())


@cache
def _synonyms() -> dict[str, tuple[str, ...]]:
    source = files("catalog").joinpath("synonyms.txt").read_text(encoding="utf-8")
    groups = [line.split() for line in source.splitlines() if not line.startswith("#")]
    found: dict[str, list[str]] = {}
    for group in groups:
        for word in group:
            found.setdefault(normal(word), []).extend(one for one in group if one != word)
    for field in ("subject", "type", "edition", "grade"):
        for word, term in VOCABULARIES[field].known.items():
            if normal(term) != word and len(word) > 1:
                found.setdefault(word, []).append(term)
    return {word: tuple(dict.fromkeys(others)) for word, others in found.items()}


def _runs(text: str) -> Iterator[tuple[str, str]]:
    for match in RUNS.finditer(normal(text)):
        yield str(match.lastgroup), match[0]


def _pairs(run: str) -> list[str]:
    return [first + second for first, second in pairwise(run)]


def _tibetan(run: str) -> list[str]:
    return [syllable for syllable in TIBETAN_BREAKS.split(run) if syllable]


def _every(tokens: Sequence[str]) -> str:
    return " & ".join(_quoted(token) for token in tokens)


def _either(ways: Iterable[str]) -> str:
    return " | ".join(dict.fromkeys(f"({way})" for way in ways if way))


def _quoted(token: str) -> str:
    if "'" in token or "\\" in token:
        token = token.replace("\\", "\\\\").replace("'", "''")
    return f"'{token}'"


def weighted(parts: Iterable[tuple[str, str, bool]]) -> str:
    """Return the tsvector, as text, of (weight, text, spoken); a token has its highest weight."""
    found: dict[str, str] = {}
    for weight, text, spoken in parts:
        for token in tokens_of(text, spoken=spoken):
            if found.get(token, "Z") > weight:
                found[token] = weight
    return " ".join(f"{_quoted(token)}:1{weight}" for token, weight in sorted(found.items()))
