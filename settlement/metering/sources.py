"""Sources of usage: who may report, and how far a report is trusted (R26)."""

from sqlalchemy import select

from kernel.actors import Role
from kernel.errors import AlreadyExists, InvalidInput, NotFound, Refused
from kernel.ids import SourceId, new_id
from kernel.trail import record
from kernel.unit import Unit
from settlement.metering.models import UsageSource

TRUSTS = ("player", "attested")


def admit_source(unit: Unit, *, code: str, name: str, trust: str) -> SourceId:
    """Admit a source of usage in the name of the acting bureau; the same again changes nothing.

    `trust`: `player` (the platform's own player) or `attested` (a log without tickets, for which
    the admitting bureau answers). Raises `AlreadyExists` if the code stands for something else.
    """
    unit.actor.require("usage-source.admit", Role.ADMISSION)
    if trust not in TRUSTS:
        raise InvalidInput(field="trust", value=trust, expected=" | ".join(TRUSTS))
    known = unit.session.scalars(select(UsageSource).where(UsageSource.code == code)).first()
    if known is not None:
        if (known.name, known.trust) != (name, trust):
            raise AlreadyExists(what="usage source", key=code)
        return SourceId(known.id)
    if unit.actor.person_id is None or unit.actor.organisation_id is None:
        raise Refused(act="usage-source.admit", needs="a person of a bureau")
    source_id = SourceId(new_id())
    unit.session.add(
        UsageSource(
            id=source_id,
            code=code,
            name=name,
            trust=trust,
            admitted_by=unit.actor.person_id,
            admitted_for=unit.actor.organisation_id,
            admitted_at=unit.clock.now(),
        )
    )
    record(
        unit,
        "usage-source.admitted",
        subject_kind="source",
        subject_id=source_id,
        code=code,
        trust=trust,
    )
    unit.session.flush()
    return source_id


def source_by_code(unit: Unit, code: str) -> UsageSource:
    """Return the source, or raise `NotFound`."""
    source = unit.session.scalars(select(UsageSource).where(UsageSource.code == code)).first()
    if source is None:
        raise NotFound(what="usage source", key=code)
    return source
