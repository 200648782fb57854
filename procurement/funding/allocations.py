"""Allocations: what each school's line is worth, and its issue on the books (R15-R20).

Decides for which schools of a bureau's subtree a line is computed and how much of it is still to
be issued: all of it at first, later only what a newer census, quota or rule adds (a top-up). What
was issued is never reduced here. How money moves is settlement's matter.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select

from kernel.actors import OrganisationKind, Role
from kernel.clock import shanghai_day
from kernel.errors import InvalidInput, MarketError, NoRule
from kernel.identity.models import Organisation
from kernel.identity.recording import among
from kernel.identity.visibility import visible_organisations
from kernel.ids import FundingLineId, OrganisationId, new_id
from kernel.trail import record
from kernel.unit import Unit
from procurement.funding.computation import LineComputation, Place, QuotasByTerm, compute_line
from procurement.funding.funding_rules import FundingRuleRow, funding_rules_in_force
from procurement.funding.headcount import CensusUsed, census_for_terms
from procurement.funding.quotas import quotas_in_force
from procurement.funding.rules import Term, term_start
from procurement.models import Allocation
from settlement.funding_lines import issue_amount, open_line
from settlement.models import FundingLine


@dataclass(frozen=True, kw_only=True, slots=True)
class LinePreview:
    """One school's line as it would be issued now, or the error that stands against it.

    `line_fen` is the whole line, `issued_fen` what was issued on it already, `amount_fen` what an
    issue would add; a line that is now worth less than was issued adds nothing.
    """

    school_id: UUID
    code: str
    name: str
    line_fen: int = 0
    issued_fen: int = 0
    issues: int = 0
    computation: dict[str, Any] = field(default_factory=dict)
    error: MarketError | None = None

    @property
    def amount_fen(self) -> int:
        return max(0, self.line_fen - self.issued_fen)


@dataclass(frozen=True, kw_only=True, slots=True)
class IssueSummary:
    """What an issue did: lines by their fate, the sum issued, and the schools that were left out.

    `unchanged` has nothing to add, of which `above` were issued more than they are now worth.
    """

    fiscal_year: int
    issued: int = 0
    topped_up: int = 0
    unchanged: int = 0
    above: int = 0
    amount_fen: int = 0
    left_out: list[LinePreview] = field(default_factory=list)


def preview_lines(
    unit: Unit, *, fiscal_year: int, source: str = "per_student"
) -> list[LinePreview]:
    """Compute the line of every school below the actor's bureau, in the order of their codes.

    A school whose census, quota or rule is missing comes back with that error. The number of
    queries doesn't depend on the number of schools.
    """
    unit.actor.require("compute funding lines", Role.BUREAU_FINANCE, Role.AUDITOR)
    if not 2000 <= fiscal_year <= 2100:
        raise InvalidInput(value=fiscal_year, field="year", expected="a year such as 2026")
    schools = schools_with_points(unit)
    inputs = gather_inputs(
        unit,
        [place for places in schools for place in places],
        fiscal_year=fiscal_year,
        source=source,
    )
    issued = _issued(unit, [places[0].id for places in schools], fiscal_year, source)
    previews = []
    for places in schools:
        school = places[0]
        issued_fen, issues = issued.get(school.id, (0, 0))
        problem: MarketError | None = None
        try:
            computed = compute_school(places, inputs)
        except MarketError as error:
            # What stands against one school's line must not stop the others: it is listed.
            computed, problem = LineComputation(0, {}), error
        previews.append(
            LinePreview(
                school_id=school.id,
                code=school.code,
                name=school.name,
                line_fen=computed.line_fen,
                issued_fen=issued_fen,
                issues=issues,
                computation=computed.data,
                error=problem,
            )
        )
    return previews


def issue_lines(unit: Unit, *, fiscal_year: int) -> IssueSummary:
    """Issue the per-student lines of a year for the schools below the actor's bureau.

    Safe to repeat: what was issued is not issued again, only a difference upwards is. Schools that
    can't be computed are left out and named in the summary.
    """
    unit.actor.require("issue funding lines", Role.BUREAU_FINANCE)
    source = "per_student"
    previews = preview_lines(unit, fiscal_year=fiscal_year, source=source)
    wanted = [preview for preview in previews if preview.error is None and preview.amount_fen]
    line_ids = {
        preview.school_id: open_line(
            unit, OrganisationId(preview.school_id), fiscal_year=fiscal_year, source=source
        )
        for preview in wanted
    }
    # Another issue may have run since the preview: lock the lines, then look again.
    unit.session.execute(
        select(FundingLine.id)
        .where(among(FundingLine.id, line_ids.values()))
        .order_by(FundingLine.id)
        .with_for_update()
    )
    issued = _issued(unit, list(line_ids), fiscal_year, source)
    counts = {"issued": 0, "topped_up": 0}
    total = 0
    for preview in wanted:
        before, issues = issued.get(preview.school_id, (0, 0))
        amount = preview.line_fen - before
        if amount > 0:
            _issue(
                unit,
                line_ids[preview.school_id],
                preview=preview,
                amount_fen=amount,
                before_fen=before,
                issues=issues,
            )
            counts["topped_up" if issues else "issued"] += 1
            total += amount
    if total:
        unit.after_commit("procurement.commit_waiting")
    settled = [preview for preview in previews if preview.error is None]
    return IssueSummary(
        fiscal_year=fiscal_year,
        **counts,
        unchanged=len(settled) - sum(counts.values()),
        above=sum(preview.issued_fen > preview.line_fen for preview in settled),
        amount_fen=total,
        left_out=[preview for preview in previews if preview.error is not None],
    )


def _issue(
    unit: Unit,
    line_id: FundingLineId,
    *,
    preview: LinePreview,
    amount_fen: int,
    before_fen: int,
    issues: int,
) -> None:
    """Put `amount_fen` on the line and keep its computation."""
    year, source = preview.computation["fiscal_year"], preview.computation["source"]
    unit.session.execute(
        insert(Allocation).values(
            id=new_id(),
            line_id=line_id,
            amount_fen=amount_fen,
            computation={
                **preview.computation,
                "issued_before_fen": before_fen,
                "amount_fen": amount_fen,
            },
            issued_at=unit.clock.now(),
            issued_by=unit.actor.name,
        )
    )
    issue_amount(
        unit,
        line_id,
        amount_fen=amount_fen,
        key=f"issue:{preview.code}:{year}:{source}:{issues + 1}",
        memo=f"{source} {year} of {preview.code}",
    )
    record(
        unit,
        "funding_line.topped_up" if issues else "funding_line.issued",
        subject_kind="funding_line",
        subject_id=line_id,
        payer=preview.code,
        fiscal_year=year,
        source=source,
        amount_fen=amount_fen,
        line_fen=preview.line_fen,
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


def gather_inputs(unit: Unit, places: Sequence[Place], *, fiscal_year: int, source: str) -> Inputs:
    """Return what these places' lines are computed from, in a set number of queries."""
    now = unit.clock.now()
    regions = {place.region_code for place in places}
    return Inputs(
        fiscal_year=fiscal_year,
        source=source,
        today=shanghai_day(now),
        rules=funding_rules_in_force(
            unit, regions, source=source, day=date(fiscal_year, 1, 1), known_at=now
        ),
        censuses=census_for_terms(unit, [p.id for p in places], fiscal_year=fiscal_year),
        quotas={
            term: quotas_in_force(unit, regions, day=term_start(fiscal_year, term), known_at=now)
            for term in Term
        },
    )


def compute_school(places: Sequence[Place], inputs: Inputs) -> LineComputation:
    """Compute one school's line; the rule is that of the school's region on 1 January."""
    school = places[0]
    rule = inputs.rules.get(school.region_code)
    if rule is None:
        raise NoRule(
            rule=f"{inputs.source} funding",
            region=school.region_code,
            day=date(inputs.fiscal_year, 1, 1),
        )
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


def _issued(
    unit: Unit, school_ids: Sequence[UUID], fiscal_year: int, source: str
) -> dict[UUID, tuple[int, int]]:
    """Return for each school what was issued on its general line so far, and how often."""
    rows = unit.session.execute(
        select(FundingLine.payer_id, func.sum(Allocation.amount_fen), func.count())
        .join(Allocation, Allocation.line_id == FundingLine.id)
        .where(
            among(FundingLine.payer_id, school_ids),
            FundingLine.fiscal_year == fiscal_year,
            FundingLine.source == source,
            FundingLine.restriction == {},
        )
        .group_by(FundingLine.payer_id)
    )
    return {payer_id: (int(total), issues) for payer_id, total, issues in rows}
