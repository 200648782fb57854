"""Cursors go on after the last row, and only ours are read."""

from uuid import UUID

import pytest

from kernel.errors import InvalidInput
from kernel.http.paging import cut, decode_cursor, encode_cursor
from kernel.ids import new_id


def test_a_cursor_carries_the_last_rows_key():
    key = ("2026-03", new_id(), 7)
    cursor = encode_cursor(key)
    assert cursor.replace("-", "").replace("_", "").isalnum()
    assert decode_cursor(cursor, tuple[str, UUID, int]) == key


@pytest.mark.parametrize(
    "cursor", ["x", "été", "%%%", "", encode_cursor(("a",)), encode_cursor({"a": 1}), "A" * 600]
)
def test_a_cursor_that_is_not_ours_is_refused(cursor):
    with pytest.raises(InvalidInput) as caught:
        decode_cursor(cursor, tuple[str, int])
    assert caught.value.facts["field"] == "cursor"


def test_one_row_more_than_asked_for_means_that_there_is_a_next_page():
    first = cut([1, 2, 3], limit=2, key=lambda row: (row,))
    assert first.items == [1, 2]
    assert decode_cursor(first.next_cursor, tuple[int]) == (2,)
    assert cut([3], limit=2, key=lambda row: (row,)).next_cursor == ""
    assert cut([1, 2], limit=2, key=lambda row: (row,)).next_cursor == ""
