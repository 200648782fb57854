"""An amount by its document on a page: the form, and the proposal that it becomes."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from litestar import Response

from catalog.kinds import Tier
from kernel.clock import shanghai_day
from kernel.errors import MarketError
from kernel.http.pages import Form, Page
from kernel.http.typed import Typed
from kernel.i18n import label, msgid, translate
from kernel.identity.stages import Stage
from kernel.outcomes import Fate
from procurement.funding.listed import ListedRow, possible_payers, propose_listed
from procurement.web.budgets import DESK, FIELD_OF, desk_root
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
        status=422 if errors else 200,
        root=desk_root(page),
        address=DESK,
        form=form or ListedForm(fiscal_year=str(shanghai_day(page.unit.clock.now()).year)),
        errors=errors or {},
        sources=[(one, label(one, page.locale, kind="source")) for one in SOURCES],
        payers=possible_payers(page.unit),
        tiers="; ".join(_labels(Tier, page.locale)),
        stages="; ".join(_labels(Stage, page.locale)),
    )


def post_listed(page: Page, form: ListedForm) -> Response[Any]:
    """Propose one listed amount, or say beside which fields it is not right."""
    typed = Typed(page.locale)
    row = _listed_row(form, typed, page.locale)
    if typed.errors:
        return show_listed_form(page, form=form, errors=typed.errors)
    try:
        (outcome,) = propose_listed(page.unit, [row])
    except MarketError as error:
        typed.refuse(error, FIELD_OF)
        return show_listed_form(page, form=form, errors=typed.errors)
    if outcome.fate is not Fate.ACCEPTED:
        if outcome.error is None:
            text = translate(
                msgid("This document gave the same amount to this line before."), page.locale
            )
            return show_listed_form(page, form=form, errors={"document": text})
        typed.tell(FIELD_OF.get(outcome.field, outcome.field), outcome.error)
        return show_listed_form(page, form=form, errors=typed.errors)
    return page.redirect(f"{DESK}/{outcome.became}")


def _listed_row(form: ListedForm, typed: Typed, locale: str) -> ListedRow:
    return ListedRow(
        payer_code=typed.text("payer_code", form.payer_code),
        fiscal_year=typed.year("fiscal_year", form.fiscal_year),
        source=form.source,
        document=typed.text("document", form.document),
        amount_fen=typed.yuan("amount", form.amount, may_be_below=True)
        if form.amount.strip()
        else None,
        fund_fen=typed.yuan("fund", form.fund) if form.fund.strip() else None,
        subjects=_words(form.subjects),
        tiers=_codes(form.tiers, _labels(Tier, locale)),
        stages=_codes(form.stages, _labels(Stage, locale)),
    )


def _labels(words: type[StrEnum], locale: str) -> dict[str, str]:
    """Return codes by what they are called."""
    return {label(one, locale): one.value for one in words}


def _codes(text: str, called: Mapping[str, str]) -> tuple[str, ...]:
    """Return words as codes, whether they were typed as such or as what they are called."""
    return tuple(called.get(word, word) for word in _words(text))


def _words(text: str) -> tuple[str, ...]:
    parts = text.replace("；", ";").replace("、", ";").split(";")
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))
