"""Tax withheld of teachers on a bureau's page: a month's filing, and what went to the tax office.

Whether an act may happen is the services' question; what stands against it is said on the page.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from litestar import Response

from kernel.clock import Month, month_of, parse_day, parse_month, shanghai_day
from kernel.errors import InvalidInput, MarketError, NotFound
from kernel.http.pages import Form, Page
from kernel.i18n import msgid, translate, translate_error
from kernel.money import parse_fen, yuan
from kernel.unit import Unit
from kernel.web.tables import Column, Filter, excerpt, tabulate
from settlement.payments.remittances import (
    owed_tax_fen,
    propose_remittance,
    propose_taking_back,
    record_remittance,
    remittances,
    return_remittance,
    withdraw_remittance,
)
from settlement.payout_models import TaxRemittance
from settlement.queries.withholding import FilingRow, filing_of, latest_month
from settlement.web.columns import money
from settlement.web.filing import filing_columns
from settlement.web.payment_columns import PAYMENTS
from settlement.web.payment_runs import TITLE, ReturnForm, is_finance
from settlement.web.places import Crumb

TAXES: Final = f"{PAYMENTS}/taxes"


class RemittanceForm(Form, frozen=True):
    """What was paid to the tax office, as it was typed."""

    month: str = ""
    amount_yuan: str = ""
    reference: str = ""
    paid_on: str = ""


class TakingBackForm(Form, frozen=True):
    """What of a remittance is taken back, as it was typed."""

    number: str = ""
    back_yuan: str = ""
    paper: str = ""
    back_on: str = ""
    because: str = ""


def show_taxes(
    page: Page,
    *,
    root: tuple[Crumb, ...],
    errors: Mapping[str, str] | None = None,
    form: RemittanceForm | None = None,
    taking_back: TakingBackForm | None = None,
) -> Response[Any]:
    """Show what was withheld of whom in a month, what is owed, and what was remitted."""
    asked = _month(str(page.request.query_params.get("month", "")))
    today = shanghai_day(page.unit.clock.now())
    month = asked or latest_month(page.unit) or month_of(today)
    rows = filing_of(page.unit, month)
    columns = _columns_on_page(rows)
    filters = (Filter(key="month", title=msgid("Period"), default=f"{month:%Y-%m}"),)
    table = tabulate(
        translate(msgid("Tax withheld of teachers"), page.locale),
        columns,
        rows,
        view=page.view(columns, filters=filters),
        filters=filters,
        summed=("income_fen", "withheld_fen", "taken_back_fen", "given_back_fen"),
        empty=msgid("No teacher was paid in this month."),
    )
    found = remittances(page.unit)
    waiting = [one for one in found if one.state == "proposed"]
    numbers = {one.id: one.number for one in found}
    standing = [
        one
        for one in found
        if one.state == "recorded"
        and one.bureau_id == page.actor.organisation_id
        and one.amount_fen > one.taken_back_fen
    ]
    return page.render_table(
        "settlement/taxes.html",
        table,
        file_name=f"withholding-{month:%Y-%m}",
        root=(*root, (translate(TITLE, page.locale), PAYMENTS)),
        address=TAXES,
        month=month,
        owed_fen=max(0, owed_tax_fen(page.unit, month)),
        waiting=[
            {
                "row": one,
                "corrects": numbers.get(one.corrects_id) if one.corrects_id else None,
                "may_record": is_finance(page)
                and one.bureau_id == page.actor.organisation_id
                and one.proposed_by != page.actor.person_id,
                "may_withdraw": one.proposed_by == page.actor.person_id,
            }
            for one in waiting
        ],
        may_propose=is_finance(page),
        form=form or RemittanceForm(month=f"{month:%Y-%m}"),
        taking_back=taking_back or TakingBackForm(),
        standing=[(one.number, _standing(one, page.locale)) for one in standing],
        errors=errors or {},
        remitted=excerpt(
            translate(msgid("Remitted to the tax office"), page.locale),
            _columns(numbers),
            found,
            path=str(page.request.url.path),
            empty=msgid("Nothing was remitted yet."),
        ),
    )


def post_remittance(page: Page, form: RemittanceForm, *, root: tuple[Crumb, ...]) -> Response[Any]:
    """Propose to record what was paid to the tax office."""
    errors: dict[str, str] = {}
    values: dict[str, Any] = {}
    readers: Mapping[str, Callable[[str], Any]] = {
        "month": parse_month,
        "amount_yuan": parse_fen,
        "paid_on": parse_day,
    }
    for field, read in readers.items():
        try:
            values[field] = read(getattr(form, field))
        except MarketError as error:
            errors[field] = translate_error(error, page.locale)
    if not errors:
        try:
            with page.unit.session.begin_nested():
                propose_remittance(
                    page.unit,
                    values["month"],
                    amount_fen=values["amount_yuan"],
                    reference=form.reference,
                    paid_on=values["paid_on"],
                )
        except InvalidInput as error:
            errors[str(error.facts.get("field", ""))] = translate_error(error, page.locale)
        except MarketError as error:
            errors[""] = translate_error(error, page.locale)
        else:
            return page.redirect(TAXES)
    return show_taxes(page, root=root, errors=errors, form=form)


def post_taking_back(page: Page, form: TakingBackForm, *, root: tuple[Crumb, ...]) -> Response[Any]:
    """Propose to take back what of a remittance was wrong, or repaid."""
    errors: dict[str, str] = {}
    values: dict[str, Any] = {}
    readers: Mapping[str, Callable[[str], Any]] = {"back_yuan": parse_fen, "back_on": parse_day}
    for field, read in readers.items():
        try:
            values[field] = read(getattr(form, field))
        except MarketError as error:
            errors[field] = translate_error(error, page.locale)
    if not form.because.strip():
        errors["because"] = translate(msgid("It is taken back only with its reason."), page.locale)
    if not errors:
        try:
            with page.unit.session.begin_nested():
                propose_taking_back(
                    page.unit,
                    form.number,
                    amount_fen=values["back_yuan"],
                    reference=form.paper,
                    paid_on=values["back_on"],
                    because=form.because,
                )
        except NotFound:
            raise
        except InvalidInput as error:
            field = {"reference": "paper", "paid_on": "back_on"}[str(error.facts.get("field"))]
            errors[field] = translate_error(error, page.locale)
        except MarketError as error:
            errors[""] = translate_error(error, page.locale)
        else:
            return page.redirect(TAXES)
    return show_taxes(page, root=root, errors=errors, taking_back=form)


def post_record(page: Page, number: str, *, root: tuple[Crumb, ...]) -> Response[Any]:
    """Record a remittance as its second person."""
    return _act(page, lambda unit: record_remittance(unit, number), root=root)


def post_tax_return(
    page: Page, number: str, form: ReturnForm, *, root: tuple[Crumb, ...]
) -> Response[Any]:
    """Give a remittance back with the reason."""
    if not any(one.number == number for one in remittances(page.unit)):
        raise NotFound(what="tax remittance", key=number)
    if not form.note.strip():
        text = translate(msgid("A proposal is returned only with its reason."), page.locale)
        return show_taxes(page, root=root, errors={"note": text})
    return _act(page, lambda unit: return_remittance(unit, number, note=form.note), root=root)


def post_tax_withdrawal(page: Page, number: str, *, root: tuple[Crumb, ...]) -> Response[Any]:
    """Take one's own remittance back."""
    return _act(page, lambda unit: withdraw_remittance(unit, number), root=root)


def _act(page: Page, act: Callable[[Unit], None], *, root: tuple[Crumb, ...]) -> Response[Any]:
    try:
        act(page.unit)
    except NotFound:
        raise
    except MarketError as error:
        return show_taxes(page, root=root, errors={"": translate_error(error, page.locale)})
    return page.redirect(TAXES)


def _standing(row: TaxRemittance, locale: str) -> str:
    """Return how a remittance reads of which something may be taken back."""
    text = translate(msgid("{number}, receipt {reference}: {left} yuan stand"), locale)
    left = yuan(row.amount_fen - row.taken_back_fen)
    return text.format(number=row.number, reference=row.reference, left=left)


def _month(text: str) -> Month | None:
    try:
        return parse_month(text)
    except MarketError:
        return None


def _columns_on_page(rows: Sequence[FilingRow]) -> list[Column[FilingRow]]:
    """Return the filing's columns, of which the lesser ones stand in the export alone."""
    lesser = {"month", "school_code", "deduction_fen", "quick_fen", "version"}
    if not any(row.taken_back_fen or row.given_back_fen for row in rows):
        lesser |= {"taken_back_fen", "given_back_fen"}
    return [replace(one, export_only=one.key in lesser) for one in filing_columns()]


def _columns(numbers: Mapping[UUID, str]) -> list[Column[TaxRemittance]]:
    def corrected(row: TaxRemittance) -> str | None:
        return numbers.get(row.corrects_id) if row.corrects_id else None

    return [
        Column(key="number", title=msgid("Number"), value=lambda row: row.number, kind="code"),
        Column(key="month", title=msgid("Period"), value=lambda row: row.month, kind="month"),
        money("amount_fen", msgid("Amount")),
        Column(
            key="reference",
            title=msgid("Receipt of the tax office"),
            value=lambda row: row.reference,
            kind="code",
        ),
        Column(key="paid_on", title=msgid("Paid on"), value=lambda row: row.paid_on, kind="day"),
        Column(
            key="state",
            title=msgid("State"),
            value=lambda row: row.state,
            kind="state",
            label_kind="RemittanceState",
        ),
        Column(
            key="corrects",
            title=msgid("Takes back of"),
            value=corrected,
            kind="code",
            secondary=True,
        ),
        Column(
            key="because",
            title=msgid("Reason"),
            value=lambda row: row.because or None,
            secondary=True,
        ),
        Column(
            key="proposed_by_name",
            title=msgid("Proposed by"),
            value=lambda row: row.proposed_by_name,
            secondary=True,
        ),
        Column(
            key="decided_by_name",
            title=msgid("Checked by"),
            value=lambda row: row.decided_by_name,
            secondary=True,
        ),
    ]
