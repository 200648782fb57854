"""What two versions of a resource say differently: metadata, terms and files, field by field.

Reads whatever the versions say, so that new metadata are told without being named here. Which
versions there are to compare is the actor's view (`visible_versions`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from catalog.attachments.reading import AttachedFile, files_of
from catalog.changes import described
from catalog.models import Resource, Version
from catalog.terms import terms_between
from catalog.visibility import visible_versions
from kernel.errors import NotFound
from kernel.identity.models import Organisation
from kernel.unit import Unit

INSIDE: Final = frozenset({"author_school_id"})
"""What a version holds for the program alone."""


class Part(StrEnum):
    """Of what a difference speaks."""

    METADATA = "metadata"
    TERMS = "terms"
    FILES = "files"


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """One thing that is said otherwise; None where one of the two says nothing of it.

    `name`: the metadata's, one of `catalog.terms`, or a file's; values as the version holds them:
    of a file its purpose, size and digest.
    """

    part: Part
    name: str
    before: Any
    after: Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """One of the two versions."""

    id: UUID
    number: int
    title: str
    state: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Two versions of one resource; `numbers`: all that the actor may compare."""

    vendor_code: str
    vendor_name: str
    sku: str
    before: Told
    after: Told
    differences: Sequence[Difference]
    numbers: Sequence[int]


def compare_versions(
    unit: Unit, *, vendor_code: str, sku: str, before: int | None, after: int | None
) -> Comparison:
    """Compare two versions by their numbers; by default the newest with the one before it.

    Raises `NotFound` for a resource or number that the actor does not see.
    """
    rows = unit.session.execute(
        visible_versions(unit)
        .join(Organisation, Organisation.id == Resource.vendor_id)
        .where(Organisation.code == vendor_code, Resource.sku == sku)
        .order_by(Version.number)
        .with_only_columns(Version, Organisation.name)
    ).all()
    if not rows:
        raise NotFound(what="resource", key=f"{vendor_code}/{sku}")
    seen = {version.number: version for version, _ in rows}
    numbers = sorted(seen)
    new = seen.get(after if after is not None else numbers[-1])
    if new is None:
        raise NotFound(what="version", key=after)
    earlier = [number for number in numbers if number < new.number]
    old = seen.get(before if before is not None else (earlier or numbers)[-1])
    if old is None:
        raise NotFound(what="version", key=before)
    return Comparison(
        vendor_code=vendor_code,
        vendor_name=rows[0].name,
        sku=sku,
        before=_told(old),
        after=_told(new),
        differences=differences(unit, old, new, files=files_of(unit, [old.id, new.id])),
        numbers=numbers,
    )


def differences(
    unit: Unit,
    old: Version,
    new: Version,
    *,
    files: Mapping[UUID, Sequence[AttachedFile]],
) -> tuple[Difference, ...]:
    """Return what differs between two versions, metadata first, then terms, then `files`."""
    says, said = described(new), described(old)
    before, after = terms_between(unit, old, new)
    return (
        *_differing(Part.METADATA, _without(said), _without(says)),
        *_differing(Part.TERMS, before, after),
        *_differing(Part.FILES, _by_name(files.get(old.id)), _by_name(files.get(new.id))),
    )


def _differing(part: Part, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    return [
        Difference(part=part, name=name, before=before.get(name), after=after.get(name))
        for name in sorted(before.keys() | after.keys())
        if (before.get(name) or None) != (after.get(name) or None)
    ]


def _without(said: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if name not in INSIDE}


def _by_name(files: Sequence[AttachedFile] | None) -> dict[str, dict[str, Any]]:
    return {
        one.name: {"purpose": one.purpose, "size_bytes": one.size_bytes, "digest": one.digest}
        for one in files or ()
    }


def _told(version: Version) -> Told:
    return Told(id=version.id, number=version.number, title=version.title, state=version.state)
