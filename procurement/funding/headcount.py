"""Which census a term is computed with, for schools and teaching points (R15, R19).

Decides: the census that the region's rule names for the term, usually its own, if pupils are
enrolled in it; where there is none yet, the nearest one stands in and is named as such. A census
dated after today never counts.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import extract, select
from sqlalchemy.dialects.postgresql import distinct_on

from kernel.clock import shanghai_day
from kernel.identity.models import Census
from kernel.identity.recording import among
from kernel.unit import Unit
from procurement.funding.rules import Headcount, HeadcountBasis, Term, census_wanted

TERM_ORDER: Final = {term: position for position, term in enumerate(Term)}

CensusOrder = tuple[int, int]
"""A census's calendar year and the position of its basis in that year."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CensusUsed:
    """The headcount one term is computed with, and the census it was taken from."""

    headcount: Headcount
    basis: Term
    as_of: date
    stands_in: bool

    def as_data(self) -> dict[str, Any]:
        return {
            "basis": self.basis.value,
            "as_of": self.as_of.isoformat(),
            "stands_in": self.stands_in,
        }


def census_for_terms(
    unit: Unit, bases: Mapping[UUID, HeadcountBasis], *, fiscal_year: int
) -> dict[UUID, dict[Term, CensusUsed]]:
    """Return for each place the census that each term uses; a place without any is left out.

    `bases` says by place which census its rule wants.

    Of several counts of one stage and kind in the same census the latest stands (a correction is a
    row with a later day). One query, whatever the number of places.
    """
    limit = min(date(fiscal_year, 12, 31), shanghai_day(unit.clock.now()))
    year = extract("year", Census.as_of)
    key = (Census.school_id, Census.stage, Census.kind, Census.basis, year)
    rows = unit.session.execute(
        select(
            Census.school_id,
            Census.basis,
            Census.as_of,
            Census.stage,
            Census.kind,
            Census.pupils,
        )
        .where(among(Census.school_id, bases.keys()), Census.as_of <= limit)
        .ext(distinct_on(*key))
        .order_by(*key, Census.as_of.desc())
    )
    counted: dict[UUID, dict[CensusOrder, _Count]] = defaultdict(lambda: defaultdict(_Count))
    for school_id, basis, as_of, stage, kind, pupils in rows:
        census = counted[school_id][(as_of.year, TERM_ORDER[Term(basis)])]
        census.add(as_of=as_of, stage=stage, kind=kind, pupils=pupils)
    return {
        place_id: {
            term: _choose(
                censuses, census_wanted(bases[place_id], fiscal_year=fiscal_year, term=term)
            )
            for term in Term
        }
        for place_id, censuses in counted.items()
    }


class _Count:
    """Gathers the rows of one census of one place."""

    def __init__(self) -> None:
        self.as_of = date.min
        self.enrolled: dict[str, int] = {}
        self.others: dict[str, int] = defaultdict(int)

    def add(self, *, as_of: date, stage: str, kind: str, pupils: int) -> None:
        self.as_of = max(self.as_of, as_of)
        if kind == "enrolled":
            self.enrolled[stage] = pupils
        else:
            self.others[kind] += pupils

    def headcount(self) -> Headcount:
        return Headcount(
            enrolled=self.enrolled,
            boarding=self.others["boarding"],
            heating=self.others["heating"],
            special=self.others["special"],
        )


def _choose(censuses: Mapping[CensusOrder, _Count], wanted: tuple[int, Term]) -> CensusUsed:
    """Take the wanted census, else the last one before it, else the first one after it.

    A census counts once its pupils are enrolled in it: a file of boarders alone must not stand for
    the whole school. Only where no census has any (a special school) do the others count.

    A year's lines are issued when its autumn census does not exist yet, and a school that joins in
    autumn has no earlier one.
    """
    censuses = {key: one for key, one in censuses.items() if one.enrolled} or censuses
    own = (wanted[0], TERM_ORDER[wanted[1]])
    earlier = [key for key in censuses if key < own]
    if own in censuses:
        chosen = own
    elif earlier:
        chosen = max(earlier)
    else:
        chosen = min(censuses)
    count = censuses[chosen]
    return CensusUsed(
        headcount=count.headcount(),
        basis=list(Term)[chosen[1]],
        as_of=count.as_of,
        stands_in=chosen != own,
    )
