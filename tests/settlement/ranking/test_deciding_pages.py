"""Who decides an appeal, on pages: not who signed, not twice; errors by the form's own names."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import select

from kernel.clock import shanghai_day
from kernel.settings import Settings
from kernel.unit import Units
from settlement.ranking.models import StandingAppeal
from settlement.ranking.standing_appeals import appeal_standing, decide_standing_appeal
from tests.support.application import an_app
from tests.support.ranking_builders import BAD, Contest, departed, on_probation, standing_of
from tests.support.site_builders import counted_queries, csrf_token, sign_in
from tests.support.standing_builders import last_event

PAGE = {"accept": "text/html"}
RETURN = timedelta(days=400)


@pytest.fixture
def contest(units: Units) -> Contest:
    return on_probation(units)


@pytest.fixture
def client(settings: Settings, units: Units, contest: Contest) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(settings, units)) as client:
        yield client


def appealed(units: Units, contest: Contest) -> None:
    standing = standing_of(units, contest)
    with units(contest.sellers[BAD].manager) as unit:
        event = last_event(unit, standing.id)
        appeal_standing(unit, standing.id, event=event, claim="评价不是使用者所写")


def waiting(units: Units, contest: Contest) -> StandingAppeal:
    with units(contest.reviewers[2]) as unit:
        return unit.session.scalars(select(StandingAppeal)).one()


def post(client: TestClient[Litestar], address: str, **sent: object) -> Any:
    form = sent | {"csrf_token": csrf_token(client)}
    return client.post(address, data=form, headers=PAGE, follow_redirects=False)


def test_who_decides_what_was_just_decided_is_told_who_decided_it_when_and_how(
    client: TestClient[Litestar], units: Units, contest: Contest
) -> None:
    """R44: on the standing's page (409), whether the form names the appeal or not."""
    appealed(units, contest)
    appeal = waiting(units, contest)
    desk = f"/bureau/standings/{standing_of(units, contest).id}"
    sign_in(client, "reviewer-1")
    assert f'name="appeal" value="{appeal.id}"' in client.get(desk, headers=PAGE).text
    with units(contest.reviewers[2]) as unit:
        decide_standing_appeal(unit, appeal.id, upheld=False, note="维持原通知")
    form = {"upheld": "yes", "note": "支持", "confirmed": "yes"}
    for named in ({"appeal": str(appeal.id)}, {}):
        late = post(client, f"{desk}/appeal", **form, **named)
        assert late.status_code == 409
        day = shanghai_day(waiting(units, contest).decided_at).isoformat()
        assert f"该申诉已由教工SR-2于 {day} 裁决：已驳回。" in late.text
        assert "维持原通知" in late.text and 'name="upheld"' not in late.text
    assert waiting(units, contest).outcome == "dismissed"
    none = post(client, f"{desk}/appeal", **form, appeal="01a22cb7-0000-0000-0000-000000000000")
    assert none.status_code == 404


def test_who_signed_the_step_reads_at_once_that_another_decides(
    client: TestClient[Litestar], units: Units, contest: Contest
) -> None:
    """R44: with the name, without a form; a form that is sent all the same says it, too."""
    appealed(units, contest)
    desk = f"/bureau/standings/{standing_of(units, contest).id}"
    sign_in(client, "reviewer-0")
    with counted_queries(units.engine) as queries:
        page = client.get(desk, headers=PAGE).text
    assert len(queries) <= 12, queries
    assert "签署过" in page and "须由另一名评审人员办理" in page
    assert 'name="upheld"' not in page
    sent = post(client, f"{desk}/appeal", upheld="no", note="维持")
    assert (sent.status_code, waiting(units, contest).outcome) == (422, None)
    assert "须由另一名评审人员办理" in sent.text and "裁定申诉" not in sent.text
    sign_in(client, "reviewer-2")
    page = client.get(desk, headers=PAGE).text
    assert 'name="upheld"' in page and "须由另一名评审人员办理" not in page


def test_who_signed_the_going_is_offered_no_decision_of_the_return(
    settings: Settings, units: Units
) -> None:
    """R44: who signed none of it is."""
    contest = departed(units)
    standing = standing_of(units, contest)
    with TestClient(an_app(settings, units)) as client:
        units.clock.advance(RETURN)
        sign_in(client, "vendor-2")
        own = f"/vendor/standing/{standing.id}/return"
        long = post(client, own, claim="长" * 2_001)
        assert (long.status_code, "“退出后的改进”的值" in long.text) == (422, True)
        assert post(client, own, claim="更换了内容团队").status_code in {302, 303}
        sign_in(client, "reviewer-1")
        page = client.get(f"/bureau/standings/{standing.id}", headers=PAGE).text
        assert "须由另一名评审人员办理" in page and 'name="granted"' not in page
        sign_in(client, "reviewer-2")
        assert 'name="granted"' in client.get(f"/bureau/standings/{standing.id}", headers=PAGE).text


def test_a_text_that_is_too_long_is_told_by_the_name_that_the_form_has_for_it(
    client: TestClient[Litestar], units: Units, contest: Contest
) -> None:
    """The appeal's, its decision's and a step's; beside the field."""
    standing = standing_of(units, contest)
    sign_in(client, "vendor-2")
    with units(contest.sellers[BAD].manager) as unit:
        event = last_event(unit, standing.id)
    own = f"/vendor/standing/{standing.id}/appeal"
    sent = post(client, own, event=event, claim="长" * 2_001)
    assert sent.status_code == 422
    assert "“申诉理由”的值" in sent.text and "异议说明" not in sent.text
    assert 'id="error-claim"' in sent.text
    appealed(units, contest)
    sign_in(client, "reviewer-2")
    desk = f"/bureau/standings/{standing.id}"
    form = {"upheld": "no", "note": "长" * 2_001, "confirmed": "yes"}
    sent = post(client, f"{desk}/appeal", **form)
    assert "“裁决理由”的值" in sent.text and 'id="error-decision_note"' in sent.text
