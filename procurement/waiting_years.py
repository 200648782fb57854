"""Waiting years: the later part of agreements across 1 January, committed when its money is there.

Decides in which order: that of approval. What an earlier agreement would need of a line is kept for
it, even if it does not suffice yet, so that a later one never takes its money. Until its part is
committed an agreement can't be used in that year (R19).
"""

from datetime import date

from sqlalchemy import select

from catalog.models import Version
from kernel.actors import Role
from kernel.clock import shanghai_day
from kernel.identity.models import Organisation
from kernel.identity.recording import among
from kernel.identity.visibility import visible_organisations
from kernel.unit import Unit
from procurement.commitments import purpose_of
from procurement.purses import Part, lock_purse
from settlement.agreement_changes import ChangeDraft, apply_changes
from settlement.agreement_models import AgreementYear
from settlement.agreement_states import RUNNING
from settlement.models import Agreement


def commit_waiting(unit: Unit) -> int:
    """Commit what waits and is covered now, of the payers that the actor sees; return how many.

    Safe to repeat. To be called when lines were issued or topped up, and by a sweep.
    """
    unit.actor.require("agreement.commit", Role.OPERATOR, Role.BUREAU_FINANCE)
    visible = visible_organisations(unit).with_only_columns(Organisation.id)
    today = shanghai_day(unit.clock.now())
    agreements = {
        one.id: one
        for one in unit.session.scalars(
            select(Agreement)
            .join(AgreementYear, AgreementYear.agreement_id == Agreement.id)
            .where(
                AgreementYear.waiting_fen > 0,
                Agreement.state.in_(RUNNING),
                Agreement.ends_on >= today,
                Agreement.payer_id.in_(visible),
            )
            .order_by(Agreement.id)
            .with_for_update(of=Agreement, key_share=True)
            .execution_options(populate_existing=True)
        )
    }
    if not agreements:
        return 0
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
    purse = lock_purse(unit, payer_ids)
    drafts = []
    for year in sorted(
        years,
        key=lambda one: (
            agreements[one.agreement_id].opened_at,
            agreements[one.agreement_id].number,
            one.fiscal_year,
        ),
    ):
        agreement = agreements[year.agreement_id]
        part = Part(
            fiscal_year=year.fiscal_year,
            ceiling_fen=year.waiting_fen,
            first=max(agreement.starts_on, date(year.fiscal_year, 1, 1)),
            last=min(agreement.ends_on, date(year.fiscal_year, 12, 31)),
            is_later=True,
        )
        purpose = purpose_of(schools[agreement.payer_id], versions[agreement.version_id])
        plan = purse.plan(agreement.payer_id, part, purpose=purpose)
        purse.take(plan.draws)  # kept for it, whether it suffices yet or not
        if not plan.short_fen:
            drafts.append(
                ChangeDraft(
                    agreement=agreement,
                    kind="committed",
                    fiscal_year=year.fiscal_year,
                    waiting_fen=-year.waiting_fen,
                    draws=plan.draws,
                )
            )
    apply_changes(unit, drafts)
    return len(drafts)
