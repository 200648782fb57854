"""Who looks at a resource is told before asking that its vendor takes no new schools, or nobody."""

from collections.abc import Iterator

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import select

from kernel.actors import Role
from kernel.errors import VendorExiting, VendorLeft
from kernel.settings import Settings
from kernel.unit import Units
from settlement.models import Agreement
from settlement.ranking.due_process import let_exit
from settlement.ranking.effects import require_open_to
from settlement.ranking.runs import require_run
from tests.support.accounts import PASSWORD
from tests.support.application import an_app
from tests.support.builders import a_person, a_school
from tests.support.ranking_builders import (
    BAD,
    Contest,
    departed,
    next_look,
    standing_of,
    suspended,
)
from tests.support.settlement_builders import SYSTEM
from tests.support.site_builders import sign_in

PAGE = {"accept": "text/html"}
ASK = "加入申请"


@pytest.fixture
def contest(units: Units) -> Contest:
    contest = suspended(units)
    with units(SYSTEM) as unit:
        other = a_school(unit)
        for school, login in ((other, "new-teacher"), (contest.schools[0], "old-teacher")):
            a_person(unit, school, [Role.TEACHER], login=login, password=PASSWORD)
    return contest


@pytest.fixture
def client(settings: Settings, units: Units, contest: Contest) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(settings, units)) as client:
        yield client


def pages(client: TestClient[Litestar], contest: Contest, number: int = BAD) -> list[str]:
    """Return a resource's page in the catalogue and the school's own."""
    key = contest.sellers[number].key
    places = ("/catalog/resources", "/school/resources")
    return [client.get(f"{place}/{key}", headers=PAGE).text for place in places]


def test_who_may_not_begin_is_told_so_and_not_invited(
    client: TestClient[Litestar], contest: Contest
) -> None:
    """R44: under a suspension a school that uses it may go on, for another term too."""
    vendor = contest.sellers[BAD].organisation
    told = "已在使用的学校可继续使用，也可续签下一学期"
    for address in (
        f"/catalog/resources/{contest.sellers[BAD].key}",
        f"/catalog/vendors/{vendor.code}",
    ):
        page = client.get(address, headers=PAGE).text
        assert "暂停新增" in page and told in page
    assert told in client.get(f"/rankings/vendors/{vendor.code}", headers=PAGE).text
    for login, asks in (("new-teacher", False), ("old-teacher", True)):
        sign_in(client, login)
        for page in pages(client, contest):
            assert told in page and (ASK in page) is asks, login
    for page in pages(client, contest, 0):
        assert "暂停新增" not in page and ASK in page


def test_of_a_vendor_that_leaves_nobody_is_invited_and_each_is_told_why(
    client: TestClient[Litestar], units: Units, contest: Contest
) -> None:
    """R44: who uses it goes on to the end of what runs, and is not told of new schools."""
    next_look(units, contest)
    with units(contest.reviewers[1]) as unit:
        let_exit(unit, standing_of(units, contest).id, note="整改无效", seen=require_run(unit).id)
    for login in ("new-teacher", "old-teacher"):
        sign_in(client, login)
        for page in pages(client, contest):
            assert "不再新签或续签，正在执行的协议可用到期满" in page
            assert ASK not in page and "新学校" not in page
    with pytest.raises(VendorExiting, match="agreed or renewed"), units(SYSTEM) as unit:
        refused(unit, contest)


def test_of_a_vendor_that_has_left_nobody_is_told_to_go_on(
    settings: Settings, units: Units
) -> None:
    """R44."""
    contest = departed(units)
    with TestClient(an_app(settings, units)) as client:
        page = client.get(f"/catalog/resources/{contest.sellers[BAD].key}", headers=PAGE).text
    assert "提供方已退出：不再签订协议" in page and "可用到期满" not in page
    with pytest.raises(VendorLeft, match="has left"), units(SYSTEM) as unit:
        refused(unit, contest)


def refused(unit, contest: Contest) -> None:
    """Ask for another term, as a school that uses it."""
    versions = unit.session.scalars(
        select(Agreement.version_id).where(
            Agreement.vendor_id == contest.sellers[BAD].organisation.id
        )
    ).all()
    require_open_to(unit, [(versions[0], [contest.schools[0].id])])
