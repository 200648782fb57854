"""A vendor's payouts on a page: what it was paid, what is due and why it is not paid yet."""

from typing import Any, Final

from litestar import Response

from kernel.http.pages import Page
from kernel.i18n import msgid, translate
from kernel.web.tables import Column, excerpt, tabulate
from settlement.payments.standings import standing_of_payee
from settlement.queries.payments import FapiaoRow, PaymentRow, fapiao_of, payouts_of
from settlement.web.columns import money
from settlement.web.places import Place

PAYOUTS: Final = "/vendor/payouts"


def show_payouts(page: Page, place: Place) -> Response[Any]:
    """Show what was paid by whom and when, what is due, and the invoices."""
    vendor_id = page.actor.organisation_id
    assert vendor_id is not None, "the route admits people of vendors only"
    standing = standing_of_payee(page.unit, vendor_id)
    columns = _payout_columns(place)
    table = tabulate(
        translate(msgid("Payouts"), page.locale),
        columns,
        payouts_of(page.unit, vendor_id),
        view=page.view(columns),
        summed=("amount_fen", "paid_fen"),
        empty=msgid("Nothing was paid yet. What is due is paid once two people release it."),
    )
    return page.render_table(
        "vendor/payouts.html",
        table,
        file_name=f"payouts-{page.actor.organisation_code}",
        place=place,
        standing=standing,
        fapiao=excerpt(
            translate(msgid("Fapiao"), page.locale),
            _fapiao_columns(place),
            fapiao_of(page.unit, vendor_id),
            path=str(page.request.url.path),
            summed=("amount_fen",),
            empty=msgid("No fapiao number was recorded yet."),
        ),
    )


def _payout_columns(place: Place) -> list[Column[PaymentRow]]:
    def href(row: PaymentRow) -> str:
        return place.statement(row.month)

    return [
        Column(key="payer_name", title=msgid("Payer"), value=lambda row: row.payer_name),
        Column(
            key="month", title=msgid("Period"), value=lambda row: row.month, kind="month", href=href
        ),
        Column(
            key="kind",
            title=msgid("Kind of payment"),
            value=lambda row: row.kind,
            kind="label",
            label_kind="PaymentKind",
            secondary=True,
        ),
        money("amount_fen", msgid("Amount")),
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
        Column(key="failure", title=msgid("Reason"), value=lambda row: row.failure, secondary=True),
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
