"""Forecasts: what a resource would cost a school, by the use of the schools that have it.

Decides that only the median over at least three other schools is told, as use per pupil and month:
nobody's own figures can be read from it. Priced by the offer's own arithmetic.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from statistics import median
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select

from kernel.clock import month_of, shanghai_day
from kernel.identity.models import Organisation
from kernel.identity.recording import among
from kernel.unit import Unit
from procurement.pupils import pupils_at
from settlement.models import Agreement, StatementLine
from settlement.pricing import metric_of, price

LEAST_SCHOOLS: Final = 3
LOOKED_BACK: Final = timedelta(days=365)
PLACES: Final = Decimal("0.01")


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """What is expected of a resource in a month; `schools`: how many others were looked at.

    With fewer than three nothing is told, or where one's own pupils were never counted.
    """

    schools: int
    pupils: int = 0
    per_pupil: Decimal = Decimal(0)
    quantity: int = 0
    month_fen: int = 0

    @property
    def is_told(self) -> bool:
        return self.schools >= LEAST_SCHOOLS and self.pupils > 0


def forecasts(
    unit: Unit, school_id: UUID, *, terms: Mapping[UUID, Mapping[str, Any]]
) -> dict[UUID, Forecast]:
    """Return what each resource would be used and cost in a month, by resource id.

    `terms`: those that the school would have. Only lines of the same metric count.
    """
    used = _monthly_use(unit, terms, without=school_id)
    pupils = _pupils(unit, {school_id} | {payer for by in used.values() for payer in by})
    return {
        resource_id: _forecast(
            used.get(resource_id, {}), pupils, own=pupils.get(school_id, 0), terms=own_terms
        )
        for resource_id, own_terms in terms.items()
    }


def _forecast(
    used: Mapping[UUID, Decimal],
    pupils: Mapping[UUID, int],
    *,
    own: int,
    terms: Mapping[str, Any],
) -> Forecast:
    per_pupil = [use / pupils[payer] for payer, use in used.items() if pupils.get(payer)]
    if len(per_pupil) < LEAST_SCHOOLS or not own:
        return Forecast(schools=len(per_pupil), pupils=own)
    middle = median(per_pupil)
    quantity = int((middle * own).to_integral_value(ROUND_HALF_EVEN))
    return Forecast(
        schools=len(per_pupil),
        pupils=own,
        per_pupil=middle.quantize(PLACES),
        quantity=quantity,
        month_fen=price(terms, quantity).amount_fen,
    )


def _monthly_use(
    unit: Unit, terms: Mapping[UUID, Mapping[str, Any]], *, without: UUID
) -> dict[UUID, dict[UUID, Decimal]]:
    """Return the mean quantity of a month by resource and payer, over the last year."""
    since: date = month_of(shanghai_day(unit.clock.now()) - LOOKED_BACK)
    rows = unit.session.execute(
        select(
            Agreement.resource_id,
            StatementLine.payer_id,
            StatementLine.metric,
            func.sum(StatementLine.quantity),
            func.count(func.distinct(StatementLine.of_month)),
        )
        .join(Agreement, Agreement.id == StatementLine.agreement_id)
        .where(
            among(Agreement.resource_id, list(terms)),
            StatementLine.payer_id != without,
            StatementLine.of_month >= since,
        )
        .group_by(Agreement.resource_id, StatementLine.payer_id, StatementLine.metric)
    )
    used: dict[UUID, dict[UUID, Decimal]] = {}
    for resource_id, payer_id, metric, quantity, months in rows:
        if metric == metric_of(terms[resource_id]):
            used.setdefault(resource_id, {})[payer_id] = Decimal(int(quantity)) / months
    return used


def _pupils(unit: Unit, school_ids: Collection[UUID]) -> dict[UUID, int]:
    """Return the pupils of schools with their teaching points, by their latest counts."""
    places: Sequence[tuple[UUID, UUID]] = [
        (place_id, parent_id or place_id)
        for place_id, parent_id in unit.session.execute(
            select(Organisation.id, Organisation.parent_id).where(
                among(Organisation.id, school_ids) | among(Organisation.parent_id, school_ids)
            )
        )
    ]
    counted = pupils_at(unit, [place for place, _ in places])
    found: dict[UUID, int] = {}
    for place_id, school_id in places:
        found[school_id] = found.get(school_id, 0) + counted.get(place_id, 0)
    return found
