"""Funding lines: one payer's money for a fiscal year from one source, as four ledger accounts.

Decides what a line is and in which order lines pay (R34). How much a line is worth is computed
above, by procurement, and issued here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from kernel.identity.recording import among
from kernel.ids import FundingLineId, OrganisationId, new_id
from kernel.unit import Unit
from settlement.ledger.models import Account
from settlement.ledger.posting import (
    FUNDING_KINDS,
    AccountKey,
    AccountKind,
    Entry,
    TransferDraft,
    open_accounts,
    post,
)
from settlement.models import FundingLine


@dataclass(frozen=True, slots=True)
class LineBalance:
    """A line's four amounts in fen; `allocated_fen` is their sum at every moment."""

    available_fen: int = 0
    committed_fen: int = 0
    accrued_fen: int = 0
    paid_fen: int = 0

    @property
    def allocated_fen(self) -> int:
        return self.available_fen + self.committed_fen + self.accrued_fen + self.paid_fen

    @property
    def spent_fen(self) -> int:
        """What was billed and drawn, whether already paid out or not."""
        return self.accrued_fen + self.paid_fen


def open_line(
    unit: Unit,
    payer_id: OrganisationId,
    *,
    fiscal_year: int,
    source: str,
    restriction: dict[str, Any] | None = None,
    priority: int = 100,
) -> FundingLineId:
    """Return the payer's line of this year, source and restriction; open it if it is new.

    `restriction` {} means that the line may pay for anything (a general line).
    """
    restriction = restriction or {}
    unit.session.execute(
        insert(FundingLine)
        .values(
            id=new_id(),
            payer_id=payer_id,
            fiscal_year=fiscal_year,
            source=source,
            restriction=restriction,
            lapses_on=date(fiscal_year + 1, 1, 1),
            priority=priority,
            issued_at=unit.clock.now(),
        )
        .on_conflict_do_nothing()
    )
    line_id = unit.session.scalars(
        select(FundingLine.id).where(
            FundingLine.payer_id == payer_id,
            FundingLine.fiscal_year == fiscal_year,
            FundingLine.source == source,
            FundingLine.restriction == restriction,
        )
    ).one()
    open_accounts(unit, {AccountKey(line_id, kind) for kind in FUNDING_KINDS})
    return FundingLineId(line_id)


def issue_amount(
    unit: Unit, line_id: FundingLineId, *, amount_fen: int, key: str, memo: str
) -> None:
    """Put an allocation on a line: appropriation → available. The same key issues only once."""
    entry = Entry(
        debit=AccountKey(line_id, AccountKind.AVAILABLE),
        credit=AccountKey(line_id, AccountKind.APPROPRIATION),
        amount_fen=amount_fen,
    )
    post(unit, [TransferDraft(key=key, memo=memo, entries=[entry])])


def line_balances(
    unit: Unit, line_ids: Sequence[FundingLineId] | Sequence[UUID]
) -> dict[UUID, LineBalance]:
    """Return the four amounts of each line, in one query."""
    amounts: dict[UUID, dict[str, int]] = {line_id: {} for line_id in line_ids}
    rows = unit.session.execute(
        select(Account.owner_id, Account.kind, Account.balance).where(
            among(Account.owner_id, list(amounts)), Account.kind.in_(FUNDING_KINDS)
        )
    )
    for owner_id, kind, balance in rows:
        amounts[owner_id][f"{kind}_fen"] = balance
    return {line_id: LineBalance(**by_kind) for line_id, by_kind in amounts.items()}


def lock_lines_for(
    unit: Unit, payer_id: OrganisationId, *, day_from: date, day_until: date
) -> list[FundingLine]:
    """Lock and return the payer's lines that may pay for uses of all these days, in draw order.

    Restricted before general, sooner-lapsing before later, then by priority (R34). A line pays
    from 1 January of its fiscal year until the day before it lapses (R19).
    """
    lines = unit.session.scalars(
        select(FundingLine)
        .where(
            FundingLine.payer_id == payer_id,
            FundingLine.fiscal_year <= day_from.year,
            FundingLine.lapses_on > day_until,
        )
        .order_by(FundingLine.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    return sorted(lines, key=draw_order)


def draw_order(line: FundingLine) -> tuple[bool, date, int, int, str, bytes]:
    """Return the key by which lines pay: restricted, sooner-lapsing, lower priority number.

    Among equals the business key decides, never an id, so that every installation draws alike.
    """
    return (
        not line.restriction,
        line.lapses_on,
        line.priority,
        line.fiscal_year,
        line.source,
        msgspec.json.encode(line.restriction, order="deterministic"),
    )
