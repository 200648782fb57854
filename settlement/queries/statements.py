"""Statements for people: who owes how much for which month, and how far it has come.

Every query shows only what the unit's actor may see: a payer its own, a bureau its subtree's.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import aliased

from kernel.actors import OrganisationKind
from kernel.errors import NotFound
from kernel.identity.models import Organisation
from kernel.identity.visibility import visible_organisations
from kernel.unit import Unit
from settlement.dispute_models import CreditNote
from settlement.models import (
    Period,
    Statement,
    StatementLine,
)

Payer = aliased(Organisation, name="payer")


@dataclass(frozen=True, kw_only=True, slots=True)
class StatementRow:
    """One statement in a list; amounts in fen."""

    payer_id: UUID
    payer_code: str
    payer_name: str
    month: date
    number: str
    state: str
    confirm_by: date
    stated_at: datetime
    lines: int
    quantity: int
    rated_fen: int
    above_ceiling_fen: int
    amount_fen: int
    drawn_fen: int
    uncovered_fen: int
    unconfirmed: int
    unconfirmed_fen: int
    disputed: int
    disputed_fen: int
    credited_fen: int

    @property
    def net_fen(self) -> int:
        """What is billed less what credit notes took off."""
        return self.amount_fen - self.credited_fen

    @property
    def standing(self) -> str:
        """How far it has come: stated → (disputed →) confirmed → posted → closed."""
        if self.state != "stated" or self.unconfirmed:
            return self.state
        return "disputed" if self.disputed else "confirmed"


def statements_of(
    unit: Unit, *, payer_code: str | None = None, month: date | None = None
) -> list[StatementRow]:
    """Return the statements that the actor may see, newest month first, then by payer."""
    line = StatementLine
    wanted = (
        select(
            Statement.payer_id,
            Payer.code.label("payer_code"),
            Payer.name.label("payer_name"),
            Statement.month,
            Statement.number,
            Period.state,
            Statement.confirm_by,
            Statement.stated_at,
            func.count(line.id).label("lines"),
            *(
                func.coalesce(func.sum(column), 0).label(name)
                for name, column in (
                    ("quantity", line.quantity),
                    ("rated_fen", line.rated_fen),
                    ("above_ceiling_fen", line.above_ceiling_fen),
                    ("amount_fen", line.amount_fen),
                    ("drawn_fen", line.drawn_fen),
                    ("uncovered_fen", line.uncovered_fen),
                )
            ),
            func.count(line.id).filter(line.state == "stated").label("unconfirmed"),
            func.coalesce(func.sum(line.amount_fen).filter(line.state == "stated"), 0).label(
                "unconfirmed_fen"
            ),
            func.count(line.id).filter(line.state == "disputed").label("disputed"),
            func.coalesce(func.sum(line.amount_fen).filter(line.state == "disputed"), 0).label(
                "disputed_fen"
            ),
            func.coalesce(func.sum(CreditNote.amount_fen), 0).label("credited_fen"),
        )
        .join(Payer, Payer.id == Statement.payer_id)
        .join(Period, (Period.payer_id == Statement.payer_id) & (Period.month == Statement.month))
        .outerjoin(line, line.statement_id == Statement.id)
        .outerjoin(CreditNote, CreditNote.line_id == line.id)
        .where(Statement.payer_id.in_(visible_payers(unit)))
        .group_by(Statement.id, Payer.code, Payer.name, Period.state)
        .order_by(Statement.month.desc(), Payer.code)
    )
    if payer_code is not None:
        wanted = wanted.where(Payer.code == payer_code)
    if month is not None:
        wanted = wanted.where(Statement.month == month)
    return [StatementRow(**_whole(row._mapping)) for row in unit.session.execute(wanted)]


def statement_row(unit: Unit, payer_code: str, month: date) -> StatementRow:
    """Return one statement's head, or raise `NotFound`."""
    rows = statements_of(unit, payer_code=payer_code, month=month)
    if not rows:
        raise NotFound(what="statement", key=f"{payer_code} {month:%Y-%m}")
    return rows[0]


def visible_payers(unit: Unit) -> Select[UUID]:
    """Schools and bureaus pay; an actor sees those of its own part of the tree."""
    schools = visible_organisations(unit, OrganisationKind.SCHOOL).with_only_columns(
        Organisation.id
    )
    bureaus = visible_organisations(unit, OrganisationKind.BUREAU).with_only_columns(
        Organisation.id
    )
    return select(Organisation.id).where(
        or_(Organisation.id.in_(schools), Organisation.id.in_(bureaus))
    )


def _whole(mapping: Any) -> dict[str, Any]:
    """Return the row with its sums as whole numbers (PostgreSQL sums BIGINT as NUMERIC)."""
    return {
        name: int(value) if isinstance(value, Decimal) else value for name, value in mapping.items()
    }
