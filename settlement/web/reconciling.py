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
from settlement.payments.reconciliation import MAY_SEE_ALL, Difference, last_look, reconcile
from settlement.queries.payments import payment_runs
from settlement.web.columns import money
from settlement.web.payment_columns import PAYMENTS
from settlement.web.places import Crumb

RECONCILIATION: Final = f"{PAYMENTS}/reconciliation"
MONTHS: Final = 12
"""The latest months with runs that are offered to be compared at once."""
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
        sees_all=page.actor.may(*MAY_SEE_ALL),
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


def show_last_look(page: Page, *, root: tuple[Crumb, ...]) -> Response[Any]:
    """Show what the last daily reconciliation found of the reader's, and where to ask at once."""
    look = last_look(page.unit)
    runs = payment_runs(page.unit)
    months = {one.month for one in runs if (one.method, one.state) == ("gateway", "released")}
    return page.render(
        "settlement/last_reconciliation.html",
        root=(*root, (translate(msgid("Payments"), page.locale), PAYMENTS)),
        look=look,
        sees_all=page.actor.may(*MAY_SEE_ALL),
        address=RECONCILIATION,
        months=sorted(months, reverse=True)[:MONTHS],
        table=excerpt(
            translate(msgid("Differences"), page.locale),
            _columns(),
            look.differences if look else [],
            path=RECONCILIATION,
            summed=("ours_fen", "theirs_fen"),
            empty=msgid("None: every movement was the same here and there."),
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
