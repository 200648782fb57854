"""From approved selections to agreements: who may use them, and which lines their ceilings bind.

Decides on which funding lines each ceiling is committed (R23) and what stands against it: no line,
too little on the lines, a resource that is no longer listed. Opening the agreements and posting the
commitments is settlement's.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import select

from catalog.models import Resource, Version
from catalog.states import VersionState
from kernel.errors import BudgetExhausted, MarketError, NoFundingLine, NotListed
from kernel.identity.models import Organisation
from kernel.identity.recording import among
from kernel.ids import OrganisationId
from kernel.money import yuan
from kernel.unit import Unit
from procurement.funding.plan import Purpose, may_pay, plan_draws
from procurement.models import Selection
from procurement.selections import amount_to_commit
from settlement.agreements import AgreementDraft
from settlement.funding_lines import line_balances, lock_lines_for
from settlement.models import FundingLine

Window = tuple[UUID, date, date]
"""A payer and the first and last day of use."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Parties:
    """What the selections refer to, by id; `users` are a school and its teaching points."""

    schools: dict[UUID, Organisation]
    users: dict[UUID, list[UUID]]
    resources: dict[UUID, Resource]
    versions: dict[UUID, Version]


def draft_agreements(
    unit: Unit, selections: Sequence[Selection]
) -> list[AgreementDraft | MarketError]:
    """Return for each selection the agreement that its last signature opens, or what prevents it.

    In the order given: what one selection takes from a line, the next one lacks. The lines stay
    locked until the unit ends, so that nobody else can commit the same fen. The errors are
    `NoFundingLine`, `BudgetExhausted` (`short_fen`, `short_yuan`, `line`) and `NotListed`.
    """
    parties = _gather(unit, selections)
    lines = _lock_lines(unit, selections)
    available = {
        line_id: balance.available_fen
        for line_id, balance in line_balances(
            unit, list({line.id for window in lines.values() for line in window})
        ).items()
    }
    drafts: list[AgreementDraft | MarketError] = []
    for selection in selections:
        try:
            draft = _draft(selection, parties, lines=lines[_window(selection)], available=available)
        except MarketError as error:
            # It stands against this selection alone; the caller raises or lists it.
            drafts.append(error)
            continue
        for draw in draft.draws:
            available[draw.line_id] -= draw.ceiling_fen
        drafts.append(draft)
    return drafts


def _draft(
    selection: Selection,
    parties: _Parties,
    *,
    lines: Iterable[FundingLine],
    available: dict[UUID, int],
) -> AgreementDraft:
    school = parties.schools[selection.school_id]
    resource = parties.resources[selection.resource_id]
    version = parties.versions[selection.version_id]
    if version.state != VersionState.LISTED:
        raise NotListed(key=resource.sku)
    ceiling_fen = amount_to_commit(selection.terms, selection.ceiling_fen)
    purpose = Purpose(
        school_code=school.code, subject=version.subject, tier=version.tier, stage=version.stage
    )
    paying = [line for line in lines if may_pay(line.restriction, purpose)]
    if ceiling_fen and not paying:
        raise NoFundingLine(payer=school.code, year=selection.starts_on.year)
    plan = plan_draws(ceiling_fen, [(line.id, available[line.id]) for line in paying])
    if plan.short_fen:
        last = paying[-1]
        raise BudgetExhausted(
            selection=selection.reference,
            payer=school.code,
            line=f"{school.code} {last.fiscal_year} {last.source}",
            line_id=str(last.id),
            short_fen=plan.short_fen,
            short_yuan=yuan(plan.short_fen),
        )
    return AgreementDraft(
        number=f"{school.code}-{selection.reference}",
        payer_id=school.id,
        vendor_id=resource.vendor_id,
        resource_id=resource.id,
        version_id=version.id,
        terms=selection.terms,
        ceiling_fen=ceiling_fen,
        starts_on=selection.starts_on,
        ends_on=selection.ends_on,
        draws=plan.draws,
        school_ids=parties.users[school.id],
    )


def _gather(unit: Unit, selections: Sequence[Selection]) -> _Parties:
    school_ids = {selection.school_id for selection in selections}
    resource_ids = {selection.resource_id for selection in selections}
    version_ids = {selection.version_id for selection in selections}
    schools = unit.session.scalars(select(Organisation).where(among(Organisation.id, school_ids)))
    users: dict[UUID, list[UUID]] = {school_id: [school_id] for school_id in school_ids}
    points = unit.session.execute(
        select(Organisation.parent_id, Organisation.id)
        .where(among(Organisation.parent_id, school_ids))
        .order_by(Organisation.code)
    )
    for school_id, point_id in points:
        if school_id is not None:
            users[school_id].append(point_id)
    resources = unit.session.scalars(select(Resource).where(among(Resource.id, resource_ids)))
    versions = unit.session.scalars(select(Version).where(among(Version.id, version_ids)))
    return _Parties(
        schools={school.id: school for school in schools},
        users=users,
        resources={resource.id: resource for resource in resources},
        versions={version.id: version for version in versions},
    )


def _window(selection: Selection) -> Window:
    return (selection.school_id, selection.starts_on, selection.ends_on)


def _lock_lines(unit: Unit, selections: Sequence[Selection]) -> dict[Window, list[FundingLine]]:
    """Return the lines that may pay, in draw order, by payer and days; locked."""
    windows = sorted({_window(selection) for selection in selections})
    # All in id order first: window by window, two approvals could wait for each other.
    unit.session.execute(
        select(FundingLine.id)
        .where(among(FundingLine.payer_id, {payer_id for payer_id, _, _ in windows}))
        .order_by(FundingLine.id)
        .with_for_update()
    )
    return {
        (payer_id, day_from, day_until): lock_lines_for(
            unit, OrganisationId(payer_id), day_from=day_from, day_until=day_until
        )
        for payer_id, day_from, day_until in windows
    }
