"""What the catalogue shows of settlement: schools that use a resource, that renewed it, its stars.

Decides what is counted: schools whose agreements have begun, trials left out; payers who concluded
another agreement after their first; of ratings the latest of each teacher who neither holds nor has
held a role at the vendor. Published down into the catalogue, which sorts by it and never asks here.
"""

from collections.abc import Collection
from typing import Final
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, bindparam, text

from catalog.listings import Signal, publish_signals
from kernel.clock import shanghai_day
from kernel.unit import Unit
from settlement.agreement_items import ITEMS

BY_NO_STAFF: Final = """NOT EXISTS (
    SELECT FROM role_grant held JOIN resource r ON r.vendor_id = held.organisation_id
    WHERE held.person_id = rating.person_id AND r.id = rating.resource_id
        AND (held.granted_until IS NULL OR held.granted_until > held.granted_from))"""
"""SQL: the condition that a rating is by nobody with a role at the vendor, now or before."""

SIGNALS: Final = text(
    """
WITH begun AS (
    SELECT a.id, i.resource_id, a.payer_id, a.starts_on FROM agreement a, LATERAL ({items}) i
    WHERE a.starts_on <= :today AND a.terms ->> 'trial' IS DISTINCT FROM 'true'
        AND (CAST(:of AS uuid[]) IS NULL OR i.resource_id = ANY(CAST(:of AS uuid[])))
), used AS (
    SELECT b.resource_id, count(DISTINCT s.school_id) AS schools
    FROM begun b JOIN agreement_school s ON s.agreement_id = b.id GROUP BY b.resource_id
), renewed AS (
    SELECT resource_id, count(*) AS renewals FROM (
        SELECT resource_id, payer_id FROM begun
        GROUP BY resource_id, payer_id HAVING count(DISTINCT starts_on) > 1
    ) twice GROUP BY resource_id
), rated AS (
    SELECT resource_id, count(*) AS ratings, sum(stars) AS stars FROM (
        SELECT DISTINCT ON (resource_id, person_id) resource_id, stars FROM rating
        WHERE {by_no_staff}
            AND (CAST(:of AS uuid[]) IS NULL OR resource_id = ANY(CAST(:of AS uuid[])))
        ORDER BY resource_id, person_id, at DESC, id DESC
    ) latest GROUP BY resource_id
)
SELECT resource_id, coalesce(schools, 0) AS schools, coalesce(renewals, 0) AS renewals,
    coalesce(ratings, 0) AS ratings, coalesce(stars, 0) AS stars
FROM used FULL JOIN renewed USING (resource_id) FULL JOIN rated USING (resource_id)
""".replace("{items}", ITEMS).replace("{by_no_staff}", BY_NO_STAFF)
).bindparams(bindparam("of", type_=ARRAY(Uuid)))


def publish(unit: Unit, resource_ids: Collection[UUID] | None = None) -> int:
    """Publish what is known of these resources, or of all; return how many have something."""
    of = None if resource_ids is None else list(resource_ids)
    rows = unit.session.execute(SIGNALS, {"today": shanghai_day(unit.clock.now()), "of": of})
    signals = [
        Signal(
            resource_id=row.resource_id,
            schools=row.schools,
            renewals=row.renewals,
            ratings=row.ratings,
            stars=int(row.stars),
        )
        for row in rows
    ]
    publish_signals(unit, signals)
    return len(signals)
