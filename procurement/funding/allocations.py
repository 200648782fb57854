"""Allocations: what each school's line is worth, and what is still to be issued of it (R15-R20).

Decides for which schools of a bureau's subtree a line is computed, on whose line it goes, and how
much of it an issue would add: all of it at first, later what a newer census, quota or rule adds, or
takes off as far as it is not committed. A person proposes it and another issues it (`proposals`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select

from kernel.actors import OrganisationKind, Role
from kernel.clock import shanghai_day
from kernel.errors import InvalidInput, MarketError, NoRule, NotFound
from kernel.identity.models import Organisation, RegionClosure
from kernel.identity.recording import among
from kernel.identity.visibility import visible_organisations
from kernel.unit import Unit
from procurement.funding.computation import LineComputation, Place, QuotasByTerm, compute_line
from procurement.funding.funding_rules import FundingRuleRow, funding_rules_in_force
from procurement.funding.headcount import CensusUsed, census_for_terms
from procurement.funding.quotas import quotas_in_force
from procurement.funding.rules import HeadcountBasis, Holder, Term, term_start
from procurement.models import Allocation
from settlement.funding_lines import line_balances
from settlement.models import FundingLine


@dataclass(frozen=True, kw_only=True, slots=True)
class LinePreview:
    """One school's line as it would be issued now, or the error that stands against it.

    `line_fen` is the whole line, `issued_fen` what was issued for the school already (`issues`
    times). `payer_id` is whose line it goes on: the school's, or the bureau's where the rule says
    so; of that line `reducible_fen` was issued for the school and is not committed.
    """

    school_id: UUID
    code: str
    name: str
    payer_id: UUID
    payer_code: str
    payer_name: str
    line_fen: int = 0
    issued_fen: int = 0
    issues: int = 0
    on_line_fen: int = 0
    reducible_fen: int = 0
    computation: dict[str, Any] = field(default_factory=dict)
    error: MarketError | None = None

    @property
    def amount_fen(self) -> int:
        """What an issue would add."""
        return max(0, self.line_fen - self.issued_fen)

    @property
    def kept(self) -> list[tuple[str, dict[str, Any]]]:
        """What is computed with though the census leaves it out, once by its place."""
        found: dict[tuple[str, ...], tuple[str, dict[str, Any]]] = {}
        for place in self.computation.get("places", ()):
            for term in place["terms"]:
                for one in term["census"].get("kept", ()):
                    key = (place["code"], one["kind"], one["stage"], one["as_of"])
                    found[key] = (place["code"], one)
        return list(found.values())

    @property
    def reduction_fen(self) -> int:
        """What a reduction would take back, below zero; as far as it is not committed."""
        return -min(max(0, self.issued_fen - self.line_fen), self.reducible_fen)

    @property
    def above_fen(self) -> int:
        """What was issued beyond the worth and can't be taken back, since it is committed."""
        if self.error is not None:
            return 0
        return max(0, self.issued_fen - self.line_fen + self.reduction_fen)


@dataclass(frozen=True, kw_only=True, slots=True)
class IssueSummary:
    """What an issue did: lines by their fate, the sum issued, and the schools that were left out.

    `unchanged` has nothing to add, of which `above` were issued more than they are now worth.
    """

    fiscal_year: int
    number: str = ""
    issued: int = 0
    topped_up: int = 0
    taken_back: int = 0
    unchanged: int = 0
    above: int = 0
    amount_fen: int = 0
    left_out: list[LinePreview] = field(default_factory=list)


MAY_COMPUTE: Final = (Role.BUREAU_FINANCE, Role.AUDITOR)


def preview_lines(
    unit: Unit, *, fiscal_year: int, source: str = "per_student"
) -> list[LinePreview]:
    """Compute the line of every school below the actor's bureau, in the order of their codes.

    A school whose census, quota or rule is missing comes back with that error. The number of
    queries doesn't depend on the number of schools.
    """
    unit.actor.require("compute funding lines", *MAY_COMPUTE)
    if not 2000 <= fiscal_year <= 2100:
        raise InvalidInput(value=fiscal_year, field="year", expected="a year such as 2026")
    schools = schools_with_points(unit)
    inputs = gather_inputs(unit, schools, fiscal_year=fiscal_year, source=source)
    bureaus = _nearest_bureaus(unit, {places[0].region_code for places in schools})
    issued = issued_for(unit, [places[0].id for places in schools], fiscal_year, source)
    available = _available(unit, issued)
    return [
        _preview(
            places,
            inputs,
            bureaus=bureaus,
            issued=issued.get(places[0].id, {}),
            available=available,
        )
        for places in schools
    ]


@dataclass(frozen=True, slots=True)
class Issued:
    """What was issued for a school on one line so far, in fen, and how often."""

    line_id: UUID
    fen: int
    times: int


def _preview(
    places: Sequence[Place],
    inputs: "Inputs",
    *,
    bureaus: Mapping[str, Organisation],
    issued: Mapping[UUID, Issued],
    available: Mapping[UUID, int],
) -> LinePreview:
    school = places[0]
    payer_id, payer_code, payer_name = school.id, school.code, school.name
    computed, problem = LineComputation(0, {}), None
    try:
        rule = rule_of(school, inputs)
        if rule.holder == Holder.BUREAU:
            bureau = bureaus.get(school.region_code)
            if bureau is None:
                raise NotFound(what="bureau", key=school.region_code)
            payer_id, payer_code, payer_name = bureau.id, bureau.code, bureau.name
        computed = compute_school(places, inputs)
    except MarketError as error:
        # What stands against one school's line must not stop the others: it is listed.
        problem = error
    on_line = issued.get(payer_id)
    return LinePreview(
        school_id=school.id,
        code=school.code,
        name=school.name,
        payer_id=payer_id,
        payer_code=payer_code,
        payer_name=payer_name,
        line_fen=computed.line_fen,
        issued_fen=sum(one.fen for one in issued.values()),
        issues=sum(one.times for one in issued.values()),
        on_line_fen=on_line.fen if on_line else 0,
        reducible_fen=min(on_line.fen, available[on_line.line_id]) if on_line else 0,
        computation=computed.data,
        error=problem,
    )


def _available(unit: Unit, issued: Mapping[UUID, Mapping[UUID, Issued]]) -> dict[UUID, int]:
    line_ids = sorted({one.line_id for of_school in issued.values() for one in of_school.values()})
    return {
        line_id: balance.available_fen for line_id, balance in line_balances(unit, line_ids).items()
    }


def _nearest_bureaus(unit: Unit, region_codes: set[str]) -> dict[str, Organisation]:
    """Return for each region its bureau, or the nearest above it."""
    rows = unit.session.execute(
        select(RegionClosure.region_code, Organisation)
        .join(Organisation, Organisation.region_code == RegionClosure.ancestor_code)
        .where(
            among(RegionClosure.region_code, region_codes),
            Organisation.kind == OrganisationKind.BUREAU,
        )
        .order_by(RegionClosure.region_code, RegionClosure.distance)
    )
    nearest: dict[str, Organisation] = {}
    for region_code, bureau in rows:
        nearest.setdefault(region_code, bureau)
    return nearest


def summarise(
    previews: Sequence[LinePreview], *, fiscal_year: int, issued: IssueSummary | None = None
) -> IssueSummary:
    """Return what an issue made of these previews; without one, that nothing was to be issued."""
    settled = [preview for preview in previews if preview.error is None]
    done = issued or IssueSummary(fiscal_year=fiscal_year)
    return IssueSummary(
        fiscal_year=fiscal_year,
        number=done.number,
        issued=done.issued,
        topped_up=done.topped_up,
        taken_back=done.taken_back,
        unchanged=len(settled) - done.issued - done.topped_up - done.taken_back,
        above=sum(preview.issued_fen > preview.line_fen for preview in settled),
        amount_fen=done.amount_fen,
        left_out=[preview for preview in previews if preview.error is not None],
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Inputs:
    """All that the computations of a year read, gathered once for all schools."""

    fiscal_year: int
    source: str
    today: date
    rules: dict[str, FundingRuleRow]
    censuses: dict[UUID, dict[Term, CensusUsed]]
    quotas: QuotasByTerm


def gather_inputs(
    unit: Unit, schools: Sequence[Sequence[Place]], *, fiscal_year: int, source: str
) -> Inputs:
    """Return what the lines of these schools (each with its points) are computed from.

    In a set number of queries.
    """
    now = unit.clock.now()
    regions = {place.region_code for places in schools for place in places}
    rules = funding_rules_in_force(
        unit, regions, source=source, day=date(fiscal_year, 1, 1), known_at=now
    )
    bases = {
        place.id: _basis(rules.get(places[0].region_code)) for places in schools for place in places
    }
    return Inputs(
        fiscal_year=fiscal_year,
        source=source,
        today=shanghai_day(now),
        rules=rules,
        censuses=census_for_terms(unit, bases, fiscal_year=fiscal_year),
        quotas={
            term: quotas_in_force(unit, regions, day=term_start(fiscal_year, term), known_at=now)
            for term in Term
        },
    )


def _basis(rule: FundingRuleRow | None) -> HeadcountBasis:
    return HeadcountBasis(rule.headcount) if rule else HeadcountBasis.EACH_TERM


def rule_of(school: Place, inputs: Inputs) -> FundingRuleRow:
    """Return the rule of the school's region on 1 January, or raise `NoRule`."""
    rule = inputs.rules.get(school.region_code)
    if rule is None:
        raise NoRule(
            rule=f"{inputs.source} funding",
            region=school.region_code,
            day=date(inputs.fiscal_year, 1, 1),
        )
    return rule


def compute_school(places: Sequence[Place], inputs: Inputs) -> LineComputation:
    """Compute one school's line by the rule of its region."""
    rule = rule_of(places[0], inputs)
    return compute_line(
        places,
        fiscal_year=inputs.fiscal_year,
        source=inputs.source,
        computed_on=inputs.today,
        rule=rule,
        censuses=inputs.censuses,
        quotas=inputs.quotas,
    )


def schools_with_points(unit: Unit) -> list[list[Place]]:
    """Return each visible school followed by its teaching points, by code."""
    schools = unit.session.scalars(
        visible_organisations(unit, OrganisationKind.SCHOOL)
        .where(Organisation.parent_id.is_(None))
        .order_by(Organisation.code)
    ).all()
    points = unit.session.scalars(
        select(Organisation)
        .where(among(Organisation.parent_id, [school.id for school in schools]))
        .order_by(Organisation.parent_id, Organisation.code)
    ).all()
    by_school = {
        parent: list(group) for parent, group in groupby(points, key=lambda point: point.parent_id)
    }
    return [
        [_place(school), *(_place(point) for point in by_school.get(school.id, []))]
        for school in schools
    ]


def _place(organisation: Organisation) -> Place:
    return Place(
        id=organisation.id,
        code=organisation.code,
        name=organisation.name,
        region_code=organisation.region_code,
        small_rural=bool(organisation.facts.get("small_rural")),
        teaching_point=organisation.parent_id is not None,
    )


def issued_for(
    unit: Unit, school_ids: Sequence[UUID], fiscal_year: int, source: str
) -> dict[UUID, dict[UUID, Issued]]:
    """Return for each school what was issued on general lines so far, by whose line it is."""
    rows = unit.session.execute(
        select(
            Allocation.school_id,
            FundingLine.payer_id,
            FundingLine.id,
            func.sum(Allocation.amount_fen),
            func.count(),
        )
        .join(FundingLine, FundingLine.id == Allocation.line_id)
        .where(
            among(Allocation.school_id, school_ids),
            FundingLine.fiscal_year == fiscal_year,
            FundingLine.source == source,
            FundingLine.restriction == {},
        )
        .group_by(Allocation.school_id, FundingLine.id)
    )
    found: dict[UUID, dict[UUID, Issued]] = {}
    for school_id, payer_id, line_id, total, times in rows:
        found.setdefault(school_id, {})[payer_id] = Issued(line_id, int(total), times)
    return found
