"""Taking in a file for a draft: looked into, announced, stored, recorded, in this order.

The store may be a network: nothing is sent to it within a unit. What stops in between leaves at
most a stored file that nothing refers to, which is swept away.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from uuid import UUID

from catalog.attachments.attaching import attach, expect_file
from catalog.attachments.sniffing import Rules, type_of
from catalog.attachments.vault import Vault
from kernel.http.uploads import Upload
from kernel.ids import VersionId
from kernel.settings import Settings
from kernel.unit import Unit

OpenUnit = Callable[[], AbstractContextManager[Unit]]


def take_in(
    upload: Upload,
    open_unit: OpenUnit,
    *,
    vault: Vault,
    settings: Settings,
    version_id: UUID,
    purpose: str,
) -> None:
    """Attach a file that came to a draft; `open_unit` opens a unit as its sender.

    Raises what speaks against the file, and what `attach` raises.
    """
    with open_unit():
        pass  # whoever may not send anything learns that before the file is looked into
    rules = Rules(
        most_bytes=settings.attachment_mb * 1_000_000, allows_macros=settings.attachment_macros
    )
    found = type_of(upload.file, name=upload.name, size_bytes=upload.size_bytes, rules=rules)
    with open_unit() as unit:
        expect_file(
            unit,
            VersionId(version_id),
            name=upload.name,
            digest=upload.digest,
            size_bytes=upload.size_bytes,
            media_type=found.media_type,
        )
    upload.file.seek(0)
    vault.keep(upload.digest, upload.file)
    with open_unit() as unit:
        attach(unit, VersionId(version_id), name=upload.name, digest=upload.digest, purpose=purpose)
