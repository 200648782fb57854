"""Stored files against what the database says of them: there, of their size, of their digest.

The proof that what was admitted is what is opened. Reading every byte of a store takes its time, so
that digests are compared where the caller asks for it.
"""

import hashlib
from collections.abc import Iterator

from sqlalchemy import select

from catalog.attachments.models import Attachment, StoredFile
from catalog.attachments.vault import Vault
from kernel.actors import Actor
from kernel.errors import StoredFileMissing, StoreUnavailable
from kernel.unit import Units


def check_files(units: Units, actor: Actor, vault: Vault, *, whole: bool) -> Iterator[str]:
    """Name each attached file that is missing, of another size or, if read `whole`, altered.

    A store that doesn't answer is one finding, and the end: nothing was proved.
    """
    with units(actor) as unit:
        attached = select(Attachment.id).where(Attachment.digest == StoredFile.digest).exists()
        files = unit.session.execute(
            select(StoredFile.digest, StoredFile.size_bytes)
            .where(attached)
            .order_by(StoredFile.digest)
        ).all()
    for digest, size_bytes in files:
        try:
            found = vault.size_of(digest)
            if found != size_bytes:
                has = "is missing" if found is None else f"has {found} bytes"
                yield f"stored file {digest}: {has} in the store, {size_bytes} bytes were attached"
            elif whole and _digest(vault, digest) != digest:
                yield f"stored file {digest}: its content is not what was attached"
        except StoredFileMissing:
            yield f"stored file {digest}: went while it was read"
        except StoreUnavailable as error:
            yield f"the store of attached files can't be read: {error}"
            return


def _digest(vault: Vault, digest: str) -> str:
    found = hashlib.sha256()
    for piece in vault.chunks(digest, name=digest):
        found.update(piece)
    return found.hexdigest()
