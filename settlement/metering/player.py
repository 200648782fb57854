"""The platform's own player: what is opened in it is used by being opened (R26).

Decides which source an opening is reported by, and in which delivery; the opening goes the way of
every other use, through `ingest`. A heartbeat says how long something stayed open and is never a
use.
"""

import hashlib
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert as insert_or_update

from kernel.clock import shanghai_day
from kernel.errors import NoPlayer
from kernel.identity.models import Organisation, RegionClosure
from kernel.unit import Unit
from settlement.metering.ingest import Batch, UsageRow, find_batch, ingest_rows, open_batch
from settlement.metering.models import Launch, LaunchPresence, UsageSource

BEAT_S: Final = 60
"""Seconds between two heartbeats of a page that is looked at."""
OPENING: Final = ":open"
SENDER: Final = "system:player"


def player_source_for(unit: Unit, school: Organisation) -> UsageSource:
    """Return the player that the nearest bureau at or above a school admitted; else `NoPlayer`.

    A classroom box is a player, too, but only of its own packages.
    """
    found = unit.session.scalars(
        select(UsageSource)
        .join(Organisation, Organisation.id == UsageSource.admitted_for)
        .join(RegionClosure, RegionClosure.ancestor_code == Organisation.region_code)
        .where(
            RegionClosure.region_code == school.region_code,
            UsageSource.trust == "player",
            UsageSource.organisation_id.is_(None),
        )
        .order_by(RegionClosure.distance, UsageSource.admitted_at, UsageSource.code)
        .limit(1)
    ).first()
    if found is None:
        raise NoPlayer(school=school.name)
    return found


def record_opening(
    unit: Unit, launch: Launch, *, source: UsageSource, school: Organisation
) -> None:
    """Report the opening of a launch as its one use.

    One delivery holds a school's openings of a day: a delivery for each would be a row for a row,
    and one for the whole region would have all its schools wait for each other.
    """
    name = f"player-{shanghai_day(launch.issued_at)}-{school.code}"
    digest = hashlib.sha256(f"{source.code}/{name}".encode()).digest()
    row = UsageRow(
        event_id=f"{launch.id}{OPENING}",
        occurred_at=launch.issued_at,
        learner_hash=b"",
        vendor_code="",
        sku="",
        launch_id=launch.id,
    )
    batch = _delivery(unit, source, name=name, digest=digest)
    ingest_rows(unit, batch, [row], first_position=batch.rows_taken)


def beat(unit: Unit, launch: Launch) -> None:
    """Note that a launch is still in use; after its end nothing is noted."""
    now = unit.clock.now()
    if now >= launch.expires_at:
        return
    added = insert_or_update(LaunchPresence).values(launch_id=launch.id, beats=1, last_seen_at=now)
    unit.session.execute(
        added.on_conflict_do_update(
            index_elements=[LaunchPresence.launch_id],
            set_={
                "beats": LaunchPresence.beats + 1,
                "last_seen_at": func.greatest(LaunchPresence.last_seen_at, now),
            },
        )
    )


def _delivery(unit: Unit, source: UsageSource, *, name: str, digest: bytes) -> Batch:
    """Return the day's delivery, locked until the commit; it is the player's, whoever opens."""
    begun = find_batch(unit, source, digest=digest)
    return begun or open_batch(
        unit, source, name=name, digest=digest, channel="player", sent_by=SENDER
    )
