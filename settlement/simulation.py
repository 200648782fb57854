"""Simulations: what a month's bill had been with another plan, ceiling or headcount.

Decides which agreements a change is for and what their terms would be; the lines are drafted as
those of a preview, once as it is and once as assumed. Nothing is written. What another headcount
means for a funding line is computed above, by procurement.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import select

from catalog.kinds import ResourceKind
from catalog.plans import OF_SINGLE_USES, Plan, check_plan, normalised, plan_of
from kernel.actors import OrganisationKind
from kernel.clock import Month, next_month
from kernel.errors import InvalidInput, NotFound
from kernel.identity.models import Organisation
from kernel.identity.recording import among
from kernel.identity.visibility import visible_organisations
from kernel.unit import Unit
from settlement.agreement_items import parts_by_pack
from settlement.assumptions import Assumed, Assumptions
from settlement.ledger.models import Account
from settlement.models import Agreement, AgreementDraw
from settlement.preview import Preview, PreviewLine, payers_in, preview


@dataclass(frozen=True, kw_only=True, slots=True)
class Changes:
    """What would be otherwise. Empty: nothing.

    `plan`: keys of a plan (see `catalog.plans`); None takes a key away. `ceiling_fen`: of each
    agreement concerned. `pupils`: by school code. `agreement_number` or `sku`: whose plan and
    ceiling, all agreements if both are empty.
    """

    plan: Mapping[str, Any] = field(default_factory=dict)
    ceiling_fen: int | None = None
    pupils: Mapping[str, int] = field(default_factory=dict)
    agreement_number: str = ""
    sku: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """One line before and after; a line that is only there on one side is None on the other."""

    before: PreviewLine | None
    after: PreviewLine | None

    @property
    def line(self) -> PreviewLine:
        """Either of the two, for what both share."""
        line = self.after or self.before
        assert line is not None
        return line

    @property
    def before_fen(self) -> int:
        return self.before.amount_fen if self.before else 0

    @property
    def after_fen(self) -> int:
        return self.after.amount_fen if self.after else 0

    @property
    def difference_fen(self) -> int:
        return self.after_fen - self.before_fen

    @property
    def uncovered_fen(self) -> int:
        return self.after.uncovered_fen if self.after else 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Simulation:
    """A month's bill as it is and as it had been."""

    before: Preview
    after: Preview
    differences: Sequence[Difference]


def simulate(
    unit: Unit, month: Month, changes: Changes, *, payer_code: str | None = None
) -> Simulation:
    """Return the month's lines before and after, for one payer or all that the actor sees.

    Raises as `preview`, `NotFound` for an agreement, resource or school that isn't there, and
    `InvalidInput` for a plan that can't be.
    """
    before = preview(unit, month, payer_code=payer_code)
    assumed = assumptions(unit, month, changes, payer_code=payer_code)
    after = preview(unit, month, payer_code=payer_code, assumed=assumed)
    befores = {line.key: line for line in before.lines}
    afters = {line.key: line for line in after.lines}
    pairs = [
        Difference(before=befores.get(key), after=afters.get(key))
        for key in dict.fromkeys([*befores, *afters])
    ]
    return Simulation(before=before, after=after, differences=pairs)


def assumptions(
    unit: Unit, month: Month, changes: Changes, *, payer_code: str | None = None
) -> Assumptions:
    """Return what a draft has to assume for these changes."""
    if changes.ceiling_fen is not None and changes.ceiling_fen < 0:
        raise InvalidInput(field="ceiling", value=changes.ceiling_fen, expected="0 or more")
    payers = payers_in(unit, month, payer_code=payer_code)
    agreements = _concerned(unit, month, changes, payer_ids=list(payers))
    pupils = _pupils(unit, changes.pupils)
    if not changes.plan and changes.ceiling_fen is None:
        return Assumptions(pupils=pupils)
    parts = parts_by_pack(unit, {one.version_id for one in agreements})
    return Assumptions(
        agreements={
            one.id: Assumed(
                resource_ids=(one.resource_id, *parts.get(one.version_id, ())),
                terms=changed_terms(one.terms, changes.plan),
                ceiling_fen=(
                    one.ceiling_fen if changes.ceiling_fen is None else changes.ceiling_fen
                ),
            )
            for one in agreements
        },
        pupils=pupils,
        available_fen=_available(unit, [one.id for one in agreements]),
    )


def changed_terms(terms: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return terms with another plan; what does not fit a changed kind of plan falls away.

    One unit price replaces tiers, tiers bring their first price. Basic resources stay free (R1).
    """
    if not changes or terms.get("resource_kind") == ResourceKind.BASIC:
        return dict(terms)
    plan = {**plan_of(terms), **changes}
    if changes.get("tiers"):
        plan["unit_price"] = changes["tiers"][0]["unit_price"]
    elif "unit_price" in changes:
        plan.pop("tiers", None)
    kept = {key: value for key, value in plan.items() if value is not None}
    fitting = {key: value for key, value in kept.items() if fits(key, str(plan["plan"]))}
    check_plan(fitting)
    beside = {key: value for key, value in terms.items() if key not in plan_of(terms)}
    return {**beside, **normalised(fitting)}


def fits(key: str, plan: str) -> bool:
    """Return whether a key means something under a plan, so that one change can be for many."""
    if key in ("tiers", "free_allowance", "period_cap"):
        return plan != Plan.FLAT
    return key != "learner_cap" or plan in OF_SINGLE_USES


def _concerned(
    unit: Unit, month: Month, changes: Changes, *, payer_ids: Sequence[UUID]
) -> list[Agreement]:
    """Return the payers' agreements of the month that the change is for."""
    first_of_next: date = next_month(month)
    wanted = select(Agreement).where(
        among(Agreement.payer_id, payer_ids),
        Agreement.starts_on < first_of_next,
        Agreement.ends_on >= month,
    )
    if changes.agreement_number:
        wanted = wanted.where(Agreement.number == changes.agreement_number)
    if changes.sku:
        wanted = wanted.where(Agreement.terms["sku"].astext == changes.sku)
    found = list(unit.session.scalars(wanted.order_by(Agreement.number)))
    if not found and changes.agreement_number:
        raise NotFound(what="agreement", key=changes.agreement_number)
    if not found and changes.sku:
        raise NotFound(what="resource", key=changes.sku)
    return found


def _pupils(unit: Unit, pupils: Mapping[str, int]) -> dict[UUID, int]:
    """Return the assumed headcounts by school id."""
    ids = dict(
        unit.session.execute(
            visible_organisations(unit, OrganisationKind.SCHOOL)
            .with_only_columns(Organisation.code, Organisation.id)
            .where(among(Organisation.code, list(pupils)))
        ).all()
    )
    for code, count in pupils.items():
        if code not in ids:
            raise NotFound(what="school", key=code)
        if count < 0:
            raise InvalidInput(field="pupils", value=count, expected="0 or more")
    return {ids[code]: count for code, count in pupils.items()}


def _available(unit: Unit, agreement_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return what the agreements' funding lines have left to commit, in fen."""
    rows = unit.session.execute(
        select(Account.owner_id, Account.balance)
        .where(
            Account.kind == "available",
            Account.owner_id.in_(
                select(AgreementDraw.line_id).where(
                    among(AgreementDraw.agreement_id, agreement_ids)
                )
            ),
        )
        .distinct()
    )
    return {line_id: int(fen) for line_id, fen in rows}
