"""Credits: whatever the order of the facts, capped by the year, and given back to the last part."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from settlement.credit_rules import (
    PARTS,
    SHIPPED,
    CreditFact,
    CreditKey,
    CreditKind,
    credits_text,
    differences,
    entitled,
)

PEOPLE = [UUID(int=n) for n in (1, 2)]
RESOURCES = [UUID(int=100 + n) for n in range(8)]
BEGIN = datetime(2025, 12, 30, 15, tzinfo=UTC)

facts = st.builds(
    lambda person, kind, resource, hours, cap: CreditFact(
        person_id=person,
        kind=kind,
        subject_id=resource,
        at=BEGIN + timedelta(hours=hours),
        version=f"v{cap}",
        table=type(SHIPPED)(
            reading=625,
            reading_cap=cap,
            adoption=3 * PARTS,
            followers=3 * PARTS,
            followers_needed=500,
            reading_types=["文本"],
            reading_seconds=60,
        ),
    ),
    st.sampled_from(PEOPLE),
    st.sampled_from(list(CreditKind)),
    st.sampled_from(RESOURCES),
    st.integers(0, 72),
    st.sampled_from([1_500]),
)
some_facts = st.lists(facts, max_size=25)


@given(known=some_facts, order=st.randoms(use_true_random=False))
def test_the_order_of_the_facts_changes_nothing(known: list[CreditFact], order):
    """R47: nor does hearing of one of them twice."""
    shuffled = [*known, *known[:3]]
    order.shuffle(shuffled)
    assert entitled(shuffled) == entitled(known)


@given(known=some_facts)
def test_no_year_of_reading_exceeds_its_cap_and_each_resource_counts_once(known: list[CreditFact]):
    """R47: the year is that of Asia/Shanghai."""
    found = entitled(known)
    read: dict[tuple[UUID, int], int] = defaultdict(int)
    for key, one in found.items():
        assert one.amount >= 0
        if key.kind is CreditKind.READING:
            read[key.person_id, key.year] += one.amount
    assert all(amount <= 1_500 for amount in read.values())
    assert len({(key.person_id, key.kind, key.subject_id) for key in found}) == len(found)


@given(steps=st.lists(some_facts, min_size=1, max_size=5))
def test_booked_step_by_step_the_sums_are_what_the_last_facts_entitle_to(
    steps: list[list[CreditFact]],
):
    """R48: facts come and are reversed; what is booked is never below nothing, and ends right."""
    booked: dict[CreditKey, int] = defaultdict(int)
    for known in [*steps, []]:
        wanted = entitled(known)
        for key, change in differences(wanted, booked):
            booked[key] += change
            assert booked[key] >= 0
        expected = {key: one.amount for key, one in wanted.items() if one.amount}
        assert {key: amount for key, amount in booked.items() if amount} == expected
    assert sum(booked.values()) == 0


def test_the_385th_article_of_a_year_earns_nothing():
    """R47: 0.0625 each, at most 24 a year; the first of the next year earns again."""
    year = datetime(2026, 1, 5, tzinfo=UTC)
    known = [
        CreditFact(
            person_id=PEOPLE[0],
            kind=CreditKind.READING,
            subject_id=UUID(int=n),
            at=year + timedelta(hours=n),
            version="R47",
            table=SHIPPED,
        )
        for n in range(385)
    ]
    later = datetime(2026, 12, 31, 16, tzinfo=UTC)  # New Year's Day in Shanghai
    next_year = CreditFact(
        person_id=PEOPLE[0],
        kind=CreditKind.READING,
        subject_id=UUID(int=999),
        at=later,
        version="R47",
        table=SHIPPED,
    )
    found = entitled([*known, next_year])

    amounts = {key.subject_id.int: one.amount for key, one in found.items()}
    assert (amounts[383], amounts[384], amounts[999]) == (625, 0, 625)
    assert sum(one.amount for key, one in found.items() if key.year == 2026) == 24 * PARTS


def test_credits_read_as_people_write_them():
    assert [credits_text(amount) for amount in (0, 625, 30_000, 240_000, -30_000)] == [
        *("0", "0.0625", "3", "24", "-3"),
    ]
