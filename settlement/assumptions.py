"""Assumptions: what a draft takes instead of what is agreed and known, for a simulation.

Decides how an assumed plan, ceiling or headcount takes the place of the real one. Nothing is
stored; what is assumed for whom is decided by `simulation`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from settlement.metering.exclusions import Exclusions, Limit
from settlement.metering.metrics import Metered, metered
from settlement.rating import Room
from settlement.remaining import AgreementState


@dataclass(frozen=True, kw_only=True, slots=True)
class Assumed:
    """One agreement as it might have been: its whole terms, and its ceiling in fen."""

    resource_ids: tuple[UUID, ...]
    terms: Mapping[str, Any]
    ceiling_fen: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Assumptions:
    """By agreement; pupils by school. `available_fen`: what funding lines have left to commit."""

    agreements: Mapping[UUID, Assumed] = field(default_factory=dict)
    pupils: Mapping[UUID, int] = field(default_factory=dict)
    available_fen: Mapping[UUID, int] = field(default_factory=dict)

    def metered(self, known: Mapping[UUID, Metered]) -> dict[UUID, Metered]:
        """Return how agreements are metered that would not pay simply by the use."""
        would = {key: one for key, one in known.items() if key not in self.agreements}
        for agreement_id, assumed in self.agreements.items():
            one = metered(assumed.terms, assumed.resource_ids)
            if one is not None:
                would[agreement_id] = one
        return would

    def exclusions(self, known: Exclusions, *, payer_ids: Sequence[UUID]) -> Exclusions:
        """Return what the rules on billable use would rest on for these payers (R30)."""
        limits = dict(known.limits)
        for school_id, pupils in self.pupils.items():
            for payer_id in payer_ids:
                before = limits.get((payer_id, school_id))
                learners = before.learners if before is not None else pupils + 1
                limits[payer_id, school_id] = Limit(pupils, max(learners, pupils + 1))
        return replace(known, limits=limits)

    def ceilings(
        self, states: Mapping[UUID, AgreementState], *, fiscal_year: int
    ) -> dict[UUID, AgreementState]:
        """Return the agreements with their assumed ceilings of a year, and rooms to match.

        A higher ceiling commits more as far as the lines have it, in draw order; a lower one frees
        the last lines first.
        """
        available = dict(self.available_fen)
        return {
            agreement_id: self._with_ceiling(
                agreement_id, state, fiscal_year=fiscal_year, available=available
            )
            for agreement_id, state in sorted(states.items(), key=lambda item: item[1].number)
        }

    def terms(self, states: Mapping[UUID, AgreementState]) -> dict[UUID, AgreementState]:
        """Return the agreements with their assumed terms, on the same rooms."""
        return {
            agreement_id: replace(state, terms=dict(self.agreements[agreement_id].terms))
            if agreement_id in self.agreements
            else state
            for agreement_id, state in states.items()
        }

    def _with_ceiling(
        self,
        agreement_id: UUID,
        state: AgreementState,
        *,
        fiscal_year: int,
        available: dict[UUID, int],
    ) -> AgreementState:
        assumed = self.agreements.get(agreement_id)
        if assumed is None or assumed.ceiling_fen == state.ceiling_in(fiscal_year):
            return state
        by_fen = assumed.ceiling_fen - state.ceiling_in(fiscal_year)
        _widen(state.room, by_fen, fiscal_year=fiscal_year, available=available)
        years = {**state.years, fiscal_year: assumed.ceiling_fen} if state.years else {}
        return replace(state, ceiling_fen=state.ceiling_fen + by_fen, years=years)


def _widen(room: Room, by_fen: int, *, fiscal_year: int, available: dict[UUID, int]) -> None:
    """Change what is left of a year by `by_fen`, which may be negative."""
    room.ceiling_left_fen += by_fen
    if room.years:
        room.years[fiscal_year] = room.left_in(fiscal_year) + by_fen
    more = by_fen
    for fund in room.funds:
        if more <= 0:
            break
        taken = min(more, available.get(fund.line_id, 0))
        fund.left_fen += taken
        available[fund.line_id] = available.get(fund.line_id, 0) - taken
        more -= taken
    less = -by_fen
    for fund in reversed(room.funds):
        if less <= 0:
            break
        freed = min(less, max(fund.left_fen, 0))
        fund.left_fen -= freed
        less -= freed
