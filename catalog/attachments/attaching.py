"""Attaching files to a draft, and carrying them on to the next version (R4, R5).

Decides to what a file may be attached: a draft of the actor's own vendor. The bytes are in the
store before the attachment is recorded: `expect_file` announces them first, so that nothing that is
on its way is cleaned away.
"""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, insert, select
from sqlalchemy.dialects.postgresql import insert as insert_or_update
from sqlalchemy.orm import aliased

from catalog.attachments.models import Attachment, StoredFile
from catalog.life_cycle import require_own_vendor
from catalog.models import Version
from catalog.reviewers import lock_versions
from catalog.states import VersionState
from kernel.errors import (
    AttachmentBusy,
    AttachmentNameTaken,
    Conflict,
    InvalidInput,
    NotFound,
    TooManyAttachments,
)
from kernel.identity.recording import among
from kernel.ids import VersionId, new_id
from kernel.trail import record
from kernel.unit import Unit

PURPOSES: Final = ("content", "preview")
MOST_FILES: Final = 50
"""Files of one version; more belong into an archive."""


def expect_file(
    unit: Unit,
    version_id: VersionId,
    *,
    name: str,
    digest: str,
    size_bytes: int,
    media_type: str,
) -> None:
    """Announce a file that is about to be stored for a draft of the actor's.

    Raises what `attach` raises of the draft, and `AttachmentBusy` while the same file is dropped.
    """
    _own_draft(unit, version_id)
    now = unit.clock.now()
    sent = insert_or_update(StoredFile).values(
        digest=digest, size_bytes=size_bytes, media_type=media_type, state="kept", touched_at=now
    )
    known = unit.session.scalars(
        sent.on_conflict_do_update(
            index_elements=["digest"], set_={"touched_at": now}, where=StoredFile.state == "kept"
        ).returning(StoredFile.digest)
    ).one_or_none()
    if known is None:
        raise AttachmentBusy(file=name)


def attach(unit: Unit, version_id: VersionId, *, name: str, digest: str, purpose: str) -> UUID:
    """Attach a stored file to a draft under a name; the same once more changes nothing.

    Raises `AttachmentNameTaken`, `TooManyAttachments`; `NotFound` for another vendor's version,
    `Conflict` for one that was submitted.
    """
    version = _own_draft(unit, version_id)
    if purpose not in PURPOSES:
        raise InvalidInput(field="purpose", value=purpose, expected=" | ".join(PURPOSES))
    stored = unit.session.get(StoredFile, digest, with_for_update={"key_share": True, "read": True})
    if stored is None or stored.state != "kept":
        raise AttachmentBusy(file=name)
    there = unit.session.scalars(
        select(Attachment).where(Attachment.version_id == version.id)
    ).all()
    same = next((one for one in there if one.name == name), None)
    if same is not None:
        if same.digest == digest and same.purpose == purpose:
            return same.id
        raise AttachmentNameTaken(file=name)
    if len(there) >= MOST_FILES:
        raise TooManyAttachments(file=name, most=MOST_FILES)
    added = Attachment(
        id=new_id(),
        version_id=version.id,
        name=name,
        purpose=purpose,
        digest=digest,
        attached_by=unit.actor.person_id,
        attached_at=unit.clock.now(),
    )
    unit.session.add(added)
    _trail(unit, "attachment.added", version, added)
    unit.session.flush()
    return added.id


def detach(unit: Unit, version_id: VersionId, attachment_id: UUID) -> None:
    """Take a file off a draft; the file itself is dropped later, if nothing else refers to it."""
    version = _own_draft(unit, version_id)
    found = unit.session.get(Attachment, attachment_id)
    if found is None or found.version_id != version.id:
        raise NotFound(what="attachment", key=attachment_id)
    _trail(unit, "attachment.removed", version, found)
    unit.session.delete(found)
    unit.session.flush()


def carry_over(unit: Unit, version_ids: Sequence[UUID]) -> None:
    """Give versions that were recorded just now the files of the versions before them.

    Who sends a catalogue as a file says nothing of attachments; they stay as they were.
    """
    newer, older = aliased(Version), aliased(Version)
    if not version_ids:
        return
    rows = select(
        func.gen_random_uuid(),
        newer.id,
        Attachment.name,
        Attachment.purpose,
        Attachment.digest,
        Attachment.attached_by,
        newer.created_at,
    ).select_from(newer)
    rows = (
        rows.join(older, older.resource_id == newer.resource_id)
        .join(Attachment, Attachment.version_id == older.id)
        .where(among(newer.id, version_ids), older.number == newer.number - 1)
    )
    names = ("id", "version_id", "name", "purpose", "digest", "attached_by", "attached_at")
    unit.session.execute(insert(Attachment).from_select(names, rows))


def _own_draft(unit: Unit, version_id: VersionId) -> Version:
    """Return a draft of the acting manager's vendor, locked."""
    (version,) = lock_versions(unit, [version_id])
    require_own_vendor(unit, [version])
    if version.state != VersionState.DRAFT:
        raise Conflict(
            what="version",
            key=version.title,
            state=VersionState(version.state),
            wanted=VersionState.DRAFT,
        )
    return version


def _trail(unit: Unit, act: str, version: Version, attachment: Attachment) -> None:
    facts: dict[str, Any] = {"digest": attachment.digest, "purpose": attachment.purpose}
    record(
        unit,
        act,
        subject_kind="version",
        subject_id=version.id,
        note=attachment.name,
        number=version.number,
        title=version.title,
        **facts,
    )
