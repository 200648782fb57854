"""What treasuries returned, on a bureau's page: a file sent there, and what fits no order (R63)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from litestar import Response

from kernel.errors import MarketError, NotFound
from kernel.http.pages import Form, Page
from kernel.i18n import msgid, translate, translate_error
from kernel.identity.names import names_of_actors
from kernel.money import yuan
from kernel.web.tables import Column, excerpt, tabulate
from settlement.payment_models import Payment, TreasuryDismissal, TreasuryReturn
from settlement.payments.dismissals import dismiss_return
from settlement.payments.treasury import MAY_ORDER, open_amounts, orders_named
from settlement.queries.treasury_returns import dismissed_returns, unknown_returns
from settlement.web.payment_columns import PAYMENTS
from settlement.web.payment_runs import TITLE
from settlement.web.places import Crumb
from settlement.web.taken_files import FileTaken

RETURNS: Final = f"{PAYMENTS}/returns"
NO_ORDER: Final = msgid(
    "No order of your payers has this number. Correct it and send the row again; dismiss what was "
    "seen to elsewhere."
)
NOTHING_OPEN: Final = msgid(
    "Nothing of the order is open any more. Ask the treasury; dismiss the row once it is seen to."
)
OTHER_AMOUNT: Final = msgid(
    "The order can take {expected} yuan by such a row. Send it again with the right amount under "
    "its voucher, or dismiss it."
)
FITS_NOW: Final = msgid("It fits its order by now. Send the row again.")


@dataclass(frozen=True, slots=True)
class Waiting:
    """A row that fits no order: why it was not taken, what to do, and who read it."""

    row: TreasuryReturn
    why: str
    read_by: str


Dismissed = tuple[TreasuryReturn, TreasuryDismissal, str]


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
    dismissed = dismissed_returns(page.unit)
    people = {one.read_by for one in waiting} | {one.dismissed_by for _, one in dismissed}
    names = names_of_actors(page.unit, people, locale=page.locale)
    orders = orders_named(page.unit, {one.order_no for one in waiting})
    table = tabulate(
        translate(msgid("Rows that fit no order"), page.locale),
        columns,
        [
            Waiting(one, why_not_taken(one, orders.get(one.order_no), page), names[one.read_by])
            for one in waiting
        ],
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
            [(one, dismissal, names[dismissal.dismissed_by]) for one, dismissal in dismissed],
            path=str(page.request.url.path),
        ),
    )


def why_not_taken(row: TreasuryReturn, order: Payment | None, page: Page) -> str:
    """Return why a row fits no order, by what is so now, and what to do."""
    if order is None:
        return translate(NO_ORDER, page.locale)
    _, least_fen, most_fen = open_amounts(order, row.result)
    if not most_fen:
        return translate(NOTHING_OPEN, page.locale)
    if least_fen <= row.amount_fen <= most_fen:
        return translate(FITS_NOW, page.locale)
    expected = yuan(least_fen) if least_fen == most_fen else f"{yuan(least_fen)}–{yuan(most_fen)}"
    return translate(OTHER_AMOUNT, page.locale).format(expected=expected)


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
            title=msgid("Dismissed by"),
            value=lambda one: one[2],
            secondary=True,
        ),
    ]


def _columns() -> list[Column[Waiting]]:
    return [
        Column(
            key="order_no",
            title=msgid("Order number"),
            value=lambda one: one.row.order_no,
            kind="code",
        ),
        Column(
            key="voucher_no",
            title=msgid("Voucher"),
            value=lambda one: one.row.voucher_no,
            kind="code",
        ),
        Column(
            key="result",
            title=msgid("Result"),
            value=lambda one: one.row.result,
            kind="label",
            label_kind="treasury-result",
        ),
        Column(
            key="amount_fen",
            title=msgid("Amount"),
            value=lambda one: one.row.amount_fen,
            kind="money",
            sortable=True,
        ),
        Column(key="why", title=msgid("What is wrong, and what to do"), value=lambda one: one.why),
        Column(
            key="reason",
            title=msgid("The treasury's reason"),
            value=lambda one: one.row.reason,
            secondary=True,
        ),
        Column(
            key="read_at",
            title=msgid("Read"),
            value=lambda one: one.row.read_at,
            kind="moment",
            secondary=True,
        ),
        Column(
            key="read_by",
            title=msgid("Read by"),
            value=lambda one: one.read_by,
            export_only=True,
        ),
    ]
