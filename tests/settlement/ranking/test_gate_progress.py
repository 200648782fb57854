"""Gates say how much there is of what they take; a score stands before its doubt."""

import re
from decimal import Decimal

from litestar.testing import TestClient

from kernel.clock import parse_month
from kernel.settings import Settings
from kernel.unit import Units
from settlement.queries.standings import standing_view
from tests.support.application import an_app
from tests.support.ranking_builders import BAD, lived, on_probation, ranked, standing_of
from tests.support.site_builders import csrf_token, sign_in

PAGE = {"accept": "text/html"}


def test_a_gate_that_takes_a_number_says_how_much_there_is(
    settings: Settings, units: Units
) -> None:
    """R44: one look of two, no school of three yet; on the page and the interface."""
    contest = on_probation(units)
    september = parse_month("2026-09")
    lived(units, contest, september, {BAD: 1})
    ranked(units, september)
    standing = standing_of(units, contest)
    with units(contest.reviewers[1]) as unit:
        gates = standing_view(unit, standing.id).gates
    counted = [(one.have, one.need, one.is_met) for one in gates if one.need is not None]
    assert counted == [(Decimal(1), Decimal(2), False), (Decimal(0), Decimal(3), False)]
    with TestClient(an_app(settings, units)) as client:
        sign_in(client, "reviewer-1")
        page = client.get(f"/bureau/standings/{standing.id}", headers=PAGE).text
        answer = client.get(f"/api/v1/standings/{standing.id}").json()["gates"]
        desk = client.get("/bureau/standings", headers=PAGE).text
    assert "现为 1，需 2" in page and "现为 0，需 3" in page
    assert [(one["have"], one["need"]) for one in answer if one["need"]] == [("1", "2"), ("0", "3")]
    assert "起始日期" in desk and "起始月份" not in desk


def test_a_score_stands_before_its_doubt(settings: Settings, units: Units) -> None:
    """R42: 68.3 ± 10.3, to the public and to the vendor."""
    contest = on_probation(units)
    vendor = contest.sellers[BAD]
    with TestClient(an_app(settings, units)) as client:
        public = client.get(f"/rankings/vendors/{vendor.organisation.code}", headers=PAGE).text
        sign_in(client, "vendor-2")
        own = client.get("/vendor/standing", headers=PAGE).text
    for page in (public, own):
        assert re.search(r'>\d+\.\d</strong> <span class="figure muted">± \d+\.\d<', page)


def test_the_desk_says_what_became_of_ranking_and_lists_what_waits_first(
    settings: Settings, units: Units
) -> None:
    """R44: once something became known, and once nothing did; vendors by standing."""
    contest = on_probation(units)
    with TestClient(an_app(settings, units)) as client:
        sign_in(client, "reviewer-1")

        def press(month: str) -> str:
            sent = {"month": month, "csrf_token": csrf_token(client)}
            return client.post("/bureau/standings", data=sent, headers=PAGE).text

        same = press("2026-04")
        lived(units, contest, parse_month("2026-05"))
        sign_in(client, "reviewer-1")
        made = press("2026-05")
        shown = client.get("/bureau/standings?ranked=nothing", headers=PAGE).text
    assert "第 1 次排名保持不变" in same
    assert "已完成 2026-05 第 1 次排名" in made
    assert "保持不变" not in shown and "已完成" not in shown
    assert '?state=probation">整改' in shown and "待裁决的申诉" in shown
    names = [contest.sellers[number].organisation.name for number in (BAD, 0)]
    assert shown.index(names[0]) < shown.index(names[1])
