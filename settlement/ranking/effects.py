"""What a standing does: who takes no new schools, or nobody, gets no new agreement (R44).

Under no_new_schools those schools may go on, also for another term, that have or had an agreement
with the vendor in the cell; under exiting and left nobody begins and nobody goes on beyond the
term. What runs is never touched, and what is owed is paid as ever.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from sqlalchemy import text

from kernel.arrays import UuidArray
from kernel.errors import NoNewSchools
from kernel.unit import Unit
from settlement.ranking.standing_states import CLOSED, VendorStanding

RESTRICTED: Final = text(
    """
SELECT v.id AS version_id, s.vendor_id, s.cell, s.state, o.name AS vendor
FROM version v JOIN resource r ON r.id = v.resource_id
JOIN standing s ON s.vendor_id = r.vendor_id
    AND s.cell = v.stage || '/' || v.subject || '/' || v.type
JOIN organisation o ON o.id = s.vendor_id
WHERE v.id = ANY(:versions) AND s.state IN ('no_new_schools', 'exiting', 'left')
"""
)
SERVED: Final = text(
    """
SELECT DISTINCT a.vendor_id, v.stage || '/' || v.subject || '/' || v.type AS cell,
    COALESCE(o.parent_id, o.id) AS school_id
FROM agreement a JOIN version v ON v.id = a.version_id
JOIN agreement_school g ON g.agreement_id = a.id JOIN organisation o ON o.id = g.school_id
WHERE a.vendor_id = ANY(:vendors) AND a.terms ->> 'trial' IS DISTINCT FROM 'true'
"""
)
SCHOOLS: Final = text(
    "SELECT id, COALESCE(parent_id, id) AS school_id FROM organisation WHERE id = ANY(:places)"
)


@dataclass(frozen=True, slots=True)
class Restriction:
    """What keeps a version from new schools, or, if `for_all`, from everybody."""

    vendor_id: UUID
    vendor: str
    cell: str
    state: VendorStanding

    @property
    def for_all(self) -> bool:
        return self.state in CLOSED

    def error(self) -> NoNewSchools:
        return NoNewSchools(vendor=self.vendor, cell=self.cell, standing=self.state)


@dataclass(frozen=True, kw_only=True, slots=True)
class Openness:
    """Who may begin, or go on, with which versions; most are open to everybody.

    `served`: by vendor and cell, the schools that have or had an agreement; `schools`: of places.
    """

    restricted: Mapping[UUID, Restriction] = field(default_factory=dict)
    served: Mapping[tuple[UUID, str], set[UUID]] = field(default_factory=dict)
    schools: Mapping[UUID, UUID] = field(default_factory=dict)

    def refusal(self, version_id: UUID, places: Collection[UUID]) -> NoNewSchools | None:
        """Return why these schools, or points of them, get no agreement; None if they may."""
        found = self.restricted.get(version_id)
        if found is None:
            return None
        known = self.served.get((found.vendor_id, found.cell), set())
        wanted = {self.schools.get(place, place) for place in places}
        return found.error() if found.for_all or not wanted <= known else None


def openness_of(unit: Unit, version_ids: Collection[UUID], *, places: Collection[UUID]) -> Openness:
    """Return what standings say of versions, for these schools and points."""
    rows = unit.session.execute(
        RESTRICTED, {"versions": UuidArray.of(sorted(set(version_ids)))}
    ).all()
    if not rows:
        return Openness()
    return Openness(
        restricted={
            row.version_id: Restriction(
                row.vendor_id, row.vendor, row.cell, VendorStanding(row.state)
            )
            for row in rows
        },
        served=_served(unit, {row.vendor_id for row in rows}),
        schools=_schools(unit, set(places)),
    )


def require_open_to(unit: Unit, wanted: Sequence[tuple[UUID, Collection[UUID]]]) -> None:
    """Raise `NoNewSchools` for the first (version, schools) that no new agreement may have."""
    known = openness_of(
        unit,
        [version_id for version_id, _ in wanted],
        places={place for _, places in wanted for place in places},
    )
    for version_id, places in wanted:
        refusal = known.refusal(version_id, places)
        if refusal is not None:
            raise refusal


def _served(unit: Unit, vendors: set[UUID]) -> dict[tuple[UUID, str], set[UUID]]:
    found: dict[tuple[UUID, str], set[UUID]] = {}
    for row in unit.session.execute(SERVED, {"vendors": UuidArray.of(sorted(vendors))}):
        found.setdefault((row.vendor_id, row.cell), set()).add(row.school_id)
    return found


def _schools(unit: Unit, places: set[UUID]) -> dict[UUID, UUID]:
    rows = unit.session.execute(SCHOOLS, {"places": UuidArray.of(sorted(places))})
    return {row.id: row.school_id for row in rows}
