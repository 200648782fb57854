"""The unfunded queue: what was billed and no funding line covered, by payer and month (R35).

What credit notes took off, what money took up and what was written off is left out; none of them
takes off the same fen twice, so that nothing is below zero (`market verify` says so).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, exists, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import aliased

from kernel.actors import OrganisationKind
from kernel.clock import Month
from kernel.errors import NotFound
from kernel.identity.models import Organisation
from kernel.identity.recording import among
from kernel.unit import Unit
from settlement.carrying import (
    UNFUNDED,
    Of,
    carried_parts,
    decisions_in_order,
)
from settlement.dispute_models import CreditNote
from settlement.early_use_models import (
    DecisionState,
    EarlyUseRule,
    Memorandum,
    MemorandumEntry,
    UnfundedDecision,
)
from settlement.models import Agreement, Statement, StatementLine
from settlement.queries.statements import visible_payers
from settlement.remaining import agreement_states
from settlement.taking_up import can_pay
from settlement.year_ends import are_books_closed

Payer = aliased(Organisation, name="payer")
Vendor = aliased(Organisation, name="vendor")


class Standing(StrEnum):
    """Where an unfunded amount stands, and so who has the ball."""

    WAITS = "waits_for_money"
    TO_DECIDE = "bureau_decides"
    PROPOSED = "vendor_asked"
    CARRIED = "next_close_pays"


@dataclass(frozen=True, kw_only=True, slots=True)
class UnfundedRow:
    """An agreement's month of use with what of it is not funded, in fen.

    `line_id` is the line that left it uncovered first, `month` its period, `since` when it was
    stated. `memorandum_fen` of it was agreed to be used before the money, `carried_fen` is to be
    paid by the year's own line, carried over, as a bureau decided (R25).
    """

    line_id: UUID
    agreement_id: UUID
    agreement_number: str
    payer_code: str
    payer_name: str
    vendor_name: str
    title: str
    month: date
    of_month: date
    since: datetime
    amount_fen: int
    taken_up_fen: int
    unfunded_fen: int
    memorandum_fen: int
    carried_fen: int
    standing: Standing

    @property
    def fiscal_year(self) -> int:
        return self.of_month.year


@dataclass(frozen=True, kw_only=True, slots=True)
class UnfundedTotal:
    """What waits of one fiscal year at one payer, in fen."""

    fiscal_year: int
    payer_code: str
    payer_name: str
    months: int
    unfunded_fen: int
    memorandum_fen: int


@dataclass(frozen=True, kw_only=True, slots=True)
class MemorandumRow:
    """A memorandum with what went in and out of it, in fen: standing = billed − settled."""

    agreement_number: str
    payer_code: str
    payer_name: str
    vendor_name: str
    title: str
    fiscal_year: int
    cap_fen: int
    agreed_on: date
    rule_number: str
    since: date | None
    billed_fen: int
    settled_fen: int

    @property
    def standing_fen(self) -> int:
        return self.billed_fen - self.settled_fen

    @property
    def room_fen(self) -> int:
        return self.cap_fen - self.standing_fen


def unfunded(unit: Unit, *, payer_code: str | None = None) -> list[UnfundedRow]:
    """Return what waits for money or a decision, the oldest use first, then by payer."""
    line = StatementLine
    taken_up = func.coalesce(func.sum(line.drawn_fen).filter(line.kind == "take_up"), 0)
    first = func.array_agg(aggregate_order_by(line.id, line.month, line.kind.desc()))[1]
    sums: Select[*tuple[Any, ...]] = (
        select(
            line.agreement_id,
            line.of_month,
            first.label("line_id"),
            UNFUNDED.label("unfunded"),
            func.sum(line.amount_fen - func.coalesce(CreditNote.amount_fen, 0)).label("billed"),
            taken_up.label("taken_up"),
        )
        .outerjoin(CreditNote, CreditNote.line_id == line.id)
        .where(line.uncovered_fen != 0, line.payer_id.in_(visible_payers(unit)))
        .group_by(line.agreement_id, line.of_month)
        .having(UNFUNDED != 0)
    )
    summed = sums.subquery()
    wanted = (
        select(
            summed,
            line.month,
            Statement.stated_at,
            Agreement.number,
            Agreement.terms["title"].astext.label("title"),
            Payer.code,
            Payer.name,
            Vendor.name.label("vendor_name"),
        )
        .join(line, line.id == summed.c.line_id)
        .join(Statement, Statement.id == line.statement_id)
        .join(Agreement, Agreement.id == summed.c.agreement_id)
        .join(Payer, Payer.id == line.payer_id)
        .join(Vendor, Vendor.id == line.vendor_id)
        .order_by(summed.c.of_month, Payer.code, Agreement.number)
    )
    if payer_code is not None:
        wanted = wanted.where(Payer.code == payer_code)
    rows = unit.session.execute(wanted).all()
    noted = _noted(unit, {row.agreement_id for row in rows})
    decided = decisions_in_order(unit, {row.agreement_id for row in rows})
    carried = carried_parts(unit, decided)
    payable = _payable(unit, [of for of, fen in carried.items() if fen])
    return [
        _row(unit, row, noted=noted, decided=decided, carried=carried, payable=payable)
        for row in rows
    ]


def _row(
    unit: Unit,
    row: Any,
    *,
    noted: dict[tuple[UUID, date], int],
    decided: Mapping[Of, Sequence[UnfundedDecision]],
    carried: Mapping[Of, int],
    payable: Collection[Of],
) -> UnfundedRow:
    of = (row.agreement_id, Month(row.of_month))
    decisions = decided.get(of, ())
    unfunded_fen = int(row.unfunded)
    carried_fen = min(carried.get(of, 0), max(unfunded_fen, 0))
    if any(one.state == DecisionState.PROPOSED for one in decisions):
        standing = Standing.PROPOSED
    elif carried_fen and carried_fen == unfunded_fen and of in payable:
        standing = Standing.CARRIED
    elif are_books_closed(unit, row.of_month):
        standing = Standing.TO_DECIDE
    else:
        standing = Standing.WAITS
    return UnfundedRow(
        line_id=row.line_id,
        agreement_id=row.agreement_id,
        agreement_number=row.number,
        payer_code=row.code,
        payer_name=row.name,
        vendor_name=row.vendor_name,
        title=row.title,
        month=row.month,
        of_month=row.of_month,
        since=row.stated_at,
        amount_fen=int(row.billed),
        taken_up_fen=int(row.taken_up),
        unfunded_fen=unfunded_fen,
        memorandum_fen=noted.get((row.agreement_id, row.of_month), 0),
        carried_fen=carried_fen,
        standing=standing,
    )


def unfunded_month(unit: Unit, number: str, of_month: Month) -> UnfundedRow | None:
    """Return what waits of an agreement's month, as far as the actor sees it."""
    return next(
        (
            row
            for row in unfunded(unit)
            if row.agreement_number == number and row.of_month == of_month
        ),
        None,
    )


def totals(rows: Iterable[UnfundedRow]) -> list[UnfundedTotal]:
    """Return the sums by fiscal year and payer, the oldest year first."""
    grouped: dict[tuple[int, str], list[UnfundedRow]] = {}
    for row in rows:
        grouped.setdefault((row.fiscal_year, row.payer_code), []).append(row)
    return [
        UnfundedTotal(
            fiscal_year=year,
            payer_code=code,
            payer_name=own[0].payer_name,
            months=len(own),
            unfunded_fen=sum(one.unfunded_fen for one in own),
            memorandum_fen=sum(one.memorandum_fen for one in own),
        )
        for (year, code), own in sorted(grouped.items())
    ]


def memoranda(unit: Unit, *, payer_code: str | None = None) -> list[MemorandumRow]:
    """Return the memoranda that the actor sees, the latest year first: a vendor its own."""
    entry = MemorandumEntry
    fen = entry.amount_fen
    sums = (
        select(
            entry.agreement_id,
            entry.fiscal_year,
            func.sum(fen).filter(fen > 0).label("billed"),
            func.sum(-fen).filter(fen < 0).label("settled"),
            func.min(entry.of_month).filter(fen > 0).label("since"),
        )
        .group_by(entry.agreement_id, entry.fiscal_year)
        .subquery()
    )
    wanted = (
        select(
            Memorandum,
            Agreement.number,
            Agreement.terms["title"].astext.label("title"),
            Payer.code,
            Payer.name,
            Vendor.name.label("vendor_name"),
            EarlyUseRule.number.label("rule_number"),
            sums.c.billed,
            sums.c.settled,
            sums.c.since,
        )
        .join(Agreement, Agreement.id == Memorandum.agreement_id)
        .join(Payer, Payer.id == Memorandum.payer_id)
        .join(Vendor, Vendor.id == Memorandum.vendor_id)
        .join(EarlyUseRule, EarlyUseRule.id == Memorandum.rule_id)
        .outerjoin(
            sums,
            (sums.c.agreement_id == Memorandum.agreement_id)
            & (sums.c.fiscal_year == Memorandum.fiscal_year),
        )
        .where(_visible(unit))
        .order_by(Memorandum.fiscal_year.desc(), Payer.code, Agreement.number)
    )
    if payer_code is not None:
        wanted = wanted.where(Payer.code == payer_code)
    return [
        MemorandumRow(
            agreement_number=row.number,
            payer_code=row.code,
            payer_name=row.name,
            vendor_name=row.vendor_name,
            title=row.title,
            fiscal_year=row.Memorandum.fiscal_year,
            cap_fen=row.Memorandum.cap_fen,
            agreed_on=row.Memorandum.agreed_on,
            rule_number=row.rule_number,
            since=row.since,
            billed_fen=int(row.billed or 0),
            settled_fen=int(row.settled or 0),
        )
        for row in unit.session.execute(wanted)
    ]


def require_payer(unit: Unit, payer_code: str) -> None:
    """Raise `NotFound` for the code of no payer that the actor sees; a vendor sees its own."""
    seen = Organisation.id.in_(visible_payers(unit))
    if unit.actor.organisation_kind is OrganisationKind.VENDOR:
        own = Memorandum.vendor_id == unit.actor.organisation_id
        seen = Organisation.id.in_(select(Memorandum.payer_id).where(own))
    if not unit.session.scalar(select(exists().where(Organisation.code == payer_code, seen))):
        raise NotFound(what="payer", key=payer_code)


def _visible(unit: Unit) -> ColumnElement[bool]:
    if unit.actor.organisation_kind is OrganisationKind.VENDOR:
        return Memorandum.vendor_id == unit.actor.organisation_id
    return Memorandum.payer_id.in_(visible_payers(unit))


def _noted(unit: Unit, agreement_ids: Collection[UUID]) -> dict[tuple[UUID, date], int]:
    """Return what stands in memoranda, by agreement and month of use."""
    if not agreement_ids:
        return {}
    rows = unit.session.execute(
        select(
            MemorandumEntry.agreement_id,
            MemorandumEntry.of_month,
            func.sum(MemorandumEntry.amount_fen),
        )
        .where(among(MemorandumEntry.agreement_id, agreement_ids))
        .group_by(MemorandumEntry.agreement_id, MemorandumEntry.of_month)
    )
    return {(agreement_id, of_month): int(fen) for agreement_id, of_month, fen in rows}


def _payable(unit: Unit, months: Sequence[Of]) -> set[Of]:
    """Return the months for which a line of their own year that was carried over has money."""
    if not months:
        return set()
    states = agreement_states(unit, {agreement_id for agreement_id, _ in months})
    return {
        (agreement_id, of_month)
        for agreement_id, of_month in months
        if can_pay(unit, states[agreement_id].room.funds, of_month)
    }


def decisions_of(unit: Unit, agreement_id: UUID, of_month: date) -> Sequence[UnfundedDecision]:
    """Return all decisions on an agreement's month, the latest first."""
    return unit.session.scalars(
        select(UnfundedDecision)
        .where(UnfundedDecision.agreement_id == agreement_id, UnfundedDecision.of_month == of_month)
        .order_by(UnfundedDecision.id.desc())
    ).all()
