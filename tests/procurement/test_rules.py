"""The per-student formula (R15): worked cases, and what must hold for any school."""

import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procurement.funding.rules import (
    Floor,
    Headcount,
    QuotaKey,
    QuotaKind,
    Term,
    entitlement,
    exact_text,
    line_amount,
    needed_quotas,
)

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.json"))
STAGES = ("primary", "junior")


def headcount_of(counted: dict[str, Any]) -> Headcount:
    return Headcount(**counted)


def quotas_of(given_fen: dict[str, int]) -> dict[QuotaKey, int]:
    quotas = {}
    for name, fen in given_fen.items():
        kind, _, stage = name.partition("/")
        quotas[(QuotaKind(kind), stage)] = fen
    return quotas


@pytest.mark.parametrize("path", GOLDEN, ids=[path.stem for path in GOLDEN])
def test_worked_case_comes_out_to_the_fen(path: Path) -> None:
    """R15: each case was computed by hand; its arithmetic stands in the file."""
    case = json.loads(path.read_text(encoding="utf-8"))
    quotas, floor = quotas_of(case["quotas_fen"]), Floor(**case["floor"])
    amounts = []
    for place in case["places"]:
        place_floor = floor if place["small_rural"] else None
        of_place = [
            entitlement(headcount_of(place[term]), quotas, floor=place_floor).exact_fen
            for term in Term
        ]
        assert exact_text(sum(of_place, Fraction(0))) == place["entitlement_fen"], place["code"]
        amounts += of_place
    exact, line_fen = line_amount(amounts, Decimal(case["digital_share"]))
    assert (exact_text(exact), line_fen) == (case["exact_fen"], case["line_fen"])


def test_steps_name_every_product_of_the_sum() -> None:
    headcount = Headcount(enrolled={"junior": 10, "primary": 30}, boarding=5, heating=2, special=1)
    floor = Floor(pupils=100, short_stage="primary")
    quotas = {
        (QuotaKind.BASE, "primary"): 65_000,
        (QuotaKind.BASE, "junior"): 85_000,
        (QuotaKind.BOARDING, ""): 20_000,
        (QuotaKind.HEATING, ""): 10_000,
        (QuotaKind.SPECIAL, ""): 600_000,
    }
    steps = entitlement(headcount, quotas, floor=floor).steps
    assert [(step.kind, step.stage, step.pupils, step.amount_fen) for step in steps] == [
        ("base", "primary", 30, 1_950_000),
        ("base", "junior", 10, 850_000),
        ("shortfall", "primary", 60, 3_900_000),
        ("boarding", "", 5, 100_000),
        ("heating", "", 2, 20_000),
        ("special", "", 1, 600_000),
    ]
    assert needed_quotas(headcount, floor) == list(quotas)


def test_a_quota_without_pupils_is_not_needed() -> None:
    nobody_heats = Headcount(enrolled={"primary": 120, "junior": 0})
    floor = Floor(pupils=100, short_stage="junior")
    assert needed_quotas(nobody_heats, floor) == [(QuotaKind.BASE, "primary")]


pupils = st.integers(min_value=0, max_value=5_000)
headcounts = st.builds(
    Headcount,
    enrolled=st.dictionaries(st.sampled_from(STAGES), pupils),
    boarding=pupils,
    heating=pupils,
    special=pupils,
)
fen = st.integers(min_value=0, max_value=2_000_000)
all_quotas = st.fixed_dictionaries(
    {
        (QuotaKind.BASE, "primary"): fen,
        (QuotaKind.BASE, "junior"): fen,
        (QuotaKind.BOARDING, ""): fen,
        (QuotaKind.HEATING, ""): fen,
        (QuotaKind.SPECIAL, ""): fen,
    }
)
floors = st.builds(
    Floor, pupils=st.integers(min_value=0, max_value=300), short_stage=st.sampled_from(STAGES)
)
shares = st.integers(min_value=0, max_value=10_000).map(lambda n: Decimal(n) / 10_000)


@given(headcount=headcounts, quotas=all_quotas, floor=st.none() | floors)
def test_entitlement_is_the_formula_of_r15(
    headcount: Headcount, quotas: dict[QuotaKey, int], floor: Floor | None
) -> None:
    enrolled = sum(headcount.enrolled.values())
    whole_year = (
        sum(n * quotas[(QuotaKind.BASE, stage)] for stage, n in headcount.enrolled.items())
        + headcount.boarding * quotas[(QuotaKind.BOARDING, "")]
        + headcount.heating * quotas[(QuotaKind.HEATING, "")]
        + headcount.special * quotas[(QuotaKind.SPECIAL, "")]
    )
    if floor is not None:
        short = max(0, floor.pupils - enrolled)
        whole_year += short * quotas[(QuotaKind.BASE, floor.short_stage)]
    assert entitlement(headcount, quotas, floor=floor).exact_fen == Fraction(whole_year, 2)


@given(headcount=headcounts, quotas=all_quotas, floor=floors)
def test_the_mark_never_costs_a_school_anything(
    headcount: Headcount, quotas: dict[QuotaKey, int], floor: Floor
) -> None:
    marked = entitlement(headcount, quotas, floor=floor).exact_fen
    assert marked >= entitlement(headcount, quotas, floor=None).exact_fen


@given(
    places=st.lists(st.tuples(headcounts, st.none() | floors), min_size=1, max_size=6),
    quotas=all_quotas,
    share=shares,
    order=st.randoms(use_true_random=False),
)
def test_a_line_is_rounded_once_whatever_the_order_of_its_places(
    places: list[tuple[Headcount, Floor | None]],
    quotas: dict[QuotaKey, int],
    share: Decimal,
    order: Any,
) -> None:
    amounts = [entitlement(counted, quotas, floor=floor).exact_fen for counted, floor in places]
    exact, line_fen = line_amount(amounts, share)
    shuffled = list(amounts)
    order.shuffle(shuffled)
    assert line_amount(shuffled, share) == (exact, line_fen)
    assert exact == sum(amounts) * Fraction(share)
    assert abs(exact - line_fen) <= Fraction(1, 2)
    assert Fraction(exact_text(exact)) == exact
