"""Payments on a bureau's pages: runs, what the next one would hold, what is overdue.

Whether an act may happen is the services' question; what stands against it is said on the page.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlencode

from litestar import Response
from sqlalchemy import select

from kernel.clock import Month, month_of, parse_month, shanghai_day, show_month
from kernel.errors import InvalidInput, MarketError
from kernel.http.pages import Form, Page
from kernel.i18n import label, msgid, translate, translate_error
from kernel.identity.models import Organisation
from kernel.identity.recording import among
from kernel.unit import Units
from kernel.web.tables import Filter, Table, excerpt, tabulate
from settlement.ledger.posting import INSTALLATION
from settlement.payments.opening import open_gateway
from settlement.payments.parked import MAY_APPLY, apply_parked, what_waits
from settlement.payments.plans import plan_run
from settlement.payments.runs import propose_run
from settlement.payments.states import PaymentMethod, RunPurpose
from settlement.queries.payments import (
    overdue,
    payment_runs,
)
from settlement.web.payment_columns import (
    PAYMENTS,
    PLAN,
    PlanRow,
    late_columns,
    left_out_columns,
    overdue_columns,
    plan_columns,
    run_columns,
)
from settlement.web.payment_runs import PLATFORM, SIDES, TITLE, is_finance
from settlement.web.places import Crumb

PLANNED: Final = {
    RunPurpose.PAY: msgid("What the next run would pay"),
    RunPurpose.REFUND: msgid("What the next run would take back"),
}
NOTHING: Final = {
    RunPurpose.PAY: msgid("Nothing is due that is not in a payment run already."),
    RunPurpose.REFUND: msgid("Nothing is to be taken back that is not in a payment run already."),
}
MOST_SHOWN: Final = 20
"""Rows of the next run on the page of payments; all of them stand on a page of their own."""


EXPECTED: Final = {
    "month": "2026-03",
    "method": ", ".join(PaymentMethod),
    "purpose": ", ".join(RunPurpose),
}
"""Of what each part of an address is one."""


class ProposalForm(Form, frozen=True):
    """Up to which month's statements, and how it is paid."""

    month: str = ""
    method: str = PaymentMethod.GATEWAY.value
    purpose: str = RunPurpose.PAY.value


class ParkedForm(Form, frozen=True):
    """Which message is applied once more, and why."""

    event: str = ""
    because: str = ""


def show_payments(
    page: Page,
    *,
    root: tuple[Crumb, ...],
    errors: Mapping[str, str] | None = None,
    form: ProposalForm | None = None,
) -> Response[Any]:
    """List the runs, preview the next one, and say what is overdue or can't be explained."""
    asked = _chosen(form) if form else _asked(page)
    month = asked.month or month_of(shanghai_day(page.unit.clock.now()))
    planned = _planned(page, asked)
    columns = run_columns()
    table = tabulate(
        translate(msgid("Payment runs"), page.locale),
        columns,
        payment_runs(page.unit),
        view=page.view(columns),
        summed=("amount_fen", "paid_fen"),
        empty=msgid("No payment run was proposed yet."),
    )
    path = PAYMENTS
    parked, unknown, late = what_waits(page.unit)
    to_pay = [row for row in planned if not row.because]
    return page.render_table(
        "settlement/payments.html",
        table,
        file_name="payment-runs",
        root=root,
        address=PAYMENTS,
        month=month,
        method=asked.method.value,
        methods=[(one.value, label(one, page.locale)) for one in PaymentMethod],
        purpose=asked.purpose.value,
        wrong=[] if form else asked.wrong,
        purposes=[(one.value, label(one, page.locale)) for one in RunPurpose],
        may_propose=is_finance(page),
        errors=errors or {},
        plan=_first(
            excerpt(
                translate(PLANNED[asked.purpose], page.locale),
                plan_columns(left_out=False),
                to_pay,
                path=path,
                summed=("amount_fen",),
                empty=NOTHING[asked.purpose],
            )
        ),
        left_out=_first(
            excerpt(
                translate(msgid("Left out, and why"), page.locale),
                left_out_columns(),
                [row for row in planned if row.because],
                path=path,
            )
        ),
        plan_address=f"{PLAN}?" + urlencode(asked.address()),
        overdue=excerpt(
            translate(msgid("Overdue"), page.locale),
            overdue_columns(),
            overdue(page.unit),
            path=path,
            summed=("due_fen", "open_fen"),
            empty=msgid("No statement is overdue."),
        ),
        late=excerpt(
            translate(msgid("Paid late, and waiting"), page.locale),
            late_columns(),
            late,
            path=path,
            summed=("amount_fen",),
        ),
        parked=parked,
        parked_options=[(one.event_id, f"{one.event_id} · {one.kind}") for one in parked],
        may_apply=page.actor.may(*MAY_APPLY),
        unknown=unknown,
    )


def post_parked(page: Page, units: Units, form: ParkedForm) -> dict[str, str]:
    """Have a parked message applied once more, after the page was admitted and left; return errors.

    The gateway may be asked meanwhile, so no unit is open.
    """
    if not form.because.strip():
        text = msgid("A message is applied again only with its reason.")
        return {"because": translate(text, page.locale)}
    try:
        state = apply_parked(
            units, page.actor, open_gateway(units), form.event, because=form.because
        )
    except MarketError as error:
        return {"event": translate_error(error, page.locale)}
    if state == "parked":
        text = msgid("It still can't be applied; its reason stands beside it.")
        return {"event": translate(text, page.locale)}
    return {}


def show_plan(page: Page, *, root: tuple[Crumb, ...]) -> Response[Any]:
    """Show all that the next run would hold and leave out, page by page and for export.

    What can't be chosen is named above what is shown in its place; a file is refused.
    """
    asked = _asked(page)
    columns = plan_columns(left_out=True)
    methods = tuple((one.value, label(one, page.locale)) for one in PaymentMethod)
    filters = (
        Filter(key="month", title=msgid("Up to the statements of")),
        Filter(
            key="method",
            title=msgid("Way of payment"),
            options=methods,
            default=PaymentMethod.GATEWAY.value,
        ),
        Filter(
            key="purpose",
            title=msgid("What for"),
            options=tuple((one.value, label(one, page.locale)) for one in RunPurpose),
            default=RunPurpose.PAY.value,
        ),
    )
    view = page.view(columns, filters=filters)
    table = tabulate(
        translate(PLANNED[asked.purpose], page.locale),
        columns,
        _planned(page, asked),
        view=replace(view, filters=asked.address()),
        filters=filters,
        empty=NOTHING[asked.purpose],
    )
    return page.render_table(
        "settlement/payment_plan.html",
        table,
        file_name="payment-plan",
        root=(*root, (translate(TITLE, page.locale), PAYMENTS)),
        wrong=asked.wrong,
    )


def _first(table: Table[PlanRow]) -> Table[PlanRow]:
    return replace(table, rows=table.rows[:MOST_SHOWN])


def post_proposal(page: Page, form: ProposalForm, *, root: tuple[Crumb, ...]) -> Response[Any]:
    """Propose a run."""
    month = _month(form.month)
    errors: dict[str, str] = {}
    if month is None:
        errors["month"] = translate(msgid("Write the month like 2026-03."), page.locale)
    elif form.method not in set(PaymentMethod):
        errors["method"] = translate(msgid("Choose how it is paid."), page.locale)
    elif form.purpose not in set(RunPurpose):
        errors["purpose"] = translate(msgid("Choose what it is for."), page.locale)
    else:
        try:
            with page.unit.session.begin_nested():
                made = propose_run(
                    page.unit,
                    month,
                    method=PaymentMethod(form.method),
                    purpose=RunPurpose(form.purpose),
                )
        except MarketError as error:
            errors[""] = translate_error(error, page.locale)
        else:
            return page.redirect(f"{PAYMENTS}/{made}")
    return show_payments(page, root=root, errors=errors, form=form)


@dataclass(frozen=True, slots=True)
class Asked:
    """Which plan is looked at; `wrong`: what was asked for and can't be chosen."""

    month: Month | None
    method: PaymentMethod
    purpose: RunPurpose
    wrong: tuple[str, ...]

    def address(self) -> dict[str, str]:
        """Return what an address names of it."""
        month = {} if self.month is None else {"month": show_month(self.month)}
        return {**month, "method": self.method.value, "purpose": self.purpose.value}


def _asked(page: Page) -> Asked:
    """Return what the address asks for; raise `InvalidInput` where it wrongly asks for a file.

    A page says what is wrong with it, which a file can't.
    """
    query = page.request.query_params
    texts = {name: str(query.get(name, "")).strip() for name in ("month", "method", "purpose")}
    asked = _chosen(ProposalForm(**texts))
    if asked.wrong and page.export:
        field = next(name for name, text in texts.items() if text == asked.wrong[0])
        expected = EXPECTED[field]
        raise InvalidInput(field=field, value=asked.wrong[0], expected=expected)
    return asked


def _chosen(given: ProposalForm) -> Asked:
    month = _month(given.month)
    method = PaymentMethod(given.method) if given.method in set(PaymentMethod) else None
    purpose = RunPurpose(given.purpose) if given.purpose in set(RunPurpose) else None
    read = ((given.month, month), (given.method, method), (given.purpose, purpose))
    return Asked(
        month,
        method or PaymentMethod.GATEWAY,
        purpose or RunPurpose.PAY,
        tuple(text for text, found in read if text and found is None),
    )


def _month(text: str) -> Month | None:
    try:
        return parse_month(text)
    except MarketError:
        return None


def _planned(page: Page, asked: Asked) -> list[PlanRow]:
    plan = plan_run(page.unit, asked.month, method=asked.method, purpose=asked.purpose)
    out = [one for one in plan.payments if one.kind not in SIDES]
    people = {one.payer_id for one in out} | {one.payer_id for one in plan.omitted}
    people |= {one.payee_id for one in out} | {one.payee_id for one in plan.omitted}
    names = dict(plan.names)
    if unnamed := people - names.keys() - {INSTALLATION}:
        named = select(Organisation.id, Organisation.name).where(among(Organisation.id, unnamed))
        names |= dict(page.unit.session.execute(named).all())
    platform = translate(PLATFORM, page.locale)
    rows = [
        PlanRow(
            payer_name=names.get(payer_id, ""),
            payee_name=names.get(payee_id, platform),
            kind=kind,
            amount_fen=fen,
            because=because,
        )
        for payer_id, payee_id, kind, fen, because in (
            *((one.payer_id, one.payee_id, one.kind, one.amount_fen, "") for one in out),
            *(
                (one.payer_id, one.payee_id, "", one.amount_fen, one.because)
                for one in plan.omitted
            ),
        )
    ]
    return sorted(rows, key=lambda row: (row.payer_name, row.payee_name))
