"""Maps: a TOML file that says how somebody else's columns become our fields.

Decides what a map may say and whether it fits a kind of import; applying it to a row is the matter
of `translation`. Every key is checked: what is not understood is `InvalidMap`, never ignored.
"""

import tomllib
from collections.abc import Iterable
from datetime import date, time
from pathlib import Path
from string import Formatter
from typing import Any, Literal

import msgspec

from kernel.errors import InvalidMap, UnreadableFile

ALL_COLUMNS = "all-columns"
Text = str | int | bool


class Days(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A foreign column that counts days; `origin` is the day 0 in Asia/Shanghai."""

    column: str
    origin: date


class Group(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One row per distinct value of the foreign columns `by`; our field `count` counts them."""

    by: list[str]
    count: str


class UsageSection(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What holds for a whole file of usage."""

    source: str = ""
    identity: Literal["event_id", "all-columns"] = "event_id"
    pre_counted: bool = False


class FieldMap(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A map as it is written; see docs/guides/import.md."""

    where: dict[str, Text | list[Text]] = {}
    columns: dict[str, str] = {}
    constants: dict[str, Text] = {}
    values: dict[str, dict[str, Text]] = {}
    templates: dict[str, str] = {}
    days: dict[str, Days] = {}
    group: Group | None = None
    usage: UsageSection | None = None


NO_MAP = FieldMap()


def read_map(path: Path, *, kind: str, fields: Iterable[str]) -> FieldMap:
    """Read a map and check it against the `fields` of `kind`; raise `InvalidMap`."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UnreadableFile(file=path.name, reason=error.strerror) from error
    except UnicodeDecodeError as error:
        raise InvalidMap(file=path.name, reason=f"not UTF-8 at offset {error.start}") from error
    try:
        found = msgspec.convert(_as_cells(tomllib.loads(text)), FieldMap)
    except RecursionError as error:
        raise InvalidMap(file=path.name, reason="nested too deeply") from error
    except (ValueError, msgspec.ValidationError) as error:
        raise InvalidMap(file=path.name, reason=str(error)) from error
    reason = _misfit(found, kind=kind, fields=list(fields))
    if reason:
        raise InvalidMap(file=path.name, reason=reason)
    return found


def _as_cells(found: Any) -> Any:
    """Make what TOML holds into what cells read: it has days and times of its own, and NUL.

    Raises `ValueError` for a text that no cell can hold.
    """
    if isinstance(found, dict):
        return {_as_cells(name): _as_cells(value) for name, value in found.items()}
    if isinstance(found, list):
        return [_as_cells(value) for value in found]
    if isinstance(found, str) and "\0" in found:
        raise ValueError("a text in it holds a NUL character")
    return found.isoformat() if isinstance(found, date | time) else found


def _misfit(found: FieldMap, *, kind: str, fields: list[str]) -> str:
    """Return why the map does not fit `kind`, or an empty text."""
    sections = {
        "columns": list(found.columns),
        "constants": list(found.constants),
        "templates": list(found.templates),
        "days": list(found.days),
        "group": [found.group.count] if found.group else [],
    }
    given: dict[str, str] = {}
    problems: list[str] = []
    for section, names in sections.items():
        for name in names:
            if name not in fields:
                problems.append(_unknown_field(section, name, kind=kind, fields=fields))
            elif name in given:
                problems.append(f"{name} is given twice, in [{given[name]}] and in [{section}]")
            given[name] = section
    for name in found.values:
        if name not in fields:
            problems.append(_unknown_field("values", name, kind=kind, fields=fields))
        elif given.get(name) in {"constants", "days", "group"}:
            problems.append(f"[values.{name}] is of no use: {name} is in [{given[name]}]")
    for name, template in found.templates.items():
        reason = template_misfit(template)
        if reason:
            problems.append(f"templates.{name}: {reason}")
    if found.usage is not None and kind != "usage":
        problems.append(f"[usage] has no meaning for {kind}")
    if found.group is not None and (kind == "usage" or not found.group.by):
        problems.append(f"[group] has no meaning for {kind}, or names no column in `by`")
    return problems[0] if problems else ""


def _unknown_field(section: str, name: str, *, kind: str, fields: list[str]) -> str:
    return f"[{section}] names “{name}”, which is no field of {kind} ({', '.join(fields)})"


def template_misfit(template: str) -> str:
    """Return why a template can't be used, or an empty text; only `{column}` may stand in it."""
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        return str(error)
    for _, column, form, conversion in parts:
        if column is not None and (not column or form or conversion):
            return "write {column} with nothing else between the braces"
    return ""


def template_columns(template: str) -> list[str]:
    return [column for _, column, _, _ in Formatter().parse(template) if column]


def as_text(value: Text) -> str:
    """Return a TOML value as the text that a cell would hold."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
