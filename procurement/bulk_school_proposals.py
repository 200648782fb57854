"""Schools of a signed bulk purchase: who joins, and other ceilings, take two people (R22, R24).

The signatures of a bulk purchase were given for a sum and for how it is shared; one person proposes
to share it otherwise, another checks it. Decides who may propose it and whether the money that pays
may pay for a school that joins. What the change means for each school is settlement's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select

from catalog.models import Version
from kernel.actors import Role
from kernel.clock import parse_day
from kernel.errors import (
    AlreadyExists,
    InvalidInput,
    MissingValue,
    NotFound,
    ReasonRequired,
    SchoolNotPaidFor,
)
from kernel.identity.models import Organisation
from kernel.identity.recording import among, lock_recording
from kernel.unit import Unit
from procurement.bulk_users import home_code_of
from procurement.funding.plan import may_pay
from procurement.purses import purpose_of
from procurement.record_proposals import (
    RecordKind,
    RecordState,
    claim_to_check,
    decide_record,
    make_record_proposal,
    waiting_contents,
)
from settlement.agreement_changes import lock_agreement
from settlement.agreement_schools import SchoolWish, change_schools, judge_schools
from settlement.line_ends import freed_of_lines
from settlement.line_names import line_title
from settlement.metering.partitions import lock_usage_shared
from settlement.models import Agreement, AgreementDraw, FundingLine
from settlement.parties import Part, note_parties
from settlement.remaining import SCHOOL_CEILINGS

MAY_PROPOSE: Final = (Role.BUREAU_FINANCE,)


@dataclass(frozen=True, kw_only=True, slots=True)
class SchoolsWish:
    """What a proposal holds: a bulk purchase's agreement, and what is wanted for its schools."""

    agreement_number: str
    schools: Sequence[SchoolWish]


def propose_schools(unit: Unit, number: str, schools: Sequence[SchoolWish], *, reason: str) -> str:
    """Propose other ceilings or schools that join, for an agreement of the actor's bureau.

    Returns the proposal's number; nothing changes before a second person checks it. Raises as
    `judge_schools`, `SchoolNotPaidFor`, `AlreadyExists` for a school of which something is proposed
    already, `MissingValue`, `ReasonRequired`.
    """
    unit.actor.require("propose other schools or ceilings", *MAY_PROPOSE)
    lock_recording(unit)  # what waits is compared: of two for one school the second is refused
    agreement = _own_bulk(unit, number)
    codes = [wish.code for wish in schools]
    if not codes:
        raise MissingValue(field="schools")
    for place, code in enumerate(codes):
        if code in codes[:place]:
            raise InvalidInput(field="school_code", value=code, expected="each school once")
    if not reason.strip():
        raise ReasonRequired()
    for _, content in waiting_contents(unit, RecordKind.BULK_SCHOOLS, [agreement.payer_id]):
        waiting = schools_wish(content)
        known = {wish.code for wish in waiting.schools} & set(codes)
        if waiting.agreement_number == number and known:
            raise AlreadyExists(what="proposal for the school", key=min(known))
    judge_schools(unit, agreement, schools)
    _require_paid_for(unit, agreement, schools)
    return make_record_proposal(
        unit,
        RecordKind.BULK_SCHOOLS,
        unit.session.get_one(Organisation, agreement.payer_id),
        content={
            "agreement": agreement.number,
            "schools": [
                {
                    "code": wish.code,
                    "ceiling_fen": wish.ceiling_fen,
                    "from_day": wish.from_day.isoformat() if wish.from_day else "",
                }
                for wish in schools
            ],
        },
        reason=reason.strip(),
    )


def check_schools(unit: Unit, number: str) -> SchoolsWish:
    """Change the schools as proposed, as another person than who proposed it; return what was.

    Raises as `claim_to_check`, and what stands against it by now: as `propose_schools`.
    """
    proposal = claim_to_check(unit, number, kind=RecordKind.BULK_SCHOOLS)
    wish = schools_wish(proposal.content)
    agreement_id = unit.session.scalars(
        select(Agreement.id).where(
            Agreement.number == wish.agreement_number, Agreement.payer_id == proposal.bureau_id
        )
    ).one()
    # Usage before the agreement, as everybody does who needs both; behind the lock, no line is
    # committed that may not pay for who joins.
    lock_usage_shared(unit)
    agreement = lock_agreement(unit, agreement_id)
    _require_paid_for(unit, agreement, wish.schools)
    # First: the database lets no change in that names no checked proposal.
    decide_record(unit, proposal, RecordState.RECORDED)
    change_schools(unit, agreement.id, wish.schools, reason=proposal.reason, reference=number)
    _note_parties(unit, agreement.id, proposal.made_by)
    return wish


def _note_parties(unit: Unit, agreement_id: UUID, made_by: UUID | None) -> None:
    """Keep who proposed and who checked a change: they won't judge the agreement's disputes."""
    people = ((made_by, Part.REQUESTED), (unit.actor.person_id, Part.SIGNED))
    note_parties(unit, [(agreement_id, person, part) for person, part in people if person])


def schools_wish(content: Mapping[str, Any]) -> SchoolsWish:
    """Return what a proposal holds."""
    return SchoolsWish(
        agreement_number=content["agreement"],
        schools=[
            SchoolWish(
                code=one["code"], ceiling_fen=one["ceiling_fen"], from_day=_day(one["from_day"])
            )
            for one in content["schools"]
        ],
    )


def _day(text: str) -> date | None:
    return parse_day(text) if text else None


def _own_bulk(unit: Unit, number: str) -> Agreement:
    found = unit.session.scalars(
        select(Agreement).where(
            Agreement.number == number,
            Agreement.payer_id == unit.actor.organisation_id,
            Agreement.terms.has_key(SCHOOL_CEILINGS),
        )
    ).one_or_none()
    if found is None:
        raise NotFound(what="agreement", key=number)
    return found


def _require_paid_for(unit: Unit, agreement: Agreement, wishes: Sequence[SchoolWish]) -> None:
    """Raise `SchoolNotPaidFor` if a line that pays may not pay for a school that joins (R18)."""
    joining = [wish.code for wish in wishes if wish.from_day is not None]
    lines = _restricted_lines(unit, agreement) if joining else []
    if not lines:
        return
    payer = unit.session.get_one(Organisation, agreement.payer_id)
    version = unit.session.get_one(Version, agreement.version_id)
    places = unit.session.scalars(
        select(Organisation)
        .where(among(Organisation.code, joining), Organisation.kind == "school")
        .order_by(Organisation.code)
    ).all()
    codes = home_code_of(unit, [place.id for place in places])
    for place in places:
        purpose = purpose_of(payer, version, users=frozenset([codes[place.id]]))
        for line in lines:
            if not may_pay(line.restriction, purpose):
                title = line_title(payer.code, line.fiscal_year, line.source, line.restriction)
                raise SchoolNotPaidFor(school=place.name, line=title)


def _restricted_lines(unit: Unit, agreement: Agreement) -> list[FundingLine]:
    """Return the lines for certain use on which anything of an agreement is committed, in order.

    Not those on which nothing is left of it, by a lower ceiling or a year's end: they pay for
    nobody. A line that has lapsed by the calendar counts until that end, which may carry it over.
    """
    lines = unit.session.scalars(
        select(FundingLine)
        .join(AgreementDraw, AgreementDraw.line_id == FundingLine.id)
        .where(
            AgreementDraw.agreement_id == agreement.id,
            AgreementDraw.ceiling_fen > 0,
            FundingLine.restriction != {},
        )
        .order_by(AgreementDraw.position)
    ).all()
    freed = freed_of_lines(unit, [line.id for line in lines])
    return [line for line in lines if (agreement.id, line.id) not in freed]
