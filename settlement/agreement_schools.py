"""Who may use an agreement: schools added, own ceilings changed, a school that declines (R24).

Each is one row that is never changed, with its reason; no money moves, since the agreement's own
ceiling bounds them all. A bulk agreement never binds a school: from the day on which it declines,
its launches fall under its own agreements.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import func, insert, or_, select

from kernel.actors import OrganisationKind, Role
from kernel.clock import month_of, months_between, shanghai_day
from kernel.errors import (
    AlreadyExists,
    BelowWhatSchoolUsed,
    InvalidInput,
    NotFound,
    ReasonRequired,
    Refused,
)
from kernel.identity.models import Organisation
from kernel.identity.recording import among
from kernel.identity.visibility import visible_organisations
from kernel.ids import new_id
from kernel.money import plain_yuan, yuan
from kernel.trail import record
from kernel.unit import Unit
from settlement.agreement_changes import lock_agreement, require_no_closing, require_running
from settlement.agreement_models import AgreementSchoolChange
from settlement.drafting import USE, draft_lines
from settlement.metering.partitions import lock_usage_shared
from settlement.models import Agreement, AgreementSchool, Period
from settlement.remaining import SCHOOL_CEILINGS
from settlement.school_standings import school_standings

MAY_CHANGE = (Role.BUREAU_FINANCE,)
MAY_DECLINE = (Role.SCHOOL_FINANCE, Role.PRINCIPAL)
BULK = "bulk"


def add_schools(unit: Unit, number: str, *, ceilings: Mapping[str, int], reason: str) -> None:
    """Let further schools use an agreement of the actor's bureau, each up to its own ceiling.

    `ceilings` by school code, in fen. Raises `NotFound`, `Conflict` for an agreement that is over,
    `AlreadyExists` for a school that may use it already, `InvalidInput`, `ReasonRequired`.
    """
    agreement = _own_bulk(unit, number, reason=reason)
    schools = {
        school.code: school
        for school in unit.session.scalars(
            visible_organisations(unit, OrganisationKind.SCHOOL).where(
                among(Organisation.code, list(ceilings))
            )
        )
    }
    known = set(
        unit.session.scalars(
            select(AgreementSchool.school_id).where(AgreementSchool.agreement_id == agreement.id)
        )
    )
    for code, ceiling_fen in ceilings.items():
        if code not in schools:
            raise NotFound(what="school", key=code)
        if schools[code].id in known:
            raise AlreadyExists(what="school of the agreement", key=code)
        _require_within(agreement, ceiling_fen)
    for code, ceiling_fen in ceilings.items():
        _write(unit, agreement, schools[code], kind="added", ceiling_fen=ceiling_fen, reason=reason)


def change_school_ceiling(
    unit: Unit, number: str, school_code: str, *, ceiling_fen: int, reason: str
) -> None:
    """Give a school of an agreement another own ceiling, in fen; the agreement's stays.

    Raises `NotFound`, `Conflict` for an agreement that is over or, to lower it, being billed,
    `BelowWhatSchoolUsed`, `InvalidInput`, `ReasonRequired`.
    """
    lock_usage_shared(unit)  # no seal begins; a use that comes in meanwhile meets the new ceiling
    agreement = _own_bulk(unit, number, reason=reason)
    _require_within(agreement, ceiling_fen)
    found = [one for one in school_standings(unit, [agreement.id]) if one.code == school_code]
    if not found or found[0].ceiling_fen is None:
        raise NotFound(what="school of the agreement", key=school_code)
    [standing] = found
    by_fen = ceiling_fen - found[0].ceiling_fen
    if by_fen == 0:
        raise InvalidInput(
            field="ceiling", value=plain_yuan(ceiling_fen), expected="another ceiling"
        )
    if by_fen < 0:
        require_no_closing(unit, agreement)
        used_fen = standing.billed_fen + _running_fen(unit, agreement, standing.school_id)
        if ceiling_fen < used_fen:
            raise BelowWhatSchoolUsed(
                number=number, school=standing.name, used_fen=used_fen, used_yuan=yuan(used_fen)
            )
    school = unit.session.get_one(Organisation, standing.school_id)
    _write(unit, agreement, school, kind="ceiling", ceiling_fen=by_fen, reason=reason)


def decline(unit: Unit, number: str, *, from_day: date, reason: str) -> None:
    """Have the actor's school, with its teaching points, go by its own agreements from a day on.

    Raises `NotFound`, `Conflict` for an agreement that is over, `AlreadyExists` if it has declined
    before, `InvalidInput` for a day that is past or after the agreement, `ReasonRequired`.
    """
    act = "decline a bulk agreement"
    unit.actor.require(act, *MAY_DECLINE)
    if unit.actor.organisation_kind is not OrganisationKind.SCHOOL:
        raise Refused(act=act, needs="a person of the school")
    places = _places(unit)
    found = unit.session.scalar(
        select(Agreement.id)
        .join(AgreementSchool, AgreementSchool.agreement_id == Agreement.id)
        .where(
            Agreement.number == number,
            Agreement.terms["kind"].as_string() == BULK,
            among(AgreementSchool.school_id, [place.id for place in places]),
        )
        .limit(1)
    )
    if found is None:
        raise NotFound(what="agreement", key=number)
    agreement = lock_agreement(unit, found)
    require_running(agreement, wanted="declined")
    if not reason.strip():
        raise ReasonRequired()
    first = max(shanghai_day(unit.clock.now()), agreement.starts_on)
    if not first <= from_day <= agreement.ends_on:
        raise InvalidInput(
            field="from_day", value=from_day, expected=f"{first} – {agreement.ends_on}"
        )
    using = dict(
        unit.session.execute(
            select(AgreementSchool.school_id, AgreementSchool.declined_from).where(
                AgreementSchool.agreement_id == agreement.id,
                among(AgreementSchool.school_id, [place.id for place in places]),
            )
        ).all()
    )
    open_places = [place for place in places if place.id in using and using[place.id] is None]
    if not open_places:
        raise AlreadyExists(what="refusal of the agreement", key=number)
    for place in open_places:
        _write(unit, agreement, place, kind="declined", from_day=from_day, reason=reason)


def _own_bulk(unit: Unit, number: str, *, reason: str) -> Agreement:
    """Lock and return a running agreement of the actor's bureau whose schools have ceilings."""
    unit.actor.require("change the schools of an agreement", *MAY_CHANGE)
    found = unit.session.scalar(
        select(Agreement.id).where(
            Agreement.number == number,
            Agreement.payer_id == unit.actor.organisation_id,
            Agreement.terms.has_key(SCHOOL_CEILINGS),
        )
    )
    if found is None:
        raise NotFound(what="agreement", key=number)
    if not reason.strip():
        raise ReasonRequired()
    agreement = lock_agreement(unit, found)
    require_running(agreement, wanted="changed")
    return agreement


def _require_within(agreement: Agreement, ceiling_fen: int) -> None:
    if not 0 < ceiling_fen <= agreement.ceiling_fen:
        raise InvalidInput(
            field="ceiling",
            value=plain_yuan(ceiling_fen),
            expected=f"0.01 – {plain_yuan(agreement.ceiling_fen)}, the agreement's own ceiling",
        )


def _places(unit: Unit) -> Sequence[Organisation]:
    """Return the actor's school with its teaching points."""
    return unit.session.scalars(
        select(Organisation)
        .where(
            or_(
                Organisation.id == unit.actor.organisation_id,
                Organisation.parent_id == unit.actor.organisation_id,
            )
        )
        .order_by(Organisation.code)
    ).all()


def _running_fen(unit: Unit, agreement: Agreement, school_id: UUID) -> int:
    """Return what a school's use that is not stated yet would cost, above no ceiling."""
    today = shanghai_day(unit.clock.now())
    stated = set(
        unit.session.scalars(
            select(Period.month).where(
                Period.payer_id == agreement.payer_id,
                Period.state.in_(("stated", "posted", "closed")),
            )
        )
    )
    first, last = month_of(agreement.starts_on), month_of(min(agreement.ends_on, today))
    months = {month for month in months_between(first, last) if month not in stated}
    this_month = month_of(today)
    # Every draft brings the corrections that no statement has yet: this month's are taken.
    return sum(
        part.rated_fen
        for month in sorted(months | {this_month})
        for line in draft_lines(unit, month, payer_ids=[agreement.payer_id])
        if line.agreement_id == agreement.id
        and (month in months if line.kind == USE else month == this_month)
        for part in line.rated.parts
        if part.school_id == school_id
    )


def _write(
    unit: Unit,
    agreement: Agreement,
    school: Organisation,
    *,
    kind: str,
    reason: str,
    ceiling_fen: int = 0,
    from_day: date | None = None,
) -> None:
    last = unit.session.scalar(
        select(func.max(AgreementSchoolChange.number)).where(
            AgreementSchoolChange.agreement_id == agreement.id
        )
    )
    unit.session.execute(
        insert(AgreementSchoolChange).values(
            id=new_id(),
            agreement_id=agreement.id,
            number=(last or 0) + 1,
            school_id=school.id,
            kind=kind,
            ceiling_fen=ceiling_fen,
            from_day=from_day,
            reason=reason.strip(),
            at=unit.clock.now(),
            by=unit.actor.name,
        )
    )
    record(
        unit,
        f"agreement_school.{kind}",
        subject_kind="agreement",
        subject_id=agreement.id,
        number=agreement.number,
        school=school.code,
        ceiling_fen=ceiling_fen,
        from_day=from_day.isoformat() if from_day else "",
        reason=reason.strip(),
    )
