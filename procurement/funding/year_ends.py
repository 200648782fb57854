"""The year's end of funding lines: each lapses or is carried over, by its region's rule (R19).

Decides by rule; `settlement.line_ends` moves the money. Runs after the books of the year are
closed, as often as one likes: what ended has nothing left, and what came back to it since, such as
a credit, ends like the rest. A line whose payer has a month to settle first waits for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from kernel.actors import Role
from kernel.errors import BooksStillOpen, MarketError, NoRule
from kernel.unit import Unit
from procurement.funding.year_end_rules import (
    Commitments,
    YearEndRuleRow,
    year_end_rules_in_force,
)
from settlement.line_ends import (
    CarriedLine,
    End,
    EndingLine,
    carried_lines,
    end_lines,
    ending_lines,
)
from settlement.year_ends import last_closed_year, last_open_day

MAY_END: tuple[Role, ...] = (Role.BUREAU_FINANCE, Role.OPERATOR)


@dataclass(frozen=True, kw_only=True, slots=True)
class YearEndLine:
    """A line with how it ends, or with what stands against it: a month to settle, or no rule."""

    line: EndingLine
    end: End | None = None
    waits_for: date | None = None
    error: MarketError | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class YearEndPlan:
    """All lines that end with a year, by payer; amounts in fen.

    `carried_on`: lines of the year that were carried over and end with a later one.
    """

    fiscal_year: int
    lines: Sequence[YearEndLine] = field(default_factory=tuple)
    carried_on: Sequence[CarriedLine] = field(default_factory=tuple)

    @property
    def ends(self) -> list[End]:
        return [one.end for one in self.lines if one.end is not None]

    @property
    def lapsed(self) -> int:
        return sum(end.carried_until is None for end in self.ends)

    @property
    def carried(self) -> int:
        return sum(end.carried_until is not None for end in self.ends)

    @property
    def waiting(self) -> int:
        return sum(one.end is None for one in self.lines)

    def total_fen(self, name: str) -> int:
        """Return the sum of `lapsed_fen`, `freed_fen` or `carried_fen`."""
        return sum(getattr(end, name) for end in self.ends)


def plan_year_end(unit: Unit, *, fiscal_year: int, for_update: bool = False) -> YearEndPlan:
    """Return what closing the year would do to the actor's lines; writes nothing.

    Raises `BooksStillOpen` with the day until when December may still be settled.
    """
    unit.actor.require("preview the year's end", *MAY_END, Role.AUDITOR)
    if fiscal_year > last_closed_year(unit):
        day = last_open_day(unit.settings, fiscal_year)
        raise BooksStillOpen(year=fiscal_year, day=day)
    lines = ending_lines(unit, closed_year=fiscal_year, for_update=for_update)
    regions = {line.region_code for line in lines}
    # Lines of an earlier year may wait still; each goes by the rule of its own year's last day.
    rules = {
        year: year_end_rules_in_force(
            unit, regions, day=date(year, 12, 31), known_at=unit.clock.now()
        )
        for year in {line.fiscal_year for line in lines}
    }
    planned = [_plan(line, rules[line.fiscal_year]) for line in lines]
    return YearEndPlan(
        fiscal_year=fiscal_year,
        lines=[one for one in planned if not _is_idle(one)],
        carried_on=carried_lines(unit, fiscal_year),
    )


def close_year(unit: Unit, *, fiscal_year: int) -> YearEndPlan:
    """End the actor's lines of a year whose books are closed; return what was done.

    Safe to repeat, and for two at once: the lines are locked first, and one that ended has nothing
    left to lapse. What waits is done by a later run.
    """
    unit.actor.require("close the year's lines", *MAY_END)
    plan = plan_year_end(unit, fiscal_year=fiscal_year, for_update=True)
    end_lines(unit, plan.ends)
    return plan


def _plan(line: EndingLine, rules: dict[tuple[str, str], YearEndRuleRow]) -> YearEndLine:
    if line.waits_for is not None:
        return YearEndLine(line=line, waits_for=line.waits_for)
    rule = rules.get((line.region_code, line.source))
    if rule is None:
        missing = NoRule(
            rule=f"{line.source} year-end",
            region=line.region_code,
            day=date(line.fiscal_year, 12, 31),
        )
        return YearEndLine(line=line, error=missing)
    until = rule.last_day(line.fiscal_year)
    if line.ends:
        until = None  # carried over once, or lapsed; what is left or came back since goes
    if until is None:
        return YearEndLine(line=line, end=End(line=line, because=rule.origin))
    return YearEndLine(
        line=line,
        end=End(
            line=line,
            because=rule.origin,
            carried_until=until,
            frees=rule.commitments == Commitments.RELEASED,
        ),
    )


def _is_idle(planned: YearEndLine) -> bool:
    """Whether nothing of the line could end now: all it holds is stated and waits to be posted."""
    end = planned.end
    return end is not None and not (end.lapsed_fen or end.carried_fen)
