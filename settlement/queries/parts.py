"""Parts of a pack's line: which of them it bills, each with its uses."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import text

from kernel.unit import Unit

BILLED: Final = text(
    """
SELECT p.resource_id, v.title, CAST(sum(CAST(told.uses AS bigint)) AS bigint) AS uses
FROM statement_line l JOIN agreement a ON a.id = l.agreement_id
JOIN statement_breakdown b ON b.line_id = l.id
CROSS JOIN LATERAL jsonb_each_text(b.explanation -> 'parts') AS told(part, uses)
JOIN pack_part p ON p.pack_id = a.version_id AND CAST(p.resource_id AS text) = told.part
JOIN version v ON v.id = p.version_id
WHERE l.id = :line_id
GROUP BY p.resource_id, v.title, p.position ORDER BY p.position
"""
)


@dataclass(frozen=True, kw_only=True, slots=True)
class BilledPart:
    """A part of a pack, by its title as agreed, and how often the line has it used."""

    resource_id: UUID
    title: str
    uses: int


def parts_of_line(unit: Unit, line_id: UUID) -> Sequence[BilledPart]:
    """Return the parts that a line bills, in the pack's order; none of what is no pack."""
    rows = unit.session.execute(BILLED, {"line_id": line_id})
    return [BilledPart(**row._mapping) for row in rows]
