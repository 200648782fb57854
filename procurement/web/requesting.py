"""Requesting on pages: look for resources, put them into one request, see what it means, ask."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

from litestar import Response

from catalog.plan_words import plan_words
from catalog.suitability import assessed
from kernel.clock import shanghai_day
from kernel.errors import MarketError, NotFound
from kernel.http.pages import Page
from kernel.http.typed import Typed
from kernel.identity.models import Organisation
from kernel.ids import OrganisationId
from kernel.money import plain_yuan
from procurement.choices import Choice, choices_by_key, standings
from procurement.drafts import Draft, DraftItem, drop_draft, keep_draft, own_draft
from procurement.forecasts import LEAST_SCHOOLS, Forecast
from procurement.queries import selection
from procurement.request_previews import ItemPreview, forecasts_of, preview_basket
from procurement.requests import REQUESTING_ROLES, request_basket
from procurement.states import FROM_DRAFTS, SelectionKind, SelectionState
from procurement.web.choosing import choices_table
from procurement.web.funding import line_name
from procurement.web.request_forms import (
    SHARED,
    ChoiceForm,
    RequestForm,
    begin_draft,
    crosses_new_year,
    meaning_of,
    read_draft,
)
from settlement.queries.closed import closed_among, openings_of
from settlement.web.rankings import cell_words

RESOURCES: Final = "/school/resources"
REQUEST: Final = "/school/resources/request"
SELECTIONS: Final = "/school/selections"
REMOVE: Final = "remove:"
ASKED: Final = f"{REQUEST}?asked=yes"
"""The request after it was asked for: what is wrong is said, what is empty, too; or what it means,
where that was not seen before."""
FIELDS: Final = {
    "ceiling_yuan": "ceiling",
    "next_year_ceiling_yuan": "later",
    "trial": "how",
}
"""Fields of an item, by the services' names; what concerns no field stands at the item's head."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemView:
    """One resource of the request as the page shows it."""

    item: DraftItem
    title: str
    vendor_name: str
    price: str
    preview: ItemPreview
    draws: list[tuple[str, int]]
    forecast: Forecast | None


def show_choices(page: Page) -> Response[Any]:
    """List what is listed, a page at a time, to be ticked."""
    table = choices_table(page)
    may_request = page.actor.may(*REQUESTING_ROLES)
    return page.render(
        "procurement/choices.html",
        table=table,
        prices={row.key: plan_words(row.plan, page.locale) for row in table.rows},
        address=choice_address,
        own=page.actor.organisation_code,
        standings=_standings(page),
        closed=closed_among(page.unit, [row.version_id for row in table.rows]),
        left_out=_left_out(page, table.rows),
        chosen={item.resource for item in own_draft(page.unit).items} if may_request else set(),
    )


def show_choice(page: Page, vendor_code: str, sku: str) -> Response[Any]:
    """Show one listed resource: what it is, what it costs, and where the school stands with it."""
    key = f"{vendor_code}/{sku}"
    found = choices_by_key(page.unit, [key])
    if not found:
        raise NotFound(what="resource", key=key)
    (row,) = found
    suits = assessed(page.unit, [row.version_id]).get(row.version_id)
    openings = openings_of(page.unit, row.version_id)
    may_request = page.actor.may(*REQUESTING_ROLES) and not openings.is_refused
    return page.render(
        "procurement/choice.html",
        closed=[
            (one.state, cell_words(one.cell, page.locale), one.words) for one in openings.closed
        ],
        row=row,
        price=plan_words(row.plan, page.locale),
        is_own=row.author_school == page.actor.organisation_code,
        suits=suits,
        is_left_out=suits is not None and suits.leaves_out(_own_stages(page)),
        standing=_standings(page).get(row.resource_id, ""),
        is_chosen=may_request and key in {one.resource for one in own_draft(page.unit).items},
        may_request=may_request,
    )


def _own_stages(page: Page) -> list[str]:
    school = page.unit.session.get(Organisation, page.actor.organisation_id)
    return list(school.facts.get("stages", ())) if school else []


def _left_out(page: Page, rows: Sequence[Choice]) -> set[UUID]:
    """Return the resources that were found to suit other stages than the school's."""
    suits = assessed(page.unit, [row.version_id for row in rows])
    stages = _own_stages(page) if suits else []
    return {
        row.resource_id
        for row in rows
        if row.version_id in suits and suits[row.version_id].leaves_out(stages)
    }


def choice_address(row: Choice) -> str:
    return f"{RESOURCES}/{quote(row.vendor_code, safe='')}/{quote(row.sku)}"


def _standings(page: Page) -> dict[UUID, str]:
    school_id = page.actor.organisation_id
    assert school_id is not None  # the routes are a school's
    return standings(page.unit, school_id)


def choose(page: Page, *, form: ChoiceForm) -> Response[Any]:
    """Put ticked resources into the actor's draft."""
    draft = own_draft(page.unit)
    if not draft.items:
        draft = begin_draft(page.unit)
    keep_draft(page.unit, draft.with_resources(form.chosen()))
    return page.redirect(REQUEST)


def request_anew(page: Page, selection_id: UUID) -> Response[Any]:
    """Put what was returned into the actor's draft as it was asked for, to be mended and sent."""
    view = selection(page.unit, selection_id)
    if view.state is not SelectionState.RETURNED or view.kind not in FROM_DRAFTS:
        return page.redirect(f"{SELECTIONS}/{selection_id}")
    trial = view.kind is SelectionKind.TRIAL
    item = DraftItem(
        resource=f"{view.vendor_code}/{view.sku}",
        ceiling="" if trial else plain_yuan(view.ceiling_fen - view.later_fen),
        later=plain_yuan(view.later_fen) if view.starts_on.year != view.ends_on.year else "",
        trial=trial,
    )
    draft = own_draft(page.unit)
    if not draft.items:
        draft = Draft(
            starts_on=view.starts_on.isoformat(),
            ends_on=view.ends_on.isoformat(),
            reason=view.reason,
        )
    keep_draft(page.unit, draft.with_item(item))
    return page.redirect(REQUEST)


def show_request(page: Page) -> Response[Any]:
    """Show the actor's draft with what it would mean.

    Once it was asked for, all that is wrong is said; before that only what can't be as it is typed.
    """
    draft = own_draft(page.unit)
    if not draft.items:
        return page.redirect(RESOURCES)
    asked = page.request.query_params.get("asked") == "yes"
    typed = Typed(page.locale)
    preview = preview_basket(page.unit, read_draft(page.unit, draft, typed))
    _add_refusals(preview.items, typed)
    errors = {
        field: words for field, words in typed.errors.items() if asked or field not in typed.empty
    }
    items = _items(page, draft, preview.items)
    return page.render(
        "procurement/request.html",
        draft=draft,
        later_year=crosses_new_year(draft),
        items=items,
        preview=preview,
        errors=errors,
        seen=meaning_of(draft, preview),
        asks_again=asked and not errors and preview.is_right,
        trial_days=page.unit.settings.trial_days,
        least_schools=LEAST_SCHOOLS,
    )


def _add_refusals(items: Sequence[ItemPreview], typed: Typed) -> None:
    """Say what the services hold against the items, beside the field that it is about."""
    for place, item in enumerate(items, start=1):
        if item.error is not None:
            shared = item.field in SHARED
            field = item.field if shared else f"{FIELDS.get(item.field, 'item')}-{place}"
            typed.tell(field, item.error)


def post_request(page: Page, *, form: RequestForm) -> Response[Any]:
    """Keep what was typed; then look again, take a resource out, give it up, or request it.

    What was never shown with its money, or means something else by now, is shown first, not sent.
    What is wrong is shown by the address of the draft: going back never sends the form again.
    """
    draft = form.draft()
    if form.act.startswith(REMOVE):
        draft = draft.without(form.act.removeprefix(REMOVE))
    if form.act == "drop" or not draft.items:
        drop_draft(page.unit)
        return page.redirect(RESOURCES)
    keep_draft(page.unit, draft)
    if form.act != "request":
        return page.redirect(REQUEST)
    typed = Typed(page.locale)
    wanted = [one for one in read_draft(page.unit, draft, typed) if one is not None]
    if typed.errors or form.seen != meaning_of(draft, preview_basket(page.unit, wanted)):
        return page.redirect(ASKED)
    try:
        ids = request_basket(page.unit, wanted)
    except MarketError as error:
        if "item" not in error.facts:
            raise
        return page.redirect(ASKED)
    drop_draft(page.unit)
    return page.redirect(f"{SELECTIONS}/{ids[0]}")


def keep_typed(page: Page, *, form: RequestForm) -> None:
    """Keep what is typed while the page is open, for its script."""
    keep_draft(page.unit, form.draft())


def _items(page: Page, draft: Draft, previews: Sequence[ItemPreview]) -> list[ItemView]:
    """Return the items as the page shows them."""
    keys = [(one[0], one[2]) for one in (item.resource.partition("/") for item in draft.items)]
    school_id = page.actor.organisation_id
    assert school_id is not None  # the draft is a person's of a school
    day = shanghai_day(page.unit.clock.now())
    expected = forecasts_of(page.unit, OrganisationId(school_id), keys, day=day)
    resources = [item.resource for item in draft.items]
    known = {row.key: row for row in choices_by_key(page.unit, resources)}
    views = []
    for item, key, preview in zip(draft.items, keys, previews, strict=True):
        row = known.get(item.resource)
        views.append(
            ItemView(
                item=item,
                title=row.title if row else item.resource,
                vendor_name=row.vendor_name if row else "",
                price=plan_words(row.plan, page.locale) if row else "",
                preview=preview,
                draws=[(line_name(one.line, page.locale), one.amount_fen) for one in preview.draws],
                forecast=expected.get(key),
            )
        )
    return views
