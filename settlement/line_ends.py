"""How funding lines end: what is left lapses to the treasury, or pays a while longer (R19).

Decides how much of a line may go: not what is committed for lines that are stated and not posted
yet. Whether a line lapses or is carried over is the caller's decision, by rule. What comes back to
a line after it lapsed, such as a credit or a forfeited retention, lapses at the next end (R41).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import false, func, insert, select, update

from kernel.identity.models import Organisation
from kernel.identity.recording import among
from kernel.ids import new_id
from kernel.trail import record
from kernel.unit import Unit
from settlement.budget_models import FreedCommitment, LineEnd
from settlement.dispute_models import CreditDraw, CreditNote
from settlement.funding_lines import LineBalance, line_balances
from settlement.issues import given_by_budgets, lapse_entries
from settlement.ledger.posting import AccountKey, AccountKind, Entry, TransferDraft, post
from settlement.line_names import line_code
from settlement.models import (
    Agreement,
    AgreementDraw,
    FundingLine,
    Period,
    StatementDraw,
    StatementLine,
)
from settlement.queries.statements import visible_payers


@dataclass(frozen=True, kw_only=True, slots=True)
class Commitment:
    """What an agreement still holds of a line, in fen.

    `left_fen` may be freed; `stated_fen` is drawn by lines that are stated and not posted yet.
    `last_month` is the last in which use of it may be paid by the line.
    """

    agreement_id: UUID
    number: str
    last_month: date
    left_fen: int
    stated_fen: int


@dataclass(frozen=True, kw_only=True, slots=True)
class EndingLine:
    """A line whose last day of paying lies in a year with closed books, and where it stands."""

    id: UUID
    payer_id: UUID
    payer_code: str
    payer_name: str
    region_code: str
    fiscal_year: int
    source: str
    restriction: Mapping[str, object]
    lapses_on: date
    balance: LineBalance
    ends: int
    settled_until: date | None = None
    commitments: Sequence[Commitment] = field(default_factory=tuple)

    @property
    def waits_for(self) -> date | None:
        """The month that has to be settled first: its use may still draw on this line."""
        months = [one.last_month for one in self.commitments if one.left_fen]
        last = max(months, default=None)
        if last is None or (self.settled_until is not None and self.settled_until >= last):
            return None
        return last

    @property
    def code(self) -> str:
        return line_code(self.payer_code, self.fiscal_year, self.source, self.restriction)

    @property
    def left_fen(self) -> int:
        return sum(one.left_fen for one in self.commitments)

    @property
    def stated_fen(self) -> int:
        return sum(one.stated_fen for one in self.commitments)


@dataclass(frozen=True, kw_only=True, slots=True)
class CarriedLine:
    """A line that was carried over until a day, with what it still holds."""

    code: str
    until: date
    balance: LineBalance


@dataclass(frozen=True, kw_only=True, slots=True)
class End:
    """How a line ends: carried until a day (its commitments freed or kept), or lapsed."""

    line: EndingLine
    because: str
    carried_until: date | None = None
    frees: bool = True

    @property
    def freed_fen(self) -> int:
        return self.line.left_fen if self.frees else 0

    @property
    def lapsed_fen(self) -> int:
        return self.line.balance.available_fen + self.freed_fen if self.carried_until is None else 0

    @property
    def carried_fen(self) -> int:
        """What the line may go on to pay with."""
        if self.carried_until is None:
            return 0
        return self.line.balance.available_fen + self.line.left_fen


def ending_lines(unit: Unit, *, closed_year: int, for_update: bool = False) -> list[EndingLine]:
    """Return the actor's lines that paid for nothing after `closed_year` and still hold something.

    By payer, year and source; locked in id order if they are about to end.
    """
    wanted = select(FundingLine.id).where(
        FundingLine.lapses_on <= date(closed_year + 1, 1, 1),
        FundingLine.payer_id.in_(visible_payers(unit)),
    )
    if for_update:
        wanted = wanted.order_by(FundingLine.id).with_for_update()
    line_ids = list(unit.session.scalars(wanted))
    balances = line_balances(unit, line_ids)
    holding = [
        line_id
        for line_id in line_ids
        if balances[line_id].available_fen or balances[line_id].committed_fen
    ]
    commitments = _commitments(unit, holding)
    counts = dict(
        unit.session.execute(
            select(LineEnd.line_id, func.count())
            .where(among(LineEnd.line_id, holding))
            .group_by(LineEnd.line_id)
        ).all()
    )
    # Months are settled in their order: behind a stated one there is none that is open.
    settled = dict(
        unit.session.execute(
            select(Period.payer_id, func.max(Period.month))
            .where(Period.state.in_(("stated", "posted", "closed")))
            .group_by(Period.payer_id)
        ).all()
    )
    rows = unit.session.execute(
        select(FundingLine, Organisation.code, Organisation.name, Organisation.region_code)
        .join(Organisation, Organisation.id == FundingLine.payer_id)
        .where(among(FundingLine.id, holding))
        .order_by(Organisation.code, FundingLine.fiscal_year, FundingLine.source, FundingLine.id)
        .execution_options(populate_existing=True)
    )
    return [
        EndingLine(
            id=line.id,
            payer_id=line.payer_id,
            payer_code=code,
            payer_name=name,
            region_code=region,
            fiscal_year=line.fiscal_year,
            source=line.source,
            restriction=line.restriction,
            lapses_on=line.lapses_on,
            balance=balances[line.id],
            ends=counts.get(line.id, 0),
            settled_until=settled.get(line.payer_id),
            commitments=tuple(commitments.get(line.id, ())),
        )
        for line, code, name, region in rows
    ]


def carried_lines(unit: Unit, fiscal_year: int) -> list[CarriedLine]:
    """Return the actor's lines of a year that were carried over beyond it and still hold something.

    They end with the books of the year in which they stop to pay.
    """
    found = unit.session.execute(
        select(FundingLine, Organisation.code)
        .join(Organisation, Organisation.id == FundingLine.payer_id)
        .where(
            FundingLine.fiscal_year == fiscal_year,
            FundingLine.lapses_on > date(fiscal_year + 1, 1, 1),
            FundingLine.payer_id.in_(visible_payers(unit)),
        )
        .order_by(Organisation.code, FundingLine.source, FundingLine.id)
    ).all()
    balances = line_balances(unit, [line.id for line, _ in found]) if found else {}
    return [
        CarriedLine(
            code=line_code(code, line.fiscal_year, line.source, line.restriction),
            until=line.lapses_on - timedelta(days=1),
            balance=balances[line.id],
        )
        for line, code in found
        if balances[line.id].available_fen or balances[line.id].committed_fen
    ]


def _commitments(unit: Unit, line_ids: Sequence[UUID]) -> dict[UUID, list[Commitment]]:
    """Return by line what each agreement still holds of it, by number."""
    drawn: dict[tuple[UUID, UUID], int] = {}
    stated: dict[tuple[UUID, UUID], int] = {}
    coming_back: dict[tuple[UUID, UUID], int] = {}
    for agreement_id, line_id, is_posted, gives_back, fen in _drawn_parts(unit, line_ids):
        key = (agreement_id, line_id)
        drawn[key] = drawn.get(key, 0) + fen
        if not is_posted:
            # What gives back is committed again only once it is posted.
            part = coming_back if gives_back else stated
            part[key] = part.get(key, 0) + fen
    freed = freed_of_lines(unit, line_ids)
    found: dict[UUID, list[Commitment]] = {}
    for agreement_id, number, ends_on, line_id, ceiling_fen, lapses_on in unit.session.execute(
        select(
            Agreement.id,
            Agreement.number,
            Agreement.ends_on,
            AgreementDraw.line_id,
            AgreementDraw.ceiling_fen,
            FundingLine.lapses_on,
        )
        .join(AgreementDraw, AgreementDraw.agreement_id == Agreement.id)
        .join(FundingLine, FundingLine.id == AgreementDraw.line_id)
        .where(among(AgreementDraw.line_id, line_ids))
        .order_by(Agreement.number)
    ):
        key = (agreement_id, line_id)
        found.setdefault(line_id, []).append(
            Commitment(
                agreement_id=agreement_id,
                number=number,
                last_month=min(ends_on, lapses_on - timedelta(days=1)).replace(day=1),
                left_fen=ceiling_fen
                - drawn.get(key, 0)
                - freed.get(key, 0)
                + coming_back.get(key, 0),
                stated_fen=stated.get(key, 0),
            )
        )
    return found


def _drawn_parts(
    unit: Unit, line_ids: Sequence[UUID]
) -> Iterator[tuple[UUID, UUID, bool, bool, int]]:
    """Yield (agreement, line, posted, gives back, fen) of draws and of the credits on them."""
    is_posted = StatementLine.state == "posted"
    gives_back = StatementDraw.amount_fen < 0
    draws = (
        select(
            StatementLine.agreement_id,
            StatementDraw.funding_line_id,
            is_posted,
            gives_back,
            func.sum(StatementDraw.amount_fen),
        )
        .join(StatementDraw, StatementDraw.line_id == StatementLine.id)
        .where(among(StatementDraw.funding_line_id, line_ids))
        .group_by(StatementLine.agreement_id, StatementDraw.funding_line_id, is_posted, gives_back)
    )
    credits = (
        select(
            StatementLine.agreement_id,
            CreditDraw.funding_line_id,
            is_posted,
            false(),
            -func.sum(CreditDraw.amount_fen),
        )
        .join(CreditNote, CreditNote.line_id == StatementLine.id)
        .join(CreditDraw, CreditDraw.credit_note_id == CreditNote.id)
        .where(among(CreditDraw.funding_line_id, line_ids))
        .group_by(StatementLine.agreement_id, CreditDraw.funding_line_id, is_posted)
    )
    for query in (draws, credits):
        for agreement_id, line_id, posted, back, fen in unit.session.execute(query):
            yield agreement_id, line_id, posted, back, int(fen)


def freed_of_lines(unit: Unit, line_ids: Sequence[UUID]) -> dict[tuple[UUID, UUID], int]:
    """Return what ends freed so far, by (agreement, line)."""
    rows = unit.session.execute(
        select(FreedCommitment.agreement_id, LineEnd.line_id, func.sum(FreedCommitment.amount_fen))
        .join(LineEnd, LineEnd.id == FreedCommitment.end_id)
        .where(among(LineEnd.line_id, line_ids))
        .group_by(FreedCommitment.agreement_id, LineEnd.line_id)
    )
    return {(agreement_id, line_id): int(fen) for agreement_id, line_id, fen in rows}


def end_lines(unit: Unit, ends: Sequence[End]) -> None:
    """Post and record how these lines end; the caller has locked them and read them since."""
    given = given_by_budgets(unit, [end.line.id for end in ends if end.lapsed_fen])
    drafts: list[TransferDraft] = []
    for end in ends:
        drafts += _transfers(end, given.get(end.line.id, {}))
    post(unit, drafts)
    for end in ends:
        _record(unit, end)


def _transfers(end: End, given: Mapping[UUID, int]) -> list[TransferDraft]:
    line, number = end.line, end.line.ends + 1
    drafts = []
    if end.frees:
        drafts += [
            TransferDraft(
                key=f"free:{line.code}:{number}:{one.number}",
                memo=f"end of {line.fiscal_year}: commitment of {one.number} freed",
                entries=[
                    Entry(
                        AccountKey(line.id, AccountKind.AVAILABLE),
                        AccountKey(line.id, AccountKind.COMMITTED),
                        one.left_fen,
                    )
                ],
            )
            for one in line.commitments
            if one.left_fen
        ]
    if end.lapsed_fen:
        drafts.append(
            TransferDraft(
                key=f"lapse:{line.code}:{number}",
                memo=f"{line.source} {line.fiscal_year} of {line.payer_code} lapsed",
                entries=lapse_entries(line.id, end.lapsed_fen, given),
            )
        )
    return drafts


def _record(unit: Unit, end: End) -> None:
    line = end.line
    closed_year = (line.lapses_on - timedelta(days=1)).year
    row = LineEnd(
        id=new_id(),
        line_id=line.id,
        position=line.ends + 1,
        closed_year=closed_year,
        outcome="lapsed" if end.carried_until is None else "carried",
        freed_fen=end.freed_fen,
        lapsed_fen=end.lapsed_fen,
        held_fen=line.stated_fen,
        carried_until=end.carried_until,
        because=end.because,
        ended_at=unit.clock.now(),
        ended_by=unit.actor.name,
    )
    unit.session.add(row)
    unit.session.flush()
    freed = [
        {"end_id": row.id, "agreement_id": one.agreement_id, "amount_fen": one.left_fen}
        for one in line.commitments
        if end.frees and one.left_fen
    ]
    if freed:
        unit.session.execute(insert(FreedCommitment), freed)
    if end.carried_until is not None:
        unit.session.execute(
            update(FundingLine)
            .where(FundingLine.id == line.id)
            .values(lapses_on=end.carried_until + timedelta(days=1))
            .execution_options(synchronize_session=False)
        )
    record(
        unit,
        f"funding_line.{row.outcome}",
        subject_kind="funding_line",
        subject_id=line.id,
        line=line.code,
        closed_year=closed_year,
        freed_fen=row.freed_fen,
        lapsed_fen=row.lapsed_fen,
        held_fen=row.held_fen,
        carried_fen=end.carried_fen,
        carried_until=end.carried_until.isoformat() if end.carried_until else None,
        because=end.because,
    )
