"""What a standing does: who takes no new schools, or nobody, gets no new agreement (R44).

A resource is closed where the cell of any version of it that was let in is closed to its vendor: a
version with another word for its stage, subject or type is no other resource. A pack is a way to
sell its parts: it is closed where one of them is, and an agreement on it is one in their cells.
Under no_new_schools those schools may go on, also for another term, that have or had an agreement
with the vendor in the cell, or on what is closed itself; under exiting and left
nobody begins and nobody goes on beyond the term. What runs is never touched, and what is owed is
paid as ever.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from sqlalchemy import Text, column, text

from kernel.arrays import UuidArray
from kernel.errors import NoNewSchools, VendorExiting, VendorLeft
from kernel.unit import Unit
from settlement.agreement_items import ITEMS
from settlement.agreement_states import RUNNING
from settlement.ranking.standing_states import CLOSED, VendorStanding

ITS_VERSIONS: Final = """JOIN version v ON v.resource_id = named.resource_id AND (v.id = named.id
    OR v.state IN ('admitted', 'listed', 'suspended')
    OR EXISTS (SELECT FROM admission m WHERE m.version_id = v.id AND m.state = 'admitted'))"""
"""SQL: the versions `v` by whose cells the resource of a version `named` is closed."""
_RESTRICTED: Final = f"""
WITH wanted AS (
    SELECT id AS asked, id AS version_id FROM version WHERE id = {{wanted}}
    UNION
    SELECT pack_id, version_id FROM pack_part WHERE pack_id = {{wanted}}
)
SELECT DISTINCT w.asked AS version_id, r.id AS resource_id, s.vendor_id, s.cell, s.state,
    o.name AS vendor
FROM wanted w JOIN version named ON named.id = w.version_id
JOIN resource r ON r.id = named.resource_id
{ITS_VERSIONS}
JOIN standing s ON s.vendor_id = r.vendor_id
    AND s.cell = v.stage || '/' || v.subject || '/' || v.type
JOIN organisation o ON o.id = s.vendor_id
WHERE s.state IN ('no_new_schools', 'exiting', 'left')
ORDER BY w.asked, s.cell, r.id
"""  # noqa: S608 - joined with a constant of ours
RESTRICTED: Final = text(_RESTRICTED.format(wanted="ANY(:versions)"))
CLOSING: Final = (
    text(_RESTRICTED.format(wanted="agreement.version_id"))
    .columns(column("cell", Text), column("state", Text))
    .lateral("closing")
)
"""The same of what an `agreement` is on, to join to it."""
ALL_FINISHED: Final = text(
    f"""NOT EXISTS (
SELECT FROM agreement a CROSS JOIN LATERAL ({ITEMS}) i JOIN version named ON named.id = i.version_id
{ITS_VERSIONS}
WHERE a.vendor_id = standing.vendor_id AND a.state = ANY(:running)
    AND v.stage || '/' || v.subject || '/' || v.type = standing.cell)"""
).bindparams(running=sorted(RUNNING))
"""Condition on `standing`: no agreement runs on anything that is closed where its cell is."""
SERVED: Final = text(
    f"""
SELECT DISTINCT a.vendor_id, v.stage || '/' || v.subject || '/' || v.type AS cell, i.resource_id,
    COALESCE(o.parent_id, o.id) AS school_id
FROM agreement a CROSS JOIN LATERAL ({ITEMS}) i JOIN version v ON v.id = i.version_id
JOIN agreement_school g ON g.agreement_id = a.id JOIN organisation o ON o.id = g.school_id
WHERE a.vendor_id = ANY(:vendors) AND a.terms ->> 'trial' IS DISTINCT FROM 'true'
"""  # noqa: S608 - joined with a constant of ours
)
SCHOOLS: Final = text(
    "SELECT id, COALESCE(parent_id, id) AS school_id FROM organisation WHERE id = ANY(:places)"
)


@dataclass(frozen=True, slots=True)
class Restriction:
    """What keeps a version from new schools, or, if `for_all`, from everybody.

    `resource_id`: what is closed, the version's resource or a part of the pack.
    """

    vendor_id: UUID
    resource_id: UUID
    vendor: str
    cell: str
    state: VendorStanding

    @property
    def for_all(self) -> bool:
        return self.state in CLOSED

    def error(self) -> NoNewSchools:
        reason = {VendorStanding.EXITING: VendorExiting, VendorStanding.LEFT: VendorLeft}
        return reason.get(self.state, NoNewSchools)(
            vendor=self.vendor, cell=self.cell, standing=self.state
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Openness:
    """Who may begin, or go on, with which versions; most are open to everybody.

    `restricted`: by version, of the cells of its resource and of those of its parts, if it is a
    pack. `served`: by vendor and cell, the schools that have or had an agreement; `using`: by
    resource; `schools`: of places.
    """

    restricted: Mapping[UUID, Sequence[Restriction]] = field(default_factory=dict)
    served: Mapping[tuple[UUID, str], set[UUID]] = field(default_factory=dict)
    using: Mapping[UUID, set[UUID]] = field(default_factory=dict)
    schools: Mapping[UUID, UUID] = field(default_factory=dict)

    def refusal(self, version_id: UUID, places: Collection[UUID]) -> NoNewSchools | None:
        """Return why these schools, or points of them, get no agreement; None if they may."""
        wanted = {self.schools.get(place, place) for place in places}
        for one in self.restricted.get(version_id, ()):
            known = self.served.get((one.vendor_id, one.cell), set()) | self.using.get(
                one.resource_id, set()
            )
            if one.for_all or not wanted <= known:
                return one.error()
        return None


def openness_of(unit: Unit, version_ids: Collection[UUID], *, places: Collection[UUID]) -> Openness:
    """Return what standings say of versions, for these schools and points."""
    rows = unit.session.execute(
        RESTRICTED, {"versions": UuidArray.of(sorted(set(version_ids)))}
    ).all()
    if not rows:
        return Openness()
    restricted: dict[UUID, list[Restriction]] = {}
    for row in rows:
        state = VendorStanding(row.state)
        one = Restriction(row.vendor_id, row.resource_id, row.vendor, row.cell, state)
        restricted.setdefault(row.version_id, []).append(one)
    served, using = _served(unit, {row.vendor_id for row in rows})
    return Openness(
        restricted=restricted,
        served=served,
        using=using,
        schools=_schools(unit, set(places)),
    )


def require_open_to(unit: Unit, wanted: Sequence[tuple[UUID, Collection[UUID]]]) -> None:
    """Raise `NoNewSchools` (`VendorExiting`, `VendorLeft`) for the first (version, schools) that no
    new agreement may have."""
    known = openness_of(
        unit,
        [version_id for version_id, _ in wanted],
        places={place for _, places in wanted for place in places},
    )
    for version_id, places in wanted:
        refusal = known.refusal(version_id, places)
        if refusal is not None:
            raise refusal


def _served(
    unit: Unit, vendors: set[UUID]
) -> tuple[dict[tuple[UUID, str], set[UUID]], dict[UUID, set[UUID]]]:
    """Return which schools have or had an agreement, by vendor and cell, and by resource."""
    served: dict[tuple[UUID, str], set[UUID]] = {}
    using: dict[UUID, set[UUID]] = {}
    for row in unit.session.execute(SERVED, {"vendors": UuidArray.of(sorted(vendors))}):
        served.setdefault((row.vendor_id, row.cell), set()).add(row.school_id)
        using.setdefault(row.resource_id, set()).add(row.school_id)
    return served, using


def _schools(unit: Unit, places: set[UUID]) -> dict[UUID, UUID]:
    rows = unit.session.execute(SCHOOLS, {"places": UuidArray.of(sorted(places))})
    return {row.id: row.school_id for row in rows}
