"""Rows of usage that are right are read in one go: exactly as cell by cell."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.settings import Settings
from market.imports.reading import Record
from market.imports.translation import Translation
from market.imports.usage_rows import USAGE_COLUMNS, RowReader

BLANKS = st.sampled_from(["", " ", "\t ", "　"])
CELLS = (
    BLANKS
    | st.sampled_from(["1", " 1", "1,000", "0", "S2026 0001", "2026-03-02T08:30:00+08:00", "A"])
    | st.sampled_from(["2026-03-02", "20260302", "2026-03-02 08:30", " 2026-03-02T08:30:00Z "])
    | st.text(max_size=8)
    | st.just("x" * 101)
)
SOUND = {column.name: column.example for column in USAGE_COLUMNS}


class CellByCell(RowReader):
    def _sound(self, texts, identity):
        return None


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.dictionaries(st.sampled_from(sorted(SOUND)), CELLS, max_size=3), min_size=1, max_size=6
    ),
    missing=st.sets(st.sampled_from(sorted(SOUND)), max_size=2),
)
def test_a_row_is_read_as_cell_by_cell(tmp_path, rows, missing):
    """Several rows by one reader: what it remembers of one must not tell in another."""
    own = Settings.load({"MARKET_HOME": str(tmp_path), "MARKET_SECRET_KEY": "k"})
    plain = Translation(plain=True)
    quick, slow = RowReader(own, plain, False), CellByCell(own, plain, False)
    for number, changed in enumerate(rows, start=2):
        texts = {name: cell for name, cell in (SOUND | changed).items() if name not in missing}
        found, expected = quick.read(Record(number, texts)), slow.read(Record(number, texts))
        assert found.row == expected.row
        assert (found.field, str(found.error)) == (expected.field, str(expected.error))
