"""What pages show of budgets, allocations and selections: read-only, a few statements each.

All goes through `visible_organisations`: a school sees its own, a bureau what lies below it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from catalog.models import Resource
from kernel.actors import OrganisationKind, Role
from kernel.errors import NotFound
from kernel.identity.models import Organisation
from kernel.identity.recording import among
from kernel.identity.visibility import require_visible, visible_organisations
from kernel.ids import AgreementId, FundingLineId, OrganisationId, PersonId, SelectionId
from kernel.unit import Unit
from procurement.delegations import names_of
from procurement.models import Allocation, ApprovalStep, Selection
from procurement.states import SelectionKind, SelectionState, StepState
from settlement.funding_lines import LineBalance, draw_order, line_balances
from settlement.models import Agreement, FundingLine


@dataclass(frozen=True, kw_only=True, slots=True)
class BoardLine:
    """One funding line of a school with its four amounts."""

    line_id: FundingLineId
    fiscal_year: int
    source: str
    restriction: dict[str, Any]
    lapses_on: date
    balance: LineBalance


@dataclass(frozen=True, kw_only=True, slots=True)
class BudgetBoard:
    """A school's lines of a fiscal year in the order in which they pay, and their sum."""

    school_id: OrganisationId
    code: str
    name: str
    region_code: str
    fiscal_year: int
    lines: list[BoardLine] = field(default_factory=list)

    @property
    def total(self) -> LineBalance:
        return LineBalance(
            available_fen=sum(line.balance.available_fen for line in self.lines),
            committed_fen=sum(line.balance.committed_fen for line in self.lines),
            accrued_fen=sum(line.balance.accrued_fen for line in self.lines),
            paid_fen=sum(line.balance.paid_fen for line in self.lines),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class AllocationView:
    """One issue on a line; `funding.explanation.explain` prints its computation."""

    amount_fen: int
    issued_at: datetime
    issued_by: str
    computation: dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class StepView:
    """One signature of a selection, given or awaited; `signed_for`: in whose place.

    `due_on`: its last day, once it is due.
    """

    position: int
    role: Role
    organisation_id: OrganisationId
    organisation_name: str
    state: StepState
    due_on: date | None
    signed_by: PersonId | None
    signed_by_name: str
    signed_for: PersonId | None
    signed_for_name: str
    signed_at: datetime | None
    note: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SelectionView:
    """One selection with its steps in order; `terms` are the offer's snapshot.

    `agreement_number`: of what came of it, or of what it would change or renew.
    `recorded_by_name`: empty where who requested recorded it, or the system.
    """

    id: SelectionId
    school_id: OrganisationId
    school_code: str
    school_name: str
    reference: str
    basket: str
    kind: SelectionKind
    title: str
    vendor_code: str
    vendor_name: str
    sku: str
    terms: dict[str, Any]
    ceiling_fen: int
    later_fen: int
    starts_on: date
    ends_on: date
    reason: str
    requested_by: PersonId
    requested_by_name: str
    requested_at: datetime
    recorded_by_name: str
    state: SelectionState
    agreement_id: AgreementId | None
    agreement_number: str
    steps: list[StepView]

    @property
    def open_step(self) -> StepView | None:
        """The signature that is due now."""
        if self.state is not SelectionState.REQUESTED:
            return None
        return next((step for step in self.steps if step.state is StepState.WAITING), None)

    @property
    def holder(self) -> str:
        """Who has the ball: the organisation that signs next."""
        return self.open_step.organisation_name if self.open_step else ""

    @property
    def due_on(self) -> date | None:
        return self.open_step.due_on if self.open_step else None


def budget_board(unit: Unit, school_id: UUID, *, fiscal_year: int) -> BudgetBoard:
    """Return one school's lines of a year; raise `NotFound` outside what the actor may see."""
    return _boards(unit, [require_visible(unit, school_id)], fiscal_year=fiscal_year)[0]


def budget_boards(unit: Unit, *, fiscal_year: int) -> list[BudgetBoard]:
    """Return the boards of all schools that the actor may see, by code; points are in theirs."""
    schools = unit.session.scalars(
        visible_organisations(unit, OrganisationKind.SCHOOL)
        .where(Organisation.parent_id.is_(None))
        .order_by(Organisation.code)
    ).all()
    return _boards(unit, schools, fiscal_year=fiscal_year)


def allocations_of(unit: Unit, line_id: UUID) -> list[AllocationView]:
    """Return what was issued on a line, oldest first; raise `NotFound` for a line not visible."""
    line = unit.session.scalars(
        select(FundingLine)
        .join(Organisation, Organisation.id == FundingLine.payer_id)
        .where(
            FundingLine.id == line_id,
            Organisation.id.in_(visible_organisations(unit).with_only_columns(Organisation.id)),
        )
    ).one_or_none()
    if line is None:
        raise NotFound(what="funding line", key=line_id)
    rows = unit.session.scalars(
        select(Allocation).where(Allocation.line_id == line_id).order_by(Allocation.id)
    )
    return [
        AllocationView(
            amount_fen=row.amount_fen,
            issued_at=row.issued_at,
            issued_by=row.issued_by,
            computation=row.computation,
        )
        for row in rows
    ]


def selections_of(unit: Unit, school_id: UUID) -> list[SelectionView]:
    """Return a school's selections, newest first; raise `NotFound` outside what may be seen."""
    require_visible(unit, school_id)
    wanted = select(Selection).where(Selection.school_id == school_id)
    ordered = wanted.order_by(Selection.requested_at.desc(), Selection.reference)
    return _views(unit, unit.session.scalars(ordered).all())


def selections_after(
    unit: Unit, *, after: SelectionId | None, limit: int, state: SelectionState | None = None
) -> list[SelectionView]:
    """Return at most `limit` selections that the actor sees, the oldest first, after one of them.

    A selection's id is given with its request, so that the order stands.
    """
    visible = visible_organisations(unit)
    wanted = select(Selection).where(
        Selection.school_id.in_(visible.with_only_columns(Organisation.id))
    )
    if after is not None:
        wanted = wanted.where(Selection.id > after)
    if state is not None:
        wanted = wanted.where(Selection.state == state)
    return _views(unit, unit.session.scalars(wanted.order_by(Selection.id).limit(limit)).all())


def selection(unit: Unit, selection_id: UUID) -> SelectionView:
    """Return one selection; raise `NotFound` outside what the actor may see."""
    return _views(unit, [_visible(unit, selection_id)])[0]


def selection_with_basket(
    unit: Unit, selection_id: UUID
) -> tuple[SelectionView, list[SelectionView]]:
    """Return one selection and what was requested together with it, the newest first.

    Raises `NotFound` outside what the actor may see.
    """
    found = _visible(unit, selection_id)
    others: Sequence[Selection] = ()
    if found.basket:
        others = unit.session.scalars(
            select(Selection)
            .where(
                Selection.school_id == found.school_id,
                Selection.basket == found.basket,
                Selection.id != found.id,
            )
            .order_by(Selection.requested_at.desc(), Selection.reference)
        ).all()
    view, *siblings = _views(unit, [found, *others])
    return view, siblings


def _visible(unit: Unit, selection_id: UUID) -> Selection:
    visible = visible_organisations(unit)
    rows = unit.session.scalars(
        select(Selection).where(
            Selection.id == selection_id,
            Selection.school_id.in_(visible.with_only_columns(Organisation.id)),
        )
    ).all()
    if not rows:
        raise NotFound(what="selection", key=selection_id)
    return rows[0]


def _boards(unit: Unit, schools: Sequence[Organisation], *, fiscal_year: int) -> list[BudgetBoard]:
    boards = {
        school.id: BudgetBoard(
            school_id=OrganisationId(school.id),
            code=school.code,
            name=school.name,
            region_code=school.region_code,
            fiscal_year=fiscal_year,
        )
        for school in schools
    }
    lines = unit.session.scalars(
        select(FundingLine).where(
            among(FundingLine.payer_id, boards), FundingLine.fiscal_year == fiscal_year
        )
    ).all()
    balances = line_balances(unit, [line.id for line in lines])
    for line in sorted(lines, key=draw_order):
        boards[line.payer_id].lines.append(
            BoardLine(
                line_id=FundingLineId(line.id),
                fiscal_year=line.fiscal_year,
                source=line.source,
                restriction=line.restriction,
                lapses_on=line.lapses_on,
                balance=balances[line.id],
            )
        )
    return list(boards.values())


def _views(unit: Unit, selections: Sequence[Selection]) -> list[SelectionView]:
    steps = unit.session.scalars(
        select(ApprovalStep)
        .where(among(ApprovalStep.selection_id, [row.id for row in selections]))
        .order_by(ApprovalStep.selection_id, ApprovalStep.position)
        .execution_options(populate_existing=True)
    ).all()
    people = {row.requested_by for row in selections}
    people |= {row.recorded_by for row in selections if row.recorded_by}
    people |= {step.signed_by for step in steps if step.signed_by}
    people |= {step.signed_for for step in steps if step.signed_for}
    names = names_of(unit, people)
    places = {row.school_id for row in selections} | {step.organisation_id for step in steps}
    organisations = {
        one.id: one
        for one in unit.session.scalars(select(Organisation).where(among(Organisation.id, places)))
    }
    by_selection: dict[UUID, list[StepView]] = {row.id: [] for row in selections}
    for step in steps:
        by_selection[step.selection_id].append(
            StepView(
                position=step.position,
                role=Role(step.role),
                organisation_id=OrganisationId(step.organisation_id),
                organisation_name=organisations[step.organisation_id].name,
                state=StepState(step.state),
                due_on=step.due_on,
                signed_by=PersonId(step.signed_by) if step.signed_by else None,
                signed_by_name=names.get(step.signed_by, "") if step.signed_by else "",
                signed_for=PersonId(step.signed_for) if step.signed_for else None,
                signed_for_name=names.get(step.signed_for, "") if step.signed_for else "",
                signed_at=step.signed_at,
                note=step.note,
            )
        )
    vendors = _vendors(unit, {row.resource_id for row in selections})
    numbers = _numbers(unit, selections)
    return [
        SelectionView(
            id=SelectionId(row.id),
            school_id=OrganisationId(row.school_id),
            school_code=organisations[row.school_id].code,
            school_name=organisations[row.school_id].name,
            reference=row.reference,
            basket=row.basket,
            kind=SelectionKind(row.kind),
            title=row.terms["title"],
            vendor_code=vendors[row.resource_id][0],
            vendor_name=vendors[row.resource_id][1],
            sku=row.terms["sku"],
            terms=row.terms,
            ceiling_fen=row.ceiling_fen,
            later_fen=row.later_fen,
            starts_on=row.starts_on,
            ends_on=row.ends_on,
            reason=row.reason,
            requested_by=PersonId(row.requested_by),
            requested_by_name=names.get(row.requested_by, ""),
            requested_at=row.requested_at,
            recorded_by_name=(
                names.get(row.recorded_by, "")
                if row.recorded_by and row.recorded_by != row.requested_by
                else ""
            ),
            state=SelectionState(row.state),
            agreement_id=AgreementId(row.agreement_id) if row.agreement_id else None,
            agreement_number=numbers.get(row.agreement_id or row.of_agreement_id, ""),
            steps=by_selection[row.id],
        )
        for row in selections
    ]


def _vendors(unit: Unit, resource_ids: set[UUID]) -> dict[UUID, tuple[str, str]]:
    """Return the vendors' codes and names by resource."""
    rows = unit.session.execute(
        select(Resource.id, Organisation.code, Organisation.name)
        .join(Organisation, Organisation.id == Resource.vendor_id)
        .where(among(Resource.id, resource_ids))
    )
    return {resource_id: (code, name) for resource_id, code, name in rows}


def _numbers(unit: Unit, selections: Sequence[Selection]) -> dict[UUID | None, str]:
    ids = {row.agreement_id or row.of_agreement_id for row in selections} - {None}
    if not ids:
        return {}
    rows = unit.session.execute(
        select(Agreement.id, Agreement.number).where(among(Agreement.id, ids))
    )
    return dict(rows.all())
