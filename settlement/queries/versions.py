"""Versions of what was agreed, whatever became of them: who owes or is owed for one sees it (R4).

The catalogue shows what is listed; here a payer and the bureau above it see, under an agreement of
theirs, the version that was agreed and those of the same resource that came after it.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from catalog.models import Version
from catalog.states import VersionState
from kernel.unit import Unit
from settlement.models import Agreement
from settlement.queries.statements import visible_payers

PUBLISHED = (VersionState.LISTED, VersionState.SUSPENDED, VersionState.WITHDRAWN)


@dataclass(frozen=True, kw_only=True, slots=True)
class OwedVersion:
    """One version; `agreed`: it is the one that the agreement is about."""

    id: UUID
    number: int
    title: str
    state: str
    created_at: datetime
    agreed: bool


def owed_versions(unit: Unit, number: str) -> list[OwedVersion]:
    """Return the versions under a visible agreement, the newest first; none if there is none."""
    agreement = unit.session.execute(
        select(Agreement.resource_id, Agreement.version_id).where(
            Agreement.number == number, Agreement.payer_id.in_(visible_payers(unit))
        )
    ).one_or_none()
    if agreement is None:
        return []
    rows = unit.session.scalars(
        select(Version)
        .where(Version.resource_id == agreement.resource_id, Version.state.in_(PUBLISHED))
        .order_by(Version.number.desc())
    ).all()
    agreed = next((row.number for row in rows if row.id == agreement.version_id), 0)
    return [
        OwedVersion(
            id=row.id,
            number=row.number,
            title=row.title,
            state=row.state,
            created_at=row.created_at,
            agreed=row.id == agreement.version_id,
        )
        for row in rows
        if row.number >= agreed
    ]
