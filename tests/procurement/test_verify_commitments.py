"""What `verify` finds when a commitment is not what its agreement's transfers made of it (R50)."""

import pytest
from sqlalchemy import text

from kernel.clock import FixedClock
from kernel.unit import Units
from procurement.verification import verify
from tests.support.agreement_builders import a_signing_market, across, asked, number, signed
from tests.support.settlement_builders import SYSTEM, Market
from tests.support.worlds import a_world


@pytest.fixture
@a_world
def market(units: Units, clock: FixedClock) -> Market:
    """100.00 committed for its own agreement, 5.00 for one across New Year, on one line."""
    market = a_signing_market(units, clock)
    across(units, market, first_fen=500, later_fen=800)
    return market


def plant(units: Units, *statements: str, **values: object) -> list[str]:
    with units(SYSTEM) as unit:
        unit.session.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in statements:
            assert unit.session.execute(text(statement), values).rowcount
    return verify(units, SYSTEM)


def test_a_commitment_moved_from_one_agreement_to_another_is_named(
    units: Units, market: Market
) -> None:
    """R19, R50: the line's sum stays right, and so do the years."""
    school = market.school.code
    found = plant(
        units,
        "UPDATE agreement_draw SET ceiling_fen = ceiling_fen + "
        "CASE ceiling_fen WHEN 500 THEN 9000 ELSE -9000 END",
        "UPDATE agreement_year SET ceiling_fen = ceiling_fen + 9000 WHERE fiscal_year = 2026",
        "UPDATE agreement SET ceiling_fen = ceiling_fen + 9000 WHERE number LIKE '%X-1'",
        "UPDATE agreement SET ceiling_fen = ceiling_fen - 9000 WHERE number LIKE '%A-1'",
    )
    assert found == [
        f"agreement {school}-{reference}, funding line {school} 2026 per_student: its opening "
        f"commits {written}, its transfer moved {moved}"
        for reference, written, moved in (("A-1", "10.00", "100.00"), ("X-1", "95.00", "5.00"))
    ]


def test_a_changes_own_amount_is_compared_with_its_own_transfer(
    units: Units, market: Market
) -> None:
    """R35, R50: what was opened and what was added keep their sum."""
    signed(units, market, asked(units, market, {2026: 12_000}))
    assert verify(units, SYSTEM) == []
    found = plant(units, "UPDATE agreement_change_draw SET amount_fen = 1500")
    assert [one.split(": ", 1)[1] for one in found if "funding line" in one] == [
        "its opening commits 105.00, its transfer moved 100.00",
        "change 1 commits 15.00, its transfer moved 20.00",
    ]


def test_a_ceiling_that_nothing_covers_is_named(units: Units, market: Market) -> None:
    """R19, R50: of a year, of the whole, of what waits."""
    own = number(market)
    (raised,) = plant(
        units, "UPDATE agreement SET ceiling_fen = ceiling_fen + 1 WHERE number = :own", own=own
    )
    assert raised == (
        f"agreement {own}: ceiling 100.01, its years make 100.01; opened with 100.01, "
        "of it 100.00 committed and 0.00 waiting"
    )
    found = plant(
        units, "UPDATE agreement_year SET ceiling_fen = ceiling_fen + 1 WHERE fiscal_year = 2026"
    )
    assert [one for one in found if "ceiling 13.00, its years make 13.01" in one]
