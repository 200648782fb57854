"""Which census a term is computed with, for schools and teaching points (R15, R19).

Decides: the census that the region's rule names for the term, usually its own, if pupils are
enrolled in it; where there is none yet, the nearest one stands in and is named as such. What that
census does not count at all keeps its latest earlier count, until a newer one (zero as well) says
otherwise, and is named (ADR 0034). A census dated after today never counts.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import extract, select
from sqlalchemy.dialects.postgresql import distinct_on

from kernel.actors import OrganisationKind
from kernel.clock import shanghai_day
from kernel.i18n import readable
from kernel.identity.census import CensusRow
from kernel.identity.models import Census, Organisation
from kernel.identity.recording import among
from kernel.identity.visibility import visible_organisations
from kernel.unit import Unit
from procurement.funding.rules import Headcount, HeadcountBasis, Term, census_wanted

TERM_ORDER: Final = {term: position for position, term in enumerate(Term)}

MOST_UNSAID: Final = 20

CensusOrder = tuple[int, int]
"""A census's calendar year and the position of its basis in that year."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """A count that a census says nothing about, and the day of the earlier one it was taken from.

    `stage` is empty for other kinds than `enrolled`, which are kept or counted as a whole.
    """

    kind: str
    stage: str
    pupils: int
    as_of: date

    def as_data(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "stage": self.stage,
            "pupils": self.pupils,
            "as_of": self.as_of.isoformat(),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class CensusUsed:
    """The headcount one term is computed with, and the census it was taken from.

    `kept`: what is part of the headcount though that census does not count it.
    """

    headcount: Headcount
    basis: Term
    as_of: date
    stands_in: bool
    kept: tuple[Kept, ...] = ()

    def as_data(self) -> dict[str, Any]:
        data: dict[str, Any] = {
            "basis": self.basis.value,
            "as_of": self.as_of.isoformat(),
            "stands_in": self.stands_in,
        }
        if self.kept:
            data["kept"] = [one.as_data() for one in self.kept]
        return data


def census_for_terms(
    unit: Unit, bases: Mapping[UUID, HeadcountBasis], *, fiscal_year: int
) -> dict[UUID, dict[Term, CensusUsed]]:
    """Return for each place the census that each term uses; a place without any is left out.

    `bases` says by place which census its rule wants.

    Of several counts of one stage and kind in the same census the latest stands (a correction is a
    row with a later day). One query, whatever the number of places.
    """
    limit = min(date(fiscal_year, 12, 31), shanghai_day(unit.clock.now()))
    return {
        place_id: {
            term: _choose(
                censuses, census_wanted(bases[place_id], fiscal_year=fiscal_year, term=term)
            )
            for term in Term
        }
        for place_id, censuses in _counted(unit, bases.keys(), until=limit).items()
    }


def unsaid_counts(unit: Unit, rows: Sequence[CensusRow]) -> list[str]:
    """Return what the censuses of these rows, just recorded, don't count and so keep, in words."""
    schools = dict(
        unit.session.execute(
            visible_organisations(unit, OrganisationKind.SCHOOL)
            .where(among(Organisation.code, {row.school_code for row in rows}))
            .with_only_columns(Organisation.code, Organisation.id)
        ).all()
    )
    counted = _counted(unit, schools.values(), until=date.max)
    found = []
    for code, year, basis in sorted({(row.school_code, row.as_of.year, row.basis) for row in rows}):
        census = (year, TERM_ORDER[Term(basis)])
        if not counted[schools[code]][census].enrolled:
            continue  # it never stands for the school, so it leaves nothing out
        found += [
            f"{code}, {basis} {year}: nothing is said of {_named(one)}, so the {one.pupils} of "
            f"{one.as_of} stay. If there are none now, import 0."
            for one in _kept(counted[schools[code]], census)
        ]
    more = len(found) - MOST_UNSAID
    return found[:MOST_UNSAID] + ([f"{more} more counts stay in the same way."] if more > 0 else [])


def _named(one: "Kept") -> str:
    return f"{readable(one.kind).lower()} {readable(one.stage).lower()}".strip()


def _counted(
    unit: Unit, place_ids: Collection[UUID], *, until: date
) -> dict[UUID, dict[CensusOrder, "_Count"]]:
    """Return the censuses of each place up to a day; one query."""
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
        .where(among(Census.school_id, place_ids), Census.as_of <= until)
        .ext(distinct_on(*key))
        .order_by(*key, Census.as_of.desc())
    )
    counted: dict[UUID, dict[CensusOrder, _Count]] = defaultdict(lambda: defaultdict(_Count))
    for school_id, basis, as_of, stage, kind, pupils in rows:
        census = counted[school_id][(as_of.year, TERM_ORDER[Term(basis)])]
        census.add(as_of=as_of, stage=stage, kind=kind, pupils=pupils)
    return counted


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

    def counts(self) -> dict[tuple[str, str], int]:
        """Return what is counted: enrolled pupils by stage, the other kinds as a whole."""
        enrolled = {("enrolled", stage): pupils for stage, pupils in self.enrolled.items()}
        return enrolled | {(kind, ""): pupils for kind, pupils in self.others.items()}


def _headcount(counts: Mapping[tuple[str, str], int]) -> Headcount:
    return Headcount(
        enrolled={stage: n for (kind, stage), n in counts.items() if kind == "enrolled"},
        **{kind: counts.get((kind, ""), 0) for kind in ("boarding", "heating", "special")},
    )


def _choose(censuses: Mapping[CensusOrder, _Count], wanted: tuple[int, Term]) -> CensusUsed:
    """Take the wanted census, else the last one before it, else the first one after it.

    A census counts once its pupils are enrolled in it: a file of boarders alone must not stand for
    the whole school. Only where no census has any (a special school) do the others count.

    A year's lines are issued when its autumn census does not exist yet, and a school that joins in
    autumn has no earlier one.
    """
    every = censuses
    censuses = {key: one for key, one in every.items() if one.enrolled} or every
    own = (wanted[0], TERM_ORDER[wanted[1]])
    earlier = [key for key in censuses if key < own]
    if own in censuses:
        chosen = own
    elif earlier:
        chosen = max(earlier)
    else:
        chosen = min(censuses)
    count = censuses[chosen]
    kept = _kept(every, chosen)
    return CensusUsed(
        headcount=_headcount(
            {**count.counts(), **{(one.kind, one.stage): one.pupils for one in kept}}
        ),
        basis=list(Term)[chosen[1]],
        as_of=count.as_of,
        stands_in=chosen != own,
        kept=kept,
    )


def _kept(censuses: Mapping[CensusOrder, _Count], chosen: CensusOrder) -> tuple[Kept, ...]:
    """Return what earlier censuses counted last, of which the chosen one says nothing."""
    found: dict[tuple[str, str], Kept] = {}
    for key in sorted(key for key in censuses if key < chosen):
        one = censuses[key]
        for (kind, stage), pupils in one.counts().items():
            found[kind, stage] = Kept(kind=kind, stage=stage, pupils=pupils, as_of=one.as_of)
    said = censuses[chosen].counts()
    return tuple(found[key] for key in sorted(found) if key not in said and found[key].pupils)
