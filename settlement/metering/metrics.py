"""Metrics: in what units an agreement pays, read from its frozen terms."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select

from catalog.pack_models import PackPart
from catalog.plans import Plan
from kernel.identity.recording import among
from kernel.unit import Unit
from settlement.agreement_items import parts_by_pack
from settlement.models import Agreement
from settlement.pricing import Metric, learner_cap_of, metric_of


@dataclass(frozen=True, slots=True)
class Metered:
    """An agreement that does not pay simply by the use: its metric, and its cap per learner."""

    resource_ids: tuple[UUID, ...]
    metric: Metric
    learner_cap: int | None

    def capped(self, quantity: int) -> int:
        """Return how many of one learner's units are billable."""
        return quantity if self.learner_cap is None else min(quantity, self.learner_cap)


def metered_agreements(unit: Unit, payer_ids: Collection[UUID]) -> dict[UUID, Metered]:
    """Return how those of the payers' agreements are metered that do not pay simply by the use."""
    rows = unit.session.execute(
        select(Agreement.id, Agreement.resource_id, Agreement.version_id, Agreement.terms).where(
            among(Agreement.payer_id, payer_ids),
            or_(
                Agreement.terms["plan"].astext != Plan.PER_USE,
                Agreement.terms.has_key("learner_cap"),
            ),
        )
    ).all()
    parts = parts_by_pack(unit, {row.version_id for row in rows}) if rows else {}
    found = {
        row.id: metered(row.terms, (row.resource_id, *parts.get(row.version_id, ())))
        for row in rows
    }
    return {agreement_id: one for agreement_id, one in found.items() if one is not None}


def packs_among(unit: Unit, agreement_ids: Collection[UUID]) -> dict[UUID, tuple[UUID, ...]]:
    """Return the resources of those of these agreements that are on packs."""
    found: dict[UUID, tuple[UUID, ...]] = {}
    for agreement_id, resource_id in unit.session.execute(
        select(Agreement.id, PackPart.resource_id)
        .join(PackPart, PackPart.pack_id == Agreement.version_id)
        .where(among(Agreement.id, agreement_ids))
        .order_by(Agreement.id, PackPart.position)
    ):
        found[agreement_id] = (*found.get(agreement_id, ()), resource_id)
    return found


def metered(terms: Mapping[str, Any], resource_ids: tuple[UUID, ...]) -> Metered | None:
    """Return how an agreement is metered; None if it pays by the use, without a cap."""
    metric, cap = metric_of(terms), learner_cap_of(terms)
    simple = metric is Metric.USES and cap is None
    return None if simple else Metered(resource_ids, metric, cap)
