"""Late money: what payers paid though the gateway had called it declined, and waits for a person.

It lies at the gateway, and its transfers count as paid: what they would pay is not due, or is set
off against what the payee is due next where another run has paid it (ADR 0054).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ScalarSelect, exists, func, select
from sqlalchemy.orm import aliased

from kernel.identity.models import Organisation
from kernel.unit import Unit
from settlement.payment_models import Payment, PaymentRun
from settlement.queries.statements import visible_payers

Payer = aliased(Organisation, name="late_payer")
Payee = aliased(Organisation, name="late_payee")
Side = aliased(Payment, name="late_side")
Undone = aliased(Payment, name="late_undone")


@dataclass(frozen=True, kw_only=True, slots=True)
class LateRow:
    """What waits for one payee, in fen: from whom, since when, and in which run to act on it."""

    payer_name: str
    payee_name: str
    amount_fen: int
    since: datetime
    run: str


def late_money(unit: Unit) -> ScalarSelect[Any]:
    """Select what waits of the actor's payers as one value, the oldest first; see `read_late`."""
    goes_back = exists().where(
        Undone.undoes_id == Payment.id, Undone.state.not_in(("failed", "withdrawn"))
    )
    rows = (
        select(
            Payer.name.label("payer_name"),
            Payee.name.label("payee_name"),
            Payment.amount_fen,
            Side.settled_at.label("since"),
            PaymentRun.number.label("run"),
        )
        .join(PaymentRun, PaymentRun.id == Payment.run_id)
        .join(Side, (Side.run_id == Payment.run_id) & (Side.payer_id == Payment.payer_id))
        .join(Payer, Payer.id == Payment.payer_id)
        .join(Payee, Payee.id == Payment.payee_id)
        .where(
            Payment.kind == "transfer",
            Payment.state == "failed",
            Payment.failure == "paid-late",
            Side.kind == "collection",
            Side.state == "paid",
            ~goes_back,
            Payment.payer_id.in_(visible_payers(unit)),
        )
        .order_by(Side.settled_at, Payment.key)
        .subquery("late")
    )
    return select(func.json_agg(func.row_to_json(rows.table_valued()))).scalar_subquery()


def read_late(found: Sequence[Mapping[str, Any]] | None) -> list[LateRow]:
    """Return the rows that `late_money` selected."""
    return [
        LateRow(**{**row, "since": datetime.fromisoformat(row["since"])}) for row in found or ()
    ]
