"""One school's line computed from what was gathered: entitlements, share, one rounding.

Pure. The result carries the whole computation as data (JSON: whole fen as numbers, exact amounts
and shares as text), which is kept with the allocation; `explanation` turns it into sentences.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Any
from uuid import UUID

from kernel.errors import NoCensus, NoVerifiedQuota
from procurement.funding.funding_rules import FundingRuleRow
from procurement.funding.headcount import CensusUsed
from procurement.funding.quotas import QuotaInForce
from procurement.funding.rules import (
    Floor,
    QuotaKey,
    Step,
    Term,
    entitlement,
    exact_text,
    line_amount,
    needed_quotas,
    term_start,
)

QuotasByTerm = Mapping[Term, Mapping[str, Mapping[QuotaKey, QuotaInForce]]]
"""By term, then by region code."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A school or a teaching point, which is computed by itself (R15)."""

    id: UUID
    code: str
    name: str
    region_code: str
    small_rural: bool
    teaching_point: bool


@dataclass(frozen=True, slots=True)
class LineComputation:
    """What a line is worth in fen, rounded once, and how that came about."""

    line_fen: int
    data: dict[str, Any]


def compute_line(
    places: Sequence[Place],
    *,
    fiscal_year: int,
    source: str,
    computed_on: date,
    rule: FundingRuleRow,
    censuses: Mapping[UUID, Mapping[Term, CensusUsed]],
    quotas: QuotasByTerm,
) -> LineComputation:
    """Compute the line of a school: itself, first in `places`, and its teaching points.

    Raises `NoCensus` for a place that was never counted, `NoVerifiedQuota` for pupils whose quota
    no region above them has.
    """
    exact: list[Fraction] = []
    described: list[dict[str, Any]] = []
    for place in places:
        if place.id not in censuses:
            raise NoCensus(school=f"{place.code} {place.name}", year=fiscal_year)
        floor = Floor(pupils=rule.floor_pupils, short_stage=rule.short_stage)
        amounts, terms = _terms_of_place(
            place,
            fiscal_year=fiscal_year,
            floor=floor if place.small_rural else None,
            censuses=censuses[place.id],
            quotas=quotas,
        )
        exact += amounts
        described.append(
            {
                "code": place.code,
                "name": place.name,
                "teaching_point": place.teaching_point,
                "small_rural": place.small_rural,
                "terms": terms,
                "entitlement_fen": exact_text(sum(amounts, Fraction(0))),
            }
        )
    line_exact, line_fen = line_amount(exact, rule.digital_share)
    return LineComputation(
        line_fen,
        {
            "version": 2,
            "fiscal_year": fiscal_year,
            "source": source,
            "computed_on": computed_on.isoformat(),
            "rule": rule.as_data(),
            "places": described,
            "entitlement_fen": exact_text(sum(exact, Fraction(0))),
            "exact_fen": exact_text(line_exact),
            "line_fen": line_fen,
        },
    )


def _terms_of_place(
    place: Place,
    *,
    fiscal_year: int,
    floor: Floor | None,
    censuses: Mapping[Term, CensusUsed],
    quotas: QuotasByTerm,
) -> tuple[list[Fraction], list[dict[str, Any]]]:
    """Return the place's exact entitlement of each term, and the terms as data."""
    amounts: list[Fraction] = []
    terms: list[dict[str, Any]] = []
    for term in Term:
        census, day = censuses[term], term_start(fiscal_year, term)
        in_force = quotas[term][place.region_code]
        for kind, stage in needed_quotas(census.headcount, floor):
            if (kind, stage) not in in_force:
                raise NoVerifiedQuota(
                    kind=kind.value, stage=stage or "every stage", region=place.region_code, day=day
                )
        entitled = entitlement(
            census.headcount,
            {key: quota.amount_fen for key, quota in in_force.items()},
            floor=floor,
        )
        amounts.append(entitled.exact_fen)
        terms.append(
            {
                "term": term.value,
                "quotas_of": day.isoformat(),
                "census": census.as_data(),
                "steps": [_step_data(step, in_force[step.quota]) for step in entitled.steps],
                "year_fen": entitled.year_fen,
                "term_fen": exact_text(entitled.exact_fen),
            }
        )
    return amounts, terms


def _step_data(step: Step, quota: QuotaInForce) -> dict[str, Any]:
    return {
        **step.as_data(),
        "quota_region": quota.region_code,
        "quota_valid_from": quota.valid_from.isoformat(),
        "quota_source": quota.source,
    }
