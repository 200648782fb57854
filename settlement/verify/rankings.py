"""Rankings recomputed: each snapshot from its own inputs, each run from its snapshots (R45)."""

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import select

from kernel.clock import show_month
from kernel.unit import Unit
from settlement.ranking.evidence_queries import KINDS
from settlement.ranking.measuring import measure_all
from settlement.ranking.models import PublishedConfig, ScoreRun, ScoreSnapshot
from settlement.ranking.rules import digest_of, rules_from
from settlement.ranking.runs import priors_of, run_digest, snapshot_values, subject_from

FIGURES: Final = (
    *("score", "sd", "p_bad", "schools", "is_newcomer"),
    *("place", "place_low", "place_high", "band"),
)


def check_rankings(unit: Unit) -> Iterator[str]:
    """Score every run's kept inputs once more and compare each digit."""
    for config in unit.session.scalars(select(PublishedConfig).order_by(PublishedConfig.version)):
        if digest_of(config.content) != config.digest:
            yield f"ranking configuration {config.version}: its numbers do not match its digest"
    runs = unit.session.scalars(select(ScoreRun).order_by(ScoreRun.month, ScoreRun.number)).all()
    for run in runs:
        yield from _of_run(unit, run)


def _of_run(unit: Unit, run: ScoreRun) -> Iterator[str]:
    named = f"ranking of {show_month(run.month)}, run {run.number}"
    content = unit.session.get_one(PublishedConfig, run.config_version).content
    rules = rules_from(content)
    digests: dict[str, list[bytes]] = {}
    for kind in KINDS:
        snapshots = unit.session.scalars(
            select(ScoreSnapshot)
            .where(ScoreSnapshot.run_id == run.id, ScoreSnapshot.kind == kind)
            .order_by(ScoreSnapshot.cell, ScoreSnapshot.subject_id)
        ).all()
        digests[kind] = [one.inputs_digest for one in snapshots]
        for one in snapshots:
            if digest_of(one.inputs) != one.inputs_digest:
                yield f"{named}: inputs of {_name(one)} do not match their digest"
            evidence = one.inputs["evidence"]
            if (str(one.subject_id), one.cell) != (evidence["subject"], evidence["cell"]):
                yield f"{named}: {_name(one)} has the inputs of another subject or cell"
        subjects = [subject_from(one.inputs) for one in snapshots]
        measured = measure_all(subjects, priors_of(run, kind), rules.ranking)
        for one, again in zip(snapshots, measured, strict=True):
            values = snapshot_values(again)
            for figure in FIGURES:
                if getattr(one, figure) != values[figure]:
                    yield (
                        f"{named}: {figure} of {_name(one)} is {getattr(one, figure)}, its inputs "
                        f"give {values[figure]}"
                    )
            if one.result != values["result"]:
                yield f"{named}: what is told of {_name(one)} is not what its inputs give"
    if run_digest(rules, run.priors, digests) != run.digest:
        yield f"{named}: configuration, priors and inputs do not make its digest"


def _name(snapshot: ScoreSnapshot) -> Any:
    return f"{snapshot.kind} {snapshot.subject_id} in {snapshot.cell}"
