"""What is left of a year's reading: told before one reads, and no article is read for nothing."""

from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from kernel.clock import FixedClock
from kernel.errors import YearRead
from kernel.settings import Settings
from kernel.unit import Units
from settlement.rate_recording import record_table
from settlement.rate_tables import RateKind
from settlement.reading import (
    begin_reading,
    count_articles,
    finish_reading,
    reading_year,
    table_of_actor,
)
from settlement.web.credits import ARTICLES_SHOWN
from tests.support.application import an_app
from tests.support.builders import COUNTY
from tests.support.credit_builders import (
    SMALL,
    Contribution,
    a_contribution,
    an_article,
    booked,
    credited,
    read,
)
from tests.support.settlement_builders import SYSTEM
from tests.support.site_builders import counted_queries, csrf_token, sign_in


@pytest.fixture
def given(units: Units) -> Contribution:
    return a_contribution(units)


@pytest.fixture
def client(settings: Settings, units: Units, given: Contribution) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(settings, units)) as client:
        client.headers["accept"] = "text/html"
        sign_in(client, "reader-1")
        yield client


def test_no_article_is_spent_once_the_years_cap_is_reached(
    units: Units, clock: FixedClock, given: Contribution
) -> None:
    """R47: the cap is of one article and a part; the third is kept, and counts the year after."""
    keys = [an_article(units, given.market, f"TXT-{n}") for n in range(3)]
    left = []
    for key in keys[:2]:
        with units(given.reader) as unit:
            left.append(reading_year(unit, table_of_actor(unit)).left)
        read(units, given.reader, key, clock)
    assert left == [2, 1]
    with units(given.reader) as unit:
        told = reading_year(unit, table_of_actor(unit))
        assert (told.left, told.earned, told.most, told.each) == (0, 1_000, 1_000, 625)
        begin_reading(unit, keys[0])  # what is read stays read
    with pytest.raises(YearRead, match="2026"), units(given.reader) as unit:
        begin_reading(unit, keys[2])
    clock.at = clock.at.replace(year=2027)
    read(units, given.reader, keys[2], clock)
    booked(units)
    assert credited(units, given.reader) == 1_625


def test_an_article_that_was_begun_is_not_finished_for_nothing(
    units: Units, clock: FixedClock, given: Contribution
) -> None:
    """R47: the region lowers the cap while one is read."""
    keys = [an_article(units, given.market, f"TXT-{n}") for n in range(2)]
    read(units, given.reader, keys[0], clock)
    with units(given.reader) as unit:
        begin_reading(unit, keys[1])
    with units(SYSTEM) as unit:
        record_table(
            unit,
            RateKind.CREDITS,
            version="lower",
            region_code=COUNTY,
            valid_from=date(2026, 1, 2),
            source="测试标准",
            body=SMALL | {"reading_cap": 625},
        )
    clock.advance(timedelta(minutes=1))
    with pytest.raises(YearRead), units(given.reader) as unit:
        finish_reading(unit, keys[1])


def test_a_teacher_is_told_what_is_left_and_finds_every_article(
    units: Units, clock: FixedClock, client: TestClient[Litestar], given: Contribution
) -> None:
    """R47: the list has pages and is searched; at the cap it says so and offers no beginning."""
    keys = [an_article(units, given.market, f"TXT-{n:02d}") for n in range(ARTICLES_SHOWN + 1)]
    with counted_queries(units.engine) as asked:
        page = client.get("/learn/credits").text
    assert len(asked) <= 12
    assert "还可阅读 2 篇计入学分" in page
    assert ("文章TXT-00" in page, "文章TXT-30" in page) == (True, False)
    second = client.get("/learn/credits?page=2").text
    assert ("文章TXT-00" in second, "文章TXT-30" in second) == (False, True)
    found = client.get("/learn/credits?title=txt-30").text
    assert ("文章TXT-30" in found, "文章TXT-00" in found) == (True, False)
    assert "没有符合" in client.get("/learn/credits?title=%25").text
    for key in keys[:2]:
        read(units, given.reader, key, clock)
    page = client.get("/learn/credits").text
    assert "2026 年阅读学分已达上限（0.1 学分）" in page
    assert "开始阅读<" not in page
    form = {"csrf_token": csrf_token(client), "article": keys[5]}
    refused = client.post("/learn/credits/begun", data=form)
    assert "请留待下一年度再读" in refused.text
    assert 'href="/learn/credits?page=2"' in refused.text, "its lists are had again where they are"
    with units(given.reader) as unit:
        assert count_articles(unit, table_of_actor(unit)) == ARTICLES_SHOWN + 1
