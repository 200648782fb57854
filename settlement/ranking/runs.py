"""Runs: a month's ranking from its evidence, kept so that each digit can be had again (R45).

The same inputs are the same run: to rank a month twice changes nothing, and what became known since
(late statements, evidence that an appeal struck out) makes a further run, which then holds. What a
run moves (standings, the storefront's order) is done by those who are told of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import func, insert, select, text

from kernel.actors import Role
from kernel.clock import Month, show_month
from kernel.errors import AlreadyExists, LaterMonthRanked, NotFound
from kernel.ids import new_id
from kernel.trail import record
from kernel.unit import Unit
from settlement.periods import check_over
from settlement.ranking.evidence import Evidence, Subject, gather
from settlement.ranking.evidence_queries import KINDS
from settlement.ranking.findings import guarded
from settlement.ranking.inputs import SchoolEvidence, SubjectEvidence
from settlement.ranking.measuring import Measured, measure_all
from settlement.ranking.models import PublishedConfig, ScoreRun, ScoreSnapshot
from settlement.ranking.priors import Priors, estimate_priors
from settlement.ranking.rules import SHIPPED, Rules, digest_of, rules_from
from settlement.ranking.waiting import (
    RANKED,
    RANKED_AGAIN,
    require_ready,
    stated_for,
    stated_up_to,
)

RANKING_LOCK = 0x7261_6E6B  # advisory lock: one ranking at a time
MAY_RANK = (Role.OPERATOR, Role.BUREAU_FINANCE, Role.ADMISSION)
AT_ONCE = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranked:
    """A run as it was made or found: `is_new` unless the inputs were those of the run before."""

    run: ScoreRun
    is_new: bool


def lock_ranking(unit: Unit) -> None:
    """Wait until nobody else ranks; whoever locks standings as well takes this first."""
    unit.session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": RANKING_LOCK})


def rank_month(unit: Unit, month: Month, *, rules: Rules = SHIPPED) -> Ranked:
    """Rank a month that waits for nobody any more (`waiting`); safe to repeat.

    One that was ranked before waits no more: what is stated by now is its evidence, unless a later
    month is ranked, whose evidence it is then. Raises `Refused`, `PeriodNotOver`, `NothingStated`,
    `MonthNotStated`, `LaterMonthRanked`, and `AlreadyExists` for a configuration whose version was
    published with other numbers.
    """
    unit.actor.require("rank a month", *MAY_RANK)
    check_over(unit, month)
    lock_ranking(unit)
    last = last_run(unit, month)
    if last is None:
        require_ready(unit, month, rules)
    stated = stated_up_to(unit, month)
    publish_config(unit, rules)
    evidence = guarded(unit, gather(unit, month, rules), rules)
    priors = {kind: estimate_priors(evidence.scored(kind), rules.ranking) for kind in KINDS}
    kept = {kind: _builtins(one) for kind, one in priors.items()}
    inputs = {
        kind: [(subject, inputs_of(subject)) for subject in evidence.subjects[kind]]
        for kind in KINDS
    }
    digest = run_digest(rules, kept, {k: [digest_of(i) for _, i in v] for k, v in inputs.items()})
    if last is not None and last.digest == digest:
        if stated != stated_for(unit, last.id):
            _trail(unit, RANKED_AGAIN, last, stated=stated)
        return Ranked(run=last, is_new=False)
    latest = last_run(unit)
    if last is not None and latest is not None and latest.month > month:
        raise LaterMonthRanked(period=show_month(month), later=show_month(latest.month))
    run = ScoreRun(
        id=new_id(),
        month=month,
        number=last.number + 1 if last else 1,
        config_version=rules.version,
        priors=kept,
        counts=_counts(evidence),
        digest=digest,
        ran_at=unit.clock.now(),
        ran_by=unit.actor.name,
    )
    unit.session.add(run)
    unit.session.flush()
    for kind in KINDS:
        measured = measure_all(evidence.subjects[kind], priors[kind], rules.ranking)
        rows = [_row(run.id, kind, one) for one in measured]
        for start in range(0, len(rows), AT_ONCE):
            unit.session.execute(insert(ScoreSnapshot), rows[start : start + AT_ONCE])
    _trail(unit, RANKED, run, stated=stated, at=run.ran_at, **run.counts)
    return Ranked(run=run, is_new=True)


def publish_config(unit: Unit, rules: Rules) -> None:
    """Keep the configuration under its version; raise `AlreadyExists` if its numbers are others."""
    known = unit.session.get(PublishedConfig, rules.version)
    if known is not None:
        if known.digest != rules.digest():
            raise AlreadyExists(what="configuration", key=rules.version)
        return
    config = PublishedConfig(
        version=rules.version,
        content=rules.content(),
        digest=rules.digest(),
        published_at=unit.clock.now(),
    )
    unit.session.add(config)
    record(
        unit,
        "ranking.published",
        subject_kind="ranking configuration",
        subject_id=rules.version,
        digest=config.digest.hex(),
        at=config.published_at,
    )
    unit.session.flush()


def last_run(unit: Unit, month: Month | None = None) -> ScoreRun | None:
    """Return the run that holds for a month, or of all the latest month's; None without any."""
    wanted = select(ScoreRun).order_by(ScoreRun.month.desc(), ScoreRun.number.desc()).limit(1)
    if month is not None:
        wanted = wanted.where(ScoreRun.month == month)
    return unit.session.scalars(wanted).one_or_none()


def require_run(unit: Unit, month: Month | None = None) -> ScoreRun:
    """Return the run that holds; raise `NotFound` where nothing is ranked."""
    found = last_run(unit, month)
    if found is None:
        raise NotFound(what="ranking", key=show_month(month) if month else "")
    return found


def runs_that_hold(unit: Unit) -> list[ScoreRun]:
    """Return the run that holds of each month, the latest first."""
    newest = (
        select(ScoreRun.month, func.max(ScoreRun.number).label("number"))
        .group_by(ScoreRun.month)
        .subquery()
    )
    return list(
        unit.session.scalars(
            select(ScoreRun)
            .join(newest, (newest.c.month == ScoreRun.month) & (newest.c.number == ScoreRun.number))
            .order_by(ScoreRun.month.desc())
        )
    )


def rules_of(unit: Unit, run: ScoreRun) -> Rules:
    """Return the rules by which a run was made."""
    return rules_from(unit.session.get_one(PublishedConfig, run.config_version).content)


def priors_of(run: ScoreRun, kind: str) -> Priors:
    """Return the priors of a run, as they were kept."""
    return msgspec.convert(run.priors[kind], type=Priors)


def inputs_of(subject: Subject) -> dict[str, Any]:
    """Return what a snapshot keeps of a subject's evidence."""
    return {
        "evidence": _builtins(subject.evidence),
        "left_out": [_builtins(one) for one in subject.left_out],
    }


def subject_from(inputs: dict[str, Any]) -> Subject:
    """Return a subject's evidence as a snapshot keeps it."""
    return Subject(
        evidence=msgspec.convert(inputs["evidence"], type=SubjectEvidence),
        left_out=tuple(msgspec.convert(one, type=SchoolEvidence) for one in inputs["left_out"]),
    )


def run_digest(
    rules: Rules, priors: dict[str, Any], inputs: Mapping[str, Sequence[bytes]]
) -> bytes:
    """Return SHA-256 over configuration, priors and the digests of all inputs."""
    return digest_of(
        {
            "config": rules.digest().hex(),
            "priors": priors,
            "inputs": {kind: sorted(one.hex() for one in found) for kind, found in inputs.items()},
        }
    )


def snapshot_values(measured: Measured) -> dict[str, Any]:
    """Return the columns of a snapshot that follow from its inputs."""
    place = measured.place
    found = measured.score
    return {
        "score": found.score,
        "sd": found.sd,
        "p_bad": found.p_bad,
        "schools": found.schools,
        "is_newcomer": found.is_newcomer,
        "place": place.place if place else None,
        "place_low": place.best if place else None,
        "place_high": place.worst if place else None,
        "band": place.band if place else "",
        "result": measured.result,
    }


def _row(run_id: UUID, kind: str, measured: Measured) -> dict[str, Any]:
    inputs = inputs_of(measured.subject)
    return {
        "run_id": run_id,
        "kind": kind,
        "subject_id": UUID(measured.subject.evidence.subject),
        "cell": measured.subject.evidence.cell,
        "inputs": inputs,
        "inputs_digest": digest_of(inputs),
        **snapshot_values(measured),
    }


def _trail(unit: Unit, act: str, run: ScoreRun, **facts: Any) -> None:
    record(
        unit,
        act,
        subject_kind="score run",
        subject_id=run.id,
        month=show_month(run.month),
        number=run.number,
        config=run.config_version,
        digest=run.digest.hex(),
        **facts,
    )
    unit.session.flush()


def _counts(evidence: Evidence) -> dict[str, Any]:
    vendors = evidence.subjects["vendor"]
    return {
        "vendors": len({one.evidence.subject for one in vendors}),
        "resources": len({one.evidence.subject for one in evidence.subjects["resource"]}),
        "cells": len({one.evidence.cell for one in vendors}),
        "schools": len({school.school for one in vendors for school in one.evidence.schools}),
        "left_out": sum(len(one.evidence.excluded) for one in vendors),
    }


def _builtins(value: Any) -> Any:
    return msgspec.to_builtins(value, str_keys=True)
