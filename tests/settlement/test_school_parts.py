"""Ceilings of schools within a line, worked by hand, and what must hold of any (R24, R33, R37)."""

from datetime import date
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from settlement.rating import Fund, Room, Stated, adjust, rate
from settlement.school_parts import SchoolPart, credited_by_school, cut_by_school

A, B, C = (UUID(int=number) for number in (1, 2, 3))
LINE = UUID(int=9)
TERMS = {"plan": "per_use", "unit_price": "1.0000", "fee_rate": "0.0", "retention_rate": "0.0"}
MARCH_END = date(2026, 3, 31)


def parts_of(parts: list[SchoolPart]) -> list[tuple[int, int, int]]:
    return [(part.rated_fen, part.above_ceiling_fen, part.amount_fen) for part in parts]


def a_room(ceiling_fen: int, **schools: int) -> Room:
    names = {"a": A, "b": B, "c": C}
    fund = Fund(LINE, ceiling_fen, 2026, date(2027, 1, 1))
    return Room(ceiling_fen, [fund], schools={names[name]: fen for name, fen in schools.items()})


def test_what_a_school_uses_beyond_its_own_ceiling_is_kept_and_not_billed():
    """R24, golden: 10 + 20 + 30 uses at 1.00 yuan are 60.00; B may have 15.00 of its 20.00.

    A 10.00 of 10.00, B 15.00 of 20.00 with 5.00 above, C 30.00 of 30.00: 55.00 of 100.00 in all.
    """
    rated = rate(
        TERMS,
        60,
        room=a_room(10_000, a=2_000, b=1_500, c=5_000),
        last_day=MARCH_END,
        weights=[(A, 10), (B, 20), (C, 30)],
    )
    assert parts_of(list(rated.parts)) == [
        (1_000, 0, 1_000),
        (2_000, 500, 1_500),
        (3_000, 0, 3_000),
    ]
    assert (rated.rated_fen, rated.above_ceiling_fen, rated.amount_fen) == (6_000, 500, 5_500)
    assert list(rated.draws) == [(LINE, 5_500)]


def test_the_ceiling_of_all_cuts_what_the_schools_own_ceilings_left():
    """R24, golden: of 10.00 + 15.00 + 30.00 = 55.00 the agreement has 33.00 left.

    Shared by what each might be billed: 33 × 10/55 = 6.00, 33 × 15/55 = 9.00, 33 × 30/55 = 18.00.
    """
    rated = rate(
        TERMS,
        60,
        room=a_room(3_300, a=2_000, b=1_500, c=5_000),
        last_day=MARCH_END,
        weights=[(A, 10), (B, 20), (C, 30)],
    )
    assert [part.amount_fen for part in rated.parts] == [600, 900, 1_800]
    assert (rated.amount_fen, rated.above_ceiling_fen) == (3_300, 2_700)


def test_a_fen_that_is_left_over_goes_to_the_largest_remainder():
    """R24, golden: 1.00 over 1 + 1 + 1 uses is 0.34 + 0.33 + 0.33; C may have 0.10 of it."""
    parts = cut_by_school(100, [(A, 1), (B, 1), (C, 1)], left={C: 10}, left_fen=1_000, before={})
    assert parts_of(parts) == [(34, 0, 34), (33, 0, 33), (33, 23, 10)]


def test_late_use_of_one_school_is_billed_up_to_its_own_ceiling():
    """R37, golden: A was stated 10.00, has 3.00 left; its recount is 15.00: 3.00 + 2.00 above."""
    stated = Stated(quantity=10, rated_fen=1_000, amount_fen=1_000, draws={LINE: 1_000})
    stated.add_school(A, rated_fen=1_000, amount_fen=1_000)
    rated = adjust(
        TERMS,
        15,
        stated=stated,
        room=a_room(5_000, a=300),
        last_day=MARCH_END,
        weights=[(A, 15)],
    )
    assert parts_of(list(rated.parts)) == [(500, 200, 300)]
    assert (rated.rated_fen, rated.above_ceiling_fen, rated.amount_fen) == (500, 200, 300)


def test_a_recount_that_is_less_gives_back_first_what_was_above_the_ceiling():
    """R37, golden: 20 uses, 15.00 billed and 5.00 above; 12 are left: 5.00 above and 3.00 back."""
    stated = Stated(
        quantity=20, rated_fen=2_000, above_ceiling_fen=500, amount_fen=1_500, draws={LINE: 1_500}
    )
    stated.add_school(B, rated_fen=2_000, amount_fen=1_500)
    rated = adjust(
        TERMS, 12, stated=stated, room=a_room(0, b=0), last_day=MARCH_END, weights=[(B, 12)]
    )
    assert parts_of(list(rated.parts)) == [(-800, -500, -300)]
    assert list(rated.draws) == [(LINE, -300)]


def test_what_one_school_gives_back_another_may_be_billed():
    """R37, golden: all is used up; A gives 4.00 back, so that of B's 6.00 more 4.00 are billed."""
    stated = Stated(quantity=20, rated_fen=2_000, amount_fen=2_000, draws={LINE: 2_000})
    stated.add_school(A, rated_fen=1_000, amount_fen=1_000)
    stated.add_school(B, rated_fen=1_000, amount_fen=1_000)
    rated = adjust(
        TERMS,
        22,
        stated=stated,
        room=a_room(0, a=1_000, b=1_000),
        last_day=MARCH_END,
        weights=[(A, 6), (B, 16)],
    )
    assert parts_of(list(rated.parts)) == [(-400, 0, -400), (600, 200, 400)]
    assert (rated.rated_fen, rated.amount_fen, rated.drawn_fen) == (200, 0, 0)


def test_without_ceilings_of_schools_a_line_is_cut_as_ever():
    """R24: a school's own agreement knows nothing of parts."""
    rated = rate(TERMS, 60, room=a_room(5_000), last_day=MARCH_END)
    assert (rated.amount_fen, rated.above_ceiling_fen, rated.parts) == (5_000, 1_000, ())


def test_a_credit_comes_back_to_the_schools_by_what_they_were_billed():
    """R41, golden: 10.00 of 15.00 + 30.00: 10 × 15/45 = 3.33, 10 × 30/45 = 6.67."""
    stated = {A: SchoolPart(A, 2_000, 1_500), B: SchoolPart(B, 3_000, 3_000), C: SchoolPart(C)}
    assert credited_by_school(1_000, stated) == [(A, 333), (B, 667)]


SCHOOLS = [UUID(int=number) for number in range(1, 6)]
quantities = st.lists(st.integers(0, 400), min_size=5, max_size=5)


@given(
    own=st.lists(st.integers(0, 500), min_size=5, max_size=5),
    ceiling_fen=st.integers(0, 1_500),
    counts=st.lists(st.tuples(st.sampled_from(["may", "june"]), quantities), max_size=8),
    credit_of=st.integers(0, 7),
)
def test_no_school_and_no_agreement_is_ever_billed_above_its_ceiling(
    own: list[int],
    ceiling_fen: int,
    counts: list[tuple[str, list[int]]],
    credit_of: int,
):
    """R24, R33, R37: over months, recounts up and down, and a credit note, the parts add up."""
    terms = {**TERMS, "unit_price": "0.0137"}
    ceilings = dict(zip(SCHOOLS, own, strict=True))
    room = Room(
        ceiling_fen,
        [Fund(LINE, ceiling_fen, 2026, date(2027, 1, 1))],
        schools=dict(ceilings),
    )
    months: dict[str, Stated] = {}
    for turn, (month, used) in enumerate(counts):
        stated = months.setdefault(month, Stated())
        rated = adjust(
            terms,
            sum(used),
            stated=stated,
            room=room,
            last_day=MARCH_END,
            weights=list(zip(SCHOOLS, used, strict=True)),
        )
        room.take(rated, fiscal_year=2026)
        stated.quantity = sum(used)
        stated.rated_fen += rated.rated_fen
        stated.above_ceiling_fen += rated.above_ceiling_fen
        stated.amount_fen += rated.amount_fen
        stated.uncovered_fen += rated.uncovered_fen
        for line_id, fen in rated.draws:
            stated.draws[line_id] = stated.draws.get(line_id, 0) + fen
        for part in rated.parts:
            stated.add_school(part.school_id, rated_fen=part.rated_fen, amount_fen=part.amount_fen)
        assert sum(part.rated_fen for part in rated.parts) == rated.rated_fen
        assert sum(part.amount_fen for part in rated.parts) == rated.amount_fen
        assert rated.amount_fen == rated.drawn_fen + rated.uncovered_fen
        if turn == credit_of and stated.amount_fen > 0:
            _credit(stated, room, fen=stated.amount_fen // 2 + 1)
        _check(months, ceilings, ceiling_fen=ceiling_fen, room=room)


def _credit(stated: Stated, room: Room, *, fen: int) -> None:
    """Take something off, as a credit note does."""
    for school_id, part in credited_by_school(fen, stated.schools):
        stated.add_school(school_id, rated_fen=0, amount_fen=-part)
        room.schools[school_id] += part
    stated.amount_fen -= fen
    stated.above_ceiling_fen += fen
    drawn = min(fen, stated.draws.get(LINE, 0))
    stated.draws[LINE] = stated.draws.get(LINE, 0) - drawn
    stated.uncovered_fen -= fen - drawn
    room.ceiling_left_fen += fen
    room.funds[0].left_fen += drawn


def _check(
    months: dict[str, Stated], ceilings: dict[UUID, int], *, ceiling_fen: int, room: Room
) -> None:
    billed = sum(stated.amount_fen for stated in months.values())
    assert 0 <= billed <= ceiling_fen
    assert room.ceiling_left_fen == ceiling_fen - billed
    for school_id, most in ceilings.items():
        parts = [stated.schools.get(school_id, SchoolPart(school_id)) for stated in months.values()]
        own = sum(part.amount_fen for part in parts)
        assert all(part.amount_fen >= 0 and part.above_ceiling_fen >= 0 for part in parts)
        assert own <= most
        assert room.schools[school_id] == most - own
