"""What a bureau pays is judged above it; where nothing is, by a colleague without a part in it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from litestar.testing import TestClient
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from kernel.actors import OrganisationKind, Role
from kernel.clock import FixedClock
from kernel.errors import OwnPart, Refused
from kernel.identity.credentials import set_password
from kernel.identity.organisations import BureauRow, record_bureaus
from kernel.identity.people import RosterRow, record_roster
from kernel.settings import Settings
from kernel.trail import TrailRow
from kernel.unit import Units
from procurement.agreement_requests import request_ceiling
from procurement.bulk_school_proposals import check_schools, propose_schools
from settlement.agreement_schools import SchoolWish
from settlement.confirmations import confirm_lines
from settlement.dispute_rules import DisputeOutcome, DisputeReason
from settlement.disputes import decide_dispute, dispute_line
from settlement.models import StatementLine
from settlement.queries.disputes import dispute_row
from settlement.queries.lines import lines_of
from settlement.retention import forfeit_retention
from tests.support.accounts import PASSWORD, let_sign_in
from tests.support.application import an_app
from tests.support.bulk_builders import Buyer, a_buyer, closed, on
from tests.support.funding_builders import CITY, COUNTY, JOINED, a_selection, must
from tests.support.settlement_builders import SYSTEM
from tests.support.site_builders import csrf_token, sign_in

BUYER, SIGNER, THIRD, ABOVE = "bureau", "checker", "third", "above"


@pytest.fixture
def buyer(units: Units, clock: FixedClock) -> Buyer:
    """The county's bureau, with nothing above it and a third finance person."""
    clock.at = datetime(2026, 8, 20, 1, tzinfo=UTC)
    buyer = a_buyer(units)
    employ(buyer, THIRD, COUNTY)
    return buyer


def employ(buyer: Buyer, login: str, region: str) -> None:
    row = RosterRow(
        person_no=login,
        name=login,
        organisation_kind=OrganisationKind.BUREAU,
        organisation_code=region,
        roles=(Role.BUREAU_FINANCE,),
        joined_on=JOINED,
        login=login,
    )
    with buyer.units(SYSTEM) as unit:
        must(record_roster(unit, [row]))


def with_bureau_above(buyer: Buyer) -> None:
    with buyer.units(SYSTEM) as unit:
        must(record_bureaus(unit, [BureauRow(region_code=CITY, name="青河市教育局")]))
    employ(buyer, ABOVE, CITY)


def billed(buyer: Buyer, clock: FixedClock, month: int = 9) -> UUID:
    """Let a school use it once and close the month; return the bureau's line."""
    clock.at = on(month, 20)
    buyer.use({buyer.codes[0]: 4}, month=month)
    closed(buyer, clock, month)
    with buyer.units(SYSTEM) as unit:
        return max(lines_of(unit), key=lambda line: line.month).id


def objected(buyer: Buyer, line_id: UUID, clock: FixedClock, *, login: str = BUYER) -> UUID:
    """Dispute a line, and let the vendor's days pass."""
    with buyer.units(buyer.county.actor(login)) as unit:
        dispute_id = dispute_line(
            unit, line_id, reason=DisputeReason.UNUSABLE, claim="打不开", claimed_fen=50
        )
    clock.at += timedelta(days=15)
    return dispute_id


def decide(buyer: Buyer, dispute_id: UUID, login: str) -> None:
    with buyer.units(buyer.county.actor(login)) as unit:
        decide_dispute(
            unit, dispute_id, outcome=DisputeOutcome.UPHELD, credit_fen=100, note="经核对属实"
        )


def may_not_decide(buyer: Buyer, dispute_id: UUID, *logins: str) -> None:
    for login in logins:
        with pytest.raises(OwnPart):
            decide(buyer, dispute_id, login)


def test_where_no_bureau_is_above_a_colleague_without_a_part_decides_and_the_record_says_so(
    buyer: Buyer, clock: FixedClock
) -> None:
    """R36: who requested and disputed it does not decide, nor who signed it."""
    buyer.bought(dict.fromkeys(buyer.codes, 500))
    dispute_id = objected(buyer, billed(buyer, clock), clock)
    may_not_decide(buyer, dispute_id, BUYER, SIGNER)
    decide(buyer, dispute_id, THIRD)
    with buyer.units(SYSTEM) as unit:
        row = dispute_row(unit, dispute_id)
        trailed = unit.session.scalars(
            select(TrailRow.facts).where(TrailRow.act == "dispute.upheld")
        ).one()
    assert (row.outcome, row.within_payer, row.decided_by) == ("upheld", True, THIRD)
    assert trailed["within_payer"] is True


def test_a_bureau_above_the_payer_decides_wherever_there_is_one(
    buyer: Buyer, clock: FixedClock
) -> None:
    """R36: and then nobody of the payer, however impartial."""
    with_bureau_above(buyer)
    buyer.bought(dict.fromkeys(buyer.codes, 500))
    dispute_id = objected(buyer, billed(buyer, clock), clock)
    with pytest.raises(Refused) as refused:
        decide(buyer, dispute_id, THIRD)
    assert refused.value.facts["needs"] == "the bureau above the payer"
    decide(buyer, dispute_id, ABOVE)
    with buyer.units(SYSTEM) as unit:
        assert not dispute_row(unit, dispute_id).within_payer


def test_whoever_moves_up_does_not_judge_their_own_objection(
    buyer: Buyer, clock: FixedClock
) -> None:
    """R36: a part in the matter is kept by the person, wherever they are employed."""
    with_bureau_above(buyer)
    buyer.bought(dict.fromkeys(buyer.codes, 500))
    dispute_id = objected(buyer, billed(buyer, clock), clock)
    employ(buyer, BUYER, CITY)
    assert buyer.county.actor(BUYER).organisation_code == CITY
    may_not_decide(buyer, dispute_id, BUYER)
    decide(buyer, dispute_id, ABOVE)


def test_whoever_signed_for_the_bureau_does_not_judge_the_schools_dispute(
    buyer: Buyer, clock: FixedClock
) -> None:
    """R36: the threshold brought the selection to the bureau, whose signature opened it."""
    county, code = buyer.county, buyer.codes[0]
    county.line(fen=6_000_000, school=code)
    for role in (Role.TEACHER, Role.ACADEMIC):
        county.with_person(code, f"{role}-{code}", roles=[role])
    county.select(a_selection(school=code, sku="maths-1", ceiling_fen=5_000_000))
    county.sign_as(f"academic-{code}", f"school_finance-{code}", f"principal-{code}", BUYER)
    dispute_id = objected(buyer, billed(buyer, clock), clock, login=f"school_finance-{code}")
    may_not_decide(buyer, dispute_id, BUYER)
    decide(buyer, dispute_id, THIRD)
    with buyer.units(SYSTEM) as unit:
        assert not dispute_row(unit, dispute_id).within_payer


def test_whoever_objects_does_not_decide_though_without_another_part(
    buyer: Buyer, clock: FixedClock
) -> None:
    buyer.bought(dict.fromkeys(buyer.codes, 500))
    dispute_id = objected(buyer, billed(buyer, clock), clock, login=THIRD)
    may_not_decide(buyer, dispute_id, BUYER, SIGNER, THIRD)


def changed_a_schools_ceiling(buyer: Buyer, number: str) -> None:
    with buyer.units(buyer.county.actor(THIRD)) as unit:
        wish = SchoolWish(code=buyer.codes[0], ceiling_fen=600)
        proposal = propose_schools(unit, number, [wish], reason="用量高")
    with buyer.units(buyer.county.actor(SIGNER)) as unit:
        check_schools(unit, proposal)


def asked_for_a_higher_ceiling(buyer: Buyer, number: str) -> None:
    with buyer.units(buyer.county.actor(THIRD)) as unit:
        asked = request_ceiling(unit, number, ceilings={2026: 1_800}, reason="用量高")
    buyer.sign(asked)


@pytest.mark.parametrize("act", [changed_a_schools_ceiling, asked_for_a_higher_ceiling])
def test_whoever_changed_the_agreement_has_a_part_in_it(
    buyer: Buyer, clock: FixedClock, act: Callable[[Buyer, str], None]
) -> None:
    act(buyer, buyer.bought(dict.fromkeys(buyer.codes, 500), ceiling_fen=1_500))
    may_not_decide(buyer, objected(buyer, billed(buyer, clock), clock), THIRD)


def test_whoever_confirmed_an_earlier_bill_has_a_part_in_it(
    buyer: Buyer, clock: FixedClock
) -> None:
    """Also under a login that has changed since."""
    buyer.bought(dict.fromkeys(buyer.codes, 500))
    billed(buyer, clock)
    third = buyer.county.actor(THIRD)
    assert third.organisation_id is not None and third.person_id is not None
    with buyer.units(third) as unit:
        month = unit.session.scalars(select(StatementLine.month)).one()
        assert confirm_lines(unit, third.organisation_id, month) == 1
    with buyer.units(SYSTEM) as unit:
        set_password(unit, third.person_id, login="renamed", password=PASSWORD)
    dispute_id = objected(buyer, billed(buyer, clock, 10), clock)
    may_not_decide(buyer, dispute_id, "renamed")


def test_what_a_topmost_bureau_holds_back_is_forfeited_by_the_same_rule(
    buyer: Buyer, clock: FixedClock
) -> None:
    """R63: nobody who brought the agreement about decides on its money alone."""
    buyer.bought(dict.fromkeys(buyer.codes, 500))
    line_id = billed(buyer, clock)
    payer = buyer.county.actor(BUYER)
    assert payer.organisation_id is not None
    with buyer.units(payer) as unit:
        month = unit.session.scalars(select(StatementLine.month)).one()
        confirm_lines(unit, payer.organisation_id, month)
    closed(buyer, clock, 9)
    for login in (BUYER, SIGNER):
        with pytest.raises(OwnPart), buyer.units(buyer.county.actor(login)) as unit:
            forfeit_retention(unit, line_id, because="长期无法使用")
    with buyer.units(buyer.county.actor(THIRD)) as unit:
        forfeit_retention(unit, line_id, because="长期无法使用")
    with buyer.units(SYSTEM) as unit:
        facts = unit.session.scalars(
            select(TrailRow.facts).where(TrailRow.act == "retention.forfeited")
        ).one()
    assert facts["within_payer"] is True


def test_the_form_is_offered_to_who_may_decide_alone(
    buyer: Buyer, clock: FixedClock, settings: Settings
) -> None:
    """R36: and the page says afterwards where it was decided."""
    buyer.bought(dict.fromkeys(buyer.codes, 500))
    dispute_id = objected(buyer, billed(buyer, clock), clock)
    let_sign_in(buyer.units, BUYER, THIRD)
    desk = f"/bureau/disputes/{dispute_id}"
    form = {"outcome": "dismissed", "note": "经核对可正常使用", "confirmed": "yes"}
    with TestClient(an_app(settings, buyer.units)) as client:
        sign_in(client, BUYER)
        assert f"{desk}/decision" not in client.get(desk).text
        sent = {**form, "csrf_token": csrf_token(client)}
        assert "不能裁决" in client.post(f"{desk}/decision", data=sent).text
        sign_in(client, THIRD)
        assert f"{desk}/decision" in client.get(desk).text
        sent = {**form, "csrf_token": csrf_token(client)}
        done = client.post(f"{desk}/decision", data=sent, follow_redirects=False)
        assert done.status_code == 303
        assert "在付款教育局内部裁决" in client.get(desk).text


def test_who_had_a_part_is_never_struck_out(buyer: Buyer) -> None:
    buyer.bought(dict.fromkeys(buyer.codes, 500))
    for statement in (
        "UPDATE agreement_party SET part = 'requested'",
        "DELETE FROM agreement_party",
        "TRUNCATE agreement_party",
    ):
        with pytest.raises(DBAPIError), buyer.units(SYSTEM) as unit:
            unit.session.execute(text(statement))
