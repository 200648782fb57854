"""Packs: a resource that bundles versions of others, with versions, price and admission of its own.

Decides what may be bundled: at least two listed resources of one vendor, no packs, no teacher's
service works (whose school shares are their own), nothing basic in a pack that costs something. A
part is written `SKU@NUMBER`; a bare `SKU` is its newest listed version.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select, text
from sqlalchemy.orm import InstrumentedAttribute, aliased

from catalog.kinds import Ownership, ResourceKind
from catalog.models import Resource, Version
from catalog.pack_models import PackPart
from catalog.states import VersionState
from catalog.visibility import visible_versions
from kernel.arrays import UuidArray
from kernel.errors import InvalidInput, PartNotListed
from kernel.identity.models import Organisation
from kernel.identity.recording import FieldError, among
from kernel.unit import Unit

PACK: Final = "资源包"
"""The type of every pack, and of nothing else."""
FEWEST: Final = 2
MOST: Final = 200

BIND: Final = """
INSERT INTO pack_part (pack_id, position, resource_id, version_id)
SELECT pack.id, said.position, part.resource_id, part.id
FROM version pack
JOIN resource own ON own.id = pack.resource_id
CROSS JOIN LATERAL jsonb_array_elements_text(pack.metadata -> 'parts')
    WITH ORDINALITY AS said(word, position)
JOIN resource other ON other.vendor_id = own.vendor_id
    AND other.sku = substring(said.word FROM '^(.*)@[0-9]+$')
JOIN version part ON part.resource_id = other.id
    AND part.number = CAST(substring(said.word FROM '@([0-9]+)$') AS bigint)
WHERE pack.id = ANY(:ids) AND jsonb_typeof(pack.metadata -> 'parts') = 'array'
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One part of a pack, or one pack of which something is a part."""

    version_id: UUID
    resource_id: UUID
    vendor_code: str
    sku: str
    number: int
    title: str
    state: str
    type: str


@dataclass(frozen=True, slots=True)
class _Known:
    sku: str
    version: Version


class PartsOf:
    """The versions that rows of vendors may name as parts, looked up once for all rows."""

    def __init__(self, unit: Unit, wanted: Mapping[str, Collection[str]]) -> None:
        """`wanted`: by vendor code the parts as they are typed."""
        skus = {one for parts in wanted.values() for part in parts for one in (part, _sku(part))}
        self._known: dict[tuple[str, str], dict[int, _Known]] = {}
        if not skus:
            return
        for code, sku, version in unit.session.execute(
            select(Organisation.code, Resource.sku, Version)
            .join(Resource, Resource.vendor_id == Organisation.id)
            .join(Version, Version.resource_id == Resource.id)
            .where(among(Organisation.code, list(wanted)), among(Resource.sku, list(skus)))
        ):
            self._known.setdefault((code, sku), {})[version.number] = _Known(sku, version)

    def pinned(self, parts: Sequence[str], *, vendor_code: str, kind: str) -> tuple[str, ...]:
        """Return the parts as `SKU@NUMBER`; raise `FieldError` for one that may be none."""
        found = [self._find(part, vendor_code=vendor_code) for part in parts]
        for part, one in zip(parts, found, strict=True):
            _require_fit(part, one.version, kind=kind)
        if len({one.sku for one in found}) < len(found):
            raise _wrong(", ".join(parts), "each resource once")
        if not FEWEST <= len(found) <= MOST:
            raise _wrong(", ".join(parts), f"{FEWEST} to {MOST} resources")
        return tuple(f"{one.sku}@{one.version.number}" for one in found)

    def _find(self, part: str, *, vendor_code: str) -> _Known:
        number = _number(part) if (vendor_code, part) not in self._known else None
        sku = part if number is None else _sku(part)
        versions = self._known.get((vendor_code, sku), {})
        if number is None:
            listed = [n for n, one in versions.items() if _is_listed(one.version)]
            number = max(listed, default=0)
        found = versions.get(number)
        if found is None or not _is_listed(found.version):
            raise FieldError(PartNotListed(field="parts", key=part), field="parts")
        return found


def pinned_rows(unit: Unit, rows: Sequence[Any]) -> "PartsOf":
    """Return what the parts of all rows (`CatalogueRow`) are looked up in."""
    wanted: dict[str, set[str]] = {}
    for row in rows:
        if row.parts:
            wanted.setdefault(row.vendor_code, set()).update(row.parts)
    return PartsOf(unit, wanted)


def with_pinned_parts(row: Any, known: PartsOf) -> Any:
    """Return a row with its parts pinned and its type set; raise `FieldError`."""
    if not row.parts:
        if row.type == PACK:
            raise _wrong("", f"{FEWEST} to {MOST} resources")
        return row
    if row.type not in ("", PACK):
        error = InvalidInput(field="type", value=row.type, expected=PACK)
        raise FieldError(error, field="type")
    parts = known.pinned(row.parts, vendor_code=row.vendor_code, kind=row.kind)
    return replace(row, parts=parts, type=PACK)


def bind_parts(unit: Unit, version_ids: Sequence[UUID]) -> None:
    """Write the parts that versions name as rows, in place of those of a draft before."""
    unit.session.execute(delete(PackPart).where(among(PackPart.pack_id, version_ids)))
    unit.session.execute(text(BIND), {"ids": UuidArray.of(version_ids)})


def require_parts_listed(unit: Unit, versions: Sequence[Version]) -> None:
    """Raise `PartNotListed` if a part of one of these packs is listed no more."""
    gone = parts_gone(unit, versions)
    if gone:
        raise PartNotListed(field="parts", key=min(gone.values()))


def has_part_gone(pack_id: InstrumentedAttribute[UUID]) -> ColumnElement[bool]:
    """Return the condition that a part of the pack is listed no more."""
    part = aliased(Version)
    return (
        select(PackPart.pack_id)
        .join(part, part.id == PackPart.version_id)
        .where(PackPart.pack_id == pack_id, part.state != VersionState.LISTED)
        .exists()
    )


def parts_gone(unit: Unit, versions: Iterable[Version]) -> dict[UUID, str]:
    """Return of each pack among these versions a part that is listed no more, as `SKU@NUMBER`."""
    packs = [version.id for version in versions if version.type == PACK]
    if not packs:
        return {}
    rows = unit.session.execute(
        select(PackPart.pack_id, Resource.sku, Version.number)
        .join(Version, Version.id == PackPart.version_id)
        .join(Resource, Resource.id == Version.resource_id)
        .where(among(PackPart.pack_id, packs), Version.state != VersionState.LISTED)
        .order_by(PackPart.pack_id, PackPart.position.desc())
    )
    return {pack_id: f"{sku}@{number}" for pack_id, sku, number in rows}


def parts_of(unit: Unit, pack_id: UUID) -> list[Part]:
    """Return the parts of a pack's version that the caller has found visible, in their order."""
    rows = unit.session.execute(
        select(Version, Resource.sku, Organisation.code)
        .join(PackPart, PackPart.version_id == Version.id)
        .join(Resource, Resource.id == Version.resource_id)
        .join(Organisation, Organisation.id == Resource.vendor_id)
        .where(PackPart.pack_id == pack_id)
        .order_by(PackPart.position)
    )
    return [_part(*row) for row in rows]


def packs_with(unit: Unit, resource_id: UUID) -> list[Part]:
    """Return the newest listed version of each pack of which a resource is a part, by title."""
    newest = (
        select(func.max(Version.number))
        .where(Version.resource_id == Resource.id, Version.state == VersionState.LISTED)
        .correlate(Resource)
        .scalar_subquery()
    )
    rows = unit.session.execute(
        visible_versions(unit)
        .join(PackPart, PackPart.pack_id == Version.id)
        .join(Organisation, Organisation.id == Resource.vendor_id)
        .where(
            PackPart.resource_id == resource_id,
            Version.state == VersionState.LISTED,
            Version.number == newest,
        )
        .order_by(Version.title, Version.id)
        .with_only_columns(Version, Resource.sku, Organisation.code)
    )
    return [_part(*row) for row in rows]


def _part(version: Version, sku: str, vendor_code: str) -> Part:
    return Part(
        version_id=version.id,
        resource_id=version.resource_id,
        vendor_code=vendor_code,
        sku=sku,
        number=version.number,
        title=version.title,
        state=version.state,
        type=version.type,
    )


def _require_fit(part: str, version: Version, *, kind: str) -> None:
    if version.type == PACK:
        raise _wrong(part, "a resource that is no pack itself")
    if version.metadata_.get("ownership") == Ownership.SERVICE_WORK:
        raise _wrong(part, "a work in which no school has a share")
    if version.kind == ResourceKind.BASIC and kind != ResourceKind.BASIC:
        raise _wrong(part, "a resource that is not free by policy")


def _wrong(value: str, expected: str) -> FieldError:
    return FieldError(InvalidInput(field="parts", value=value, expected=expected), field="parts")


def _is_listed(version: Version) -> bool:
    return version.state == VersionState.LISTED


def _sku(part: str) -> str:
    return part.rpartition("@")[0] or part


def _number(part: str) -> int | None:
    sku, _, digits = part.rpartition("@")
    is_number = bool(sku) and digits.isascii() and digits.isdigit() and len(digits) < 10
    return int(digits) if is_number else None
