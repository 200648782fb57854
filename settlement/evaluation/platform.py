"""How the platform itself serves: payouts, books that agree, use that counts, its own acts (R65).

Evaluated like those whom it evaluates: measured by the same settled facts and published beside
them, without a score of its own making.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from sqlalchemy import text

from kernel.unit import Unit
from settlement.evaluation.spans import Span
from settlement.ranking.rules import SHIPPED

# A payment pays up to the statement of its run's month. A difference that several looks found is
# one. Rows that came in are those of the span's months, by the deliveries that were begun by then.
# The platform answers for disputes of which the vendor is not to blame: who was counted, and when.
PLATFORM: Final = text(
    """
SELECT payouts.*, differences.*, rows.*, disputes.*
FROM (
    SELECT count(*) AS payouts, round(CAST(percentile_cont(0.5) WITHIN GROUP (
        ORDER BY extract(epoch FROM p.settled_at - t.stated_at)) / 86400 AS numeric), 1)
        AS median_days
    FROM payment p JOIN payment_run r ON r.id = p.run_id
    JOIN statement t ON t.payer_id = p.payer_id AND t.month = r.month
    WHERE p.kind IN ('transfer', 'order') AND p.state = 'paid'
        AND p.settled_at >= :start AND p.settled_at < :end
) payouts CROSS JOIN (
    SELECT count(DISTINCT one.difference) AS differences
    FROM trail CROSS JOIN LATERAL
        jsonb_array_elements_text(trail.facts -> 'differences') AS one(difference)
    WHERE trail.act = 'payment.differs' AND trail.at >= :start AND trail.at < :end
) differences CROSS JOIN (
    SELECT COALESCE(sum(u.rows), 0) AS received,
        COALESCE(sum(u.rows) FILTER (WHERE u.outcome = 'quarantined'), 0) AS quarantined
    FROM usage_tally u JOIN usage_batch b ON b.id = u.batch_id
    WHERE u.month BETWEEN :first AND :last AND b.begun_at < :as_of
) rows CROSS JOIN (
    SELECT count(*) AS disputes, count(*) FILTER (WHERE d.outcome = 'upheld') AS upheld
    FROM dispute d WHERE d.opened_by <> 'system' AND d.reason = ANY(:own_reasons)
        AND d.decided_at >= :start AND d.decided_at < :end
) disputes
"""
)


@dataclass(frozen=True, kw_only=True, slots=True)
class PlatformService:
    """The platform's service in a span.

    `median_days`: from a statement to the money's arrival, over `payouts`; `differences` between
    our books and the gateway's; `quarantined` of the `received` rows of use; `upheld` of the
    `disputes` about what the platform itself did.
    """

    payouts: int
    median_days: Decimal | None
    differences: int
    received: int
    quarantined: int
    disputes: int
    upheld: int


def platform_service(unit: Unit, span: Span) -> PlatformService:
    """Return the platform's service in a span."""
    facts = {**span.facts(unit), "own_reasons": list(SHIPPED.evidence.not_the_vendors)}
    row = unit.session.execute(PLATFORM, facts).one()
    return PlatformService(
        payouts=int(row.payouts),
        median_days=row.median_days,
        differences=int(row.differences),
        received=int(row.received),
        quarantined=int(row.quarantined),
        disputes=int(row.disputes),
        upheld=int(row.upheld),
    )
