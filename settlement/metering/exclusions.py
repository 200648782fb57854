"""Use that is not billable (R30): four named rules, and what each rests on when a month is sealed.

- `own-school`: the use of a school whose own teacher made the resource;
- `vendor-staff`: the use of somebody who works for the vendor;
- `outside`: use on a day on which the learner was not enrolled at the school;
- `over-enrolment`: use of more learners than the school has pupils by its census. Those whose first
  use came last go beyond it (then by its event's id). Lessons opened for a class count no learner.

A bureau that buys for schools is a payer beside them. Each payer's month is sealed for itself, so
that the rules are asked payer by payer: what one is billed never hangs on whose months were closed
together with it.

What a rule rests on (who works where, who is enrolled, how many pupils there are) is kept with the
sealed month, so that what becomes known later does not change what was stated. Which events a rule
hits is decided by `counting`; a preview uses what is known now, and keeps nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from kernel.arrays import UuidArray
from kernel.clock import Month, month_bounds, next_month
from kernel.db import set_wise
from kernel.unit import Unit


class Rule(StrEnum):
    """Why an event that counts is not billable, in the order in which the rules are asked."""

    OWN_SCHOOL = "own-school"
    VENDOR_STAFF = "vendor-staff"
    OUTSIDE = "outside"
    OVER_ENROLMENT = "over-enrolment"


@dataclass(frozen=True, slots=True)
class Limit:
    """A school's pupils by its census, and the learners that its roster knew in the month."""

    pupils: int
    learners: int


@dataclass(frozen=True, slots=True)
class Exclusions:
    """What the rules rest on, for some payers' month."""

    own_school: Sequence[tuple[UUID, UUID]] = ()
    """(agreement, school)"""
    vendor_staff: Sequence[tuple[UUID, UUID]] = ()
    """(agreement, learner)"""
    partly_enrolled: Sequence[tuple[UUID, UUID, UUID, str]] = ()
    """(payer, learner, school, days enrolled as a datemultirange): who was enrolled for a part."""
    limits: dict[tuple[UUID, UUID], Limit] = field(default_factory=dict)
    """By payer and school."""

    def crowded(self) -> list[tuple[UUID, UUID]]:
        """Return (payer, school) of the schools that may have more learners than pupils."""
        return [place for place, one in self.limits.items() if one.learners > one.pupils]


OWN_SCHOOLS = text(
    """
SELECT a.payer_id, a.id AS agreement_id, g.school_id
FROM agreement a
JOIN organisation v ON v.id = a.vendor_id AND v.facts ->> 'school_code' IS NOT NULL
JOIN organisation author ON author.kind = 'school' AND author.code = v.facts ->> 'school_code'
JOIN agreement_school g ON g.agreement_id = a.id
JOIN organisation s ON s.id = g.school_id
WHERE a.payer_id = ANY(:payers) AND a.starts_on < :next_month AND a.ends_on >= :month
    AND COALESCE(s.parent_id, s.id) = COALESCE(author.parent_id, author.id)
"""
)

VENDOR_STAFF = text(
    """
SELECT DISTINCT a.payer_id, a.id AS agreement_id, l.id AS learner_id
FROM agreement a
JOIN role_grant g ON g.organisation_id = a.vendor_id
JOIN learner l ON l.person_id = g.person_id
WHERE a.payer_id = ANY(:payers) AND a.starts_on < :next_month AND a.ends_on >= :month
    AND g.granted_from < :end AND (g.granted_until IS NULL OR g.granted_until > :start)
"""
)

# A payer's schools: its own with their teaching points, and those for which it has an agreement.
PLACES = """
SELECT id AS school_id, COALESCE(parent_id, id) AS payer_id FROM organisation
WHERE kind = 'school' AND COALESCE(parent_id, id) = ANY(:payers)
UNION
SELECT g.school_id, a.payer_id FROM agreement a
JOIN agreement_school g ON g.agreement_id = a.id
WHERE a.payer_id = ANY(:payers) AND a.starts_on < :next_month AND a.ends_on >= :month
"""

# Where learners with uses were enrolled who were so for a part of the month only; few.
# `known_from`: only those without an event up to that sequence, for a month that is counted anew.
# Who joined or left is asked with IN: a join with an aggregate keeps the scan from running in
# parallel.
PARTLY_ENROLLED = text(
    f"""
SELECT f.payer_id, f.learner_id, f.school_id,
    range_agg(daterange(e.joined_on, e.left_on))::text AS days
FROM (
    SELECT u.payer_id, u.learner_id, u.school_id FROM usage_event u
    WHERE u.occurred_at >= :start AND u.occurred_at < :end AND u.payer_id = ANY(:payers)
        AND (u.learner_id, u.school_id) IN (
            SELECT n.learner_id, n.school_id
            FROM enrolment n JOIN (SELECT DISTINCT school_id FROM ({PLACES}) p) place
                USING (school_id)
            WHERE n.left_on < :next_month OR n.joined_on > :month)
    GROUP BY u.payer_id, u.learner_id, u.school_id
    HAVING min(u.sequence) > :known_from AND min(u.sequence) <= :through
) f
JOIN enrolment e ON e.learner_id = f.learner_id AND e.school_id = f.school_id
GROUP BY f.payer_id, f.learner_id, f.school_id
"""  # noqa: S608 - put together from the texts of this module
)

# Pupils by the census that was the latest in the month: of each stage and kind its last count, none
# of an earlier school year. Learners: those on the roster who had not left before the month.
LIMITS = text(
    f"""
WITH schools AS ({PLACES}), counted AS (
    SELECT DISTINCT ON (c.school_id, c.stage, c.kind) c.school_id, c.as_of, c.pupils,
        max(c.as_of) OVER (PARTITION BY c.school_id) AS latest
    FROM census c WHERE c.school_id IN (SELECT school_id FROM schools)
        AND c.kind IN ('enrolled', 'special') AND c.as_of < :next_month
    ORDER BY c.school_id, c.stage, c.kind, c.as_of DESC
), pupils AS (
    SELECT school_id, sum(pupils)::bigint AS pupils FROM counted
    WHERE as_of > latest - 300 GROUP BY school_id
), learners AS (
    SELECT e.school_id, count(DISTINCT e.learner_id) AS learners
    FROM enrolment e WHERE e.school_id IN (SELECT school_id FROM schools)
        AND (e.left_on IS NULL OR e.left_on > :month) GROUP BY e.school_id
)
SELECT s.payer_id, s.school_id, p.pupils, COALESCE(l.learners, 0) AS learners
FROM schools s JOIN pupils p USING (school_id) LEFT JOIN learners l USING (school_id)
"""  # noqa: S608 - put together from the texts of this module
)


AS_SEALED = text(
    """
SELECT payer_id, rule, agreement_id, subject_id, NULL::text AS days, NULL::bigint AS pupils,
    NULL::bigint AS learners
FROM sealed_exclusion WHERE month = :month AND payer_id = ANY(:payers)
UNION ALL
SELECT payer_id, 'outside', learner_id, school_id, days::text, NULL, NULL
FROM sealed_enrolment WHERE month = :month AND payer_id = ANY(:payers)
UNION ALL
SELECT payer_id, 'over-enrolment', school_id, NULL, NULL, pupils, learners
FROM sealed_school WHERE month = :month AND payer_id = ANY(:payers)
"""
)


def known_now(unit: Unit, month: Month, *, payer_ids: Sequence[UUID], through: int) -> Exclusions:
    """Return what the rules rest on as is known now, for events up to a sequence."""
    own, staff, limits = find_rules(unit, month, payer_ids=payer_ids)
    partly = partly_enrolled(unit, month, payer_ids=payer_ids, known_from=0, through=through)
    return Exclusions(
        own_school=[(row.agreement_id, row.school_id) for row in own],
        vendor_staff=[(row.agreement_id, row.learner_id) for row in staff],
        partly_enrolled=[_of_partly(row) for row in partly],
        limits={(row.payer_id, row.school_id): Limit(row.pupils, row.learners) for row in limits},
    )


def seal_exclusions(unit: Unit, month: Month, *, payer_ids: Sequence[UUID], through: int) -> None:
    """Keep with the month, for events up to a sequence, what the rules rest on now."""
    own, staff, limits = find_rules(unit, month, payer_ids=payer_ids)
    _keep_partly(
        unit,
        month,
        partly_enrolled(unit, month, payer_ids=payer_ids, known_from=0, through=through),
    )
    keep_rules(unit, month, own=own, staff=staff, limits=limits)


def seal_newcomers(
    unit: Unit, month: Month, *, payer_ids: Sequence[UUID], sealed: int, through: int
) -> None:
    """Keep where learners were enrolled whose first event of a sealed month came late.

    `sealed` and `through`: the sequences up to which the month was sealed, and is counted now.
    """
    found = partly_enrolled(unit, month, payer_ids=payer_ids, known_from=sealed, through=through)
    _keep_partly(unit, month, found)


def with_newcomers(known: Exclusions, newcomers: Sequence[Row[Any]]) -> Exclusions:
    """Return the exclusions with learners who were not known when the month was sealed."""
    kept = {(payer, learner, school) for payer, learner, school, _ in known.partly_enrolled}
    fresh = [one for one in map(_of_partly, newcomers) if one[:3] not in kept]
    return replace(known, partly_enrolled=[*known.partly_enrolled, *fresh])


def as_sealed(
    unit: Unit, month: Month, *, payer_ids: Sequence[UUID], recounted: bool = False
) -> Exclusions:
    """Return what was kept with a sealed month.

    `recounted`: for a month with late use, whose learners the seal could not count: then each
    school with a census is looked at.
    """
    own: list[tuple[UUID, UUID]] = []
    staff: list[tuple[UUID, UUID]] = []
    partly: list[tuple[UUID, UUID, UUID, str]] = []
    limits: dict[tuple[UUID, UUID], Limit] = {}
    rows = unit.session.execute(AS_SEALED, {"month": month, "payers": UuidArray.of(payer_ids)})
    for payer, rule, first, second, days, pupils, learners in rows:
        match rule:
            case Rule.OWN_SCHOOL:
                own.append((first, second))
            case Rule.VENDOR_STAFF:
                staff.append((first, second))
            case Rule.OUTSIDE:
                partly.append((payer, first, second, days))
            case _:
                limits[payer, first] = Limit(pupils, pupils + 1 if recounted else learners)
    return Exclusions(own, staff, partly, limits)


def _of_partly(row: Row[Any]) -> tuple[UUID, UUID, UUID, str]:
    return (row.payer_id, row.learner_id, row.school_id, row.days)


def partly_enrolled(
    unit: Unit, month: Month, *, payer_ids: Sequence[UUID], known_from: int, through: int
) -> Sequence[Row[Any]]:
    """Return (payer, learner, school, days) of learners enrolled for a part of the month.

    Of those whose first event came after `known_from` and up to `through`.
    """
    start, end = month_bounds(month)
    with set_wise(unit.session):
        return unit.session.execute(
            PARTLY_ENROLLED,
            {
                "payers": UuidArray.of(payer_ids),
                "month": month,
                "next_month": next_month(month),
                "start": start,
                "end": end,
                "known_from": known_from,
                "through": through,
            },
        ).all()


def find_rules(
    unit: Unit, month: Month, *, payer_ids: Sequence[UUID]
) -> tuple[Sequence[Row[Any]], Sequence[Row[Any]], Sequence[Row[Any]]]:
    """Return own schools, vendors' staff and limits as they are known now."""
    start, end = month_bounds(month)
    parameters = {
        "payers": UuidArray.of(payer_ids),
        "month": month,
        "next_month": next_month(month),
        "start": start,
        "end": end,
    }
    with set_wise(unit.session):
        own, staff, limits = (
            unit.session.execute(query, parameters).all()
            for query in (OWN_SCHOOLS, VENDOR_STAFF, LIMITS)
        )
    return own, staff, limits


def _keep_partly(unit: Unit, month: Month, rows: Sequence[Row[Any]]) -> None:
    unit.session.execute(
        text(
            "INSERT INTO sealed_enrolment (payer_id, month, learner_id, school_id, days) "
            "SELECT e.payer_id, :month, e.learner_id, e.school_id, e.days::datemultirange "
            "FROM unnest(CAST(:payers AS uuid[]), CAST(:learners AS uuid[]), "
            "CAST(:schools AS uuid[]), CAST(:days AS text[])) "
            "AS e(payer_id, learner_id, school_id, days) ON CONFLICT DO NOTHING"
        ),
        {
            "month": month,
            "payers": [row.payer_id for row in rows],
            "learners": [row.learner_id for row in rows],
            "schools": UuidArray.of([row.school_id for row in rows]),
            "days": [row.days for row in rows],
        },
    )


def keep_rules(
    unit: Unit,
    month: Month,
    *,
    own: Sequence[Row[Any]],
    staff: Sequence[Row[Any]],
    limits: Sequence[Row[Any]],
) -> None:
    """Keep rows of `find_rules` with a month; what was kept already stays as it is."""
    for rule, rows, subject in (
        (Rule.OWN_SCHOOL, own, "school_id"),
        (Rule.VENDOR_STAFF, staff, "learner_id"),
    ):
        unit.session.execute(
            text(
                "INSERT INTO sealed_exclusion (payer_id, month, rule, agreement_id, subject_id) "
                "SELECT e.payer_id, :month, :rule, e.agreement_id, e.subject_id "
                "FROM unnest(CAST(:payers AS uuid[]), CAST(:agreements AS uuid[]), "
                "CAST(:subjects AS uuid[])) AS e(payer_id, agreement_id, subject_id) "
                "ON CONFLICT DO NOTHING"
            ),
            {
                "month": month,
                "rule": rule,
                "payers": [row.payer_id for row in rows],
                "agreements": [row.agreement_id for row in rows],
                "subjects": [getattr(row, subject) for row in rows],
            },
        )
    unit.session.execute(
        text(
            "INSERT INTO sealed_school (payer_id, month, school_id, pupils, learners) "
            "SELECT e.payer_id, :month, e.school_id, e.pupils, e.learners "
            "FROM unnest(CAST(:payers AS uuid[]), CAST(:schools AS uuid[]), "
            "CAST(:pupils AS bigint[]), CAST(:learners AS bigint[])) "
            "AS e(payer_id, school_id, pupils, learners) ON CONFLICT DO NOTHING"
        ),
        {
            "month": month,
            "payers": [row.payer_id for row in limits],
            "schools": [row.school_id for row in limits],
            "pupils": [row.pupils for row in limits],
            "learners": [row.learners for row in limits],
        },
    )
