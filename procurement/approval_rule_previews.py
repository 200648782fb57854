"""What a table of signatures would mean: for whom it decides, what is open, who is missing (R22).

Decides from when a table may hold: from a day on which nothing is requested yet, so that every
selection keeps the signatures it was requested with. And that somebody holds every role it names.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, exists, select
from sqlalchemy.orm import aliased

from catalog.models import Version
from kernel.actors import ROLES_OF, OrganisationKind, Role
from kernel.clock import parse_day, shanghai_day
from kernel.errors import NobodySigns, TableTooEarly
from kernel.identity.grants import in_force
from kernel.identity.models import Organisation, Person, Region, RegionClosure, RoleGrant
from kernel.identity.recording import among
from kernel.unit import Unit
from procurement.approval_rules import judge_table
from procurement.models import ApprovalRule, ApprovalStep, Selection
from procurement.policy import About, Threshold, steps_for
from procurement.selection_facts import nearest_bureaus
from procurement.selection_terms import amount_to_sign
from procurement.states import SelectionState
from settlement.models import Agreement


@dataclass(frozen=True, kw_only=True, slots=True)
class SignTable:
    """A table that is proposed: whose schools', from which day on, which rows."""

    region_code: str
    valid_from: date
    thresholds: Sequence[Threshold]


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenSelection:
    """A selection under way: the signatures it keeps, and those the table would ask for."""

    id: UUID
    reference: str
    school_name: str
    title: str
    signed_fen: int
    keeps: Sequence[Role]
    would_need: Sequence[Role]

    @property
    def differs(self) -> bool:
        return list(self.keeps) != list(self.would_need)


@dataclass(frozen=True, kw_only=True, slots=True)
class Unsigned:
    """A school at which nobody holds a role of the table."""

    school_code: str
    school_name: str
    role: Role


@dataclass(frozen=True, kw_only=True, slots=True)
class TablePreview:
    """What a table would mean: for how many schools it decides, what is open, who is missing."""

    schools: int
    open: Sequence[OpenSelection]
    missing: Sequence[Unsigned]

    @property
    def differing(self) -> int:
        return sum(one.differs for one in self.open)


def sign_table(content: Mapping[str, Any]) -> SignTable:
    """Return the table that a proposal holds."""
    return SignTable(
        region_code=content["region_code"],
        valid_from=parse_day(content["valid_from"]),
        thresholds=[
            Threshold(**{**row, "role": Role(row["role"])}) for row in content["thresholds"]
        ],
    )


def preview_table(unit: Unit, table: SignTable) -> TablePreview:
    """Return what a table would mean once it is in force; nothing is written.

    Whatever the outcome, selections that are open keep the signatures they were requested with.
    Raises as `judge_table`, `TableTooEarly` and `NobodySigns`.
    """
    judge_new_table(unit, table)
    schools = _schools_under(unit, table)
    return TablePreview(
        schools=len(schools),
        open=_open_selections(unit, table, schools),
        missing=_missing(unit, table, schools),
    )


def judge_new_table(unit: Unit, table: SignTable) -> bool:
    """Return whether a table is new; raise what stands against it."""
    is_new = judge_table(
        unit, table.region_code, valid_from=table.valid_from, thresholds=table.thresholds
    )
    if is_new:
        _require_to_come(unit, table.valid_from)
        _require_signers(unit, table)
    return is_new


def _require_to_come(unit: Unit, valid_from: date) -> None:
    """Raise `TableTooEarly` unless nothing can have been requested on the table's first day."""
    earliest = shanghai_day(unit.clock.now()) + timedelta(days=1)
    if valid_from < earliest:
        raise TableTooEarly(day=valid_from, earliest=earliest, field="valid_from")


def _require_signers(unit: Unit, table: SignTable) -> None:
    """Raise `NobodySigns` for a role that nobody holds: in no school, or not in the bureau."""
    schools = _schools_under(unit, table)
    bureau_id = nearest_bureaus(unit, [table.region_code]).get(table.region_code)
    held = _held(unit, [*schools, *([bureau_id] if bureau_id else [])])
    for role in dict.fromkeys(threshold.role for threshold in table.thresholds):
        holders = {organisation_id for organisation_id, found in held if found == role}
        at_bureau = role in ROLES_OF[OrganisationKind.BUREAU]
        if not at_bureau and not schools:
            continue
        if not holders.intersection([bureau_id] if at_bureau else schools):
            name = unit.session.get_one(Region, table.region_code).name
            raise NobodySigns(role=role, region=name, field="role")


def _schools_under(unit: Unit, table: SignTable) -> dict[UUID, Organisation]:
    """Return the schools for which the table would decide: those with no nearer table by then."""
    to_table = aliased(RegionClosure)
    to_nearer = aliased(RegionClosure)
    nearer = exists().where(
        to_nearer.region_code == Organisation.region_code,
        to_nearer.ancestor_code == ApprovalRule.region_code,
        to_nearer.distance < to_table.distance,
        ApprovalRule.valid_from <= table.valid_from,
    )
    found = unit.session.scalars(
        select(Organisation)
        .join(to_table, to_table.region_code == Organisation.region_code)
        .where(
            to_table.ancestor_code == table.region_code,
            Organisation.kind == OrganisationKind.SCHOOL,
            Organisation.parent_id.is_(None),
            ~nearer,
        )
        .order_by(Organisation.code)
    )
    return {school.id: school for school in found}


def _held(unit: Unit, organisation_ids: Collection[UUID]) -> set[tuple[UUID, str]]:
    """Return which roles somebody of these organisations holds now."""
    rows = unit.session.execute(
        select(RoleGrant.organisation_id, RoleGrant.role)
        .join(Person, Person.id == RoleGrant.person_id)
        .where(
            among(RoleGrant.organisation_id, organisation_ids),
            Person.organisation_id == RoleGrant.organisation_id,
            in_force(unit.clock.now()),
        )
        .distinct()
    )
    return {(organisation_id, role) for organisation_id, role in rows}


def _missing(unit: Unit, table: SignTable, schools: Mapping[UUID, Organisation]) -> list[Unsigned]:
    held = _held(unit, list(schools))
    roles = [
        role
        for role in dict.fromkeys(threshold.role for threshold in table.thresholds)
        if role not in ROLES_OF[OrganisationKind.BUREAU]
    ]
    return [
        Unsigned(school_code=school.code, school_name=school.name, role=role)
        for school in schools.values()
        for role in roles
        if (school.id, role) not in held
    ]


def _open_selections(
    unit: Unit, table: SignTable, schools: Mapping[UUID, Organisation]
) -> list[OpenSelection]:
    """Return what these schools have requested, each with both chains of signatures."""
    rows = unit.session.execute(_requested(schools)).all()
    chains: dict[UUID, list[Role]] = {}
    steps = unit.session.execute(
        select(ApprovalStep.selection_id, ApprovalStep.role)
        .where(among(ApprovalStep.selection_id, [selection.id for selection, *_ in rows]))
        .order_by(ApprovalStep.selection_id, ApprovalStep.position)
    )
    for selection_id, role in steps:
        chains.setdefault(selection_id, []).append(Role(role))
    baskets: dict[tuple[UUID, str], int] = {}
    for selection, *_ in rows:
        key = (selection.school_id, selection.basket)
        baskets[key] = baskets.get(key, 0) + selection.ceiling_fen
    found = []
    for selection, version, agreement in rows:
        signed_fen = amount_to_sign(selection.kind, selection.ceiling_fen, agreement)
        if selection.basket:
            signed_fen = max(signed_fen, baskets[selection.school_id, selection.basket])
        # Which money pays is known at the request alone, so that every source is asked for.
        about = About(kind=version.kind, tier=version.tier)
        would_need = steps_for(signed_fen, table.thresholds, about=about)
        found.append(
            OpenSelection(
                id=selection.id,
                reference=selection.reference,
                school_name=schools[selection.school_id].name,
                title=selection.terms["title"],
                signed_fen=signed_fen,
                keeps=chains.get(selection.id, []),
                would_need=[step.role for step in would_need],
            )
        )
    return found


def _requested(
    schools: Mapping[UUID, Organisation],
) -> Select[Selection, Version, Agreement | None]:
    return (
        select(Selection, Version, Agreement)
        .join(Version, Version.id == Selection.version_id)
        .outerjoin(Agreement, Agreement.id == Selection.of_agreement_id)
        .where(
            among(Selection.school_id, list(schools)),
            Selection.state == SelectionState.REQUESTED,
        )
        .order_by(Selection.requested_at, Selection.reference)
    )
