"""The books as a plain-text journal, for hledger or Beancount: every transfer one transaction.

Decides which transfers an actor may export and what the journal asserts in the end. The assertions
are sums made by the database, apart from what is written, so that another program's balances are
compared with ours. How things are spelled is `journal_formats`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Date, and_, case, cast, func, or_, select, text, true
from sqlalchemy.orm import aliased

from kernel.actors import Role
from kernel.clock import Month, month_bounds, next_month
from kernel.errors import InvalidInput, NotFound
from kernel.identity.models import Organisation
from kernel.unit import Unit
from settlement.budget_models import Budget
from settlement.journal_formats import FORMATS, JournalAccount, JournalFormat
from settlement.ledger.models import Account, Leg, Transfer
from settlement.ledger.posting import AccountKind
from settlement.models import FundingLine, Statement
from settlement.queries.statements import visible_payers

MAY_EXPORT = (Role.OPERATOR, Role.BUREAU_FINANCE, Role.AUDITOR)
BATCH = 5_000
"""Legs fetched at a time; the journal is never held as a whole."""

DAY = cast(func.timezone("Asia/Shanghai", Transfer.at), Date)
SIGNED = case((Leg.side == "D", Leg.amount_fen), else_=-Leg.amount_fen)


@dataclass(frozen=True, slots=True)
class _Holding:
    """An account with what it held before the journal begins and when it ends, in fen."""

    name: str
    opening_fen: int
    closing_fen: int


def export_journal(
    unit: Unit,
    format_name: str,
    *,
    first: Month | None = None,
    last: Month | None = None,
    payer_code: str | None = None,
) -> Iterator[str]:
    """Yield the journal of the transfers that the actor may see, in months `first` to `last`.

    The system exports all of the books; a bureau's finance person or auditor what was moved for
    the payers of its subtree. Ordered by day, then by business key. What came before `first` is one
    opening transaction. To be called in a unit that has read nothing yet: all is one snapshot.
    Raises `Refused`, `InvalidInput` for another format, `NotFound` for a payer out of sight.
    """
    unit.actor.require("journal.export", *MAY_EXPORT)
    if format_name not in FORMATS:
        expected = ", ".join(sorted(FORMATS))
        raise InvalidInput(field="format", value=format_name, expected=expected)
    # What is posted while this runs would be in the transactions and not in the sums.
    unit.session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
    visible = _visible(unit, payer_code)
    return _journal(unit, FORMATS[format_name], visible, first=first, last=last)


def _journal(
    unit: Unit,
    writer: JournalFormat,
    visible: ColumnElement[bool],
    *,
    first: Month | None,
    last: Month | None,
) -> Iterator[str]:
    begins = month_bounds(first)[0] if first else None
    ends = month_bounds(last)[1] if last else None
    until = visible if ends is None else and_(visible, Transfer.at < ends)
    first_day, last_day = _days(unit, until)
    if first_day is None or last_day is None:
        return
    holdings = _holdings(unit, writer, until, begins=begins)
    opened_on = first or first_day
    names = sorted(holding.name for holding in holdings.values())
    yield writer.head(names, opened_on=opened_on)
    opening = sorted((one.name, one.opening_fen) for one in holdings.values() if one.opening_fen)
    if opening:
        yield writer.transaction(opened_on, "opening balances", "opening", opening)
    since = until if begins is None else and_(until, Transfer.at >= begins)
    yield from _transactions(unit, writer, since, holdings)
    closing = sorted((one.name, one.closing_fen) for one in holdings.values())
    ends_on = next_month(last) - timedelta(days=1) if last else max(last_day, opened_on)
    yield writer.assertions(ends_on, closing)


def _days(unit: Unit, wanted: ColumnElement[bool]) -> tuple[date | None, date | None]:
    """Return the days of the first and the last of the transfers, if there are any."""
    first, last = unit.session.execute(
        select(func.min(DAY), func.max(DAY)).select_from(Transfer).where(wanted)
    ).one()
    return first, last


def _transactions(
    unit: Unit,
    writer: JournalFormat,
    wanted: ColumnElement[bool],
    holdings: dict[UUID, _Holding],
) -> Iterator[str]:
    legs = unit.session.execute(
        select(DAY, Transfer.key, Transfer.memo, Leg.account_id, SIGNED)
        .join(Leg, Leg.transfer_id == Transfer.id)
        .where(wanted, Leg.account_id.in_(_money_accounts()))
        .order_by(DAY, Transfer.key.collate("C"), Leg.position),
        execution_options={"stream_results": True, "yield_per": BATCH},
    )
    for (day, key, memo), group in groupby(legs, key=lambda leg: (leg[0], leg[1], leg[2])):
        postings = [(holdings[account_id].name, fen) for *_, account_id, fen in group]
        yield writer.transaction(day, memo, key, postings)


def _holdings(
    unit: Unit, writer: JournalFormat, until: ColumnElement[bool], *, begins: datetime | None
) -> dict[UUID, _Holding]:
    """Return every account that the transfers touch, with its sums: one row of SQL each."""
    owner, payer, bureau = (aliased(Organisation) for _ in range(3))
    opening: Any = func.sum(SIGNED).filter(Transfer.at < begins) if begins else func.sum(0)
    sums = (
        select(
            Leg.account_id,
            func.coalesce(opening, 0).label("opening"),
            func.sum(SIGNED).label("closing"),
        )
        .join(Transfer, Transfer.id == Leg.transfer_id)
        .where(until, Leg.account_id.in_(_money_accounts()))
        .group_by(Leg.account_id)
        .subquery()
    )
    rows = unit.session.execute(
        select(
            Account.id,
            Account.kind,
            func.coalesce(payer.kind, bureau.kind, owner.kind, "").label("owner_kind"),
            func.coalesce(payer.code, bureau.code, owner.code, "").label("owner_code"),
            func.coalesce(FundingLine.fiscal_year, Budget.fiscal_year).label("fiscal_year"),
            func.coalesce(FundingLine.source, Budget.source).label("source"),
            FundingLine.restriction,
            sums.c.opening,
            sums.c.closing,
        )
        .join(sums, sums.c.account_id == Account.id)
        .outerjoin(owner, owner.id == Account.owner_id)
        .outerjoin(FundingLine, FundingLine.id == Account.owner_id)
        .outerjoin(payer, payer.id == FundingLine.payer_id)
        .outerjoin(Budget, Budget.id == Account.owner_id)
        .outerjoin(bureau, bureau.id == Budget.bureau_id)
    )
    holdings: dict[UUID, _Holding] = {}
    for row in rows:
        account = JournalAccount(
            kind=row.kind,
            owner_kind=row.owner_kind,
            owner_code=row.owner_code,
            fiscal_year=row.fiscal_year,
            source=row.source,
            restriction=row.restriction,
        )
        holdings[row.id] = _Holding(writer.name(account), int(row.opening), int(row.closing))
    return holdings


def _money_accounts() -> Any:
    return select(Account.id).where(Account.unit == "CNY")


def _visible(unit: Unit, payer_code: str | None) -> ColumnElement[bool]:
    """Return which transfers the actor may export: all, or what moved for payers it may see.

    The release of a retention and what the gateway passes on touch only the payee's accounts and
    the platform's; their keys name the statement, or the payer.
    """
    if unit.actor.is_system and payer_code is None:
        return true()
    payers = visible_payers(unit)
    if payer_code is not None:
        payers = payers.where(Organisation.code == payer_code)
        if unit.session.scalar(payers) is None:
            raise NotFound(what="payer", key=payer_code)
    lines = select(FundingLine.id).where(FundingLine.payer_id.in_(payers))
    own_budgets = select(Budget.id).where(Budget.bureau_id.in_(payers))
    own = select(Account.id).where(
        or_(
            and_(Account.kind == AccountKind.CLEARING, Account.owner_id.in_(payers)),
            and_(
                Account.book == "budget",
                or_(Account.owner_id.in_(lines), Account.owner_id.in_(own_budgets)),
            ),
        )
    )
    statements = select(Statement.number).where(Statement.payer_id.in_(payers))
    codes = select(Organisation.code).where(Organisation.id.in_(payers))
    return or_(
        Transfer.id.in_(select(Leg.transfer_id).where(Leg.account_id.in_(own))),
        and_(
            Transfer.key.like("release:%"),
            func.split_part(Transfer.key, ":", 3).in_(statements),
        ),
        and_(
            or_(Transfer.key.like("paid:%"), Transfer.key.like("returned:%")),
            func.split_part(Transfer.key, ":", 4).in_(codes),
        ),
    )
