"""Counting: from a month's judged events to billable quantities by agreement and school.

Uses are counted in one scan and one sort over all payers of a shard. Agreements that pay by another
metric (unique uses, learners, class sessions) or with a cap per learner are looked at once more, by
themselves. How an event is judged is decided by `judging`, what a quantity costs by `pricing`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from kernel.db import set_wise
from kernel.unit import Unit
from settlement.metering.exclusions import Exclusions, Rule
from settlement.metering.fingerprints import Fingerprint
from settlement.metering.judging import Basis, Scope, basis_of, judged
from settlement.metering.metrics import Metered, packs_among
from settlement.metering.models import TRUST_PLAYER, TRUST_TICKETED
from settlement.pricing import Metric

RULES = tuple(Rule)


@dataclass(frozen=True, slots=True)
class Excluded:
    """Events that count but are not billable by one rule, and the uses in them."""

    events: int
    uses: int


@dataclass(slots=True)
class SchoolCount:
    """What one school used under an agreement in a month.

    `events` received = `repeats` (within 30 s) + excluded by rules + those that are billable, in
    which there are `uses`. `quantity` is what the agreement pays for, in its metric; `received` is
    what all events say together. `parts`: under a pack, the billable uses of each resource.
    """

    agreement_id: UUID
    school_id: UUID
    events: int = 0
    repeats: int = 0
    uses: int = 0
    attested_uses: int = 0
    quantity: int = 0
    excluded: dict[Rule, Excluded] = field(default_factory=dict)
    received: int = 0
    print_total: int = 0
    parts: dict[UUID, int] = field(default_factory=dict)

    @property
    def fingerprint(self) -> Fingerprint:
        """That of all its events, if the count was asked for it."""
        return Fingerprint(self.events, self.received, self.print_total)


# One small number for what becomes of an event, so that ten million rows meet two plain sums.
COUNT = """
SELECT agreement_id, school_id, verdict / 4 AS excluded, verdict / 2 % 2 = 1 AS counts,
    verdict % 2 = 1 AS attested, events, quantity, fingerprint
FROM (
    SELECT agreement_id, school_id,
        excluded * 4 + counts::int * 2 + (trust <> {player} AND trust <> {ticketed})::int
            AS verdict,
        count(*) AS events, sum(quantity)::bigint AS quantity, {fingerprint} AS fingerprint
    FROM ({judged}) judged
    GROUP BY agreement_id, school_id, verdict
) verdicts
ORDER BY agreement_id, school_id, verdict
"""


def count_uses(
    unit: Unit,
    scope: Scope,
    exclusions: Exclusions,
    *,
    metered: Mapping[UUID, Metered],
    fingerprinted: bool = False,
) -> list[SchoolCount]:
    """Return the counts of a scope, ordered by agreement and school.

    `metered` names the agreements that don't pay simply by the use. `fingerprinted`: with the
    fingerprint of each count's events, in the same scan.
    """
    basis = basis_of(unit, scope, exclusions)
    query = judged(
        basis,
        columns="u.agreement_id, u.school_id, u.quantity, u.trust"
        + (", u.print" if fingerprinted else ""),
        fingerprinted=fingerprinted,
    )
    counts: dict[tuple[UUID, UUID], SchoolCount] = {}
    statement = COUNT.format(
        judged=query.sql,
        player=TRUST_PLAYER,
        ticketed=TRUST_TICKETED,
        fingerprint="sum(print)" if fingerprinted else "0",
    )
    with set_wise(unit.session):
        rows = unit.session.execute(text(statement), query.parameters).all()
    for agreement_id, school_id, excluded, counted, attested, events, quantity, total in rows:
        count = counts.get((agreement_id, school_id))
        if count is None:
            count = counts[agreement_id, school_id] = SchoolCount(agreement_id, school_id)
        count.events += events
        count.received += quantity
        count.print_total += int(total)
        if not counted:
            count.repeats += events
        elif excluded:
            rule = RULES[excluded - 1]
            known = count.excluded.get(rule, Excluded(0, 0))
            count.excluded[rule] = Excluded(known.events + events, known.uses + quantity)
        else:
            count.uses += quantity
            count.quantity += quantity
            count.attested_uses += quantity if attested else 0
    _meter(unit, basis, counts=counts, metered=metered)
    _tell_parts(unit, basis, counts=counts)
    return list(counts.values())


# Per agreement and learner: billable uses and unique uses (once per resource and session, without a
# session per hour); a learner of two schools counts where the first use was.
BY_LEARNER = """
SELECT agreement_id, (array_agg(school_id ORDER BY occurred_at, school_id))[1] AS school_id,
    sum(quantity)::bigint AS uses,
    count(DISTINCT (resource_id, session_id,
        CASE WHEN session_id = '' THEN date_trunc('hour', occurred_at) END)) AS unique_uses
FROM ({judged}) judged
WHERE agreement_id = ANY(:agreements) AND counts AND excluded = 0
GROUP BY agreement_id, learner_id
"""

# A lesson, and the whole period, count where they began.
BY_LESSON = """
SELECT agreement_id, (array_agg(school_id ORDER BY occurred_at, school_id))[1] AS school_id
FROM ({judged}) judged
WHERE agreement_id = ANY(:agreements) AND counts AND excluded = 0 AND in_class
GROUP BY agreement_id, session_id
"""
BY_PERIOD = """
SELECT agreement_id, (array_agg(school_id ORDER BY occurred_at, school_id))[1] AS school_id
FROM ({judged}) judged
WHERE agreement_id = ANY(:agreements) AND counts AND excluded = 0
GROUP BY agreement_id
"""
# Of packs: which of their resources the billable uses were of.
BY_PART = """
SELECT agreement_id, school_id, resource_id, sum(quantity)::bigint AS uses
FROM ({judged}) judged
WHERE agreement_id = ANY(:agreements) AND counts AND excluded = 0
GROUP BY agreement_id, school_id, resource_id ORDER BY agreement_id, school_id, resource_id
"""
UNITS_OF = {
    Metric.USES: BY_LEARNER,
    Metric.UNIQUE_USES: BY_LEARNER,
    Metric.LEARNERS: BY_LEARNER,
    Metric.CLASS_SESSIONS: BY_LESSON,
    Metric.PERIODS: BY_PERIOD,
}


def _meter(
    unit: Unit,
    basis: Basis,
    *,
    counts: Mapping[tuple[UUID, UUID], SchoolCount],
    metered: Mapping[UUID, Metered],
) -> None:
    """Put the quantities of agreements that pay by something else than the use."""
    wanted: dict[str, list[UUID]] = {}
    for agreement_id in sorted({agreement_id for agreement_id, _ in counts} & set(metered)):
        wanted.setdefault(UNITS_OF[metered[agreement_id].metric], []).append(agreement_id)
    for count in counts.values():
        if count.agreement_id in metered:
            count.quantity = 0
    for query, agreements in wanted.items():
        resources = {one for key in agreements for one in metered[key].resource_ids}
        found = judged(
            basis,
            columns="u.agreement_id, u.school_id, u.learner_id, u.resource_id, u.occurred_at, "
            "u.session_id, u.quantity, u.in_class",
            resource_ids=sorted(resources),
        )
        with set_wise(unit.session):
            rows = unit.session.execute(
                text(query.format(judged=found.sql)),
                {"agreements": agreements, **found.parameters},
            ).all()
        for row in rows:
            one = metered[row.agreement_id]
            counts[row.agreement_id, row.school_id].quantity += one.capped(_units(one, row))


def _tell_parts(
    unit: Unit, basis: Basis, *, counts: Mapping[tuple[UUID, UUID], SchoolCount]
) -> None:
    """Note of packs which of their resources were used, and how often."""
    packs = packs_among(unit, {count.agreement_id for count in counts.values() if count.uses})
    if not packs:
        return
    found = judged(
        basis,
        columns="u.agreement_id, u.school_id, u.resource_id, u.quantity",
        resource_ids=sorted({one for parts in packs.values() for one in parts}),
    )
    with set_wise(unit.session):
        rows = unit.session.execute(
            text(BY_PART.format(judged=found.sql)),
            {"agreements": sorted(packs), **found.parameters},
        ).all()
    for agreement_id, school_id, resource_id, uses in rows:
        counts[agreement_id, school_id].parts[resource_id] = uses


def _units(one: Metered, row: Row[Any]) -> int:
    match one.metric:
        case Metric.USES:
            return int(row.uses)
        case Metric.UNIQUE_USES:
            return int(row.unique_uses)
        case _:  # a learner, a lesson or a period is one
            return 1
