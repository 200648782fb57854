"""What a line could know when it was drafted: the ceiling, the funds, and what was freed of them.

What is now is stored, and so is each change with its moment: what was then is what is now less the
changes that came after it. Of a change that was made while the month was being closed either is
right.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from settlement.rating import Fund
from settlement.verify.timeline import FundKey, History, KeptLine, Moved, fund_key


def knowable(moved: Sequence[Moved], line: KeptLine) -> list[Sequence[Moved]]:
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


def committed_then(history: History, line: KeptLine, fund: Fund) -> list[int]:
    """Return what may have been committed on a fund when a line was drafted."""
    changes = [one for one in history.changes if one.subject == fund.line_id]
    return _then(fund.ceiling_fen, changes, line)


def _then(now_fen: int, changes: Sequence[Moved], line: KeptLine) -> list[int]:
    whole = sum(one.amount_fen for one in changes)
    return [
        now_fen - whole + sum(one.amount_fen for one in known) for known in knowable(changes, line)
    ]


def funds_then(history: History, line: KeptLine) -> list[Fund]:
    """Return the funds that the line found, with what it says was left on each.

    One on which nothing was ever committed can't be drawn from; it is left out.
    """
    if "funds" not in line.explanation:
        return list(history.funds)
    known = {key_of(fund): fund for fund in history.funds}
    return [
        replace(
            known[told_key(one)],
            left_fen=int(one["left_before_fen"]),
            lapses_on=date.fromisoformat(one["lapses_on"]),
            ceiling_fen=int(one["ceiling_fen"]),
        )
        for one in line.explanation["funds"]
        if told_key(one) in known
    ]


def key_of(fund: Fund) -> FundKey:
    return fund_key(fund.fiscal_year, fund.source, fund.restriction)


def told_key(told: Mapping[str, Any]) -> FundKey:
    return fund_key(int(told["fiscal_year"]), told["source"], told.get("restriction", {}))
