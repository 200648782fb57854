"""Who may use an agreement: schools that join, own ceilings changed, a school that declines (R24).

Each is one row that is never changed, with its reason; no money moves, since the agreement's own
ceiling bounds them all. Whether two people agreed to it is procurement's matter. A bulk agreement
never binds a school: from the day on which it declines, its launches fall under its own agreements.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import func, insert, or_, select

from kernel.actors import OrganisationKind, Role
from kernel.clock import shanghai_day
from kernel.errors import (
    AlreadyExists,
    BelowWhatSchoolUsed,
    CeilingOutOfReach,
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
from settlement.agreement_changes import (
    lock_agreement,
    require_no_closing,
    require_running,
    running_lines,
)
from settlement.agreement_models import AgreementSchoolChange
from settlement.metering.partitions import lock_usage_shared
from settlement.models import Agreement, AgreementSchool
from settlement.ranking.effects import require_open_to
from settlement.school_standings import SchoolStanding, school_standings

MAY_DECLINE: Final = (Role.SCHOOL_FINANCE, Role.PRINCIPAL)
BULK: Final = "bulk"


@dataclass(frozen=True, kw_only=True, slots=True)
class SchoolWish:
    """What is wanted for a school of an agreement: its own ceiling, in fen, and nothing else.

    `from_day`: it joins on that day, for the first time or again.
    """

    code: str
    ceiling_fen: int
    from_day: date | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Move:
    """One change of a school before it is written."""

    school: Organisation
    kind: str
    ceiling_fen: int = 0
    from_day: date | None = None


def judge_schools(unit: Unit, agreement: Agreement, wishes: Sequence[SchoolWish]) -> None:
    """Raise what stands against letting schools join or giving them other ceilings.

    `NotFound` for a school that the actor does not see, or that does not use the agreement,
    `AlreadyExists` for one that does and would join, `InvalidInput` naming the field, `Conflict`
    for an agreement that is over or, to lower a ceiling, being billed, `BelowWhatSchoolUsed`,
    `CeilingOutOfReach`.
    """
    require_running(agreement, wanted="changed")
    _moves(unit, agreement, wishes)


def change_schools(
    unit: Unit,
    agreement_id: UUID,
    wishes: Sequence[SchoolWish],
    *,
    reason: str,
    reference: str,
) -> None:
    """Let schools join an agreement, or give them other ceilings; the agreement's own stays.

    `reference`: of the proposal that two people agreed to. Raises as `judge_schools`.
    """
    lock_usage_shared(unit)  # no seal begins; a use that comes in meanwhile meets the new ceiling
    agreement = lock_agreement(unit, agreement_id)
    require_running(agreement, wanted="changed")
    moves = _moves(unit, agreement, wishes)
    _write(unit, agreement, moves, reason=reason, reference=reference)


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
    _require_day(unit, agreement, from_day)
    going_on = set(
        unit.session.scalars(
            select(AgreementSchool.school_id).where(
                AgreementSchool.agreement_id == agreement.id,
                among(AgreementSchool.school_id, [place.id for place in places]),
                func.upper_inf(AgreementSchool.days),
            )
        )
    )
    open_places = [place for place in places if place.id in going_on]
    if not open_places:
        raise AlreadyExists(what="refusal of the agreement", key=number)
    moves = [_Move(school=place, kind="declined", from_day=from_day) for place in open_places]
    _write(unit, agreement, moves, reason=reason)


def _moves(unit: Unit, agreement: Agreement, wishes: Sequence[SchoolWish]) -> list[_Move]:
    """Return what is to be written for the wishes, or raise what stands against one."""
    visible = visible_organisations(unit, OrganisationKind.SCHOOL).where(
        among(Organisation.code, [wish.code for wish in wishes])
    )
    schools = {school.code: school for school in unit.session.scalars(visible)}
    standings = {one.code: one for one in school_standings(unit, [agreement.id])}
    is_lower = any(_lowers(wish, standings.get(wish.code)) for wish in wishes)
    running = _running_fen(unit, agreement) if is_lower else {}
    moves: list[_Move] = []
    for wish in wishes:
        known = standings.get(wish.code)
        if wish.code not in schools:
            raise NotFound(what="school", key=wish.code)
        _require_within(agreement, wish)
        if wish.from_day is not None:
            moves.append(_joining(unit, agreement, wish, schools[wish.code], known))
        if wish.from_day is None or known is not None:
            moves += _another_ceiling(agreement, wish, schools, known, running)
    _require_all_of_it(agreement, wishes, standings)
    joining = [move.school.id for move in moves if move.kind == "added"]
    require_open_to(unit, [(agreement.version_id, joining)] if joining else [])
    return moves


def _lowers(wish: SchoolWish, known: SchoolStanding | None) -> bool:
    return known is not None and wish.ceiling_fen < (known.ceiling_fen or 0)


def _joining(
    unit: Unit,
    agreement: Agreement,
    wish: SchoolWish,
    school: Organisation,
    known: SchoolStanding | None,
) -> _Move:
    assert wish.from_day is not None  # who joins does so on a day
    if known is None:
        _require_day(unit, agreement, wish.from_day)
        fen = wish.ceiling_fen
        return _Move(school=school, kind="added", ceiling_fen=fen, from_day=wish.from_day)
    if known.goes_on:
        raise AlreadyExists(what="school of the agreement", key=wish.code)
    last = known.runs[-1].last if known.runs else None
    _require_day(unit, agreement, wish.from_day, after=last)
    return _Move(school=school, kind="added", from_day=wish.from_day)


def _another_ceiling(
    agreement: Agreement,
    wish: SchoolWish,
    schools: Mapping[str, Organisation],
    known: SchoolStanding | None,
    running: Mapping[UUID, int],
) -> Iterator[_Move]:
    """Yield the change of a school's own ceiling; one that joins again may keep the one it had."""
    if known is None or known.ceiling_fen is None:
        raise NotFound(what="school of the agreement", key=wish.code)
    by_fen = wish.ceiling_fen - known.ceiling_fen
    if by_fen == 0 and wish.from_day is None:
        raise InvalidInput(
            field="ceiling", value=plain_yuan(wish.ceiling_fen), expected="another ceiling"
        )
    used_fen = known.billed_fen + running.get(known.school_id, 0)
    if by_fen < 0 and wish.ceiling_fen < used_fen:
        raise BelowWhatSchoolUsed(
            number=agreement.number,
            school=known.name,
            used_fen=used_fen,
            used_yuan=yuan(used_fen),
        )
    if by_fen:
        yield _Move(school=schools[wish.code], kind="ceiling", ceiling_fen=by_fen)


def _require_all_of_it(
    agreement: Agreement, wishes: Sequence[SchoolWish], standings: Mapping[str, SchoolStanding]
) -> None:
    """Raise `CeilingOutOfReach` if lower ceilings leave committed money that no school may use.

    Of a school that declined what it was billed counts. Where schools may together use less than
    the agreement's ceiling already (it was raised, one declined), they may not get less still.
    """
    usable = {
        code: (one.ceiling_fen or 0) if one.goes_on else one.billed_fen
        for code, one in standings.items()
    }
    together_before = sum(usable.values())
    for wish in wishes:
        known = standings.get(wish.code)
        if wish.from_day is not None or (known is not None and known.goes_on):
            usable[wish.code] = wish.ceiling_fen
    together = sum(usable.values())
    if together < min(together_before, agreement.ceiling_fen):
        raise CeilingOutOfReach(
            number=agreement.number,
            together_yuan=yuan(together),
            ceiling_yuan=yuan(agreement.ceiling_fen),
        )


def _require_within(agreement: Agreement, wish: SchoolWish) -> None:
    if not 0 < wish.ceiling_fen <= agreement.ceiling_fen:
        raise InvalidInput(
            field="ceiling",
            value=f"{plain_yuan(wish.ceiling_fen)} ({wish.code})",
            expected="0.01 – {most}, the agreement's own ceiling",
            limits={"most": plain_yuan(agreement.ceiling_fen)},
        )


def _require_day(unit: Unit, agreement: Agreement, day: date, *, after: date | None = None) -> None:
    """Raise `InvalidInput` for a day that is past, not the agreement's, or not after another."""
    first = max(shanghai_day(unit.clock.now()), agreement.starts_on)
    if after is not None:
        first = max(first, after + timedelta(days=1))
    if not first <= day <= agreement.ends_on:
        raise InvalidInput(field="from_day", value=day, expected=f"{first} – {agreement.ends_on}")


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


def _running_fen(unit: Unit, agreement: Agreement) -> dict[UUID, int]:
    """Return what each school's use that is not stated yet would cost, above no ceiling.

    The payer's months are drafted once, for however many schools. Raises `Conflict` while one of
    them is being billed.
    """
    require_no_closing(unit, agreement)
    days = {"first": agreement.starts_on, "last": agreement.ends_on}
    found: dict[UUID, int] = {}
    for line in running_lines(unit, agreement, **days):
        for part in line.rated.parts:
            found[part.school_id] = found.get(part.school_id, 0) + part.rated_fen
    return found


def _write(
    unit: Unit,
    agreement: Agreement,
    moves: Sequence[_Move],
    *,
    reason: str,
    reference: str = "",
) -> None:
    last = unit.session.scalar(
        select(func.max(AgreementSchoolChange.number)).where(
            AgreementSchoolChange.agreement_id == agreement.id
        )
    )
    written = {
        "reference": reference,
        "reason": reason.strip(),
        "at": unit.clock.now(),
        "by": unit.actor.name,
    }
    rows = [
        {
            "id": new_id(),
            "agreement_id": agreement.id,
            "number": number,
            "school_id": move.school.id,
            "kind": move.kind,
            "ceiling_fen": move.ceiling_fen,
            "from_day": move.from_day,
            **written,
        }
        for number, move in enumerate(moves, start=(last or 0) + 1)
    ]
    unit.session.execute(insert(AgreementSchoolChange), rows)
    for move in moves:
        record(
            unit,
            f"agreement_school.{move.kind}",
            subject_kind="agreement",
            subject_id=agreement.id,
            number=agreement.number,
            school=move.school.code,
            ceiling_fen=move.ceiling_fen,
            from_day=move.from_day.isoformat() if move.from_day else "",
            reference=reference,
            reason=reason.strip(),
        )
