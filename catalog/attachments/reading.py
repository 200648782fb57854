"""Who may read an attached file (R4, R33): a preview whoever sees the version, its content few.

Content is the vendor's own, and the desk's, which judges it; a school opens it under an agreement
(`settlement.metering.launches`), since a use is what is paid for.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, or_, select, true

from catalog.attachments.kinds import SHOWN
from catalog.attachments.models import Attachment, StoredFile
from catalog.models import Resource, Version
from catalog.visibility import visible_versions
from kernel.actors import OrganisationKind, Role
from kernel.errors import NotFound
from kernel.identity.recording import among
from kernel.unit import Unit

JUDGES = (Role.ADMISSION, Role.AUDITOR)


@dataclass(frozen=True, kw_only=True, slots=True)
class AttachedFile:
    """One file of a version; `digest` is its SHA-256 in hex and its name in the store."""

    id: UUID
    version_id: UUID
    name: str
    purpose: str
    media_type: str
    size_bytes: int
    digest: str

    @property
    def is_content(self) -> bool:
        """Whether it is what is paid for, not a preview of it."""
        return self.purpose == "content"

    @property
    def is_shown(self) -> bool:
        """Whether a page of ours may show it in place: pictures, sound, film."""
        return self.media_type in SHOWN


def visible_attachments(unit: Unit) -> Select[*tuple[Attachment, StoredFile]]:
    """Select the attachments whose bytes the unit's actor may read, with what is stored of them."""
    return (
        visible_versions(unit)
        .join(Attachment, Attachment.version_id == Version.id)
        .join(StoredFile, StoredFile.digest == Attachment.digest)
        .where(_may_read(unit))
        .with_only_columns(Attachment, StoredFile)
    )


def readable_file(unit: Unit, attachment_id: UUID) -> AttachedFile:
    """Return a file that the actor may read, or raise `NotFound`."""
    row = unit.session.execute(
        visible_attachments(unit).where(Attachment.id == attachment_id)
    ).one_or_none()
    if row is None:
        raise NotFound(what="attachment", key=attachment_id)
    return _file(row)


def files_of(unit: Unit, version_ids: Collection[UUID]) -> dict[UUID, list[AttachedFile]]:
    """Return what is attached to versions that the caller has found visible, by name.

    Names, sizes and digests are part of what a version says of itself; bytes are not.
    """
    found: dict[UUID, list[AttachedFile]] = {}
    for row in unit.session.execute(
        select(Attachment, StoredFile)
        .join(StoredFile, StoredFile.digest == Attachment.digest)
        .where(among(Attachment.version_id, version_ids))
        .order_by(Attachment.version_id, Attachment.purpose, Attachment.name)
    ):
        found.setdefault(row.Attachment.version_id, []).append(_file(row))
    return found


def contents_of(unit: Unit, version_id: UUID) -> list[AttachedFile]:
    """Return the content of one version, without its previews."""
    return [one for one in files_of(unit, [version_id]).get(version_id, []) if one.is_content]


def file_of_version(unit: Unit, version_id: UUID, attachment_id: UUID) -> AttachedFile:
    """Return one file of a version that the caller has found open to the actor, or `NotFound`."""
    for one in files_of(unit, [version_id]).get(version_id, []):
        if one.id == attachment_id:
            return one
    raise NotFound(what="attachment", key=attachment_id)


def _may_read(unit: Unit) -> ColumnElement[bool]:
    actor = unit.actor
    is_preview = Attachment.purpose == "preview"
    if actor.is_system or actor.may(*JUDGES):
        return true()
    if actor.organisation_kind is OrganisationKind.VENDOR:
        return or_(is_preview, Resource.vendor_id == actor.organisation_id)
    return is_preview


def _file(row: Any) -> AttachedFile:
    attachment, stored = row
    return AttachedFile(
        id=attachment.id,
        version_id=attachment.version_id,
        name=attachment.name,
        purpose=attachment.purpose,
        media_type=stored.media_type,
        size_bytes=stored.size_bytes,
        digest=attachment.digest,
    )
