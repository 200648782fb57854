"""Waiting years: the later part of agreements across 1 January, committed when its money is there.

Decides in which order: that of approval. What an earlier agreement would need of a line is kept for
it, even if it does not suffice yet, so that a later one never takes its money. Until its part is
committed an agreement can't be used in that year (R19), but where vendor and bureau agreed (R25).
Of one that is over by then only what was used and not paid is committed.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, or_, select

from catalog.models import Version
from kernel.actors import Role
from kernel.clock import shanghai_day
from kernel.identity.models import Organisation
from kernel.identity.recording import among
from kernel.identity.visibility import visible_organisations
from kernel.unit import Unit
from procurement.bulk_users import users_of_agreements
from procurement.purses import Part, PartPlan, Purse, lock_purse, open_purse, purpose_of
from settlement.agreement_changes import ChangeDraft, apply_changes
from settlement.agreement_models import AgreementYear
from settlement.agreement_states import RUNNING
from settlement.models import Agreement, StatementLine
from settlement.taking_up import owed_of_year


@dataclass(frozen=True, kw_only=True, slots=True)
class _Waiting:
    """What an agreement waits for in a year, and which lines would pay for it."""

    agreement: Agreement
    fiscal_year: int
    waiting_fen: int
    plan: PartPlan


def commit_waiting(unit: Unit) -> int:
    """Commit what waits and is covered now, of the payers that the actor sees; return how many.

    Safe to repeat. To be called when lines were issued or topped up, and by a sweep.
    """
    unit.actor.require("agreement.commit", Role.OPERATOR, Role.BUREAU_FINANCE)
    visible = visible_organisations(unit).with_only_columns(Organisation.id)
    agreements = unit.session.scalars(
        _agreements_waiting(unit)
        .where(Agreement.payer_id.in_(visible))
        .order_by(Agreement.id)
        .with_for_update(of=Agreement, key_share=True)
    ).all()
    if not agreements:
        return 0
    purse = lock_purse(unit, {one.payer_id for one in agreements})
    drafts = [
        ChangeDraft(
            agreement=one.agreement,
            kind="committed",
            fiscal_year=one.fiscal_year,
            waiting_fen=-one.waiting_fen,
            draws=one.plan.draws,
        )
        for one in _planned(unit, purse, {one.id: one for one in agreements})
        if not one.plan.short_fen
    ]
    apply_changes(unit, drafts)
    return len(drafts)


def purse_to_plan(unit: Unit, payer_ids: Collection[UUID]) -> Purse:
    """Return what the payers' lines have left for what is planned now, for a look.

    Without what agreements wait for, so that a page promises no fen that an approval refuses.
    """
    purse = open_purse(unit, payer_ids)
    keep_for_waiting(unit, purse, payer_ids)
    return purse


def keep_for_waiting(unit: Unit, purse: Purse, payer_ids: Collection[UUID]) -> None:
    """Take off a purse what its payers' agreements wait for, so that nothing else does."""
    agreements = unit.session.scalars(
        _agreements_waiting(unit).where(among(Agreement.payer_id, payer_ids))
    ).all()
    _planned(unit, purse, {one.id: one for one in agreements})


def _agreements_waiting(unit: Unit) -> Select[Agreement]:
    waits = select(AgreementYear.agreement_id).where(AgreementYear.waiting_fen > 0)
    owes = select(StatementLine.agreement_id).where(StatementLine.uncovered_fen > 0)
    return (
        select(Agreement)
        .where(Agreement.id.in_(waits), or_(_runs(unit), Agreement.id.in_(owes)))
        .execution_options(populate_existing=True)
    )


def _runs(unit: Unit) -> ColumnElement[bool]:
    return and_(Agreement.state.in_(RUNNING), Agreement.ends_on >= shanghai_day(unit.clock.now()))


def _is_over(unit: Unit, agreement: Agreement) -> bool:
    return agreement.state not in RUNNING or agreement.ends_on < shanghai_day(unit.clock.now())


def _planned(unit: Unit, purse: Purse, agreements: Mapping[UUID, Agreement]) -> list[_Waiting]:
    """Return what each agreement waits for, the one approved first leading.

    Its draws are taken off the purse, whether they suffice yet or not.
    """
    if not agreements:
        return []
    years = unit.session.scalars(
        select(AgreementYear)
        .where(among(AgreementYear.agreement_id, list(agreements)), AgreementYear.waiting_fen > 0)
        .execution_options(populate_existing=True)
    ).all()
    payer_ids = {one.payer_id for one in agreements.values()}
    schools = {
        one.id: one
        for one in unit.session.scalars(
            select(Organisation).where(among(Organisation.id, payer_ids))
        )
    }
    version_ids = {one.version_id for one in agreements.values()}
    versions = {
        one.id: one
        for one in unit.session.scalars(select(Version).where(among(Version.id, version_ids)))
    }
    users = users_of_agreements(unit, list(agreements))
    found = []
    for year in sorted(
        years,
        key=lambda one: (
            agreements[one.agreement_id].opened_at,
            agreements[one.agreement_id].number,
            one.fiscal_year,
        ),
    ):
        agreement, waiting_fen = agreements[year.agreement_id], year.waiting_fen
        if _is_over(unit, agreement):
            owed_fen = owed_of_year(unit, agreement.id, fiscal_year=year.fiscal_year)
            waiting_fen = min(waiting_fen, owed_fen)
        if not waiting_fen:
            continue
        part = Part(
            fiscal_year=year.fiscal_year,
            ceiling_fen=waiting_fen,
            first=max(agreement.starts_on, date(year.fiscal_year, 1, 1)),
            last=min(agreement.ends_on, date(year.fiscal_year, 12, 31)),
            is_later=True,
        )
        purpose = purpose_of(
            schools[agreement.payer_id],
            versions[agreement.version_id],
            users=users.get(agreement.id, frozenset()),
        )
        plan = purse.plan(agreement.payer_id, part, purpose=purpose)
        purse.take(plan.draws)
        found.append(
            _Waiting(
                agreement=agreement,
                fiscal_year=year.fiscal_year,
                waiting_fen=waiting_fen,
                plan=plan,
            )
        )
    return found
