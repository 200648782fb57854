"""What each step of a standing rests on: run, look, notice, items, appeal, struck evidence (R44).

Ids name what can be had again: the run, whose digest `market verify` recomputes, the snapshot by
the digest of its inputs, the notice, the appeal. Schools are told as a standing's items tell them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select

from kernel.actors import OrganisationKind
from kernel.identity.recording import among
from kernel.unit import Unit
from settlement.queries.standings import StandingView, names_of_schools
from settlement.ranking.evidence_queries import VENDOR
from settlement.ranking.models import (
    PublishedConfig,
    ScoreRun,
    ScoreSnapshot,
    StandingEvent,
    StandingLook,
    StruckEvidence,
)
from settlement.ranking.standing_states import Because

RESTS_ON_SCHOOLS: Final = frozenset({Because.SUSPENSION.value, Because.EXIT.value})
"""Steps that rest on schools affected since the notice, which are named to the vendor with them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ground:
    """What one step rests on; empty where there is none of it.

    `run_id`, `month`, `run_number`: the ranking that looked; `inputs_digest`: of the evidence that
    it had of the vendor in the cell; `score`, `sd`, `p_bad`: what it found, `line` the published
    threshold of the step. `items`: the notice's, each with its number, component and school;
    `affected`: schools that were affected since the notice, each with what and when; to the vendor
    without the day of a rating, which would tell who gave it. `struck`: evidence that the appeal
    took out.
    """

    run_id: UUID | None = None
    month: date | None = None
    run_number: int | None = None
    config: str = ""
    inputs_digest: str = ""
    score: Decimal | None = None
    sd: Decimal | None = None
    p_bad: Decimal | None = None
    line: Decimal | None = None
    notice_id: UUID | None = None
    items: Sequence[dict[str, Any]] = ()
    affected: Sequence[dict[str, Any]] = ()
    appeal_id: UUID | None = None
    struck: Sequence[dict[str, Any]] = ()


def grounds_of(unit: Unit, view: StandingView) -> dict[int, Ground]:
    """Return what each step of a standing rests on, by the step's number."""
    runs = {one.run_id for one in view.events if one.run_id is not None}
    looked = _looked(unit, view, runs)
    struck = _struck(unit, view.events)
    notices = {one.id: one for one in view.notices}
    schools = {str(item["school"]) for notice in view.notices for item in notice.items}
    schools |= {str(one["school"]) for known in looked.values() for one in known["affected"]} | {
        str(one["school"]) for found in struck.values() for one in found
    }
    names = names_of_schools(unit, {UUID(one) for one in schools})

    def told(items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        return [
            {
                **{name: value for name, value in one.items() if name != "school"},
                "school": names.get(UUID(str(one["school"])), ""),
            }
            for one in items
        ]

    found = {}
    for event in view.events:
        known = looked.get(event.run_id, {}) if event.run_id is not None else {}
        notice = notices.get(event.notice_id) if event.notice_id is not None else None
        found[event.number] = Ground(
            **{name: value for name, value in known.items() if name not in {"affected", "gates"}},
            line=_line(event, known.get("gates", {}), known.get("p_bad")),
            notice_id=event.notice_id,
            items=told(notice.items) if notice is not None else (),
            affected=told(_without_days(unit, known.get("affected", ())))
            if event.because in RESTS_ON_SCHOOLS
            else (),
            appeal_id=event.appeal_id,
            struck=told(struck.get(event.appeal_id, ())) if event.appeal_id is not None else (),
        )
    return found


def _without_days(unit: Unit, affected: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Return affected schools; for a vendor without the day of those that rated."""
    if unit.actor.organisation_kind is not OrganisationKind.VENDOR:
        return affected
    return [
        {name: value for name, value in one.items() if name != "on" or "ratings" not in one["what"]}
        for one in affected
    ]


def _line(event: StandingEvent, gates: Mapping[str, Any], p_bad: Decimal | None) -> Decimal | None:
    """Return the published probability from which, or below which, the step may be taken.

    None where no probability decided: of whom nothing is known any more has recovered.
    """
    to_normal = event.because == "look" and event.to_state == "normal"
    name = {
        "notice": "probation",
        "suspension": "no_new_schools",
        "exit": "no_new_schools",
        "look": "recovery" if to_normal and event.from_state != "newcomer" else "watch",
    }.get(event.because, "")
    line = Decimal(str(gates[name])) if name in gates else None
    is_silence = name == "recovery" and line is not None and p_bad is not None and p_bad >= line
    return None if is_silence else line


def _looked(unit: Unit, view: StandingView, runs: set[UUID]) -> dict[UUID, dict[str, Any]]:
    rows = unit.session.execute(
        select(ScoreRun, StandingLook, ScoreSnapshot.inputs_digest, PublishedConfig.content)
        .join(PublishedConfig, PublishedConfig.version == ScoreRun.config_version)
        .outerjoin(
            StandingLook,
            (StandingLook.run_id == ScoreRun.id) & (StandingLook.standing_id == view.row.id),
        )
        .outerjoin(
            ScoreSnapshot,
            (ScoreSnapshot.run_id == ScoreRun.id)
            & (ScoreSnapshot.kind == VENDOR)
            & (ScoreSnapshot.subject_id == view.row.vendor_id)
            & (ScoreSnapshot.cell == view.row.cell),
        )
        .where(among(ScoreRun.id, runs))
    )
    return {
        run.id: {
            "run_id": run.id,
            "month": run.month,
            "run_number": run.number,
            "config": run.config_version,
            "inputs_digest": bytes(digest).hex() if digest is not None else "",
            "score": look.score if look else None,
            "sd": look.sd if look else None,
            "p_bad": look.p_bad if look else None,
            "affected": look.fresh if look else [],
            "gates": content["ranking"]["gates"],
        }
        for run, look, digest, content in rows
    }


def _struck(unit: Unit, events: Sequence[StandingEvent]) -> dict[UUID, list[dict[str, Any]]]:
    appeals = {one.appeal_id for one in events if one.appeal_id is not None}
    found: dict[UUID, list[dict[str, Any]]] = {}
    if not appeals:
        return found
    rows = unit.session.scalars(
        select(StruckEvidence)
        .where(among(StruckEvidence.appeal_id, appeals))
        .order_by(StruckEvidence.school_id, StruckEvidence.component)
    )
    for one in rows:
        found.setdefault(one.appeal_id, []).append(
            {"school": one.school_id, "component": one.component, "until": one.until}
        )
    return found
