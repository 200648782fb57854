"""Ratings by verified use: who may rate a version, and what its teachers' latest ratings say (R42).

Decides whose word counts: a teacher who opened the version for a class, whose use came in and lies
in a month that is stated; never one of the school that made it, now or when it was used (R30).
Their latest rating of a version counts, the ones before stay on record. What the storefront shows
of it is published down to the catalogue by `signals`.
"""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import text

from catalog.search import hits_by_key
from kernel.actors import Role
from kernel.errors import InvalidInput, NotFound, OwnWork, Refused, UseNotSettled
from kernel.ids import new_id
from kernel.trail import record
from kernel.unit import Unit
from settlement.models import STATED
from settlement.own_schools import homes
from settlement.rating_models import Rating
from settlement.signals import publish

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
            AND CAST(place.id AS text) = version.metadata ->> 'author_school_id') AS is_own
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
ORDER BY is_own, launch.issued_at DESC LIMIT 1
""".replace("{HOMES}", homes(of="o.id = (SELECT vendor_id FROM resource WHERE id = :resource_id)"))
)
"""The latest settled use of a resource by a teacher for a class: it names the version they rate.

`is_own`: the school of the use is that of the work's author, or of the teacher who sells it, when
it was used or now. One that was at another school goes before.
"""

SPREAD: Final = text(
    """
SELECT stars, count(*) AS teachers FROM (
    SELECT DISTINCT ON (person_id) stars FROM rating
    WHERE resource_id = :resource_id ORDER BY person_id, at DESC, id DESC
) latest GROUP BY stars
"""
)
OWN: Final = text(
    "SELECT stars FROM rating WHERE resource_id = :resource_id AND person_id = :person_id "
    "ORDER BY at DESC, id DESC LIMIT 1"
)


class Use(NamedTuple):
    """The use by which a teacher may rate."""

    launch_id: UUID
    school_id: UUID
    version_id: UUID
    is_own: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class RatingView:
    """What teachers say of a resource: `spread` by stars, most first; the actor's own, if any."""

    spread: tuple[tuple[int, int], ...]
    may_rate: bool
    own_stars: int | None


def rate(unit: Unit, key: str, *, stars: int) -> None:
    """Rate a listed resource, `vendor/sku`, by the version that the actor used last.

    Raises `NotFound`, `InvalidInput` for other stars than 1 to 5, `UseNotSettled` for who has no
    settled use, `OwnWork` for a work of the actor's own school.
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
    use = _settled_use(unit, resource_id)
    if use is None:
        raise UseNotSettled(
            act="rate a resource",
            needs="a settled use",
            actor=unit.actor.name,
            title=found[0].title,
        )
    if use.is_own:
        raise OwnWork(act="rate a resource", person=unit.actor.name)
    unit.session.add(
        Rating(
            id=new_id(),
            person_id=unit.actor.person_id,
            school_id=use.school_id,
            resource_id=resource_id,
            version_id=use.version_id,
            launch_id=use.launch_id,
            stars=stars,
            at=unit.clock.now(),
        )
    )
    record(
        unit,
        "resource.rated",
        subject_kind="version",
        subject_id=use.version_id,
        resource=resource_id,
        school=use.school_id,
        stars=stars,
    )
    unit.session.flush()
    publish(unit, [resource_id])


def ratings_of(unit: Unit, resource_id: UUID) -> RatingView:
    """Return what teachers say of a listed resource, and whether the actor may."""
    facts: dict[str, Any] = {"resource_id": resource_id}
    counts = {row.stars: row.teachers for row in unit.session.execute(SPREAD, facts)}
    is_teacher = unit.actor.person_id is not None and unit.actor.may(Role.TEACHER)
    use = _settled_use(unit, resource_id) if is_teacher else None
    own = None
    if use is not None:
        own = unit.session.scalar(OWN, facts | {"person_id": unit.actor.person_id})
    return RatingView(
        spread=tuple((stars, counts.get(stars, 0)) for stars in range(MOST, FEWEST - 1, -1)),
        may_rate=use is not None and not use.is_own,
        own_stars=own,
    )


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
