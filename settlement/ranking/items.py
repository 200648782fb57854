"""What schools say against a vendor, item by item, as a run has it (R44).

A notice names these items, an appeal denies them, and what an upheld appeal struck out does not
come back: a further notice has to say more than what is left of the one before.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select

from kernel.unit import Unit
from settlement.ranking.inputs import SchoolEvidence
from settlement.ranking.models import (
    ScoreSnapshot,
    StandingAppeal,
    StandingNotice,
    StruckEvidence,
)
from settlement.ranking.runs import subject_from

Item = Mapping[str, Any]


def items_of(unit: Unit, vendor_id: UUID, *, cell: str, run_id: UUID) -> list[dict[str, Any]]:
    """Return what schools say against a vendor in a cell, item by item, as a run has it."""
    snapshot = unit.session.scalars(
        select(ScoreSnapshot).where(
            ScoreSnapshot.run_id == run_id,
            ScoreSnapshot.kind == "vendor",
            ScoreSnapshot.subject_id == vendor_id,
            ScoreSnapshot.cell == cell,
        )
    ).one()
    schools = subject_from(snapshot.inputs).evidence.schools
    found = [(one.school, component, what) for one in schools for component, what in _said(one)]
    return [
        {"number": number, "school": school, "component": component, "what": what}
        for number, (school, component, what) in enumerate(found, start=1)
    ]


def say_more(items: Sequence[Item], before: Sequence[Item]) -> bool:
    """Return whether one of the items says what those before did not.

    Another school, or another component of it; lower ratings on average or of more teachers, more
    terms that ended, more severity.
    """
    known = {(one["school"], one["component"]): one["what"] for one in before}
    return any(
        _is_more(one["component"], one["what"], known.get((one["school"], one["component"])))
        for one in items
    )


def left_of(unit: Unit, notice: StandingNotice) -> list[Item]:
    """Return a notice's items but for those that an upheld appeal struck out since.

    What such a school says is of after the appeal, and new.
    """
    struck = {
        (str(school_id), component)
        for school_id, component in unit.session.execute(
            select(StruckEvidence.school_id, StruckEvidence.component)
            .join(StandingAppeal, StandingAppeal.id == StruckEvidence.appeal_id)
            .where(
                StandingAppeal.standing_id == notice.standing_id,
                StandingAppeal.decided_at >= notice.issued_at,
            )
        )
    }
    return [one for one in notice.items if (one["school"], one["component"]) not in struck]


def _is_more(component: str, what: Mapping[str, int], before: Mapping[str, int] | None) -> bool:
    if before is None:
        return True
    match component:
        case "renewal":
            return what["ended"] > before["ended"]
        case "defects":
            return what["severity"] > before["severity"]
        case _:
            is_lower = what["stars"] * before["teachers"] < before["stars"] * what["teachers"]
            return is_lower or what["teachers"] > before["teachers"]


def _said(one: SchoolEvidence) -> Sequence[tuple[str, dict[str, int]]]:
    """Return what a school says against a subject: below the middle, not renewed, upheld."""
    said: list[tuple[str, dict[str, int]]] = []
    if one.complains:
        stars = one.rating_points + one.raters
        said.append(("ratings", {"teachers": one.raters, "stars": stars}))
    if one.ended:
        said.append(("renewal", {"ended": one.ended, "renewed": one.renewed}))
    if one.defects:
        said.append(("defects", {"severity": one.defects, "months": one.months}))
    return said
