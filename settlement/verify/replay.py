"""Deciding the money of every stored line once more: the cut at the ceiling, the choice of funds.

Pure; what is stored comes in as a `History`, each difference goes out named. An agreement's lines
and credit notes are made again one after the other from their quantities and the frozen terms, each
on what those before it should have left, so that a wrong one is named and not all that follow it.

What was known at a line's time is not guessed: the funds, until when each paid and what was
committed on it stand with the line, and so does whether its year was closed. Nor is it believed:
ceilings and commitments are those of now, less the changes that came after it, a fund pays until
its year is over or it was carried over by then, and a year is closed by the calendar. A later
top-up, carry-over, close or another ceiling therefore changes no old line. A credit note counts for
the statements that were drafted after it; one that was issued while a month was being closed may or
may not have been seen, and either is right. A line without funds was stated before they were kept;
it goes by the agreement's draws.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from kernel.clock import Month, next_month, show_month
from kernel.money import yuan
from settlement.credit_notes import Credit, credit, credited_shares, left_to_credit
from settlement.pricing import Split
from settlement.rating import Draw, Fund, Rated, Room, Stated, adjust, rate, take_up
from settlement.school_parts import Weights
from settlement.verify.by_school import (
    Credited,
    Found,
    left_of_schools,
    of_credit_parts,
    of_parts,
    of_school_parts,
    weights_of,
    whole_parts,
)
from settlement.verify.moves import Moved
from settlement.verify.then import (
    OpenUntil,
    ceilings_then,
    closed_then,
    committed_then,
    funds_then,
    key_of,
    knowable,
    lapses_then,
    told_key,
    untold,
)
from settlement.verify.timeline import FundKey, History, KeptLine, KeptNote

AMOUNTS = ("rated_fen", "above_ceiling_fen", "amount_fen", "uncovered_fen", "drawn_fen")
SHARES = ("vendor_fen", "school_fen", "fee_fen", "retention_fen")
STATED_BEFORE = ("quantity", "rated_fen", "above_ceiling_fen", "amount_fen")


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
class _Course:
    """How far an agreement's history has been made again, as it should have gone."""

    history: History
    open_until: OpenUntil
    billed_fen: dict[int, int] = field(default_factory=dict)
    """By fiscal year of the use."""
    drawn: dict[UUID, int] = field(default_factory=dict)
    credits: list[tuple[KeptNote, Credit]] = field(default_factory=list)
    months: dict[Month, Stated] = field(default_factory=dict)
    made: dict[UUID, Rated] = field(default_factory=dict)
    billed_to: dict[UUID, int] = field(default_factory=dict)
    credited_to: list[Credited] = field(default_factory=list)
    """By school, where they have own ceilings: billed, and what each of `credits` gives back."""

    def of_month(self, month: Month) -> Stated:
        return self.months.setdefault(month, Stated())

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


def replay(history: History, open_until: OpenUntil) -> Iterator[Difference]:
    """Yield every difference between an agreement's lines and what their sources give."""
    course = _Course(history, open_until)
    for event in history.events:
        if isinstance(event, KeptLine):
            yield from _replay_line(course, event)
        else:
            yield from _replay_note(course, event)


def _replay_line(course: _Course, line: KeptLine) -> Iterator[Difference]:
    terms, stated = course.history.terms, course.of_month(line.of_month)
    room, wrong = _room(course, line)
    closed, more = _closed(line, course.open_until)
    wrong += more
    weights = weights_of(course.history, line)
    rated = _rated(terms, line, stated=stated, room=room, year_is_closed=closed, weights=weights)
    whole = whole_parts(terms, line, stated=stated, rated=rated)
    differences = [
        *wrong,
        *_of_stated(line, stated),
        *_of_amounts(line, rated),
        *_of_draws(line.draws, rated.draws, course.history.fund_keys),
        *of_parts(line, whole, stated),
        *of_school_parts(line, rated.parts),
    ]
    _take(course, line, rated, stated=stated, whole=whole)
    yield from (
        course.difference(f"statement {line.statement}", line.kind, line.of_month, one)
        for one in differences
    )


def _rated(
    terms: Mapping[str, Any],
    line: KeptLine,
    *,
    stated: Stated,
    room: Room,
    year_is_closed: bool,
    weights: Weights,
) -> Rated:
    last_day: date = next_month(line.of_month) - timedelta(days=1)
    if line.kind == "use":
        return rate(terms, line.quantity, room=room, last_day=last_day, weights=weights)
    if line.kind == "take_up":
        wanted_fen = int(line.explanation["takes_up_fen"])
        return take_up(terms, wanted_fen, stated=stated, room=room, last_day=last_day)
    return adjust(
        terms,
        stated.quantity + line.quantity,
        stated=stated,
        room=room,
        last_day=last_day,
        year_is_closed=year_is_closed,
        weights=weights,
    )


def _closed(line: KeptLine, open_until: OpenUntil) -> tuple[bool, list[Found]]:
    """Return whether a correction's year should have been closed, and where it says otherwise.

    A month's own use is never of a closed year: it draws until its line ends (R19).
    """
    told = bool(line.explanation.get("year_is_closed", False))
    closed = closed_then(line, open_until) if line.kind == "adjustment" else [False]
    if told in closed:
        return told, []
    return closed[0], [("whether its year was closed", _yes(told), _yes(closed[0]))]


def _room(course: _Course, line: KeptLine) -> tuple[Room, list[Found]]:
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
        [_left_on(course, fund, known, freed) for fund in funds]
        for known in known_notes
        for freed in knowable(course.history.freed, line)
    ]
    missing = untold(course.history, line) if "funds" in told else []
    told_funds = [fund.left_fen for fund in funds[: len(funds) - len(missing)]]
    found = next((room for room in rooms if room[: len(told_funds)] == told_funds), rooms[0])
    if "funds" in told:
        differences += _of_funds(course.history, line, funds[: len(told_funds)], found)
        differences += [
            (f"what was committed on {_name(key_of(fund))}", "not told", yuan(then[0]))
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
    course: _Course,
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


def _left_on(
    course: _Course,
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
            yield f"what was committed on {_name(told_key(one))}", yuan(told), yuan(then[0])
        lapses = [] if fund is None else lapses_then(history, line, fund)
        if lapses and date.fromisoformat(one["lapses_on"]) not in lapses:
            name = f"the day on which {_name(told_key(one))} lapses"
            yield name, one["lapses_on"], lapses[0].isoformat()
    for fund, fen in zip(funds, left, strict=False):
        if fund.left_fen != fen:
            name = f"what was left on {_name(key_of(fund))} before"
            yield name, yuan(fund.left_fen), yuan(fen)


def _of_stated(line: KeptLine, stated: Stated) -> Iterator[Found]:
    """Compare what a correction says was stated before with what was."""
    told = line.explanation.get("stated", {})
    for name in STATED_BEFORE if line.kind == "adjustment" else ():
        found, expected = int(told[name]), int(getattr(stated, name))
        if found != expected:
            yield f"{name} stated before", _shown(name, found), _shown(name, expected)


def _of_amounts(line: KeptLine, rated: Rated) -> Iterator[Found]:
    for name in AMOUNTS:
        found, expected = getattr(line, name), getattr(rated, name)
        if found != expected:
            yield name, yuan(found), yuan(expected)
    for name in SHARES:
        found, expected = getattr(line, name), getattr(rated.shares, name)
        if found != expected:
            yield name, yuan(found), yuan(expected)
    if line.unit_price != rated.unit_price:
        yield "unit_price", str(line.unit_price), str(rated.unit_price)


def _of_draws(
    found: Sequence[Draw], expected: Sequence[Draw], keys: Mapping[UUID, FundKey]
) -> Iterator[Found]:
    if list(found) == list(expected):
        return
    before, after = dict(found), dict(expected)
    for line_id in dict.fromkeys([*after, *before]):
        if before.get(line_id, 0) != after.get(line_id, 0):
            name = f"drawn on {_name(keys[line_id])}"
            yield name, yuan(before.get(line_id, 0)), yuan(after.get(line_id, 0))
    if before == after:
        orders = [" ".join(_name(keys[line_id]) for line_id, _ in one) for one in (found, expected)]
        yield "order of draws", orders[0], orders[1]


def _take(
    course: _Course, line: KeptLine, rated: Rated, *, stated: Stated, whole: Sequence[int]
) -> None:
    """Go on from what the line should have been."""
    for part, fen in zip(line.parts, whole, strict=True):
        stated.parts[part.school_id] = (int(part.explanation["quantity"]), fen)
    for one in rated.parts:
        stated.add_school(one.school_id, rated_fen=one.rated_fen, amount_fen=one.amount_fen)
        course.billed_to[one.school_id] = course.billed_to.get(one.school_id, 0) + one.amount_fen
    year = line.of_month.year
    course.billed_fen[year] = course.billed_fen.get(year, 0) + rated.amount_fen
    stated.quantity += line.quantity
    stated.take(rated)
    for line_id, fen in rated.draws:
        course.drawn[line_id] = course.drawn.get(line_id, 0) + fen
    course.made[line.id] = rated


def _replay_note(course: _Course, note: KeptNote) -> Iterator[Difference]:
    """Compare a credit note with what its amount takes off the line as it should have been."""
    stated, line = course.of_month(note.of_month), course.made.get(note.line_id)
    left = left_to_credit(
        stated,
        uncovered_fen=line.uncovered_fen if line else 0,
        draws=line.draws if line else [],
    )
    differences: list[Found] = []
    if note.amount_fen > left.amount_fen:
        most = f"at most {yuan(left.amount_fen)}"
        differences.append(("amount_fen", yuan(note.amount_fen), most))
        made = Credit(note.amount_fen, note.uncovered_fen, note.drawn_fen, note.draws)
    else:
        made = credit(note.amount_fen, uncovered_fen=left.uncovered_fen, draws=left.draws)
    shares = credited_shares(
        course.history.terms, stated.shares, rest_fen=stated.drawn_fen - made.drawn_fen
    )
    for name in ("uncovered_fen", "drawn_fen"):
        if getattr(note, name) != getattr(made, name):
            differences.append((name, yuan(getattr(note, name)), yuan(getattr(made, name))))
    for name in SHARES:
        if getattr(note, name) != getattr(shares, name):
            differences.append((name, yuan(getattr(note, name)), yuan(getattr(shares, name))))
    differences += _of_draws(note.draws, made.draws, course.history.fund_keys)
    given_back, wrong = of_credit_parts(note, stated.schools, amount_fen=made.amount_fen)
    differences += wrong
    for school_id, fen in given_back:
        stated.add_school(school_id, rated_fen=0, amount_fen=-fen)
    course.credits.append((note, made))
    course.credited_to.append(given_back)
    stated.amount_fen -= made.amount_fen
    stated.above_ceiling_fen += made.amount_fen
    stated.uncovered_fen -= made.uncovered_fen
    stated.shares = _sum(stated.shares, shares, sign=-1)
    for line_id, fen in made.draws:
        stated.draws[line_id] = stated.draws.get(line_id, 0) - fen
    yield from (
        course.difference(f"credit note {note.number}", "credit", note.of_month, one)
        for one in differences
    )


def _sum(shares: Split, more: Split, *, sign: int) -> Split:
    return Split(
        shares.vendor_fen + sign * more.vendor_fen,
        shares.school_fen + sign * more.school_fen,
        shares.fee_fen + sign * more.fee_fen,
        shares.retention_fen + sign * more.retention_fen,
    )


def _name(key: FundKey) -> str:
    """Return a funding line's name within its payer: `2026 special_fund {"subjects":["语文"]}`."""
    fiscal_year, source, restriction = key
    return f"{fiscal_year} {source}" + ("" if restriction == "{}" else f" {restriction}")


def _shown(name: str, amount: int) -> str:
    return yuan(amount) if name.endswith("_fen") else str(amount)


def _yes(is_so: bool) -> str:
    return "yes" if is_so else "no"
