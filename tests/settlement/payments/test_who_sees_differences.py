"""Who sees what differs from the gateway: a bureau its subtree's, the operator what is nobody's."""

import pytest
from sqlalchemy import select, text

from kernel.actors import Actor, Role
from kernel.clock import FixedClock
from kernel.errors import Refused
from kernel.identity.regions import RegionRow, record_regions
from kernel.unit import Units
from settlement.payment_models import Payment
from settlement.payments.reconciliation import Difference, Differs, last_look, reconcile, watch
from settlement.payments.sandbox_store import Store
from tests.support.builders import a_bureau, a_person, took
from tests.support.payment_builders import Payables, paid, payables, practice
from tests.support.settlement_builders import MARCH, SYSTEM

OF_A_RUN = [Differs.OTHER_AMOUNT] * 2
NOBODYS = [Differs.NOT_OURS, Differs.PAYEE_BALANCE, Differs.BALANCE]


@pytest.fixture
def owed(units: Units) -> Payables:
    return payables(units)


def plant(units: Units, owed: Payables) -> None:
    """Change the gateway's books of a run that was paid: transfers, a stray movement, a payee's."""
    with units(SYSTEM) as unit:
        unit.session.execute(
            text(
                "UPDATE sandbox_object SET body = jsonb_set(body, '{amount}', '-1') "
                "WHERE kind = 'balance_transaction' AND body->>'type' = 'transfer'"
            )
        )
        stray = Store(unit).add("charge", metadata={}, payment_intent=None)
        Store(unit).book("payment", 77, stray["id"])
        account = unit.session.scalars(
            text(
                "SELECT gateway_id FROM gateway_party WHERE role = 'payee' "
                "AND organisation_id = :payee"
            ),
            {"payee": owed.other.id},
        ).one()
        Store(unit).of(account).book("payment", 5, stray["id"])


def elsewhere(units: Units, role: Role) -> Actor:
    """Return somebody of a bureau beside the one that pays."""
    with units(SYSTEM) as unit:
        took(record_regions(unit, [RegionRow(code="990122", name="邻县")]))
        return a_person(unit, a_bureau(unit, region_code="990122"), [role])


def of_bureau(units: Units, owed: Payables, role: Role) -> Actor:
    with units(SYSTEM) as unit:
        return a_person(unit, owed.market.bureau, [role])


def kinds(found: list[Difference]) -> list[Differs]:
    return [one.kind for one in found]


def test_a_bureau_sees_what_differs_of_its_own_runs_alone(units: Units, owed: Payables):
    """R49: neither keys nor amounts of another's; what is nobody's is the operator's."""
    _, gateway = practice(units)
    paid(units, owed, gateway)
    plant(units, owed)

    assert kinds(reconcile(units, SYSTEM, gateway, MARCH)) == [NOBODYS[0], *OF_A_RUN, *NOBODYS[1:]]
    assert kinds(reconcile(units, owed.maker, gateway, MARCH)) == OF_A_RUN
    assert reconcile(units, elsewhere(units, Role.BUREAU_FINANCE), gateway) == []
    operator = of_bureau(units, owed, Role.OPERATOR)
    assert kinds(reconcile(units, operator, gateway)) == [NOBODYS[0], *OF_A_RUN, *NOBODYS[1:]]
    other_operator = elsewhere(units, Role.OPERATOR)
    assert kinds(reconcile(units, other_operator, gateway)) == NOBODYS


def test_what_a_bank_took_back_is_told_to_the_payers_bureau(units: Units, owed: Payables):
    sandbox, gateway = practice(units)
    paid(units, owed, gateway)
    with units(SYSTEM) as unit:
        intent = unit.session.scalars(
            select(Payment.gateway_id).where(Payment.kind == "collection")
        ).one()
    sandbox.dispute(str(intent))
    (unknown,) = [
        one for one in reconcile(units, SYSTEM, gateway) if one.kind is not Differs.BALANCE
    ]
    assert unknown.kind is Differs.MISSING_HERE
    assert reconcile(units, owed.maker, gateway) == []  # no book of ours says whose it is

    sandbox.deliver()
    with units(SYSTEM) as unit:
        unit.session.execute(
            text(
                "UPDATE sandbox_object SET body = jsonb_set(body, '{amount}', '-1') "
                "WHERE kind = 'balance_transaction' AND body->>'type' = 'adjustment'"
            )
        )
    (told,) = reconcile(units, owed.maker, gateway)
    assert (told.kind, told.key) == (Differs.OTHER_AMOUNT, unknown.key)
    assert reconcile(units, elsewhere(units, Role.AUDITOR), gateway) == []


def test_the_daily_look_is_kept_and_told_to_each_reader(
    units: Units, owed: Payables, clock: FixedClock
):
    """R59: when it was and what differed, by the same rule as what is asked just now."""
    with units(owed.maker) as unit:
        assert last_look(unit) is None
    _, gateway = practice(units)
    paid(units, owed, gateway)
    watch(units, SYSTEM, gateway)
    with units(owed.maker) as unit:
        agreed = last_look(unit)
    assert agreed is not None and agreed.differences == []

    plant(units, owed)
    watch(units, SYSTEM, gateway)
    found = reconcile(units, SYSTEM, gateway)
    with units(SYSTEM) as unit:
        look = last_look(unit)
    assert look is not None and look.differences == found
    with units(owed.maker) as unit:
        own = last_look(unit)
    assert own is not None and kinds(own.differences) == OF_A_RUN
    with units(elsewhere(units, Role.AUDITOR)) as unit:
        others = last_look(unit)
    assert others is not None and others.differences == []
    with units(owed.market.finance) as unit, pytest.raises(Refused):
        last_look(unit)


@pytest.mark.parametrize("kind", list(Differs))
def test_a_difference_is_read_as_it_was_told(kind: Differs):
    one = Difference(kind=kind, key="P-1:transfer:X: ours 1", ours_fen=-3, theirs_fen=12)
    assert Difference.read(str(one)) == one
