"""Ratings by verified use: who may rate a version, and what its teachers' latest ratings say (R42).

Decides whose word counts: a teacher who opened the version for a class, and whose use counted on a
bill, be it one without a price; never one of the school that made it, now or when it was used, nor
who holds or has held a role at its vendor (R30). Their latest rating of a version counts, the ones
before stay on record. What the storefront shows of it is published down to the catalogue by
`signals`.
"""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import text

from catalog.search import hits_by_key
from kernel.actors import Role
from kernel.errors import (
    InvalidInput,
    NotFound,
    OwnWork,
    Refused,
    StaffOfVendor,
    UseNotBilled,
    UseNotSettled,
)
from kernel.ids import new_id
from kernel.trail import record
from kernel.unit import Unit
from settlement.models import STATED
from settlement.own_schools import homes
from settlement.rating_models import Rating
from settlement.signals import BY_NO_STAFF, publish

FEWEST: Final = 1
MOST: Final = 5

ENTITLED: Final = text(
    """
WITH {HOMES}
SELECT launch.id AS launch_id, launch.school_id, launch.version_id,
    EXISTS (SELECT FROM home h WHERE h.school_id = COALESCE(school.parent_id, school.id)
        AND ((h.since <= e.occurred_at AND h.until > e.occurred_at) OR h.until = 'infinity'))
    OR EXISTS (SELECT FROM organisation place
        WHERE COALESCE(place.parent_id, place.id) = COALESCE(school.parent_id, school.id)
            AND CAST(place.id AS text) = version.metadata ->> 'author_school_id') AS is_own,
    EXISTS (SELECT FROM role_grant held WHERE held.person_id = learner.person_id
        AND held.organisation_id = launch.vendor_id
        AND (held.granted_until IS NULL OR held.granted_until > held.granted_from)) AS is_staff,
    NOT EXISTS (SELECT FROM sealed_exclusion x WHERE x.payer_id = e.payer_id
        AND x.month = period.month AND x.agreement_id = e.agreement_id
        AND (x.rule, x.subject_id) IN
            (('own-school', e.school_id), ('vendor-staff', e.learner_id)))
    AND NOT EXISTS (SELECT FROM sealed_enrolment n WHERE n.payer_id = e.payer_id
        AND n.month = period.month AND n.learner_id = e.learner_id AND n.school_id = e.school_id
        AND NOT n.days @> CAST(e.occurred_at AT TIME ZONE 'Asia/Shanghai' AS date))
    AND COALESCE((
        SELECT COALESCE(CAST(b.explanation ->> 'uses' AS bigint), b.quantity) > 0
            AND COALESCE(jsonb_exists(b.explanation -> 'parts', CAST(e.resource_id AS text)), true)
        FROM statement_line l JOIN statement_breakdown b ON b.line_id = l.id
        WHERE l.agreement_id = e.agreement_id AND l.of_month = period.month
            AND l.kind <> 'take_up' AND b.school_id = e.school_id
        ORDER BY l.month DESC LIMIT 1), false) AS is_billed
FROM learner
JOIN launch ON launch.learner_id = learner.id
JOIN version ON version.id = launch.version_id
JOIN organisation school ON school.id = launch.school_id
JOIN usage_event e ON e.payer_id = launch.payer_id AND e.launch_id = launch.id
    AND e.occurred_at >= launch.issued_at - interval '1 day'
    AND e.occurred_at < launch.expires_at + interval '40 days'
JOIN period ON period.payer_id = e.payer_id AND period.state = ANY(:stated)
    AND period.month = CAST(
        date_trunc('month', e.occurred_at AT TIME ZONE 'Asia/Shanghai') AS date)
WHERE learner.person_id = :person_id AND launch.resource_id = :resource_id
    AND launch.kind = 'class'
    AND EXISTS (SELECT FROM period counted WHERE counted.payer_id = e.payer_id
        AND counted.month >= period.month AND counted.state = ANY(:stated)
        AND counted.sealed_sequence >= e.sequence)
ORDER BY is_own, is_billed DESC, launch.issued_at DESC LIMIT 1
""".replace("{HOMES}", homes(of="o.id = (SELECT vendor_id FROM resource WHERE id = :resource_id)"))
)
"""The latest settled use of a resource by a teacher for a class: it names the version they rate.

`is_own`: the school of the use is that of the work's author, or of the teacher who sells it, when
it was used or now. `is_staff`: the teacher holds or has held a role at the vendor. `is_billed`: by
the rules that its month was sealed with, and by the last count of the month, also of a late use,
it counted. One that lets them rate goes before the others.
"""

SPREAD: Final = text(
    f"""
SELECT stars, count(*) AS teachers FROM (
    SELECT DISTINCT ON (person_id) stars FROM rating
    WHERE resource_id = :resource_id AND {BY_NO_STAFF} ORDER BY person_id, at DESC, id DESC
) latest GROUP BY stars
"""  # noqa: S608 - joined with a constant of ours
)
OWN: Final = text(
    "SELECT stars FROM rating WHERE resource_id = :resource_id AND person_id = :person_id "
    "ORDER BY at DESC, id DESC LIMIT 1"
)


class Use(NamedTuple):
    """The use by which a teacher may rate, unless something stands against it."""

    launch_id: UUID
    school_id: UUID
    version_id: UUID
    is_own: bool
    is_staff: bool
    is_billed: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class RatingView:
    """What teachers say of a resource: `spread` by stars, most first; the actor's own, if any.

    `refusal`: why the actor, who is a teacher, may not rate, and what would let them.
    """

    spread: tuple[tuple[int, int], ...]
    may_rate: bool
    own_stars: int | None
    refusal: Refused | None


def rate(unit: Unit, key: str, *, stars: int) -> None:
    """Rate a listed resource, `vendor/sku`, by the version that the actor used last.

    Raises `NotFound`, `InvalidInput` for other stars than 1 to 5, `UseNotSettled` for who has no
    settled use, `UseNotBilled` for one that counted on no bill, `OwnWork` for a work of the actor's
    own school, `StaffOfVendor`.
    """
    unit.actor.require("rate a resource", Role.TEACHER)
    if unit.actor.person_id is None:
        raise Refused(act="rate a resource", needs="a person of a school", actor=unit.actor.name)
    if not FEWEST <= stars <= MOST:
        raise InvalidInput(field="stars", value=stars, expected="1 | 2 | 3 | 4 | 5")
    found = hits_by_key(unit, [key])
    if not found:
        raise NotFound(what="resource", key=key)
    resource_id = found[0].resource_id
    use = _entitled(unit, _settled_use(unit, resource_id), title=found[0].title)
    rating = Rating(
        id=new_id(),
        person_id=unit.actor.person_id,
        school_id=use.school_id,
        resource_id=resource_id,
        version_id=use.version_id,
        launch_id=use.launch_id,
        stars=stars,
        at=unit.clock.now(),
    )
    unit.session.add(rating)
    record(
        unit,
        "resource.rated",
        subject_kind="version",
        subject_id=use.version_id,
        resource=resource_id,
        school=use.school_id,
        stars=stars,
        rating=rating.id,
        at=rating.at,
    )
    unit.session.flush()
    publish(unit, [resource_id])


def ratings_of(unit: Unit, resource_id: UUID, *, title: str) -> RatingView:
    """Return what teachers say of a listed resource, and whether the actor may, or why not."""
    facts: dict[str, Any] = {"resource_id": resource_id}
    counts = {row.stars: row.teachers for row in unit.session.execute(SPREAD, facts)}
    is_teacher = unit.actor.person_id is not None and unit.actor.may(Role.TEACHER)
    use = _settled_use(unit, resource_id) if is_teacher else None
    own: int | None = None
    refusal: Refused | None = None
    if use is not None:
        own = unit.session.scalar(OWN, facts | {"person_id": unit.actor.person_id})
    if is_teacher:
        try:
            _entitled(unit, use, title=title)
        except Refused as why:
            refusal = why
    return RatingView(
        spread=tuple((stars, counts.get(stars, 0)) for stars in range(MOST, FEWEST - 1, -1)),
        may_rate=is_teacher and refusal is None,
        own_stars=own,
        refusal=refusal,
    )


def _entitled(unit: Unit, use: Use | None, *, title: str) -> Use:
    """Return the use if the actor may rate by it; raise what stands against that."""
    act, name = "rate a resource", unit.actor.name
    if use is None:
        raise UseNotSettled(act=act, needs="a settled use", actor=name, title=title)
    if use.is_staff:
        raise StaffOfVendor(act=act, person=name, title=title)
    if use.is_own:
        raise OwnWork(act=act, person=name)
    if not use.is_billed:
        raise UseNotBilled(act=act, needs="a use that counted", actor=name, title=title)
    return use


def _settled_use(unit: Unit, resource_id: UUID) -> Use | None:
    row = unit.session.execute(
        ENTITLED,
        {
            "person_id": unit.actor.person_id,
            "resource_id": resource_id,
            "stated": list(STATED),
        },
    ).one_or_none()
    return Use(*row) if row else None
