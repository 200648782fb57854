"""How long a text of an evaluation may be, and of which day; a page shows no more than is read."""

from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from kernel.clock import shanghai_day
from kernel.errors import InvalidInput
from kernel.settings import Settings
from kernel.unit import Units
from settlement.evaluation.admissions import admit_evaluator, end_admission, own_admissions
from settlement.evaluation.finding_views import findings
from settlement.evaluation.outside import (
    LONGEST_SOURCE,
    file_finding,
    reply_to_finding,
    withdraw_finding,
)
from settlement.texts import LONGEST_TEXT
from tests.support.application import an_app
from tests.support.builders import COUNTY
from tests.support.evaluation_builders import FOUND, Scene, let_in
from tests.support.settlement_builders import SYSTEM
from tests.support.site_builders import csrf_token, sign_in

LONG = "长" * (LONGEST_TEXT + 1)


@pytest.fixture
def client(settings: Settings, units: Units, scene: Scene) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(settings, units)) as client:
        client.headers["accept"] = "text/html"
        yield client


@pytest.mark.parametrize("turning", ["\u202e", "\u2066"])
def test_no_text_of_an_evaluation_turns_the_direction_of_reading(
    units: Units, scene: Scene, turning: str
) -> None:
    """R65: a figure or a name would be read otherwise than it was written."""
    let_in(units, scene)
    found = FOUND | {"finding": f"通过率{turning}15%"}
    with pytest.raises(InvalidInput) as refused, units(scene.person) as unit:
        file_finding(unit, "platform", "", **found)
    assert refused.value.facts["field"] == "finding"
    assert turning not in str(refused.value)


def test_no_text_of_an_evaluation_is_longer_than_can_be_read(units: Units, scene: Scene) -> None:
    """R65: finding, source, interest, reply and reasons; one of the longest is taken."""
    with pytest.raises(InvalidInput, match="interest"), units(scene.operator) as unit:
        admit_evaluator(unit, scene.evaluator.code, region_code=COUNTY, interest=LONG)
    let_in(units, scene)
    code = scene.market.vendor.code
    for wrong in ({"finding": LONG}, {"source": "x" * (LONGEST_SOURCE + 1)}):
        with pytest.raises(InvalidInput, match="characters"), units(scene.person) as unit:
            file_finding(unit, "vendor", code, **FOUND | wrong)
    with units(scene.person) as unit:
        found = file_finding(unit, "vendor", code, **FOUND | {"finding": LONG[:-1]})
    with pytest.raises(InvalidInput, match="reply"), units(scene.seller) as unit:
        reply_to_finding(unit, found, reply=LONG)
    with pytest.raises(InvalidInput, match="because"), units(scene.person) as unit:
        withdraw_finding(unit, found, because=LONG)
    with units(scene.person) as unit:
        (admission,) = own_admissions(unit)
    with pytest.raises(InvalidInput, match="because"), units(scene.operator) as unit:
        end_admission(unit, admission.id, because=LONG)


def test_what_was_found_is_no_older_than_ten_years_and_not_ahead(
    units: Units, scene: Scene
) -> None:
    let_in(units, scene)
    code = scene.market.vendor.code
    today = shanghai_day(units.clock.now())
    for day in (date(1800, 1, 1), today - timedelta(days=3_654), today + timedelta(days=1)):
        with pytest.raises(InvalidInput, match="a day from"), units(scene.person) as unit:
            file_finding(unit, "vendor", code, **FOUND | {"found_on": day})
    for day in (today - timedelta(days=3_653), today):
        with units(scene.person) as unit:
            file_finding(unit, "vendor", code, **FOUND | {"found_on": day})


def test_a_long_finding_is_opened_to_be_read_whole(
    units: Units, client: TestClient[Litestar], scene: Scene
) -> None:
    """R65: lists show its beginning; what is too long is refused before anything is asked."""
    let_in(units, scene)
    said = "页" * 1_999 + "末"
    with units(scene.person) as unit:
        found = file_finding(unit, "vendor", scene.market.vendor.code, **FOUND | {"finding": said})
    page = client.get("/reports/evaluations").text
    assert (said[:200] in page, "末" in page) == (True, False)
    assert f'<a href="/reports/findings/{found}">查看全文</a>' in page
    sign_in(client, "judge")
    assert said not in client.get("/evaluator/findings").text
    assert said in client.get("/evaluator/findings?format=csv").text
    client.cookies.clear()
    assert said in client.get(f"/reports/findings/{found}").text
    sign_in(client, "vendor")
    form = {"csrf_token": csrf_token(client), "text": LONG}
    answer = client.post(f"/reports/findings/{found}/reply", data=form)
    assert (answer.status_code, "最多 2000 个字符" in answer.text) == (422, True)
    with units(SYSTEM) as unit:
        assert [one.reply for one in findings(unit)] == [""]
