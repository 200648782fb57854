"""Payments on a bureau's pages: runs, what the next one would hold, one run with its payments.

Whether an act may happen is the services' question; what stands against it is said on the page.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID

from litestar import Response
from sqlalchemy import select

from kernel.actors import OrganisationKind, Role
from kernel.clock import Month, month_of, parse_month, shanghai_day
from kernel.errors import MarketError, NotFound
from kernel.http.pages import Form, Page, download
from kernel.i18n import label, msgid, translate, translate_error
from kernel.identity.models import Organisation
from kernel.identity.recording import among
from kernel.unit import Unit
from kernel.web.exports import CSV_TYPE
from kernel.web.tables import excerpt, tabulate
from settlement.payments.engine import retry_payment
from settlement.payments.plans import plan_run
from settlement.payments.runs import propose_run, release_run, return_run, withdraw_run
from settlement.payments.states import PaymentKind, PaymentMethod, RunPurpose
from settlement.payments.treasury import export_orders
from settlement.queries.payments import (
    PaymentRow,
    RunRow,
    overdue,
    parked_messages,
    payment_run,
    payment_runs,
    payments_of_run,
    unknown_returns,
)
from settlement.web.payment_columns import (
    PAYMENTS,
    PlanRow,
    overdue_columns,
    payment_columns,
    plan_columns,
    run_columns,
)
from settlement.web.places import Crumb

TITLE: Final = msgid("Payments")
PLATFORM: Final = msgid("The platform")
SIDES: Final = (PaymentKind.COLLECTION, PaymentKind.REFUND)


class ProposalForm(Form, frozen=True):
    """Up to which month's statements, and how it is paid."""

    month: str = ""
    method: str = PaymentMethod.GATEWAY.value


class ReturnForm(Form, frozen=True):
    """Why a run goes back to who proposed it."""

    note: str = ""


class OrdersForm(Form, frozen=True):
    """Nothing but who sends it."""


class RetryForm(Form, frozen=True):
    """Which failed payment is tried again."""

    key: str = ""


def show_payments(
    page: Page,
    *,
    root: tuple[Crumb, ...],
    errors: Mapping[str, str] | None = None,
    form: ProposalForm | None = None,
) -> Response[Any]:
    """List the runs, preview the next one, and say what is overdue or can't be explained."""
    given = form or _asked(page)
    asked = _month(given.month)
    month = asked or month_of(shanghai_day(page.unit.clock.now()))
    method = PaymentMethod(given.method) if given.method in set(PaymentMethod) else None
    planned = _planned(page, asked, method=method or PaymentMethod.GATEWAY)
    columns = run_columns()
    table = tabulate(
        translate(msgid("Payment runs"), page.locale),
        columns,
        payment_runs(page.unit),
        view=page.view(columns),
        summed=("amount_fen", "paid_fen"),
        empty=msgid("No payment run was proposed yet."),
    )
    path = str(page.request.url.path)
    to_pay = [row for row in planned if not row.because]
    return page.render_table(
        "settlement/payments.html",
        table,
        file_name="payment-runs",
        root=root,
        address=PAYMENTS,
        month=month,
        method=(method or PaymentMethod.GATEWAY).value,
        methods=[(one.value, label(one, page.locale)) for one in PaymentMethod],
        may_propose=_is_finance(page),
        to_pay_fen=sum(row.amount_fen for row in to_pay),
        errors=errors or {},
        plan=excerpt(
            translate(msgid("What the next run would pay"), page.locale),
            plan_columns(left_out=False),
            to_pay,
            path=path,
            summed=("amount_fen",),
            empty=msgid("Nothing is due that is not in a payment run already."),
        ),
        left_out=excerpt(
            translate(msgid("Left out, and why"), page.locale),
            plan_columns(left_out=True),
            [row for row in planned if row.because],
            path=path,
        ),
        overdue=excerpt(
            translate(msgid("Overdue"), page.locale),
            overdue_columns(),
            overdue(page.unit),
            path=path,
            summed=("due_fen", "open_fen"),
            empty=msgid("No statement is overdue."),
        ),
        parked=parked_messages(page.unit) if page.actor.may(Role.OPERATOR) else [],
        unknown=unknown_returns(page.unit),
    )


def show_run(
    page: Page,
    run_number: str,
    *,
    root: tuple[Crumb, ...],
    errors: Mapping[str, str] | None = None,
) -> Response[Any]:
    """Show one run: where it stands, what may be done with it, and each payment with its state."""
    row = payment_run(page.unit, run_number)
    columns = payment_columns(translate(PLATFORM, page.locale))
    payments = payments_of_run(page.unit, run_number)
    sides = [one for one in payments if one.kind in SIDES]
    table = tabulate(
        translate(msgid("Payments of the run"), page.locale),
        columns,
        [one for one in payments if one.kind not in SIDES],
        view=page.view(columns),
        summed=("amount_fen", "paid_fen"),
    )
    is_maker = row.proposed_by == page.actor.person_id
    waits = row.state == "proposed" and _is_finance(page)
    return page.render_table(
        "settlement/payment_run.html",
        table,
        file_name=row.number,
        root=(*root, (translate(TITLE, page.locale), PAYMENTS)),
        address=f"{PAYMENTS}/{row.number}",
        row=row,
        history=_history(row, page.locale),
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
        failed=[one for one in payments if _may_retry(one)] if _may_pay(page) else [],
        errors=errors or {},
    )


def post_proposal(page: Page, form: ProposalForm, *, root: tuple[Crumb, ...]) -> Response[Any]:
    """Propose a run."""
    month = _month(form.month)
    errors: dict[str, str] = {}
    if month is None:
        errors["month"] = translate(msgid("Write the month like 2026-03."), page.locale)
    elif form.method not in set(PaymentMethod):
        errors["method"] = translate(msgid("Choose how it is paid."), page.locale)
    else:
        try:
            with page.unit.session.begin_nested():
                made = propose_run(page.unit, month, method=PaymentMethod(form.method))
        except MarketError as error:
            errors[""] = translate_error(error, page.locale)
        else:
            return page.redirect(f"{PAYMENTS}/{made}")
    return show_payments(page, root=root, errors=errors, form=form)


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
        return show_run(page, run_number, root=root, errors={"note": text})
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


def _act(
    page: Page, run_number: str, act: Callable[[Unit], None], *, root: tuple[Crumb, ...]
) -> Response[Any]:
    try:
        act(page.unit)
    except NotFound:
        raise
    except MarketError as error:
        errors = {"": translate_error(error, page.locale)}
        return show_run(page, run_number, root=root, errors=errors)
    return page.redirect(f"{PAYMENTS}/{run_number}")


def _asked(page: Page) -> ProposalForm:
    asked = page.request.query_params
    return ProposalForm(month=str(asked.get("month", "")), method=str(asked.get("method", "")))


def _month(text: str) -> Month | None:
    try:
        return parse_month(text)
    except MarketError:
        return None


def _is_finance(page: Page) -> bool:
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
        and (row.failure != "collection-failed")
    )


def _planned(page: Page, month: Month | None, *, method: PaymentMethod) -> list[PlanRow]:
    plan = plan_run(page.unit, month, method=method, purpose=RunPurpose.PAY)
    out = [one for one in plan.payments if one.kind not in SIDES]
    people = {one.payer_id for one in out} | {one.payer_id for one in plan.omitted}
    people |= {one.payee_id for one in out} | {one.payee_id for one in plan.omitted}
    names: dict[UUID, str] = dict(
        page.unit.session.execute(
            select(Organisation.id, Organisation.name).where(among(Organisation.id, people))
        ).all()
    )
    platform = translate(PLATFORM, page.locale)
    rows = [
        PlanRow(
            payer_name=names.get(payer_id, ""),
            payee_name=names.get(payee_id, platform),
            amount_fen=fen,
            because=because,
        )
        for payer_id, payee_id, fen, because in (
            *((one.payer_id, one.payee_id, one.amount_fen, "") for one in out),
            *((one.payer_id, one.payee_id, one.amount_fen, one.because) for one in plan.omitted),
        )
    ]
    return sorted(rows, key=lambda row: (row.payer_name, row.payee_name))


def _history(row: RunRow, locale: str) -> list[tuple[Any, str, str]]:
    made = (row.proposed_at, translate(msgid("Proposed"), locale), row.proposed_by_name)
    if row.decided_at is None:
        return [made]
    words = {
        "released": msgid("Released for payment"),
        "returned": msgid("Returned"),
        "withdrawn": msgid("Withdrawn"),
    }
    text = translate(words[row.state], locale) + (f": {row.note}" if row.note else "")
    return [(row.decided_at, text, row.decided_by_name), made]
