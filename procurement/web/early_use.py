"""Use before the funds arrive, on a bureau's page: its rules with their history, a proposal."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final

from litestar import Response

from kernel.clock import parse_day, shanghai_day
from kernel.errors import InvalidInput, MarketError, MissingValue, NotFound
from kernel.http.pages import Form, Page
from kernel.i18n import msgid, translate, translate_error
from kernel.money import parse_fen
from kernel.web.tables import Column, tabulate
from procurement.funding.early_use_rules import (
    MAY_PROPOSE,
    EarlyUseRuleRow,
    EarlyUseRuleView,
    early_use_rules,
    propose_early_use,
    put_in_force,
    return_early_use,
    withdraw_early_use,
)
from procurement.web.budgets import desk_root
from settlement.web.columns import money

EARLY_USE: Final = "/bureau/early-use"


class EarlyUseForm(Form, frozen=True):
    """A proposed rule; amounts are typed in yuan."""

    fiscal_year: str = ""
    valid_from: str = ""
    total_cap: str = ""
    payer_cap: str = ""
    origin: str = ""


class EarlyUseNote(Form, frozen=True):
    """Why a proposal is returned."""

    note: str = ""


def show_early_use(
    page: Page,
    *,
    form: EarlyUseForm | None = None,
    errors: Mapping[str, str] | None = None,
) -> Response[Any]:
    """Show the rules of the bureau's region and those above it, and what waits to be checked."""
    rules = early_use_rules(page.unit)
    columns = _columns()
    table = tabulate(
        translate(msgid("Rules on use before the funds"), page.locale),
        columns,
        rules,
        view=page.view(columns),
        empty=msgid("There is no rule: nothing may be used before its year's money is issued."),
    )
    today = shanghai_day(page.unit.clock.now())
    may_act = page.actor.may(*MAY_PROPOSE)
    return page.render_table(
        "procurement/early_use.html",
        table,
        file_name="early-use-rules",
        root=desk_root(page),
        address=EARLY_USE,
        waiting=[one for one in rules if one.state == "waiting" and one.is_own and may_act],
        holding=[one for one in rules if one.holds],
        own_name=page.actor.name,
        may_propose=may_act,
        form=form or EarlyUseForm(fiscal_year=str(today.year + 1), valid_from=today.isoformat()),
        errors=errors or {},
    )


def post_early_use(page: Page, form: EarlyUseForm) -> Response[Any]:
    """Propose a rule for the bureau's own region."""
    try:
        propose_early_use(page.unit, _row(form))
    except MarketError as error:
        name = str(error.facts.get("field", ""))
        return show_early_use(page, form=form, errors={name: translate_error(error, page.locale)})
    return page.redirect(EARLY_USE)


def post_check(page: Page, number: str) -> Response[Any]:
    """Put a proposed rule into force."""
    return _act(page, lambda: put_in_force(page.unit, number))


def post_return(page: Page, number: str, form: EarlyUseNote) -> Response[Any]:
    """Give a proposed rule back."""
    return _act(page, lambda: return_early_use(page.unit, number, note=form.note))


def post_withdraw(page: Page, number: str) -> Response[Any]:
    """Take a proposed rule back."""
    return _act(page, lambda: withdraw_early_use(page.unit, number))


def _act(page: Page, act: Callable[[], None]) -> Response[Any]:
    try:
        act()
    except NotFound:
        raise
    except MarketError as error:
        return show_early_use(page, errors={"": translate_error(error, page.locale)})
    return page.redirect(EARLY_USE)


def _row(form: EarlyUseForm) -> EarlyUseRuleRow:
    year = form.fiscal_year.strip()
    if not (year.isascii() and year.isdigit()):
        raise InvalidInput(field="fiscal_year", value=year, expected="a year such as 2027")
    return EarlyUseRuleRow(
        fiscal_year=int(year[:6]),
        valid_from=_day(form.valid_from),
        total_cap_fen=_fen(form.total_cap, field="total_cap"),
        payer_cap_fen=_fen(form.payer_cap, field="payer_cap"),
        origin=form.origin,
    )


def _day(text: str) -> date:
    try:
        return parse_day(text)
    except MarketError as error:
        error.facts["field"] = "valid_from"
        raise


def _fen(text: str, *, field: str) -> int:
    if not text.strip():
        raise MissingValue(field=field)
    try:
        return parse_fen(text.strip())
    except MarketError as error:
        error.facts["field"] = field
        raise


def _columns() -> list[Column[EarlyUseRuleView]]:
    return [
        Column(key="number", title=msgid("Number"), value=lambda row: row.number, kind="code"),
        Column(
            key="region_name",
            title=msgid("Region"),
            value=lambda row: row.region_name,
            secondary=True,
        ),
        Column(
            key="fiscal_year",
            title=msgid("Fiscal year"),
            value=lambda row: str(row.fiscal_year),
            kind="code",
            sortable=True,
        ),
        Column(
            key="valid_from",
            title=msgid("From"),
            value=lambda row: row.valid_from,
            kind="day",
            sortable=True,
        ),
        money("total_cap_fen", msgid("At most in all")),
        money("payer_cap_fen", msgid("At most per payer")),
        Column(
            key="state",
            title=msgid("State"),
            value=lambda row: row.state,
            kind="state",
            label_kind="early-use",
        ),
        Column(key="made_by", title=msgid("Proposed by"), value=lambda row: row.made_by),
        Column(
            key="decided_by",
            title=msgid("Checked by"),
            value=lambda row: row.decided_by,
            secondary=True,
        ),
        Column(key="origin", title=msgid("Document"), value=lambda row: row.origin, secondary=True),
        Column(key="note", title=msgid("Reason"), value=lambda row: row.note, export_only=True),
    ]
