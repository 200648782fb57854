"""What a bureau's allocation desk shows: proposals with their lines, and rules with their history.

Read-only, a few statements each; all goes through the organisations and regions that are visible.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import aliased

from kernel.actors import OrganisationKind
from kernel.errors import BudgetTooSmall, MarketError, NoBudget, NotFound
from kernel.identity.models import Organisation, Region, RegionClosure
from kernel.identity.visibility import visible_organisations, visible_regions
from kernel.money import yuan
from kernel.unit import Unit
from procurement.funding.proposals import ProposalState
from procurement.models import FundingRule, Quota
from procurement.proposal_models import AllocationProposal, ProposalLine, YearEndRule
from settlement.budgets import budgets

School = aliased(Organisation, name="school")
Payer = aliased(Organisation, name="payer")


@dataclass(frozen=True, kw_only=True, slots=True)
class ProposalRow:
    """A proposal with its totals in fen: a row of the desk."""

    id: UUID
    number: str
    bureau_code: str
    bureau_name: str
    fiscal_year: int
    source: str
    kind: str
    state: ProposalState
    made_at: datetime
    made_by: UUID
    made_by_name: str
    decided_at: datetime | None
    decided_by_name: str
    note: str
    lines: int
    amount_fen: int
    left_out: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class ProposalLineRow:
    """One amount of a proposal; `line_fen` is the whole line after it, or the listed amount."""

    position: int
    school_code: str
    school_name: str
    payer_code: str
    payer_name: str
    restriction: Mapping[str, Any]
    document: str
    line_fen: int
    issued_before_fen: int
    amount_fen: int
    computation: dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleHistory:
    """All that was ever recorded for the regions that concern the actor, the latest first."""

    quotas: Sequence["QuotaLine"] = field(default_factory=tuple)
    funding_rules: Sequence["FundingRuleLine"] = field(default_factory=tuple)
    year_ends: Sequence["YearEndLine"] = field(default_factory=tuple)


@dataclass(frozen=True, kw_only=True, slots=True)
class QuotaLine:
    """A quota as it was recorded; `stands` unless a later row replaced it."""

    region_code: str
    region_name: str
    kind: str
    stage: str
    valid_from: date
    amount_fen: int
    verified: bool
    origin: str
    recorded_at: datetime
    stands: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class FundingRuleLine:
    region_code: str
    region_name: str
    rule: FundingRule
    stands: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class YearEndLine:
    region_code: str
    region_name: str
    rule: YearEndRule
    stands: bool


def proposals(unit: Unit, *, fiscal_year: int | None = None) -> list[ProposalRow]:
    """Return the proposals of the bureaus that the actor sees, the latest first."""
    return _proposals(unit, fiscal_year=fiscal_year)


def proposal(unit: Unit, number: str) -> ProposalRow:
    """Return one proposal; raise `NotFound` outside what the actor may see."""
    found = _proposals(unit, number=number)
    if not found:
        raise NotFound(what="proposal", key=number)
    return found[0]


def waiting_for(unit: Unit) -> list[ProposalRow]:
    """Return what waits at the actor's own bureau for another person than who made it."""
    return [
        row
        for row in _proposals(unit)
        if row.state is ProposalState.WAITING
        and row.bureau_code == unit.actor.organisation_code
        and row.made_by != unit.actor.person_id
    ]


def beyond_budget(unit: Unit, numbers: Collection[str]) -> list[MarketError]:
    """Return for these proposals that wait, all in all, which budgets don't hold them, and by how
    much; each as the error that their issue would meet."""
    wanted = [row for row in _proposals(unit) if row.number in numbers]
    sums: dict[tuple[str, int, str], int] = {}
    for row in wanted:
        if row.state is ProposalState.WAITING:
            key = (row.bureau_code, row.fiscal_year, row.source)
            sums[key] = sums.get(key, 0) + row.amount_fen
    held = {(one.bureau_code, one.fiscal_year, one.source): one for one in budgets(unit)}
    found: list[MarketError] = []
    for (bureau, year, source), amount_fen in sorted(sums.items()):
        budget = held.get((bureau, year, source))
        if budget is None:
            found.append(NoBudget(bureau=bureau, year=year, source=source))
        elif amount_fen > budget.unallocated_fen:
            short_fen = amount_fen - budget.unallocated_fen
            found.append(
                BudgetTooSmall(
                    bureau=bureau,
                    year=year,
                    source=source,
                    short_fen=short_fen,
                    short_yuan=yuan(short_fen),
                )
            )
    return found


def proposal_lines(unit: Unit, row: ProposalRow) -> list[ProposalLineRow]:
    """Return the lines of a proposal that the actor sees, in its order."""
    rows = unit.session.execute(
        select(ProposalLine, School.code, School.name, Payer.code, Payer.name)
        .join(School, School.id == ProposalLine.school_id)
        .join(Payer, Payer.id == ProposalLine.payer_id)
        .where(ProposalLine.proposal_id == row.id)
        .order_by(ProposalLine.position)
    )
    return [
        ProposalLineRow(
            position=line.position,
            school_code=school_code,
            school_name=school_name,
            payer_code=payer_code,
            payer_name=payer_name,
            restriction=line.restriction,
            document=line.document,
            line_fen=line.line_fen,
            issued_before_fen=line.issued_before_fen,
            amount_fen=line.amount_fen,
            computation=line.computation,
        )
        for line, school_code, school_name, payer_code, payer_name in rows
    ]


def _proposals(
    unit: Unit, *, fiscal_year: int | None = None, number: str | None = None
) -> list[ProposalRow]:
    totals = (
        select(
            ProposalLine.proposal_id,
            func.count().label("lines"),
            func.sum(ProposalLine.amount_fen).label("amount_fen"),
        )
        .group_by(ProposalLine.proposal_id)
        .subquery()
    )
    bureaus = visible_organisations(unit, OrganisationKind.BUREAU)
    wanted = (
        select(AllocationProposal, Organisation.code, Organisation.name, totals)
        .join(Organisation, Organisation.id == AllocationProposal.bureau_id)
        .join(totals, totals.c.proposal_id == AllocationProposal.id)
        .where(AllocationProposal.bureau_id.in_(bureaus.with_only_columns(Organisation.id)))
        .order_by(AllocationProposal.made_at.desc(), AllocationProposal.number.desc())
    )
    if fiscal_year is not None:
        wanted = wanted.where(AllocationProposal.fiscal_year == fiscal_year)
    if number is not None:
        wanted = wanted.where(AllocationProposal.number == number)
    return [
        ProposalRow(
            id=one.id,
            number=one.number,
            bureau_code=code,
            bureau_name=name,
            fiscal_year=one.fiscal_year,
            source=one.source,
            kind=one.kind,
            state=ProposalState(one.state),
            made_at=one.made_at,
            made_by=one.made_by,
            made_by_name=one.made_by_name,
            decided_at=one.decided_at,
            decided_by_name=one.decided_by_name or "",
            note=one.note,
            lines=lines,
            amount_fen=int(amount_fen),
            left_out=one.left_out,
        )
        for one, code, name, _, lines, amount_fen in unit.session.execute(wanted)
    ]


def rule_history(unit: Unit) -> RuleHistory:
    """Return the rules recorded for the actor's region, those above it and those below it."""
    own = visible_regions(unit).with_only_columns(Region.code)
    above = select(RegionClosure.ancestor_code).where(
        RegionClosure.region_code == unit.actor.region_code
    )
    names = dict(
        unit.session.execute(
            select(Region.code, Region.name).where(Region.code.in_(own) | Region.code.in_(above))
        ).all()
    )

    def recorded(model: Any) -> Sequence[Any]:
        return unit.session.scalars(
            select(model)
            .where(model.region_code.in_(own) | model.region_code.in_(above))
            .order_by(model.valid_from.desc(), model.recorded_at.desc(), model.region_code)
        ).all()

    quotas: list[QuotaLine] = []
    seen: set[tuple[Any, ...]] = set()
    for one in recorded(Quota):
        key = (one.region_code, one.kind, one.stage, one.valid_from)
        quotas.append(
            QuotaLine(
                region_code=one.region_code,
                region_name=names[one.region_code],
                kind=one.kind,
                stage=one.stage,
                valid_from=one.valid_from,
                amount_fen=one.amount_fen,
                verified=one.verified,
                origin=one.source,
                recorded_at=one.recorded_at,
                stands=key not in seen,
            )
        )
        seen.add(key)
    return RuleHistory(
        quotas=quotas,
        funding_rules=[
            FundingRuleLine(
                region_code=rule.region_code,
                region_name=names[rule.region_code],
                rule=rule,
                stands=stands,
            )
            for rule, stands in _standing(recorded(FundingRule))
        ],
        year_ends=[
            YearEndLine(
                region_code=rule.region_code,
                region_name=names[rule.region_code],
                rule=rule,
                stands=stands,
            )
            for rule, stands in _standing(recorded(YearEndRule))
        ],
    )


def _standing(rules: Sequence[Any]) -> list[tuple[Any, bool]]:
    """Pair each rule, the latest recorded first, with whether nothing replaced it."""
    seen: set[tuple[Any, ...]] = set()
    paired = []
    for rule in rules:
        key = (rule.region_code, rule.source, rule.valid_from)
        paired.append((rule, key not in seen))
        seen.add(key)
    return paired
