"""What must always hold of money: no fen is lost or made, nothing is rounded twice (R33, R38)."""

from datetime import date
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.errors import InvalidAmount
from kernel.money import (
    capitals,
    parse_fen,
    parse_rate,
    plain_yuan,
    split_by_largest_remainder,
    yuan,
)
from settlement.pricing import Split, price, split
from settlement.rating import Fund, Room, rate
from settlement.school_parts import break_down

fen = st.integers(0, 10**12)
weights = st.lists(st.decimals(0, 1000, places=4), min_size=1, max_size=9).filter(any)
rates = st.decimals(0, Decimal("0.5"), places=4)
school_rates = st.decimals(0, 1, places=4)
prices = st.decimals(0, 1000, places=4)


def terms(
    unit_price: Decimal, fee: Decimal, retention: Decimal, school: Decimal | None = None
) -> dict[str, str]:
    return {
        **({} if school is None else {"school_rate": str(school)}),
        "plan": "per_use",
        "unit_price": str(unit_price),
        "fee_rate": str(fee),
        "retention_rate": str(retention),
    }


@given(fen, weights)
def test_parts_add_up_and_are_within_a_fen_of_their_share(total: int, parts: list[Decimal]) -> None:
    shared = split_by_largest_remainder(total, parts)
    assert sum(shared) == total
    whole = sum(Fraction(part) for part in parts)
    for got, part in zip(shared, parts, strict=True):
        assert abs(got - total * Fraction(part) / whole) < 1


@given(fen, weights)
def test_a_credit_mirrors_its_charge(total: int, parts: list[Decimal]) -> None:
    charge = split_by_largest_remainder(total, parts)
    assert split_by_largest_remainder(-total, parts) == [-part for part in charge]


@given(fen)
def test_an_amount_survives_being_shown_and_read(amount: int) -> None:
    assert parse_fen(yuan(amount)) == amount
    assert parse_fen(plain_yuan(amount)) == amount


@given(
    st.builds(terms, prices, rates, rates, st.none() | school_rates),
    st.integers(0, 10**6),
    fen,
    st.lists(fen, max_size=4),
)
def test_a_line_conserves_every_fen(
    frozen: dict[str, str], quantity: int, ceiling_left: int, committed: list[int]
) -> None:
    funds = [
        Fund(UUID(int=n), amount, fiscal_year=2026, lapses_on=date(2027, 1, 1))
        for n, amount in enumerate(committed)
    ]
    room = Room(ceiling_left, funds)
    rated = rate(frozen, quantity, room=room, last_day=date(2026, 3, 31))

    assert rated.rated_fen == price(frozen, quantity).amount_fen
    assert rated.rated_fen == rated.above_ceiling_fen + rated.amount_fen
    assert rated.amount_fen == rated.drawn_fen + rated.uncovered_fen
    assert rated.amount_fen <= ceiling_left
    shares = rated.shares
    parts = (shares.vendor_fen, shares.school_fen, shares.fee_fen, shares.retention_fen)
    assert rated.drawn_fen == sum(parts)
    assert min(parts) >= 0
    assert rated.drawn_fen == sum(amount for _, amount in rated.draws)
    for line, amount in rated.draws:
        assert 0 < amount <= committed[line.int]
    # A later line pays only when the earlier ones are used up.
    used = dict(rated.draws)
    positions = [n for n in range(len(committed)) if UUID(int=n) in used]
    for earlier in range(max(positions, default=0)):
        assert used.get(UUID(int=earlier), 0) == committed[earlier]


@given(prices, st.integers(0, 10**6))
def test_a_price_is_rounded_once_half_to_even(unit_price: Decimal, quantity: int) -> None:
    exact = Fraction(unit_price) * quantity * 100
    got = price(terms(unit_price, Decimal(0), Decimal(0)), quantity).amount_fen
    assert abs(got - exact) <= Fraction(1, 2)
    if abs(got - exact) == Fraction(1, 2):
        assert got % 2 == 0


@given(fen, st.lists(st.integers(0, 10**6), min_size=1, max_size=20).filter(any))
def test_a_breakdown_adds_up_to_its_line(amount: int, uses: list[int]) -> None:
    parts = break_down(amount, uses)
    assert sum(parts) == amount
    assert all(part == 0 for part, used in zip(parts, uses, strict=True) if used == 0)


def test_zero_rates_leave_everything_to_the_vendor() -> None:
    shares = split(terms(Decimal(1), Decimal(0), Decimal(0)), 12345)
    assert shares == Split(vendor_fen=12345, school_fen=0, fee_fen=0, retention_fen=0)


@given(st.integers(-(10**12), 10**12), rates, rates, school_rates)
def test_every_share_is_within_a_fen_of_its_rate(
    drawn: int, fee: Decimal, retention: Decimal, school: Decimal
) -> None:
    """R38, R40: the four parts add up to what was drawn, a credit's too, at any rates."""
    shares = split(terms(Decimal(1), fee, retention, school), drawn)
    left = 1 - Fraction(fee) - Fraction(retention)
    exact = (
        (shares.vendor_fen, left * (1 - Fraction(school))),
        (shares.school_fen, left * Fraction(school)),
        (shares.fee_fen, Fraction(fee)),
        (shares.retention_fen, Fraction(retention)),
    )
    assert sum(part for part, _ in exact) == drawn
    assert all(abs(part - drawn * rate_of) < 1 for part, rate_of in exact)
    assert split(terms(Decimal(1), fee, retention, school), -drawn) == Split(
        *(-part for part, _ in exact)
    )


@given(fen, rates, rates)
def test_without_a_school_the_shares_are_what_they_were(
    drawn: int, fee: Decimal, retention: Decimal
) -> None:
    weights_of_three = [1 - fee - retention, fee, retention]
    vendor, fee_fen, retention_fen = split_by_largest_remainder(drawn, weights_of_three)
    shares = split(terms(Decimal(1), fee, retention), drawn)
    assert shares == Split(vendor, 0, fee_fen, retention_fen)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1.234", "too-many-decimals"),
        ("-1", "negative"),
        ("abc", "not-a-number"),
        ("", "not-a-number"),
        ("NaN", "not-a-number"),
        ("1e5", "not-a-number"),
        ("1" + 30 * "0", "too-large"),
        # A comma that groups no thousands may be meant as a decimal point.
        *((text, "not-a-number") for text in ("0,02", "1,5", "1,2,3", "12,34.5", "1_0", "٣", "１")),
    ],
)
def test_what_is_no_amount_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(InvalidAmount) as refused:
        parse_fen(text)
    assert refused.value.facts["reason"] == reason


def test_amounts_are_read_as_people_write_them() -> None:
    assert parse_fen(" ¥1,234.50元 ") == 123450
    assert parse_rate("0.0250") == Decimal("0.0250")


DIGITS = {digit: number for number, digit in enumerate("零壹贰叁肆伍陆柒捌玖")}
PLACES = {"拾": 10, "佰": 100, "仟": 1_000}


def read_capitals(text: str) -> int:
    """Read a written amount back as fen; 万 and 亿 multiply all that stands before them."""
    sign = -1 if text.startswith("负") else 1
    whole, _, rest = text.removeprefix("负").rpartition("元")
    total = section = digit = 0
    for sign_of in whole:
        if sign_of in DIGITS:
            digit = DIGITS[sign_of]
        elif sign_of in PLACES:
            section, digit = section + digit * PLACES[sign_of], 0
        elif sign_of == "万":
            section, digit = (section + digit) * 10_000, 0
        else:  # 亿 takes all before it
            total, section, digit = (total + section + digit) * 10**8, 0, 0
    found = (total + section + digit) * 100
    for mark, worth in (("角", 10), ("分", 1)):
        before, found_mark, after = rest.partition(mark)
        if found_mark:
            found, rest = found + DIGITS[before[-1]] * worth, after
    return sign * found


@given(st.integers(-(10**15), 10**15))
def test_an_amount_in_capitals_reads_back_as_itself(amount: int) -> None:
    text = capitals(amount)
    assert read_capitals(text) == amount
    assert "零零" not in text
    assert text.endswith("整") is (amount % 10 == 0)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "零元整"),
        (5, "伍分"),
        (50, "伍角整"),
        (105, "壹元零伍分"),
        (1_230_005, "壹万贰仟叁佰元零伍分"),
        (140_950, "壹仟肆佰零玖元伍角整"),
        (600_714, "陆仟零柒元壹角肆分"),
        (10_000_000_00, "壹仟万元整"),
        (1_0000_0001_00, "壹亿零壹元整"),
        (-32_000, "负叁佰贰拾元整"),
    ],
)
def test_capitals_follow_the_rules_for_vouchers(amount: int, text: str) -> None:
    assert capitals(amount) == text
