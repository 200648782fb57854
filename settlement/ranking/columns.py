"""Evidence as columns of whole numbers: a row per school and subject, and a row per subject.

What is summed here is whole, so that no sum depends on the order or the batch in which evidence
comes. Millionths (`MICRO`) are the unit of weights and opinions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from functools import cache
from operator import attrgetter
from typing import Any, Final

import numpy as np

from settlement.ranking.config import RankingConfig
from settlement.ranking.inputs import SchoolEvidence, SubjectEvidence
from settlement.ranking.numbers import Whole

MICRO: Final = 1_000_000
OLDEST_DAYS: Final = 7_320
"""Ratings older than this (twenty half-lives) weigh nothing."""

AFFILIATE: Final = "affiliate"
"""Why a school is set aside that has somebody at the vendor; as `evidence.LeftOut` has it."""
OF_SCHOOL: Final = (
    "rating_points",
    "raters",
    "rating_age_days",
    "renewed",
    "ended",
    "defects",
    "months",
    "best",
    "worst",
)
_facts = attrgetter(*OF_SCHOOL)


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """Evidence in columns. `subject`, `school`: of each row, positions in `subjects`, `schools`.

    `independent`: 1 in rows of schools of which nothing is set aside, 0 in what stays of others; 1
    in a low opinion, too, that stays of a school with somebody at the vendor, else a vendor could
    stay new for ever by giving roles to the people of unhappy schools. `wronged`: 1 in the other
    rows of such a school, of which only what went wrong stays.
    """

    subjects: Sequence[Any]
    cells: Sequence[Any]
    schools: Sequence[Any]
    cell_of: Whole
    audits_passed: Whole
    audits: Whole
    listed_days: Whole
    subject: Whole
    school: Whole
    rating_points: Whole
    raters: Whole
    rating_age_days: Whole
    renewed: Whole
    ended: Whole
    defects: Whole
    months: Whole
    best: Whole
    worst: Whole
    independent: Whole
    wronged: Whole

    def per_subject(self, values: Whole) -> Whole:
        """Sum a column of rows by subject."""
        return _sums(values, self.subject, len(self.subjects))

    def per_school(self, values: Whole) -> Whole:
        """Sum a column of rows by school."""
        return _sums(values, self.school, len(self.schools))

    def per_cell(self, values: Whole) -> Whole:
        """Sum a column of subjects by cell."""
        return _sums(values, self.cell_of, len(self.cells))


def columns_of(evidence: Sequence[SubjectEvidence]) -> Columns:
    """Lay evidence out in columns, in the order in which it is given."""
    cells = sorted({one.cell for one in evidence})
    place = {cell: position for position, cell in enumerate(cells)}
    rows: list[SchoolEvidence] = [school for one in evidence for school in one.schools]
    schools = sorted({row.school for row in rows})
    position = {school: at for at, school in enumerate(schools)}
    aside = [dict(one.excluded) for one in evidence]
    known = [
        (out.get(school.school), school.raters > 0)
        for one, out in zip(evidence, aside, strict=True)
        for school in one.schools
    ]
    facts = _whole([_facts(row) for row in rows]).reshape(len(rows), len(OF_SCHOOL)).T
    return Columns(
        subjects=[one.subject for one in evidence],
        cells=cells,
        schools=schools,
        cell_of=_whole([place[one.cell] for one in evidence]),
        audits_passed=_whole([one.audits_passed for one in evidence]),
        audits=_whole([one.audits for one in evidence]),
        listed_days=_whole([one.first_listed_days for one in evidence]),
        subject=np.repeat(
            np.arange(len(evidence), dtype=np.int64), _whole([len(one.schools) for one in evidence])
        ),
        school=_whole([position[row.school] for row in rows]),
        independent=_whole([why is None or (why == AFFILIATE and heard) for why, heard in known]),
        wronged=_whole([why == AFFILIATE and not heard for why, heard in known]),
        **{name: np.ascontiguousarray(facts[at]) for at, name in enumerate(OF_SCHOOL)},
    )


def opinions(columns: Columns) -> Whole:
    """Return each school's opinion, (stars - 1) / 4 on average, in millionths; 0 without raters."""
    fours = 4 * np.maximum(columns.raters, 1)
    opinion: Whole = (2 * MICRO * columns.rating_points + fours) // (2 * fours)
    return opinion


def weights(columns: Columns, config: RankingConfig) -> Whole:
    """Return what each school's opinion weighs, in millionths: by its teachers, and by its age."""
    full = config.raters_for_full_weight
    ages = np.minimum(np.maximum(columns.rating_age_days, 0), OLDEST_DAYS)
    fading = _fading(config.half_life_days)[ages]
    weighed: Whole = fading * np.minimum(columns.raters, full) // full
    return weighed


def capped(columns: Columns, weight: Whole, config: RankingConfig) -> Whole:
    """Return the weights, none above `cap` (or 1/n, if that is more) of its subject's sum.

    The sum is that before the cap. To cap until no share of what is left is too large would make
    the weights of up to five schools all alike, that of the one that says least.
    """
    total = columns.per_subject(weight)
    schools = columns.per_subject((weight > 0).astype(np.int64))
    share = total * int(config.cap * MICRO) // MICRO
    equal = -(-total // np.maximum(schools, 1))
    most: Whole = np.maximum(share, equal)[columns.subject]
    return np.minimum(weight, most)


def _whole(values: Sequence[object]) -> Whole:
    return np.array(values, dtype=np.int64)


def _sums(values: Whole, of: Whole, length: int) -> Whole:
    sums = np.zeros(length, dtype=np.int64)
    np.add.at(sums, of, values)
    return sums


@cache
def _fading(half_life_days: int) -> Whole:
    """Return 2^(-age / half-life) in millionths by age in days; decimals, the same everywhere."""
    with localcontext(prec=50):
        a_day = Decimal(2) ** (Decimal(-1) / half_life_days)
        first = [Decimal(MICRO)]
        for _ in range(1, min(half_life_days, OLDEST_DAYS)):
            first.append(first[-1] * a_day)
        # Whole half-lives are exact, so that what is half way between two numbers is seen to be.
        whole = [
            int((first[age % half_life_days] / 2 ** (age // half_life_days)).to_integral_value())
            for age in range(OLDEST_DAYS)
        ]
    return _whole([*whole, 0])
