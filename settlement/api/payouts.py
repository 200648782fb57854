"""`/api/v1/payouts`: what payees were paid, each adding up to its lines; nothing is changed here.

A vendor sees its own, a bureau those of the payers of its subtree; whom a run left out its bureau.
"""

from datetime import date, datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import get
from litestar.params import FromPath, FromQuery, QueryParameter

from kernel.actors import Role
from kernel.clock import show_month
from kernel.http.callers import Callers
from kernel.http.pages import only
from kernel.http.problems import AnyRequest
from settlement.payout_models import Withholding
from settlement.queries.left_out import left_out_of_run
from settlement.queries.payments import payment_run
from settlement.queries.payouts import (
    PayoutRow,
    lines_of_payout,
    payout,
    payouts_after,
    withholding_of,
)

READERS: Final = only(Role.VENDOR_MANAGER, Role.BUREAU_FINANCE, Role.AUDITOR, Role.OPERATOR)
OF_BUREAUS: Final = only(Role.BUREAU_FINANCE, Role.AUDITOR, Role.OPERATOR)
Limit = Annotated[int, QueryParameter(ge=1, le=200)]


class PartyAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A payer or a payee."""

    code: str
    name: str


class LeftOutAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What of a payer's due to a payee is in no payment of a run, in fen, and why.

    Below zero what is set off later. The platform as a payee has neither code nor name.
    """

    payer: PartyAnswer
    payee: PartyAnswer
    amount_fen: int
    because: str


class BankAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The payout to the payee's bank that carried it on."""

    key: str
    state: str
    arrives_on: date | None


class PayoutAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A payout, amounts in fen: gross less what was withheld is its amount."""

    id: UUID
    key: str
    run: str
    period: str
    method: str
    kind: str
    payer: PartyAnswer
    payee: PartyAnswer
    gross_fen: int
    withheld_fen: int
    amount_fen: int
    paid_fen: int
    state: str
    failure: str
    settled_at: datetime | None
    bank: BankAnswer | None


class PayoutPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of payouts, the oldest first; `next` is the cursor of the following page."""

    items: list[PayoutAnswer]
    next: UUID | None


class PayoutLineAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What of a payout is of one agreement's month of use and one funding line, in fen."""

    agreement: str
    title: str
    of_month: str
    fiscal_year: int
    source: str
    amount_fen: int


class WithholdingAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """How the tax of a teacher's payments of one run came about, over the month, in fen."""

    month: str
    version: str
    earlier_fen: int
    earlier_tax_fen: int
    income_fen: int
    tax_fen: int
    steps: dict[str, Any]


class PayoutStatement(PayoutAnswer, frozen=True, kw_only=True):
    """One payout with its lines, which add up to its gross amount."""

    lines: list[PayoutLineAnswer]
    withholding: WithholdingAnswer | None


@get(
    "/payouts",
    opt=READERS,
    sync_to_thread=True,
    operation_id="listPayouts",
    summary="List payouts",
)
def list_payouts(
    request: AnyRequest,
    callers: Callers,
    *,
    after: FromQuery[UUID | None] = None,
    limit: Limit = 50,
    run: FromQuery[str] = "",
    payout_state: Annotated[str, QueryParameter(name="state")] = "",
) -> PayoutPage:
    """Answer a page of what the caller sees, the oldest first; of one run or state if asked."""
    with callers.open(request) as unit:
        rows = payouts_after(unit, after=after, limit=limit + 1, run=run, state=payout_state)
        shown = rows[:limit]
        more = shown[-1].id if len(rows) > limit else None
        return PayoutPage(items=[PayoutAnswer(**_members(row)) for row in shown], next=more)


@get(
    "/payouts/{key:str}",
    opt=READERS,
    sync_to_thread=True,
    operation_id="getPayout",
    summary="One payout with its lines",
)
def get_payout(request: AnyRequest, callers: Callers, key: FromPath[str]) -> PayoutStatement:
    """Answer one payout by its key, with the lines that add up to it and the tax withheld."""
    with callers.open(request) as unit:
        row = payout(unit, key)
        lines = lines_of_payout(unit, row.id)
        return PayoutStatement(
            **_members(row),
            lines=[
                PayoutLineAnswer(
                    agreement=one.agreement,
                    title=one.title,
                    of_month=show_month(one.of_month),
                    fiscal_year=one.fiscal_year,
                    source=one.source,
                    amount_fen=one.amount_fen,
                )
                for one in lines
            ],
            withholding=_withholding(withholding_of(unit, row)),
        )


@get(
    "/payment-runs/{run:str}/left-out",
    opt=OF_BUREAUS,
    sync_to_thread=True,
    operation_id="listLeftOut",
    summary="Whom a payment run left out, and why",
)
def list_left_out(request: AnyRequest, callers: Callers, run: FromPath[str]) -> list[LeftOutAnswer]:
    """Answer what was due, set off or disputed and is in none of the run's payments."""
    with callers.open(request) as unit:
        payment_run(unit, run)
        return [
            LeftOutAnswer(
                payer=PartyAnswer(code=row.payer_code, name=row.payer_name),
                payee=PartyAnswer(code=row.payee_code, name=row.payee_name),
                amount_fen=row.amount_fen,
                because=row.because,
            )
            for row in left_out_of_run(unit, run)
        ]


HANDLERS: Final = (list_payouts, get_payout, list_left_out)


def _withholding(found: Withholding | None) -> WithholdingAnswer | None:
    if found is None:
        return None
    return WithholdingAnswer(
        month=show_month(found.month),
        version=found.version,
        earlier_fen=found.earlier_fen,
        earlier_tax_fen=found.earlier_tax_fen,
        income_fen=found.income_fen,
        tax_fen=found.tax_fen,
        steps=found.steps,
    )


def _members(row: PayoutRow) -> dict[str, Any]:
    bank = None
    if row.bank_key:
        bank = BankAnswer(key=row.bank_key, state=row.bank_state, arrives_on=row.bank_arrives_on)
    return {
        **{name: getattr(row, name) for name in PLAIN},
        "period": show_month(row.month),
        "payer": PartyAnswer(code=row.payer_code, name=row.payer_name),
        "payee": PartyAnswer(code=row.payee_code, name=row.payee_name),
        "bank": bank,
    }


PLAIN: Final = (
    *("id", "key", "run", "method", "kind", "gross_fen", "withheld_fen", "amount_fen"),
    *("paid_fen", "state", "failure", "settled_at"),
)
