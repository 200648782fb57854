"""What a line could know when it was drafted: the ceiling, the funds, and what was freed of them.

What is now is stored, and so is each change with its moment: what was then is what is now less the
changes that came after it. Of a change that was made while the month was being closed either is
right.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any, Protocol, TypeVar

from kernel.clock import shanghai_day
from settlement.rating import Fund
from settlement.verify.commitments import FundKey, fund_key
from settlement.verify.kept import History, KeptLine
from settlement.verify.moves import Carried, Moved

OpenUntil = Callable[[int], date]
"""The last day on which a fiscal year's books are open."""
Change = TypeVar("Change", Moved, Carried)


class Drafted(Protocol):
    """A line, or a statement that lacks one: what it could know is told by these moments."""

    @property
    def sealed_at(self) -> datetime | None: ...
    @property
    def stated_at(self) -> datetime: ...


def knowable(moved: Sequence[Change], line: Drafted) -> list[Sequence[Change]]:
    """Return what may have been known of changes when a line was drafted, the fullest first.

    All of before its statement may have been seen, those from before the seal must have been.
    """
    seen = sum(line.sealed_at is not None and one.at < line.sealed_at for one in moved)
    there = sum(one.at <= line.stated_at for one in moved)
    return [moved[:number] for number in range(there, seen - 1, -1)]


def ceilings_then(history: History, line: KeptLine, *, year: int | None) -> list[int]:
    """Return what the ceiling may have been when a line was drafted; `year`: that year's."""
    now = history.ceiling_fen if year is None else history.years.get(year, 0)
    changes = [
        one
        for one in history.changes
        if isinstance(one.subject, int) and year in (None, one.subject)
    ]
    return _then(now, changes, line)


def committed_then(history: History, line: Drafted, fund: Fund) -> list[int]:
    """Return what may have been committed on a fund when a line was drafted."""
    changes = [one for one in history.changes if one.subject == fund.line_id]
    return _then(fund.ceiling_fen, changes, line)


def _then(now_fen: int, changes: Sequence[Moved], line: Drafted) -> list[int]:
    whole = sum(one.amount_fen for one in changes)
    return [
        now_fen - whole + sum(one.amount_fen for one in known) for known in knowable(changes, line)
    ]


def lapses_then(history: History, line: Drafted, fund: Fund) -> list[date]:
    """Return from which day on a fund may have lapsed when a line was drafted (R19)."""
    own = date(fund.fiscal_year + 1, 1, 1)
    return [
        known[-1].lapses_on if known else own
        for known in knowable(history.carried.get(fund.line_id, ()), line)
    ]


def closed_then(line: Drafted, open_until: OpenUntil, *, year: int) -> list[bool]:
    """Return whether the books of a year may have been closed when a line was drafted (R37)."""
    last_day = open_until(year)
    if shanghai_day(line.stated_at) <= last_day:
        return [False]
    if line.sealed_at is not None and shanghai_day(line.sealed_at) > last_day:
        return [True]
    return [True, False]


def funds_then(history: History, line: KeptLine) -> list[Fund]:
    """Return the funds as the line found them: those it tells of, then those it should have.

    What it says was left on each is taken over, from which day on it lapses only if that may be.
    One on which nothing was ever committed can't be drawn from; it is left out.
    """
    if "funds" not in line.explanation:
        return list(history.funds)
    known = {key_of(fund): fund for fund in history.funds}
    found = []
    for one in line.explanation["funds"]:
        fund = known.get(told_key(one))
        if fund is None:
            continue
        lapses, told = lapses_then(history, line, fund), date.fromisoformat(one["lapses_on"])
        found.append(
            replace(
                fund,
                left_fen=int(one["left_before_fen"]),
                lapses_on=told if told in lapses else lapses[0],
                ceiling_fen=int(one["ceiling_fen"]),
            )
        )
    return found + [
        replace(fund, lapses_on=lapses_then(history, line, fund)[0], ceiling_fen=then[0])
        for fund, then in untold(history, line)
    ]


def untold(history: History, line: KeptLine) -> list[tuple[Fund, list[int]]]:
    """Return the funds that a line found and does not tell of, with what was committed on each."""
    told = {told_key(one) for one in line.explanation["funds"]}
    missing = [
        (fund, committed_then(history, line, fund))
        for fund in history.funds
        if key_of(fund) not in told
    ]
    return [(fund, then) for fund, then in missing if min(then) > 0]


def key_of(fund: Fund) -> FundKey:
    return fund_key(fund.fiscal_year, fund.source, fund.restriction)


def told_key(told: Mapping[str, Any]) -> FundKey:
    return fund_key(int(told["fiscal_year"]), told["source"], told.get("restriction", {}))
