"""What was recorded for the funding, as rows of its own import: it can be brought in again (R15).

Decides whose rows an actor takes out: those of the schools, regions and payers below their bureau.
Brought in again, each row is a duplicate of itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on

from kernel.actors import OrganisationKind, Role
from kernel.identity.census import CensusRow
from kernel.identity.models import Census, Organisation, Region
from kernel.identity.visibility import visible_organisations, visible_regions
from kernel.unit import Unit
from procurement.funding.listed import STANDING, ListedRow
from procurement.funding.proposals import LISTED
from procurement.funding.quotas import QuotaRow
from procurement.models import Quota
from procurement.proposal_models import AllocationProposal, ProposalLine

MAY_TAKE_OUT: Final = (Role.OPERATOR, Role.BUREAU_FINANCE, Role.AUDITOR)


@dataclass(frozen=True, kw_only=True, slots=True)
class CountRow:
    """One count with its school's name; `stands` unless a later day corrected it."""

    row: CensusRow
    school_name: str
    stands: bool


def counts(unit: Unit) -> list[CountRow]:
    """Return every count of the schools that the actor sees, by school, the latest first."""
    schools = visible_organisations(unit, OrganisationKind.SCHOOL)
    found = unit.session.execute(
        select(Census, Organisation.code, Organisation.name)
        .join(Organisation, Organisation.id == Census.school_id)
        .where(Census.school_id.in_(schools.with_only_columns(Organisation.id)))
        .order_by(Organisation.code, Census.as_of.desc(), Census.kind, Census.stage, Census.basis)
    )
    seen: set[tuple[object, ...]] = set()
    rows = []
    for one, code, name in found:
        key = (code, one.stage, one.kind, one.basis, one.as_of.year)
        row = CensusRow(
            school_code=code,
            stage=one.stage,
            kind=one.kind,
            as_of=one.as_of,
            basis=one.basis,
            pupils=one.pupils,
        )
        rows.append(CountRow(row=row, school_name=name, stands=key not in seen))
        seen.add(key)
    return rows


def census_rows(unit: Unit) -> list[CensusRow]:
    """Return every count as it was recorded, corrected ones as well."""
    unit.actor.require("export what the funding rests on", *MAY_TAKE_OUT)
    return [one.row for one in counts(unit)]


def quota_rows(unit: Unit) -> list[QuotaRow]:
    """Return the quotas of the actor's region and those below, each as it was recorded last."""
    unit.actor.require("export what the funding rests on", *MAY_TAKE_OUT)
    key = (Quota.region_code, Quota.kind, Quota.stage, Quota.valid_from)
    found: Sequence[Quota] = unit.session.scalars(
        select(Quota)
        .where(Quota.region_code.in_(visible_regions(unit).with_only_columns(Region.code)))
        .ext(distinct_on(*key))
        .order_by(*key, Quota.recorded_at.desc())
    ).all()
    return [
        QuotaRow(
            region_code=one.region_code,
            stage=one.stage,
            kind=one.kind,
            valid_from=one.valid_from,
            amount_fen=one.amount_fen,
            source=one.source,
            verified=one.verified,
        )
        for one in found
    ]


def listed_rows(unit: Unit, *, fiscal_year: int | None = None) -> list[ListedRow]:
    """Return the amounts by document of proposals that wait or were issued, in their order."""
    unit.actor.require("export what the funding rests on", *MAY_TAKE_OUT)
    bureaus = visible_organisations(unit, OrganisationKind.BUREAU)
    wanted = (
        select(ProposalLine, AllocationProposal, Organisation.code)
        .join(AllocationProposal, AllocationProposal.id == ProposalLine.proposal_id)
        .join(Organisation, Organisation.id == ProposalLine.payer_id)
        .where(
            AllocationProposal.bureau_id.in_(bureaus.with_only_columns(Organisation.id)),
            AllocationProposal.kind == LISTED,
            AllocationProposal.state.in_(STANDING),
        )
        .order_by(AllocationProposal.made_at, AllocationProposal.number, ProposalLine.position)
    )
    if fiscal_year is not None:
        wanted = wanted.where(AllocationProposal.fiscal_year == fiscal_year)
    rows = []
    for line, proposal, payer_code in unit.session.execute(wanted):
        fund_fen = line.computation.get("fund_fen")
        rows.append(
            ListedRow(
                payer_code=payer_code,
                fiscal_year=proposal.fiscal_year,
                source=proposal.source,
                document=line.document,
                amount_fen=line.amount_fen if fund_fen is None else None,
                fund_fen=fund_fen,
                **{name: tuple(words) for name, words in line.restriction.items()},
            )
        )
    return rows
