"""An amount by its document on a page: the form, and the proposal that it becomes."""

from collections.abc import Mapping
from typing import Any

from litestar import Response

from kernel.clock import shanghai_day
from kernel.errors import InvalidInput, MarketError
from kernel.http.pages import Form, Page
from kernel.i18n import label, msgid, translate, translate_error
from kernel.money import parse_fen
from kernel.outcomes import Fate
from procurement.funding.listed import ListedRow, propose_listed
from procurement.web.budgets import DESK, desk_root, yuan_or_minus
from settlement.budgets import SOURCES


class ListedForm(Form, frozen=True):
    """One amount of a document, typed in yuan; words with `;` between them."""

    payer_code: str = ""
    fiscal_year: str = ""
    source: str = ""
    document: str = ""
    amount: str = ""
    fund: str = ""
    subjects: str = ""
    tiers: str = ""
    stages: str = ""


def show_listed_form(
    page: Page, *, form: ListedForm | None = None, errors: Mapping[str, str] | None = None
) -> Response[Any]:
    """Ask for one amount of a document."""
    return page.render(
        "procurement/listed.html",
        root=desk_root(page),
        address=DESK,
        form=form or ListedForm(fiscal_year=str(shanghai_day(page.unit.clock.now()).year)),
        errors=errors or {},
        sources=[(one, label(one, page.locale, kind="source")) for one in SOURCES],
    )


def post_listed(page: Page, form: ListedForm) -> Response[Any]:
    """Propose one listed amount, or say beside which field it is not right."""
    try:
        row = _listed_row(form)
        (outcome,) = propose_listed(page.unit, [row])
    except MarketError as error:
        return show_listed_form(page, form=form, errors=_errors(error, page.locale))
    if outcome.fate is not Fate.ACCEPTED:
        known = outcome.error
        if known is None:
            text = translate(
                msgid("This document gave the same amount to this line before."), page.locale
            )
            return show_listed_form(page, form=form, errors={"document": text})
        name = {"amount_yuan": "amount", "fund_yuan": "fund"}.get(outcome.field, outcome.field)
        return show_listed_form(page, form=form, errors={name: translate_error(known, page.locale)})
    return page.redirect(f"{DESK}?year={row.fiscal_year}")


def _listed_row(form: ListedForm) -> ListedRow:
    if not (form.fiscal_year.isascii() and form.fiscal_year.isdigit()):
        raise InvalidInput(
            field="fiscal_year", value=form.fiscal_year, expected="a year such as 2026"
        )
    return ListedRow(
        payer_code=form.payer_code.strip(),
        fiscal_year=int(form.fiscal_year[:6]),
        source=form.source,
        document=form.document,
        amount_fen=yuan_or_minus(form.amount, field="amount") if form.amount.strip() else None,
        fund_fen=parse_fen(form.fund) if form.fund.strip() else None,
        subjects=_words(form.subjects),
        tiers=_words(form.tiers),
        stages=_words(form.stages),
    )


def _words(text: str) -> tuple[str, ...]:
    parts = text.replace("；", ";").replace("、", ";").split(";")
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


def _errors(error: MarketError, locale: str) -> dict[str, str]:
    return {str(error.facts.get("field", "")): translate_error(error, locale)}
