"""Agreements with any plan, teaching points, censuses and staff, for tests of what is billable."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from kernel.actors import Role
from kernel.identity.census import CensusRow, record_census
from kernel.identity.models import Enrolment, Learner, Organisation, Person, RoleGrant
from kernel.identity.secret import person_hash
from kernel.ids import FundingLineId, LearnerId, new_id
from kernel.unit import Unit, Units
from settlement.agreements import AgreementDraft, Draw, open_agreement
from settlement.funding_lines import issue_amount, open_line
from tests.support.builders import (
    JOINED_ON,
    a_learner,
    a_listed_version,
    a_person,
    a_resource,
    a_school,
    took,
)
from tests.support.settlement_builders import SYSTEM, Market, an_agreement

RATES = {"fee_rate": "0.0500", "retention_rate": "0.0500"}
PER_USE = {"plan": "per_use", "unit_price": "0.3333"}


def a_purchase(
    units: Units,
    market: Market,
    *,
    sku: str = "SKU-2",
    terms: Mapping[str, Any] = PER_USE,
    vendor: Organisation | None = None,
    schools: Sequence[Organisation] = (),
    draws: Sequence[Draw] = (),
    ceiling_fen: int = 10_000,
    starts_on: date = date(2026, 3, 1),
    ends_on: date = date(2026, 6, 30),
) -> Market:
    """Let the market's school buy a resource of its own with these terms; return the market of it.

    `schools`: who may use it, the school itself and its points; `draws`: else from the market's
    line.
    """
    vendor = vendor or market.vendor
    with units(SYSTEM) as unit:
        resource_id = a_resource(unit, vendor, sku, unit_price="0.3333")
        draws = draws or [Draw(market.line_id, ceiling_fen)]
        agreement_id = open_agreement(
            unit,
            AgreementDraft(
                number=f"{market.school.code}-{sku}",
                payer_id=market.school.id,
                vendor_id=vendor.id,
                resource_id=resource_id,
                version_id=a_listed_version(unit, resource_id),
                terms={**RATES, "title": f"资源{sku}", "sku": sku, **terms},
                ceiling_fen=sum(draw.ceiling_fen for draw in draws),
                starts_on=starts_on,
                ends_on=ends_on,
                draws=draws,
                school_ids=[school.id for school in schools or [market.school]],
            ),
        )
    return replace(
        market, vendor=vendor, resource_id=resource_id, sku=sku, agreement_id=agreement_id
    )


def a_line_of(
    unit: Unit, school: Organisation, *, source: str, amount_fen: int, year: int = 2026
) -> FundingLineId:
    """Open a funding line with money on it, which pays before the school's general one."""
    line_id = open_line(unit, school.id, fiscal_year=year, source=source, priority=50)
    key = f"{school.code} {source} {year}"
    issue_amount(unit, line_id, amount_fen=amount_fen, key=key, memo="allocation")
    return line_id


def a_teaching_point(
    units: Units, market: Market, *, learners: Sequence[str] = (), code: str = "2199000901"
) -> Organisation:
    """Make a teaching point of the market's school, with learners of its own."""
    with units(SYSTEM) as unit:
        point = a_school(unit, code=code, parent=market.school)
        for number in learners:
            a_learner(unit, point, number)
    return point


def counted_pupils(
    units: Units,
    school: Organisation,
    pupils: int,
    *,
    as_of: date = date(2026, 2, 25),
    kind: str = "enrolled",
) -> None:
    """Record a census of a school or a teaching point."""
    row = CensusRow(
        school_code=school.code,
        stage="primary",
        kind=kind,
        as_of=as_of,
        basis="spring",
        pupils=pupils,
    )
    with units(SYSTEM) as unit:
        took(record_census(unit, [row]))


def learner_of(unit: Unit, person_no: str) -> LearnerId:
    """Return the random number of a learner."""
    found = unit.session.scalars(
        select(Learner.id)
        .join(Person, Person.id == Learner.person_id)
        .where(Person.person_no_hash == person_hash(unit.settings, person_no))
    ).one()
    return LearnerId(found)


def works_for(
    units: Units,
    vendor: Organisation,
    person_no: str,
    *,
    since: datetime,
    until: datetime | None = None,
) -> None:
    """Let a learner hold a role at a vendor for some time."""
    with units(SYSTEM) as unit:
        person_id = unit.session.scalars(
            select(Person.id).where(Person.person_no_hash == person_hash(unit.settings, person_no))
        ).one()
        unit.session.add(
            RoleGrant(
                id=new_id(),
                person_id=person_id,
                role=Role.VENDOR_MANAGER,
                organisation_id=vendor.id,
                granted_from=since,
                granted_until=until,
                granted_by="test",
            )
        )


def also_enrolled(
    units: Units,
    school_id: UUID,
    person_no: str,
    *,
    joined_on: date = JOINED_ON,
    left_on: date | None = None,
) -> None:
    """Enrol a learner whom another school has, too, at a further one."""
    with units(SYSTEM) as unit:
        unit.session.add(
            Enrolment(
                learner_id=learner_of(unit, person_no),
                school_id=school_id,
                joined_on=joined_on,
                left_on=left_on,
            )
        )


def a_neighbour(units: Units, market: Market, *, code: str, learner: str) -> Market:
    """Make another school of the county that buys the market's resource; return the market of it.

    It has money and an agreement of its own, and one learner.
    """
    with units(SYSTEM) as unit:
        school = a_school(unit, code=code)
        finance = a_person(unit, school, [Role.SCHOOL_FINANCE])
        a_learner(unit, school, learner)
        line_id = a_line_of(unit, school, source="surcharge", amount_fen=1_000)
        agreement_id = an_agreement(
            unit,
            school,
            vendor_id=market.vendor.id,
            resource_id=market.resource_id,
            draws=[Draw(line_id, 500)],
        )
    return replace(
        market, school=school, finance=finance, line_id=line_id, agreement_id=agreement_id
    )
