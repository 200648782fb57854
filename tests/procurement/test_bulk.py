"""Bulk purchase: requested and signed by a bureau, billed by school, declined by a school (R24)."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import pytest

from kernel.actors import Role
from kernel.clock import FixedClock
from kernel.errors import (
    BudgetExhausted,
    InvalidInput,
    NoBulkRule,
    NotFound,
    OwnInterest,
    Refused,
)
from kernel.outcomes import Fate
from kernel.unit import Units
from procurement.approval_rules import record_approval_rules
from procurement.bulk import BulkRow, preview_bulk, record_bulk, request_bulk
from procurement.bulk_places import Marks, places_of, shared_by_pupils
from procurement.policy import BULK, Threshold
from procurement.verification import verify
from settlement.models import Agreement
from tests.support.bulk_builders import FIRST, LAST, SKU, Buyer, a_buyer, standings
from tests.support.funding_builders import COUNTY, VENDOR
from tests.support.settlement_builders import SYSTEM


@pytest.fixture
def buyer(units: Units, clock: FixedClock) -> Buyer:
    clock.at = datetime(2026, 8, 20, 1, tzinfo=UTC)
    return a_buyer(units)


# Requested and signed


def test_a_bulk_purchase_is_signed_by_somebody_else_of_the_bureau_and_commits_its_own_line(
    buyer: Buyer,
) -> None:
    """R22, R24: maker and checker are two people; the last signature opens one agreement."""
    selection_id = buyer.request(dict.fromkeys(buyer.codes, 1_000), ceiling_fen=2_500)
    with pytest.raises(OwnInterest):
        buyer.sign(selection_id, login="bureau")
    agreement_id = buyer.sign(selection_id)
    with buyer.units(SYSTEM) as unit:
        agreement = unit.session.get_one(Agreement, agreement_id)
        assert agreement.number == f"{COUNTY}-2026-0001"
        assert (agreement.ceiling_fen, agreement.terms["kind"]) == (2_500, "bulk")
    assert standings(buyer, f"{COUNTY}-2026-0001") == [(1_000, 0, 0)] * 3
    assert verify(buyer.units, SYSTEM) == []


def test_a_school_can_not_request_for_others(buyer: Buyer) -> None:
    with (
        pytest.raises(Refused),
        buyer.units(buyer.county.actor(f"principal-{buyer.codes[0]}")) as unit,
    ):
        request_bulk(unit, buyer.wanted({buyer.codes[0]: 1_000}))


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"ceiling_fen": 4_000}, "ceiling_yuan"),
        ({"ceilings": {"3299010101": 0}, "ceiling_fen": 1}, "school_ceiling_yuan"),
        ({"ceilings": {"3299010101": 2_000}, "ceiling_fen": 1_000}, "school_ceiling_yuan"),
        ({"ceilings": {}, "ceiling_fen": 1_000}, "schools"),
    ],
)
def test_ceilings_that_make_no_sense_are_named(
    buyer: Buyer, facts: dict[str, Any], field: str
) -> None:
    """R24: none above that of all, and together they can use up what is committed."""
    with pytest.raises(InvalidInput) as caught:
        buyer.request(**{"ceilings": dict.fromkeys(buyer.codes, 1_000), **facts})
    assert caught.value.facts["field"] == field


def test_a_school_outside_the_bureaus_region_is_not_there(buyer: Buyer) -> None:
    """R49."""
    with pytest.raises(NotFound):
        buyer.request({"9999999999": 1_000})


def test_without_a_table_for_bulk_purchases_nothing_is_requested(buyer: Buyer) -> None:
    """R22: thresholds are tables; those of single selections sign no bulk purchase."""
    buyer.county.rules(Threshold(position=1, role=Role.ACADEMIC, from_amount_fen=0))
    with pytest.raises(NoBulkRule) as caught:
        buyer.request(dict.fromkeys(buyer.codes, 1_000))
    assert "kind=bulk" in str(caught.value)


@pytest.mark.parametrize(
    "threshold",
    [
        Threshold(position=2, role=Role.PRINCIPAL, from_amount_fen=0, kind=BULK),
        Threshold(position=2, role=Role.BUREAU_FINANCE, from_amount_fen=100, kind=BULK),
    ],
)
def test_a_table_for_bulk_purchases_asks_the_bureaus_people_from_the_first_fen(
    buyer: Buyer, threshold: Threshold
) -> None:
    """R22."""
    general = Threshold(position=1, role=Role.ACADEMIC, from_amount_fen=0)
    with (
        pytest.raises(InvalidInput),
        buyer.units(SYSTEM) as unit,
    ):
        record_approval_rules(
            unit, COUNTY, valid_from=date(2026, 8, 1), thresholds=[general, threshold]
        )


def test_a_preview_says_what_would_pay_and_who_signs(buyer: Buyer) -> None:
    """R24: and nothing is written."""
    with buyer.units(buyer.county.actor("bureau")) as unit:
        preview = preview_bulk(unit, buyer.wanted(dict.fromkeys(buyer.codes, 500_000)))
    assert (preview.places, preview.amount_fen) == (3, 1_500_000)
    assert [draw.amount_fen for draw in preview.item.draws] == [1_000_000]
    assert preview.item.short_fen == 500_000
    assert list(preview.signers) == [Role.BUREAU_FINANCE]


def test_the_last_signature_is_refused_by_how_much_the_line_is_short(buyer: Buyer) -> None:
    """R23."""
    selection_id = buyer.request(dict.fromkeys(buyer.codes, 500_000))
    with pytest.raises(BudgetExhausted) as caught:
        buyer.sign(selection_id)
    assert caught.value.facts["short_fen"] == 500_000


def test_a_ceiling_is_shared_by_pupils_to_the_fen(buyer: Buyer) -> None:
    """R24: 100.00 over 100 + 200 + 300 pupils is 16.67 + 33.33 + 50.00."""
    with buyer.units(buyer.county.actor("bureau")) as unit:
        places = places_of(unit, Marks(stage="primary", setting="rural"))
        shares = shared_by_pupils(unit, places, 10_000)
        assert places_of(unit, Marks(stage="senior")) == []
        assert len(places_of(unit, Marks(region_code=COUNTY))) == 3
        assert places_of(unit, Marks(small_rural=True)) == []
    assert list(shares.values()) == [1_667, 3_333, 5_000]


# By list


def a_row(code: str, **facts: Any) -> BulkRow:
    given: dict[str, Any] = {
        "reference": "B-1",
        "vendor_code": VENDOR,
        "sku": SKU,
        "starts_on": FIRST,
        "ends_on": LAST,
        "ceiling_fen": 2_000,
        "reason": "全县数学练习",
        "school_code": code,
        "school_ceiling_fen": 1_000,
    }
    return BulkRow(**{**given, **facts})


def fates(buyer: Buyer, rows: Sequence[BulkRow]) -> list[tuple[Fate, str]]:
    with buyer.units(buyer.county.actor("bureau")) as unit:
        return [(one.fate, one.field) for one in record_bulk(unit, rows)]


def test_a_list_is_a_bulk_purchase_and_the_same_again_a_duplicate(buyer: Buyer) -> None:
    """R24, R32."""
    rows = [a_row(code) for code in buyer.codes]
    assert fates(buyer, rows) == [(Fate.ACCEPTED, "")] * 3
    assert fates(buyer, rows) == [(Fate.DUPLICATE, "")] * 3
    other = [*rows[:2], a_row(buyer.codes[2], school_ceiling_fen=1_001)]
    assert fates(buyer, other) == [(Fate.CONFLICT, "reference")] * 3


def test_each_wrong_row_of_a_list_names_its_field(buyer: Buyer) -> None:
    """R32."""
    rows = [
        a_row(buyer.codes[0]),
        a_row("9999999999"),
        a_row(buyer.codes[0]),
        a_row(buyer.codes[1], school_ceiling_fen=2_001),
        a_row(buyer.codes[2], reason="另一个理由"),
    ]
    assert fates(buyer, rows) == [
        (Fate.ACCEPTED, ""),
        (Fate.REJECTED, "school_code"),
        (Fate.REJECTED, "school_code"),
        (Fate.REJECTED, "school_ceiling_yuan"),
        (Fate.REJECTED, "reference"),
    ]
    alone = a_row(buyer.codes[0], sku="nothing", ceiling_fen=1_000)
    assert fates(buyer, [alone]) == [(Fate.REJECTED, "sku")]
