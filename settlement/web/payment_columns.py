"""Columns of payments' tables, for the bureau's pages and exports."""

from dataclasses import dataclass
from typing import Final

from kernel.i18n import msgid
from kernel.web.tables import Column
from settlement.queries.late_money import LateRow
from settlement.queries.payments import OverdueRow, PaymentRow, RunRow
from settlement.web.columns import money, number

PAYMENTS: Final = "/bureau/payments"
PLAN: Final = f"{PAYMENTS}/plan"
LATE: Final = f"{PAYMENTS}#late"
BUREAU_PAYOUTS: Final = "/bureau/payouts"


NEVER_PAID: Final = ("returned", "withdrawn")
"""Runs of which nothing is paid: they add nothing to what goes to payees."""
OF_PAYEES: Final = ("transfer", "order", "reversal")


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanRow:
    """What a payee would get of a payer; `because`: why it is left out, empty for what is in.

    `kind` tells what is paid from the tax that is withheld of it; empty for what is left out.
    """

    payer_name: str
    payee_name: str
    kind: str
    amount_fen: int
    because: str


def run_columns() -> list[Column[RunRow]]:
    """Return the columns of a bureau's payment runs."""

    def href(row: RunRow) -> str:
        return f"{PAYMENTS}/{row.number}"

    return [
        Column(
            key="number", title=msgid("Run"), value=lambda row: row.number, kind="code", href=href
        ),
        Column(key="month", title=msgid("Period"), value=lambda row: row.month, kind="month"),
        Column(
            key="method",
            title=msgid("Way of payment"),
            value=lambda row: row.method,
            kind="label",
            label_kind="PaymentMethod",
            secondary=True,
        ),
        number("payments", msgid("Payments"), secondary=True),
        Column(
            key="amount_fen",
            title=msgid("To payees"),
            value=lambda row: None if row.state in NEVER_PAID else row.amount_fen,
            kind="money",
            href=href,
            sortable=True,
        ),
        money("paid_fen", msgid("Came through"), href=href),
        Column(
            key="standing",
            title=msgid("State"),
            value=lambda row: row.standing,
            kind="state",
            label_kind="payment-run",
        ),
    ]


def payment_columns(platform: str) -> list[Column[PaymentRow]]:
    """Return the columns of one run's payments; what a payee gets leads to its lines."""

    def statement(row: PaymentRow) -> str:
        return f"{BUREAU_PAYOUTS}/{row.key}" if row.kind in OF_PAYEES else ""

    return [
        Column(
            key="payer_name",
            title=msgid("Payer"),
            value=lambda row: row.payer_name,
            sortable=True,
        ),
        Column(
            key="payee_name",
            title=msgid("Payee"),
            value=lambda row: row.payee_name or platform,
            sortable=True,
        ),
        Column(
            key="kind",
            title=msgid("Kind of payment"),
            value=lambda row: row.kind,
            kind="label",
            label_kind="PaymentKind",
        ),
        money("amount_fen", msgid("Amount"), href=statement),
        money("paid_fen", msgid("Came through")),
        Column(
            key="state",
            title=msgid("State"),
            value=lambda row: row.state,
            kind="state",
            label_kind="PaymentState",
            sortable=True,
        ),
        Column(
            key="failure",
            title=msgid("Reason"),
            value=lambda row: row.failure or None,
            kind="label",
            label_kind="payment-failure",
            secondary=True,
        ),
        Column(
            key="gateway_id",
            title=msgid("Number there"),
            value=lambda row: row.gateway_id,
            kind="code",
            export_only=True,
        ),
        Column(
            key="closed_at",
            title=msgid("Cancelled there"),
            value=lambda row: row.closed_at,
            kind="moment",
            export_only=True,
        ),
    ]


def plan_columns(*, left_out: bool) -> list[Column[PlanRow]]:
    """Return the columns of what a run would hold, or of what it leaves out."""
    columns: list[Column[PlanRow]] = [
        Column(
            key="payer_name",
            title=msgid("Payer"),
            value=lambda row: row.payer_name,
            sortable=True,
        ),
        Column(
            key="payee_name",
            title=msgid("Payee"),
            value=lambda row: row.payee_name,
            sortable=True,
        ),
        Column(
            key="kind",
            title=msgid("Kind of payment"),
            value=lambda row: row.kind or None,
            kind="label",
            label_kind="PaymentKind",
            secondary=True,
        ),
        money("amount_fen", msgid("Amount")),
    ]
    if left_out:
        columns.append(
            Column(
                key="because",
                title=msgid("Reason"),
                value=lambda row: row.because or None,
                kind="label",
                label_kind="LeftOut",
                href=lambda row: LATE if row.because == "paid_late" else "",
            )
        )
    return columns


def left_out_columns() -> list[Column[PlanRow]]:
    """Return the columns of whom a run left out, and why."""
    return [one for one in plan_columns(left_out=True) if one.key != "kind"]


def late_columns() -> list[Column[LateRow]]:
    """Return the columns of what payers paid late; each row leads to where a person acts on it."""

    def href(row: LateRow) -> str:
        return f"{PAYMENTS}/{row.run}"

    return [
        Column(key="payer_name", title=msgid("Payer"), value=lambda row: row.payer_name),
        Column(key="payee_name", title=msgid("Payee"), value=lambda row: row.payee_name),
        money("amount_fen", msgid("Amount")),
        Column(key="since", title=msgid("Came in on"), value=lambda row: row.since, kind="moment"),
        Column(key="run", title=msgid("Run"), value=lambda row: row.run, kind="code", href=href),
    ]


def overdue_columns() -> list[Column[OverdueRow]]:
    """Return the columns of what is not paid after its day."""

    def href(row: OverdueRow) -> str:
        return f"/bureau/schools/{row.payer_code}/statements/{row.month:%Y-%m}"

    return [
        Column(key="payer_name", title=msgid("Payer"), value=lambda row: row.payer_name),
        Column(
            key="month", title=msgid("Period"), value=lambda row: row.month, kind="month", href=href
        ),
        Column(key="due_on", title=msgid("Due on"), value=lambda row: row.due_on, kind="day"),
        number("days", msgid("Days late")),
        money("due_fen", msgid("Due"), href=href),
        money("open_fen", msgid("Not paid yet")),
    ]
