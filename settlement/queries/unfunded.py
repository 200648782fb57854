"""The unfunded queue: what was billed and no funding line covered, by payer and line (R35).

What a credit note took off is left out. An amount below zero comes from a correction after the
close of a fiscal year: a credit that goes back to the treasury, not to a line.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import aliased

from kernel.identity.models import Organisation
from kernel.unit import Unit
from settlement.dispute_models import CreditNote
from settlement.models import Agreement, StatementLine
from settlement.queries.statements import visible_payers

Payer = aliased(Organisation, name="payer")
Vendor = aliased(Organisation, name="vendor")


@dataclass(frozen=True, kw_only=True, slots=True)
class UnfundedRow:
    """A line with what of it is not funded, in fen."""

    line_id: UUID
    payer_code: str
    payer_name: str
    vendor_name: str
    title: str
    month: date
    of_month: date
    kind: str
    amount_fen: int
    unfunded_fen: int
    state: str


def unfunded(unit: Unit, *, payer_code: str | None = None) -> list[UnfundedRow]:
    """Return the lines that wait for money, the oldest use first, then by payer."""
    line = StatementLine
    left = line.uncovered_fen - func.coalesce(CreditNote.uncovered_fen, 0)
    wanted: Select[*tuple[Any, ...]] = (
        select(
            line.id.label("line_id"),
            Payer.code.label("payer_code"),
            Payer.name.label("payer_name"),
            Vendor.name.label("vendor_name"),
            Agreement.terms["title"].astext.label("title"),
            line.month,
            line.of_month,
            line.kind,
            line.amount_fen,
            left.label("unfunded_fen"),
            line.state,
        )
        .join(Agreement, Agreement.id == line.agreement_id)
        .join(Payer, Payer.id == line.payer_id)
        .join(Vendor, Vendor.id == line.vendor_id)
        .outerjoin(CreditNote, CreditNote.line_id == line.id)
        .where(left != 0, line.uncovered_fen != 0, line.payer_id.in_(visible_payers(unit)))
        .order_by(line.of_month, Payer.code, Agreement.number, line.month)
    )
    if payer_code is not None:
        wanted = wanted.where(Payer.code == payer_code)
    return [UnfundedRow(**row._mapping) for row in unit.session.execute(wanted)]
