"""What the guards set aside is told at the desk with the school, and never to the vendor."""

from litestar.testing import TestClient

from kernel.actors import Role
from kernel.settings import Settings
from kernel.unit import Units
from settlement.queries.standings import standing_view
from tests.support.application import an_app
from tests.support.builders import a_person
from tests.support.ranking_builders import (
    APRIL,
    MARCH,
    Contest,
    a_contest,
    closed,
    lived,
    ranked,
    said,
    standing_of,
    used,
)
from tests.support.settlement_builders import SYSTEM
from tests.support.site_builders import counted_queries, sign_in

PAGE = {"accept": "text/html"}


def a_captive_school(units: Units) -> Contest:
    """Six teachers of one school give the first vendor all stars, five other schools two."""
    contest = a_contest(units, schools=6, sellers=3, teachers=6)
    used(units, contest, MARCH)
    closed(units, MARCH)
    said(units, contest, {0: 5}, schools=[0])
    said(units, contest, {0: 2}, schools=[1, 2, 3, 4, 5])
    said(units, contest, {1: 4, 2: 3})
    lived(units, contest, APRIL)
    ranked(units, APRIL)
    return contest


def test_reviewers_and_auditors_learn_which_school_a_guard_named_and_the_vendor_does_not(
    settings: Settings, units: Units
) -> None:
    """R42, R44: people judge a sign, so they have to know whom it names and what it does."""
    contest = a_captive_school(units)
    standing = standing_of(units, contest, 0)
    school = contest.schools[0].name
    with TestClient(an_app(settings, units)) as client:
        sign_in(client, "reviewer-0")
        with counted_queries(units.engine) as queries:
            page = client.get(f"/bureau/standings/{standing.id}", headers=PAGE).text
        assert len(queries) <= 12, queries
        table = page[page.index('id="aside"') :]
        assert f'<th scope="row">{school}</th>' in table and "单校一致好评" in table
        assert ">+" in table, "it would raise the score"
        sign_in(client, "vendor-0")
        own = client.get(f"/vendor/standing/{standing.id}", headers=PAGE).text
    assert 'id="aside"' not in own and school not in own
    with units(SYSTEM) as unit:
        auditor = a_person(unit, contest.bureau, [Role.AUDITOR])
    with units(auditor) as unit:
        (aside,) = standing_view(unit, standing.id).aside
    assert (aside.school_name, aside.why) == (school, "captive-school")
    with units(contest.sellers[0].manager) as unit:
        assert not standing_view(unit, standing.id).aside
