"""How an agreement's history goes when it is made again: what was stated so far, what was left.

What a line says was left before it, of ceilings and on funds, is compared with what the course left
then; it is made again on the latter.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from uuid import UUID

from kernel.clock import Month, show_month
from kernel.money import yuan
from settlement.credit_notes import Credit
from settlement.rating import Fund, Rated, Room, Stated
from settlement.verify.by_school import Credited, Found, left_of_schools
from settlement.verify.commitments import FundKey
from settlement.verify.kept import History, KeptLine, KeptNote
from settlement.verify.moves import Moved
from settlement.verify.then import (
    OpenUntil,
    ceilings_then,
    committed_then,
    funds_then,
    key_of,
    knowable,
    lapses_then,
    told_key,
    untold,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """One field of a stored line or credit note that its sources don't give."""

    document: str
    agreement: str
    kind: str
    of_month: Month
    field: str
    found: str
    expected: str

    def __str__(self) -> str:
        return (
            f"{self.document}, agreement {self.agreement}, {self.kind} of "
            f"{show_month(self.of_month)}: {self.field} is {self.found}, "
            f"its sources give {self.expected}"
        )


@dataclass(slots=True)
class Course:
    """How far an agreement's history has been made again, as it should have gone."""

    history: History
    open_until: OpenUntil
    billed_fen: dict[int, int] = field(default_factory=dict)
    """By fiscal year of the use."""
    drawn: dict[UUID, int] = field(default_factory=dict)
    credits: list[tuple[KeptNote, Credit]] = field(default_factory=list)
    months: dict[Month, Stated] = field(default_factory=dict)
    made: dict[UUID, Rated] = field(default_factory=dict)
    lines: dict[Month, list[KeptLine]] = field(default_factory=dict)
    """By month of use; each one's amounts are in `made`."""
    missed: set[Month] = field(default_factory=set)
    """Months of use of which a line that takes up is missing, and was named."""
    billed_to: dict[UUID, int] = field(default_factory=dict)
    credited_to: list[Credited] = field(default_factory=list)
    """By school, where they have own ceilings: billed, and what each of `credits` gives back."""

    def of_month(self, month: Month) -> Stated:
        return self.months.setdefault(month, Stated())

    def net_of(self, month: Month, at: tuple[datetime, UUID]) -> Stated:
        """Return what was stated of a month, less what was written off of it before a moment.

        `at`: a document's time and id; of the same time, the smaller id came first.
        """
        fen = sum(
            one.amount_fen
            for one in self.history.decisions
            if one.of_month == month
            and one.written_off_at is not None
            and (one.written_off_at, one.id) < at
        )
        return self.of_month(month).less_written_off(fen)

    def difference(self, document: str, kind: str, of_month: Month, one: Found) -> Difference:
        name, found, expected = one
        return Difference(
            document=document,
            agreement=self.history.number,
            kind=kind,
            of_month=of_month,
            field=name,
            found=found,
            expected=expected,
        )


def room_before(course: Course, line: KeptLine) -> tuple[Room, list[Found]]:
    """Return what should have been left before a line, and where it says otherwise.

    All credit notes issued before its statement may have been seen, those from before the seal
    must have been.
    """
    told = line.explanation
    notes = course.credits
    seen = sum(line.sealed_at is not None and note.issued_at < line.sealed_at for note, _ in notes)
    known_notes = [notes[:number] for number in range(len(notes), seen - 1, -1)]
    differences: list[Found] = []

    year = line.of_month.year if course.history.years else None
    ceilings, ceiling_fen = ceilings_then(course.history, line, year=year), int(told["ceiling_fen"])
    if ceiling_fen not in ceilings:
        differences.append(("ceiling", yuan(ceiling_fen), yuan(ceilings[0])))
        ceiling_fen = ceilings[0]
    lefts = [_left_of(course, ceiling_fen, known, year=year) for known in known_notes]
    told_left = int(told["ceiling_left_before_fen"])
    left = told_left if told_left in lefts else lefts[0]
    if left != told_left:
        differences.append(("what was left of the ceiling before", yuan(told_left), yuan(left)))

    funds = funds_then(course.history, line)
    rooms = [
        [left_on(course, fund, known, freed) for fund in funds]
        for known in known_notes
        for freed in knowable(course.history.freed, line)
    ]
    missing = untold(course.history, line) if "funds" in told else []
    told_funds = [fund.left_fen for fund in funds[: len(funds) - len(missing)]]
    found = next((room for room in rooms if room[: len(told_funds)] == told_funds), rooms[0])
    if "funds" in told:
        differences += _of_funds(course.history, line, funds[: len(told_funds)], found)
        differences += [
            (f"what was committed on {name_of(key_of(fund))}", "not told", yuan(then[0]))
            for fund, then in missing
        ]
    made = [replace(fund, left_fen=fen) for fund, fen in zip(funds, found, strict=True)]
    schools, wrong = left_of_schools(
        course.history,
        line,
        billed=course.billed_to,
        known_credits=[course.credited_to[: len(known)] for known in known_notes],
    )
    differences += wrong
    return Room(left, made, {} if year is None else {year: left}, schools), differences


def _left_of(
    course: Course,
    ceiling_fen: int,
    known: Sequence[tuple[KeptNote, Credit]],
    *,
    year: int | None,
) -> int:
    """Return what should have been left of a ceiling: of the year's, where there are several."""
    billed = sum(
        fen for of_year, fen in course.billed_fen.items() if year is None or of_year == year
    )
    credited = sum(
        one.amount_fen for note, one in known if year is None or note.of_month.year == year
    )
    return ceiling_fen - billed + credited


def left_on(
    course: Course,
    fund: Fund,
    known: Sequence[tuple[KeptNote, Credit]],
    freed: Sequence[Moved],
) -> int:
    given_back = sum(dict(one.draws).get(fund.line_id, 0) for _, one in known)
    gone = sum(one.amount_fen for one in freed if one.subject == fund.line_id)
    return fund.ceiling_fen - course.drawn.get(fund.line_id, 0) + given_back - gone


def _of_funds(
    history: History, line: KeptLine, funds: Sequence[Fund], left: Sequence[int]
) -> Iterator[Found]:
    """Compare what a line says of its funds with their commitments then, and what was left."""
    committed = {key_of(fund): fund for fund in history.funds}
    for one in line.explanation["funds"]:
        told = int(one["ceiling_fen"])
        fund = committed.get(told_key(one))
        then = [0] if fund is None else committed_then(history, line, fund)
        if told not in then:
            yield f"what was committed on {name_of(told_key(one))}", yuan(told), yuan(then[0])
        lapses = [] if fund is None else lapses_then(history, line, fund)
        if lapses and date.fromisoformat(one["lapses_on"]) not in lapses:
            name = f"the day on which {name_of(told_key(one))} lapses"
            yield name, one["lapses_on"], lapses[0].isoformat()
    for fund, fen in zip(funds, left, strict=False):
        if fund.left_fen != fen:
            name = f"what was left on {name_of(key_of(fund))} before"
            yield name, yuan(fund.left_fen), yuan(fen)


def name_of(key: FundKey) -> str:
    """Return a funding line's name within its payer: `2026 special_fund {"subjects":["语文"]}`."""
    fiscal_year, source, restriction = key
    return f"{fiscal_year} {source}" + ("" if restriction == "{}" else f" {restriction}")
