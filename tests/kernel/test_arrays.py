"""Columns arrive in the database as they are, whatever they hold."""

from datetime import UTC, datetime
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from kernel.arrays import (
    ARRAYS,
    BytesArray,
    IntegerArray,
    MomentArray,
    NumberArray,
    TextArray,
    UuidArray,
)

VALUES = {
    TextArray: st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=1500),
    BytesArray: st.binary(max_size=1500),
    UuidArray: st.uuids(),
    IntegerArray: st.integers(-(2**63), 2**63 - 1),
    NumberArray: st.integers(-(2**31), 2**31 - 1),
    MomentArray: st.datetimes(
        min_value=datetime(1, 1, 2),  # noqa: DTZ001 - hypothesis adds the zone
        timezones=st.just(UTC),
    ),
}
NAMES = ("text", "bytea", "uuid", "bigint", "integer", "timestamptz")
TYPES = {kind: f"{name}[]" for kind, name in zip(ARRAYS, NAMES, strict=True)}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_column_comes_back_as_it_was_sent(engine, data):
    kind = data.draw(st.sampled_from(ARRAYS))
    column = data.draw(st.lists(st.none() | VALUES[kind], max_size=20))
    with engine.connect() as connection:
        found = connection.scalar(
            text(f"SELECT array_to_json(CAST(:sent AS {TYPES[kind]}))::text"), {"sent": kind.of([])}
        )
        assert found == "[]"
        rows = connection.execute(
            text(f"SELECT v FROM unnest(CAST(:sent AS {TYPES[kind]})) AS v"),
            {"sent": kind.of(column)},
        ).scalars()
        assert [bytes(one) if isinstance(one, memoryview) else one for one in rows] == column


def test_a_column_of_one_value_is_as_long_as_it_should_be(engine):
    with engine.connect() as connection:
        for column in (["x"] * 3, [None] * 3, [UUID(int=1)] * 2):
            kind = UuidArray if isinstance(column[0], UUID) else TextArray
            rows = connection.execute(
                text(f"SELECT v FROM unnest(CAST(:sent AS {TYPES[kind]})) AS v"),
                {"sent": kind.of(column)},
            ).scalars()
            assert list(rows) == column
