"""A posted month that is to be paid: two vendors, two funding lines, two finance people, a gateway.

The first vendor is owed out of one line, the second out of both; the sandbox carries the money.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import func, select

from kernel.actors import Actor, Role
from kernel.clock import Month
from kernel.identity.models import NATION, Organisation
from kernel.ids import FundingLineId
from kernel.outcomes import Fate
from kernel.unit import Unit, Units
from settlement.agreements import Draw
from settlement.closing import settle
from settlement.funding_lines import issue_amount, open_line
from settlement.ledger.models import Account, Leg
from settlement.ledger.posting import INSTALLATION, AccountKind
from settlement.payment_models import Payment
from settlement.payments.bank_accounts import BankAccountRow, record_bank_accounts
from settlement.payments.engine import pay_run
from settlement.payments.opening import SANDBOX_KEY, open_sandbox
from settlement.payments.parties import know_payees
from settlement.payments.runs import propose_run, release_run
from settlement.payments.sandbox import Sandbox
from settlement.payments.states import PaymentMethod, RunPurpose
from settlement.payments.stripe_gateway import StripeGateway
from settlement.payments.webhooks import receive
from settlement.queries.recoveries import planned_payers
from settlement.rate_recording import record_table
from settlement.rate_tables import RateKind
from tests.support.builders import a_person, a_resource, a_vendor
from tests.support.settlement_builders import (
    MARCH,
    SYSTEM,
    Market,
    a_market,
    a_use,
    an_agreement,
    at,
    confirm_all,
    deliver,
)
from tests.support.worlds import a_world

TOTAL_FEN = 1_033 + 800
"""31 uses at 0.3333 and 8 at 1.00 yuan."""
FEE_FEN, HELD_FEN = 52 + 40, 51 + 40
"""What the platform gets of them, and what is held back."""


@dataclass(frozen=True, slots=True)
class Payables:
    """A county whose March is posted; `maker` proposes, `checker` releases."""

    market: Market
    other: Organisation
    other_line_id: FundingLineId
    maker: Actor
    checker: Actor

    @property
    def payees(self) -> tuple[UUID, UUID]:
        return self.market.vendor.id, self.other.id


@a_world
def payables(units: Units, *, retention_rate: str = "0.0500") -> Payables:
    """Build it: the other vendor's 8.00 yuan are drawn 3.00 from one line, 5.00 from the other."""
    market = a_market(units, terms={"retention_rate": retention_rate})
    with units(SYSTEM) as unit:
        other = a_vendor(unit)
        resource_id = a_resource(unit, other, "SKU-2", unit_price="1.0000")
        line_id = open_line(unit, market.school.id, fiscal_year=2026, source="surcharge")
        issue_amount(unit, line_id, amount_fen=500, key="test:surcharge", memo="allocation")
        an_agreement(
            unit,
            market.school,
            vendor_id=other.id,
            resource_id=resource_id,
            draws=[Draw(market.line_id, 300), Draw(line_id, 500)],
            unit_price="1.0000",
            reference="A-2",
            terms={"retention_rate": retention_rate},
        )
        for vendor in (market.vendor, other):
            a_bank_account(unit, vendor)
        maker = a_person(unit, market.bureau, [Role.BUREAU_FINANCE])
        checker = a_person(unit, market.bureau, [Role.BUREAU_FINANCE])
    rows = [a_use(units, market, f"u{n}", at(2, 8, n)) for n in range(31)]
    rows += [
        a_use(units, market, f"n{n}", at(5, 8, n), sku="SKU-2", vendor_code=other.code)
        for n in range(8)
    ]
    deliver(units, rows, name="march")
    settle(units, SYSTEM, MARCH)
    confirm_all(units, market)
    settle(units, SYSTEM, MARCH)
    return Payables(market, other, line_id, maker, checker)


def a_bank_account(
    unit: Unit, payee: Organisation, *, number: str = "6222020200001234567", because: str = ""
) -> None:
    """Record where a treasury pays a payee."""
    row = BankAccountRow(
        kind=payee.kind,
        code=payee.code,
        holder=payee.name,
        bank="清江银行青禾支行",
        number=number,
        branch_code="102345678901",
        because=because,
    )
    (outcome,) = record_bank_accounts(unit, [row])
    assert outcome.fate in (Fate.ACCEPTED, Fate.DUPLICATE), outcome


SMALL_TABLE = {
    "exempt_fen": 100,
    "flat_until_fen": 400,
    "flat_fen": 100,
    "share": "0.20",
    "brackets": [
        {"up_to_fen": 300, "rate": "0.20", "quick_fen": 0},
        {"up_to_fen": None, "rate": "0.30", "quick_fen": 30},
    ],
}
"""The published table's shape at a thousandth of its size, for months of a few yuan."""


def sells_as_a_teacher(unit: Unit, vendor: Organisation) -> None:
    """Make a vendor a teacher, of whom tax is withheld, by a table of small amounts."""
    vendor = unit.session.get_one(Organisation, vendor.id)
    vendor.facts = {**vendor.facts, "vendor_kind": "teacher"}
    record_table(
        unit,
        RateKind.WITHHOLDING,
        version="small",
        region_code=NATION,
        valid_from=date(2026, 1, 1),
        source="测试",
        body=SMALL_TABLE,
    )


def practice(units: Units) -> tuple[Sandbox, StripeGateway]:
    """Return the sandbox, which delivers its messages to us, and the SDK's gateway to it."""
    sandbox: Sandbox = open_sandbox(units)
    gateway = StripeGateway.connect(
        units.settings, key=SANDBOX_KEY, secret=sandbox.secret, session=sandbox.session()
    )

    def take(body: bytes, signature: str) -> int:
        receive(units, gateway, body, signature)
        return 200

    sandbox.receive = take
    return sandbox, gateway


def proposed(
    units: Units,
    owed: Payables,
    *,
    method: PaymentMethod = PaymentMethod.GATEWAY,
    purpose: RunPurpose = RunPurpose.PAY,
    month: Month = MARCH,
) -> str:
    """Propose to pay a month, or to take back, as the maker."""
    with units(owed.maker) as unit:
        return propose_run(unit, month, method=method, purpose=purpose)


def released(
    units: Units,
    owed: Payables,
    *,
    method: PaymentMethod = PaymentMethod.GATEWAY,
    purpose: RunPurpose = RunPurpose.PAY,
    month: Month = MARCH,
) -> str:
    """Propose and release a run, each by its own person."""
    number = proposed(units, owed, method=method, purpose=purpose, month=month)
    with units(owed.checker) as unit:
        release_run(unit, number)
    return number


def paid(units: Units, owed: Payables, gateway: StripeGateway) -> str:
    """Pay what is due to its end; return the run's number."""
    know_payees(units, SYSTEM, gateway)
    number = released(units, owed)
    pay_run(units, SYSTEM, gateway, number)
    return number


def balance(units: Units, owner_id: UUID, kind: AccountKind) -> int:
    """Return what an account holds by its legs, debits less credits."""
    with units(SYSTEM) as unit:
        signed = func.coalesce(func.sum(Leg.amount_fen).filter(Leg.side == "D"), 0) - func.coalesce(
            func.sum(Leg.amount_fen).filter(Leg.side == "C"), 0
        )
        return int(
            unit.session.scalar(
                select(signed)
                .join(Account, Account.id == Leg.account_id)
                .where(Account.owner_id == owner_id, Account.kind == kind)
            )
            or 0
        )


def held_at_gateway(units: Units) -> int:
    return balance(units, INSTALLATION, AccountKind.GATEWAY)


def collected_again(units: Units, payer_id: UUID) -> tuple[int, int, int]:
    """Return what a payer owes of lost disputes and no run asks for, what runs ask, what came.

    Less what goes back of it.
    """
    with units(SYSTEM) as unit:
        owed = next((one.debt_fen for one in planned_payers(unit) if one.id == payer_id), 0)
        again = unit.session.scalars(
            select(Payment).where(
                Payment.kind.in_(("recovery", "recovery_return")), Payment.payer_id == payer_id
            )
        ).all()
    over = ("failed", "returned", "withdrawn")
    signed = [(1 if one.kind == "recovery" else -1, one) for one in again]
    asked = sum(sign * one.amount_fen for sign, one in signed if one.state not in over)
    return owed, asked, sum(sign * one.paid_fen for sign, one in signed)


def payment_states(units: Units) -> dict[str, str]:
    """Return the state of each payment by its kind and payee, as `transfer:…code`."""
    with units(SYSTEM) as unit:
        rows = unit.session.execute(select(Payment.key, Payment.state).order_by(Payment.key))
        return {":".join(key.split(":")[1:]): state for key, state in rows}


@contextmanager
def dying(target: object, name: str, error: BaseException) -> Iterator[None]:
    """Have a function of a module die instead of being called, as a killed process does."""
    original = getattr(target, name)

    def die(*_args: object, **_kwargs: object) -> None:
        raise error

    setattr(target, name, die)
    try:
        yield
    finally:
        setattr(target, name, original)
