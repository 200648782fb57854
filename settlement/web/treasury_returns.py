"""What treasuries returned, on a bureau's page: a file sent there, and what fits no order (R63)."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from litestar import Response

from kernel.errors import MarketError, NotFound
from kernel.http.pages import Form, Page
from kernel.i18n import msgid, translate, translate_error
from kernel.money import yuan
from kernel.web.tables import Column, excerpt, tabulate
from settlement.payment_models import TreasuryDismissal, TreasuryReturn
from settlement.payments.dismissals import dismiss_return
from settlement.payments.treasury import MAY_ORDER
from settlement.queries.treasury_returns import dismissed_returns, unknown_returns
from settlement.web.columns import money
from settlement.web.payment_columns import PAYMENTS
from settlement.web.payment_runs import TITLE
from settlement.web.places import Crumb
from settlement.web.taken_files import FileTaken

RETURNS: Final = f"{PAYMENTS}/returns"
Dismissed = tuple[TreasuryReturn, TreasuryDismissal]


class DismissalForm(Form, frozen=True):
    """Which row waits no more, and why."""

    row: str = ""
    because: str = ""


def show_returns(
    page: Page,
    *,
    root: tuple[Crumb, ...],
    taken: FileTaken | None = None,
    errors: Mapping[str, str] | None = None,
    form: DismissalForm | None = None,
) -> Response[Any]:
    """List what fits no order, with the form to send a file and what became of the last one."""
    columns = _columns()
    waiting = unknown_returns(page.unit)
    table = tabulate(
        translate(msgid("Rows that fit no order"), page.locale),
        columns,
        waiting,
        view=page.view(columns),
        empty=msgid("All that treasuries returned fits an order."),
    )
    return page.render_table(
        "settlement/treasury_returns.html",
        table,
        file_name="treasury-returns",
        status=422 if errors or (taken and taken.error) else 200,
        root=(*root, (translate(TITLE, page.locale), PAYMENTS)),
        address=RETURNS,
        may_send=page.actor.may(*MAY_ORDER),
        taken=taken,
        errors=errors or {},
        form=form or DismissalForm(),
        waiting=[
            (str(one.id), f"{one.voucher_no} · {yuan(one.amount_fen)} · {one.order_no}")
            for one in waiting
        ],
        dismissed=excerpt(
            translate(msgid("Dismissed rows"), page.locale),
            _dismissed_columns(),
            dismissed_returns(page.unit),
            path=str(page.request.url.path),
        ),
    )


def post_dismissal(page: Page, form: DismissalForm, *, root: tuple[Crumb, ...]) -> Response[Any]:
    """Dismiss a row that fits no order, with the reason."""
    errors: dict[str, str] = {}
    if not form.because.strip():
        errors["because"] = translate(
            msgid("A row is dismissed only with its reason."), page.locale
        )
    else:
        try:
            with page.unit.session.begin_nested():
                dismiss_return(page.unit, _row_id(form.row), because=form.because)
        except MarketError as error:
            errors["row"] = translate_error(error, page.locale)
        else:
            return page.redirect(RETURNS)
    return show_returns(page, root=root, errors=errors, form=form)


def _row_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise NotFound(what="treasury return", key=text) from error


def _dismissed_columns() -> list[Column[Dismissed]]:
    return [
        Column(
            key="order_no",
            title=msgid("Order number"),
            value=lambda one: one[0].order_no,
            kind="code",
        ),
        Column(
            key="voucher_no",
            title=msgid("Voucher"),
            value=lambda one: one[0].voucher_no,
            kind="code",
        ),
        Column(
            key="amount_fen",
            title=msgid("Amount"),
            value=lambda one: one[0].amount_fen,
            kind="money",
        ),
        Column(key="because", title=msgid("Reason"), value=lambda one: one[1].because),
        Column(
            key="dismissed_at",
            title=msgid("Dismissed on"),
            value=lambda one: one[1].dismissed_at,
            kind="moment",
        ),
        Column(
            key="dismissed_by",
            title=msgid("By"),
            value=lambda one: one[1].dismissed_by,
            secondary=True,
        ),
    ]


def _columns() -> list[Column[TreasuryReturn]]:
    return [
        Column(
            key="order_no",
            title=msgid("Order number"),
            value=lambda row: row.order_no,
            kind="code",
        ),
        Column(
            key="voucher_no",
            title=msgid("Voucher"),
            value=lambda row: row.voucher_no,
            kind="code",
        ),
        Column(
            key="result",
            title=msgid("Result"),
            value=lambda row: row.result,
            kind="label",
            label_kind="treasury-result",
        ),
        money("amount_fen", msgid("Amount")),
        Column(
            key="reason",
            title=msgid("Reason"),
            value=lambda row: row.reason,
            secondary=True,
        ),
        Column(
            key="read_at",
            title=msgid("Read"),
            value=lambda row: row.read_at,
            kind="moment",
            secondary=True,
        ),
        Column(
            key="read_by",
            title=msgid("By"),
            value=lambda row: row.read_by,
            secondary=True,
        ),
    ]
