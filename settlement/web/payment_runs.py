"""One payment run on a bureau's page: where it stands, each payment, and what may be done.

Whether an act may happen is the services' question; what stands against it is said on the page.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from litestar import Response

from kernel.actors import OrganisationKind, Role
from kernel.errors import MarketError, NotFound
from kernel.http.pages import Form, Page, download
from kernel.i18n import msgid, translate, translate_error
from kernel.identity.names import names_of_actors
from kernel.unit import Unit
from kernel.web.exports import CSV_TYPE
from kernel.web.tables import excerpt, tabulate
from settlement.payments.bank_accounts import LATELY_DAYS, ChangedAccount, changed_lately
from settlement.payments.engine import retry_payment
from settlement.payments.giving_up import give_up_reversal
from settlement.payments.runs import release_run, return_run, withdraw_run
from settlement.payments.settling import COLLECTION_FAILED
from settlement.payments.states import PaymentKind, PaymentMethod, RunPurpose
from settlement.payments.treasury import export_orders, order_rest_again
from settlement.queries.later_payments import paid_by_later
from settlement.queries.left_out import left_out_of_run
from settlement.queries.payments import (
    PaymentRow,
    RunRow,
    gone_back,
    payment_run,
    payments_of_run,
)
from settlement.web.payment_columns import PAYMENTS, PlanRow, left_out_columns, payment_columns
from settlement.web.payment_failures import GOES_BACK, next_step
from settlement.web.places import Crumb

TITLE: Final = msgid("Payments")
PLATFORM: Final = msgid("The platform")
LEFT_OUT: Final = msgid("Left out, and why")
MOST_SHOWN: Final = 20
"""Of those who were left out, on the run's page; all of them stand on a page of their own."""
SIDES: Final = (PaymentKind.COLLECTION, PaymentKind.REFUND)


class ReturnForm(Form, frozen=True):
    """Why a run goes back to who proposed it."""

    note: str = ""


class OrdersForm(Form, frozen=True):
    """Nothing but who sends it."""


class RetryForm(Form, frozen=True):
    """Which failed payment is tried again or given up, or which order's rest is ordered again."""

    key: str = ""


def show_run(
    page: Page,
    run_number: str,
    *,
    root: tuple[Crumb, ...],
    errors: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response[Any]:
    """Show one run: where it stands, what may be done with it, and each payment with its state."""
    row = payment_run(page.unit, run_number)
    payments = payments_of_run(page.unit, run_number)
    has_reasons = any(one.failure for one in payments)
    columns = [
        replace(one, export_only=one.export_only or (one.key == "failure" and not has_reasons))
        for one in payment_columns(translate(PLATFORM, page.locale))
    ]
    replaced = {"withdrawn"} if row.state == "released" else set()
    sides = [one for one in payments if one.kind in SIDES and one.state not in replaced]
    table = tabulate(
        translate(msgid("Payments of the run"), page.locale),
        columns,
        [one for one in payments if one.kind not in SIDES],
        view=page.view(columns),
        summed=("amount_fen", "paid_fen"),
    )
    back = gone_back(page.unit, run_number) if row.purpose == RunPurpose.PAY else set()
    left_out = _left_out(page, run_number)
    later = paid_by_later(page.unit, run_number)
    is_maker = row.proposed_by == page.actor.person_id
    waits = row.state == "proposed" and is_finance(page)
    return page.render_table(
        "settlement/payment_run.html",
        table,
        status=status,
        file_name=row.number,
        root=(*root, (translate(TITLE, page.locale), PAYMENTS)),
        address=f"{PAYMENTS}/{row.number}",
        row=row,
        history=_history(row, page),
        may_pay=_may_pay(page),
        may_release=waits and not is_maker,
        may_withdraw=waits and is_maker,
        sides=excerpt(
            translate(msgid("What payers pay or get back"), page.locale),
            [one for one in columns if one.key != "payee_name"],
            sides,
            path=str(page.request.url.path),
            summed=("amount_fen", "paid_fen"),
        ),
        left_out=excerpt(
            translate(LEFT_OUT, page.locale),
            left_out_columns(),
            left_out[:MOST_SHOWN],
            path=str(page.request.url.path),
        ),
        left_out_count=len(left_out),
        failed=[
            _failed(one, page, goes_back=one.key in back, later=later.get(one.key, ""))
            for one in payments
            if one.state == "failed" and one.failure != COLLECTION_FAILED
        ],
        partial=[one for one in payments if one.state == "partial"] if _may_pay(page) else [],
        changed=_changed(page, row),
        lately_days=LATELY_DAYS,
        errors=errors or {},
    )


def show_left_out(page: Page, run_number: str, *, root: tuple[Crumb, ...]) -> Response[Any]:
    """Show all whom a run left out, page by page and for export."""
    row = payment_run(page.unit, run_number)
    columns = left_out_columns()
    table = tabulate(
        translate(LEFT_OUT, page.locale),
        columns,
        _left_out(page, run_number),
        view=page.view(columns),
        empty=msgid("Nothing that was due was left out of this run."),
    )
    address = f"{PAYMENTS}/{row.number}"
    return page.render_table(
        "settlement/payment_left_out.html",
        table,
        file_name=f"{row.number}-left-out",
        root=(*root, (translate(TITLE, page.locale), PAYMENTS), (row.number, address)),
        row=row,
    )


def _left_out(page: Page, run_number: str) -> list[PlanRow]:
    platform = translate(PLATFORM, page.locale)
    return [
        PlanRow(
            payer_name=one.payer_name,
            payee_name=one.payee_name or platform,
            kind="",
            amount_fen=one.amount_fen,
            because=one.because,
        )
        for one in left_out_of_run(page.unit, run_number)
    ]


def _changed(page: Page, row: RunRow) -> list[tuple[ChangedAccount, str]]:
    """Return whose accounts changed before a treasury's run, each with who recorded it."""
    if row.method != PaymentMethod.TREASURY:
        return []
    changed = changed_lately(page.unit, row.number)
    if not changed:
        return []
    names = names_of_actors(page.unit, {one.recorded_by for one in changed}, locale=page.locale)
    return [(one, names[one.recorded_by]) for one in changed]


def post_orders(page: Page, run_number: str) -> Response[bytes]:
    """Hand out a treasury run's orders as a file, and note them as sent."""
    payment_run(page.unit, run_number)
    content = export_orders(page.unit, run_number)
    return download(content, CSV_TYPE, f"{run_number}.csv")


def post_release(page: Page, run_number: str, *, root: tuple[Crumb, ...]) -> Response[Any]:
    """Release a run as its second person."""
    return _act(page, run_number, lambda unit: release_run(unit, run_number), root=root)


def post_return(
    page: Page, run_number: str, form: ReturnForm, *, root: tuple[Crumb, ...]
) -> Response[Any]:
    """Give a run back with the reason."""
    if not form.note.strip():
        text = translate(msgid("A proposal is returned only with its reason."), page.locale)
        return show_run(page, run_number, root=root, errors={"note": text}, status=422)
    return _act(
        page, run_number, lambda unit: return_run(unit, run_number, note=form.note), root=root
    )


def post_withdrawal(page: Page, run_number: str, *, root: tuple[Crumb, ...]) -> Response[Any]:
    """Take one's own run back."""
    return _act(page, run_number, lambda unit: withdraw_run(unit, run_number), root=root)


def post_retry(
    page: Page, run_number: str, form: RetryForm, *, root: tuple[Crumb, ...]
) -> Response[Any]:
    """Try a failed payment of the run again."""
    payment_run(page.unit, run_number)
    if not form.key.startswith(f"{run_number}:"):
        raise NotFound(what="payment", key=form.key)
    return _act(page, run_number, lambda unit: retry_payment(unit, form.key), root=root)


def post_giving_up(
    page: Page, run_number: str, form: RetryForm, *, root: tuple[Crumb, ...]
) -> Response[Any]:
    """Give up a reversal of the run that failed, so that it is set off later."""
    payment_run(page.unit, run_number)
    if not form.key.startswith(f"{run_number}:"):
        raise NotFound(what="payment", key=form.key)
    return _act(page, run_number, lambda unit: give_up_reversal(unit, form.key), root=root)


def post_rest(
    page: Page, run_number: str, form: RetryForm, *, root: tuple[Crumb, ...]
) -> Response[Any]:
    """Close an order of the run that was paid in part, so that its rest is due again."""
    payment_run(page.unit, run_number)
    if not form.key.startswith(f"{run_number}:"):
        raise NotFound(what="treasury order", key=form.key)
    return _act(page, run_number, lambda unit: order_rest_again(unit, form.key), root=root)


def _failed(row: PaymentRow, page: Page, *, goes_back: bool, later: str) -> dict[str, Any]:
    """Return a payment that failed with what to do about it, and whether it may be done here."""
    step = GOES_BACK if goes_back else next_step(row.kind, row.failure or "failed")
    return {
        "row": row,
        "next_step": "" if later else translate(step, page.locale),
        "later": later,
        "may_retry": _may_pay(page) and _may_retry(row) and not goes_back,
        "may_give_up": _may_pay(page) and row.kind == PaymentKind.REVERSAL,
    }


def _act(
    page: Page, run_number: str, act: Callable[[Unit], None], *, root: tuple[Crumb, ...]
) -> Response[Any]:
    try:
        act(page.unit)
    except NotFound:
        raise
    except MarketError as error:
        errors = {"": translate_error(error, page.locale)}
        return show_run(page, run_number, root=root, errors=errors, status=409)
    return page.redirect(f"{PAYMENTS}/{run_number}")


def is_finance(page: Page) -> bool:
    return (
        page.actor.organisation_kind is OrganisationKind.BUREAU
        and page.actor.person_id is not None
        and page.actor.may(Role.BUREAU_FINANCE)
    )


def _may_pay(page: Page) -> bool:
    return page.actor.may(Role.BUREAU_FINANCE, Role.OPERATOR)


def _may_retry(row: PaymentRow) -> bool:
    return (
        row.state == "failed"
        and row.kind in ("transfer", "reversal", "refund")
        and row.failure != COLLECTION_FAILED
    )


def _history(row: RunRow, page: Page) -> list[tuple[Any, str, str]]:
    """Return what happened to a run, the latest first: (moment, text, by whom)."""
    people = {row.proposed_by_name, row.decided_by_name}
    names = names_of_actors(page.unit, people, locale=page.locale)
    text = translate(msgid("Proposed"), page.locale)
    made = (row.proposed_at, text, names[row.proposed_by_name])
    if row.decided_at is None:
        return [made]
    words = {
        "released": msgid("Released for payment"),
        "returned": msgid("Returned"),
        "withdrawn": msgid("Withdrawn"),
    }
    text = translate(words[row.state], page.locale) + (f": {row.note}" if row.note else "")
    return [(row.decided_at, text, names[row.decided_by_name]), made]
