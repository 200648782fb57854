"""One payout on a page: its lines, the tax withheld with its arithmetic, and where it arrived."""

from decimal import Decimal
from typing import Any

from litestar import Response

from kernel.http.pages import Page
from kernel.i18n import msgid, translate
from kernel.money import yuan
from kernel.web.rendering import percent
from kernel.web.tables import Column, tabulate
from settlement.payout_models import Withholding
from settlement.queries.payouts import (
    PayoutLine,
    lines_of_payout,
    payout,
    taxed_before_of,
    withholding_of,
)
from settlement.web.columns import Href, money
from settlement.web.payment_failures import next_step
from settlement.web.places import Crumb


def show_payout(
    page: Page, key: str, *, root: tuple[Crumb, ...], period: Href | None = None
) -> Response[Any]:
    """Show one payout; `period` leads from a line to the month's statement lines."""
    row = payout(page.unit, key)
    columns = _line_columns(period)
    table = tabulate(
        translate(msgid("What it is made of"), page.locale),
        columns,
        lines_of_payout(page.unit, row.id),
        view=page.view(columns, sort="of_month"),
        summed=("amount_fen",),
        empty=msgid("It was made before its parts were kept."),
    )
    found = withholding_of(page.unit, row)
    return page.render_table(
        "settlement/payout.html",
        table,
        file_name=row.key.replace(":", "-"),
        root=root,
        row=row,
        withholding=found,
        taxed_before_fen=taxed_before_of(page.unit, row),
        steps=_steps(found, page.locale) if found else [],
        next_step=translate(next_step(row.kind, row.failure), page.locale),
    )


def _steps(found: Withholding, locale: str) -> list[dict[str, Any]]:
    """Return the arithmetic of a tax as the component `calculation` shows it."""
    facts = found.steps

    def step(sign: str, term: str, fen: int | str, **more: Any) -> dict[str, Any]:
        figure = f"{yuan(int(Decimal(fen)))}"
        return {"sign": sign, "term": translate(term, locale), "figure": figure, **more}

    rate = {
        "sign": "×",
        "term": translate(msgid("Tax rate"), locale),
        "figure": percent(facts["rate"]),
    }
    return [
        step("", msgid("Paid earlier in the month"), found.earlier_fen),
        step("+", msgid("Paid by this run"), found.income_fen),
        step("−", msgid("Deduction"), facts["deduction_fen"]),
        step("=", msgid("Taxable income"), facts["taxable_fen"], result=True),
        rate,
        step("−", msgid("Quick deduction"), facts["quick_fen"]),
        step("=", msgid("Tax on the month"), facts["tax_fen"], result=True),
        step("−", msgid("Withheld earlier in the month"), found.earlier_tax_fen),
        step("=", msgid("Withheld by this run"), found.tax_fen, result=True),
    ]


def _line_columns(period: Href | None) -> list[Column[PayoutLine]]:
    return [
        Column(
            key="agreement",
            title=msgid("Agreement"),
            value=lambda row: row.agreement,
            kind="code",
            secondary=True,
        ),
        Column(key="title", title=msgid("Resource"), value=lambda row: row.title, sortable=True),
        Column(
            key="of_month",
            title=msgid("Month of use"),
            value=lambda row: row.of_month,
            kind="month",
            href=period,
            sortable=True,
        ),
        Column(
            key="fiscal_year",
            title=msgid("Fiscal year"),
            value=lambda row: str(row.fiscal_year),
            secondary=True,
        ),
        Column(
            key="source",
            title=msgid("Source"),
            value=lambda row: row.source,
            kind="label",
            label_kind="source",
        ),
        money("amount_fen", msgid("Amount")),
    ]
