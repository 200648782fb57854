"""The controlled words of metadata (R5): what a term is called here, and what else is read as it.

Decides how a vendor's word is read. A term is stored in its own spelling, so that facets, search
and earmarked money (R18) compare one word with itself; a word that is unknown is refused with the
nearest terms, never kept beside them.
"""

import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources import files
from typing import Final

from kernel.errors import NotInVocabulary

NEAREST: Final = 3
ALIKE: Final = 0.5


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The terms of one field in their order; `known` maps each spelling that is read to its term.

    `kind` is the context of the terms' names in the catalogues of texts.
    """

    field: str
    kind: str
    terms: tuple[str, ...]
    known: Mapping[str, str]

    def find(self, word: str) -> str | None:
        """Return the term that a word is read as, None for a word that is unknown."""
        return self.known.get(folded(word))

    def read(self, word: str) -> str:
        """Return the term, or nothing for nothing; raise `NotInVocabulary`."""
        if not word.strip():
            return ""
        term = self.find(word)
        if term is None:
            raise NotInVocabulary(
                field=self.field, value=word, expected=" | ".join(self.nearest(word))
            )
        return term

    def nearest(self, word: str) -> list[str]:
        """Return the terms that are spelled most like a word, or the first ones."""
        spelled = get_close_matches(folded(word), self.known, n=NEAREST * 2, cutoff=ALIKE)
        found = list(dict.fromkeys(self.known[one] for one in spelled))
        return found[:NEAREST] or [*self.terms[:NEAREST]]


def folded(word: str) -> str:
    """Return how words are compared: without case, full-width forms and outer blanks."""
    return " ".join(unicodedata.normalize("NFKC", word).casefold().split())


def _read_all() -> dict[str, Vocabulary]:
    source = files("catalog").joinpath("vocabularies.toml").read_text(encoding="utf-8")
    return {
        field: _vocabulary(field, terms, KINDS[field])
        for field, terms in tomllib.loads(source).items()
    }


def _vocabulary(field: str, terms: dict[str, list[str]], kind: str) -> Vocabulary:
    known = {folded(term): term for term in terms}
    for term, aliases in terms.items():
        for alias in aliases:
            assert known.setdefault(folded(alias), term) == term, f"{field}: {alias} is two terms"
    return Vocabulary(field, kind, tuple(terms), known)


KINDS: Final = {
    "subject": "Subject",
    "grade": "Grade",
    "edition": "Edition",
    "type": "ResourceType",
    "language": "language",
    "licence": "Licence",
    "device": "Device",
    "offline": "Offline",
}
VOCABULARIES: Final = _read_all()
SUBJECTS: Final = VOCABULARIES["subject"]


def same_subject(one: str, other: object) -> bool:
    """Whether two names mean one subject: what lines were earmarked for is never respelled."""
    if not isinstance(other, str):
        return False
    return (SUBJECTS.find(one) or one) == (SUBJECTS.find(other) or other)
