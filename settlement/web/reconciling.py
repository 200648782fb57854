"""The gateway's books against ours on a bureau's page; the gateway is asked between two units."""

from typing import Any, Final

from litestar import Response

from kernel.clock import parse_month, show_month
from kernel.errors import MarketError
from kernel.http.pages import Page
from kernel.i18n import msgid, translate, translate_error
from kernel.unit import Units
from kernel.web.tables import Column, excerpt
from settlement.payments.opening import open_gateway
from settlement.payments.reconciliation import Difference, reconcile
from settlement.web.columns import money
from settlement.web.payment_columns import PAYMENTS
from settlement.web.places import Crumb

RECONCILIATION: Final = f"{PAYMENTS}/reconciliation"
Found = tuple[list[Difference], MarketError | None]


def ask_gateway(page: Page, units: Units, month_text: str) -> Found:
    """Compare with the gateway as the page's reader, after the page was admitted and left."""
    try:
        return reconcile(units, page.actor, open_gateway(units), parse_month(month_text)), None
    except MarketError as error:
        return [], error


def show_reconciliation(
    page: Page, month_text: str, found: Found, *, root: tuple[Crumb, ...]
) -> Response[Any]:
    """Show each difference by its name, or that there is none."""
    month = parse_month(month_text)
    differences, error = found
    return page.render(
        "settlement/reconciliation.html",
        root=(*root, (translate(msgid("Payments"), page.locale), PAYMENTS)),
        month=month,
        error=translate_error(error, page.locale) if error else "",
        table=excerpt(
            translate(msgid("Differences"), page.locale),
            _columns(),
            differences,
            path=f"{RECONCILIATION}/{show_month(month)}",
            summed=("ours_fen", "theirs_fen"),
            empty=msgid("None: every movement of these runs is the same here and there."),
        ),
    )


def _columns() -> list[Column[Difference]]:
    return [
        Column(
            key="kind",
            title=msgid("What differs"),
            value=lambda row: row.kind,
            kind="label",
            label_kind="Differs",
        ),
        Column(key="key", title=msgid("Movement"), value=lambda row: row.key, kind="code"),
        money("ours_fen", msgid("By our books")),
        money("theirs_fen", msgid("By the gateway's books")),
    ]
