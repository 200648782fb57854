"""The memorandum: what was billed before its fiscal year's money arrived, outside every line (R25).

Decides how much of what no line covers stands under the agreement to it: as far as the cap has
room; the rest waits like all unfunded use. Whatever settles a part of a month, money, a credit or a
write-off, settles first what stands here. Nothing of it is due to the vendor, and no account holds
it: `market verify` makes every entry once more from the documents.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import insert, select

from kernel.clock import Month, show_month
from kernel.identity.recording import among
from kernel.ids import new_id
from kernel.unit import Unit
from settlement.early_use_models import Memorandum, MemorandumEntry
from settlement.rating import Rated

CREDIT, WRITE_OFF = "credit", "write_off"
"""Kinds of an entry beside those of statement lines."""


@dataclass(slots=True)
class Book:
    """One memorandum, entry by entry, in fen."""

    cap_fen: int
    months: dict[Month, int] = field(default_factory=dict)

    @property
    def total_fen(self) -> int:
        return sum(self.months.values())

    def enter(self, of_month: Month, uncovered_fen: int) -> int:
        """Enter what is uncovered more, or less, of a month; return the entry's amount."""
        standing = self.months.get(of_month, 0)
        if uncovered_fen > 0:
            amount = min(uncovered_fen, max(self.cap_fen - self.total_fen, 0))
        else:
            amount = -min(-uncovered_fen, standing)
        self.months[of_month] = standing + amount
        return amount


class Drafted(Protocol):
    """What a statement's line tells the memorandum."""

    @property
    def agreement_id(self) -> UUID: ...
    @property
    def kind(self) -> str: ...
    @property
    def of_month(self) -> Month: ...
    @property
    def rated(self) -> Rated: ...
    @property
    def year_is_closed(self) -> bool: ...


def note_uncovered(unit: Unit, month: Month, lines: Sequence[Drafted]) -> None:
    """Enter what a statement's lines left uncovered or took up, where it was agreed to.

    Of a year whose books are closed nothing new is entered: that is for a bureau to decide.
    """
    concerned = [
        line
        for line in lines
        if line.rated.uncovered_fen < 0
        or (line.rated.uncovered_fen > 0 and not line.year_is_closed)
    ]
    if not concerned:
        return
    books = lock_books(unit, {line.agreement_id for line in concerned})
    rows = []
    for line in concerned:
        book = books.get((line.agreement_id, line.of_month.year))
        amount = book.enter(line.of_month, line.rated.uncovered_fen) if book else 0
        if amount:
            rows.append(
                _entry(
                    unit,
                    line.agreement_id,
                    line.of_month,
                    kind=line.kind,
                    document=show_month(month),
                    amount_fen=amount,
                )
            )
    if rows:
        unit.session.execute(insert(MemorandumEntry), rows)


def is_of_closed_year(explanation: Mapping[str, Any]) -> bool:
    """Return whether a line corrected a closed year, so that no memorandum holds what it billed.

    A credit note of it takes nothing off what stands there for other use.
    """
    return bool(explanation.get("year_is_closed", False))


def note_settled(
    unit: Unit, agreement_id: UUID, of_month: Month, *, kind: str, document: str, settled_fen: int
) -> None:
    """Enter what a credit or a write-off took off a month's uncovered amount."""
    book = lock_books(unit, [agreement_id]).get((agreement_id, of_month.year))
    amount = book.enter(of_month, -settled_fen) if book else 0
    if amount:
        entry = _entry(
            unit, agreement_id, of_month, kind=kind, document=document, amount_fen=amount
        )
        unit.session.execute(insert(MemorandumEntry), [entry])


def lock_books(unit: Unit, agreement_ids: Collection[UUID]) -> dict[tuple[UUID, int], Book]:
    """Lock these agreements' memoranda and return how each stands, by agreement and year."""
    memoranda = unit.session.execute(
        select(Memorandum.agreement_id, Memorandum.fiscal_year, Memorandum.cap_fen)
        .where(among(Memorandum.agreement_id, list(agreement_ids)))
        .order_by(Memorandum.agreement_id, Memorandum.fiscal_year)
        .with_for_update(key_share=True)
    ).all()
    books = {(row.agreement_id, row.fiscal_year): Book(row.cap_fen) for row in memoranda}
    if not books:
        return books
    for agreement_id, year, of_month, fen in unit.session.execute(
        select(
            MemorandumEntry.agreement_id,
            MemorandumEntry.fiscal_year,
            MemorandumEntry.of_month,
            MemorandumEntry.amount_fen,
        ).where(among(MemorandumEntry.agreement_id, list(agreement_ids)))
    ):
        months = books[agreement_id, year].months
        months[Month(of_month)] = months.get(Month(of_month), 0) + fen
    return books


def _entry(
    unit: Unit,
    agreement_id: UUID,
    of_month: Month,
    *,
    kind: str,
    document: str,
    amount_fen: int,
) -> dict[str, object]:
    return {
        "id": new_id(),
        "agreement_id": agreement_id,
        "fiscal_year": of_month.year,
        "of_month": of_month,
        "kind": kind,
        "document": document,
        "amount_fen": amount_fen,
        "at": unit.clock.now(),
    }
