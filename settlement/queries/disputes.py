"""Disputes for people: who objects to what, who has the ball, by when, and what came of it.

A payer sees its own, a bureau its subtree's, a vendor those about its lines.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, ScalarSelect, Select, Text, cast, select
from sqlalchemy.orm import aliased

from catalog.models import Version
from catalog.pack_models import PackPart
from kernel.actors import OrganisationKind
from kernel.clock import shanghai_day
from kernel.errors import NotFound
from kernel.identity.models import Organisation
from kernel.unit import Unit
from settlement.dispute_models import CreditDraw, CreditNote, Dispute
from settlement.dispute_rules import DisputeReason, DisputeStanding, standing_of
from settlement.models import Agreement, FundingLine, Statement, StatementLine
from settlement.queries.statements import visible_payers

Payer = aliased(Organisation, name="payer")
Vendor = aliased(Organisation, name="vendor")


@dataclass(frozen=True, kw_only=True, slots=True)
class DisputeRow:
    """One dispute as of today; amounts in fen. `credit_number` is empty without a credit note.

    `part`: the title of the part of a pack that it is about, empty for the whole.
    """

    id: UUID
    line_id: UUID
    payer_id: UUID
    vendor_id: UUID
    agreement_id: UUID
    payer_code: str
    payer_name: str
    vendor_name: str
    title: str
    month: date
    statement_number: str
    amount_fen: int
    line_state: str
    reason: str
    claim: str
    claimed_fen: int
    evidence: dict[str, Any]
    part: str
    opened_at: datetime
    opened_by: str
    answer_by: date
    answered_at: datetime | None
    answered_by: str | None
    answer: str | None
    offered_fen: int
    decide_by: date
    decided_at: datetime | None
    decided_by: str | None
    outcome: str | None
    credit_fen: int
    note: str | None
    within_payer: bool
    credit_number: str
    standing: DisputeStanding

    @property
    def difference_fen(self) -> int:
        """What the payer does not want to pay."""
        return self.amount_fen - self.claimed_fen

    @property
    def is_open(self) -> bool:
        return self.outcome is None

    @property
    def due(self) -> date | None:
        """The day by which whoever has the ball should act."""
        if not self.is_open:
            return None
        return (
            self.answer_by if self.standing is DisputeStanding.AWAITING_ANSWER else self.decide_by
        )

    @property
    def waits_for_answer(self) -> bool:
        return self.standing is DisputeStanding.AWAITING_ANSWER

    @property
    def waits_for_decision(self) -> bool:
        return self.standing in {DisputeStanding.AWAITING_DECISION, DisputeStanding.OVERDUE}

    @property
    def of_closed_year(self) -> bool:
        return self.reason == DisputeReason.FISCAL_YEAR_CLOSED

    @property
    def settled_by_vendor(self) -> bool:
        """Whether the vendor's own offer ended it."""
        return self.decided_at is not None and self.decided_at == self.answered_at


@dataclass(frozen=True, kw_only=True, slots=True)
class CreditView:
    """A credit note with the line that it takes from; amounts in fen."""

    number: str
    issued_at: datetime
    amount_fen: int
    uncovered_fen: int
    drawn_fen: int
    vendor_fen: int
    school_fen: int
    fee_fen: int
    retention_fen: int
    draws: Sequence["CreditDrawRow"]


@dataclass(frozen=True, kw_only=True, slots=True)
class CreditDrawRow:
    """What a credit note gives back to one funding line, in fen."""

    funding_line_id: UUID
    fiscal_year: int
    source: str
    amount_fen: int


def disputes_of(
    unit: Unit,
    *,
    payer_code: str | None = None,
    month: date | None = None,
    only_open: bool = False,
) -> list[DisputeRow]:
    """Return the disputes that the actor may see: open ones by their day, then the latest ended."""
    wanted = _disputes(unit)
    if payer_code is not None:
        wanted = wanted.where(Payer.code == payer_code)
    if month is not None:
        wanted = wanted.where(StatementLine.month == month)
    if only_open:
        wanted = wanted.where(Dispute.outcome.is_(None))
    rows = _rows(unit, wanted.order_by(Dispute.opened_at.desc(), Dispute.id))
    waiting = sorted((row for row in rows if row.is_open), key=lambda row: row.due or date.max)
    return waiting + [row for row in rows if not row.is_open]


def dispute_row(unit: Unit, dispute_id: UUID) -> DisputeRow:
    """Return one dispute, or raise `NotFound`."""
    rows = _rows(unit, _disputes(unit).where(Dispute.id == dispute_id))
    if not rows:
        raise NotFound(what="dispute", key=dispute_id)
    return rows[0]


def dispute_of_line(unit: Unit, line_id: UUID) -> DisputeRow | None:
    """Return the dispute of a line, if there is one."""
    rows = _rows(unit, _disputes(unit).where(Dispute.line_id == line_id))
    return rows[0] if rows else None


def credit_view(unit: Unit, line_id: UUID) -> CreditView:
    """Return the credit note of a line that the actor may see, or raise `NotFound`.

    A vendor is shown what it gives back, not to which funding lines.
    """
    note = unit.session.scalars(
        select(CreditNote)
        .join(StatementLine, StatementLine.id == CreditNote.line_id)
        .where(CreditNote.line_id == line_id, _own(unit))
    ).first()
    if note is None:
        raise NotFound(what="credit note", key=line_id)
    draws = []
    if unit.actor.organisation_kind is not OrganisationKind.VENDOR:
        draws = [
            CreditDrawRow(**row._mapping)
            for row in unit.session.execute(
                select(
                    CreditDraw.funding_line_id,
                    FundingLine.fiscal_year,
                    FundingLine.source,
                    CreditDraw.amount_fen,
                )
                .join(FundingLine, FundingLine.id == CreditDraw.funding_line_id)
                .where(CreditDraw.credit_note_id == note.id)
                .order_by(CreditDraw.position)
            )
        ]
    return CreditView(
        number=note.number,
        issued_at=note.issued_at,
        amount_fen=note.amount_fen,
        uncovered_fen=note.uncovered_fen,
        drawn_fen=note.drawn_fen,
        vendor_fen=note.vendor_fen,
        school_fen=note.school_fen,
        fee_fen=note.fee_fen,
        retention_fen=note.retention_fen,
        draws=draws,
    )


def _disputes(unit: Unit) -> Select[*tuple[Any, ...]]:
    line, dispute = StatementLine, Dispute
    return (
        select(
            dispute.id,
            dispute.line_id,
            dispute.payer_id,
            dispute.vendor_id,
            line.agreement_id,
            Payer.code.label("payer_code"),
            Payer.name.label("payer_name"),
            Vendor.name.label("vendor_name"),
            Agreement.terms["title"].astext.label("title"),
            line.month,
            Statement.number.label("statement_number"),
            line.amount_fen,
            line.state.label("line_state"),
            *(
                getattr(dispute, name)
                for name in (
                    *("reason", "claim", "claimed_fen", "evidence", "opened_at", "opened_by"),
                    *("answer_by", "answered_at", "answered_by", "answer", "offered_fen"),
                    *("decide_by", "decided_at", "decided_by", "outcome", "credit_fen", "note"),
                    "within_payer",
                )
            ),
            CreditNote.number.label("credit_number"),
            _part_named().label("part"),
        )
        .join(line, line.id == dispute.line_id)
        .join(Statement, Statement.id == line.statement_id)
        .join(Agreement, Agreement.id == line.agreement_id)
        .join(Payer, Payer.id == line.payer_id)
        .join(Vendor, Vendor.id == line.vendor_id)
        .outerjoin(CreditNote, CreditNote.dispute_id == dispute.id)
        .where(_own(unit))
    )


def _part_named() -> ScalarSelect[str]:
    """Return the title of the part that a dispute names, as it was agreed."""
    return (
        select(Version.title)
        .join(PackPart, PackPart.version_id == Version.id)
        .where(
            PackPart.pack_id == Agreement.version_id,
            cast(PackPart.resource_id, Text) == Dispute.evidence["part"].astext,
        )
        .scalar_subquery()
    )


def _own(unit: Unit) -> ColumnElement[bool]:
    if unit.actor.organisation_kind is OrganisationKind.VENDOR:
        return StatementLine.vendor_id == unit.actor.organisation_id
    return StatementLine.payer_id.in_(visible_payers(unit))


def _rows(unit: Unit, wanted: Select[*tuple[Any, ...]]) -> list[DisputeRow]:
    today = shanghai_day(unit.clock.now())
    return [
        DisputeRow(
            **{
                **row._mapping,
                "credit_number": row.credit_number or "",
                "part": row.part or "",
            },
            standing=standing_of(
                today=today,
                answered=row.answered_at is not None,
                outcome=row.outcome,
                last_answer=row.answer_by,
                last_decision=row.decide_by,
            ),
        )
        for row in unit.session.execute(wanted)
    ]
