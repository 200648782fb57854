"""The canonical export of statements: the same input gives the same bytes (R39).

JSON lines ordered by business keys, without surrogate ids or clock times, so that two
installations, or one before and after a crash, can be compared byte by byte.
"""

from collections.abc import Iterator
from datetime import date
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import aliased

from kernel.actors import Role
from kernel.clock import show_month
from kernel.identity.models import Organisation
from kernel.identity.visibility import visible_organisations
from kernel.unit import Unit
from settlement.models import (
    Agreement,
    FundingLine,
    Statement,
    StatementBreakdown,
    StatementDraw,
    StatementLine,
)

MAY_EXPORT = (
    Role.OPERATOR,
    Role.BUREAU_FINANCE,
    Role.AUDITOR,
    Role.SCHOOL_FINANCE,
    Role.PRINCIPAL,
)


def export_statements(unit: Unit, month: date, *, payer_code: str | None = None) -> bytes:
    """Return the month's statement lines that the actor may see, as canonical JSON lines (UTF-8).

    A bureau exports its subtree, a school itself. Raises `Refused` for anyone else.
    """
    unit.actor.require("statements.export", *MAY_EXPORT)
    lines = [
        msgspec.json.encode(line, order="deterministic")
        for line in _lines(unit, month, payer_code=payer_code)
    ]
    return b"".join(line + b"\n" for line in lines)


def _lines(unit: Unit, month: date, *, payer_code: str | None) -> Iterator[dict[str, Any]]:
    payer = aliased(Organisation)
    vendor = aliased(Organisation)
    wanted = (
        select(StatementLine, Statement.number, Agreement.number, payer.code, vendor.code)
        .join(Statement, Statement.id == StatementLine.statement_id)
        .join(Agreement, Agreement.id == StatementLine.agreement_id)
        .join(payer, payer.id == StatementLine.payer_id)
        .join(vendor, vendor.id == StatementLine.vendor_id)
        .where(
            StatementLine.month == month,
            StatementLine.payer_id.in_(
                visible_organisations(unit).with_only_columns(Organisation.id)
            ),
        )
        .order_by(payer.code, Agreement.number, StatementLine.kind, StatementLine.of_month)
    )
    if payer_code is not None:
        wanted = wanted.where(payer.code == payer_code)
    draws = _draws(unit, month)
    breakdowns = _breakdowns(unit, month)
    for line, statement, agreement, payer_number, vendor_number in unit.session.execute(wanted):
        yield {
            "statement": statement,
            "payer": payer_number,
            "month": show_month(line.month),
            "agreement": agreement,
            "vendor": vendor_number,
            "kind": line.kind,
            "of_month": show_month(line.of_month),
            "rule": line.rule_version,
            "metric": line.metric,
            "quantity": line.quantity,
            "unit_price": str(line.unit_price),
            "rated_fen": line.rated_fen,
            "above_ceiling_fen": line.above_ceiling_fen,
            "amount_fen": line.amount_fen,
            "uncovered_fen": line.uncovered_fen,
            "drawn_fen": line.drawn_fen,
            "vendor_fen": line.vendor_fen,
            "school_fen": line.school_fen,
            "fee_fen": line.fee_fen,
            "retention_fen": line.retention_fen,
            "explanation": line.explanation,
            "draws": draws.get(line.id, []),
            "schools": breakdowns.get(line.id, []),
        }


def _draws(unit: Unit, month: date) -> dict[Any, list[dict[str, Any]]]:
    rows = unit.session.execute(
        select(
            StatementDraw.line_id,
            FundingLine.fiscal_year,
            FundingLine.source,
            StatementDraw.amount_fen,
        )
        .join(StatementLine, StatementLine.id == StatementDraw.line_id)
        .join(FundingLine, FundingLine.id == StatementDraw.funding_line_id)
        .where(StatementLine.month == month)
        .order_by(StatementDraw.line_id, StatementDraw.position)
    )
    found: dict[Any, list[dict[str, Any]]] = {}
    for line_id, fiscal_year, source, fen in rows:
        found.setdefault(line_id, []).append(
            {"fiscal_year": fiscal_year, "source": source, "amount_fen": fen}
        )
    return found


def _breakdowns(unit: Unit, month: date) -> dict[Any, list[dict[str, Any]]]:
    rows = unit.session.execute(
        select(StatementBreakdown, Organisation.code)
        .join(StatementLine, StatementLine.id == StatementBreakdown.line_id)
        .join(Organisation, Organisation.id == StatementBreakdown.school_id)
        .where(StatementLine.month == month)
        .order_by(StatementBreakdown.line_id, Organisation.code)
    )
    found: dict[Any, list[dict[str, Any]]] = {}
    for part, code in rows:
        found.setdefault(part.line_id, []).append(
            {
                "school": code,
                "quantity": part.quantity,
                "amount_fen": part.amount_fen,
                "explanation": part.explanation,
                **_rated(part),
            }
        )
    return found


def _rated(part: StatementBreakdown) -> dict[str, int]:
    """Return what was rated and cut for a school that has a ceiling of its own (R24)."""
    if part.rated_fen is None or part.above_ceiling_fen is None:
        return {}
    return {"rated_fen": part.rated_fen, "above_ceiling_fen": part.above_ceiling_fen}
