"""Findings as they are read: by everybody, by their evaluator and by whom they are about (R65).

What is asked as known at a moment leaves out what was filed since, and what became of it since.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import aliased

from kernel.actors import Role
from kernel.errors import NotFound
from kernel.identity.models import Organisation
from kernel.unit import Unit
from settlement.evaluation.models import EvaluatorAdmission, OutsideFinding

MOST: Final = 200
"""Findings on one page, the latest."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FindingView:
    """A finding as everybody reads it, with what became of it.

    `ended_at`, `ended_because`: of the admission under which it was filed, if it ended since.
    """

    id: UUID
    evaluator: str
    interest: str
    subject_kind: str
    subject_key: str
    subject_name: str
    finding: str
    source: str
    found_on: date
    digest: str
    filed_at: datetime
    withdrawn_at: datetime | None
    withdrawn_because: str
    replied_at: datetime | None
    reply: str
    ended_at: datetime | None
    ended_because: str

    @property
    def state(self) -> str:
        if self.withdrawn_at is not None:
            return "withdrawn"
        return "answered" if self.reply else "filed"

    def as_known(self, before: datetime) -> "FindingView":
        """Return it without what became of it since."""
        view = self
        if self.withdrawn_at is not None and self.withdrawn_at >= before:
            view = replace(view, withdrawn_at=None, withdrawn_because="")
        if self.replied_at is not None and self.replied_at >= before:
            view = replace(view, replied_at=None, reply="")
        if self.ended_at is not None and self.ended_at >= before:
            view = replace(view, ended_at=None, ended_because="")
        return view


def findings(
    unit: Unit, *, about: tuple[str, ...] = (), known_before: datetime | None = None
) -> list[FindingView]:
    """Return all findings, or those about these keys, the latest first; withdrawn ones too.

    `known_before`: as they were known until then.
    """
    wanted = _views()
    if about:
        wanted = wanted.where(OutsideFinding.subject_key.in_(about))
    if known_before is None:
        return _found(unit, wanted)
    found = _found(unit, wanted.where(OutsideFinding.filed_at < known_before))
    return [one.as_known(known_before) for one in found]


def own_findings(unit: Unit) -> list[FindingView]:
    """Return what the acting evaluator filed, the latest first."""
    unit.actor.require("list own findings", Role.EVALUATOR)
    mine = OutsideFinding.evaluator_id == unit.actor.organisation_id
    return _found(unit, _views().where(mine))


def findings_about_us(unit: Unit) -> list[FindingView]:
    """Return what was found about the actor's organisation and its resources, the latest first."""
    ours = OutsideFinding.subject_id == unit.actor.organisation_id
    return _found(unit, _views().where(ours))


def findings_under(unit: Unit, admission_id: UUID) -> list[FindingView]:
    """Return what was filed under an admission, the latest first."""
    return _found(unit, _views().where(OutsideFinding.admission_id == admission_id))


def one_finding(unit: Unit, finding_id: UUID) -> FindingView:
    """Return one finding, for everybody; raise `NotFound`."""
    found = _found(unit, _views().where(OutsideFinding.id == finding_id))
    if not found:
        raise NotFound(what="finding", key=finding_id)
    return found[0]


def _found(
    unit: Unit, wanted: Select[OutsideFinding, str, str, str, datetime | None, str]
) -> list[FindingView]:
    rows = unit.session.execute(
        wanted.order_by(OutsideFinding.filed_at.desc(), OutsideFinding.id).limit(MOST)
    )
    return [
        FindingView(
            id=row.OutsideFinding.id,
            evaluator=row.evaluator,
            interest=row.interest,
            subject_kind=row.OutsideFinding.subject_kind,
            subject_key=row.OutsideFinding.subject_key,
            subject_name=row.subject or "",
            finding=row.OutsideFinding.finding,
            source=row.OutsideFinding.source,
            found_on=row.OutsideFinding.found_on,
            digest=row.OutsideFinding.digest.hex(),
            filed_at=row.OutsideFinding.filed_at,
            withdrawn_at=row.OutsideFinding.withdrawn_at,
            withdrawn_because=row.OutsideFinding.withdrawn_because,
            replied_at=row.OutsideFinding.replied_at,
            reply=row.OutsideFinding.reply,
            ended_at=row.ended_at,
            ended_because=row.ended_because,
        )
        for row in rows
    ]


def _views() -> Select[OutsideFinding, str, str, str, datetime | None, str]:
    evaluator, subject = aliased(Organisation), aliased(Organisation)
    return (
        select(
            OutsideFinding,
            evaluator.name.label("evaluator"),
            EvaluatorAdmission.interest,
            subject.name.label("subject"),
            EvaluatorAdmission.ended_at,
            EvaluatorAdmission.ended_because,
        )
        .join(evaluator, evaluator.id == OutsideFinding.evaluator_id)
        .join(EvaluatorAdmission, EvaluatorAdmission.id == OutsideFinding.admission_id)
        .outerjoin(subject, subject.id == OutsideFinding.subject_id)
    )
