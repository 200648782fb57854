"""Lists of the catalogue say of a resource what its own page says of its vendor (R44)."""

import re
from datetime import timedelta

from litestar.testing import TestClient

from kernel.settings import Settings
from kernel.unit import Units
from settlement.agreement_ends import end_what_is_over
from settlement.ranking.due_process import let_exit
from settlement.ranking.looks import leave_when_over
from settlement.ranking.runs import require_run
from tests.support.application import an_app
from tests.support.ranking_builders import BAD, Contest, next_look, standing_of, suspended
from tests.support.settlement_builders import SYSTEM
from tests.support.site_builders import counted_queries, csrf_token, sign_in


def labels(page: str, contest: Contest) -> list[str]:
    """Return which label each vendor's row of a list has, the bad one's last."""
    rows = re.findall(r"<tr>.*?</tr>", page, re.DOTALL)
    found = []
    for seller in contest.sellers:
        (row,) = (one for one in rows if seller.organisation.name in one)
        told = [word for word in ("暂停新增", "退出中", "已退出") if word in row]
        found.append("".join(told))
    return found


def test_each_list_labels_what_schools_are_kept_from_choosing(
    settings: Settings, units: Units
) -> None:
    """R44: suspended, exiting and gone; in the catalogue, among favourites, at the vendor's and
    where a school chooses; asked once for a page, and never that a school uses it still."""
    contest = suspended(units)
    bad, standing = contest.sellers[BAD], standing_of(units, contest).id
    kept = {"resource": bad.key, "act": "keep"}
    with TestClient(an_app(settings, units)) as client:
        client.headers.update({"accept": "text/html"})

        def read(address: str) -> str:
            with counted_queries(units.engine) as sent:
                page = client.get(address)
            assert (page.status_code, len(sent) <= 12) == (200, True), (address, len(sent))
            return page.text

        def everywhere(label: str) -> None:
            sign_in(client, "head-0")
            client.post("/catalog/favourites", data=kept | {"csrf_token": csrf_token(client)})
            for address in ("/catalog", "/catalog?sort=newest", "/school/resources"):
                assert labels(read(address), contest) == ["", "", label], address
            assert label in read("/catalog/favourites")
            vendor = read(f"/catalog/vendors/{bad.organisation.code}")
            assert label in vendor[vendor.index("<table") :]
            client.cookies.clear()
            assert label in read(f"/catalog/resources/{bad.key}")

        everywhere("暂停新增")
        next_look(units, contest)
        with units(contest.reviewers[1]) as unit:
            let_exit(unit, standing, note="整改无效", seen=require_run(unit).id)
        everywhere("退出中")
        units.clock.advance(timedelta(days=40))
        with units(SYSTEM) as unit:
            end_what_is_over(unit)
            assert leave_when_over(unit) == 1
        everywhere("已退出")
        assert "在用" not in read("/catalog") and "4 所学校选用" in read("/catalog")
