"""What pages show of bulk purchases: a bureau's own, and what is bought for a school (R24).

A bureau sees its own and those below it; a school sees its own part of each, and nobody else's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from kernel.actors import OrganisationKind
from kernel.errors import NotFound
from kernel.identity.models import Organisation
from kernel.identity.recording import among
from kernel.identity.visibility import visible_organisations
from kernel.unit import Unit
from procurement.models import Selection, SelectionSchool
from procurement.policy import BULK
from procurement.pupils import pupils_at
from procurement.states import SelectionKind
from settlement.agreement_models import AgreementSchoolChange
from settlement.agreement_schools import SchoolWish
from settlement.models import Agreement, AgreementSchool
from settlement.queries.statements import visible_payers
from settlement.school_standings import SchoolStanding, school_standings

PLACES = Decimal("0.01")


@dataclass(frozen=True, kw_only=True, slots=True)
class PurchaseRow:
    """One bulk purchase, requested or agreed.

    `agreement_number` is empty until the last signature.
    """

    id: UUID
    buyer_name: str
    reference: str
    title: str
    starts_on: date
    ends_on: date
    schools: int
    ceiling_fen: int
    state: str
    agreement_number: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SchoolUse:
    """A school under a bulk purchase, with its pupils; None where they were never counted."""

    standing: SchoolStanding
    pupils: int | None

    @property
    def per_pupil(self) -> Decimal | None:
        """What each pupil used, in units of the metric."""
        if not self.pupils:
            return None
        return (Decimal(self.standing.quantity) / self.pupils).quantize(PLACES)


@dataclass(frozen=True, kw_only=True, slots=True)
class BoughtRow:
    """What a bureau bought for a school or one of its teaching points."""

    number: str
    title: str
    buyer_name: str
    terms: Mapping[str, Any]
    starts_on: date
    ends_on: date
    state: str
    standing: SchoolStanding


@dataclass(frozen=True, kw_only=True, slots=True)
class SchoolChangeRow:
    """One change of who may use an agreement."""

    school_name: str
    change: AgreementSchoolChange


@dataclass(frozen=True, kw_only=True, slots=True)
class WantedRow:
    """What is proposed for a school; `ceiling_fen`: what it has now, None for one that is new."""

    wish: SchoolWish
    name: str
    ceiling_fen: int | None


def bulk_purchases(unit: Unit) -> list[PurchaseRow]:
    """Return the bulk purchases that the actor sees, the latest first."""
    counted = (
        select(func.count())
        .where(SelectionSchool.selection_id == Selection.id)
        .correlate(Selection)
        .scalar_subquery()
    )
    using = (
        select(func.count())
        .where(AgreementSchool.agreement_id == Selection.agreement_id)
        .correlate(Selection)
        .scalar_subquery()
    )
    rows = unit.session.execute(
        select(Selection, Organisation.name, Agreement, func.greatest(counted, using))
        .join(Organisation, Organisation.id == Selection.school_id)
        .outerjoin(Agreement, Agreement.id == Selection.agreement_id)
        .where(
            Selection.kind == SelectionKind.BULK,
            Selection.school_id.in_(visible_payers(unit)),
        )
        .order_by(Selection.requested_at.desc(), Selection.reference)
    )
    return [
        PurchaseRow(
            id=asked.id,
            buyer_name=buyer_name,
            reference=asked.reference,
            title=asked.terms["title"],
            starts_on=asked.starts_on,
            ends_on=agreed.ends_on if agreed is not None else asked.ends_on,
            schools=schools,
            ceiling_fen=agreed.ceiling_fen if agreed is not None else asked.ceiling_fen,
            state=asked.state,
            agreement_number=agreed.number if agreed is not None else "",
        )
        for asked, buyer_name, agreed, schools in rows
    ]


def bulk_agreement(unit: Unit, number: str) -> Agreement:
    """Return the agreement of a bulk purchase that the actor sees, or raise `NotFound`."""
    found = unit.session.scalars(
        select(Agreement).where(
            Agreement.number == number,
            Agreement.terms["kind"].as_string() == BULK,
            Agreement.payer_id.in_(visible_payers(unit)),
        )
    ).one_or_none()
    if found is None:
        raise NotFound(what="agreement", key=number)
    return found


def schools_using(unit: Unit, agreement: Agreement) -> list[SchoolUse]:
    """Return the schools of a bulk purchase that the caller found, by code."""
    standings = school_standings(unit, [agreement.id])
    pupils = pupils_at(unit, [one.school_id for one in standings])
    return [SchoolUse(standing=one, pupils=pupils.get(one.school_id)) for one in standings]


def school_changes(unit: Unit, agreement: Agreement) -> list[SchoolChangeRow]:
    """Return what became of a bulk purchase's schools, the latest first."""
    rows = unit.session.execute(
        select(AgreementSchoolChange, Organisation.name)
        .join(Organisation, Organisation.id == AgreementSchoolChange.school_id)
        .where(AgreementSchoolChange.agreement_id == agreement.id)
        .order_by(AgreementSchoolChange.number.desc())
    )
    return [SchoolChangeRow(school_name=name, change=change) for change, name in rows]


def wanted_rows(unit: Unit, agreement: Agreement, wishes: Sequence[SchoolWish]) -> list[WantedRow]:
    """Return what is proposed for schools of an agreement that the caller found, in its order."""
    now = {one.code: one.ceiling_fen for one in school_standings(unit, [agreement.id])}
    names = dict(
        unit.session.execute(
            select(Organisation.code, Organisation.name).where(
                Organisation.kind == OrganisationKind.SCHOOL,
                among(Organisation.code, [wish.code for wish in wishes]),
            )
        ).all()
    )
    return [
        WantedRow(wish=wish, name=names[wish.code], ceiling_fen=now.get(wish.code))
        for wish in wishes
    ]


def bought_for_us(unit: Unit) -> list[BoughtRow]:
    """Return what bureaus bought for the actor's school and its teaching points."""
    places = list(
        unit.session.scalars(visible_organisations(unit).with_only_columns(Organisation.id))
    )
    agreements = {
        agreement.id: (agreement, buyer_name)
        for agreement, buyer_name in unit.session.execute(
            select(Agreement, Organisation.name)
            .join(Organisation, Organisation.id == Agreement.payer_id)
            .where(
                Agreement.terms["kind"].as_string() == BULK,
                Agreement.id.in_(
                    select(AgreementSchool.agreement_id).where(
                        among(AgreementSchool.school_id, places)
                    )
                ),
            )
        )
    }
    rows = [
        (*agreements[standing.agreement_id], standing)
        for standing in school_standings(unit, list(agreements), school_ids=places)
    ]
    return [
        BoughtRow(
            number=agreement.number,
            title=agreement.terms["title"],
            buyer_name=buyer_name,
            terms=agreement.terms,
            starts_on=agreement.starts_on,
            ends_on=agreement.ends_on,
            state=agreement.state,
            standing=standing,
        )
        for agreement, buyer_name, standing in sorted(
            rows, key=lambda row: (row[0].starts_on, row[0].number, row[2].code), reverse=True
        )
    ]
