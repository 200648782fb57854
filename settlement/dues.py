"""Dues: what each payee may get of each payer and funding line, out of the money book (R38, R41).

Decides how what a month of an agreement drew is spread over its lines and its payees: a line pays
the vendor first, then the author's school, the fee, and last the retention, which goes back to the
line that was drawn last. Held retention is nobody's due. All is reckoned over the whole month of an
agreement, notes and later adjustments included, so that corrections reverse at the original rates.
What of it is paid already, and who asks for it, is `payments`' question.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text

from kernel.arrays import UuidArray
from kernel.unit import Unit
from settlement.ledger.posting import (
    INSTALLATION,
    AccountKey,
    AccountKind,
    Move,
    TransferDraft,
)

NOBODY = UUID(int=2**128 - 1)
"""Stands for what nobody may get yet: held retention."""


class NotShared(ValueError):
    """What an agreement's month drew is not what was shared of it: its rows were tampered with."""


class Due(NamedTuple):
    """For whom, by whom, out of which funding line."""

    payer_id: UUID
    payee_id: UUID
    line_id: UUID


class Cell(NamedTuple):
    """One due's part of an agreement's month of use."""

    due: Due
    agreement_id: UUID
    of_month: date


@dataclass(frozen=True, slots=True)
class Paid:
    """What of a due was settled in cash, and what is claimed by payments under way, in fen.

    `late_fen`: what of both its payer paid late, tax withheld of it included; it waits for a person
    and is set off meanwhile.
    """

    settled_fen: int = 0
    claimed_fen: int = 0
    late_fen: int = 0


# Per agreement and month of use: what it drew of each line, net of notes and forfeits; and how it
# is shared. `:extra` are lines about to be posted.
DRAWN = text(
    """
WITH lines AS (
    SELECT s.id, s.agreement_id, s.of_month, s.payer_id, s.month, s.kind
    FROM statement_line s
    WHERE s.payer_id = ANY(:payers) AND (s.state = 'posted' OR s.id = ANY(:extra))
        AND s.month <= :until
), moved AS (
    SELECT l.payer_id, l.agreement_id, l.of_month, d.funding_line_id, d.amount_fen AS fen,
        l.month, l.kind, d.position
    FROM lines l JOIN statement_draw d ON d.line_id = l.id
    UNION ALL
    SELECT l.payer_id, l.agreement_id, l.of_month, d.funding_line_id, -d.amount_fen,
        l.month, l.kind, 1000
    FROM lines l JOIN credit_note c ON c.line_id = l.id
    JOIN credit_draw d ON d.credit_note_id = c.id
    UNION ALL
    SELECT l.payer_id, l.agreement_id, l.of_month, a.owner_id,
        CASE g.side WHEN 'C' THEN -g.amount_fen ELSE g.amount_fen END, l.month, l.kind, 1000
    FROM lines l JOIN retention_release r ON r.line_id = l.id AND r.forfeited_fen <> 0
    JOIN statement t ON t.payer_id = l.payer_id AND t.month = l.month
    JOIN agreement w ON w.id = l.agreement_id
    JOIN transfer f ON f.key = 'forfeit:post:' || t.number || ':' || w.number || ':' || l.kind
        || ':' || to_char(l.of_month, 'YYYY-MM')
    JOIN leg g ON g.transfer_id = f.id JOIN account a ON a.id = g.account_id
        AND a.kind = 'accrued'
)
SELECT payer_id, agreement_id, of_month, funding_line_id, sum(fen) AS fen
FROM moved GROUP BY payer_id, agreement_id, of_month, funding_line_id
ORDER BY agreement_id, of_month, min(month), max(kind), min(position), funding_line_id
"""
)

SHARED = text(
    """
SELECT s.payer_id, s.agreement_id, s.of_month, s.vendor_id,
    (a.terms ->> 'author_school_id')::uuid AS author_id,
    sum(s.vendor_fen - COALESCE(c.vendor_fen, 0)) AS vendor_fen,
    sum(s.school_fen - COALESCE(c.school_fen, 0)) AS school_fen,
    sum(s.fee_fen - COALESCE(c.fee_fen, 0)) AS fee_fen,
    COALESCE(sum(r.released_fen), 0) AS released_fen,
    sum(CASE WHEN r.line_id IS NULL THEN s.retention_fen - COALESCE(c.retention_fen, 0) ELSE 0 END)
        AS held_fen
FROM statement_line s JOIN agreement a ON a.id = s.agreement_id
LEFT JOIN credit_note c ON c.line_id = s.id
LEFT JOIN retention_release r ON r.line_id = s.id
WHERE s.payer_id = ANY(:payers) AND (s.state = 'posted' OR s.id = ANY(:extra))
    AND s.month <= :until
GROUP BY s.payer_id, s.agreement_id, s.of_month, s.vendor_id, a.terms ->> 'author_school_id'
"""
)

# A due is settled once its payer's money is gone: with a treasury's order itself, or with the
# collection that a transfer, a fee or a withheld tax hangs on; a refund gives back what reversals,
# returned fees and taxes, and transfers that were undone gave up. Of an order that was cut nothing
# more is claimed than was paid. A reversal that failed stays claimed until it is given up: it may
# be tried again, and nobody else takes the same meanwhile.
PAID = text(
    """
WITH late AS MATERIALIZED (
    SELECT t.run_id, t.payer_id, t.payee_id FROM payment t
    WHERE t.payer_id = ANY(:payers) AND t.kind = 'transfer' AND t.state = 'failed'
        AND t.failure = 'paid-late' AND NOT EXISTS (SELECT FROM payment u
            WHERE u.undoes_id = t.id AND u.state NOT IN ('failed', 'withdrawn'))
)
SELECT p.payer_id, p.payee_id, i.line_id,
    sum(CASE WHEN c.id IS NULL THEN p.paid_fen
        WHEN c.state <> 'paid' THEN 0
        WHEN p.kind IN ('reversal', 'fee_return', 'withholding_return', 'undone')
        THEN -i.amount_fen
        ELSE i.amount_fen END) AS settled_fen,
    sum(CASE WHEN p.state = 'cut' THEN p.paid_fen
        WHEN p.kind IN ('reversal', 'fee_return', 'withholding_return', 'undone')
        THEN -i.amount_fen
        ELSE i.amount_fen END) AS claimed_fen,
    sum(CASE WHEN l.run_id IS NULL THEN 0 ELSE i.amount_fen END) AS late_fen
FROM payment p JOIN payment_item i ON i.payment_id = p.id
LEFT JOIN payment c ON c.run_id = p.run_id AND c.payer_id = p.payer_id
    AND c.kind IN ('collection', 'refund') AND c.state <> 'withdrawn'
LEFT JOIN late l ON l.run_id = p.run_id AND l.payer_id = p.payer_id AND l.payee_id = p.payee_id
WHERE p.payer_id = ANY(:payers) AND p.state <> 'withdrawn'
    AND (p.state NOT IN ('failed', 'returned') OR c.state = 'paid' OR p.kind = 'reversal')
GROUP BY p.payer_id, p.payee_id, i.line_id
"""
)

# Whose lines could say something else than what their payments do: credits came, and payments went.
CREDITED = text(
    """
SELECT DISTINCT s.payer_id FROM statement_line s
WHERE s.payer_id = ANY(:payers) AND s.amount_fen < 0
    AND EXISTS (SELECT FROM payment p WHERE p.payer_id = s.payer_id)
"""
)

LOCK_LINES = text(
    "SELECT id FROM funding_line WHERE payer_id = ANY(:payers) ORDER BY id FOR NO KEY UPDATE"
)
COUNTED = text(
    """
SELECT f.id AS line_id, f.payer_id, COALESCE(a.balance, 0) AS fen
FROM funding_line f LEFT JOIN account a ON a.owner_id = f.id AND a.kind = 'paid'
WHERE f.payer_id = ANY(:payers)
"""
)


def spread(draws: Sequence[int], parts: Sequence[int]) -> list[list[int]]:
    """Return how each draw pays the parts, in their order: rows add up to draws, columns to parts.

    Draws and parts have the same sum, or it raises `NotShared`. Where all are above zero, so is
    every cell.
    """
    if sum(draws) != sum(parts):
        raise NotShared(f"{sum(draws)} fen drawn, {sum(parts)} shared")
    left = list(parts)
    table = []
    for number, draw in enumerate(draws):
        if number == len(draws) - 1:
            table.append(left)
            break
        row, rest = [0] * len(left), draw
        for column, part in enumerate(left):
            taken = max(0, min(rest, part)) if rest > 0 else min(0, max(rest, part))
            row[column], rest = taken, rest - taken
        row[-1] += rest  # of signs that differ: the next row makes it good
        left = [part - taken for part, taken in zip(left, row, strict=True)]
        table.append(row)
    return table


def dues(
    unit: Unit,
    payer_ids: Sequence[UUID],
    *,
    until: date = date.max,
    extra: Iterable[UUID] = (),
) -> dict[Due, int]:
    """Return what was earned of each payer and line by each payee, paid or not, in fen.

    Of what is stated up to the month `until`. `NOBODY` holds what nobody may get yet. `extra`:
    lines that are being posted just now.
    """
    return of_dues(earned_cells(unit, payer_ids, until=until, extra=extra))


def of_dues(cells: Mapping[Cell, int]) -> dict[Due, int]:
    """Return what the cells of each due add up to, without those that are zero."""
    earned: dict[Due, int] = {}
    for cell, fen in cells.items():
        earned[cell.due] = earned.get(cell.due, 0) + fen
    return {due: fen for due, fen in earned.items() if fen}


def earned_cells(
    unit: Unit,
    payer_ids: Sequence[UUID],
    *,
    until: date = date.max,
    extra: Iterable[UUID] = (),
) -> dict[Cell, int]:
    """Return the dues by agreement and month of use, by two questions for any number of payers."""
    asked = {
        "payers": UuidArray.of(list(payer_ids)),
        "extra": UuidArray.of(list(extra)),
        "until": until,
    }
    drawn: dict[tuple[UUID, date], list[tuple[UUID, int]]] = {}
    for row in unit.session.execute(DRAWN, asked):
        drawn.setdefault((row.agreement_id, row.of_month), []).append(
            (row.funding_line_id, int(row.fen))
        )
    cells: dict[Cell, int] = {}
    for row in unit.session.execute(SHARED, asked):
        lines = drawn.get((row.agreement_id, row.of_month), [])
        parts = [
            (row.vendor_id, int(row.vendor_fen)),
            (row.author_id or row.vendor_id, int(row.school_fen)),
            (INSTALLATION, int(row.fee_fen)),
            (row.vendor_id, int(row.released_fen)),
            (NOBODY, int(row.held_fen)),
        ]
        table = spread([fen for _, fen in lines], [fen for _, fen in parts])
        for (line_id, _), shares in zip(lines, table, strict=True):
            for (payee_id, _), fen in zip(parts, shares, strict=True):
                if fen:
                    due = Due(row.payer_id, payee_id, line_id)
                    cell = Cell(due, row.agreement_id, row.of_month)
                    cells[cell] = cells.get(cell, 0) + fen
    return cells


def paid_of(unit: Unit, payer_ids: Sequence[UUID]) -> dict[Due, Paid]:
    """Return what was settled, and claimed by payments that have not failed, of these payers."""
    rows = unit.session.execute(PAID, {"payers": UuidArray.of(list(payer_ids))})
    return {
        Due(row.payer_id, row.payee_id, row.line_id): Paid(
            int(row.settled_fen or 0), int(row.claimed_fen or 0), int(row.late_fen or 0)
        )
        for row in rows
    }


def counted_as_paid(earned: Mapping[Due, int], paid: Mapping[Due, Paid]) -> dict[UUID, int]:
    """Return what each funding line has paid, in fen: what was settled and is still earned.

    What a credit took off after its payment is not spent any more: it is the payee's debt, set off
    against what the same payee earns of the same line later (R41).
    """
    lines: dict[UUID, int] = {}
    for due, one in paid.items():
        fen = max(0, min(one.settled_fen, earned.get(due, 0)))
        lines[due.line_id] = lines.get(due.line_id, 0) + fen
    return lines


def paid_moves(
    unit: Unit, payer_ids: Sequence[UUID], *, extra: Iterable[UUID] = ()
) -> dict[UUID, list[Move]]:
    """Return, by payer, what moves between accrued and paid so that each line says what it paid.

    The payers' lines are locked first, in id order: two who reckon at once would move it twice.
    """
    unit.session.execute(LOCK_LINES, {"payers": UuidArray.of(list(payer_ids))})
    paid = paid_of(unit, payer_ids)
    if not paid:
        return {}
    lines = counted_as_paid(dues(unit, payer_ids, extra=extra), paid)
    moves: dict[UUID, list[Move]] = {}
    for row in unit.session.execute(COUNTED, {"payers": UuidArray.of(list(payer_ids))}):
        change = lines.get(row.line_id, 0) - int(row.fen)
        if change:
            moves.setdefault(row.payer_id, []).extend(
                (
                    Move(AccountKey(row.line_id, AccountKind.PAID), change),
                    Move(AccountKey(row.line_id, AccountKind.ACCRUED), -change),
                )
            )
    return moves


def offsets(
    unit: Unit, keys: Mapping[UUID, str], *, extra: Iterable[UUID] = ()
) -> list[TransferDraft]:
    """Return what an event moves between accrued and paid of payers with credits after payment.

    `keys`: the event's business key for each payer that it touches. To be posted together with the
    event: an account may not fall below zero between the two.
    """
    credited = unit.session.scalars(CREDITED, {"payers": UuidArray.of(list(keys))}).all()
    if not credited:
        return []
    return [
        TransferDraft(
            key=f"offset:{keys[payer_id]}", memo="paid use after its credits", moves=moves
        )
        for payer_id, moves in sorted(paid_moves(unit, credited, extra=extra).items())
    ]
