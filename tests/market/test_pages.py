"""The first pages: their sums, the way down to one use, confirming, exports, their queries."""

import csv
import io
import re
from collections.abc import Iterator

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import Engine, select

from kernel.actors import Role
from kernel.errors import NotFound
from kernel.identity.credentials import set_password
from kernel.identity.grants import actor_of
from kernel.settings import Settings
from kernel.unit import Units
from settlement.closing import settle
from settlement.models import StatementLine
from settlement.queries.lines import line_head
from settlement.queries.movements import line_history
from settlement.queries.uses import use_of, uses_of
from tests.market.test_access import OF_NOBODY, WHO_MAY, address_of
from tests.support.accounts import PASSWORD
from tests.support.application import an_app
from tests.support.funding_builders import SCHOOL, a_county, a_selection
from tests.support.settlement_builders import MARCH, SYSTEM
from tests.support.site_builders import Site, a_site, counted_queries, csrf_token, sign_in

MOST_QUERIES = 12
COUNTED_LIVE = {
    # These count, judge and rate the month's uses anew, for one payer: a set number of questions,
    # whatever was used.
    "/school/preview": 60,
    "/bureau/schools/{code}/preview": 60,
    # These plan what the payer's lines would commit, for whoever signs: a set number, too.
    "/school/selections/{selection_id}": 15,
    "/bureau/approvals/{selection_id}": 15,
}


@pytest.fixture
def site(units: Units) -> Site:
    return a_site(units)


@pytest.fixture
def client(settings: Settings, units: Units) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(settings, units)) as client:
        client.headers.update({"accept": "text/html"})
        yield client


def exported(client: TestClient[Litestar], address: str) -> list[dict[str, str]]:
    joint = "&" if "?" in address else "?"
    response = client.get(f"{address}{joint}format=csv")
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"))))


def texts(html: str) -> str:
    """Return what is to be read on a page, in one line."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_no_page_asks_more_than_twelve_questions_of_the_database(
    client: TestClient[Litestar], engine: Engine, units: Units
) -> None:
    site = a_site(units, disputes=True)
    counted: dict[str, int] = {}
    for login, base in (
        (Role.SCHOOL_FINANCE, "/school"),
        (Role.AUDITOR, "/bureau"),
        (Role.VENDOR_MANAGER, "/vendor"),
    ):
        sign_in(client, login)
        for (method, path), roles in WHO_MAY.items():
            if method == "GET" and path.startswith(base) and login in (roles or ()):
                if path in OF_NOBODY:
                    continue
                with counted_queries(engine) as sent:
                    assert client.get(address_of(site, path)).status_code == 200
                counted[path] = len(sent)
    assert len(counted) > 25
    assert {
        path: count
        for path, count in counted.items()
        if count > COUNTED_LIVE.get(path, MOST_QUERIES)
    } == {}


def let_sign_in(units: Units, login: str) -> None:
    """Give somebody who has a login the tests' password."""
    with units(SYSTEM) as unit:
        person_id = actor_of(unit, login=login, via="test").person_id
        assert person_id is not None
        set_password(unit, person_id, login=login, password=PASSWORD)


# The chain from a total to one use (R49)


def test_a_line_shows_its_arithmetic_from_the_events_to_the_shares(
    client: TestClient[Litestar], site: Site
) -> None:
    sign_in(client, Role.TEACHER)
    text = texts(client.get(f"/school/statements/2026-03/lines/{site.line_id}").text)
    # 5 events, one repeated within 30 s, one of a learner who had left: 3 × 0.3333 = 0.9999 → 1.00
    assert "收到的记录 5" in text
    assert re.search(r"30 秒内重复 同一学习者、同一资源，以后一次为准 1", text)
    assert "计入的记录 3" in text
    assert "3 × 0.3333" in text
    assert "0.9999，到分一次修约（四舍六入五成双） 1.00" in text
    # of which the ceiling of 0.90 leaves 0.90
    assert "超出上限 保留记录，不付费 0.10" in text
    assert "本行之后上限剩余 0.00" in text
    assert "尚未入账" in text


def test_each_figure_of_a_line_opens_exactly_its_events(
    client: TestClient[Litestar], site: Site
) -> None:
    sign_in(client, Role.TEACHER)
    uses = f"/school/statements/2026-03/lines/{site.line_id}/uses"
    everything = exported(client, uses)
    assert [row["认定"] for row in everything] == [
        "计入",
        "30 秒内重复",
        "计入",
        "不在学籍内",
        "计入",
    ]
    for judgement, count in (("counted", 3), ("repeat", 1), ("outside", 1)):
        assert len(exported(client, f"{uses}?judgement={judgement}")) == count
        page = texts(client.get(f"{uses}?judgement={judgement}").text)
        assert f"共 {count} 条" in page


def test_one_use_names_its_source_its_file_and_who_answers_for_it(
    client: TestClient[Litestar], site: Site
) -> None:
    sign_in(client, Role.AUDITOR)
    school = f"/bureau/schools/{site.market.school.code}"
    use = f"{school}/statements/2026-03/lines/{site.line_id}/uses/{site.sequence}"
    html = client.get(use).text
    text = texts(html)
    for expected in ("first", "2026-03-02 08:00:00", "march.csv", "播放器 player", "青禾县教育局"):
        assert expected in text
    for address in (
        "/bureau",
        "/bureau/schools",
        school,
        f"{school}/statements/2026-03",
        f"{school}/statements/2026-03/lines/{site.line_id}",
        f"{school}/statements/2026-03/lines/{site.line_id}/uses",
    ):
        assert f'href="{address}"' in html


def test_a_vendor_sees_a_pseudonym_and_neither_session_nor_funding_line(
    client: TestClient[Litestar], units: Units, site: Site
) -> None:
    with units(SYSTEM) as unit:
        head = line_head(unit, site.line_id)
        (first, *_), _ = uses_of(unit, head)
    sign_in(client, Role.VENDOR_MANAGER)
    base = f"/vendor/periods/2026-03/lines/{site.line_id}"
    rows = exported(client, f"{base}/uses")
    assert rows[0]["学习者"] not in {"", first.learner}
    assert "会话" not in rows[0]
    assert "session-1" not in client.get(f"{base}/uses/{site.sequence}").text
    line = client.get(base).text
    assert "经费来源" not in line
    assert "/funding/" not in line


def test_a_use_of_another_line_is_not_there(units: Units, site: Site) -> None:
    with units(SYSTEM) as unit:
        head = line_head(unit, site.other_line_id)
        with pytest.raises(NotFound):
            use_of(unit, head, site.sequence)


# Money


def test_the_movements_of_a_line_add_up_to_its_amounts(units: Units, site: Site) -> None:
    with units(site.market.finance) as unit:
        history = line_history(unit, site.market.line_id)
        held = history.line.balance
        for name in ("available_fen", "committed_fen", "accrued_fen", "paid_fen"):
            changes = [getattr(one.change, name) for one in history.movements]
            assert sum(changes) == getattr(held, name)
        assert history.movements[1].act == "commit"
        assert history.movements[1].title == "资源"


def test_a_booked_line_is_reached_from_the_movement_that_booked_it(
    client: TestClient[Litestar], units: Units, site: Site
) -> None:
    confirm(client)
    settle(units, SYSTEM, MARCH)
    html = client.get(f"/school/funding/{site.market.line_id}").text
    assert f'href="/school/statements/2026-03/lines/{site.line_id}"' in html
    assert "对账入账" in html
    line = texts(client.get(f"/school/statements/2026-03/lines/{site.line_id}").text)
    assert "入账凭证号" in line


def test_the_bureaus_table_adds_up_over_its_schools(
    client: TestClient[Litestar], site: Site
) -> None:
    sign_in(client, Role.AUDITOR)
    rows = exported(client, "/bureau/schools?sort=-billed_fen")
    assert [(row["学校"], row["应付金额（元）"], row["超出上限（元）"]) for row in rows] == [
        (site.market.school.name, "0.90", "0.10"),
        (site.other.school.name, "0.50", "0.00"),
    ]
    text = texts(client.get("/bureau/schools").text)
    assert "合计 1,500.00 1,449.10 50.90 0.00 2 4 1.40 0.10 0.00" in text


def test_a_bureau_sees_the_fate_of_every_row_of_a_month(
    client: TestClient[Litestar], site: Site
) -> None:
    sign_in(client, Role.OPERATOR)
    text = texts(client.get("/bureau/periods/2026-03").text)
    # seven rows of one school and one of the other: 6 accepted, 1 again, 1 of nobody known
    for expected in ("收到记录 限本区域教育局认可的来源 8", "学习者不在名册内 1", "已出账单 2"):
        assert expected in text
    assert "同一事件再次报送 1" in text


# The statement is confirmed by the school (R36)


def confirm(client: TestClient[Litestar], *, amount_fen: int = 90):
    sign_in(client, Role.SCHOOL_FINANCE)
    asked = client.get("/school/statements/2026-03/confirm").text
    ticked = re.findall(r'name="line_id" value="([^"]+)" checked', asked)
    return client.post(
        "/school/statements/2026-03/confirm",
        data={"csrf_token": csrf_token(client), "amount_fen": str(amount_fen), "line_id": ticked},
        follow_redirects=False,
    )


def test_only_the_finance_person_is_offered_to_confirm(
    client: TestClient[Litestar], site: Site
) -> None:
    address = "/school/statements/2026-03/confirm"
    for role, offered in ((Role.SCHOOL_FINANCE, True), (Role.PRINCIPAL, False)):
        sign_in(client, role)
        assert (f'href="{address}"' in client.get("/school/statements/2026-03").text) is offered
        assert "确认 2026-03 对账单" in client.get("/school").text


def test_confirming_asks_once_naming_the_amount_and_shows_who_did_it(
    client: TestClient[Litestar], units: Units, site: Site
) -> None:
    sign_in(client, Role.SCHOOL_FINANCE)
    asked = client.get("/school/statements/2026-03/confirm").text
    assert "待确认 1 行，合计 0.90 元。" in asked
    response = confirm(client)
    assert response.status_code == 303
    assert response.headers["location"] == "/school/statements/2026-03"
    text = texts(client.get("/school/statements/2026-03").text)
    assert "已确认" in text
    assert re.search(r"确认 1 行 教工\S+ school_finance", text)
    with units(SYSTEM) as unit:
        states = dict(unit.session.execute(select(StatementLine.id, StatementLine.state)).all())
    assert states == {site.line_id: "confirmed", site.other_line_id: "stated"}


def test_what_is_confirmed_is_what_was_asked(
    client: TestClient[Litestar], units: Units, site: Site
) -> None:
    response = confirm(client, amount_fen=89)
    assert response.status_code == 409
    assert "请重新核对" in response.text
    with units(SYSTEM) as unit:
        assert set(unit.session.scalars(select(StatementLine.state))) == {"stated"}


def test_confirming_twice_leads_back_to_the_statement(
    client: TestClient[Litestar], site: Site
) -> None:
    assert confirm(client).status_code == 303
    assert confirm(client).status_code == 303
    asked = client.get("/school/statements/2026-03/confirm", follow_redirects=False)
    assert asked.headers["location"] == "/school/statements/2026-03"


# What waits, and the empty beginning


def test_the_home_shows_what_waits_for_the_persons_signature(
    client: TestClient[Litestar], units: Units
) -> None:
    county = a_county(units)
    county.issue()
    county.select(a_selection())
    let_sign_in(units, f"academic-{SCHOOL}")
    sign_in(client, f"academic-{SCHOOL}")
    text = texts(client.get("/school").text)
    assert "1 项选用等您审批 500.00 元" in text
    assert "资源 maths-1" in text


def test_a_funding_lines_computation_is_printed(client: TestClient[Litestar], units: Units) -> None:
    county = a_county(units)
    county.issue()
    let_sign_in(units, f"teacher-{SCHOOL}")
    sign_in(client, f"teacher-{SCHOOL}")
    address = re.search(r'href="(/school/funding/[^"]+)"', client.get("/school/funding").text)
    assert address
    text = client.get(address[1]).text
    assert "200 人 ×" in text
    assert "经费下达" in text


@pytest.mark.parametrize("locale", ["zh_CN", "en"])
def test_pages_without_anything_say_why_and_what_comes_next(
    client: TestClient[Litestar], site: Site, locale: str
) -> None:
    sign_in(client, "other-auditor")
    client.cookies.set("xuanyong_language", locale)
    why = {"zh_CN": "本区域尚无学校", "en": "There is no school in this region yet"}[locale]
    assert why in client.get("/bureau/schools").text
    assert client.get("/bureau").status_code == 200
    assert client.get("/bureau/periods").status_code == 200


# Addresses that lead nowhere


def test_an_address_that_can_not_be_is_not_there(client: TestClient[Litestar], site: Site) -> None:
    sign_in(client, Role.AUDITOR)
    code = site.market.school.code
    line = f"/bureau/schools/{code}/statements/2026-03/lines/{site.line_id}"
    for address in (f"/bureau/schools/{code}%00", f"{line}/uses/99999999999999999999999"):
        assert client.get(address).status_code == 404


def test_where_nothing_is_a_signed_in_person_is_led_home_not_to_the_sign_in(
    client: TestClient[Litestar], site: Site
) -> None:
    sign_in(client, Role.AUDITOR)
    page = client.get("/no-such-page")
    assert page.status_code == 404
    assert 'href="/sign-in"' not in page.text
    assert "返回首页" in page.text


def test_a_page_beyond_the_last_shows_the_last(client: TestClient[Litestar], site: Site) -> None:
    sign_in(client, Role.AUDITOR)
    assert site.market.school.name in client.get("/bureau/schools?page=999").text


def test_a_form_with_foreign_fields_is_answered_in_words(
    client: TestClient[Litestar], site: Site
) -> None:
    sign_in(client, Role.SCHOOL_FINANCE)
    answer = client.post(
        "/school/statements/2026-03/confirm",
        data={"csrf_token": csrf_token(client), "amount": "x"},
    )
    assert answer.status_code == 422
    assert "内容有误，请返回重试" in answer.text
    assert "Object" not in answer.text
