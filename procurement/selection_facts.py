"""What selections refer to: schools, listed versions, offers, rules, gathered once for many rows.

Decides nothing but what a code stands for; whether a selection may be made of it is `selections`'.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on

from catalog.kinds import ResourceKind
from catalog.models import Offer, Resource, Version
from catalog.offers import free_days, offer_in_force
from catalog.queries import ResourceKey, listed_versions
from catalog.visibility import known_resources
from kernel.actors import OrganisationKind
from kernel.clock import shanghai_day
from kernel.errors import InvalidInput, NotFound
from kernel.identity.models import Organisation, RegionClosure
from kernel.identity.recording import FieldError, among
from kernel.identity.visibility import visible_organisations
from kernel.ids import ResourceId
from kernel.unit import Unit
from procurement.approval_rules import approval_rules_in_force
from procurement.models import Selection
from procurement.policy import Threshold
from procurement.purses import Purse
from procurement.states import SelectionKind, SelectionState
from procurement.waiting_years import purse_to_plan
from settlement.ranking.effects import Openness, openness_of

SelectionKey = tuple[UUID, str]
"""A school and its own reference."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SelectionRow:
    """One selection to record; `requested_by` is the person number of somebody of the school.

    `later_fen`: the part of the ceiling for use from 1 January on; needed if the days cross it.
    """

    reference: str
    school_code: str
    vendor_code: str
    sku: str
    starts_on: date
    ends_on: date
    ceiling_fen: int
    reason: str
    requested_by: str
    later_fen: int | None = None
    trial: bool = False

    @property
    def resource_key(self) -> ResourceKey:
        return (self.vendor_code, self.sku)


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """All that the rows refer to, gathered once for all of them.

    `tried`: (school, resource) of trials that were made or are under way. `free_days`: when a free
    price of a basic resource begins.
    """

    schools: dict[str, Organisation]
    resources: dict[ResourceKey, Resource]
    versions: dict[ResourceId, Version]
    offers: dict[date, dict[ResourceId, Offer]]
    rules: dict[str, list[Threshold]]
    bureaus: dict[str, UUID]
    recorded: dict[SelectionKey, Selection]
    tried: frozenset[tuple[UUID, UUID]]
    purse: Purse
    today: date
    openness: Openness = field(default_factory=Openness)
    free_days: dict[ResourceId, list[date]] = field(default_factory=dict)

    def school(self, row: SelectionRow) -> Organisation:
        """Return the row's school, which pays; a teaching point uses what its school selects."""
        school = self.schools.get(row.school_code)
        if school is None:
            raise FieldError(NotFound(what="school", key=row.school_code), field="school_code")
        if school.parent_id is not None:
            raise FieldError(
                InvalidInput(
                    value=row.school_code,
                    field="school_code",
                    expected="the school itself; its teaching points use what it selects",
                ),
                field="school_code",
            )
        return school


def gather_facts(unit: Unit, rows: Sequence[SelectionRow]) -> Facts:
    today = shanghai_day(unit.clock.now())
    schools = {
        school.code: school
        for school in unit.session.scalars(
            visible_organisations(unit, OrganisationKind.SCHOOL).where(
                among(Organisation.code, {row.school_code for row in rows})
            )
        )
    }
    resources = known_resources(unit, {row.resource_key for row in rows})
    resource_ids = [ResourceId(resource.id) for resource in resources.values()]
    regions = {school.region_code for school in schools.values()}
    recorded = unit.session.scalars(
        select(Selection).where(
            among(Selection.school_id, [school.id for school in schools.values()]),
            among(Selection.reference, {row.reference for row in rows}),
        )
    )
    rules = approval_rules_in_force(unit, regions, day=today)
    by_source = any(rule.source for table in rules.values() for rule in table)
    versions = listed_versions(unit, resource_ids)
    basic = [one for one, version in versions.items() if version.kind == ResourceKind.BASIC]
    return Facts(
        schools=schools,
        resources=resources,
        versions=versions,
        offers={
            day: offer_in_force(unit, resource_ids, day=day)
            for day in {row.starts_on for row in rows}
        },
        rules=rules,
        bureaus=nearest_bureaus(unit, regions),
        recorded={(one.school_id, one.reference): one for one in recorded},
        tried=_tried(unit, rows, schools=schools.values(), resource_ids=resource_ids),
        # Only a table that tells sources apart has to know which would pay.
        purse=purse_to_plan(unit, {school.id for school in schools.values()} if by_source else ()),
        today=today,
        openness=openness_of(
            unit,
            [version.id for version in versions.values()],
            places=[school.id for school in schools.values()],
        ),
        free_days=free_days(unit, basic) if basic else {},
    )


def gather_facts_of(unit: Unit, school: Organisation) -> Facts:
    """Return what one school's request needs that names no offer: tables, bureaus, money."""
    today = shanghai_day(unit.clock.now())
    return Facts(
        schools={school.code: school},
        resources={},
        versions={},
        offers={},
        rules=approval_rules_in_force(unit, [school.region_code], day=today),
        bureaus=nearest_bureaus(unit, [school.region_code]),
        recorded={},
        tried=frozenset(),
        purse=purse_to_plan(unit, [school.id]),
        today=today,
    )


def _tried(
    unit: Unit,
    rows: Sequence[SelectionRow],
    *,
    schools: Iterable[Organisation],
    resource_ids: Collection[UUID],
) -> frozenset[tuple[UUID, UUID]]:
    if not any(row.trial for row in rows):
        return frozenset()
    found = unit.session.execute(
        select(Selection.school_id, Selection.resource_id).where(
            Selection.kind == SelectionKind.TRIAL,
            Selection.state.in_((SelectionState.REQUESTED, SelectionState.APPROVED)),
            among(Selection.school_id, [school.id for school in schools]),
            among(Selection.resource_id, resource_ids),
        )
    )
    return frozenset((school_id, resource_id) for school_id, resource_id in found)


def nearest_bureaus(unit: Unit, region_codes: Collection[str]) -> dict[str, UUID]:
    """Return for each region the bureau of the nearest region at or above it that has one."""
    rows = unit.session.execute(
        select(RegionClosure.region_code, Organisation.id)
        .join(Organisation, Organisation.region_code == RegionClosure.ancestor_code)
        .where(
            among(RegionClosure.region_code, region_codes),
            Organisation.kind == OrganisationKind.BUREAU,
        )
        .ext(distinct_on(RegionClosure.region_code))
        .order_by(RegionClosure.region_code, RegionClosure.distance, Organisation.code)
    )
    return {row.region_code: row.id for row in rows}
