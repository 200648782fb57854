"""The rankings of a month, each by itself, and what an upheld appeal struck out of them (R44, R45).

A run is never changed: what was ranked stays as it was published, and says what became of it. For
everybody, and so without schools: how many, of which component.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, select

from kernel.clock import Month, shanghai_day, show_month
from kernel.errors import NotFound
from kernel.identity.models import Organisation
from kernel.unit import Unit
from settlement.ranking.inputs import SubjectEvidence
from settlement.ranking.models import (
    ScoreRun,
    Standing,
    StandingAppeal,
    StandingEvent,
    StruckEvidence,
)
from settlement.ranking.runs import require_run
from settlement.ranking.standings import UPHELD


@dataclass(frozen=True, kw_only=True, slots=True)
class Upheld:
    """An appeal of a vendor in a cell that was upheld, as a run stands to it.

    `against`: the step; `struck`: by component, of how many schools. `is_in`: the run still has
    that; else it is the first one made without. `without`: the first run without it.
    """

    decided_on: date
    against: str
    struck: Mapping[str, int]
    is_in: bool
    without: ScoreRun | None


def runs_of(unit: Unit, month: date) -> Sequence[ScoreRun]:
    """Return the runs of a month, the last one, which holds, first."""
    return unit.session.scalars(
        select(ScoreRun).where(ScoreRun.month == month).order_by(ScoreRun.number.desc())
    ).all()


def named_run(unit: Unit, month: Month | None, *, number: str) -> ScoreRun:
    """Return a month's run by its number, the one that holds if none is named.

    Raises `NotFound`.
    """
    holds = require_run(unit, month)
    if not number or number == str(holds.number):
        return holds
    found = next((one for one in runs_of(unit, holds.month) if str(one.number) == number), None)
    if found is None:
        raise NotFound(what="ranking", key=f"{show_month(holds.month)} {number}")
    return found


def upheld_of(
    unit: Unit, run: ScoreRun, *, vendor: str, cell: str, evidence: SubjectEvidence
) -> list[Upheld]:
    """Return what upheld appeals of a vendor (its code) in a cell mean for a run.

    Those that struck out what the run has of a subject (`evidence`), and those after which it was
    made.
    """
    rows = unit.session.execute(
        select(
            StandingAppeal.decided_at,
            StandingEvent.because,
            StruckEvidence.component,
            func.array_agg(StruckEvidence.school_id),
        )
        .join(Standing, Standing.id == StandingAppeal.standing_id)
        .join(Organisation, Organisation.id == Standing.vendor_id)
        .join(StandingEvent, StandingEvent.id == StandingAppeal.event_id)
        .outerjoin(StruckEvidence, StruckEvidence.appeal_id == StandingAppeal.id)
        .where(
            Organisation.code == vendor,
            Standing.cell == cell,
            StandingAppeal.outcome == UPHELD,
        )
        .group_by(StandingAppeal.id, StandingEvent.because, StruckEvidence.component)
        .order_by(StandingAppeal.decided_at, StruckEvidence.component)
    ).all()
    struck: dict[tuple[datetime, str], dict[str, set[str]]] = {}
    for decided_at, against, component, schools in rows:
        if decided_at is not None:
            known = struck.setdefault((decided_at, against), {})
            if component is not None:
                known[component] = {str(one) for one in schools}
    if not struck:
        return []
    later = unit.session.scalars(
        select(ScoreRun)
        .where(ScoreRun.ran_at >= min(decided_at for decided_at, _ in struck))
        .order_by(ScoreRun.ran_at, ScoreRun.number)
    ).all()
    has = _said_in(evidence)
    found = []
    for (decided_at, against), components in struck.items():
        without = next((one for one in later if one.ran_at >= decided_at), None)
        is_in = run.ran_at < decided_at
        counts = {
            component: len(schools & has[component] if is_in else schools)
            for component, schools in components.items()
        }
        if any(counts.values()) if is_in else without is not None and without.id == run.id:
            found.append(
                Upheld(
                    decided_on=shanghai_day(decided_at),
                    against=against,
                    struck={name: count for name, count in counts.items() if count},
                    is_in=is_in,
                    without=without,
                )
            )
    return found


def _said_in(evidence: SubjectEvidence) -> dict[str, set[str]]:
    """Return by component the schools of which a run has evidence."""
    schools = evidence.schools
    return {
        "ratings": {one.school for one in schools if one.raters},
        "renewal": {one.school for one in schools if one.renewed or one.ended},
        "defects": {one.school for one in schools if one.defects},
    }
