"""A vendor's payouts on a page: what it was paid, what is at its bank, what is due and why not."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from litestar import Response

from kernel.actors import OrganisationKind
from kernel.errors import MarketError
from kernel.http.pages import Form, Page
from kernel.i18n import msgid, translate, translate_error
from kernel.outcomes import Fate
from kernel.web.tables import Column, excerpt, tabulate
from settlement.payments.bank_accounts import (
    BankAccountRow,
    accounts_of_payee,
    masked,
    record_bank_accounts,
)
from settlement.payments.bank_payouts import try_payout_again
from settlement.payments.payability import reach_of
from settlement.payments.standings import standing_of_payee
from settlement.queries.payments import FapiaoRow, fapiao_of
from settlement.queries.payouts import BankPayoutRow, PayoutRow, bank_payouts_of, payouts_of
from settlement.web.columns import money, number
from settlement.web.places import Place

PAYOUTS: Final = "/vendor/payouts"
TAKING: Final = frozenset({"ready", "claimed", "sent", "unknown", "failed"})
"""States of a reversal that is not over: until it is, nothing goes on to the payee's bank."""


class AgainForm(Form, frozen=True):
    """Which payout that failed goes again."""

    key: str = ""


class BankAccountForm(Form, frozen=True):
    """Where a treasury pays the vendor."""

    holder: str = ""
    bank: str = ""
    number: str = ""
    branch_code: str = ""


def show_payouts(
    page: Page,
    place: Place,
    *,
    errors: Mapping[str, str] | None = None,
    form: BankAccountForm | None = None,
) -> Response[Any]:
    """Show what was paid by whom and when, what is due, and the invoices."""
    vendor_id = page.actor.organisation_id
    assert vendor_id is not None, "the route admits people of vendors only"
    standing = standing_of_payee(page.unit, vendor_id)
    rows, to_bank = payouts_of(page.unit, vendor_id), bank_payouts_of(page.unit, vendor_id)
    accounts = accounts_of_payee(page.unit, vendor_id)
    account = accounts.counts
    columns = _payout_columns(
        withheld=any(row.withheld_fen for row in rows), failed=any(row.failure for row in rows)
    )
    table = tabulate(
        translate(msgid("Payouts"), page.locale),
        columns,
        rows,
        view=page.view(columns),
        summed=("gross_fen", "withheld_fen", "amount_fen", "paid_fen"),
        empty=msgid("Nothing was paid yet. What is due is paid once two people release it."),
    )
    return page.render_table(
        "vendor/payouts.html",
        table,
        file_name=f"payouts-{page.actor.organisation_code}",
        place=place,
        standing=standing,
        is_taken_back=any(row.kind == "reversal" and row.state in TAKING for row in rows),
        at_gateway_fen=reach_of(page.unit, [vendor_id]).of_payees.get(vendor_id, 0),
        account=account,
        masked=masked(account.number) if account else "",
        waits=accounts.waits,
        since=accounts.since,
        form=form or BankAccountForm(),
        errors=errors or {},
        failed=[one for one in to_bank if one.may_try_again],
        to_bank=excerpt(
            translate(msgid("To your bank"), page.locale),
            _bank_columns(failed=any(one.failure for one in to_bank)),
            to_bank,
            path=str(page.request.url.path),
        ),
        fapiao=excerpt(
            translate(msgid("Fapiao"), page.locale),
            _fapiao_columns(place),
            fapiao_of(page.unit, vendor_id),
            path=str(page.request.url.path),
            summed=("amount_fen",),
            empty=msgid("No fapiao number was recorded yet."),
        ),
    )


def post_again(page: Page, place: Place, form: AgainForm) -> Response[Any]:
    """Let the money of a failed payout go to the bank again."""
    try:
        try_payout_again(page.unit, form.key)
    except MarketError as error:
        return show_payouts(page, place, errors={"": translate_error(error, page.locale)})
    return page.redirect(PAYOUTS)


def post_account(page: Page, place: Place, form: BankAccountForm) -> Response[Any]:
    """Record the vendor's bank account, which later orders of treasuries name."""
    row = BankAccountRow(
        kind=OrganisationKind.VENDOR,
        code=page.actor.organisation_code,
        holder=form.holder,
        bank=form.bank,
        number=form.number,
        branch_code=form.branch_code.strip(),
    )
    (outcome,) = record_bank_accounts(page.unit, [row])
    if outcome.fate is Fate.REJECTED and outcome.error is not None:
        text = translate_error(outcome.error, page.locale)
        return show_payouts(page, place, errors={outcome.field or "": text}, form=form)
    return page.redirect(PAYOUTS)


def _payout_columns(*, withheld: bool, failed: bool) -> list[Column[PayoutRow]]:
    def href(row: PayoutRow) -> str:
        return f"{PAYOUTS}/{row.key}"

    return [
        Column(key="payer_name", title=msgid("Payer"), value=lambda row: row.payer_name),
        Column(key="month", title=msgid("Period"), value=lambda row: row.month, kind="month"),
        Column(
            key="kind",
            title=msgid("Kind of payment"),
            value=lambda row: row.kind,
            kind="label",
            label_kind="PaymentKind",
            secondary=True,
        ),
        replace(
            money("gross_fen", msgid("Earned"), href=href, secondary=True),
            export_only=not withheld,
        ),
        replace(money("withheld_fen", msgid("Tax withheld"), href=href), export_only=not withheld),
        money("amount_fen", msgid("Amount"), href=href),
        money("paid_fen", msgid("Came through")),
        Column(
            key="settled_at",
            title=msgid("Paid on"),
            value=lambda row: row.settled_at,
            kind="moment",
            secondary=True,
        ),
        Column(
            key="state",
            title=msgid("State"),
            value=lambda row: row.state,
            kind="state",
            label_kind="PaymentState",
        ),
        Column(
            key="failure",
            title=msgid("Reason"),
            value=lambda row: row.failure or None,
            kind="label",
            label_kind="payment-failure",
            secondary=True,
            export_only=not failed,
        ),
    ]


def _bank_columns(*, failed: bool) -> list[Column[BankPayoutRow]]:
    return [
        Column(key="key", title=msgid("Payout"), value=lambda row: row.key, kind="code"),
        Column(
            key="begun_at",
            title=msgid("Begun"),
            value=lambda row: row.begun_at,
            kind="moment",
            secondary=True,
        ),
        number("parts", msgid("Payments in it"), secondary=True),
        money("amount_fen", msgid("Amount")),
        Column(
            key="state",
            title=msgid("State"),
            value=lambda row: row.state,
            kind="state",
            label_kind="PayoutState",
        ),
        Column(
            key="arrives_on",
            title=msgid("Arrives on"),
            value=lambda row: row.arrives_on,
            kind="day",
        ),
        Column(
            key="failure",
            title=msgid("Reason"),
            value=lambda row: row.failure or None,
            kind="label",
            label_kind="payment-failure",
            export_only=not failed,
        ),
    ]


def _fapiao_columns(place: Place) -> list[Column[FapiaoRow]]:
    def href(row: FapiaoRow) -> str:
        return place.statement(row.month)

    return [
        Column(key="number", title=msgid("Number"), value=lambda row: row.number, kind="code"),
        Column(
            key="kind",
            title=msgid("Kind of fapiao"),
            value=lambda row: row.kind,
            kind="label",
            label_kind="fapiao",
        ),
        Column(key="payer_name", title=msgid("Payer"), value=lambda row: row.payer_name),
        Column(
            key="statement",
            title=msgid("Statement"),
            value=lambda row: row.statement,
            kind="code",
            href=href,
        ),
        money("amount_fen", msgid("Amount")),
        Column(
            key="issued_on", title=msgid("Issued on"), value=lambda row: row.issued_on, kind="day"
        ),
    ]
