"""Judging: what becomes of each event of a month, as one query that counts and lists share.

Rule `counter-5.1-30s/1` (R27): the same learner and the same resource within 30 seconds is one use;
the later event counts, the window slides from event to event, and chains are cut at the month's
start because each month is judged by itself. Rows that are counts already skip the rule. Of what
counts, the four rules of `exclusions` say what is not billable (R30).

Which events belong to the month is a `Scope`: some payers, up to a sequence.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select, text

from kernel.arrays import TextArray, UuidArray
from kernel.clock import Month, month_bounds
from kernel.db import set_wise
from kernel.identity.recording import among
from kernel.unit import Unit
from settlement.metering.exclusions import Exclusions, Rule
from settlement.metering.fingerprints import ROW_PRINT
from settlement.metering.models import TRUST_ATTESTED_COUNTED, TRUST_PLAYER, TRUST_TICKETED
from settlement.models import Period

RULE = "counter-5.1-30s/1"
WINDOW_S = 30
COUNTED, REPEAT = "counted", "repeat"
"""An event counts and is billable, or another follows within 30 s; else a rule's name."""

ENDLESS = 2**62
"""A sequence beyond every event's: the month as it stands now."""

WITHIN = """u.occurred_at >= :start AND u.occurred_at < :end
    AND u.payer_id = ANY(:payers) AND u.sequence <= :through"""

# Fenced, so that rows are hashed below the sort, which then carries eight bytes more and not all
# the columns that they come from.
HASHED = f"""(
    SELECT u.*, {ROW_PRINT} AS print FROM usage_event u WHERE {WITHIN} OFFSET 0
) u"""  # noqa: S608 - this module's texts

MATCHED = (TRUST_PLAYER, TRUST_TICKETED)
"""Trusts whose uses the platform itself has seen or launched; all others are attested."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The events of some payers' month up to a sequence."""

    month: Month
    payer_ids: Sequence[UUID]
    through: int


def sealed_scopes(
    unit: Unit, month: Month, *, payer_ids: Sequence[UUID], sealed_by: Month | None = None
) -> Iterator[Scope]:
    """Yield a month's scopes as its seal left them; payers who were sealed together share one.

    `sealed_by`: a later month, by whose seal the events are taken (for late use).
    """
    found: dict[int, list[UUID]] = {}
    rows = unit.session.execute(
        select(Period.sealed_sequence, Period.payer_id)
        .where(Period.month == (sealed_by or month), among(Period.payer_id, payer_ids))
        .order_by(Period.sealed_sequence, Period.payer_id)
    )
    for sequence, payer_id in rows:
        if sequence is not None:
            found.setdefault(sequence, []).append(payer_id)
    for sequence, payers in found.items():
        yield Scope(month, payers, sequence)


@dataclass(frozen=True, slots=True)
class Basis:
    """All that judging a scope needs: the exclusions, and what follows from the events at large.

    `beyond`: (payer, school, learner) of those beyond their school's pupils. `pre_counted`: whether
    some rows of the month are counts already.
    """

    scope: Scope
    exclusions: Exclusions
    beyond: Sequence[tuple[UUID, UUID, UUID]]
    pre_counted: bool


@dataclass(frozen=True, slots=True)
class Judged:
    """The judging query of a basis, and its parameters.

    Each row has `counts` (not a repeat) and `excluded` (0, or the place of a rule in `Rule`).
    """

    sql: str
    parameters: dict[str, object]


def basis_of(unit: Unit, scope: Scope, exclusions: Exclusions) -> Basis:
    """Return what judging the scope's events rests on."""
    return Basis(
        scope,
        exclusions,
        beyond=learners_beyond(unit, scope, exclusions),
        pre_counted=_has_counts(unit, scope.month),
    )


def judged(
    basis: Basis,
    *,
    columns: str,
    resource_ids: Sequence[UUID] | None = None,
    one_by_one: bool = False,
    fingerprinted: bool = False,
) -> Judged:
    """Return the query that judges events, with these columns of `usage_event u`.

    Only the joins that this month needs are in it: most have few exclusions, and ten million rows
    pass through each. `resource_ids` leaves only their events; whether an event counts hangs on no
    other resource. Of events at the very same moment the last counts, by trust, agreement and
    school, so that sums don't hang on the order of arrival; by lesson and session, too, where one
    resource's uses are looked at or lessons are billable beyond the enrolment. Which one of equals
    it is matters only to lists, which say `one_by_one`. `fingerprinted` adds `u.print`, each row's
    hash, to what `columns` may name.
    """
    scope = basis.scope
    start, end = month_bounds(scope.month)
    parameters: dict[str, object] = {
        "payers": UuidArray.of(scope.payer_ids),
        "start": start,
        "end": end,
        "through": scope.through,
        "window": WINDOW_S,
    }
    joins, cases = _rules(basis, parameters)
    excluded = f"CASE {' '.join(cases)} ELSE 0 END" if cases else "0"
    skips = apart = wanted = ""
    if basis.pre_counted:
        parameters["pre_counted"] = TRUST_ATTESTED_COUNTED
        skips, apart = "u.trust = :pre_counted OR ", ", u.trust = :pre_counted"
    if resource_ids is not None:
        parameters["resources"] = list(resource_ids)
        wanted = "AND u.resource_id = ANY(:resources)"
    by_session = resource_ids is not None or bool(basis.beyond)
    tied = ', u.in_class, u.session_id COLLATE "C"' if by_session else ""
    if one_by_one:
        tied += ', u.event_id COLLATE "C", u.source_id'
    events, within = (HASHED, "true") if fingerprinted else ("usage_event u", WITHIN)
    sql = f"""
SELECT {columns}, ({excluded})::smallint AS excluded,
    {skips}COALESCE(
        lead(u.occurred_at) OVER (
            PARTITION BY u.learner_id, u.resource_id, u.payer_id{apart}
            ORDER BY u.occurred_at, u.trust, u.agreement_id, u.school_id{tied}
        ) - u.occurred_at > make_interval(secs => :window), true) AS counts
FROM {events}
{" ".join(joins)}
WHERE {within} {wanted}
"""  # noqa: S608 - put together from the texts of this module; every value is a parameter
    return Judged(sql, parameters)


def _rules(basis: Basis, parameters: dict[str, object]) -> tuple[list[str], list[str]]:
    """Return the joins and the cases of the rules that hit anybody in the scope."""
    exclusions, beyond = basis.exclusions, basis.beyond
    joins: list[str] = []
    cases: list[str] = []
    code = {rule: number for number, rule in enumerate(Rule, start=1)}
    if exclusions.own_school:
        parameters["own_agreements"] = UuidArray.of(
            [agreement for agreement, _ in exclusions.own_school]
        )
        parameters["own_schools"] = UuidArray.of([school for _, school in exclusions.own_school])
        joins.append(
            "LEFT JOIN unnest(CAST(:own_agreements AS uuid[]), CAST(:own_schools AS uuid[])) "
            "AS own(agreement_id, school_id) "
            "ON own.agreement_id = u.agreement_id AND own.school_id = u.school_id"
        )
        cases.append(f"WHEN own.school_id IS NOT NULL THEN {code[Rule.OWN_SCHOOL]}")
    if exclusions.vendor_staff:
        parameters["staff_agreements"] = UuidArray.of(
            [agreement for agreement, _ in exclusions.vendor_staff]
        )
        parameters["staff"] = UuidArray.of([learner for _, learner in exclusions.vendor_staff])
        joins.append(
            "LEFT JOIN unnest(CAST(:staff_agreements AS uuid[]), CAST(:staff AS uuid[])) "
            "AS staff(agreement_id, learner_id) "
            "ON staff.agreement_id = u.agreement_id AND staff.learner_id = u.learner_id"
        )
        cases.append(f"WHEN staff.learner_id IS NOT NULL THEN {code[Rule.VENDOR_STAFF]}")
    if exclusions.partly_enrolled:
        # Nothing here is null: IS NOT DISTINCT FROM leaves the learner alone to be hashed for each
        # event; payer and school are compared for the few who are found.
        parameters |= _partly(exclusions)
        joins.append(
            "LEFT JOIN (SELECT payer_id, learner_id, school_id, days::datemultirange AS days "
            "FROM unnest(CAST(:part_payers AS uuid[]), CAST(:part_learners AS uuid[]), "
            "CAST(:part_schools AS uuid[]), CAST(:part_days AS text[])) "
            "AS e(payer_id, learner_id, school_id, days)) part ON part.learner_id = u.learner_id "
            "AND part.payer_id IS NOT DISTINCT FROM u.payer_id "
            "AND part.school_id IS NOT DISTINCT FROM u.school_id"
        )
        cases.append(
            "WHEN part.days IS NOT NULL "
            "AND NOT part.days @> (u.occurred_at AT TIME ZONE 'Asia/Shanghai')::date "
            f"THEN {code[Rule.OUTSIDE]}"
        )
    if beyond:
        parameters["over_payers"] = UuidArray.of([payer for payer, _, _ in beyond])
        parameters["over_schools"] = UuidArray.of([school for _, school, _ in beyond])
        parameters["over_learners"] = UuidArray.of([learner for _, _, learner in beyond])
        joins.append(
            "LEFT JOIN unnest(CAST(:over_payers AS uuid[]), CAST(:over_schools AS uuid[]), "
            "CAST(:over_learners AS uuid[])) AS beyond(payer_id, school_id, learner_id) "
            "ON beyond.payer_id = u.payer_id AND beyond.school_id = u.school_id "
            "AND beyond.learner_id = u.learner_id"
        )
        cases.append(
            f"WHEN beyond.learner_id IS NOT NULL AND NOT u.in_class "
            f"THEN {code[Rule.OVER_ENROLMENT]}"
        )
    return joins, cases


def _partly(exclusions: Exclusions) -> dict[str, object]:
    rows = exclusions.partly_enrolled
    return {
        "part_payers": UuidArray.of([payer for payer, _, _, _ in rows]),
        "part_learners": UuidArray.of([learner for _, learner, _, _ in rows]),
        "part_schools": UuidArray.of([school for _, _, school, _ in rows]),
        "part_days": TextArray.of([days for _, _, _, days in rows]),
    }


# Learners in the order of their first use of the month, without use outside their enrolment. Of two
# who began at one moment the id that the first use was reported by decides, so that the same input
# is the same bill on every installation; a learner's own number is drawn by lot.
LEARNERS_BEYOND = text(
    """
WITH part AS (
    SELECT payer_id, learner_id, school_id, days::datemultirange AS days FROM unnest(
        CAST(:part_payers AS uuid[]), CAST(:part_learners AS uuid[]),
        CAST(:part_schools AS uuid[]), CAST(:part_days AS text[])
    ) AS e(payer_id, learner_id, school_id, days)
), limited AS (
    SELECT * FROM unnest(
        CAST(:limited AS uuid[]), CAST(:schools AS uuid[]), CAST(:pupils AS bigint[])
    ) AS l(payer_id, school_id, pupils)
), ranked AS (
    SELECT u.payer_id, u.school_id, u.learner_id, l.pupils,
        row_number() OVER (
            PARTITION BY u.payer_id, u.school_id
            ORDER BY min((to_char(u.occurred_at AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISSUS')
                || ' ' || u.event_id || ' ' || s.code) COLLATE "C")
        ) AS place
    FROM usage_event u
    JOIN usage_source s ON s.id = u.source_id
    JOIN limited l ON l.payer_id = u.payer_id AND l.school_id = u.school_id
    LEFT JOIN part ON part.payer_id = u.payer_id AND part.learner_id = u.learner_id
        AND part.school_id = u.school_id
    WHERE u.occurred_at >= :start AND u.occurred_at < :end AND u.payer_id = ANY(:payers)
        AND u.sequence <= :through AND NOT u.in_class
        AND (part.days IS NULL
            OR part.days @> (u.occurred_at AT TIME ZONE 'Asia/Shanghai')::date)
    GROUP BY u.payer_id, u.school_id, u.learner_id, l.pupils
)
SELECT payer_id, school_id, learner_id FROM ranked
WHERE place > pupils
ORDER BY payer_id, school_id, place
"""
)


def learners_beyond(
    unit: Unit, scope: Scope, exclusions: Exclusions
) -> Sequence[tuple[UUID, UUID, UUID]]:
    """Return (payer, school, learner) of those beyond their school's pupils in a month (R30)."""
    crowded = exclusions.crowded()
    if not crowded:
        return ()
    start, end = month_bounds(scope.month)
    with set_wise(unit.session):
        rows = unit.session.execute(
            LEARNERS_BEYOND,
            {
                "payers": sorted({payer for payer, _ in crowded} & set(scope.payer_ids)),
                "start": start,
                "end": end,
                "through": scope.through,
                "limited": UuidArray.of([payer for payer, _ in crowded]),
                "schools": UuidArray.of([school for _, school in crowded]),
                "pupils": [exclusions.limits[place].pupils for place in crowded],
                **_partly(exclusions),
            },
        ).all()
    return [(row.payer_id, row.school_id, row.learner_id) for row in rows]


def _has_counts(unit: Unit, month: Month) -> bool:
    """Return whether any delivery brought rows of the month that are counts already (R27)."""
    return bool(
        unit.session.scalar(
            text(
                "SELECT EXISTS (SELECT FROM usage_tally t JOIN usage_batch b ON b.id = t.batch_id "
                "WHERE t.month = :month AND t.outcome = 'accepted' AND b.pre_counted)"
            ),
            {"month": month},
        )
    )
