"""Parties: which people had a part in an agreement, and so can't judge it (R36).

Procurement tells who requested, recorded and signed; who changed it, confirmed its bill or objected
to it stands in settlement's own tables, by the name under which they acted.
"""

from collections.abc import Collection
from enum import StrEnum
from uuid import UUID

from sqlalchemy import select, union
from sqlalchemy.dialects.postgresql import insert

from kernel.identity.names import people_of_acts
from kernel.unit import Unit
from settlement.agreement_models import AgreementChange, AgreementParty, AgreementSchoolChange
from settlement.dispute_models import Dispute
from settlement.models import StatementLine


class Part(StrEnum):
    REQUESTED = "requested"
    RECORDED = "recorded"
    SIGNED = "signed"


def note_parties(unit: Unit, parties: Collection[tuple[UUID, UUID, Part]]) -> None:
    """Keep who had which part in an agreement: (agreement, person, part)."""
    if parties:
        unit.session.execute(
            insert(AgreementParty).on_conflict_do_nothing(),
            [
                {"agreement_id": agreement_id, "person_id": person_id, "part": part}
                for agreement_id, person_id, part in sorted(parties)
            ],
        )


def has_a_part(unit: Unit, person_id: UUID, *, agreement_id: UUID) -> bool:
    """Return whether a person requested, recorded, signed or changed it, confirmed or disputed."""
    made = unit.session.scalar(
        select(AgreementParty.person_id)
        .where(AgreementParty.agreement_id == agreement_id, AgreementParty.person_id == person_id)
        .limit(1)
    )
    return made is not None or person_id in people_of_acts(unit, _acts(unit, agreement_id))


def _acts(unit: Unit, agreement_id: UUID) -> set[str]:
    """Return the names under which people acted on an agreement and its lines."""
    disputes = Dispute.line_id == StatementLine.id
    names = unit.session.scalars(
        union(
            select(AgreementChange.by).where(AgreementChange.agreement_id == agreement_id),
            select(AgreementSchoolChange.by).where(
                AgreementSchoolChange.agreement_id == agreement_id
            ),
            select(StatementLine.confirmed_by).where(StatementLine.agreement_id == agreement_id),
            select(Dispute.opened_by)
            .join(StatementLine, disputes)
            .where(StatementLine.agreement_id == agreement_id),
        )
    )
    return {name for name in names if name}
