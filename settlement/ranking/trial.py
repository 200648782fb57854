"""If a vendor were judged today: by what was known as the day began, at the last ranking's means.

A trial and no look: it moves nothing, and nothing rests on it (R44). What became known since the
last midnight in Shanghai is not in it, so that who reloads the page after a lesson does not learn
who just rated; nor is what the month still lacks (its bills above all). Schools that the last
ranking's guards set aside stay aside; the guards look again with the month. Reckoned once for some
minutes for each vendor.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, Final
from uuid import UUID

from sqlalchemy import TextClause, select, text

from kernel.clock import month_of, shanghai_day, start_of_day
from kernel.remembering import Remembered
from kernel.unit import Unit
from settlement.ranking.evidence import (
    ASKED_OF_VENDORS,
    Subject,
    assembled,
    bound,
    parameters_until,
    totals,
    without,
)
from settlement.ranking.evidence_queries import ONE_VENDOR, VENDOR, about
from settlement.ranking.explaining import next_band
from settlement.ranking.guards import Sign
from settlement.ranking.models import ScoreRun, ScoreSnapshot
from settlement.ranking.places import Place, places_of
from settlement.ranking.rules import Rules
from settlement.ranking.runs import priors_of, rules_of
from settlement.ranking.scoring import Score, score

MOST: Final = 500
INSTANT: Final = timedelta(microseconds=1)
SIGNS: Final = frozenset(one.value for one in Sign)


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """What a vendor would have in a cell by what was known at `at`; `place` None for who is new.

    `place`, its interval and `among`: beside the others as the last ranking has them. `next_band`
    is empty in the topmost. `totals`: what schools did and said, in all.
    """

    cell: str
    at: datetime
    score: Score
    place: Place | None
    next_band: str
    totals: Mapping[str, int]


TRIALS: Final = Remembered[Mapping[str, Trial]](most=MOST)


def judged_today(unit: Unit, run: ScoreRun, vendor_id: UUID) -> Mapping[str, Trial]:
    """Return by cell what a vendor would have today, beside the others of the last ranking."""
    return TRIALS.ask(
        (str(unit.session.get_bind().engine.url), run.id, vendor_id),
        now=unit.clock.now(),
        seconds=unit.settings.remember_seconds,
        make=lambda: _judged(unit, run, vendor_id),
        rest=unit.rest,
    )


def _judged(unit: Unit, run: ScoreRun, vendor_id: UUID) -> Mapping[str, Trial]:
    rules, now = rules_of(unit, run), start_of_day(shanghai_day(unit.clock.now()))
    aside = _aside(unit, run, vendor_id)
    subjects = [
        _without(one, aside.get(one.evidence.cell, {}), rules)
        for one in _gathered(unit, vendor_id, now, rules=rules)
    ]
    scores = score([one.evidence for one in subjects], priors_of(run, VENDOR), rules.ranking).scores
    rivals = _rivals(unit, run, {one.cell for one in scores}, but=vendor_id)
    found = {}
    for subject, own in zip(subjects, scores, strict=True):
        others = [one for one in rivals if one[0] == own.cell]
        mine = (own.cell, own.subject, own.score, own.sd, False)
        place = places_of([*others, mine], rules.ranking)[-1]
        found[own.cell] = Trial(
            cell=own.cell,
            at=now,
            score=own,
            place=None if own.is_newcomer else place,
            next_band=next_band(own.lower, rules.ranking),
            totals=totals(subject.evidence.schools),
        )
    return found


def _aside(unit: Unit, run: ScoreRun, vendor_id: UUID) -> dict[str, dict[str, str]]:
    """Return by cell the schools that the guards of a run set aside, each with the sign."""
    rows = unit.session.execute(
        select(ScoreSnapshot.cell, ScoreSnapshot.inputs["evidence"]["excluded"]).where(
            ScoreSnapshot.run_id == run.id,
            ScoreSnapshot.kind == VENDOR,
            ScoreSnapshot.subject_id == vendor_id,
        )
    )
    return {
        cell: {school: why for school, why in excluded if why in SIGNS} for cell, excluded in rows
    }


def _rivals(
    unit: Unit, run: ScoreRun, cells: Collection[str], *, but: UUID
) -> list[tuple[str, str, Decimal, Decimal, bool]]:
    """Return who is ranked in these cells, as places are asked of them."""
    rows = unit.session.execute(
        select(
            ScoreSnapshot.cell, ScoreSnapshot.subject_id, ScoreSnapshot.score, ScoreSnapshot.sd
        ).where(
            ScoreSnapshot.run_id == run.id,
            ScoreSnapshot.kind == VENDOR,
            ScoreSnapshot.cell.in_(cells),
            ScoreSnapshot.subject_id != but,
            ~ScoreSnapshot.is_newcomer,
        )
    )
    return [(cell, str(subject), points, sd, False) for cell, subject, points, sd in rows]


def _without(subject: Subject, aside: Mapping[str, str], rules: Rules) -> Subject:
    schools = {one.school for one in subject.evidence.schools}
    return without(
        subject,
        {school: why for school, why in aside.items() if school in schools},
        wrongs_stay=rules.ranking.guards.wrongs_stay is True,
    )


def _gathered(unit: Unit, vendor_id: UUID, now: datetime, *, rules: Rules) -> tuple[Subject, ...]:
    """Return the evidence of one vendor of before now, asked in one statement."""
    last_day = shanghai_day(now - INSTANT)
    given = parameters_until(now, month_of(last_day), last_day, rules=rules)
    asked = _together()
    rows: dict[str, list[Any]] = {query: [] for query in ASKED_OF_VENDORS}
    for at, fact in unit.session.execute(asked, {**bound(asked.text, given), "only": vendor_id}):
        for name in ("subject", "school_id"):
            if name in fact:
                fact[name] = UUID(fact[name])
        rows[ASKED_OF_VENDORS[at]].append(SimpleNamespace(**fact))
    return assembled(unit, rows, rules=rules)


def _together() -> TextClause:
    """Return all statements of evidence as one, about one vendor, each row with its number."""
    one_by_one = (
        "SELECT {at} AS asked, to_jsonb(one) AS fact FROM ({query}) one WHERE one.subject = :only"
    )
    parts = [
        one_by_one.format(at=at, query=about(query, VENDOR, agreements=ONE_VENDOR).text)
        for at, query in enumerate(ASKED_OF_VENDORS)
    ]
    return text("\nUNION ALL\n".join(parts))
