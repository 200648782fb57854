"""Cleaning away stored files to which nothing refers (any more).

Decides by the database, never by what lies in the store: a file is marked first, so that nobody
attaches to it; its bytes go, then its row. What stops in between goes on with the next sweep. One
sweep at a time: a second that had found the same mark could drop what came in again since.
"""

from datetime import timedelta
from typing import Final

from sqlalchemy import delete, select, update

from catalog.attachments.models import Attachment, StoredFile
from catalog.attachments.vault import Vault
from kernel.actors import system_actor
from kernel.db import held_alone
from kernel.identity.recording import among
from kernel.unit import Unit, Units

KEPT_FOR: Final = timedelta(days=1)
"""How long a file that nothing refers to is kept: an upload takes minutes."""
AT_ONCE: Final = 500
WORKER: Final = system_actor("worker")
SWEEP_LOCK: Final = 0x7377_6565  # advisory lock: one sweep at a time


def sweep_files(units: Units, vault: Vault) -> int:
    """Drop the files to which nothing refers; return how many. None beside another sweep."""
    with held_alone(units.engine, SWEEP_LOCK) as is_held:
        if not is_held:
            return 0
        with units(WORKER) as unit:
            digests = mark_unreferenced(unit)
        for digest in digests:
            vault.drop(digest)
        with units(WORKER) as unit:
            forget_dropped(unit, digests)
    return len(digests)


def mark_unreferenced(unit: Unit, *, at_most: int = AT_ONCE) -> list[str]:
    """Mark files that nothing refers to; return their digests and those that were marked before."""
    is_referred_to = select(Attachment.id).where(Attachment.digest == StoredFile.digest).exists()
    idle = (
        select(StoredFile.digest)
        .where(StoredFile.touched_at < unit.clock.now() - KEPT_FOR, ~is_referred_to)
        .order_by(StoredFile.digest)
        .limit(at_most)
        .with_for_update(skip_locked=True)
    )
    # Looked at again after the lock: an attachment may have come in between.
    found = unit.session.scalars(idle).all()
    return list(
        unit.session.scalars(
            update(StoredFile)
            .where(among(StoredFile.digest, found), ~is_referred_to)
            .values(state="dropping")
            .returning(StoredFile.digest)
            .execution_options(synchronize_session=False)
        )
    )


def forget_dropped(unit: Unit, digests: list[str]) -> None:
    """Forget files whose bytes are gone."""
    unit.session.execute(
        delete(StoredFile)
        .where(among(StoredFile.digest, digests), StoredFile.state == "dropping")
        .execution_options(synchronize_session=False)
    )
