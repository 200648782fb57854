"""A standing's page in words: averages, last days that count, each item once, a desk in pages."""

import re
from collections.abc import Iterator

import pytest
from jinja2 import DictLoader
from litestar import Litestar
from litestar.testing import TestClient

from kernel.i18n import label
from kernel.settings import Settings
from kernel.unit import Units
from kernel.web.rendering import Frame, Renderer
from market.asgi import LOADERS
from settlement.ranking.rules import SHIPPED
from settlement.ranking.standing_appeals import appeal_standing
from settlement.web import standings as pages
from settlement.web.ranking_numbers import numbers_of
from tests.support.application import an_app
from tests.support.ranking_builders import BAD, Contest, on_probation, standing_of, suspended
from tests.support.site_builders import sign_in
from tests.support.standing_builders import last_event

PAGE = {"accept": "text/html"}


@pytest.fixture
def contest(units: Units) -> Contest:
    return on_probation(units)


@pytest.fixture
def client(settings: Settings, units: Units, contest: Contest) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(settings, units)) as client:
        yield client


def read(client: TestClient[Litestar], units: Units, contest: Contest, login: str) -> str:
    sign_in(client, login)
    place = "/vendor/standing" if login.startswith("vendor") else "/bureau/standings"
    return client.get(f"{place}/{standing_of(units, contest).id}", headers=PAGE).text


def test_ratings_of_a_school_are_told_as_an_average_of_five(
    client: TestClient[Litestar], units: Units, contest: Contest
) -> None:
    """R44: two teachers of one star each are no praise of two."""
    page = read(client, units, contest, "vendor-2")
    assert page.count("2 位教师，平均 1.0 星（满分 5 星）") == 8, "ticked, and as it was told"
    assert "共给" not in page


def test_a_last_day_is_said_to_count(
    client: TestClient[Litestar], units: Units, contest: Contest
) -> None:
    """R44: to appeal until, and to mend by; a gate opens after its day."""
    page = read(client, units, contest, "vendor-2")
    assert re.search(r"须在 \d{4}-\d\d-\d\d（含当日）前办理", page)
    assert re.search(r"截至 \d{4}-\d\d-\d\d（含当日）", page)
    assert re.search(r"整改期限</dt><dd>\d{4}-\d\d-\d\d（含当日）", page)
    desk = read(client, units, contest, "reviewer-1")
    assert re.search(r"整改期已满（\d{4}-\d\d-\d\d 之后）", desk)


def test_what_a_notice_says_is_not_said_twice_until_something_else_is(
    client: TestClient[Litestar], units: Units, contest: Contest
) -> None:
    """R44: on the desk's page, while an appeal waits, and once a later step rests on more."""
    desk = read(client, units, contest, "reviewer-1")
    assert "学校反映的问题" not in desk and "通知所列事项</h3>" in desk
    standing = standing_of(units, contest)
    with units(contest.sellers[BAD].manager) as unit:
        event = last_event(unit, standing.id)
        appeal_standing(unit, standing.id, event=event, claim="不实", contested=[1, 2])
    deciding = read(client, units, contest, "reviewer-2")
    assert "<summary>通知所列事项" in deciding and "否认的事项" not in deciding
    assert deciding.count("被否认") == 2
    for login in ("reviewer-0", "vendor-2"):
        page = read(client, units, contest, login)
        assert page.count("被否认") == 2 and "<summary>通知所列事项" in page


def test_what_a_later_step_rests_on_stands_beside_the_notice(
    settings: Settings, units: Units
) -> None:
    """R44: more months and more stars than the notice had."""
    contest = suspended(units)
    with TestClient(an_app(settings, units)) as client:
        page = read(client, units, contest, "reviewer-2")
    assert "学校反映的问题" in page and "通知所列事项</h3>" in page


def test_the_desk_is_cut_into_pages(
    client: TestClient[Litestar], contest: Contest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits stands first; the others one click away, and all of them in the file."""
    monkeypatch.setattr(pages, "ON_A_PAGE", 1)
    sign_in(client, "reviewer-1")
    first = client.get("/bureau/standings", headers=PAGE).text
    bad = contest.sellers[BAD].organisation.name
    others = [contest.sellers[number].organisation.name for number in (0, 1)]
    assert bad in first and not any(name in first for name in others)
    assert 'rel="next"' in first
    file = client.get("/bureau/standings?format=csv").content.decode("utf-8-sig")
    assert all(name in file for name in [bad, *others])


def test_what_was_struck_out_is_one_chinese_sentence() -> None:
    """Colon, semicolon and full stop are Chinese."""
    source = (
        '{% from "settlement/ranking_parts.html" import struck_counts %}{{ struck_counts(struck) }}'
    )
    renderer = Renderer(LOADERS | {"t": DictLoader({"p": source})})
    struck = {"defects": 4, "ratings": 1}
    said = renderer.render("t/p", Frame(locale="zh_CN"), struck=struck)
    assert said.strip() == "无缺陷：4 所学校；教师满意：1 所学校。"


def test_one_thing_has_one_word() -> None:
    """A score's parameters, parts and components: bands are 档次, looks 评定, disputes 异议."""
    words = "".join(one.words for one in numbers_of(SHIPPED, "zh_CN"))
    assert not [old for old in ("评估", "争议", "依据", "满意度", "等级", "审核") if old in words]
    assert "档次及其得分下界" in words and "连续评定" in words and "尚无证据" in words
    for name in ("satisfaction", "renewal", "defects", "audit"):
        part, component = (label(name, "zh_CN", kind=kind) for kind in ("ScorePart", "Component"))
        assert part == component, name
