"""From approved selections to agreements: who may use them, and which lines their ceilings bind.

Decides on which funding lines each ceiling is committed (R23) and what stands against it: no line,
too little on the lines, a resource that is no longer listed. Opening the agreements, changing them
and posting the commitments is settlement's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from sqlalchemy import select

from catalog.models import Resource, Version
from catalog.packs import parts_gone
from catalog.states import VersionState
from kernel.clock import shanghai_day
from kernel.errors import (
    BudgetExhausted,
    Conflict,
    MarketError,
    NoFundingLine,
    NotListed,
    PartNotListed,
)
from kernel.identity.models import Organisation
from kernel.identity.recording import among
from kernel.money import yuan
from kernel.unit import Unit
from procurement.bulk_users import Users, users_of_selections
from procurement.models import Selection, SelectionSchool
from procurement.purses import Part, PartPlan, Purse, lock_purse, parts_of, purpose_of
from procurement.selection_terms import amount_to_commit
from procurement.states import CHANGES, SelectionKind
from procurement.waiting_years import keep_for_waiting
from settlement.agreement_changes import ChangeDraft, lock_agreement, require_running
from settlement.agreements import AgreementDraft, Draw, YearPart
from settlement.metering.partitions import lock_usage_shared
from settlement.models import Agreement


@dataclass(frozen=True, kw_only=True, slots=True)
class _Parties:
    """What the selections refer to, by id; `users` are a school and its teaching points, `bought`
    for whom a bureau buys, with their own ceilings, by selection; `gone` a part that is listed no
    more, by pack.
    """

    schools: dict[UUID, Organisation]
    users: dict[UUID, list[UUID]]
    bought: dict[UUID, dict[UUID, int]]
    resources: dict[UUID, Resource]
    versions: dict[UUID, Version]
    gone: dict[UUID, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Commitment:
    """What a last signature does: it opens an agreement, raises one or lowers one.

    `sources` pay for it. `parts`: by how much each year is lowered.
    """

    opens: AgreementDraft | None = None
    raises: Sequence[ChangeDraft] = ()
    lowers: Agreement | None = None
    parts: Sequence[Part] = ()
    sources: frozenset[str] = frozenset()


def draft_commitments(
    unit: Unit, selections: Sequence[Selection]
) -> list[Commitment | MarketError]:
    """Return for each selection what its last signature commits, or what prevents it.

    In the order given: what one selection takes from a line, the next one lacks; what agreements
    wait for is kept for them. The lines stay locked until the unit ends, so that nobody else can
    commit the same fen. The errors are `NoFundingLine`, `BudgetExhausted` (`short_fen`,
    `short_yuan`, `line`), `NotListed`, and `Conflict` for an agreement, or its year, that is over.
    """
    today = shanghai_day(unit.clock.now())
    parties = _gather(unit, selections)
    if any(selection.kind == SelectionKind.LOWER for selection in selections):
        lock_usage_shared(unit)  # before the agreements, as everybody does who needs both
    changed = {
        selection.id: lock_agreement(unit, selection.of_agreement_id)
        for selection in sorted(selections, key=lambda one: str(one.of_agreement_id))
        if selection.kind in CHANGES and selection.of_agreement_id is not None
    }
    # Behind the lock: no school joins between here and the commitment that is to pay for it.
    users = users_of_selections(unit, selections)
    purse = lock_purse(unit, parties.schools)
    keep_for_waiting(unit, purse, parties.schools)
    drafts: list[Commitment | MarketError] = []
    for selection in selections:
        try:
            drafts.append(
                _draft(
                    selection,
                    parties,
                    users=users.get(selection.id, frozenset()),
                    purse=purse,
                    changed=changed.get(selection.id),
                    today=today,
                )
            )
        except MarketError as error:
            # It stands against this selection alone; the caller raises or lists it.
            drafts.append(error)
    return drafts


def _draft(
    selection: Selection,
    parties: _Parties,
    *,
    users: Users,
    purse: Purse,
    changed: Agreement | None,
    today: date,
) -> Commitment:
    if changed is not None:
        require_running(changed, wanted=selection.kind)
    parts = parts_to_commit(selection, changed=changed, today=today)
    if changed is not None and selection.kind == SelectionKind.LOWER:
        return Commitment(lowers=changed, parts=parts)
    school = parties.schools[selection.school_id]
    resource = parties.resources[selection.resource_id]
    version = parties.versions[selection.version_id]
    if version.state != VersionState.LISTED:
        raise NotListed(key=resource.sku)
    if version.id in parties.gone:
        raise PartNotListed(field="sku", key=parties.gone[version.id])
    purpose = purpose_of(school, version, users=users)
    plans = purse.plan_together(school.id, parts, purpose=purpose)
    for plan in plans:
        _require_covered(plan, school=school, selection=selection)
    sources = {line.id: line.source for plan in plans for line in plan.lines}
    taken = [draw for plan in plans if not plan.waits for draw in plan.draws]
    # What a part that waits would need is kept for it, as `keep_for_waiting` does from then on.
    purse.take([draw for plan in plans for draw in plan.draws])
    paying = frozenset(sources[draw.line_id] for draw in taken)
    if changed is not None:
        return Commitment(raises=_changes(changed, selection, plans), sources=paying)
    return Commitment(
        opens=AgreementDraft(
            number=f"{school.code}-{selection.reference}",
            payer_id=school.id,
            vendor_id=resource.vendor_id,
            resource_id=resource.id,
            version_id=version.id,
            terms=selection.terms,
            ceiling_fen=amount_to_commit(selection.terms, selection.ceiling_fen),
            starts_on=selection.starts_on,
            ends_on=selection.ends_on,
            draws=_by_line(taken),
            school_ids=list(parties.bought.get(selection.id, parties.users[school.id])),
            school_ceilings=parties.bought.get(selection.id, {}),
            years=[_year(plan) for plan in plans] if len(plans) > 1 else (),
        ),
        sources=paying,
    )


def parts_to_commit(
    selection: Selection, *, changed: Agreement | None, today: date
) -> Sequence[Part]:
    """Return by fiscal year what a selection commits, or by how much it changes an agreement.

    Raises `Conflict` for an agreement's year that is over.
    """
    parts = parts_of(
        starts_on=selection.starts_on,
        ends_on=selection.ends_on,
        ceiling_fen=amount_to_commit(selection.terms, selection.ceiling_fen),
        later_fen=amount_to_commit(selection.terms, selection.later_fen),
    )
    if changed is None:
        return parts
    return _changed_parts(changed, parts, wanted=selection.kind, today=today)


def _changed_parts(
    agreement: Agreement, parts: Sequence[Part], *, wanted: str, today: date
) -> list[Part]:
    """Return what changes in each year, by the days that the agreement has now.

    Since the request a year may have passed and the agreement's end may have come nearer. Raises
    `Conflict` for a year that is over, or of which no day is left.
    """
    found = [part for part in parts if part.ceiling_fen]
    for part in found:
        if part.fiscal_year < today.year or part.first > agreement.ends_on:
            raise Conflict(
                what="agreement",
                key=agreement.number,
                state=f"over for {part.fiscal_year}",
                wanted=wanted,
            )
    return [replace(part, last=min(part.last, agreement.ends_on)) for part in found]


def _require_covered(plan: PartPlan, *, school: Organisation, selection: Selection) -> None:
    part: Part = plan.part
    if plan.waits or not part.ceiling_fen:
        return
    if not plan.lines:
        raise NoFundingLine(payer=school.code, year=part.fiscal_year)
    if plan.short_fen:
        last = plan.lines[-1]
        raise BudgetExhausted(
            selection=selection.reference,
            payer=school.code,
            line=f"{school.code} {last.fiscal_year} {last.source}",
            line_id=str(last.id),
            year=last.fiscal_year,
            source=last.source,
            short_fen=plan.short_fen,
            short_yuan=yuan(plan.short_fen),
        )


def _changes(
    agreement: Agreement, selection: Selection, plans: Sequence[PartPlan]
) -> list[ChangeDraft]:
    return [
        ChangeDraft(
            agreement=agreement,
            kind="raised",
            fiscal_year=plan.part.fiscal_year,
            ceiling_fen=plan.part.ceiling_fen,
            waiting_fen=plan.part.ceiling_fen if plan.waits else 0,
            draws=() if plan.waits else plan.draws,
            reference=selection.reference,
            reason=selection.reason,
        )
        for plan in plans
    ]


def _year(plan: PartPlan) -> YearPart:
    part = plan.part
    return YearPart(part.fiscal_year, part.ceiling_fen, part.ceiling_fen if plan.waits else 0)


def _by_line(draws: Sequence[Draw]) -> list[Draw]:
    """Return one draw for each line: one that was carried over may pay for both years."""
    summed: dict[UUID, int] = {}
    for draw in draws:
        summed[draw.line_id] = summed.get(draw.line_id, 0) + draw.ceiling_fen
    return [Draw(line_id, fen) for line_id, fen in summed.items()]


def _gather(unit: Unit, selections: Sequence[Selection]) -> _Parties:
    school_ids = {selection.school_id for selection in selections}
    resource_ids = {selection.resource_id for selection in selections}
    version_ids = {selection.version_id for selection in selections}
    schools = unit.session.scalars(select(Organisation).where(among(Organisation.id, school_ids)))
    users: dict[UUID, list[UUID]] = {school_id: [school_id] for school_id in school_ids}
    points = unit.session.execute(
        select(Organisation.parent_id, Organisation.id)
        .where(among(Organisation.parent_id, school_ids))
        .order_by(Organisation.code)
    )
    for school_id, point_id in points:
        if school_id is not None:
            users[school_id].append(point_id)
    bought: dict[UUID, dict[UUID, int]] = {}
    for one in unit.session.scalars(
        select(SelectionSchool)
        .where(among(SelectionSchool.selection_id, [selection.id for selection in selections]))
        .order_by(SelectionSchool.selection_id, SelectionSchool.school_id)
    ):
        bought.setdefault(one.selection_id, {})[one.school_id] = one.ceiling_fen
    resources = unit.session.scalars(select(Resource).where(among(Resource.id, resource_ids)))
    versions = unit.session.scalars(
        select(Version)
        .where(among(Version.id, version_ids))
        .execution_options(populate_existing=True)
    ).all()
    return _Parties(
        schools={school.id: school for school in schools},
        users=users,
        bought=bought,
        resources={resource.id: resource for resource in resources},
        versions={version.id: version for version in versions},
        gone=parts_gone(unit, versions),
    )
