"""Whose use a selection or agreement pays for: a school, or all for whom a bureau buys (R18, R24).

What is restricted to schools pays for a bulk purchase only where it may pay for each of them: also
for one that declined, whose use of the days before may still come in. A teaching point counts as
its school.
"""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import CompoundSelect, Select, func, select, union_all
from sqlalchemy.orm import aliased

from kernel.identity.models import Organisation
from kernel.identity.recording import among
from kernel.unit import Unit
from procurement.models import Selection, SelectionSchool
from procurement.policy import BULK
from settlement.models import Agreement, AgreementSchool

Users = frozenset[str]
"""Codes of schools; none: the school that pays itself."""


def users_of_selections(unit: Unit, selections: Collection[Selection]) -> dict[UUID, Users]:
    """Return for whom bureaus buy by selections, or by the agreements that these would change."""
    bought = select(
        SelectionSchool.selection_id.label("subject_id"), SelectionSchool.school_id
    ).where(among(SelectionSchool.selection_id, [one.id for one in selections]))
    changed = (
        select(Selection.id, AgreementSchool.school_id)
        .join(AgreementSchool, AgreementSchool.agreement_id == Selection.of_agreement_id)
        .join(Agreement, Agreement.id == Selection.of_agreement_id)
        .where(
            among(Selection.id, [one.id for one in selections]),
            Agreement.terms["kind"].as_string() == BULK,
        )
    )
    return _by_subject(unit, union_all(bought, changed))


def users_of_agreements(unit: Unit, agreement_ids: Collection[UUID]) -> dict[UUID, Users]:
    """Return for whom bureaus bought by these agreements; of others nothing."""
    return _by_subject(
        unit,
        select(AgreementSchool.agreement_id.label("subject_id"), AgreementSchool.school_id)
        .join(Agreement, Agreement.id == AgreementSchool.agreement_id)
        .where(among(Agreement.id, agreement_ids), Agreement.terms["kind"].as_string() == BULK),
    )


def home_codes(unit: Unit, place_ids: Collection[UUID]) -> Users:
    """Return the codes of places, of a teaching point that of its school."""
    return frozenset(home_code_of(unit, place_ids).values())


def home_code_of(unit: Unit, place_ids: Collection[UUID]) -> dict[UUID, str]:
    """Return by place its code, of a teaching point that of its school."""
    home = aliased(Organisation)
    rows = unit.session.execute(
        select(Organisation.id, func.coalesce(home.code, Organisation.code))
        .select_from(Organisation)
        .outerjoin(home, home.id == Organisation.parent_id)
        .where(among(Organisation.id, place_ids))
    )
    return dict(rows.all())


def _by_subject(
    unit: Unit, wanted: Select[UUID, UUID] | CompoundSelect[UUID, UUID]
) -> dict[UUID, Users]:
    rows = wanted.subquery()
    home = aliased(Organisation)
    found: dict[UUID, set[str]] = {}
    for subject_id, code in unit.session.execute(
        select(rows.c.subject_id, func.coalesce(home.code, Organisation.code))
        .select_from(rows)
        .join(Organisation, Organisation.id == rows.c.school_id)
        .outerjoin(home, home.id == Organisation.parent_id)
    ):
        found.setdefault(subject_id, set()).add(code)
    return {subject_id: frozenset(codes) for subject_id, codes in found.items()}
