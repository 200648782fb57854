"""Ids sort by their time, but a learner's number tells nothing (R29)."""

from kernel.ids import new_id, new_learner_id


def test_later_ids_sort_after_earlier_ones():
    ids = [new_id() for _ in range(1_000)]

    assert sorted(ids) == ids
    assert len(set(ids)) == len(ids)
    assert {one.version for one in ids} == {7}


def test_a_learners_number_is_random_and_tells_not_even_when():
    """R29."""
    numbers = [new_learner_id() for _ in range(1_000)]

    assert {one.version for one in numbers} == {4}
    assert len(set(numbers)) == len(numbers)
    assert sorted(numbers) != numbers
