"""Credits as people look at them: a teacher's own, a bureau's teachers', and the certificate (R48).

A teacher sees their own; a bureau those whose organisation, or whose school as an author, lies in
its subtree. A year names the organisation at which the person was at its end, or is in it. Amounts
are ten-thousandths of a credit.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import INTEGER, ScalarSelect, Select, cast, func, or_, select
from sqlalchemy.orm import aliased

from catalog.models import Resource, Version
from catalog.states import VersionState
from kernel.actors import OrganisationKind, Role
from kernel.errors import NotFound
from kernel.identity.models import Organisation, Person, PersonPrivate, RoleGrant
from kernel.identity.visibility import visible_organisations
from kernel.unit import Unit
from settlement.credit_models import CreditBooking
from settlement.credit_rules import CreditKind

READERS: Final = (Role.ADMISSION, Role.AUDITOR, Role.OPERATOR)

ZONE: Final = "Asia/Shanghai"
SHOWN: Final = (VersionState.LISTED, VersionState.SUSPENDED, VersionState.WITHDRAWN)
"""Versions whose title others than the vendor have seen."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CreditYear:
    """What a person was credited in a year, by what, in ten-thousandths."""

    person_id: UUID
    name: str
    organisation: str
    year: int
    reading: int
    adoption: int
    followers: int
    articles: int

    @property
    def total(self) -> int:
        return self.reading + self.adoption + self.followers


@dataclass(frozen=True, kw_only=True, slots=True)
class CreditRow:
    """One booking: below zero what was taken back."""

    kind: str
    title: str
    vendor_code: str
    sku: str
    amount: int
    at: datetime
    booked_at: datetime
    version: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Certificate:
    """A person's credits of one year as a document; `digest` is the SHA-256 of its content."""

    year: CreditYear
    rows: Sequence[CreditRow]
    digest: str


def own_years(unit: Unit) -> list[CreditYear]:
    """Return the actor's own years, the latest first."""
    if unit.actor.person_id is None:
        return []
    return _years(unit, _summed(unit).where(CreditBooking.person_id == unit.actor.person_id))


def years_of_teachers(unit: Unit, *, year: int | None = None) -> list[CreditYear]:
    """Return the years of the teachers that a bureau sees, by year, organisation and name."""
    unit.actor.require("credits.list", *READERS)
    wanted = _summed(unit).where(CreditBooking.person_id.in_(_visible_people(unit)))
    if year is not None:
        wanted = wanted.where(CreditBooking.year == year)
    return _years(unit, wanted)


def credit_rows(unit: Unit, person_id: UUID, year: int) -> list[CreditRow]:
    """Return a person's bookings of a year, in the order of their facts.

    Raises `NotFound` for a person whom the actor may not see.
    """
    _require_person(unit, person_id)
    title = (
        select(Version.title)
        .where(Version.resource_id == Resource.id, Version.state.in_(SHOWN))
        .order_by(Version.number.desc())
        .limit(1)
        .scalar_subquery()
    )
    rows = unit.session.execute(
        select(
            CreditBooking.kind,
            func.coalesce(title, "").label("title"),
            Organisation.code.label("vendor_code"),
            Resource.sku,
            CreditBooking.amount,
            CreditBooking.at,
            CreditBooking.booked_at,
            CreditBooking.version,
        )
        .join(Resource, Resource.id == CreditBooking.subject_id)
        .join(Organisation, Organisation.id == Resource.vendor_id)
        .where(CreditBooking.person_id == person_id, CreditBooking.year == year)
        .order_by(
            CreditBooking.at,
            CreditBooking.kind,
            Organisation.code,
            Resource.sku,
            CreditBooking.number,
        )
    )
    return [CreditRow(**row._mapping) for row in rows]


def certificate_of(unit: Unit, person_id: UUID, year: int) -> Certificate:
    """Return a person's certificate of a year; raise `NotFound` if nothing was ever booked in it.

    The digest is over business facts alone, so that whoever has the same bookings, as exported,
    gets the same: the person's number here, the year, and of each booking kind, resource, moment,
    amount and table.
    """
    rows = credit_rows(unit, person_id, year)
    found = _years(
        unit,
        _summed(unit).where(CreditBooking.person_id == person_id, CreditBooking.year == year),
    )
    if not found:
        raise NotFound(what="credits", key=str(year))
    return Certificate(year=found[0], rows=rows, digest=digest_of(person_id, year, rows))


def digest_of(person_id: UUID, year: int, rows: Sequence[CreditRow]) -> str:
    """Return the SHA-256 of a year's bookings in their canonical form."""
    content = {
        "person": str(person_id),
        "year": year,
        "bookings": [
            [row.kind, row.vendor_code, row.sku, row.at.isoformat(), row.amount, row.version]
            for row in rows
        ],
    }
    body = msgspec.json.encode(content, order="deterministic")
    return hashlib.sha256(body).hexdigest()


def _home_of_then(unit: Unit) -> ScalarSelect[str]:
    """Return where a booking's person was when its year ended, or is now, in the year that runs.

    By the roles that they held: one at where they are today before another, a school's before a
    vendor's, the latest first; who held none any more is of where they held the last.
    """
    there, grant = aliased(Organisation), RoleGrant
    ended = func.make_timestamptz(cast(CreditBooking.year + 1, INTEGER), 1, 1, 0, 0, 0, ZONE)
    moment = func.least(ended, unit.clock.now())
    held = or_(grant.granted_until.is_(None), grant.granted_until > moment)
    return (
        select(there.name)
        .join(grant, grant.organisation_id == there.id)
        .where(grant.person_id == CreditBooking.person_id, grant.granted_from < moment)
        .order_by(
            held.desc(),
            (there.id == Person.organisation_id).desc(),
            (there.kind == OrganisationKind.SCHOOL).desc(),
            grant.granted_from.desc(),
            grant.id.desc(),
        )
        .limit(1)
        .scalar_subquery()
    )


def _summed(unit: Unit) -> Select[*tuple[Any, ...]]:
    one = CreditBooking

    def of(kind: CreditKind) -> Any:
        return func.coalesce(func.sum(one.amount).filter(one.kind == kind), 0).label(kind.value)

    home = func.coalesce(_home_of_then(unit), func.max(Organisation.name)).label("organisation")
    earning = (
        func.count(func.distinct(one.subject_id))
        .filter(one.kind == CreditKind.READING)
        .label("articles")
    )
    return (
        select(
            one.person_id,
            func.coalesce(func.max(PersonPrivate.name), "").label("name"),
            home,
            one.year,
            *(of(kind) for kind in CreditKind),
            earning,
        )
        .join(Person, Person.id == one.person_id)
        .join(Organisation, Organisation.id == Person.organisation_id)
        .outerjoin(PersonPrivate, PersonPrivate.person_id == one.person_id)
        .group_by(one.person_id, one.year, Person.organisation_id)
        .order_by(
            one.year.desc(),
            home,
            func.max(PersonPrivate.name),
            one.person_id,
        )
    )


def _years(unit: Unit, wanted: Select[*tuple[Any, ...]]) -> list[CreditYear]:
    return [
        CreditYear(
            person_id=row.person_id,
            name=row.name,
            organisation=row.organisation,
            year=int(row.year),
            reading=int(row.reading),
            adoption=int(row.adoption),
            followers=int(row.followers),
            articles=int(row.articles),
        )
        for row in unit.session.execute(wanted)
    ]


def _visible_people(unit: Unit) -> Select[UUID]:
    organisations = visible_organisations(unit).with_only_columns(Organisation.id)
    return select(Person.id).where(Person.organisation_id.in_(organisations))


def _require_person(unit: Unit, person_id: UUID) -> None:
    """Raise `NotFound` unless it is the actor, or a bureau's reader who sees the person."""
    actor = unit.actor
    if person_id == actor.person_id:
        return
    is_reader = actor.is_system or (
        actor.organisation_kind is OrganisationKind.BUREAU and actor.may(*READERS)
    )
    seen = _visible_people(unit).where(Person.id == person_id)
    if not is_reader or unit.session.scalar(seen) is None:
        raise NotFound(what="credits", key=str(person_id))
