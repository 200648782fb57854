"""Tallies: how many rows of each delivery met which fate; they always add up (R32)."""

from collections import Counter
from datetime import date
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text

from kernel.unit import Unit


class Fate(NamedTuple):
    """What a tally counts: rows of a delivery, by month of their time, with one outcome."""

    batch_id: UUID
    month: date | None
    outcome: str
    reason: str


def add_to_tallies(unit: Unit, rows: Counter[Fate]) -> None:
    """Add numbers of rows to their tallies; a number below zero takes rows away.

    In one order for all, since two writers of one delivery would wait for each other.
    """
    fates = sorted(rows, key=lambda fate: (fate.batch_id, str(fate.month), *fate[2:]))
    unit.session.execute(
        text(
            "INSERT INTO usage_tally (id, batch_id, month, outcome, reason, rows) "
            "SELECT gen_random_uuid(), t.batch_id, t.month, t.outcome, t.reason, t.rows "
            "FROM unnest(CAST(:batch AS uuid[]), CAST(:month AS date[]), "
            "CAST(:outcome AS text[]), CAST(:reason AS text[]), CAST(:rows AS bigint[])) "
            "AS t(batch_id, month, outcome, reason, rows) "
            "ON CONFLICT (batch_id, month, outcome, reason) "
            "DO UPDATE SET rows = usage_tally.rows + excluded.rows"
        ),
        {
            "batch": [fate.batch_id for fate in fates],
            "month": [fate.month for fate in fates],
            "outcome": [fate.outcome for fate in fates],
            "reason": [fate.reason for fate in fates],
            "rows": [rows[fate] for fate in fates],
        },
    )
    if any(number < 0 for number in rows.values()):
        unit.session.execute(
            text("DELETE FROM usage_tally WHERE rows = 0 AND batch_id = ANY(:batches)"),
            {"batches": sorted({fate.batch_id for fate in fates})},
        )
