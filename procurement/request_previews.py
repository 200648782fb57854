"""Request previews: what a basket would mean, before it is requested; nothing is written (R21).

For each resource which lines would pay how much, by how much they are short and what would wait
for the next year's money; what like schools use; and who would have to sign for all of it together.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from kernel.actors import Role
from kernel.errors import MarketError
from kernel.identity.recording import FieldError
from kernel.ids import OrganisationId
from kernel.unit import Unit
from procurement.forecasts import Forecast, forecasts
from procurement.purses import Purse, purpose_of
from procurement.requests import Wanted, require_requester, row_of
from procurement.selection_facts import Facts, SelectionKey, gather_facts
from procurement.selection_steps import needed_steps
from procurement.selections import Request, judge_row
from procurement.waiting_years import purse_to_plan
from settlement.models import FundingLine


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedDraw:
    """How much of a ceiling one line would commit, in fen."""

    line: FundingLine
    amount_fen: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemPreview:
    """One resource of the basket: what it would commit, or the error that stands against it.

    `field`: what the error is about, by the service's name. `is_read`: false where what is asked
    for could not be read, so that nothing is known of it.
    """

    error: MarketError | None = None
    field: str = ""
    is_read: bool = True
    draws: Sequence[PlannedDraw] = ()
    short_fen: int = 0
    waiting_fen: int = 0
    later_year: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class BasketPreview:
    """All of a basket, in the order given; `signers` for all of it together."""

    items: Sequence[ItemPreview] = ()
    amount_fen: int = 0
    signers: Sequence[Role] = field(default_factory=tuple)

    @property
    def short_fen(self) -> int:
        return sum(item.short_fen for item in self.items)

    @property
    def waiting_fen(self) -> int:
        return sum(item.waiting_fen for item in self.items)

    @property
    def is_right(self) -> bool:
        """Whether all of it could be requested now."""
        return bool(self.items) and all(item.is_read and item.error is None for item in self.items)


def preview_basket(unit: Unit, wanted: Sequence[Wanted | None]) -> BasketPreview:
    """Return what requesting these together would mean; None is what could not be read."""
    requested_by = require_requester(unit)
    rows = {
        place: row_of(unit, one, reference=f"preview-{place}")
        for place, one in enumerate(wanted)
        if one is not None
    }
    facts = gather_facts(unit, list(rows.values()))
    fresh: dict[SelectionKey, Request] = {}
    requests: dict[int, Request] = {}
    errors: dict[int, FieldError] = {}
    for place, row in rows.items():
        try:
            judge_row(row, facts, requested_by=requested_by, fresh=fresh, settings=unit.settings)
            requests[place] = next(
                one for one in fresh.values() if one.row.reference == row.reference
            )
        except FieldError as error:
            errors[place] = error
    purse = purse_to_plan(unit, [one.school.id for one in list(requests.values())[:1]])
    items = [
        ItemPreview(error=errors[place].error, field=errors[place].field)
        if place in errors
        else ItemPreview(is_read=False)
        if place not in requests
        else item_preview(requests[place], purse)
        for place in range(len(wanted))
    ]
    amount_fen = sum(request.amount_fen for request in requests.values())
    return BasketPreview(
        items=items,
        amount_fen=amount_fen,
        signers=_signers(requests, facts, amount_fen=amount_fen),
    )


def forecasts_of(
    unit: Unit, school_id: OrganisationId, resources: Sequence[tuple[str, str]], *, day: date
) -> dict[tuple[str, str], Forecast]:
    """Return the forecasts of resources by their key, at the offers of a day."""
    facts = gather_facts(
        unit,
        [
            row_of(
                unit,
                Wanted(
                    vendor_code=vendor_code,
                    sku=sku,
                    starts_on=day,
                    ends_on=day,
                    ceiling_fen=0,
                    reason="",
                ),
                reference="",
            )
            for vendor_code, sku in resources
        ],
    )
    terms = {offer.resource_id: offer.plan for offer in facts.offers.get(day, {}).values()}
    found = forecasts(unit, school_id, terms=terms)
    return {
        key: found[resource.id] for key, resource in facts.resources.items() if resource.id in found
    }


def item_preview(request: Request, purse: Purse) -> ItemPreview:
    """Return what one request would commit; what it takes, the next one lacks."""
    purpose = purpose_of(request.school, request.version, users=request.users)
    plans = purse.plan_together(request.school.id, request.parts, purpose=purpose)
    # What a part that waits would need is kept for it, as it will be once it is approved.
    purse.take([draw for plan in plans for draw in plan.draws])
    return ItemPreview(
        draws=[
            PlannedDraw(line=line, amount_fen=draw.ceiling_fen)
            for plan in plans
            if not plan.waits
            for draw in plan.draws
            for line in plan.lines
            if line.id == draw.line_id
        ],
        short_fen=sum(plan.short_fen for plan in plans if not plan.waits),
        waiting_fen=sum(plan.part.ceiling_fen for plan in plans if plan.waits),
        later_year=next((plan.part.fiscal_year for plan in plans if plan.part.is_later), None),
    )


def _signers(requests: dict[int, Request], facts: Facts, *, amount_fen: int) -> list[Role]:
    """Return the roles that sign for the whole, in their order."""
    found: dict[int, Role] = {}
    for request in requests.values():
        for step in needed_steps(
            facts, request.school, request.version, amount_fen=amount_fen, parts=request.parts
        ):
            found[step.position] = step.role
    return list(dict.fromkeys(found[position] for position in sorted(found)))
