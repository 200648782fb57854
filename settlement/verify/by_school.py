"""Schools' parts of lines, decided once more, and what was left to each of its own ceiling.

Pure. What a line says of a school's ceiling must be what may have been known when it was drafted,
as for the agreement's own; a wrong part is named by its school.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from kernel.money import yuan
from settlement.pricing import Metric, metric_of
from settlement.rating import Rated, Stated
from settlement.school_parts import SchoolPart, Weights, break_down, credited_by_school
from settlement.verify.kept import History, KeptLine, KeptNote, Part
from settlement.verify.then import knowable

Found = tuple[str, str, str]
"""(field, found, expected)"""
Credited = Sequence[tuple[UUID, int]]


def weights_of(history: History, line: KeptLine) -> Weights:
    """Return what each school used, if schools have ceilings of their own; else nothing."""
    if not history.school_ceilings:
        return ()
    weight = "uses" if metric_of(history.terms) is Metric.PERIODS else "quantity"
    return [(part.school_id, int(part.explanation[weight])) for part in line.parts]


def left_of_schools(
    history: History,
    line: KeptLine,
    *,
    billed: Mapping[UUID, int],
    known_credits: Sequence[Sequence[Credited]],
) -> tuple[dict[UUID, int], list[Found]]:
    """Return what should have been left to each school of a line, and where it says otherwise.

    `billed`: by school before the line; `known_credits`: the parts of credit notes, as many as may
    have been seen, the fullest first.
    """
    left: dict[UUID, int] = {}
    differences: list[Found] = []
    for part in line.parts if history.school_ceilings else ():
        ceilings = _ceilings_then(history, line, part.school_id)
        told = int(part.explanation.get("ceiling_fen", -1))
        ceiling_fen = told if told in ceilings else ceilings[0]
        if told != ceiling_fen:
            name = f"ceiling of school {part.code}"
            differences.append((name, _yuan(part, "ceiling_fen"), yuan(ceiling_fen)))
        lefts = [
            ceiling_fen - billed.get(part.school_id, 0) + _credited(part.school_id, notes)
            for notes in known_credits
        ]
        told_left = part.explanation.get("ceiling_left_before_fen")
        left[part.school_id] = told_left if told_left in lefts else lefts[0]
        if told_left != left[part.school_id]:
            name = f"what was left of the ceiling of school {part.code} before"
            shown = _yuan(part, "ceiling_left_before_fen")
            differences.append((name, shown, yuan(left[part.school_id])))
    return left, differences


def whole_parts(
    terms: Mapping[str, Any], line: KeptLine, *, stated: Stated, rated: Rated
) -> list[int]:
    """Return what each school's part of the whole month is after a line, in the parts' order."""
    if rated.parts:
        return [
            stated.parts.get(part.school_id, (0, 0))[1] + part.amount_fen for part in rated.parts
        ]
    weight = "uses" if metric_of(terms) is Metric.PERIODS else "quantity"
    whole_fen = sum(fen for _, fen in stated.parts.values()) + rated.amount_fen
    return break_down(whole_fen, [int(part.explanation[weight]) for part in line.parts])


def of_parts(line: KeptLine, whole: Sequence[int], stated: Stated) -> Iterator[Found]:
    """Compare the schools' parts with the division of the whole month by what each used."""
    for part, whole_part in zip(line.parts, whole, strict=True):
        quantity_before, fen_before = stated.parts.get(part.school_id, (0, 0))
        quantity = int(part.explanation["quantity"]) - quantity_before
        if part.quantity != quantity:
            yield f"quantity of school {part.code}", str(part.quantity), str(quantity)
        if part.amount_fen != whole_part - fen_before:
            found, expected = yuan(part.amount_fen), yuan(whole_part - fen_before)
            yield f"amount_fen of school {part.code}", found, expected


def of_school_parts(line: KeptLine, parts: Sequence[SchoolPart]) -> Iterator[Found]:
    """Compare what was rated and cut for each school with what its sources give."""
    for part, made in zip(line.parts, parts, strict=bool(parts)):
        for name, found, expected in (
            ("rated_fen", part.rated_fen, made.rated_fen),
            ("above_ceiling_fen", part.above_ceiling_fen, made.above_ceiling_fen),
        ):
            if found != expected:
                shown = "nothing" if found is None else yuan(found)
                yield f"{name} of school {part.code}", shown, yuan(expected)


def of_credit_parts(
    note: KeptNote, stated: Mapping[UUID, SchoolPart], *, amount_fen: int
) -> tuple[Credited, list[Found]]:
    """Return what a credit note should give back to each school, and where it says otherwise."""
    made = credited_by_school(amount_fen, stated) if stated else []
    expected, found = dict(made), dict(note.parts)
    return made, [
        (
            f"given back to school {note.school_codes.get(school_id, school_id)}",
            yuan(found.get(school_id, 0)),
            yuan(expected.get(school_id, 0)),
        )
        for school_id in sorted(expected.keys() | found.keys())
        if found.get(school_id, 0) != expected.get(school_id, 0)
    ]


def _ceilings_then(history: History, line: KeptLine, school_id: UUID) -> list[int]:
    now = history.school_ceilings.get(school_id, 0)
    changes = [one for one in history.school_changes if one.subject == school_id]
    whole = sum(one.amount_fen for one in changes)
    return [now - whole + sum(one.amount_fen for one in known) for known in knowable(changes, line)]


def _credited(school_id: UUID, notes: Sequence[Credited]) -> int:
    return sum(dict(one).get(school_id, 0) for one in notes)


def _yuan(part: Part, figure: str) -> str:
    told = part.explanation.get(figure)
    return "nothing" if told is None else yuan(int(told))
