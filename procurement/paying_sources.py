"""Paying sources: whether what would pay at the last signature was signed for (R22).

Where a region's table asks for a signature by the source of the money, the plan at the request
decided which; what pays in the end must not need another one.
"""

from collections.abc import Mapping, Sequence
from datetime import date

from sqlalchemy import func, select

from catalog.models import Version
from kernel.clock import shanghai_day
from kernel.errors import MarketError, SourceNotApproved
from kernel.identity.models import Organisation
from kernel.identity.recording import among
from kernel.unit import Unit
from procurement.approval_rules import approval_rules_in_force
from procurement.commitments import Commitment
from procurement.models import ApprovalStep, Selection
from procurement.policy import BULK, Threshold
from procurement.selection_steps import rules_say
from procurement.selection_terms import amount_to_sign
from settlement.models import Agreement

Tables = Mapping[tuple[str, date], Sequence[Threshold]]


def source_tables(unit: Unit, selections: Sequence[Selection]) -> Tables:
    """Return the tables by which these were requested, where they tell sources apart."""
    regions = dict(
        unit.session.execute(
            select(Organisation.id, Organisation.region_code).where(
                among(Organisation.id, {selection.school_id for selection in selections})
            )
        ).all()
    )
    tables: dict[tuple[str, date], Sequence[Threshold]] = {}
    for day in {shanghai_day(selection.requested_at) for selection in selections}:
        found = approval_rules_in_force(unit, set(regions.values()), day=day)
        tables.update(
            ((region, day), rules)
            for region, rules in found.items()
            if any(rule.source for rule in rules)
        )
    return {
        (str(school_id), day): tables[region, day]
        for school_id, region in regions.items()
        for _, day in tables
        if (region, day) in tables
    }


def refused_source(
    unit: Unit, selection: Selection, draft: Commitment, tables: Tables
) -> MarketError | None:
    """Return an error if what would pay now asks for a signature that was not asked for."""
    rules = tables.get((str(selection.school_id), shanghai_day(selection.requested_at)))
    if not rules or not draft.sources:
        return None
    version = unit.session.get_one(Version, selection.version_id)
    changed = (
        unit.session.get_one(Agreement, selection.of_agreement_id)
        if selection.of_agreement_id is not None
        else None
    )
    together_fen = amount_to_sign(selection.kind, selection.ceiling_fen, changed)
    if selection.basket:
        together_fen = int(
            unit.session.scalar(
                select(func.sum(Selection.ceiling_fen)).where(
                    Selection.school_id == selection.school_id,
                    Selection.basket == selection.basket,
                )
            )
            or 0
        )
    asked = set(
        unit.session.scalars(
            select(ApprovalStep.position).where(ApprovalStep.selection_id == selection.id)
        )
    )
    for step in rules_say(
        rules,
        amount_fen=together_fen,
        version=version,
        sources=draft.sources,
        bulk=selection.terms.get("kind") == BULK,
    ):
        if step.position not in asked:
            return SourceNotApproved(
                reference=selection.reference,
                source=", ".join(sorted(draft.sources)),
                role=step.role,
            )
    return None
