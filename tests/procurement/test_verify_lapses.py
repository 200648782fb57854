"""What `verify` finds when a lapse gives a budget back something else than it gave (R20, R50)."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from uuid import UUID

import pytest

from kernel.clock import FixedClock
from kernel.unit import Units
from procurement.verification import verify
from settlement import issues, line_ends
from settlement.ledger.posting import Entry
from tests.procurement.golden.test_funding_cases import SYSTEM, at, budget_of, end
from tests.support.funding_builders import SCHOOL, CountyBuilder, a_county, a_selection
from tests.support.year_builders import settled, used

KEY = f"lapse:{SCHOOL}:2026:per_student"
Given = Mapping[UUID, int]


@pytest.fixture
def january(units: Units, clock: FixedClock) -> CountyBuilder:
    """650,000 fen issued, 150 of them drawn in December 2026, which is settled."""
    county = a_county(units)
    county.issue()
    county.select(
        a_selection(starts_on=date(2026, 11, 1), ends_on=date(2026, 12, 31), ceiling_fen=10_000)
    )
    county.sign_as(*(f"{role}-{SCHOOL}" for role in ("academic", "school_finance", "principal")))
    clock.at = at(2027, 1, 5)
    used(county, at(2026, 12, 30), at(2026, 12, 31, 23))
    clock.at = at(2027, 1, 20)
    settled(county, "2026-12")
    clock.at = at(2027, 5, 2)
    return county


@pytest.mark.parametrize(
    ("shown", "is_wrong"),
    [
        (lambda given: {}, True),
        (lambda given: dict.fromkeys(given, 1), True),
        (lambda given: given, False),
    ],
    ids=["nothing", "one fen", "all"],
)
def test_a_lapse_that_its_budget_did_not_get_back_is_named(
    january: CountyBuilder,
    units: Units,
    monkeypatch: pytest.MonkeyPatch,
    shown: Callable[[Given], Given],
    is_wrong: bool,
) -> None:
    """R20, R50: whatever lapses of what a budget gave is in its treasury."""

    def entries(line_id: UUID, amount_fen: int, given: Given) -> Sequence[Entry]:
        return issues.lapse_entries(line_id, amount_fen, shown(given))

    monkeypatch.setattr(line_ends, "lapse_entries", entries)
    lapsed_fen = end(january)[3]
    found = verify(units, SYSTEM)
    treasury_fen = budget_of(january).treasury_fen
    assert (treasury_fen < lapsed_fen) == is_wrong
    assert bool(found) == is_wrong
    if is_wrong:
        (one,) = found
        assert one.startswith("lapse:") and "per_student should get back 6,4" in one
