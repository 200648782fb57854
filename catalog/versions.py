"""A vendor's own versions, drafts among them, as it lists them: whole, or a page of them.

A vendor has up to tens of thousands: what is listed is read column by column and, on pages,
narrowed, ordered and counted by the database.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, exists, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, aliased

from catalog.models import Resource, Version
from catalog.states import VersionState
from kernel.actors import Role
from kernel.errors import InvalidInput
from kernel.ids import VersionId
from kernel.unit import Unit


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnVersion:
    """One version in its vendor's list; `is_newest` of its resource."""

    version_id: VersionId
    sku: str
    number: int
    title: str
    kind: str
    subject: str
    state: str
    created_at: datetime
    is_newest: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Looked:
    """What of its versions a vendor looks for: `words` as they stand in title or article number.

    `states`: in one of which it is; empty means any.
    """

    words: str = ""
    only_newest: bool = False
    states: frozenset[VersionState] = frozenset()


SORTS: Final[Mapping[str, InstrumentedAttribute[Any]]] = {
    "sku": Resource.sku,
    "title": Version.title,
    "state": Version.state,
    "created_at": Version.created_at,
}
LISTED: Final = (
    Version.id,
    Resource.sku,
    Version.number,
    Version.title,
    Version.kind,
    Version.subject,
    Version.state,
    Version.created_at,
)
"""The columns of an `OwnVersion` in its order."""


def own_versions(
    unit: Unit, *, after: VersionId | None = None, limit: int | None = None
) -> list[OwnVersion]:
    """Return the versions of the acting manager's vendor, by sku, the newest of each first.

    `limit` None means all. Raises `InvalidInput` if `after`, behind which they begin, is none of
    them.
    """
    wanted = _own(unit).order_by(Resource.sku, Version.number.desc()).limit(limit)
    if after is not None:
        found = unit.session.execute(
            _own(unit).with_only_columns(Resource.sku, Version.number).where(Version.id == after)
        ).one_or_none()
        if found is None:
            expected = "the cursor of a page before"
            raise InvalidInput(field="after", value=str(after), expected=expected)
        wanted = wanted.where(
            Resource.sku >= found.sku,
            or_(Resource.sku > found.sku, Version.number < found.number),
        )
    return _read(unit, wanted)


def own_versions_shown(
    unit: Unit,
    looked: Looked,
    *,
    sort: str = "sku",
    descending: bool = False,
    limit: int | None = 50,
    offset: int = 0,
) -> list[OwnVersion]:
    """Return a page of what a manager looks for; `sort` is one of `SORTS`, `limit` None all."""
    column = SORTS.get(sort, Resource.sku)
    return _read(
        unit,
        _own(unit, looked)
        .order_by(
            column.desc() if descending else column.asc(), Resource.sku, Version.number.desc()
        )
        .limit(limit)
        .offset(offset),
    )


def count_own_versions(unit: Unit, looked: Looked) -> int:
    """Return how many versions a manager looks for."""
    counted = _own(unit, looked).with_only_columns(func.count(), maintain_column_froms=True)
    return unit.session.scalar(counted) or 0


def _own(unit: Unit, looked: Looked = Looked()) -> Select[*tuple[Any, ...]]:
    unit.actor.require("see a vendor's versions", Role.VENDOR_MANAGER)
    wanted = (
        select(*LISTED, _is_newest().label("is_newest"))
        .join(Resource, Resource.id == Version.resource_id)
        .where(Resource.vendor_id == unit.actor.organisation_id)
    )
    if looked.only_newest:
        wanted = wanted.where(_is_newest())
    if looked.states:
        wanted = wanted.where(Version.state.in_(looked.states))
    if looked.words:
        named = Version.title + " " + Resource.sku
        wanted = wanted.where(named.icontains(looked.words, autoescape=True))
    return wanted


def _is_newest() -> ColumnElement[bool]:
    later = aliased(Version)
    return ~exists().where(later.resource_id == Version.resource_id, later.number > Version.number)


def _read(unit: Unit, wanted: Select[*tuple[Any, ...]]) -> list[OwnVersion]:
    return [
        OwnVersion(
            version_id=VersionId(row.id),
            sku=row.sku,
            number=row.number,
            title=row.title,
            kind=row.kind,
            subject=row.subject,
            state=row.state,
            created_at=row.created_at,
            is_newest=row.is_newest,
        )
        for row in unit.session.execute(wanted)
    ]
