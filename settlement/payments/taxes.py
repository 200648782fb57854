"""Taxes of runs: what a month's released runs hold of a teacher's income, and who withholds of it.

A run that is only proposed is nobody's income: what is withheld goes by what was released, and is
looked at again as a run is released. Income of which tax was withheld is not taxed again when it
comes back and is ordered anew, in whichever month; tax that comes back from a treasury is ordered
to the tax office again, whatever is reckoned meanwhile.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import text

from kernel.arrays import UuidArray
from kernel.clock import Month, month_bounds, month_of, shanghai_day
from kernel.money import split_by_largest_remainder
from kernel.unit import Unit
from settlement.dues import Due
from settlement.payments.parts import Cells, Item, Pair, Part, parts_of
from settlement.rate_tables import RateKind, table_in_force
from settlement.taxation import NOBODY_TAXED, EarlierIncome, Taxation, Withheld
from settlement.taxed_income import CAME_BACK, STANDS, TAX_AGAIN

# Of a month's released runs: what of them is each teacher's income, and what is withheld of it.
EARLIER: Final = text(
    """
WITH standing AS (
    SELECT p.id, p.payee_id, p.kind, STANDS AS fen
    FROM payment p JOIN payment_run r ON r.id = p.run_id
    WHERE p.payee_id = ANY(:payees) AND p.kind IN ('transfer', 'order', 'withholding')
        AND (p.again_of_id IS NULL OR p.again_of_id = p.id)
        AND r.state = 'released' AND r.proposed_at >= :first AND r.proposed_at < :before
), incomes AS (
    SELECT s.payee_id, s.fen - LEAST(s.fen, COALESCE((SELECT sum(i.taxed_before_fen)
            FROM payment_item i WHERE i.payment_id = s.id), 0)) AS income_fen,
        CASE WHEN s.kind = 'withholding' THEN s.fen ELSE 0 END AS tax_fen
    FROM standing s
    UNION ALL
    SELECT b.payee_id, b.fen, 0 FROM (CAME_BACK) b JOIN payment_run r ON r.id = b.run_id
    WHERE r.proposed_at >= :first AND r.proposed_at < :before
)
SELECT payee_id, sum(income_fen) AS income_fen, sum(tax_fen) AS tax_fen
FROM incomes GROUP BY payee_id
""".replace("CAME_BACK", CAME_BACK).replace("STANDS", STANDS)
)
# What of dues was taxed, came back, and was not ordered again since.
TAXED: Final = text(
    """
WITH taxed AS (
    SELECT payer_id, payee_id, line_id, fen FROM (CAME_BACK) b
    UNION ALL
    SELECT p.payer_id, p.payee_id, i.line_id, -LEAST(i.taxed_before_fen, STANDS)
    FROM payment p JOIN payment_item i ON i.payment_id = p.id
    WHERE p.payee_id = ANY(:payees) AND i.taxed_before_fen > 0
)
SELECT payer_id, payee_id, line_id, sum(fen) AS fen
FROM taxed GROUP BY payer_id, payee_id, line_id HAVING sum(fen) <> 0
""".replace("CAME_BACK", CAME_BACK).replace("STANDS", STANDS)
)
AGAIN: Final = text(TAX_AGAIN)
EXEMPTED: Final = text(
    """
SELECT DISTINCT p.payee_id, o.name, p.payer_id, i.line_id
FROM payment p JOIN payment_item i ON i.payment_id = p.id
JOIN organisation o ON o.id = p.payee_id
WHERE p.run_id = :run AND i.taxed_before_fen > 0
"""
)


def income_month(unit: Unit) -> Month:
    """Return whose income a run is that is proposed now."""
    return month_of(shanghai_day(unit.clock.now()))


def taxation_of(unit: Unit, teachers: Collection[UUID]) -> Taxation:
    """Return what is withheld of these teachers, by what this month's released runs pay them."""
    if not teachers:
        return NOBODY_TAXED
    month = income_month(unit)
    version = table_in_force(unit, RateKind.WITHHOLDING, day=month)
    first, before = month_bounds(month)
    rows = unit.session.execute(
        EARLIER, {"payees": UuidArray.of(sorted(teachers)), "first": first, "before": before}
    )
    earlier = {
        row.payee_id: EarlierIncome(income_fen=int(row.income_fen), tax_fen=int(row.tax_fen))
        for row in rows
    }
    return Taxation(
        version=version.version,
        table=version.table,
        earlier={one: earlier.get(one, EarlierIncome()) for one in teachers},
    )


def taxed_before(unit: Unit, teachers: Collection[UUID]) -> dict[Due, int]:
    """Return what of the teachers' dues tax was paid on before it came back, in fen.

    Below zero where tax that counted as paid came back as well.
    """
    if not teachers:
        return {}
    rows = unit.session.execute(TAXED, {"payees": UuidArray.of(sorted(teachers))})
    return {Due(row.payer_id, row.payee_id, row.line_id): int(row.fen) for row in rows}


def tax_again(unit: Unit, payer_ids: Sequence[UUID]) -> dict[Due, list[tuple[UUID, int]]]:
    """Return what of these payers' tax orders came back, by due: (order, fen)."""
    found: dict[Due, list[tuple[UUID, int]]] = defaultdict(list)
    for row in unit.session.execute(AGAIN, {"payers": UuidArray.of(list(payer_ids))}):
        if row.fen > 0:
            found[Due(row.payer_id, row.payee_id, row.line_id)].append((row.id, int(row.fen)))
    return found


def apart_from_tax(
    left: Mapping[Due, int], again: Mapping[Due, Sequence[tuple[UUID, int]]], cells: Cells | None
) -> tuple[list[tuple[Due, UUID, int, list[Part]]], dict[Due, int], Cells]:
    """Return which orders of tax are made again, how much of each (fen) and of which months.

    And what is left, and open, besides: no more is ordered again than is left of its due.
    """
    made, rest, open_of = [], dict(left), dict(cells or {})
    for due, orders in sorted(again.items()):
        for order_id, wanted in orders:
            fen = min(wanted, rest.get(due, 0))
            if fen <= 0:
                continue
            rest[due] -= fen
            parts = parts_of((due.payer_id, due.payee_id), [(due.line_id, fen)], open_of)
            taken = {(agreement_id, month): part for _, agreement_id, month, part in parts}
            open_of[due] = [
                (agreement_id, month, part - taken.get((agreement_id, month), 0))
                for agreement_id, month, part in open_of.get(due, ())
            ]
            made.append((due, order_id, fen, parts))
    return made, {due: fen for due, fen in rest.items() if fen}, open_of


def untaxed_of(unit: Unit, run_id: UUID) -> list[str]:
    """Return the names of whom a run leaves untaxed what is not taxed any more."""
    rows = unit.session.execute(EXEMPTED, {"run": run_id}).all()
    left = taxed_before(unit, {row.payee_id for row in rows})
    dues = {Due(row.payer_id, row.payee_id, row.line_id): str(row.name) for row in rows}
    return sorted({name for due, name in dues.items() if left.get(due, 0) < 0})


def shares_of_tax(
    wanted: Mapping[Pair, Sequence[Item]],
    withheld: Mapping[UUID, Withheld],
    before: Mapping[Pair, Mapping[UUID, int]],
) -> dict[Pair, dict[UUID, int]]:
    """Return what of each pair's lines is withheld, in fen.

    Each payer withholds by what it pays the teacher in all, what is set off within it off; within
    the pair by what each line pays. Of what was taxed before nothing.
    """
    pairs: dict[UUID, list[Pair]] = defaultdict(list)
    for pair in wanted:
        if pair[1] in withheld:
            pairs[pair[1]].append(pair)
    kept: dict[Pair, dict[UUID, int]] = {}
    for payee_id, own in pairs.items():
        nets = [
            max(0, sum(fen for _, fen in wanted[pair]) - sum(before[pair].values())) for pair in own
        ]
        shares = split_by_largest_remainder(withheld[payee_id].tax_fen, nets)
        for pair, share in zip(own, shares, strict=True):
            lines = [
                (line_id, fen - before[pair].get(line_id, 0))
                for line_id, fen in wanted[pair]
                if fen > before[pair].get(line_id, 0)
            ]
            parts = split_by_largest_remainder(share, [fen for _, fen in lines])
            kept[pair] = {
                line_id: part for (line_id, _), part in zip(lines, parts, strict=True) if part
            }
    return kept


def taxed_of(pair: Pair, items: Sequence[Item], taxed: Mapping[Due, int]) -> dict[UUID, int]:
    """Return what of a pair's lines was taxed before; no more than is paid of it in all."""
    left = sum(fen for _, fen in items)
    found = {}
    for line_id, fen in items:
        part = max(0, min(fen, left, taxed.get(Due(*pair, line_id), 0)))
        if part:
            found[line_id], left = part, left - part
    return found
