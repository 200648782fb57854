"""Quality retention: held back from a posted line, released to the vendor after its term (R63).

Decides what is due and what becomes of it. The term is frozen in the agreement's terms and counted
from the end of the month that was used; older terms without one have the present setting's. What
credit notes took off is not held any more. While a line of an agreement's month is disputed, all of
that month waits. A forfeited retention goes back to the payer and to the funding lines it came
from, as money to spend; lines that adjust such a month later follow it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert

from kernel.actors import Actor, Role
from kernel.clock import shanghai_day, show_month
from kernel.errors import (
    BudgetExhausted,
    NotFound,
    ReasonRequired,
    RetentionDisputed,
    RetentionSettled,
)
from kernel.identity.recording import among
from kernel.trail import record
from kernel.unit import Unit, Units
from settlement.dispute_models import CreditDraw, CreditNote, RetentionRelease
from settlement.dues import offsets
from settlement.impartiality import require_judge
from settlement.ledger.posting import AccountKey, AccountKind, Entry, TransferDraft, post
from settlement.models import Agreement, StatementDraw, StatementLine
from settlement.periods import shards_of
from settlement.queries.retention import RETAINED
from settlement.queries.statements import visible_payers

BY_TERM = "term"
"""Why a retention ends that nobody forfeited: its term is over."""

DUE = """, due AS (
SELECT * FROM retained
WHERE NOT settled AND NOT disputed AND (follows_forfeit OR due_on <= :today)
)
"""

PAYERS_DUE = text(
    RETAINED
    + DUE
    + """
SELECT DISTINCT payer_id FROM due
"""
)
LINES_DUE = text(
    RETAINED
    + DUE
    + """
SELECT * FROM due WHERE payer_id = ANY(:payers) ORDER BY key COLLATE "C"
"""
)
OF_THE_MONTH = text(
    RETAINED
    + """
SELECT * FROM retained WHERE agreement_id = :agreement AND of_month = :of_month
ORDER BY key COLLATE "C"
"""
)


@dataclass(frozen=True, slots=True)
class Ended:
    """How many lines' retention ended, and where it went, in fen."""

    lines: int = 0
    released_fen: int = 0
    forfeited_fen: int = 0

    def __add__(self, other: "Ended") -> "Ended":
        return Ended(
            self.lines + other.lines,
            self.released_fen + other.released_fen,
            self.forfeited_fen + other.forfeited_fen,
        )


def payers_with_retention_due(unit: Unit) -> list[UUID]:
    """Return the actor's payers of whose lines a retention is due by the clock, in id order."""
    rows = unit.session.execute(PAYERS_DUE, _moment(unit))
    due = {row.payer_id for row in rows}
    return sorted(due & set(unit.session.scalars(visible_payers(unit))))


def release_due(unit: Unit, *, payer_ids: Sequence[UUID]) -> Ended:
    """Release what is due of these payers' lines: retention → payable; return what ended.

    A line below zero, an adjustment, reduces what the vendor is paid. Safe to repeat, and for two
    at once: each line ends once.
    """
    unit.actor.require("retention.release", Role.OPERATOR, Role.BUREAU_FINANCE)
    due = unit.session.execute(LINES_DUE, {"payers": list(payer_ids), **_moment(unit)}).all()
    released = _end(unit, [line for line in due if not line.follows_forfeit], because=BY_TERM)
    for line in due:
        if line.follows_forfeit:
            released += _follow_forfeit(unit, line)
    return released


def release_all_due(units: Units, actor: Actor) -> Ended:
    """Release what is due of all payers that the actor sees, each shard its own transaction."""
    actor.require("retention.release", Role.OPERATOR, Role.BUREAU_FINANCE)
    with units(actor) as unit:
        payers = payers_with_retention_due(unit)
    ended = Ended()
    for shard in shards_of(payers):
        with units(actor) as unit:
            ended += release_due(unit, payer_ids=shard)
    return ended


def _follow_forfeit(unit: Unit, line: Any) -> Ended:
    """Forfeit what adjusts a forfeited month, if its funding lines still have what it takes."""
    try:
        with unit.session.begin_nested():
            return _end(unit, [line], because=BY_TERM, forfeited=True)
    except BudgetExhausted:
        # What went back was spent since: the line waits until there is money on it again.
        return Ended()


def forfeit_retention(unit: Unit, line_id: UUID, *, because: str) -> Ended:
    """Forfeit what is held of the line's agreement and month, adjustments included.

    By a finance person as for disputes (`impartiality`), who says why. Money book: the retention
    goes back to the payer's clearing; budget book: accrued → available on the lines that were
    drawn, the last one first. Raises `NotFound`, `ReasonRequired`, `RetentionDisputed`, or
    `RetentionSettled` if nothing is held any more.
    """
    unit.actor.require("retention.forfeit", Role.BUREAU_FINANCE)
    if not because.strip():
        raise ReasonRequired()
    line = unit.session.get(StatementLine, line_id)
    if line is None:
        raise NotFound(what="statement line", key=line_id)
    within_payer = require_judge(
        unit,
        "retention.forfeit",
        payer_id=line.payer_id,
        vendor_id=line.vendor_id,
        agreement_id=line.agreement_id,
    )
    held = unit.session.execute(
        OF_THE_MONTH,
        {"agreement": line.agreement_id, "of_month": line.of_month, **_moment(unit)},
    ).all()
    if any(one.disputed for one in held):
        raise RetentionDisputed(agreement=held[0].agreement, period=show_month(line.of_month))
    ended = _end(
        unit, [one for one in held if not one.settled], because=because.strip(), forfeited=True
    )
    if not ended.lines:
        number = unit.session.scalars(
            select(Agreement.number).where(Agreement.id == line.agreement_id)
        ).one()
        raise RetentionSettled(agreement=number, period=show_month(line.of_month))
    record(
        unit,
        "retention.forfeited",
        subject_kind="statement_line",
        subject_id=line_id,
        agreement=held[0].agreement,
        of_month=show_month(line.of_month),
        forfeited_fen=ended.forfeited_fen,
        because=because.strip(),
        within_payer=within_payer,
    )
    return ended


def find_retained_line(unit: Unit, agreement_number: str, of_month: date) -> UUID:
    """Return the first posted line of an agreement's month that held something back."""
    found = unit.session.scalars(
        select(StatementLine.id)
        .join(Agreement, Agreement.id == StatementLine.agreement_id)
        .where(
            Agreement.number == agreement_number,
            StatementLine.of_month == of_month,
            StatementLine.state == "posted",
            StatementLine.retention_fen != 0,
        )
        .order_by(StatementLine.month, StatementLine.kind.desc())
        .limit(1)
    ).first()
    if found is None:
        raise NotFound(what="retention", key=f"{agreement_number} {show_month(of_month)}")
    return found


def give_back(draws: Mapping[UUID, int], amount_fen: int) -> dict[UUID, int]:
    """Return how much of `amount_fen` goes back to each drawn line; the parts add up to it.

    The last line drawn first, none more than it gave. Of a negative amount the lines that were
    given back to pay; a fen that finds no line of its sign, by rounding, falls to the last one.
    """
    left, parts = amount_fen, dict.fromkeys(draws, 0)
    for line_id, drawn in reversed(list(draws.items())):
        if drawn * left > 0:
            parts[line_id] = max(left, drawn) if left < 0 else min(left, drawn)
            left -= parts[line_id]
    if left:
        parts[next(reversed(parts))] += left
    return parts


def _moment(unit: Unit) -> dict[str, Any]:
    return {
        "today": shanghai_day(unit.clock.now()),
        "months": unit.settings.retention_months,
    }


def _end(unit: Unit, lines: Sequence[Any], *, because: str, forfeited: bool = False) -> Ended:
    """Record and post the end of these lines' retention, once each; return what ended now."""
    if not lines:
        return Ended()
    mine = set(
        unit.session.scalars(
            insert(RetentionRelease)
            .values(
                [
                    {
                        "line_id": line.id,
                        "payer_id": line.payer_id,
                        "released_at": unit.clock.now(),
                        "released_fen": 0 if forfeited else line.retained_fen,
                        "forfeited_fen": line.retained_fen if forfeited else 0,
                        "because": because,
                    }
                    for line in lines
                ]
            )
            .on_conflict_do_nothing()
            .returning(RetentionRelease.line_id)
        )
    )
    lines = [line for line in lines if line.id in mine]
    draws = _draws(unit, [line.id for line in lines]) if forfeited else {}
    post(
        unit,
        [
            *(
                _forfeit(line, draws.get(line.id, {})) if forfeited else _release(line)
                for line in lines
            ),
            *offsets(unit, {line.payer_id: f"retention:{line.key}" for line in lines}),
        ],
    )
    total = sum(line.retained_fen for line in lines)
    if lines and because == BY_TERM:
        record(
            unit,
            "retention.released",
            subject_kind="retention",
            subject_id=shanghai_day(unit.clock.now()).isoformat(),
            lines=len(lines),
            released_fen=0 if forfeited else total,
            forfeited_fen=total if forfeited else 0,
        )
    return Ended(len(lines), 0 if forfeited else total, total if forfeited else 0)


def _release(line: Any) -> TransferDraft:
    return TransferDraft(
        key=f"release:{line.key}",
        memo=f"release of retention, statement {line.statement}, agreement {line.agreement}",
        entries=[
            _moved(
                AccountKey(line.vendor_id, AccountKind.RETENTION),
                AccountKey(line.vendor_id, AccountKind.PAYABLE),
                line.retained_fen,
            )
        ],
    )


def _forfeit(line: Any, draws: Mapping[UUID, int]) -> TransferDraft:
    returned = give_back(draws, line.retained_fen)
    return TransferDraft(
        key=f"forfeit:{line.key}",
        memo=f"forfeit of retention, statement {line.statement}, agreement {line.agreement}",
        entries=[
            *(
                _moved(
                    AccountKey(line_id, AccountKind.AVAILABLE),
                    AccountKey(line_id, AccountKind.ACCRUED),
                    fen,
                )
                for line_id, fen in returned.items()
            ),
            _moved(
                AccountKey(line.vendor_id, AccountKind.RETENTION),
                AccountKey(line.payer_id, AccountKind.CLEARING),
                line.retained_fen,
            ),
        ],
    )


def _moved(debit: AccountKey, credit: AccountKey, amount_fen: int) -> Entry:
    """Return the entry of an amount; one below zero goes the other way."""
    if amount_fen < 0:
        return Entry(debit=credit, credit=debit, amount_fen=-amount_fen)
    return Entry(debit=debit, credit=credit, amount_fen=amount_fen)


def _draws(unit: Unit, line_ids: Sequence[UUID]) -> dict[UUID, dict[UUID, int]]:
    """Return what each line drew from which funding line, in order, less what credit notes gave."""
    found: dict[UUID, dict[UUID, int]] = {}
    for line_id, funding_line_id, fen in unit.session.execute(
        select(StatementDraw.line_id, StatementDraw.funding_line_id, StatementDraw.amount_fen)
        .where(among(StatementDraw.line_id, line_ids))
        .order_by(StatementDraw.line_id, StatementDraw.position)
    ):
        found.setdefault(line_id, {})[funding_line_id] = fen
    for line_id, funding_line_id, fen in unit.session.execute(
        select(CreditNote.line_id, CreditDraw.funding_line_id, CreditDraw.amount_fen)
        .join(CreditDraw, CreditDraw.credit_note_id == CreditNote.id)
        .where(among(CreditNote.line_id, line_ids))
    ):
        found[line_id][funding_line_id] -= fen
    return found
