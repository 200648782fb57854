"""Budgets on a page: what was approved, what of it stands on lines, a form for one approval."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from litestar import Response

from kernel.actors import OrganisationKind
from kernel.clock import shanghai_day
from kernel.errors import MarketError
from kernel.http.pages import Form, Page
from kernel.http.typed import Typed
from kernel.i18n import label, msgid, translate
from kernel.identity.names import names_of_actors
from kernel.outcomes import Fate
from kernel.web.tables import Column, excerpt, tabulate
from settlement.budgets import (
    BUDGET_RECORDERS,
    SOURCES,
    BudgetRow,
    BudgetView,
    EntryView,
    budgets,
    record_budgets,
)
from settlement.web.columns import money
from settlement.web.places import Crumb

BUDGETS: Final = "/bureau/budgets"
DESK: Final = "/bureau/allocations"
FIELD_OF: Final = {"amount_yuan": "amount", "fund_yuan": "fund"}
"""Fields of the forms by the services' names."""
SUMS: Final = ("approved_fen", "allocated_fen", "unallocated_fen", "treasury_fen")


class BudgetForm(Form, frozen=True):
    """One approval, typed in yuan; a minus in front takes back."""

    fiscal_year: str = ""
    source: str = ""
    amount: str = ""
    document: str = ""
    approved_on: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ApprovalRow:
    """One approval with the budget it belongs to."""

    budget: BudgetView
    entry: EntryView


def desk_root(page: Page) -> tuple[Crumb, ...]:
    """Return the way from home to the allocation desk."""
    return (
        (translate(msgid("Home"), page.locale), "/bureau"),
        (translate(msgid("Allocation"), page.locale), DESK),
    )


def show_budgets(
    page: Page, *, form: BudgetForm | None = None, errors: Mapping[str, str] | None = None
) -> Response[Any]:
    """List the budgets of the bureaus below the actor's, with their approvals."""
    columns = budget_columns()
    rows = budgets(page.unit)
    table = tabulate(
        translate(msgid("Budgets"), page.locale),
        columns,
        rows,
        view=page.view(columns),
        summed=SUMS,
        empty=msgid("No budget was recorded yet."),
    )
    approvals = [ApprovalRow(budget=row, entry=entry) for row in rows for entry in row.entries]
    recorders = {row.entry.recorded_by for row in approvals}
    names = names_of_actors(page.unit, recorders, locale=page.locale)
    today = shanghai_day(page.unit.clock.now())
    is_bureau = page.actor.organisation_kind is OrganisationKind.BUREAU
    return page.render_table(
        "procurement/budgets.html",
        table,
        status=422 if errors else 200,
        file_name="budgets",
        address=BUDGETS,
        root=desk_root(page),
        form=form or BudgetForm(fiscal_year=str(today.year), approved_on=today.isoformat()),
        errors=errors or {},
        may_record=is_bureau and page.actor.may(*BUDGET_RECORDERS),
        sources=[(one, label(one, page.locale, kind="source")) for one in SOURCES],
        approvals=excerpt(
            translate(msgid("Approvals"), page.locale),
            _approval_columns(names),
            approvals,
            path=BUDGETS,
            summed=("amount_fen",),
        ),
    )


def post_budget(page: Page, form: BudgetForm) -> Response[Any]:
    """Record one approval for the actor's own bureau."""
    typed = Typed(page.locale)
    row = BudgetRow(
        region_code=page.actor.organisation_code,
        fiscal_year=typed.year("fiscal_year", form.fiscal_year),
        source=form.source,
        amount_fen=typed.yuan("amount", form.amount, may_be_below=True),
        document=typed.text("document", form.document),
        approved_on=typed.day("approved_on", form.approved_on),
    )
    if typed.errors:
        return show_budgets(page, form=form, errors=typed.errors)
    try:
        (outcome,) = record_budgets(page.unit, [row])
    except MarketError as error:
        typed.refuse(error, FIELD_OF)
        return show_budgets(page, form=form, errors=typed.errors)
    if outcome.fate is Fate.DUPLICATE:
        text = translate(msgid("This approval is recorded already."), page.locale)
        return show_budgets(page, form=form, errors={"document": text})
    if outcome.error is not None:
        typed.tell(FIELD_OF.get(outcome.field, outcome.field), outcome.error)
        return show_budgets(page, form=form, errors=typed.errors)
    return page.redirect(BUDGETS)


def budget_columns() -> list[Column[BudgetView]]:
    """Return the columns of budgets: approved = issued on lines + not issued + treasury."""
    return [
        Column(
            key="source",
            title=msgid("Source of the money"),
            value=lambda row: row.source,
            kind="label",
            label_kind="source",
        ),
        Column(
            key="fiscal_year",
            title=msgid("Fiscal year"),
            value=lambda row: str(row.fiscal_year),
            kind="code",
            sortable=True,
        ),
        Column(
            key="bureau_name",
            title=msgid("Bureau"),
            value=lambda row: row.bureau_name,
            sortable=True,
            secondary=True,
        ),
        money("approved_fen", msgid("Approved"), href=lambda _row: f"{BUDGETS}#approvals"),
        money(
            "allocated_fen",
            msgid("Issued on lines"),
            href=lambda row: f"{DESK}?year={row.fiscal_year}",
        ),
        money("unallocated_fen", msgid("May still be issued")),
        money("treasury_fen", msgid("Back to the treasury")),
    ]


def _approval_columns(names: Mapping[str, str]) -> list[Column[ApprovalRow]]:
    return [
        Column(key="document", title=msgid("Document"), value=lambda row: row.entry.document),
        Column(
            key="source",
            title=msgid("Source of the money"),
            value=lambda row: row.budget.source,
            kind="label",
            label_kind="source",
        ),
        Column(
            key="fiscal_year",
            title=msgid("Fiscal year"),
            value=lambda row: str(row.budget.fiscal_year),
            kind="code",
        ),
        Column(
            key="amount_fen",
            title=msgid("Amount"),
            value=lambda row: row.entry.amount_fen,
            kind="money",
        ),
        Column(
            key="approved_on",
            title=msgid("Approved on"),
            value=lambda row: row.entry.approved_on,
            kind="day",
            secondary=True,
        ),
        Column(
            key="recorded_by",
            title=msgid("Recorded by"),
            value=lambda row: names[row.entry.recorded_by],
            secondary=True,
        ),
    ]
