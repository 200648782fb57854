"""What could be taken up of unfunded use when a statement was drafted, found once more (R35).

Pure. It is made again from the lines that left something uncovered and nobody could object to any
more, less credits and what was written off or proposed to be; of a closed year as far as a bureau
decided that its own line pays. Whoever confirms asks for no lock: what was settled or decided while
the month was being closed may have been seen or not, and either is right.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import product
from uuid import UUID

from kernel.clock import Month, next_month, shanghai_day
from kernel.money import yuan
from settlement.early_use_models import UnfundedOutcome
from settlement.verify.by_school import Found
from settlement.verify.course import Course, Difference, left_on
from settlement.verify.kept import KeptLine, KeptNote, NotTakenUp
from settlement.verify.then import closed_then, committed_then, knowable, lapses_then
from settlement.verify.unfunded_facts import KeptDecision

Fact = tuple[datetime, UUID, bool]
"""(when, a line that was settled or a decision, whether the decision was refused)"""


@dataclass(frozen=True, slots=True)
class Free:
    """What may be taken up, in fen, from lines that have not lapsed on a day."""

    fen: int
    paid_on: date


def free_then(course: Course, point: KeptLine | NotTakenUp) -> list[Free]:
    """Return what might have been free to be taken up, by the fullest knowledge first."""
    last_day = next_month(point.of_month) - timedelta(days=1)
    closed = closed_then(point, course.open_until, year=point.of_month.year)
    return [
        Free(
            _free(course, point, known, is_closed=is_closed),
            shanghai_day(point.stated_at) if is_closed else last_day,
        )
        for is_closed, known in product(closed, _knowable_facts(course, point))
    ]


def wanted_then(course: Course, line: KeptLine) -> tuple[Free, list[Found]]:
    """Return what a line could take up, and where it says otherwise."""
    free, told = free_then(course, line), int(line.explanation.get("takes_up_fen", 0))
    found = next((one for one in free if one.fen == told), None)
    if found is not None:
        return found, []
    return free[0], [("what could be taken up", yuan(told), yuan(free[0].fen))]


def missed(course: Course, point: NotTakenUp) -> Iterator[Difference]:
    """Yield what a statement had to take up and did not, once for each month of use."""
    free = free_then(course, point)
    waits = course.net_of(point.of_month, (point.stated_at, point.statement_id)).uncovered_fen
    payable = _payable_then(course, point, paid_on=max(one.paid_on for one in free))
    fen = min(waits, payable, *(one.fen for one in free))
    if fen > 0 and point.of_month not in course.missed:
        course.missed.add(point.of_month)
        yield course.difference(
            f"statement {point.statement}",
            "take_up",
            point.of_month,
            ("drawn_fen", yuan(0), yuan(fen)),
        )


def below_zero(course: Course) -> Iterator[Difference]:
    """Yield the months of which more was taken off than lines had left uncovered."""
    left: dict[Month, int] = {}
    for event in course.history.events:
        if isinstance(event, KeptLine):
            left[event.of_month] = left.get(event.of_month, 0) + event.uncovered_fen
        elif isinstance(event, KeptNote):
            left[event.of_month] = left.get(event.of_month, 0) - event.uncovered_fen
    for decision in course.history.decisions:
        if decision.written_off_at is not None:
            left[decision.of_month] = left.get(decision.of_month, 0) - decision.amount_fen
    for of_month in sorted(left):
        if left[of_month] < 0:
            yield course.difference(
                "unfunded use",
                "what waits",
                of_month,
                ("what no line covers", yuan(left[of_month]), f"at least {yuan(0)}"),
            )


def _knowable_facts(course: Course, point: KeptLine | NotTakenUp) -> list[set[tuple[UUID, bool]]]:
    """Return which lines were settled, which decisions made and refused, the fullest set first."""
    history = course.history
    lines = course.lines.get(point.of_month, ())
    facts: list[Fact] = [
        (history.settled[line.id], line.id, False) for line in lines if line.id in history.settled
    ]
    for one in history.decisions:
        if one.of_month == point.of_month:
            facts.append((one.made_at, one.id, False))
            if one.refused_at is not None:
                facts.append((one.refused_at, one.id, True))
    facts.sort()
    seen = sum(point.sealed_at is not None and at < point.sealed_at for at, *_ in facts)
    there = sum(at <= point.stated_at for at, *_ in facts)
    return [
        {(subject, is_refused) for _, subject, is_refused in facts[:number]}
        for number in range(there, seen - 1, -1)
    ]


def _free(
    course: Course,
    point: KeptLine | NotTakenUp,
    known: set[tuple[UUID, bool]],
    *,
    is_closed: bool,
) -> int:
    credited = {note.line_id: made.uncovered_fen for note, made in course.credits}
    waits, taken_back, before = 0, 0, list[KeptLine]()
    for line in course.lines.get(point.of_month, ()):
        uncovered_fen = course.made[line.id].uncovered_fen
        if line.statement_id == point.statement_id:
            taken_back += min(uncovered_fen, 0)
            continue
        before.append(line)
        if uncovered_fen < 0 or (line.id, False) in known:
            waits += uncovered_fen - credited.get(line.id, 0)
    decisions = [
        one
        for one in course.history.decisions
        if (one.id, False) in known and (one.id, True) not in known
    ]
    waits -= sum(one.amount_fen for one in decisions if one.outcome == UnfundedOutcome.WRITTEN_OFF)
    if is_closed:
        of_month = [one for one in decisions if one.of_month == point.of_month]
        waits = min(waits, _decided_on(course, before, of_month))
    return max(waits, 0) + taken_back


def _decided_on(
    course: Course, lines: Sequence[KeptLine], decisions: Sequence[KeptDecision]
) -> int:
    """Return what of a closed year's month was decided to be paid and has not gone yet, in fen.

    Not as the close finds it, but from the bill: between two decisions what was decided on shrinks
    by whatever made less unfunded, money or a correction, and never grows with the use.
    """
    left, waiting = 0, list(lines)
    for decision in decisions:
        left = _less(course, left, [one for one in waiting if one.id < decision.id])
        waiting = [one for one in waiting if one.id > decision.id]
        left = 0 if decision.outcome != UnfundedOutcome.CARRIED_OVER else left + decision.amount_fen
    return _less(course, left, waiting)


def _less(course: Course, left: int, lines: Sequence[KeptLine]) -> int:
    for line in lines:
        left -= min(left, max(-course.made[line.id].uncovered_fen, 0))
    return left


def _payable_then(course: Course, point: NotTakenUp, *, paid_on: date) -> int:
    """Return what funds could pay for certain, whatever was seen of what changed meanwhile."""
    last_day = next_month(point.of_month) - timedelta(days=1)
    seen = [
        (note, made)
        for note, made in course.credits
        if point.sealed_at is not None and note.issued_at < point.sealed_at
    ]
    payable = 0
    for fund in course.history.funds:
        then = replace(
            fund,
            ceiling_fen=min(committed_then(course.history, point, fund)),
            lapses_on=min(lapses_then(course.history, point, fund)),
        )
        left = min(
            left_on(course, then, seen, freed) for freed in knowable(course.history.freed, point)
        )
        if then.may_take_up(last_day, paid_on=paid_on):
            payable += max(left, 0)
    return payable
