"""Which lines an agreement's ceiling is committed on, and how much on each (R23, R34).

Pure. The lines come in the order in which they pay; each gives what it has, until the ceiling is
covered.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from catalog.vocabularies import same_subject
from settlement.agreements import Draw


@dataclass(frozen=True, kw_only=True, slots=True)
class Purpose:
    """What a line's restriction is held against: who uses what; all schools, if it is for many."""

    school_codes: frozenset[str]
    subject: str
    tier: str
    stage: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Draws in order; `short_fen` is what they lack of the ceiling."""

    draws: tuple[Draw, ...]
    short_fen: int


SCHOOLS: Final = "schools"
SUBJECTS: Final = "subjects"
RESTRICTED_BY: Final = {
    "tiers": "tier",
    "stages": "stage",
}


def may_pay(restriction: Mapping[str, Any], purpose: Purpose) -> bool:
    """Say whether a line may pay for this; a general line may always.

    Each key names what is admitted, such as {"subjects": ["math"]}; all must agree, and of schools
    each one. A subject is the same by whatever name the line has it. A restriction that is not
    understood admits nothing, so that earmarked money is never spent on a guess.
    """
    return all(_admits(key, _listed(admitted), purpose) for key, admitted in restriction.items())


def _admits(key: str, admitted: Collection[object], purpose: Purpose) -> bool:
    if key == SCHOOLS:
        return bool(purpose.school_codes) and purpose.school_codes <= set(admitted)
    if key == SUBJECTS:
        return any(same_subject(purpose.subject, one) for one in admitted)
    return key in RESTRICTED_BY and getattr(purpose, RESTRICTED_BY[key]) in admitted


def _listed(admitted: object) -> Collection[object]:
    return admitted if isinstance(admitted, list | tuple) else ()


def plan_draws(ceiling_fen: int, available: Iterable[tuple[UUID, int]]) -> Plan:
    """Share a ceiling over lines, given as (id, available fen) in the order they pay."""
    draws: list[Draw] = []
    open_fen = ceiling_fen
    for line_id, available_fen in available:
        part = min(open_fen, max(0, available_fen))
        if part:
            draws.append(Draw(line_id, part))
            open_fen -= part
    return Plan(tuple(draws), open_fen)
