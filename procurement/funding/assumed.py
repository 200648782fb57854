"""What another headcount would make of a school's line: computed anew, nothing is issued (R15).

Pupils are spread over the stages (and special education) as they are now; boarding and heating
stay as they are, but are never more than the pupils enrolled. The number stands for both terms.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from kernel.errors import InvalidInput, MarketError, NotFound
from kernel.money import split_by_largest_remainder
from kernel.unit import Unit
from procurement.funding.allocations import (
    Inputs,
    compute_school,
    gather_inputs,
    schools_with_points,
)
from procurement.funding.computation import Place
from procurement.funding.headcount import CensusUsed
from procurement.funding.rules import Headcount
from settlement.preview import MAY_PREVIEW

SOURCE = "per_student"


@dataclass(frozen=True, kw_only=True, slots=True)
class LineDifference:
    """A school's whole line of a year as its censuses have it, and with the assumed pupils, in fen.

    `error` stands against one that can't be computed.
    """

    code: str
    name: str
    before_fen: int = 0
    after_fen: int = 0
    error: MarketError | None = None

    @property
    def difference_fen(self) -> int:
        return self.after_fen - self.before_fen


def lines_with(unit: Unit, *, fiscal_year: int, pupils: Mapping[str, int]) -> list[LineDifference]:
    """Return the lines of the schools whose own pupils, or a teaching point's, are assumed.

    `pupils` by the code of a school or teaching point that the actor sees; else `NotFound`.
    """
    unit.actor.require("statement.preview", *MAY_PREVIEW)
    concerned = [
        places
        for places in schools_with_points(unit)
        if any(place.code in pupils for place in places)
    ]
    known = {place.code for places in concerned for place in places}
    for code in pupils:
        if code not in known:
            raise NotFound(what="school", key=code)
    inputs = gather_inputs(
        unit,
        concerned,
        fiscal_year=fiscal_year,
        source=SOURCE,
    )
    return [_difference(places, inputs, pupils=pupils) for places in concerned]


def _difference(
    places: list[Place], inputs: Inputs, *, pupils: Mapping[str, int]
) -> LineDifference:
    school = places[0]
    try:
        before = compute_school(places, inputs)
        after = compute_school(places, _assumed(places, inputs, pupils=pupils))
    except MarketError as error:
        # What stands against one school's line must not hide the others.
        return LineDifference(code=school.code, name=school.name, error=error)
    return LineDifference(
        code=school.code,
        name=school.name,
        before_fen=before.line_fen,
        after_fen=after.line_fen,
    )


def _assumed(places: list[Place], inputs: Inputs, *, pupils: Mapping[str, int]) -> Inputs:
    censuses = dict(inputs.censuses)
    for place in places:
        if place.code in pupils and place.id in censuses:
            censuses[place.id] = {
                term: _with_pupils(census, pupils[place.code])
                for term, census in censuses[place.id].items()
            }
    return replace(inputs, censuses=censuses)


def _with_pupils(census: CensusUsed, pupils: int) -> CensusUsed:
    counted = census.headcount
    stages = list(counted.enrolled)
    weights = [*counted.enrolled.values(), counted.special]
    if not any(weights):
        expected = "a school that has pupils by its census"
        raise InvalidInput(field="pupils", value=pupils, expected=expected)
    *enrolled, special = split_by_largest_remainder(pupils, weights)
    in_all = sum(enrolled)
    headcount = Headcount(
        enrolled=dict(zip(stages, enrolled, strict=True)),
        boarding=min(counted.boarding, in_all),
        heating=min(counted.heating, in_all),
        special=special,
    )
    return replace(census, headcount=headcount)
