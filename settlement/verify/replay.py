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
it goes by the agreement's draws. What was free to be taken up is made again by `unfunded`.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from uuid import UUID

from kernel.clock import next_month
from kernel.money import yuan
from settlement.credit_notes import Credit, credit, credited_shares, left_to_credit
from settlement.pricing import Split
from settlement.rating import Draw, Rated, Room, Stated, adjust, rate, take_up
from settlement.verify.by_school import (
    Found,
    of_credit_parts,
    of_parts,
    of_school_parts,
    weights_of,
    whole_parts,
)
from settlement.verify.commitments import FundKey
from settlement.verify.course import Course, Difference, name_of, room_before
from settlement.verify.kept import History, KeptLine, KeptNote
from settlement.verify.then import OpenUntil, closed_then
from settlement.verify.unfunded import below_zero, missed, wanted_then

AMOUNTS = ("rated_fen", "above_ceiling_fen", "amount_fen", "uncovered_fen", "drawn_fen")
SHARES = ("vendor_fen", "school_fen", "fee_fen", "retention_fen")
STATED_BEFORE = ("quantity", "rated_fen", "above_ceiling_fen", "amount_fen")


def replay(history: History, open_until: OpenUntil) -> Iterator[Difference]:
    """Yield every difference between an agreement's lines and what their sources give."""
    course = Course(history, open_until)
    for event in history.events:
        if isinstance(event, KeptLine):
            yield from _replay_line(course, event)
        elif isinstance(event, KeptNote):
            yield from _replay_note(course, event)
        else:
            yield from missed(course, event)
    yield from below_zero(course)


def _replay_line(course: Course, line: KeptLine) -> Iterator[Difference]:
    terms = course.history.terms
    stated = course.net_of(line.of_month, (line.stated_at, line.statement_id))
    room, wrong = room_before(course, line)
    rated, more = _rated(course, line, stated=stated, room=room)
    wrong += more
    whole = whole_parts(terms, line, stated=stated, rated=rated)
    differences = [
        *wrong,
        *_of_stated(line, stated),
        *_of_amounts(line, rated),
        *_of_draws(line.draws, rated.draws, course.history.fund_keys),
        *of_parts(line, whole, stated),
        *of_school_parts(line, rated.parts),
    ]
    _take(course, line, rated, whole=whole)
    yield from (
        course.difference(f"statement {line.statement}", line.kind, line.of_month, one)
        for one in differences
    )


def _rated(
    course: Course, line: KeptLine, *, stated: Stated, room: Room
) -> tuple[Rated, list[Found]]:
    """Return what a line should be, and where what it says of its year or its use is otherwise."""
    last_day: date = next_month(line.of_month) - timedelta(days=1)
    closed, wrong = _closed(line, course.open_until)
    terms, weights = course.history.terms, weights_of(course.history, line)
    if line.kind == "use":
        return rate(terms, line.quantity, room=room, last_day=last_day, weights=weights), wrong
    if line.kind == "take_up":
        free, more = wanted_then(course, line)
        taken_up = take_up(
            terms, free.fen, stated=stated, room=room, last_day=last_day, paid_on=free.paid_on
        )
        return taken_up, wrong + more
    adjusted = adjust(
        terms,
        stated.quantity + line.quantity,
        stated=stated,
        room=room,
        last_day=last_day,
        year_is_closed=closed,
        weights=weights,
    )
    return adjusted, wrong


def _closed(line: KeptLine, open_until: OpenUntil) -> tuple[bool, list[Found]]:
    """Return whether a correction's year should have been closed, and where it says otherwise.

    A month's own use is never of a closed year: it draws until its line ends (R19).
    """
    told = bool(line.explanation.get("year_is_closed", False))
    closed = [False]
    if line.kind == "adjustment":
        closed = closed_then(line, open_until, year=line.of_month.year)
    if told in closed:
        return told, []
    return closed[0], [("whether its year was closed", _yes(told), _yes(closed[0]))]


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
            name = f"drawn on {name_of(keys[line_id])}"
            yield name, yuan(before.get(line_id, 0)), yuan(after.get(line_id, 0))
    if before == after:
        orders = [
            " ".join(name_of(keys[line_id]) for line_id, _ in one) for one in (found, expected)
        ]
        yield "order of draws", orders[0], orders[1]


def _take(course: Course, line: KeptLine, rated: Rated, *, whole: Sequence[int]) -> None:
    """Go on from what the line should have been."""
    stated = course.of_month(line.of_month)
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
    course.lines.setdefault(line.of_month, []).append(line)


def _replay_note(course: Course, note: KeptNote) -> Iterator[Difference]:
    """Compare a credit note with what its amount takes off the line as it should have been."""
    stated, line = course.of_month(note.of_month), course.made.get(note.line_id)
    net = course.net_of(note.of_month, (note.issued_at, note.id))
    left = left_to_credit(
        net,
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
    given_back, wrong = of_credit_parts(note, net.schools, amount_fen=made.amount_fen)
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


def _shown(name: str, amount: int) -> str:
    return yuan(amount) if name.endswith("_fen") else str(amount)


def _yes(is_so: bool) -> str:
    return "yes" if is_so else "no"
