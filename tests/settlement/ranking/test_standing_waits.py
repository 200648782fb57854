"""Nobody has to look for due process: homes tell a vendor its days and a reviewer what waits."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from kernel.clock import parse_month, shanghai_day
from kernel.settings import Settings
from kernel.unit import Units
from settlement.evaluation.outside import file_finding, reply_to_finding, withdraw_finding
from settlement.queries.standing_waits import desk_waits, own_waits
from settlement.queries.standings import standing_rows, standing_view
from settlement.ranking.due_process import issue_notice, let_exit, suspend
from settlement.ranking.runs import require_run
from settlement.ranking.standing_appeals import appeal_standing, decide_standing_appeal
from tests.support.application import an_app
from tests.support.evaluation_builders import FOUND, a_scene, let_in
from tests.support.ranking_builders import (
    APRIL,
    BAD,
    MARCH,
    Contest,
    a_contest,
    lived,
    next_look,
    on_probation,
    ranked,
    standing_of,
    suspended,
    wronged,
)
from tests.support.site_builders import counted_queries, sign_in
from tests.support.standing_builders import last_event

PAGE = {"accept": "text/html"}


@pytest.fixture
def client(settings: Settings, units: Units) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(settings, units)) as client:
        client.headers.update(PAGE)
        yield client


def read(client: TestClient[Litestar], units: Units, login: str, address: str) -> str:
    sign_in(client, login)
    with counted_queries(units.engine) as sent:
        page = client.get(address)
    assert (page.status_code, len(sent) <= 12) == (200, True), sent
    return page.text


def waits(units: Units, contest: Contest, reviewer: int) -> list[tuple[str, bool]]:
    with units(contest.reviewers[reviewer]) as unit:
        found = desk_waits(unit)
        of_gates = {
            view.step.value
            for row in standing_rows(unit)
            for view in (standing_view(unit, row.id),)
            if view.step is not None and all(gate.is_met for gate in view.gates)
        }
    steps = {one.what for one in found if one.what in {"notice", "suspension", "exit"}}
    assert steps == of_gates, "the home lists what the page of the standing lets sign"
    return [(one.what, one.is_mine) for one in found]


def appealed(units: Units, contest: Contest) -> None:
    standing = standing_of(units, contest)
    with units(contest.sellers[BAD].manager) as unit:
        appeal_standing(unit, standing.id, event=last_event(unit, standing.id), claim="评价不实")


def test_a_vendor_is_told_of_a_notice_and_until_when_it_may_appeal(
    client: TestClient[Litestar], units: Units
) -> None:
    """R44: on its home, and by a count in the navigation until it has appealed or the days end."""
    contest = on_probation(units)
    standing = standing_of(units, contest)
    with units(contest.sellers[BAD].manager) as unit:
        (step,) = own_waits(unit).steps
    home = read(client, units, "vendor-2", "/vendor")
    assert f'<a href="/vendor/standing/{standing.id}">' in home and "整改通知" in home
    assert f"{step.appeal_by}（含当日）前可以申诉" in home
    assert f"整改期限 {step.mend_by}（含当日）" in home
    assert '排名 <span class="header__count">1</span>' in home
    assert "待办事项" not in read(client, units, "vendor-0", "/vendor")
    units.clock.advance(timedelta(days=(step.appeal_by - step.day).days))
    assert "header__count" in read(client, units, "vendor-2", "/vendor"), "its last day counts"
    units.clock.advance(timedelta(days=1))
    late = read(client, units, "vendor-2", "/vendor")
    assert "申诉期已过" in late and "header__count" not in late


def test_a_vendor_that_appealed_reads_that_it_waits_and_what_became_of_it(
    client: TestClient[Litestar], units: Units
) -> None:
    """R44: the reviewers' homes have it, too; who signed the notice, that another decides."""
    contest = on_probation(units)
    appealed(units, contest)
    assert "申诉待裁决" in read(client, units, "vendor-2", "/vendor")
    assert waits(units, contest, 0) == [("appeal", False)]
    assert waits(units, contest, 1) == [("appeal", True)]
    standing = standing_of(units, contest)
    home = read(client, units, "reviewer-1", "/bureau")
    assert f'<a href="/bureau/standings/{standing.id}">1 份对等级的申诉待裁决</a>' in home
    assert contest.sellers[BAD].organisation.name in home and "您签署过" not in home
    assert "您签署过相关处理" in read(client, units, "reviewer-0", "/bureau")
    with units(contest.reviewers[1]) as unit:
        appeal = standing_view(unit, standing.id).appeals[0]
        decide_standing_appeal(unit, appeal.id, upheld=False, note="维持")
    assert "申诉已驳回" in read(client, units, "vendor-2", "/vendor")
    assert waits(units, contest, 1) == []


def test_each_step_is_on_the_reviewers_home_once_its_gates_are_met(
    client: TestClient[Litestar], units: Units
) -> None:
    """R44: notice, suspension and exit, no day and no look earlier than their page has it."""
    contest = a_contest(units)
    lived(units, contest, MARCH, {0: 5, 1: 4, 2: 1})
    wronged(units, contest, MARCH, 2)
    lived(units, contest, APRIL)
    assert waits(units, contest, 0) == []
    ranked(units, APRIL)
    assert waits(units, contest, 0) == [("notice", True)]
    home = read(client, units, "reviewer-0", "/bureau")
    assert "整改通知：1 项条件已满足，待签署" in home
    standing = standing_of(units, contest).id
    units.clock.advance(timedelta(days=3))
    with units(contest.reviewers[0]) as unit:
        mend_by = issue_notice(unit, standing, note="请整改", seen=require_run(unit).id).mend_by
    assert waits(units, contest, 0) == []
    for month in ("2026-09", "2026-10"):
        lived(units, contest, parse_month(month), {2: 1})
        ranked(units, parse_month(month))
        assert waits(units, contest, 1) == [], month
    days = (mend_by - shanghai_day(units.clock.now())).days
    units.clock.advance(timedelta(days=days))
    assert waits(units, contest, 1) == [], "the last day to mend"
    units.clock.advance(timedelta(days=1))
    assert waits(units, contest, 1) == [("suspension", True)]
    with units(contest.reviewers[1]) as unit:
        suspend(unit, standing, note="未改善", seen=require_run(unit).id)
    assert waits(units, contest, 1) == []
    next_look(units, contest)
    assert waits(units, contest, 1) == [("exit", True)]
    with units(contest.reviewers[1]) as unit:
        let_exit(unit, standing, note="整改无效", seen=require_run(unit).id)
    assert waits(units, contest, 1) == []
    assert "退出中" in read(client, units, "vendor-2", "/vendor")


def test_a_month_ranked_again_makes_no_step_due(units: Units) -> None:
    """R44: an exit needs a later month than the suspension had, as on its page."""
    contest = suspended(units)
    units.clock.advance(timedelta(days=30))
    assert waits(units, contest, 1) == []


def test_a_school_reads_that_its_vendor_takes_no_new_schools_and_that_it_leaves(
    client: TestClient[Litestar], units: Units
) -> None:
    """R44: on its home, in its list and on the agreement; others read nothing of it."""
    contest = suspended(units)
    standing, name = standing_of(units, contest).id, contest.sellers[BAD].organisation.name
    home = read(client, units, "head-0", "/school")
    assert name in home and "本校可继续使用，也可续签下一期" in home
    agreements = read(client, units, "head-0", "/school/agreements")
    assert agreements.count("暂停新增") == 2, "the notice above, and its row"
    next_look(units, contest)
    with units(contest.reviewers[1]) as unit:
        let_exit(unit, standing, note="整改无效", seen=require_run(unit).id)
    home = read(client, units, "head-0", "/school")
    (number,) = set(re.findall(r'<a href="/school/agreements/([^"]+)">[^<]*' + name, home))
    assert "到 2026-12-31 结束，不能续签" in home and home.count("退出中") == 1
    agreements = read(client, units, "head-0", "/school/agreements")
    assert "不再新签或续签" in agreements and "执行到 2026-12-31" in agreements
    assert agreements.count("退出中") == 2
    assert "退出中" in read(client, units, "head-0", f"/school/agreements/{number}")
    rows = client.get("/school/agreements?format=csv").content.decode("utf-8-sig").splitlines()
    assert [("退出中" in row) for row in rows[1:]].count(True) == 1
    units.clock.advance(timedelta(days=60))  # the agreements are over
    assert name not in read(client, units, "head-0", "/school")
    assert "退出中" not in read(client, units, "head-0", "/school/agreements")


def test_a_vendor_is_told_of_a_finding_until_it_has_answered(
    client: TestClient[Litestar], units: Units
) -> None:
    """R65: on its home; one that was withdrawn is none."""
    scene = a_scene(units)
    let_in(units, scene)
    vendor = scene.market.vendor
    with units(scene.person) as unit:
        first, second = (
            file_finding(unit, "vendor", vendor.code, **FOUND | {"finding": one})
            for one in ("服务及时", "服务中断两次")
        )
    assert "2 份第三方评价尚未答复" in read(client, units, "vendor", "/vendor")
    with units(scene.seller) as unit:
        reply_to_finding(unit, second, reply="已赔偿并改进")
    assert "1 份第三方评价尚未答复" in read(client, units, "vendor", "/vendor")
    with units(scene.person) as unit:
        withdraw_finding(unit, first, because="重复提交")
    assert "第三方评价" not in read(client, units, "vendor", "/vendor")
