"""Translation check: `python -m market.checks.translations [--update]`.

Everything that people read must stand in the Chinese catalogue, translated, and the catalogue must
hold nothing else. What they read is: texts marked in code and templates, summary and remedy of each
error, and the members of each StrEnum, which are labels (in the context of their class, or
without one where several share a word). `--update` adds what is missing, untranslated, and drops
what is obsolete.
"""

import importlib
import pkgutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import click
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.pofile import read_po, write_po

import catalog
import kernel
import market
import procurement
import settlement
import vendor_portal
from kernel.errors import MarketError
from kernel.i18n import CATALOGUES, readable

PACKAGES = (kernel, catalog, settlement, procurement, vendor_portal, market)
METHODS = [("**/checks/**", "ignore"), ("**.py", "python"), ("**.html", "jinja2")]
# A template that does not parse must fail here, not lose its texts silently.
OPTIONS = {"**.html": {"silent": "false", "trimmed": "true", "newstyle_gettext": "true"}}
KEYWORDS = {**DEFAULT_KEYWORDS, "msgid": None}

Key = tuple[str | None, str]
Ident = str | tuple[str, ...] | list[str]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the sources ask for, and what a catalogue may hold because labels are made of it."""

    marked: dict[Key, Ident]
    labels: frozenset[Key]
    contexts: frozenset[str]
    sources: str

    def missing(self, found: Catalog) -> Iterator[tuple[Ident, str | None]]:
        for (context, _), ident in self.marked.items():
            if found.get(ident, context) is None:
                yield ident, context
        for context, words in sorted(self.labels, key=str):
            if found.get(words, context) is None and found.get(words) is None:
                yield words, context

    def wants(self, message: Message) -> bool:
        key = (message.context, _first(message.id))
        if key in self.marked or key in self.labels:
            return True
        if message.context is None:
            return any(words == key[1] for _, words in self.labels)
        # A label of a plain code or of an error's fact: its context is named where it is shown.
        kind = message.context.removeprefix("fact:")
        return message.context not in self.contexts and kind in self.sources


def collect() -> Wanted:
    """Read all sources once."""
    for package in PACKAGES:
        _import_all(package)
    marked: dict[Key, Ident] = {}
    texts = []
    for package in PACKAGES:
        folder = Path(package.__path__[0])
        for _, _, ident, _, context in extract_from_dir(
            folder, METHODS, options_map=OPTIONS, keywords=KEYWORDS
        ):
            marked[context, _first(ident)] = ident
        texts += [
            path.read_text(encoding="utf-8")
            for path in folder.rglob("*")
            if path.suffix in {".py", ".html"}
        ]
    for error in _descendants(MarketError):
        for text in (error.summary, error.remedy):
            if text:
                marked[None, text] = text
    enums = [enum for enum in _descendants(StrEnum) if _is_ours(enum)]
    return Wanted(
        marked=marked,
        labels=frozenset((enum.__name__, readable(m.value)) for enum in enums for m in enum),
        contexts=frozenset(enum.__name__ for enum in enums),
        sources="\n".join(texts),
    )


def read_catalogue(locale: str) -> Catalog:
    with _path(locale).open("rb") as file:
        return read_po(file, locale=locale)


def findings(wanted: Wanted, locale: str) -> list[str]:
    """Return what is wrong with the catalogue of `locale`, one line each.

    Chinese has to be complete; English holds only what reads otherwise than its message id.
    """
    found = read_catalogue(locale)
    lines = []
    if locale != "en":
        lines += [f"missing: {_show(ident, context)}" for ident, context in wanted.missing(found)]
    for message in found:
        if not message.id:
            continue
        shown = _show(message.id, message.context)
        strings = (
            [message.string] if isinstance(message.string, str) else [*(message.string or ("",))]
        )
        if not wanted.wants(message):
            lines.append(f"obsolete: {shown}")
        elif message.fuzzy:
            lines.append(f"fuzzy: {shown}")
        elif not all(strings):
            lines.append(f"untranslated: {shown}")
        else:
            lines += [f"{error}: {shown}" for error in message.check(found)]
    lines += [f"obsolete: {_show(m.id, m.context)}" for m in found.obsolete.values()]
    return [f"{locale}: {line}" for line in lines]


def update(wanted: Wanted, locale: str) -> None:
    """Rewrite the catalogue: what is missing comes in untranslated, what is obsolete goes."""
    found = read_catalogue(locale)
    for message in list(found):
        if message.id and not wanted.wants(message):
            found.delete(_first(message.id), message.context)
    for ident, context in list(wanted.missing(found)):
        found.add(tuple(ident) if isinstance(ident, list) else ident, context=context)
    with _path(locale).open("wb") as file:
        write_po(file, found, width=100, no_location=True, sort_output=True, ignore_obsolete=True)


def _path(locale: str) -> Path:
    return CATALOGUES / locale / "LC_MESSAGES" / "messages.po"


def _first(ident: Ident) -> str:
    return ident if isinstance(ident, str) else ident[0]


def _show(ident: Ident, context: str | None) -> str:
    return f"“{_first(ident)}”" + (f" [{context}]" if context else "")


def _import_all(package: ModuleType) -> None:
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if ".migrations" not in module.name:
            importlib.import_module(module.name)


def _descendants(of: type[T]) -> Iterator[type[T]]:
    for one in of.__subclasses__():
        yield one
        yield from _descendants(one)


def _is_ours(one: type) -> bool:
    return one.__module__.split(".")[0] in {package.__name__ for package in PACKAGES}


@click.command()
@click.option("--update", "rewrite", is_flag=True, help="Rewrite the Chinese catalogue.")
def main(*, rewrite: bool) -> None:
    """Check that everything people read is translated, and nothing else is."""
    wanted = collect()
    if rewrite:
        update(wanted, "zh_CN")
    lines = findings(wanted, "zh_CN") + findings(wanted, "en")
    for line in lines:
        click.echo(line, err=True)
    if lines:
        click.echo("Mend with: python -m market.checks.translations --update", err=True)
        sys.exit(1)
    click.echo(f"{len(wanted.marked)} texts and {len(wanted.labels)} labels are translated.")


if __name__ == "__main__":
    main()
