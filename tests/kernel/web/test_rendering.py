"""Templates of the kit: figures, escaping, tables without script, static files by content."""

from datetime import UTC, date, datetime

import pytest
from jinja2 import DictLoader, UndefinedError

from kernel.web.assets import Assets
from kernel.web.bars import segments
from kernel.web.rendering import Frame, NavigationEntry, Renderer
from kernel.web.states import BADGES, badge
from kernel.web.tables import Column, Filter, Table, View

PAGE = """
{% extends "web/layout.html" %}
{% from "components/tables.html" import data_table %}
{% block title %}{{ title }}{% endblock %}
{% block purpose %}-{% endblock %}
{% block content %}{{ data_table(table) }}{% endblock %}
"""

COLUMNS: list[Column[tuple[str, int]]] = [
    Column(key="name", title="Schools", value=lambda row: row[0], href=lambda row: f"/s/{row[1]}"),
    Column(key="paid", title="Paid", value=lambda row: row[1], kind="money", sortable=True),
]


def render(source: str, locale: str = "zh_CN", **context: object) -> str:
    return Renderer({"t": DictLoader({"p": source})}).render("t/p", Frame(locale=locale), **context)


def table_of(*rows: tuple[str, int], **kwargs: object) -> Table[tuple[str, int]]:
    settings = {"view": View(path="/t"), "count": len(rows), **kwargs}
    return Table(caption="经费", columns=COLUMNS, rows=rows, **settings)


def test_figures_and_times_appear_as_people_in_china_read_them():
    source = (
        "{{ 1234567 | money }} {{ d | day }} {{ at | day }} {{ d | month }} {{ at | moment }}"
        " {{ 51234 | number }} {{ 2026 | school_year }} {{ 'draft' | label }}"
    )
    at = datetime(2026, 11, 20, 16, 30, tzinfo=UTC)
    assert render(source, d=date(2026, 11, 20), at=at) == (
        '<span class="money">12,345.67</span> 2026-11-20 2026-11-21 2026-11 2026-11-21 00:30'
        " 51,234 2026–2027 草稿"
    )


def test_what_is_undefined_is_never_rendered_as_empty():
    with pytest.raises(UndefinedError):
        render("{{ nothing }}")


def test_data_is_escaped_everywhere():
    evil = '<script>"x"</script>'
    html = render(PAGE, title=evil, table=table_of((evil, 1)))
    assert "<script>&#34;" not in html
    assert '<script>"x"' not in html
    assert "&lt;script&gt;" in html


def test_a_page_has_its_landmarks_and_no_inline_script_or_style():
    html = render(PAGE, title="t", table=table_of(("a", 1)))
    assert '<html lang="zh-CN">' in html
    assert '<a class="skip" href="#main">跳到正文</a>' in html
    assert '<main class="main" id="main"' in html
    assert "style=" not in html
    assert "onclick" not in html
    assert html.count("<script") == html.count('<script type="module" src="/static/')


def test_a_table_has_labels_links_totals_and_exports():
    table = table_of(("a", 100), ("b", 250), totals={"paid": 350}, count=120)
    html = render(PAGE, title="t", table=table)
    assert '<a href="/s/100">a</a>' in html
    assert 'data-label="已支付"><span class="money">2.50</span>' in html
    assert '<th scope="row">合计（全部 120 条）</th>' in html
    assert '<span class="money">3.50</span>' in html
    assert 'aria-sort="none"><a href="/t?sort=paid">已支付' in html
    assert 'href="/t?format=csv"' in html
    assert "第 1–2 条，共 120 条" in html
    assert '<a rel="next" href="/t?page=2">下一页</a>' in html


def test_a_total_of_all_that_is_shown_is_said_as_such():
    table = table_of(("a", 100), ("b", 250), totals={"paid": 350}, count=2)
    assert '<th scope="row">合计</th>' in render(PAGE, title="t", table=table)


def test_an_empty_table_says_why_and_what_to_do():
    html = render(PAGE, title="t", table=table_of(empty="Total", next_step=("Sign in", "/x")))
    assert "合计" in html
    assert 'href="/x">登录</a>' in html


def test_an_empty_table_under_a_filter_offers_to_show_everything():
    table = table_of(
        view=View(path="/t", filters={"q": "x"}), filters=(Filter(key="q", title="Search"),)
    )
    html = render(PAGE, title="t", table=table)
    assert "没有符合筛选条件的记录。" in html
    assert '<a class="button" href="/t">显示全部</a>' in html
    assert 'name="q" value="x"' in html


def test_english_is_complete_where_chinese_is():
    html = render(PAGE, locale="en", title="t", table=table_of(("a", 1)))
    assert '<html lang="en">' in html
    assert "1–1 of 1" in html


def test_the_navigation_marks_where_one_is():
    entries = tuple(
        NavigationEntry(title="Schools", href=href)
        for href in ("/school", "/school/statements", "/school/lines")
    )

    def current(address: str) -> list[str]:
        frame = Frame(locale="en", address=address, home="/school", navigation=entries)
        return [entry.href for entry in entries if frame.is_current(entry)]

    assert current("/school?x=1") == ["/school"]
    assert current("/school/statements/2026-03?page=2") == ["/school/statements"]
    assert current("/school/other") == []


def test_a_state_speaks_with_word_icon_and_tone_and_red_is_for_money_refused():
    html = render(
        '{% from "components/values.html" import state_badge %}{{ state_badge("refused") }}'
    )
    assert "badge--missing" in html
    assert "<svg" in html
    assert "已驳回" in html
    assert badge("never heard of").tone == "quiet"
    assert {state for state, look in BADGES.items() if look.tone == "missing"} == {
        "refused",
        "failed",
        "uncovered",
    }


def test_a_bars_parts_fill_it_and_small_ones_carry_no_figure():
    laid_out = segments([("paid", 1), ("accrued", 0), ("committed", 1), ("available", 98)])
    assert [part.key for part in laid_out] == ["paid", "committed", "available"]
    assert [(part.x, part.width) for part in laid_out] == [
        ("0.0%", "1.0%"),
        ("1.0%", "1.0%"),
        ("2.0%", "98.0%"),
    ]
    assert [part.roomy for part in laid_out] == [False, False, True]
    assert segments([("paid", 0)]) == []


def test_the_money_board_adds_up():
    line = {"name": "生均", "available_fen": 1, "committed_fen": 2, "accrued_fen": 3, "paid_fen": 4}
    html = render(
        '{% from "components/money_board.html" import money_board %}{{ money_board(lines, "c") }}',
        lines=[{**line, "href": "/l"}, {**line, "href": ""}],
    )
    assert '<a href="/l">生均</a>' in html
    assert '<span class="money">0.10</span>' in html
    assert '<span class="money">0.20</span>' in html
    assert "<svg" in html


def test_a_field_carries_its_help_and_its_error():
    html = render(
        '{% from "components/forms.html" import field %}'
        '{{ field("note", "意见", value="<", help="h", error="e") }}'
    )
    assert 'aria-describedby="help-note error-note"' in html
    assert 'aria-invalid="true"' in html
    assert 'value="&lt;"' in html
    assert 'for="field-note"' in html


def test_a_password_is_never_sent_back():
    html = render(
        '{% from "components/forms.html" import field %}'
        '{{ field("p", "密码", value="secret", type="password") }}'
    )
    assert "secret" not in html


def test_static_files_are_addressed_by_their_content():
    assets = Assets()
    address = assets.address("base.css")
    asset = assets.find("base.css")
    assert asset is not None
    assert address == f"/static/base.css?v={asset.digest}"
    assert assets.find("../assets.py") is None
    with pytest.raises(KeyError):
        assets.address("nothing.css")
