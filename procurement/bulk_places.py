"""For whom a bureau buys: schools and teaching points picked by marks, ceilings shared by pupils.

Decides nothing about whether it may be bought; that is `bulk`'s. A teaching point is a place of its
own, with its own pupils and its own ceiling, as in the funding rules (R15, R24).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from kernel.actors import OrganisationKind
from kernel.clock import shanghai_day
from kernel.errors import InvalidInput, NoCensus
from kernel.identity.models import Organisation, RegionClosure
from kernel.identity.visibility import visible_organisations
from kernel.money import plain_yuan, split_by_largest_remainder
from kernel.unit import Unit
from procurement.pupils import pupils_at


@dataclass(frozen=True, kw_only=True, slots=True)
class Marks:
    """Which places are meant: all that fit every mark that is given."""

    region_code: str = ""
    stage: str = ""
    setting: str = ""
    small_rural: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class PlaceChoice:
    """A school or teaching point of the bureau's subtree; `pupils` None: never counted."""

    id: UUID
    code: str
    name: str
    pupils: int | None


def places_of(unit: Unit, marks: Marks = Marks()) -> list[PlaceChoice]:
    """Return the places of the actor's subtree that fit, by code, with their pupils."""
    wanted = visible_organisations(unit, OrganisationKind.SCHOOL).order_by(Organisation.code)
    if marks.region_code:
        below = select(RegionClosure.region_code).where(
            RegionClosure.ancestor_code == marks.region_code
        )
        wanted = wanted.where(Organisation.region_code.in_(below))
    found = [
        place
        for place in unit.session.scalars(wanted)
        if (not marks.stage or marks.stage in place.facts.get("stages", ()))
        and (not marks.setting or place.facts.get("setting") == marks.setting)
        and (not marks.small_rural or place.facts.get("small_rural"))
    ]
    pupils = pupils_at(unit, [place.id for place in found])
    return [
        PlaceChoice(id=place.id, code=place.code, name=place.name, pupils=pupils.get(place.id))
        for place in found
    ]


def shared_by_pupils(unit: Unit, places: Sequence[PlaceChoice], ceiling_fen: int) -> dict[str, int]:
    """Share a ceiling over places by their pupils, by largest remainder; the parts add up to it.

    Raises `NoCensus` for a place whose pupils were never counted, `InvalidInput` if a part would be
    less than a fen.
    """
    if not places:
        return {}
    for place in places:
        if not place.pupils:
            raise NoCensus(school=place.name, year=shanghai_day(unit.clock.now()).year)
    shares = split_by_largest_remainder(ceiling_fen, [place.pupils or 0 for place in places])
    if min(shares) < 1:
        raise InvalidInput(
            field="ceiling", value=plain_yuan(ceiling_fen), expected="at least 0.01 for each school"
        )
    return {place.code: fen for place, fen in zip(places, shares, strict=True)}
