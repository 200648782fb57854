"""The state of a table lives in its address; exports hold what it shows, and nothing that runs."""

import csv
import io
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from openpyxl import load_workbook

from kernel.web.exports import export_csv, export_xlsx
from kernel.web.tables import Column, Filter, Table, View, excerpt, read_view, tabulate


@dataclass
class Row:
    name: str
    amount_fen: int = 123450
    uses: int | None = 7
    price: Decimal = Decimal("0.0200")
    month: date = date(2026, 3, 1)
    at: datetime = datetime(2026, 3, 31, 16, 5, tzinfo=UTC)
    state: str = "draft"


COLUMNS: list[Column[Row]] = [
    Column(key="name", title="Schools", value=lambda row: row.name, sortable=True),
    Column(key="amount", title="Paid", value=lambda row: row.amount_fen, kind="money"),
    Column(key="uses", title="Uses", value=lambda row: row.uses, kind="number", sortable=True),
    Column(key="price", title="Price", value=lambda row: row.price, kind="price"),
    Column(key="month", title="Month", value=lambda row: row.month, kind="month"),
    Column(key="at", title="At", value=lambda row: row.at, kind="moment"),
    Column(key="state", title="State", value=lambda row: row.state, kind="state"),
]
STATES = Filter(key="state", title="State", options=(("draft", "Draft"), ("open", "Open")))
NAME = Filter(key="name", title="Name")


def view_of(**query: str) -> View:
    return read_view("/t", query, columns=COLUMNS, filters=(STATES, NAME), sort="name")


def test_an_address_tells_order_filters_and_page():
    view = view_of(sort="-uses", state="open", name=" 小学 ", page="3")
    assert (view.sort, view.descending, view.page, view.offset) == ("uses", True, 3, 100)
    assert view.filters == {"state": "open", "name": "小学"}


@pytest.mark.parametrize(
    "query",
    [
        {"sort": "amount"},
        {"sort": "1;drop"},
        {"state": "gone"},
        {"page": "0"},
        {"page": "-1"},
        {"page": "x"},
        {"page": "²"},
        {"page": "9" * 40},
        {"other": "1"},
        {"name": "  "},
    ],
)
def test_what_an_address_gets_wrong_is_left_out(query):
    assert view_of(**query) == view_of()


def test_a_header_sorts_and_then_turns_the_order_and_keeps_the_filters():
    view = view_of(state="open", page="3")
    assert view.sorted_by("uses") == "/t?state=open&sort=uses"
    assert view_of(sort="uses").sorted_by("uses") == "/t?sort=-uses"
    assert view_of(sort="-uses").sorted_by("uses") == "/t?sort=uses"


def test_pages_and_exports_keep_filters_and_order():
    view = view_of(sort="-uses", state="open", page="2")
    assert view.at_page(3) == "/t?state=open&sort=-uses&page=3"
    assert view.at_page(1) == "/t?state=open&sort=-uses"
    assert view.exported_as("csv") == "/t?state=open&sort=-uses&format=csv"
    assert view.everything().per_page is None
    assert view.everything().offset == 0


def test_a_table_counts_its_pages_and_says_where_it_is():
    table = Table(
        caption="t", columns=COLUMNS, rows=[Row("a")] * 20, view=view_of(page="2"), count=70
    )
    assert (table.first, table.last, table.pages) == (51, 70, 2)
    assert table.order_of(COLUMNS[0]) == "ascending"
    assert table.order_of(COLUMNS[2]) == "none"
    nothing = Table(caption="t", columns=COLUMNS, rows=[], view=view_of(), count=0)
    assert (nothing.first, nothing.last, nothing.pages) == (0, 0, 1)


def test_a_csv_has_a_bom_translated_words_and_amounts_in_yuan():
    content = export_csv([Row("青石小学"), Row("b", -5, None)], COLUMNS, locale="zh_CN")
    assert content.startswith(b"\xef\xbb\xbf")
    header, first, second = csv.reader(io.StringIO(content.decode("utf-8-sig")))
    assert header[:2] == ["学校", "已支付（元）"]
    assert first == ["青石小学", "1234.50", "7", "0.0200", "2026-03", "2026-04-01 00:05", "草稿"]
    assert second[1:3] == ["-0.05", ""]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_text_never_becomes_a_formula(text):
    content = export_csv([Row(text)], COLUMNS, locale="en").decode("utf-8-sig")
    assert list(csv.reader(io.StringIO(content, newline="")))[1][0] == "'" + text
    book = load_workbook(io.BytesIO(export_xlsx([Row(text)], COLUMNS, locale="en", sheet="t")))
    cell = book.active["A2"]
    assert cell.data_type == "s"
    assert cell.value.strip() == text.strip()


@pytest.mark.parametrize("text", ["#N/A", "#REF!", "\x00=1+1"])
def test_a_text_never_becomes_an_error(text):
    """Nor a formula, once what no workbook can hold is taken off its front."""
    content = export_xlsx([Row(text)], COLUMNS, locale="en", sheet="t")
    cell = load_workbook(io.BytesIO(content)).active["A2"]
    assert (cell.data_type, cell.value) == ("s", text.removeprefix("\x00"))


def test_a_workbook_holds_typed_cells():
    content = export_xlsx([Row("a\x00b", 10**15)], COLUMNS, locale="zh_CN", sheet="a/b:c")
    sheet = load_workbook(io.BytesIO(content)).active
    name, amount, uses, price, month, at, state = sheet[2]
    assert sheet.title == "a b c"
    assert name.value == "ab"
    assert (Decimal(str(amount.value)), amount.number_format) == (Decimal(10**13), "#,##0.00")
    assert (uses.value, Decimal(str(price.value))) == (7, Decimal("0.02"))
    assert (month.value, state.value) == ("2026-03", "草稿")
    assert at.value == datetime(2026, 4, 1, 0, 5)  # noqa: DTZ001 - a workbook knows no time zones


# Rows that a query brought whole


YEARS = (
    Filter(key="year", title="Year", options=(("2026", "2026"), ("2025", "2025")), default="2026"),
)
AMOUNTS: list[Column[tuple[str, int | None]]] = [
    Column(key="name", title="Name", value=lambda row: row[0], sortable=True),
    Column(key="paid", title="Paid", value=lambda row: row[1], kind="money", sortable=True),
]


def test_a_filter_with_a_default_always_chooses_and_narrows_only_when_changed():
    untouched = read_view("/t", {}, columns=AMOUNTS, filters=YEARS)
    assert untouched.filters == {"year": "2026"}
    changed = read_view("/t", {"year": "2025"}, columns=AMOUNTS, filters=YEARS)
    tables = [tabulate("t", AMOUNTS, [], view=view, filters=YEARS) for view in (untouched, changed)]
    assert [table.is_narrowed for table in tables] == [False, True]


def test_rows_are_sorted_cut_into_pages_and_summed_over_all_pages():
    rows = [(f"s{number:02d}", number) for number in range(60)]
    view = read_view("/t", {"sort": "-paid", "page": "2"}, columns=AMOUNTS)
    table = tabulate("t", AMOUNTS, rows, view=view, summed=["paid"])
    assert [row[1] for row in table.rows] == list(range(9, -1, -1))
    assert (table.count, table.totals) == (60, {"paid": sum(range(60))})


def test_what_has_no_value_is_sorted_before_the_rest_and_counts_for_nothing():
    rows = [("a", 2), ("b", None), ("c", 1)]
    view = read_view("/t", {"sort": "paid"}, columns=AMOUNTS)
    table = tabulate("t", AMOUNTS, rows, view=view, summed=["paid"])
    assert [row[0] for row in table.rows] == ["b", "c", "a"]
    assert table.totals == {"paid": 3}


def test_an_excerpt_keeps_its_order_and_offers_neither_sorting_nor_exports():
    table = excerpt("t", AMOUNTS, [("b", 1), ("a", 2)], path="/all")
    assert [row[0] for row in table.rows] == ["b", "a"]
    assert not table.exportable
    assert not any(column.sortable for column in table.columns)


def test_a_page_beyond_the_last_is_the_last():
    view = View(path="/", page=999)
    assert view.within(120).page == 3
    assert view.within(0).page == 1
    assert view.everything().within(120).page == 1
