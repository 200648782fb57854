"""Findings as they come in a file: each row is filed as if it were filed by hand (R65)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from kernel.errors import AlreadyExists, MarketError
from kernel.outcomes import ACCEPTED, DUPLICATE, RowOutcome, rejected
from kernel.unit import Unit
from settlement.evaluation.outside import file_finding, wrong_fields

FIELDS: Final = {"vendor-interest": "key", "not-found": "key"}
"""Which column to look at: by the fact that names a field, or by what went wrong."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FindingRow:
    """One finding of a file; `key`: a code, of a resource `vendor/sku`, of the platform nothing."""

    kind: str
    key: str
    finding: str
    source: str
    found_on: date


def record_findings(unit: Unit, rows: Sequence[FindingRow]) -> list[RowOutcome]:
    """File findings in their order; one that was filed before is a duplicate.

    Raises `Refused` for whoever is no evaluator, or is admitted nowhere.
    """
    return [_filed(unit, row) for row in rows]


def _filed(unit: Unit, row: FindingRow) -> RowOutcome:
    try:
        file_finding(
            unit,
            row.kind,
            row.key,
            finding=row.finding,
            source=row.source,
            found_on=row.found_on,
        )
    except AlreadyExists:
        return DUPLICATE
    except MarketError as error:
        if error.status == 403 and error.code == "refused":
            raise
        named = str(error.facts.get("field", "")) or error.code
        field = FIELDS.get(named, named)
        found = wrong_fields(
            unit,
            row.kind,
            row.key,
            finding=row.finding,
            source=row.source,
            found_on=row.found_on,
        )
        others = tuple(one for one in found.items() if one[0] != field)
        return replace(rejected(error, field=field), others=others)
    return ACCEPTED
