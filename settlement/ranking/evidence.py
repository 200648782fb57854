"""Evidence of a month, out of settled facts only: what each school did and said (R42).

Decides whose evidence is left out, and shown with the reason: of the author's own school all of it,
of a school with somebody at the vendor what it says in its favour, of those that the guards of
`findings` name what they say; not what went wrong there, or a vendor could wash it away by a role
or by uses. Uses are carried along as exposure and never scored (R46). What became a fact after the
month's end is not known here.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import TextClause

from kernel.arrays import UuidArray
from kernel.clock import Month, month_bounds, month_of, next_month, start_of_day
from kernel.db import set_wise
from kernel.unit import Unit
from settlement.ranking.defect_queries import DEFECTS
from settlement.ranking.evidence_queries import (
    AFFILIATES,
    AUDITS,
    FIRST_USE,
    KINDS,
    MONTHS,
    OWN_SCHOOLS,
    PLACES,
    RATINGS,
    TERMS,
    VENDOR,
    WATCHED,
    about,
)
from settlement.ranking.guards import moved
from settlement.ranking.inputs import SchoolEvidence, SubjectEvidence, apart, together
from settlement.ranking.rules import Rules


class LeftOut(StrEnum):
    """Why a school's evidence is no evidence, before the guards look at it."""

    OWN_SCHOOL = "own-school"
    AFFILIATE = "affiliate"


NEVER_USED_DAYS: Final = 0
OF_SCHOOLS: Final = {
    RATINGS: {
        "points": "rating_points",
        "raters": "raters",
        "age": "rating_age_days",
        "best": "best",
        "worst": "worst",
    },
    TERMS: {"renewed": "renewed", "ended": "ended"},
    DEFECTS: {"defects": "defects"},
    MONTHS: {"months": "months", "uses": "uses"},
}
"""Statements that tell of schools: which of their columns is which fact."""
ASKED: Final = (*OF_SCHOOLS, AUDITS, FIRST_USE, OWN_SCHOOLS, AFFILIATES)
ASKED_OF_VENDORS: Final = (*ASKED, WATCHED)

Key = tuple[str, str]
"""Subject (id as text) and cell."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """A subject in a cell: what is scored, and what the schools that are left out said."""

    evidence: SubjectEvidence
    left_out: tuple[SchoolEvidence, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """A month's evidence by kind, each in the order of subject and cell."""

    month: Month
    subjects: Mapping[str, tuple[Subject, ...]]

    def scored(self, kind: str) -> list[SubjectEvidence]:
        return [one.evidence for one in self.subjects[kind]]


@dataclass(slots=True)
class _Gathered:
    """What the statements brought of one subject in one cell."""

    schools: dict[UUID, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    audits: int = 0
    audits_passed: int = 0
    days: int = NEVER_USED_DAYS

    def is_silent(self, days: int) -> bool:
        """Whether nothing is known but ratings that are as old as this."""
        return not self.audits and not any(
            known.get("months", 0)
            or known.get("renewed", 0)
            or known.get("ended", 0)
            or known.get("defects", 0)
            or (known.get("raters", 0) and known["rating_age_days"] < days)
            for known in self.schools.values()
        )


def last_day_of(month: Month) -> date:
    return next_month(month) - timedelta(days=1)


def gather(unit: Unit, month: Month, rules: Rules) -> Evidence:
    """Return all evidence of a month, for vendors and for resources."""
    given = parameters(month, rules)
    with set_wise(unit.session):
        subjects = {kind: _of_kind(unit, kind, given, rules=rules) for kind in KINDS}
    return Evidence(month=month, subjects=subjects)


def parameters(month: Month, rules: Rules) -> dict[str, Any]:
    """Return what the statements ask for, of a whole month."""
    return parameters_until(month_bounds(month)[1], month, last_day_of(month), rules=rules)


def parameters_until(
    end: datetime, month: Month, last_day: date, *, rules: Rules
) -> dict[str, Any]:
    """Return what the statements ask for, of what was known before `end`, on the last day."""
    first_day = last_day - timedelta(days=rules.ranking.evidence_days - 1)
    audits_from = last_day - timedelta(days=rules.ranking.audit_days - 1)
    return {
        "month": month,
        "first_day": first_day,
        "first_month": month_of(first_day),
        "last_day": last_day,
        "start": start_of_day(first_day),
        "audits_from": start_of_day(audits_from),
        "end": end,
        "grace": rules.evidence.renewal_grace_days,
        "serious": rules.evidence.serious_percent,
        "grave": rules.evidence.grave_percent,
        "not_the_vendors": list(rules.evidence.not_the_vendors),
        "excused": list(rules.evidence.excused_ends),
        "by_part": rules.evidence.by_part is True,
        "part_by_part": rules.evidence.part_by_part is True,
        "by_share": rules.evidence.by_share is True,
        "least_share": rules.evidence.least_share_percent or 0,
        "silence": rules.ranking.gates.silence is True,
        "age_step": rules.evidence.rating_age_step_days or 1,
        "zone": "Asia/Shanghai" if rules.evidence.local_days is True else "UTC",
    }


def _of_kind(
    unit: Unit, kind: str, given: Mapping[str, Any], *, rules: Rules
) -> tuple[Subject, ...]:
    rows = {}
    for query in ASKED_OF_VENDORS if kind == VENDOR else ASKED:
        rows[query] = unit.session.execute(*asked(query, kind, given)).all()
    return assembled(unit, rows, rules=rules)


def assembled(
    unit: Unit, rows: Mapping[str, Sequence[Any]], *, rules: Rules
) -> tuple[Subject, ...]:
    """Put subjects together out of the rows of each statement."""
    found: dict[tuple[UUID, str], _Gathered] = defaultdict(_Gathered)
    for query, names in OF_SCHOOLS.items():
        for row in rows[query]:
            known = found[row.subject, row.cell].schools[row.school_id]
            for column, name in names.items():
                known[name] = int(getattr(row, column))
    for row in rows[AUDITS]:
        known_subject = found[row.subject, row.cell]
        known_subject.audits, known_subject.audits_passed = row.audits, row.passed
    if rules.ranking.gates.silence is True:
        _forget_silent(found, days=rules.ranking.evidence_days)
    for row in rows.get(WATCHED, ()):
        found[row.subject, row.cell] = found.get((row.subject, row.cell), _Gathered())
    for row in rows[FIRST_USE]:
        if (row.subject, row.cell) in found:
            found[row.subject, row.cell].days = int(row.days)
    own = {(row.subject, row.cell, row.school_id) for row in rows[OWN_SCHOOLS]}
    affiliates = {(row.subject, row.school_id) for row in rows[AFFILIATES]}
    rural = _rural(unit, {school for one in found.values() for school in one.schools})
    guards = rules.ranking.guards
    wrongs_stay, low_stays = guards.wrongs_stay is True, guards.low_stays is True
    subjects = []
    for (subject, cell), gathered in sorted(found.items(), key=lambda item: (item[0][1], item[0])):
        at_home = {str(one) for one in gathered.schools if (subject, cell, one) in own}
        close = {str(one) for one in gathered.schools if (subject, one) in affiliates} - at_home
        whole = _subject(str(subject), cell, gathered, rural=rural)
        foreign = without(
            whole, dict.fromkeys(at_home, LeftOut.OWN_SCHOOL.value), wrongs_stay=False
        )
        subjects.append(
            without(
                foreign,
                dict.fromkeys(close, LeftOut.AFFILIATE.value),
                wrongs_stay=wrongs_stay,
                low_stays=low_stays,
            )
        )
    return tuple(subjects)


def _forget_silent(found: dict[tuple[UUID, str], _Gathered], *, days: int) -> None:
    """Leave out of whom nothing is known of late: what was said long ago speaks beside a use."""
    for key in [key for key, gathered in found.items() if gathered.is_silent(days)]:
        del found[key]


def _subject(
    subject: str, cell: str, gathered: _Gathered, *, rural: Mapping[UUID, bool]
) -> Subject:
    return Subject(
        evidence=SubjectEvidence(
            subject=subject,
            cell=cell,
            schools=tuple(
                SchoolEvidence(school=str(school), rural=rural.get(school, False), **known)
                for school, known in sorted(gathered.schools.items())
            ),
            audits_passed=gathered.audits_passed,
            audits=gathered.audits,
            first_listed_days=gathered.days,
        )
    )


def without(
    subject: Subject, why: Mapping[str, str], *, wrongs_stay: bool, low_stays: bool = False
) -> Subject:
    """Return a subject without these schools' evidence, or their opinions, each with its reason.

    Of a school of which something is left out already no more is, but for an opinion that stayed.
    """
    named = subject.evidence
    known = {school for school, _ in named.excluded}
    heard = {one.school for one in named.schools if one.raters}
    reasons = {school: one for school, one in why.items() if school not in known or school in heard}
    gone = {
        one.school: apart(one, low_stays=low_stays)[1] if wrongs_stay else one
        for one in named.schools
        if one.school in reasons
    }
    if not gone:
        return subject
    before = {one.school: one for one in subject.left_out}
    now = {
        school: together(one, before[school]) if school in before else one
        for school, one in gone.items()
    }
    return Subject(
        evidence=moved(named, reasons, wrongs_stay=wrongs_stay, low_stays=low_stays),
        left_out=tuple(sorted((before | now).values(), key=lambda one: one.school)),
    )


def totals(schools: Iterable[SchoolEvidence]) -> dict[str, int]:
    """Return what schools' evidence comes to, for pages that name no school.

    How many ratings are of the best and of the worst only where there are any: runs of before knew
    nothing of it.
    """
    summed: dict[str, int] = {}
    for one in schools:
        for name, value in asdict(one).items():
            is_count = isinstance(value, int) and not isinstance(value, bool)
            if is_count and (value or name not in {"best", "worst"}):
                summed[name] = summed.get(name, 0) + value
    return summed


def asked(query: str, kind: str, given: Mapping[str, Any]) -> tuple[TextClause, dict[str, Any]]:
    """Return a statement for vendors or for resources, with what it asks for."""
    statement = about(query, kind)
    return statement, bound(statement.text, given)


def bound(query: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a statement asks for, of what is given."""
    return {name: value for name, value in given.items() if re.search(rf"[^:]:{name}\b", query)}


def _rural(unit: Unit, schools: set[UUID]) -> dict[UUID, bool]:
    rows = unit.session.execute(PLACES, {"schools": UuidArray.of(sorted(schools))})
    return {row.id: bool(row.rural) for row in rows}
