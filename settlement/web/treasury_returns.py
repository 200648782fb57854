"""What treasuries returned, on a bureau's page: a file sent there, and what fits no order (R63)."""

from typing import Any, Final

from litestar import Response

from kernel.http.pages import Page
from kernel.i18n import msgid, translate
from kernel.web.tables import Column, tabulate
from settlement.payment_models import TreasuryReturn
from settlement.payments.treasury import MAY_ORDER
from settlement.queries.payments import unknown_returns
from settlement.web.columns import money
from settlement.web.payment_columns import PAYMENTS
from settlement.web.payment_runs import TITLE
from settlement.web.places import Crumb
from settlement.web.taken_files import FileTaken

RETURNS: Final = f"{PAYMENTS}/returns"


def show_returns(
    page: Page, *, root: tuple[Crumb, ...], taken: FileTaken | None = None
) -> Response[Any]:
    """List what fits no order, with the form to send a file and what became of the last one."""
    columns = _columns()
    table = tabulate(
        translate(msgid("Rows that fit no order"), page.locale),
        columns,
        unknown_returns(page.unit),
        view=page.view(columns),
        empty=msgid("All that treasuries returned fits an order."),
    )
    return page.render_table(
        "settlement/treasury_returns.html",
        table,
        file_name="treasury-returns",
        status=422 if taken and taken.error else 200,
        root=(*root, (translate(TITLE, page.locale), PAYMENTS)),
        address=RETURNS,
        may_send=page.actor.may(*MAY_ORDER),
        taken=taken,
    )


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
