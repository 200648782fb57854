"""Parts: of which agreement's month of use a payment is, so that it adds up to what it settles.

Only explains: how much is paid is decided by line. What an agreement's month earned and no payment
holds is open; a payment takes what is open of its lines, whole where it pays a line whole, else the
oldest first.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import text

from kernel.arrays import UuidArray
from kernel.unit import Unit
from settlement.dues import NOBODY, Cell, Due, Paid

Pair = tuple[UUID, UUID]
"""(payer, payee)."""
Item = tuple[UUID, int]
"""(funding line, fen)."""
Part = tuple[UUID, UUID, date, int]
"""(funding line, agreement, month of use, fen)."""
Cells = Mapping[Due, Sequence[tuple[UUID, date, int]]]
"""What is open of each due: (agreement, month of use, fen), the oldest first."""

CLAIMED = text(
    """
SELECT p.id, p.payer_id, p.payee_id, i.line_id, i.agreement_id, i.of_month, p.state, p.paid_fen,
    CASE WHEN p.kind IN ('reversal', 'undone') THEN -i.amount_fen ELSE i.amount_fen END AS fen
FROM payment p JOIN payment_part i ON i.payment_id = p.id
LEFT JOIN payment c ON c.run_id = p.run_id AND c.payer_id = p.payer_id
    AND c.kind IN ('collection', 'refund') AND c.state <> 'withdrawn'
WHERE p.payer_id = ANY(:payers) AND p.state <> 'withdrawn'
    AND (p.state NOT IN ('failed', 'returned') OR c.state = 'paid' OR p.kind = 'reversal')
ORDER BY p.id, i.of_month, i.agreement_id, i.line_id
"""
)


def claimed_parts(unit: Unit, payer_ids: Sequence[UUID]) -> dict[Cell, int]:
    """Return what payments hold of each agreement's month; of a cut order what came through."""
    claimed: dict[Cell, int] = defaultdict(int)
    came: dict[UUID, int] = {}
    for row in unit.session.execute(CLAIMED, {"payers": UuidArray.of(list(payer_ids))}):
        fen = int(row.fen)
        if row.state == "cut":
            left = came.setdefault(row.id, int(row.paid_fen))
            fen = min(fen, left)
            came[row.id] = left - fen
        due = Due(row.payer_id, row.payee_id, row.line_id)
        claimed[Cell(due, row.agreement_id, row.of_month)] += fen
    return claimed


def open_cells(one: Mapping[Cell, int], other: Mapping[Cell, int]) -> Cells:
    """Return by due what `one` holds beyond `other`, and the month of every cell of it."""
    found: dict[Due, list[tuple[UUID, date, int]]] = defaultdict(list)
    for cell in sorted(one.keys() | other.keys(), key=lambda cell: (cell.of_month, cell)):
        fen = one.get(cell, 0) - other.get(cell, 0)
        found[cell.due].append((cell.agreement_id, cell.of_month, fen))
    return found


def open_dues(earned: Mapping[Due, int], paid: Mapping[Due, Paid]) -> dict[Due, int]:
    """Return what is earned and neither paid nor claimed; below zero where credits came later."""
    left = {due: fen for due, fen in earned.items() if due.payee_id != NOBODY}
    for due, one in paid.items():
        left[due] = left.get(due, 0) - one.claimed_fen
    return {due: fen for due, fen in left.items() if fen}


def open_until(
    stated: Mapping[Cell, int],
    cells: Mapping[Cell, int],
    claimed: Mapping[Cell, int],
    paid: Mapping[Due, Paid],
) -> dict[Due, int]:
    """Return what is open of what was `stated` up to a month, by now: `cells` hold all by now.

    Each agreement's month by itself: what was paid of a later one takes nothing off, but a credit
    that is known already, of whichever, is not paid once more. What is claimed of no known month,
    as fees are, is of the oldest.
    """
    of_due: dict[Due, list[Cell]] = defaultdict(list)
    for cell in sorted(cells.keys() | claimed.keys(), key=lambda cell: (cell.of_month, cell)):
        of_due[cell.due].append(cell)
    left: dict[Due, int] = {}
    for due in of_due.keys() | paid.keys():
        own = of_due.get(due, [])
        taken = {cell: claimed.get(cell, 0) for cell in own}
        rest = (paid[due].claimed_fen if due in paid else 0) - sum(taken.values())
        for cell in own:
            part = max(0, min(rest, cells.get(cell, 0) - taken[cell]))
            taken[cell] += part
            rest -= part
        found = -rest  # more than was ever earned of it
        for cell in own:
            by_now = cells.get(cell, 0)
            by_then = min(stated.get(cell, 0), by_now)
            found += max(by_then - taken[cell], min(0, by_now - taken[cell]))
        if found and due.payee_id != NOBODY:
            left[due] = found
    return left


def parts_of(pair: Pair, items: Sequence[Item], cells: Cells | None) -> list[Part]:
    """Return the parts of a pair's items, which add up to each of them."""
    payer_id, payee_id = pair
    return [
        (line_id, agreement_id, of_month, fen)
        for line_id, wanted in items
        for agreement_id, of_month, fen in _attributed(
            wanted, (cells or {}).get(Due(payer_id, payee_id, line_id), ())
        )
    ]


def _attributed(
    wanted: int, cells: Sequence[tuple[UUID, date, int]]
) -> list[tuple[UUID, date, int]]:
    """Return what of each cell makes up `wanted`: all of all if that fits, else in their order."""
    if not cells:
        return []
    taken = [fen for _, _, fen in cells]
    if sum(taken) != wanted:
        left = wanted - sum(fen for fen in taken if fen < 0)
        for place, fen in enumerate(taken):
            if fen > 0:
                taken[place] = max(0, min(fen, left))
                left -= taken[place]
        taken[-1] += left  # of payments made before parts were kept
    return [
        (agreement_id, of_month, fen)
        for (agreement_id, of_month, _), fen in zip(cells, taken, strict=True)
        if fen
    ]
