"""Bulk purchases on a bureau's pages: the list, a new one with preview, one with its schools."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from litestar import Response

from catalog.plan_words import plan_words
from catalog.plans import is_free
from kernel.errors import MarketError, NotFound
from kernel.http.pages import Page
from kernel.http.typed import Typed
from kernel.i18n import label, msgid, translate
from kernel.web.tables import Column, tabulate
from procurement.bulk import BulkPreview, preview_bulk, request_bulk
from procurement.bulk_lists import (
    PurchaseRow,
    bulk_agreement,
    bulk_purchases,
    school_changes,
    schools_using,
)
from procurement.bulk_school_proposals import MAY_PROPOSE
from procurement.choices import choices_by_key
from procurement.record_proposals import RecordKind
from procurement.requests import BUYING_ROLES
from procurement.web.bulk_forms import (
    ALIKE,
    BY_PUPILS,
    LISTED,
    BulkForm,
    read_bulk,
)
from procurement.web.bulk_schools import BULK, happened, school_columns
from procurement.web.choosing import choices_table
from procurement.web.funding import line_name
from procurement.web.request_forms import begin_draft
from procurement.web.waiting_records import waiting_records
from settlement.agreement_states import RUNNING
from settlement.queries.funding import agreements_of
from settlement.web.columns import money
from settlement.web.places import Place

APPROVALS: Final = "/bureau/approvals"
TITLE: Final = msgid("Bulk purchases")
STAGES: Final = ("kindergarten", "primary", "junior", "senior")
SETTINGS: Final = ("urban", "county_town", "rural")
NONE_YET: Final = msgid("Nothing was bought for schools yet.")
FIELDS: Final = {
    "ceiling_yuan": "ceiling",
    "next_year_ceiling_yuan": "later",
    "school_ceiling_yuan": "schools",
    "school_code": "schools",
    "sku": "resource",
}
"""Fields of the form, by the services' names."""
SUMS: Final = ("billed", "above", "estimated")


def show_purchases(page: Page) -> Response[Any]:
    """List what is bought for schools, requested or agreed."""
    columns = _purchase_columns()
    table = tabulate(
        translate(TITLE, page.locale),
        columns,
        bulk_purchases(page.unit),
        view=page.view(columns),
        summed=("ceiling_fen",),
        empty=NONE_YET,
    )
    return page.render_table(
        "procurement/bulk_list.html",
        table,
        file_name="bulk-purchases",
        may_buy=page.actor.may(*BUYING_ROLES),
    )


def show_bulk_form(
    page: Page,
    *,
    form: BulkForm | None = None,
    preview: BulkPreview | None = None,
    errors: Mapping[str, str] | None = None,
) -> Response[Any]:
    """Ask what is to be bought for whom, and show what it would mean; first the resource."""
    if form is None:
        term = begin_draft(page.unit)
        chosen = page.request.query_params.get("resource", "")
        form = BulkForm(resource=chosen, starts_on=term.starts_on, ends_on=term.ends_on)
    found = choices_by_key(page.unit, [form.resource]) if form.resource else []
    if not found and errors is None:
        return _show_choices(page)
    draws = preview.item.draws if preview else ()
    return page.render(
        "procurement/bulk_form.html",
        status=422 if errors else 200,
        form=form,
        preview=preview,
        resource=found[0] if found else None,
        price=plan_words(found[0].plan, page.locale) if found else "",
        draws=[(line_name(one.line, page.locale), one.amount_fen) for one in draws],
        errors=errors or {},
        stages=_words(page, STAGES, "Stage"),
        settings=_words(page, SETTINGS, "Setting"),
        ways=[
            (BY_PUPILS, translate(msgid("shared by pupils"), page.locale)),
            (ALIKE, translate(msgid("alike for each school"), page.locale)),
            (LISTED, translate(msgid("as listed below"), page.locale)),
        ],
    )


def _show_choices(page: Page) -> Response[Any]:
    """List what may be bought, a page at a time; each opens the form with it."""
    table = choices_table(page)
    return page.render(
        "procurement/bulk_choices.html",
        table=table,
        prices={row.key: plan_words(row.plan, page.locale) for row in table.rows},
        free={row.key for row in table.rows if is_free(row.plan)},
    )


def post_bulk(page: Page, *, form: BulkForm) -> Response[Any]:
    """Show what a bulk purchase would mean, or request it."""
    typed = Typed(page.locale)
    try:
        wanted = read_bulk(page.unit, form, typed)
        if wanted is None:
            return show_bulk_form(page, form=form, errors=typed.errors)
        if form.act != "request":
            preview = preview_bulk(page.unit, wanted)
            if preview.item.error is not None:
                raise preview.item.error
            return show_bulk_form(page, form=form, preview=preview)
        selection_id = request_bulk(page.unit, wanted)
    except NotFound as error:
        typed.tell("resource", error)
        return show_bulk_form(page, form=form, errors=typed.errors)
    except MarketError as error:
        typed.refuse(error, FIELDS)
        return show_bulk_form(page, form=form, errors=typed.errors)
    return page.redirect(f"{APPROVALS}/{selection_id}")


def show_purchase(page: Page, place: Place, number: str) -> Response[Any]:
    """Show one agreed bulk purchase with its schools: what each may use, used, and has left."""
    agreement = bulk_agreement(page.unit, number)
    columns = school_columns(agreement, page.locale)
    table = tabulate(
        translate(msgid("Schools and teaching points"), page.locale),
        columns,
        schools_using(page.unit, agreement),
        view=page.view(columns, sort="code"),
        summed=SUMS,
    )
    own = agreement.payer_id == page.actor.organisation_id
    rows = agreements_of(page.unit, place.payer_code) if own else []
    return page.render_table(
        "procurement/bulk.html",
        table,
        file_name=f"schools-{number}",
        export_totals=True,
        place=place,
        agreement=agreement,
        row=next((row for row in rows if row.number == number), None),
        plan=plan_words(agreement.terms, page.locale),
        history=[happened(row, page.locale) for row in school_changes(page.unit, agreement)],
        waiting=waiting_records(
            page, RecordKind.BULK_SCHOOLS, path=f"{BULK}/{number}", agreement=number
        ),
        may_change=own and agreement.state in RUNNING and page.actor.may(*MAY_PROPOSE),
    )


def _words(page: Page, values: Sequence[str], kind: str) -> list[tuple[str, str]]:
    """Return what may be chosen, or nothing in particular."""
    every = translate(msgid("All"), page.locale)
    return [("", every), *((value, label(value, page.locale, kind=kind)) for value in values)]


def _purchase_columns() -> list[Column[PurchaseRow]]:
    def href(row: PurchaseRow) -> str:
        if row.agreement_number:
            return f"{BULK}/{row.agreement_number}"
        return f"{APPROVALS}/{row.id}"

    return [
        Column(
            key="title",
            title=msgid("Resource"),
            value=lambda row: row.title,
            href=href,
            sortable=True,
        ),
        Column(
            key="reference",
            title=msgid("Reference"),
            value=lambda row: row.reference,
            kind="code",
            sortable=True,
        ),
        Column(
            key="buyer_name",
            title=msgid("Bureau"),
            value=lambda row: row.buyer_name,
            secondary=True,
        ),
        Column(
            key="starts_on",
            title=msgid("From"),
            value=lambda row: row.starts_on,
            kind="day",
            secondary=True,
        ),
        Column(key="ends_on", title=msgid("Until"), value=lambda row: row.ends_on, kind="day"),
        Column(
            key="schools",
            title=msgid("Schools"),
            value=lambda row: row.schools,
            kind="number",
            sortable=True,
        ),
        money("ceiling_fen", msgid("Ceiling")),
        Column(
            key="state",
            title=msgid("State"),
            value=lambda row: row.state,
            kind="state",
            label_kind="SelectionState",
            sortable=True,
        ),
    ]
