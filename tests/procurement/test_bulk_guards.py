"""Who uses a bulk agreement: what the database refuses, and what `verify` finds all the same."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from kernel.clock import FixedClock
from kernel.unit import Units
from procurement.verification import verify
from tests.support.bulk_builders import Buyer, a_buyer, on
from tests.support.settlement_builders import SYSTEM

SCHOOL_BY_HAND = (
    "INSERT INTO agreement_school (agreement_id, school_id, ceiling_fen) "
    "SELECT a.id, o.id, 900 FROM agreement a, organisation o "
    "WHERE a.number = :number AND o.code = :code"
)


@pytest.fixture
def buyer(units: Units, clock: FixedClock) -> Buyer:
    clock.at = datetime(2026, 8, 20, 1, tzinfo=UTC)
    return a_buyer(units)


def for_two(buyer: Buyer) -> str:
    return buyer.bought(dict.fromkeys(buyer.codes[:2], 500), ceiling_fen=1_000)


def by_hand(buyer: Buyer, *statements: str, **values: Any) -> None:
    with buyer.units(SYSTEM) as unit:
        for statement in statements:
            assert unit.session.execute(text(statement), values).rowcount


def planted(buyer: Buyer, *statements: str, **values: Any) -> list[str]:
    """Write by hand what the database refuses, and return what `verify` finds then."""
    by_hand(buyer, "SET LOCAL session_replication_role = replica", *statements, **values)
    return verify(buyer.units, SYSTEM)


# Schools


def test_no_school_comes_to_an_agreement_by_hand(buyer: Buyer) -> None:
    """R24, R59: neither alone nor after a touch of the agreement's own row."""
    number = for_two(buyer)
    for before in ((), ("UPDATE agreement SET state = state",)):
        with pytest.raises(DBAPIError, match="it was opened without"):
            by_hand(buyer, *before, SCHOOL_BY_HAND, number=number, code=buyer.codes[2])
    assert verify(buyer.units, SYSTEM) == []


def test_a_school_that_nobody_signed_for_is_named(buyer: Buyer, clock: FixedClock) -> None:
    """R24, R50: its days are no change's, and its uses were paid."""
    number = for_two(buyer)
    clock.at = on(9, 20)
    found = planted(buyer, SCHOOL_BY_HAND, number=number, code=buyer.codes[2])
    (one,) = found
    assert one == (
        f"agreement {number}: school {buyer.codes[2]} uses it, with a ceiling of 9.00, "
        "and nobody signed for it"
    )


def test_a_school_that_is_gone_and_a_ceiling_of_its_own_are_named(buyer: Buyer) -> None:
    """R24, R50."""
    number = for_two(buyer)
    ceiling, gone = planted(
        buyer,
        "UPDATE agreement_school SET ceiling_fen = 600 FROM organisation o "
        "WHERE o.id = school_id AND o.code = :raised",
        "DELETE FROM agreement_school USING organisation o "
        "WHERE o.id = school_id AND o.code = :gone",
        raised=buyer.codes[0],
        gone=buyer.codes[1],
    )
    assert ceiling == (
        f"agreement {number}: ceiling of school {buyer.codes[0]} is 6.00, "
        "what was signed and changed makes 5.00"
    )
    assert gone == f"agreement {number}: school {buyer.codes[1]} was signed for, but is not in it"
