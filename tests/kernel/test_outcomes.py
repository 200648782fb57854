"""A row's fate, and what it tells of an error."""

from kernel.errors import AlreadyExists, MissingValue
from kernel.outcomes import ACCEPTED, DUPLICATE, Fate, RowOutcome, conflicting, rejected


def test_what_was_taken_carries_no_error():
    for outcome, fate in ((ACCEPTED, Fate.ACCEPTED), (DUPLICATE, Fate.DUPLICATE)):
        assert (outcome.fate, outcome.error, outcome.field) == (fate, None, "")


def test_what_was_not_taken_says_what_is_wrong_and_where():
    missing = MissingValue(field="name")
    other = AlreadyExists(what="school", key="1")

    assert rejected(missing, field="name") == RowOutcome(Fate.REJECTED, missing, "name")
    assert conflicting(other, field="code") == RowOutcome(Fate.CONFLICT, other, "code")


def test_fates_are_written_as_files_and_summaries_name_them():
    assert [str(fate) for fate in Fate] == ["accepted", "duplicate", "conflict", "rejected"]
