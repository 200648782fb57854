"""What a school is entitled to from the per-student public fund: R15's formula, and nothing else.

Pure: headcounts, quotas and rule come in, exact fractions of a fen and the steps that led to them
go out. Which census counts is decided by `headcount`, which quota is in force by `quotas`, what is
issued by `allocations`.

A fiscal year (January-December) has two terms, each with its own census and the quotas in force on
its first day. Nothing is rounded until a line's total is known; `line_amount` rounds it once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Any, Final

from kernel.identity.stages import Stage
from kernel.money import FEN_PER_YUAN, round_to_fen


class Term(StrEnum):
    """The two terms of a fiscal year, in their order; also the name (`basis`) of their census."""

    SPRING = "spring"
    AUTUMN = "autumn"


class QuotaKind(StrEnum):
    BASE = "base"
    BOARDING = "boarding"
    HEATING = "heating"
    SPECIAL = "special"


class HeadcountBasis(StrEnum):
    """Which census the terms of a year go by (R19); a region's rule says so."""

    EACH_TERM = "each_term"  # each its own
    SPRING = "spring"  # both that of spring
    AUTUMN = "autumn"  # both that of autumn
    LAST_AUTUMN = "last_autumn"  # both that of the autumn before, known when the year begins


class Holder(StrEnum):
    """Whose line gets the share for digital resources (R17)."""

    SCHOOL = "school"
    BUREAU = "bureau"


TERM_STARTS: Final[Mapping[Term, tuple[int, int]]] = {Term.SPRING: (3, 1), Term.AUTUMN: (9, 1)}
"""Month and day on which a term begins: the day whose quotas it is computed with."""

QuotaKey = tuple[QuotaKind, str]
"""A quota's kind and stage; only the base quota has a stage, the others have an empty one."""


CensusKey = tuple[int, Term]
"""A census's calendar year and its basis."""


def census_wanted(basis: HeadcountBasis, *, fiscal_year: int, term: Term) -> CensusKey:
    """Return the census by which a term of a fiscal year goes."""
    match basis:
        case HeadcountBasis.SPRING:
            return fiscal_year, Term.SPRING
        case HeadcountBasis.AUTUMN:
            return fiscal_year, Term.AUTUMN
        case HeadcountBasis.LAST_AUTUMN:
            return fiscal_year - 1, Term.AUTUMN
    return fiscal_year, term


def term_start(fiscal_year: int, term: Term) -> date:
    month, day = TERM_STARTS[term]
    return date(fiscal_year, month, day)


@dataclass(frozen=True, kw_only=True, slots=True)
class Headcount:
    """Pupils of one school or one teaching point in one term.

    `enrolled` (by stage) leaves out special-education pupils and those counted at a teaching point;
    boarding and heating pupils are enrolled ones, counted once more for their supplement.
    """

    enrolled: Mapping[str, int] = field(default_factory=dict)
    boarding: int = 0
    heating: int = 0
    special: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Floor:
    """The least number of pupils a small rural school is paid for, and at whose stage's quota."""

    pupils: int
    short_stage: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One product of the sum: pupils times a quota of fen per pupil and year."""

    kind: str
    stage: str
    pupils: int
    quota: QuotaKey
    quota_fen: int

    @property
    def amount_fen(self) -> int:
        return self.pupils * self.quota_fen

    def as_data(self) -> dict[str, Any]:
        return {
            "step": self.kind,
            "stage": self.stage,
            "pupils": self.pupils,
            "quota_fen": self.quota_fen,
            "amount_fen": self.amount_fen,
        }


SHORTFALL: Final = "shortfall"


@dataclass(frozen=True, slots=True)
class Entitlement:
    """One place's entitlement for one term: half of what its steps add up to, unrounded."""

    steps: tuple[Step, ...]

    @property
    def year_fen(self) -> int:
        return sum(step.amount_fen for step in self.steps)

    @property
    def exact_fen(self) -> Fraction:
        return Fraction(self.year_fen, 2)


def needed_quotas(headcount: Headcount, floor: Floor | None) -> list[QuotaKey]:
    """Return the quotas without which the entitlement can't be computed, in the formula's order."""
    return list(dict.fromkeys(quota for _, _, _, quota in _terms_of_sum(headcount, floor)))


def entitlement(
    headcount: Headcount, quotas: Mapping[QuotaKey, int], *, floor: Floor | None
) -> Entitlement:
    """Return what one school or teaching point is entitled to for one term (R15).

    `quotas` are fen per pupil and year and must hold `needed_quotas`; `floor` is given only for a
    place marked small rural. It applies once, to the pupils of all stages together, and what is
    lacking is paid at the quota of its stage.
    """
    return Entitlement(
        tuple(
            Step(kind=kind, stage=stage, pupils=pupils, quota=quota, quota_fen=quotas[quota])
            for kind, stage, pupils, quota in _terms_of_sum(headcount, floor)
        )
    )


def _terms_of_sum(
    headcount: Headcount, floor: Floor | None
) -> list[tuple[str, str, int, QuotaKey]]:
    """Return (step, stage, pupils, quota) for each product of the formula that is not zero."""
    products: list[tuple[str, str, int, QuotaKey]] = [
        (QuotaKind.BASE, stage, pupils, (QuotaKind.BASE, stage))
        for stage, pupils in sorted(headcount.enrolled.items(), key=_stage_order)
    ]
    if floor is not None:
        lacking = max(0, floor.pupils - sum(headcount.enrolled.values()))
        stage = floor.short_stage
        products.append((SHORTFALL, stage, lacking, (QuotaKind.BASE, stage)))
    for kind, pupils in (
        (QuotaKind.BOARDING, headcount.boarding),
        (QuotaKind.HEATING, headcount.heating),
        (QuotaKind.SPECIAL, headcount.special),
    ):
        products.append((kind, "", pupils, (kind, "")))
    return [product for product in products if product[2]]


STAGE_ORDER: Final = {stage.value: position for position, stage in enumerate(Stage)}


def _stage_order(item: tuple[str, int]) -> tuple[int, str]:
    stage = item[0]
    return (STAGE_ORDER.get(stage, len(STAGE_ORDER)), stage)


def line_amount(entitlements: Sequence[Fraction], share: Decimal) -> tuple[Fraction, int]:
    """Return a line's exact amount and the same rounded to fen, once, half to even (R15, R17)."""
    exact = sum(entitlements, Fraction(0)) * Fraction(share)
    yuan = exact / FEN_PER_YUAN
    # Halves of a fen times four decimal places: the division is exact in 28 digits.
    return exact, round_to_fen(Decimal(yuan.numerator) / yuan.denominator)


def exact_text(amount_fen: Fraction) -> str:
    """Write an exact amount of fen as a plain decimal, such as `1234.5`; it always ends."""
    number = Decimal(amount_fen.numerator) / amount_fen.denominator
    return format(number.normalize(), "f")
