"""Purses: what payers' funding lines have left to commit, and which of them would pay for what.

Decides how a ceiling is spread over its fiscal years and their lines (R19, R23, R34), for what is
about to be committed (locked) and for what a page shows before it is requested (read only). Of a
later year whose general line is not issued yet, the part waits.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from uuid import UUID

from sqlalchemy import select

from catalog.models import Version
from kernel.identity.models import Organisation
from kernel.identity.recording import among
from kernel.unit import Unit
from procurement.funding.plan import Purpose, may_pay, plan_draws
from settlement.agreements import Draw
from settlement.funding_lines import draw_order, line_balances
from settlement.models import FundingLine


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A fiscal year's part of a ceiling, in fen, and its first and last day of use."""

    fiscal_year: int
    ceiling_fen: int
    first: date
    last: date
    is_later: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class PartPlan:
    """Which lines would pay for a part: draws in order, and what they lack of it.

    `waits`: the year's general line is not issued yet, so that what lacks is no refusal. `lines`:
    all that may pay.
    """

    part: Part
    draws: Sequence[Draw]
    short_fen: int
    waits: bool
    lines: Sequence[FundingLine]


@dataclass(slots=True)
class Purse:
    """The lines of some payers in draw order, and what each has left as one after another takes."""

    lines: dict[UUID, list[FundingLine]]
    available: dict[UUID, int] = field(default_factory=dict)

    def plan(self, payer_id: UUID, part: Part, *, purpose: Purpose) -> PartPlan:
        """Return which lines would pay for a part now; nothing is taken."""
        lines = [
            line
            for line in self.lines.get(payer_id, [])
            if line.fiscal_year <= part.fiscal_year
            and line.lapses_on > part.last
            and may_pay(line.restriction, purpose)
        ]
        plan = plan_draws(part.ceiling_fen, [(line.id, self.available[line.id]) for line in lines])
        general = any(
            line.fiscal_year == part.fiscal_year and not line.restriction for line in lines
        )
        return PartPlan(
            part=part,
            draws=plan.draws,
            short_fen=plan.short_fen,
            waits=bool(plan.short_fen) and part.is_later and not general,
            lines=lines,
        )

    def plan_together(
        self, payer_id: UUID, parts: Sequence[Part], *, purpose: Purpose
    ) -> list[PartPlan]:
        """Return which lines would pay for the parts of one ceiling; nothing is taken.

        What one part would take is gone for the next: a line that was carried over may pay for
        both years, but each of its fen once.
        """
        trial = replace(self, available=dict(self.available))
        plans = []
        for part in parts:
            plan = trial.plan(payer_id, part, purpose=purpose)
            trial.take(plan.draws)
            plans.append(plan)
        return plans

    def take(self, draws: Sequence[Draw]) -> None:
        """Take what is committed off what the lines have left."""
        for draw in draws:
            self.available[draw.line_id] -= draw.ceiling_fen


def parts_of(*, starts_on: date, ends_on: date, ceiling_fen: int, later_fen: int) -> list[Part]:
    """Return the parts of a ceiling by fiscal year: one, or two across 1 January (R19)."""
    year = starts_on.year
    if ends_on.year == year:
        return [Part(fiscal_year=year, ceiling_fen=ceiling_fen, first=starts_on, last=ends_on)]
    return [
        Part(
            fiscal_year=year,
            ceiling_fen=ceiling_fen - later_fen,
            first=starts_on,
            last=date(year, 12, 31),
        ),
        Part(
            fiscal_year=ends_on.year,
            ceiling_fen=later_fen,
            first=date(ends_on.year, 1, 1),
            last=ends_on,
            is_later=True,
        ),
    ]


def purpose_of(
    payer: Organisation, version: Version, *, users: frozenset[str] = frozenset()
) -> Purpose:
    """Return what a line's restriction is held against; `users`: for whom a bureau buys."""
    return Purpose(
        school_codes=users or frozenset({payer.code}),
        subject=version.subject,
        tier=version.tier,
        stage=version.stage,
    )


def open_purse(unit: Unit, payer_ids: Collection[UUID]) -> Purse:
    """Return the payers' purse as it is, for a look."""
    return _purse(unit, payer_ids, locked=False)


def lock_purse(unit: Unit, payer_ids: Collection[UUID]) -> Purse:
    """Return the payers' purse with all their lines locked, so that no fen is promised twice.

    In id order: line by line, two approvals could wait for each other.
    """
    return _purse(unit, payer_ids, locked=True)


def _purse(unit: Unit, payer_ids: Collection[UUID], *, locked: bool) -> Purse:
    wanted = (
        select(FundingLine)
        .where(among(FundingLine.payer_id, payer_ids))
        .order_by(FundingLine.id)
        .execution_options(populate_existing=True)
    )
    found = unit.session.scalars(wanted.with_for_update() if locked else wanted).all()
    balances = line_balances(unit, [line.id for line in found])
    lines: dict[UUID, list[FundingLine]] = {}
    for line in sorted(found, key=draw_order):
        lines.setdefault(line.payer_id, []).append(line)
    available = {line_id: balance.available_fen for line_id, balance in balances.items()}
    return Purse(lines, available)
