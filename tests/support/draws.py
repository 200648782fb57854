"""Blind samples as a database has them from before draws were the trail's."""

from uuid import UUID

from sqlalchemy import select, text

from catalog.blind_audit import drawn_from
from catalog.models import Version
from catalog.sharing_models import BlindSample
from catalog.states import VersionState
from kernel.actors import Actor
from kernel.identity.models import Organisation
from kernel.ids import new_id
from kernel.trail import record
from kernel.unit import Units
from tests.support.settlement_builders import SYSTEM


def drawn_before(
    units: Units, bureau: Organisation, drawer: Actor, *, seed: str, size: int = 500
) -> list[UUID]:
    """Draw of all that is listed, by a seed that the drawer chose; return the samples."""
    assert drawer.person_id is not None
    with units(SYSTEM) as unit:
        unit.session.execute(text("SET LOCAL session_replication_role = replica"))
        listed = select(Version.id).where(Version.state == VersionState.LISTED)
        samples = [
            BlindSample(
                id=new_id(),
                bureau_id=bureau.id,
                seed=seed,
                version_id=version_id,
                drawn_by=drawer.person_id,
                drawn_at=unit.clock.now(),
                note="",
            )
            for version_id in drawn_from([*unit.session.scalars(listed)], seed=seed, size=size)
        ]
        unit.session.add_all(samples)
    with units(drawer) as unit:
        record(
            unit,
            "sample.drawn",
            subject_kind="bureau",
            subject_id=bureau.id,
            seed=seed,
            of=len(samples),
            drawn=len(samples),
            versions=sorted(one.version_id for one in samples),
            at=unit.clock.now(),
        )
    return [one.id for one in samples]
