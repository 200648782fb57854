"""Regions: the administrative tree, and for each node all of its ancestors.

Decides where a region hangs: what the row says, else the nearest ancestor by its code (GB/T 2260)
that is known. A name may change; a region's place can't, since rules, money and reports of the
past hang on it.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import insert, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or_ignore

from kernel.actors import Role
from kernel.errors import AlreadyExists, InvalidInput, MarketError, NotFound
from kernel.identity.models import NATION, Region, RegionClosure
from kernel.identity.recording import FieldError, lock_recording, require_text
from kernel.identity.visibility import visible_regions
from kernel.outcomes import ACCEPTED, DUPLICATE, RowOutcome, conflicting
from kernel.unit import Unit

NATION_NAME = "中华人民共和国"
REGION_RECORDERS = (Role.OPERATOR,)
CODE = re.compile(r"\d{2}(\d{2}(\d{2})?)?", re.ASCII)
CODE_DIGITS = 6


class Level(StrEnum):
    """Levels of the tree, from the root down."""

    NATION = "nation"
    PROVINCE = "province"
    CITY = "city"
    COUNTY = "county"


DEPTH = {level: depth for depth, level in enumerate(Level)}


@dataclass(frozen=True, kw_only=True, slots=True)
class RegionRow:
    """One region to record; an empty `level` or `parent_code` is derived from the code."""

    code: str
    name: str
    level: str = ""
    parent_code: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Node:
    """A region with everything decided, as the table holds it."""

    code: str
    name: str
    level: Level
    parent_code: str | None


def ensure_nation(unit: Unit) -> None:
    """Make the root of the tree if it is not there."""
    unit.session.execute(
        insert_or_ignore(Region)
        .values(code=NATION, name=NATION_NAME, level=Level.NATION, is_sample=False)
        .on_conflict_do_nothing()
    )
    unit.session.execute(
        insert_or_ignore(RegionClosure)
        .values(ancestor_code=NATION, region_code=NATION, distance=0)
        .on_conflict_do_nothing()
    )


def record_regions(
    unit: Unit, rows: Sequence[RegionRow], *, is_sample: bool = False
) -> list[RowOutcome]:
    """Record regions below those the actor answers for; return each row's fate, in order."""
    unit.actor.require("record regions", *REGION_RECORDERS)
    lock_recording(unit)
    ensure_nation(unit)
    nodes = _known_nodes(unit)
    reach = set(unit.session.scalars(visible_regions(unit).with_only_columns(Region.code)))
    coming = {code for row in rows if (code := _padded(row.code)) is not None}
    fresh: dict[str, _Node] = {}
    renamed: dict[str, str] = {}
    outcomes: dict[int, RowOutcome] = {}
    # From the root down: a parent may stand anywhere in the file.
    for position in sorted(range(len(rows)), key=lambda position: _sort_key(rows[position])):
        row = rows[position]
        try:
            node = _node_of(row, nodes, coming)
            outcomes[position] = _place(node, row, nodes, reach=reach, fresh=fresh, renamed=renamed)
        except FieldError as error:
            outcomes[position] = error.outcome
    _write(unit, fresh, renamed, nodes, is_sample=is_sample)
    return [outcomes[position] for position in range(len(rows))]


def _place(
    node: _Node,
    row: RegionRow,
    nodes: dict[str, _Node],
    *,
    reach: set[str],
    fresh: dict[str, _Node],
    renamed: dict[str, str],
) -> RowOutcome:
    """Decide what becomes of one row, and note what is to be written."""
    known = nodes.get(node.code)
    if known is None:
        if node.parent_code not in reach:
            raise FieldError(_no_region(node.parent_code or ""), field="parent_code")
        reach.add(node.code)
        nodes[node.code] = fresh[node.code] = node
        return ACCEPTED
    if known.code not in reach:
        raise FieldError(_no_region(node.code), field="code")
    fixed = {
        "level": not row.level or known.level == node.level,
        "parent_code": not row.parent_code or known.parent_code == node.parent_code,
        # Two names for one region in one file: which of them is meant?
        "name": renamed.get(node.code, known.name) == node.name
        or (node.code not in fresh and node.code not in renamed),
    }
    differs = next((name for name, fits in fixed.items() if not fits), "")
    if differs:
        return conflicting(AlreadyExists(what="region", key=node.code), field=differs)
    if renamed.get(node.code, known.name) == node.name:
        return DUPLICATE
    renamed[node.code] = node.name
    return ACCEPTED


def _node_of(row: RegionRow, nodes: dict[str, _Node], coming: set[str]) -> _Node:
    code = _padded(row.code)
    if code is None:
        raise FieldError(
            InvalidInput(field="code", value=row.code, expected="2, 4 or 6 digits"), field="code"
        )
    name = require_text(row.name, field="name")
    level = _level(row, code)
    if level is Level.NATION:
        if code != NATION:
            raise FieldError(
                InvalidInput(field="level", value=level, expected="province | city | county"),
                field="level",
            )
        return _Node(code=code, name=name, level=level, parent_code=None)
    parent_code = _padded(row.parent_code) if row.parent_code else _derived_parent(code, nodes)
    parent = nodes.get(parent_code or "")
    if parent is None:
        known_later = parent_code in coming
        error: MarketError = (
            InvalidInput(field="parent_code", value=row.parent_code, expected="a region above it")
            if known_later
            else _no_region(row.parent_code)
        )
        raise FieldError(error, field="parent_code")
    if DEPTH[parent.level] >= DEPTH[level]:
        raise FieldError(
            InvalidInput(
                field="parent_code", value=row.parent_code, expected=f"a region above a {level}"
            ),
            field="parent_code",
        )
    return _Node(code=code, name=name, level=level, parent_code=parent.code)


def _level(row: RegionRow, code: str) -> Level:
    if not row.level:
        return _derived_level(code)
    try:
        return Level(row.level)
    except ValueError:
        raise FieldError(
            InvalidInput(field="level", value=row.level, expected=" | ".join(Level)), field="level"
        ) from None


def _padded(code: str) -> str | None:
    """Return a code of 2, 4 or 6 digits as six, None for anything else."""
    code = code.strip()
    return code.ljust(CODE_DIGITS, "0") if CODE.fullmatch(code) else None


def _derived_level(code: str) -> Level:
    if code == NATION:
        return Level.NATION
    if code.endswith("0000"):
        return Level.PROVINCE
    return Level.CITY if code.endswith("00") else Level.COUNTY


def _derived_parent(code: str, nodes: dict[str, _Node]) -> str:
    """Return the nearest ancestor by code that is known; counties may lack a city."""
    above = (code[:4] + "00", code[:2] + "0000")
    return next((one for one in above if one != code and one in nodes), NATION)


def _sort_key(row: RegionRow) -> tuple[int, str]:
    code = _padded(row.code) or ""
    if row.level in DEPTH:
        return DEPTH[Level(row.level)], code
    return (DEPTH[_derived_level(code)] if code else len(DEPTH)), code


def _known_nodes(unit: Unit) -> dict[str, _Node]:
    rows = unit.session.execute(
        select(Region.code, Region.name, Region.level, Region.parent_code)
    ).all()
    return {
        code: _Node(code=code, name=name, level=Level(level), parent_code=parent_code)
        for code, name, level, parent_code in rows
    }


def _write(
    unit: Unit,
    fresh: dict[str, _Node],
    renamed: dict[str, str],
    nodes: dict[str, _Node],
    *,
    is_sample: bool,
) -> None:
    if fresh:
        unit.session.execute(
            insert(Region),
            [
                {
                    "code": node.code,
                    "name": node.name,
                    "level": node.level,
                    "parent_code": node.parent_code,
                    "is_sample": is_sample,
                }
                for node in fresh.values()
            ],
        )
        unit.session.execute(
            insert(RegionClosure),
            [
                {"ancestor_code": ancestor, "region_code": code, "distance": distance}
                for code in fresh
                for distance, ancestor in enumerate(_upwards(code, nodes))
            ],
        )
    if renamed:
        unit.session.execute(
            update(Region), [{"code": code, "name": name} for code, name in renamed.items()]
        )


def _upwards(code: str, nodes: dict[str, _Node]) -> Iterator[str]:
    """Yield the region and its ancestors, the nearest first."""
    at: str | None = code
    while at is not None:
        yield at
        at = nodes[at].parent_code


def _no_region(code: str) -> NotFound:
    return NotFound(what="region", key=code)
