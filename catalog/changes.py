"""What a version changes of what was admitted before it: content, licence, price (R14).

Reads whatever the versions say, so that new metadata are content without being named here.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on

from catalog.admission_models import ProposedOffer
from catalog.attachments.reading import AttachedFile, files_of
from catalog.criteria import Change
from catalog.models import Admission, Version
from catalog.states import AdmissionState
from kernel.identity.recording import among
from kernel.unit import Unit

APART: Final = frozenset({"id", "resource_id", "number", "state", "digest", "created_at"})
"""Columns that say nothing of what is offered."""
LICENCE: Final = "licence"


def changes_of(unit: Unit, versions: Sequence[Version]) -> dict[UUID, list[Change]]:
    """Return what each version changes of its resource's last admitted one; `first` if none was."""
    before = admitted_before(unit, {version.resource_id for version in versions})
    files = files_of(unit, [one.id for one in (*versions, *before.values())])
    priced = set(
        unit.session.scalars(
            select(ProposedOffer.version_id).where(
                among(ProposedOffer.version_id, [version.id for version in versions])
            )
        )
    )
    return {
        version.id: _changes(
            before.get(version.resource_id), version, files=files, is_priced=version.id in priced
        )
        for version in versions
    }


def admitted_before(unit: Unit, resource_ids: Collection[UUID]) -> dict[UUID, Version]:
    """Return each resource's newest admitted version, whatever became of it since."""
    rows = unit.session.scalars(
        select(Version)
        .join(Admission, Admission.version_id == Version.id)
        .where(among(Version.resource_id, resource_ids), Admission.state == AdmissionState.ADMITTED)
        .ext(distinct_on(Version.resource_id))
        .order_by(Version.resource_id, Version.number.desc())
    )
    return {version.resource_id: version for version in rows}


def described(version: Version) -> dict[str, Any]:
    """Return all that a version says of what is offered, by name."""
    columns = {
        attribute.key: getattr(version, attribute.key)
        for attribute in Version.__mapper__.column_attrs
        if attribute.key not in APART
    }
    metadata: dict[str, Any] = columns.pop("metadata_")
    return metadata | columns


def _changes(
    before: Version | None,
    version: Version,
    *,
    files: Mapping[UUID, Sequence[AttachedFile]],
    is_priced: bool,
) -> list[Change]:
    if before is None:
        return [Change.FIRST]
    old, new = described(before), described(version)
    differing = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
    found = {
        Change.CONTENT: bool(differing - {LICENCE})
        or _attached(files, before) != _attached(files, version),
        Change.LICENCE: LICENCE in differing,
        Change.PRICE: is_priced,
    }
    return [change for change in Change if found.get(change)]


def _attached(files: Mapping[UUID, Sequence[AttachedFile]], version: Version) -> set[Any]:
    return {(one.name, one.purpose, one.digest) for one in files.get(version.id, ())}
