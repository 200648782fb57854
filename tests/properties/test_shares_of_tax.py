"""However a teacher's dues lie on payers and lines, the tax takes no payer below zero.

Any dues, credits among them, any part of them taxed before, by any table: both ways of payment.
"""

from collections import defaultdict
from decimal import Decimal
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from settlement.dues import Due
from settlement.payments.planned import Plan
from settlement.payments.plans import plan_payments
from settlement.payments.states import PaymentKind, PaymentMethod
from settlement.taxation import Bracket, EarlierIncome, Taxation, WithholdingTable

TEACHER, OTHER = UUID(int=100), UUID(int=101)
PAYERS = [UUID(int=number) for number in (1, 2, 3)]
LINES = [UUID(int=number) for number in range(10, 14)]
MOVES = (PaymentKind.TRANSFER, PaymentKind.ORDER)
AMOUNTS = st.one_of(st.integers(-5, 5), st.integers(-400, 900), st.integers(-90_000, 200_000))

dues = st.dictionaries(
    st.builds(
        Due, st.sampled_from(PAYERS), st.sampled_from([TEACHER, OTHER]), st.sampled_from(LINES)
    ),
    AMOUNTS.filter(bool),
    min_size=1,
    max_size=12,
)
tables = st.builds(
    lambda rate, exempt: WithholdingTable(
        exempt_fen=exempt,
        flat_until_fen=exempt,
        flat_fen=0,
        share=Decimal(0),
        brackets=[Bracket(up_to_fen=None, rate=rate, quick_fen=0)],
    ),
    st.decimals("0.01", "0.99", places=2),
    st.sampled_from([0, 100]),
)


def planned(
    left: dict[Due, int],
    method: PaymentMethod,
    table: WithholdingTable,
    *,
    earlier_fen: int = 0,
    taxed: dict[Due, int] | None = None,
) -> Plan:
    earlier = {TEACHER: EarlierIncome(income_fen=earlier_fen, tax_fen=0)}
    taxation = Taxation(version="v", table=table, earlier=earlier)
    return plan_payments(left, method=method, taxation=taxation, taxed=taxed)


def sums(plan: Plan, *kinds: PaymentKind) -> dict[tuple[UUID, UUID], int]:
    found: dict[tuple[UUID, UUID], int] = defaultdict(int)
    for one in plan.payments:
        if one.kind in kinds:
            found[one.payer_id, one.payee_id] += one.amount_fen
    return found


@given(
    left=dues,
    method=st.sampled_from(PaymentMethod),
    table=tables,
    earlier_fen=st.integers(0, 100_000),
    taxed=st.dictionaries(
        st.builds(Due, st.sampled_from(PAYERS), st.just(TEACHER), st.sampled_from(LINES)),
        st.integers(-10, 300),
        max_size=4,
    ),
)
def test_shares_of_a_tax_add_up_and_take_no_pair_below_zero(
    left: dict[Due, int],
    method: PaymentMethod,
    table: WithholdingTable,
    earlier_fen: int,
    taxed: dict[Due, int],
) -> None:
    """R64: to the fen; each payer withholds within what it pays in all."""
    plan = planned(left, method, table, earlier_fen=earlier_fen, taxed=taxed)
    whole = planned(left, method, table)
    nets = sums(whole, *MOVES, PaymentKind.WITHHOLDING)
    taxes = sums(plan, PaymentKind.WITHHOLDING)

    assert sums(plan, *MOVES, PaymentKind.WITHHOLDING) == nets, "the tax changes who pays nothing"
    assert sum(taxes.values()) == sum(one.tax_fen for one in plan.withheld.values())
    assert all(
        payee_id == TEACHER and 0 < fen <= nets[payer_id, payee_id]
        for (payer_id, payee_id), fen in taxes.items()
    )
    settled: dict[Due, int] = defaultdict(int)
    before: dict[Due, int] = defaultdict(int)
    for one in plan.payments:
        assert one.amount_fen > 0
        if one.kind is PaymentKind.COLLECTION:
            continue
        assert sum(fen for _, fen in one.items) == one.amount_fen
        for line_id, fen in one.items:
            due = Due(one.payer_id, one.payee_id, line_id)
            settled[due] += fen
            untaxed = one.taxed_before.get(line_id, 0)
            assert 0 <= untaxed <= max(0, fen)
            before[due] += untaxed
    assert {due: fen for due, fen in settled.items() if fen} == {
        due: fen
        for due, fen in left.items()
        if (due.payer_id, due.payee_id) in nets and (method is PaymentMethod.GATEWAY or fen > 0)
    }
    assert all(fen <= max(0, taxed.get(due, 0)) for due, fen in before.items())
    income = sum(one.income_fen for one in plan.withheld.values())
    paid = sum(fen for (_, payee_id), fen in nets.items() if payee_id == TEACHER)
    assert income == paid - sum(before.values())
