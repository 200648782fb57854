"""Bulk purchases on a bureau's pages: the list, a new one with preview, one with its schools."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, Final

from litestar import Response

from catalog.plan_words import plan_words
from kernel.errors import MarketError, NotFound
from kernel.http.pages import Form, Page
from kernel.http.typed import Typed
from kernel.i18n import label, msgid, translate
from kernel.money import yuan
from kernel.web.tables import Column, tabulate
from procurement.bulk import BulkPreview, preview_bulk, request_bulk
from procurement.bulk_lists import (
    FrameworkRow,
    SchoolChangeRow,
    SchoolUse,
    framework_agreement,
    frameworks,
    school_changes,
    schools_using,
)
from procurement.choices import choices_by_key
from procurement.requests import BUYING_ROLES
from procurement.web.bulk_forms import (
    ALIKE,
    BY_PUPILS,
    LISTED,
    BulkForm,
    read_bulk,
    read_school_ceilings,
)
from procurement.web.funding import line_name
from procurement.web.request_forms import begin_draft
from settlement.agreement_schools import MAY_CHANGE, add_schools, change_school_ceiling
from settlement.agreement_states import RUNNING
from settlement.ceilings import CeilingUse
from settlement.queries.funding import agreements_of
from settlement.web.columns import money
from settlement.web.places import Place

BULK: Final = "/bureau/bulk"
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
ADDED: Final = msgid("{school} added, up to {amount} yuan: {reason}")
RAISED: Final = msgid("Ceiling of {school} raised by {amount} yuan: {reason}")
LOWERED: Final = msgid("Ceiling of {school} lowered by {amount} yuan: {reason}")
DECLINED: Final = msgid("{school} goes by its own agreements from {day} on: {reason}")
SUMS: Final = ("billed", "above", "estimated")


class SchoolsForm(Form, frozen=True):
    """Schools that join, as lines; or one school's other ceiling in yuan."""

    act: str = "add"
    schools: str = ""
    school: str = ""
    ceiling: str = ""
    reason: str = ""


def show_frameworks(page: Page) -> Response[Any]:
    """List what is bought for schools, requested or agreed."""
    columns = _framework_columns()
    table = tabulate(
        translate(TITLE, page.locale),
        columns,
        frameworks(page.unit),
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
    """Ask what is to be bought for whom, and show what it would mean."""
    if form is None:
        term = begin_draft(page.unit)
        form = BulkForm(starts_on=term.starts_on, ends_on=term.ends_on)
    found = choices_by_key(page.unit, [form.resource]) if form.resource else []
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


def post_bulk(page: Page, *, form: BulkForm) -> Response[Any]:
    """Show what a framework would mean, or request it."""
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


def show_framework(page: Page, place: Place, number: str) -> Response[Any]:
    """Show one agreed framework with its schools: what each may use, used, and has left."""
    agreement = framework_agreement(page.unit, number)
    columns = _school_columns()
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
        history=[_happened(row, page.locale) for row in school_changes(page.unit, agreement)],
        may_change=own and agreement.state in RUNNING and page.actor.may(*MAY_CHANGE),
    )


def ask_schools(
    page: Page,
    number: str,
    *,
    form: SchoolsForm | None = None,
    errors: Mapping[str, str] | None = None,
) -> Response[Any]:
    """Show the forms by which schools join, and by which one gets another ceiling."""
    agreement = framework_agreement(page.unit, number)
    schools = schools_using(page.unit, agreement)
    return page.render(
        "procurement/bulk_schools.html",
        status=422 if errors else 200,
        agreement=agreement,
        form=form or SchoolsForm(),
        errors=errors or {},
        schools=[
            ("", ""),
            *(
                (
                    one.standing.code,
                    f"{one.standing.name} · {yuan(one.standing.ceiling_fen or 0)}",
                )
                for one in schools
            ),
        ],
    )


def post_schools(page: Page, number: str, *, form: SchoolsForm) -> Response[Any]:
    """Let schools join, or give one another ceiling; or show the form again with what is wrong."""
    typed = Typed(page.locale)
    code = ceiling_fen = None
    ceilings: dict[str, int] = {}
    if form.act == "ceiling":
        code = typed.text("school", form.school)
        ceiling_fen = typed.yuan("ceiling", form.ceiling)
    else:
        ceilings = read_school_ceilings(typed, "schools", form.schools)
    reason = typed.text("reason", form.reason)
    if typed.errors:
        return ask_schools(page, number, form=form, errors=typed.errors)
    try:
        if code is not None and ceiling_fen is not None:
            change_school_ceiling(page.unit, number, code, ceiling_fen=ceiling_fen, reason=reason)
        else:
            add_schools(page.unit, number, ceilings=ceilings, reason=reason)
    except MarketError as error:
        typed.refuse(error, FIELDS)
        return ask_schools(page, number, form=form, errors=typed.errors)
    return page.redirect(f"{BULK}/{number}")


def _happened(row: SchoolChangeRow, locale: str) -> tuple[datetime, str, str]:
    change = row.change
    words = {"added": ADDED, "declined": DECLINED}.get(
        change.kind, RAISED if change.ceiling_fen > 0 else LOWERED
    )
    text = translate(words, locale).format(
        school=row.school_name,
        amount=yuan(abs(change.ceiling_fen)),
        day=change.from_day,
        reason=change.reason,
    )
    return change.at, text, change.by


def _words(page: Page, values: Sequence[str], kind: str) -> list[tuple[str, str]]:
    """Return what may be chosen, or nothing in particular."""
    every = translate(msgid("All"), page.locale)
    return [("", every), *((value, label(value, page.locale, kind=kind)) for value in values)]


def _framework_columns() -> list[Column[FrameworkRow]]:
    def href(row: FrameworkRow) -> str:
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


def _school_columns() -> list[Column[SchoolUse]]:
    amounts = {
        "ceiling": msgid("Ceiling"),
        "billed": msgid("Billed"),
        "estimated": msgid("Not stated yet, estimate"),
        "left": msgid("Left by the estimate"),
        "above": msgid("Above the ceiling"),
    }
    return [
        Column(
            key="name",
            title=msgid("School"),
            value=attrgetter("standing.name"),
            sortable=True,
        ),
        Column(
            key="code",
            title=msgid("Code"),
            value=attrgetter("standing.code"),
            kind="code",
            sortable=True,
            export_only=True,
        ),
        *(
            Column(
                key=key,
                title=title,
                value=attrgetter(f"standing.{key}_fen"),
                kind="money",
                sortable=True,
                secondary=key == "estimated",
            )
            for key, title in amounts.items()
        ),
        Column(
            key="quantity",
            title=msgid("Billable quantity"),
            value=attrgetter("standing.quantity"),
            kind="number",
            sortable=True,
        ),
        Column(
            key="pupils",
            title=msgid("Pupils"),
            value=lambda row: row.pupils,
            kind="number",
            sortable=True,
            secondary=True,
        ),
        Column(
            key="per_pupil",
            title=msgid("For each pupil"),
            value=lambda row: row.per_pupil,
            sortable=True,
            secondary=True,
        ),
        Column(
            key="use",
            title=msgid("By the estimate"),
            value=attrgetter("standing.use"),
            kind="state",
            label_kind=CeilingUse.__name__,
            sortable=True,
        ),
        Column(
            key="declined_from",
            title=msgid("Declined from"),
            value=attrgetter("standing.declined_from"),
            kind="day",
            sortable=True,
        ),
    ]
