"""Choices: what is listed and priced today, for a school that looks for something to select.

A plain list, searched by the words of its title, vendor and article number; ranking and facets are
the storefront's.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, literal, or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import aliased

from catalog.models import Offer, Resource, Version
from catalog.pack_models import PackPart
from catalog.states import VersionState
from kernel.clock import shanghai_day
from kernel.identity.models import Organisation
from kernel.identity.recording import among
from kernel.unit import Unit
from procurement.models import Selection
from procurement.states import SelectionState
from settlement.agreement_states import OVER
from settlement.models import Agreement

ESCAPE = "\\"


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """A listed resource with its price of today; `key` is what a form sends for it.

    `author_school`: the code of the school whose teacher sells it, empty for a firm's. `details`
    are the version's metadata: language, licence, author, keywords, conditions, address.
    """

    resource_id: UUID
    version_id: UUID
    vendor_code: str
    vendor_name: str
    sku: str
    title: str
    kind: str
    tier: str
    stage: str
    subject: str
    grade: str
    type: str
    number: int
    author_school: str
    details: Mapping[str, Any]
    plan: Mapping[str, Any]

    @property
    def key(self) -> str:
        """A vendor's code holds no slash."""
        return f"{self.vendor_code}/{self.sku}"


def choices(
    unit: Unit, *, words: str = "", stage: str = "", kind: str = "", limit: int, offset: int
) -> tuple[list[Choice], int]:
    """Return a page of what is listed, by title, and how many there are in all."""
    listed, wanted = _choosable(unit)
    if stage:
        wanted = wanted.where(listed.stage.in_((stage, "")))
    if kind:
        wanted = wanted.where(listed.kind == kind)
    for word in words.split():
        escaped = word.replace(ESCAPE, ESCAPE * 2).replace("%", r"\%").replace("_", r"\_")
        like = f"%{escaped}%"
        wanted = wanted.where(
            or_(
                listed.title.ilike(like, escape=ESCAPE),
                listed.subject.ilike(like, escape=ESCAPE),
                Organisation.name.ilike(like, escape=ESCAPE),
                Resource.sku.ilike(like, escape=ESCAPE),
            )
        )
    count = unit.session.scalar(select(func.count()).select_from(wanted.subquery())) or 0
    found = wanted.order_by(listed.title, Organisation.code, Resource.sku)
    return _read(unit, found.limit(limit).offset(offset)), count


def choices_by_key(unit: Unit, keys: Collection[str]) -> list[Choice]:
    """Return the choices of these keys, without what is not listed or has no price today."""
    _, wanted = _choosable(unit)
    wanted = wanted.where(
        among(Organisation.code, {key.partition("/")[0] for key in keys}),
        among(Resource.sku, {key.partition("/")[2] for key in keys}),
    )
    return [row for row in _read(unit, wanted) if row.key in keys]


def standings(unit: Unit, school_id: UUID) -> dict[UUID, str]:
    """Return by resource whether the school has agreed on it until today or later, or asks for it.

    The words are `agreed` and `requested`.
    """
    runs = (
        Agreement.payer_id == school_id,
        Agreement.ends_on >= shanghai_day(unit.clock.now()),
        Agreement.state.not_in(OVER),
    )
    requested = unit.session.execute(
        select(Selection.resource_id, literal("requested"))
        .where(Selection.school_id == school_id, Selection.state == SelectionState.REQUESTED)
        .union_all(
            select(Agreement.resource_id, literal("agreed")).where(*runs),
            select(PackPart.resource_id, literal("agreed"))
            .join(Agreement, Agreement.version_id == PackPart.pack_id)
            .where(*runs),
        )
    )
    found: dict[UUID, str] = {}
    for resource_id, word in requested:
        if found.get(resource_id) != "agreed":
            found[resource_id] = word
    return found


def _choosable(unit: Unit) -> tuple[Any, Select[*tuple[Any, ...]]]:
    """Return the listed versions, and the selection of each with its price and vendor."""
    listed = aliased(Version, _listed().subquery())
    priced = aliased(Offer, _priced(unit).subquery())
    return listed, (
        select(
            listed,
            priced.plan,
            Resource.sku,
            Organisation.code,
            Organisation.name,
            Organisation.facts,
        )
        .select_from(listed)
        .join(priced, priced.resource_id == listed.resource_id)
        .join(Resource, Resource.id == listed.resource_id)
        .join(Organisation, Organisation.id == Resource.vendor_id)
    )


def _read(unit: Unit, wanted: Select[*tuple[Any, ...]]) -> list[Choice]:
    return [
        Choice(
            resource_id=version.resource_id,
            version_id=version.id,
            vendor_code=code,
            vendor_name=name,
            sku=sku,
            title=version.title,
            kind=version.kind,
            tier=version.tier,
            stage=version.stage,
            subject=version.subject,
            grade=version.grade,
            type=version.type,
            number=version.number,
            author_school=facts.get("school_code", ""),
            details=version.metadata_,
            plan=plan,
        )
        for version, plan, sku, code, name, facts in unit.session.execute(wanted)
    ]


def _listed() -> Select[Version]:
    return (
        select(Version)
        .where(Version.state == VersionState.LISTED)
        .ext(distinct_on(Version.resource_id))
        .order_by(Version.resource_id, Version.number.desc())
    )


def _priced(unit: Unit) -> Select[Offer]:
    return (
        select(Offer)
        .where(Offer.valid_from <= shanghai_day(unit.clock.now()))
        .ext(distinct_on(Offer.resource_id))
        .order_by(Offer.resource_id, Offer.valid_from.desc())
    )
