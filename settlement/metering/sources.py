"""Sources of usage: who may report, and how far a report is trusted (R26)."""

from uuid import UUID

from sqlalchemy import select

from kernel.actors import OrganisationKind, Role
from kernel.errors import AlreadyExists, InvalidInput, MissingValue, NotFound, Refused
from kernel.identity.models import Organisation
from kernel.ids import SourceId, new_id
from kernel.trail import record
from kernel.unit import Unit
from settlement.metering.models import UsageSource

TRUSTS = ("player", "attested", "ticketed")


def admit_source(
    unit: Unit, *, code: str, name: str, trust: str, organisation_id: UUID | None = None
) -> SourceId:
    """Admit a source of usage in the name of the acting bureau; the same again changes nothing.

    `trust`: `player` (the platform's own player), `ticketed` (a vendor that reports uses of
    launches) or `attested` (a log without tickets, for which the admitting bureau answers).
    `organisation_id`: whose machines report through it by the API; a ticketed source has one,
    a vendor. Raises `AlreadyExists` if the code stands for something else.
    """
    unit.actor.require("usage-source.admit", Role.ADMISSION)
    code, name = code.strip(), name.strip()
    for field, text in (("code", code), ("name", name)):
        if not text:
            raise MissingValue(field=field)
    if trust not in TRUSTS:
        raise InvalidInput(field="trust", value=trust, expected=" | ".join(TRUSTS))
    reporter = _reporter(unit, organisation_id, trust=trust)
    known = unit.session.scalars(select(UsageSource).where(UsageSource.code == code)).first()
    if known is not None:
        if (known.name, known.trust, known.organisation_id) != (name, trust, organisation_id):
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
            organisation_id=organisation_id,
        )
    )
    record(
        unit,
        "usage-source.admitted",
        subject_kind="source",
        subject_id=source_id,
        code=code,
        trust=trust,
        organisation=reporter.code if reporter else "",
    )
    unit.session.flush()
    return source_id


def _reporter(unit: Unit, organisation_id: UUID | None, *, trust: str) -> Organisation | None:
    """Return who is to report through a source; a player is nobody's but the platform's."""
    if organisation_id is None:
        if trust == "ticketed":
            raise MissingValue(field="organisation")
        return None
    found = unit.session.get(Organisation, organisation_id)
    if found is None:
        raise NotFound(what="organisation", key=organisation_id)
    fits = {
        "ticketed": found.kind == OrganisationKind.VENDOR,
        "attested": found.kind in {OrganisationKind.VENDOR, OrganisationKind.SCHOOL},
        "player": False,
    }
    if not fits[trust]:
        expected = "a vendor" if trust == "ticketed" else "a vendor or a school, not for a player"
        raise InvalidInput(field="organisation", value=found.code, expected=expected)
    return found


def source_by_code(unit: Unit, code: str) -> UsageSource:
    """Return the source, or raise `NotFound`."""
    source = unit.session.scalars(select(UsageSource).where(UsageSource.code == code)).first()
    if source is None:
        raise NotFound(what="usage source", key=code)
    return source
