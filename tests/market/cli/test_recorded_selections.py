"""Whoever records a selection in another's name signs it no more than who requested it (R22)."""

from datetime import date
from pathlib import Path
from uuid import UUID

import pytest
from litestar.testing import TestClient
from sqlalchemy import select, update
from sqlalchemy.exc import DatabaseError

from kernel.actors import Role, system_actor
from kernel.errors import OwnRecord
from kernel.ids import SelectionId
from kernel.settings import Settings
from kernel.unit import Unit, Units
from procurement.approvals import SigningSummary, refuse, sign
from procurement.delegations import delegate
from procurement.due_steps import signatories, waiting_steps
from procurement.models import Selection
from procurement.policy import Threshold
from procurement.queries import selection
from procurement.requests import Wanted, request_selection
from tests.market.cli.conftest import Market
from tests.support.accounts import let_sign_in
from tests.support.application import an_app
from tests.support.funding_builders import SCHOOL, VENDOR, CountyBuilder, a_county
from tests.support.site_builders import csrf_token, sign_in

RECORDER, OTHER, TEACHER = "bureau", "checker", f"teacher-{SCHOOL}"
COLUMNS = "reference,school_code,vendor_code,sku,starts_on,ends_on,ceiling_yuan,reason,requested_by"
FACTS = f"{SCHOOL},{VENDOR},maths-1,2026-09-01,2026-12-31,500.00,五年级数学练习,{TEACHER}"


@pytest.fixture
def county(units: Units) -> CountyBuilder:
    """A county whose bureau alone signs, from the first fen on."""
    county = a_county(units)
    county.issue()
    county.rules(Threshold(position=1, role=Role.BUREAU_FINANCE, from_amount_fen=0))
    return county


@pytest.fixture
def recorded(county: CountyBuilder, market: Market, tmp_path: Path) -> SelectionId:
    """A teacher's selection that a finance person of the bureau has imported."""
    path = tmp_path / "selections.csv"
    path.write_text(f"{COLUMNS}\nS-1,{FACTS}\n", encoding="utf-8")
    result = market("import", "selections", path, "--as", RECORDER)
    assert result.status == 0, result.err
    return the_selection(county)


def the_selection(county: CountyBuilder) -> SelectionId:
    with county.units(system_actor("test")) as unit:
        return SelectionId(unit.session.scalars(select(Selection.id)).one())


def lend(unit: Unit, *, to: UUID) -> None:
    """Have the actor let a colleague sign in their place this month."""
    assert unit.actor.person_id is not None
    delegate(
        unit,
        role=Role.BUREAU_FINANCE,
        holder_id=unit.actor.person_id,
        delegate_id=to,
        starts_on=date(2026, 8, 1),
        ends_on=date(2026, 8, 31),
    )


def test_who_recorded_it_finds_nothing_to_sign_and_another_does(
    county: CountyBuilder, recorded: SelectionId
) -> None:
    """R22: recorded in the teacher's name, so the teacher would not be found signing."""
    with county.units(county.actor(RECORDER)) as unit:
        view = selection(unit, recorded)
        assert (view.requested_by_name, view.recorded_by_name) == (TEACHER, RECORDER)
        assert waiting_steps(unit) == []
        with pytest.raises(OwnRecord) as refused:
            sign(unit, recorded)
    assert refused.value.facts["reference"] == "S-1"
    assert county.sign_as(RECORDER) == [SigningSummary()]
    with county.units(county.actor("operator")) as unit:
        assert [actor.name for actor in signatories(unit)] == [OTHER]
    assert county.sign_as(OTHER) == [SigningSummary(signed=1, agreements=1)]


def test_who_recorded_it_signs_on_no_page_and_through_no_interface(
    county: CountyBuilder, recorded: SelectionId, settings: Settings
) -> None:
    let_sign_in(county.units, RECORDER, OTHER)
    page, api = f"/bureau/approvals/{recorded}", f"/api/v1/selections/{recorded}/signature"
    with TestClient(an_app(settings, county.units)) as client:
        sign_in(client, RECORDER)
        assert str(recorded) not in client.get("/bureau/approvals").text
        shown = client.get(page).text
        assert "登记人" in shown and 'value="approve"' not in shown
        token = csrf_token(client)
        for act in ("approve", "all"):
            form = {"act": act, "csrf_token": token}
            answer = client.post(f"{page}/decision", data=form, follow_redirects=False)
            assert answer.status_code in {303, 403}, act
        answer = client.post(api, json={"decision": "sign"}, headers={"x-csrf-token": token})
        assert (answer.status_code, answer.json()["code"]) == (403, "own-record")
        with county.units(system_actor("test")) as unit:
            assert selection(unit, recorded).state == "requested"
        sign_in(client, OTHER)
        assert str(recorded) in client.get("/bureau/approvals").text
        form = {"act": "approve", "csrf_token": csrf_token(client)}
        assert client.post(f"{page}/decision", data=form, follow_redirects=False).status_code == 303
    with county.units(system_actor("test")) as unit:
        assert selection(unit, recorded).state == "approved"


def test_who_recorded_it_signs_by_no_command(
    county: CountyBuilder, recorded: SelectionId, market: Market
) -> None:
    alone = market("approve", "--as", RECORDER, "--json")
    assert (alone.status, alone.json["signed"]) == (0, 0)
    direct = market("selection", "sign", SCHOOL, "S-1", "--as", RECORDER)
    assert (direct.status, "can't sign S-1" in direct.err) == (1, True)
    everyone = market("approve", "--everyone", "--json")
    assert (everyone.status, everyone.json["agreements"]) == (0, 1)
    with county.units(system_actor("test")) as unit:
        assert [step.signed_by_name for step in selection(unit, recorded).steps] == [OTHER]


def test_nobody_signs_it_in_the_place_of_who_recorded_it(
    county: CountyBuilder, recorded: SelectionId
) -> None:
    """R22: a delegate is bound by what binds the holder, and a recorder who is lent a role, too."""
    deputy = county.actor("reviewer-1")
    assert deputy.person_id is not None
    with county.units(county.actor(RECORDER)) as unit:
        lend(unit, to=deputy.person_id)
    with county.units(deputy) as unit:
        assert waiting_steps(unit) == []
        with pytest.raises(OwnRecord):
            sign(unit, recorded)
    with county.units(county.actor(OTHER)) as unit:
        lend(unit, to=deputy.person_id)
    with county.units(deputy) as unit:
        (step,) = waiting_steps(unit)
        assert step.signs_for == county.actor(OTHER).person_id


def test_what_one_recorded_wrongly_one_may_return(
    county: CountyBuilder, recorded: SelectionId
) -> None:
    with county.units(county.actor(RECORDER)) as unit:
        assert refuse(unit, recorded, note="登记有误").state == "refused"


def test_the_same_file_again_makes_nobody_else_its_recorder(
    county: CountyBuilder, recorded: SelectionId, market: Market, tmp_path: Path
) -> None:
    """R32: a duplicate changes nothing, so it frees nobody and binds nobody."""
    path = tmp_path / "selections.csv"
    for login in (OTHER, "operator"):
        assert market("import", "selections", path, "--as", login, "--json").json["duplicates"] == 1
    with county.units(system_actor("test")) as unit:
        assert selection(unit, recorded).recorded_by_name == RECORDER
    assert county.sign_as(RECORDER, OTHER) == [
        SigningSummary(),
        SigningSummary(signed=1, agreements=1),
    ]


def test_one_s_own_request_is_recorded_by_oneself_and_not_shown_twice(
    county: CountyBuilder,
) -> None:
    wanted = Wanted(
        vendor_code=VENDOR,
        sku="maths-1",
        starts_on=date(2026, 9, 1),
        ends_on=date(2026, 12, 31),
        ceiling_fen=50_000,
        reason="五年级数学练习",
    )
    with county.units(county.actor(TEACHER)) as unit:
        request_selection(unit, wanted, reference="S-2")
    with county.units(system_actor("test")) as unit:
        row = unit.session.scalars(select(Selection)).one()
        assert row.recorded_by == row.requested_by
        assert selection(unit, SelectionId(row.id)).recorded_by_name == ""


@pytest.mark.parametrize("name", ["recorded_by", "requested_by", "ceiling_fen", "reason"])
def test_what_was_requested_is_never_changed_in_the_database_either(
    county: CountyBuilder, recorded: SelectionId, name: str
) -> None:
    values = {"recorded_by": None, "requested_by": county.actor(OTHER).person_id, "reason": "x"}
    with pytest.raises(DatabaseError), county.units(system_actor("test")) as unit:
        unit.session.execute(update(Selection).values({name: values.get(name, 1)}))
