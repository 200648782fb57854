"""Schools of a signed bulk purchase: the days of those that join, and two people for changes."""

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import select, text

from kernel.clock import FixedClock
from kernel.errors import (
    AlreadyExists,
    BelowWhatSchoolUsed,
    InvalidInput,
    MakerChecks,
    MissingValue,
    NoAgreement,
    NotFound,
    ProposalDecided,
    Refused,
    SchoolNotPaidFor,
)
from kernel.identity.models import Organisation
from kernel.unit import Units
from procurement.bulk import preview_bulk
from procurement.bulk_lists import school_changes
from procurement.bulk_school_proposals import check_schools, propose_schools
from procurement.record_proposals import return_record
from procurement.verification import verify
from settlement.agreement_schools import decline
from settlement.agreements import AgreementDraft, Draw, open_agreement
from settlement.metering.launches import agreement_in_force
from settlement.models import Agreement, AgreementDraw, FundingLine
from settlement.queries.launches import openable_at
from settlement.queries.lines import lines_of
from settlement.school_days import Run, runs_within
from settlement.school_standings import school_standings
from tests.support.bulk_builders import (
    FIRST,
    LAST,
    SKU,
    Buyer,
    a_buyer,
    another_ceiling,
    closed,
    joins,
    on,
    standings,
)
from tests.support.settlement_builders import SYSTEM


@pytest.fixture
def buyer(units: Units, clock: FixedClock) -> Buyer:
    clock.at = datetime(2026, 8, 20, 1, tzinfo=UTC)
    return a_buyer(units)


def in_force(buyer: Buyer, code: str, day: date) -> str:
    with buyer.units(SYSTEM) as unit:
        school = unit.session.scalars(select(Organisation).where(Organisation.code == code)).one()
        resource_id = unit.session.scalars(select(Agreement.resource_id)).first()
        assert resource_id is not None
        return agreement_in_force(
            unit, school=school, resource_id=resource_id, sku=SKU, day=day
        ).number


def days_of(buyer: Buyer, number: str, code: str) -> list[tuple[date, date]]:
    with buyer.units(SYSTEM) as unit:
        agreement = unit.session.scalars(select(Agreement).where(Agreement.number == number)).one()
        (found,) = [one for one in school_standings(unit, [agreement.id]) if one.code == code]
        return runs_within(found.runs, agreement.starts_on, agreement.ends_on)


def quarantined(buyer: Buyer) -> int:
    with buyer.units(SYSTEM) as unit:
        return unit.session.execute(
            text("SELECT count(*) FROM usage_quarantine WHERE reason = 'no-agreement'")
        ).scalar_one()


# Days


def test_use_before_a_school_joined_is_not_of_the_agreement(
    buyer: Buyer, clock: FixedClock
) -> None:
    """R24: neither attested use nor a launch; from the day on which it joins, both."""
    number = buyer.bought(dict.fromkeys(buyer.codes[:2], 500), ceiling_fen=1_000)
    clock.at = on(9, 20)
    buyer.use({buyer.codes[0]: 2})
    closed(buyer, clock, 9)
    buyer.change(number, joins(buyer.codes[2], 300, date(2026, 10, 10)))
    clock.at = on(10, 20)
    buyer.use({buyer.codes[2]: 3}, month=9, name="before")
    buyer.use({buyer.codes[2]: 3}, month=10, day=9, name="day-before")
    assert quarantined(buyer) == 6
    buyer.use({buyer.codes[2]: 2}, month=10, day=10, name="from-then")
    with pytest.raises(NoAgreement):
        in_force(buyer, buyer.codes[2], date(2026, 10, 9))
    assert in_force(buyer, buyer.codes[2], date(2026, 10, 10)) == number
    closed(buyer, clock, 10)
    assert standings(buyer, number)[2] == (300, 200, 0)
    assert days_of(buyer, number, buyer.codes[2]) == [(date(2026, 10, 10), LAST)]
    assert verify(buyer.units, SYSTEM) == []


def test_before_it_joined_a_school_goes_by_its_own_agreement(
    buyer: Buyer, clock: FixedClock
) -> None:
    """R24, R33: and by the bureau's from then on."""
    number = buyer.bought(dict.fromkeys(buyer.codes[:2], 500), ceiling_fen=1_000)
    own = an_own_agreement(buyer, buyer.codes[2])
    buyer.change(number, joins(buyer.codes[2], 300, date(2026, 9, 10)))
    clock.at = on(9, 20)
    buyer.use({buyer.codes[2]: 2}, day=9, name="own")
    buyer.use({buyer.codes[2]: 3}, day=10, name="bureaus")
    closed(buyer, clock, 9)
    with buyer.units(SYSTEM) as unit:
        billed = {line.agreement_number: line.quantity for line in lines_of(unit)}
    assert billed == {own: 2, number: 3}
    assert verify(buyer.units, SYSTEM) == []


def test_a_school_that_declined_joins_again_and_has_both_days(
    buyer: Buyer, clock: FixedClock
) -> None:
    """R24: what it used in between is its own; it may get another ceiling with it."""
    number = buyer.bought(dict.fromkeys(buyer.codes, 500))
    first = buyer.codes[0]
    clock.at = on(9, 2, 9)
    with buyer.units(buyer.county.actor(f"principal-{first}")) as unit:
        decline(unit, number, from_day=date(2026, 9, 8), reason="自己选用")
    with pytest.raises(InvalidInput) as caught:
        buyer.propose(number, joins(first, 500, date(2026, 9, 7)))
    assert caught.value.facts["field"] == "from_day"
    buyer.change(number, joins(first, 600, date(2026, 9, 15)))
    assert days_of(buyer, number, first) == [
        (FIRST, date(2026, 9, 7)),
        (date(2026, 9, 15), LAST),
    ]
    clock.at = on(9, 20)
    for day in (7, 8, 14, 15):
        buyer.use({first: 1}, day=day, name=f"on-{day}")
    assert quarantined(buyer) == 2
    for day, agreed in ((7, True), (8, False), (14, False), (15, True)):
        if agreed:
            assert in_force(buyer, first, date(2026, 9, day)) == number
        else:
            with pytest.raises(NoAgreement):
                in_force(buyer, first, date(2026, 9, day))
    closed(buyer, clock, 9)
    assert standings(buyer, number)[0] == (600, 200, 0)
    assert verify(buyer.units, SYSTEM) == []
    with buyer.units(buyer.county.actor(f"principal-{first}")) as unit:
        decline(unit, number, from_day=date(2026, 11, 1), reason="再次自己选用")
    assert days_of(buyer, number, first)[-1] == (date(2026, 9, 15), date(2026, 10, 31))
    assert verify(buyer.units, SYSTEM) == []


def test_a_resource_is_openable_from_the_day_on_which_the_school_joins(
    buyer: Buyer, clock: FixedClock
) -> None:
    """R24: on the learners' page as at the launch."""
    number = buyer.bought(dict.fromkeys(buyer.codes[:2], 500), ceiling_fen=1_000)
    buyer.change(number, joins(buyer.codes[2], 300, date(2026, 9, 10)))
    seen = {}
    for day in (9, 10):
        clock.at = on(9, day)
        with buyer.units(SYSTEM) as unit:
            school_id = unit.session.scalars(
                select(Organisation.id).where(Organisation.code == buyer.codes[2])
            ).one()
            seen[day] = [row.sku for row in openable_at(unit, school_id)]
    assert seen == {9: [], 10: [SKU]}


def test_uses_of_days_before_a_school_joined_are_found_by_verify(
    buyer: Buyer, clock: FixedClock
) -> None:
    """R50: whoever puts them there; and days that no change makes."""
    number = buyer.bought(dict.fromkeys(buyer.codes[:2], 500), ceiling_fen=1_000)
    buyer.change(number, joins(buyer.codes[2], 300, date(2026, 9, 10)))
    clock.at = on(9, 20)
    buyer.use({buyer.codes[2]: 2}, day=10)
    assert verify(buyer.units, SYSTEM) == []
    with buyer.units(SYSTEM) as unit:
        unit.session.execute(text("SET LOCAL session_replication_role = replica"))
        unit.session.execute(
            text("UPDATE agreement_school_change SET from_day = '2026-09-11' WHERE kind = 'added'")
        )
    found = verify(buyer.units, SYSTEM)
    (uses,) = [one for one in found if f"2 uses of school {buyer.codes[2]} are of days" in one]
    assert uses.endswith(": before it joined")
    assert any(f"days of school {buyer.codes[2]} are [2026-09-10" in one for one in found)


@pytest.mark.parametrize("day", [date(2026, 8, 31), date(2027, 1, 1)])
def test_a_school_joins_on_a_day_of_the_agreement_that_is_to_come(buyer: Buyer, day: date) -> None:
    """R24: never in the past, so that no use changes its payer."""
    number = buyer.bought(dict.fromkeys(buyer.codes[:2], 500), ceiling_fen=1_000)
    with pytest.raises(InvalidInput) as caught:
        buyer.propose(number, joins(buyer.codes[2], 300, day))
    assert caught.value.facts["field"] == "from_day"


def test_what_is_checked_after_the_day_of_joining_is_refused_then(
    buyer: Buyer, clock: FixedClock
) -> None:
    """R24: the second person's word does not reach back either."""
    number = buyer.bought(dict.fromkeys(buyer.codes[:2], 500), ceiling_fen=1_000)
    proposal = buyer.propose(number, joins(buyer.codes[2], 300, date(2026, 9, 10)))
    clock.at = on(9, 11)
    with pytest.raises(InvalidInput):
        buyer.check(proposal)


# Two people


def test_ceilings_of_a_signed_purchase_take_two_people(buyer: Buyer) -> None:
    """R22, R24: who requested it may propose, and never check; what waits has no effect."""
    number = buyer.bought(dict.fromkeys(buyer.codes, 500))
    proposal = buyer.propose(number, another_ceiling(buyer.codes[0], 900))
    assert standings(buyer, number)[0][0] == 500
    with pytest.raises(MakerChecks):
        buyer.check(proposal, login="bureau")
    with pytest.raises(AlreadyExists):
        buyer.propose(number, another_ceiling(buyer.codes[0], 800))
    buyer.check(proposal)
    assert standings(buyer, number)[0][0] == 900
    with pytest.raises(ProposalDecided):
        buyer.check(proposal)
    with buyer.units(buyer.county.actor("bureau")) as unit:
        agreement = unit.session.scalars(select(Agreement).where(Agreement.number == number)).one()
        (row,) = school_changes(unit, agreement)
        assert (row.change.reference, row.change.by) == (proposal, "checker")
    assert verify(buyer.units, SYSTEM) == []


def test_a_returned_proposal_changes_nothing_and_may_be_made_anew(buyer: Buyer) -> None:
    """R22."""
    number = buyer.bought(dict.fromkeys(buyer.codes, 500))
    proposal = buyer.propose(number, another_ceiling(buyer.codes[0], 900))
    with buyer.units(buyer.county.actor("checker")) as unit:
        return_record(unit, proposal, note="写错学校")
    assert standings(buyer, number)[0][0] == 500
    buyer.change(number, another_ceiling(buyer.codes[1], 900))
    assert [one[0] for one in standings(buyer, number)] == [500, 900, 500]


def test_what_was_used_meanwhile_stands_against_a_lower_ceiling_at_the_check(
    buyer: Buyer, clock: FixedClock
) -> None:
    """R24: judged again by what runs when it is checked."""
    number = buyer.bought(dict.fromkeys(buyer.codes, 500), ceiling_fen=1_000)
    proposal = buyer.propose(number, another_ceiling(buyer.codes[0], 200))
    clock.at = on(9, 20)
    buyer.use({buyer.codes[0]: 3})
    with pytest.raises(BelowWhatSchoolUsed):
        buyer.check(proposal)


def test_another_bureau_and_a_school_neither_propose_nor_check(buyer: Buyer) -> None:
    """R49."""
    buyer.county.with_other_bureau()
    number = buyer.bought(dict.fromkeys(buyer.codes, 500))
    proposal = buyer.propose(number, another_ceiling(buyer.codes[0], 900))
    wish = another_ceiling(buyer.codes[1], 900)
    for login, error in (("elsewhere", NotFound), (f"principal-{buyer.codes[0]}", Refused)):
        with buyer.units(buyer.county.actor(login)) as unit:
            with pytest.raises(error):
                propose_schools(unit, number, [wish], reason="试试")
            with pytest.raises(error):
                check_schools(unit, proposal)


def test_a_proposal_names_some_school_and_each_once(buyer: Buyer) -> None:
    """R24."""
    number = buyer.bought(dict.fromkeys(buyer.codes, 500))
    wish = another_ceiling(buyer.codes[0], 900)
    with pytest.raises(MissingValue):
        buyer.propose(number)
    with pytest.raises(InvalidInput):
        buyer.propose(number, wish, wish)
    with pytest.raises(InvalidInput):
        buyer.propose(number, another_ceiling(buyer.codes[0], 500))


# Earmarked money


def test_a_line_for_certain_schools_pays_for_a_purchase_for_these(buyer: Buyer) -> None:
    """R18, R24, R34: earmarked money first; the preview and the last signature agree."""
    earmarked = buyer.earmarked(buyer.codes, fen=700)
    ceilings = dict.fromkeys(buyer.codes[:2], 500)
    with buyer.units(buyer.county.actor("bureau")) as unit:
        planned = preview_bulk(unit, buyer.wanted(ceilings)).item.draws
    assert [draw.amount_fen for draw in planned] == [700, 300]
    number = buyer.bought(ceilings)
    with buyer.units(SYSTEM) as unit:
        draws = unit.session.execute(
            select(AgreementDraw.line_id, AgreementDraw.ceiling_fen)
            .join(Agreement, Agreement.id == AgreementDraw.agreement_id)
            .where(Agreement.number == number)
            .order_by(AgreementDraw.position)
        ).all()
    assert [tuple(draw) for draw in draws] == [
        (earmarked, 700),
        (buyer.line_id, 300),
    ]
    buyer.change(number, joins(buyer.codes[2], 300, date(2026, 9, 10)))


def test_a_line_pays_for_no_purchase_for_a_school_that_it_leaves_out(buyer: Buyer) -> None:
    """R18, R24: neither from the start nor by a school that joins later."""
    buyer.earmarked(buyer.codes[:2], fen=5_000)
    with buyer.units(buyer.county.actor("bureau")) as unit:
        preview = preview_bulk(unit, buyer.wanted(dict.fromkeys(buyer.codes, 500)))
    assert [draw.line.restriction for draw in preview.item.draws] == [{}]
    number = buyer.bought(dict.fromkeys(buyer.codes[:2], 500), ceiling_fen=1_000)
    with pytest.raises(SchoolNotPaidFor):
        buyer.propose(number, joins(buyer.codes[2], 300, date(2026, 9, 10)))


def an_own_agreement(buyer: Buyer, code: str) -> str:
    """Let a school buy the same resource itself; return the number."""
    buyer.county.line(fen=5_000, school=code)
    with buyer.units(SYSTEM) as unit:
        bulk = unit.session.scalars(select(Agreement)).one()
        school = unit.session.scalars(select(Organisation).where(Organisation.code == code)).one()
        line_id = unit.session.scalars(
            select(FundingLine.id).where(FundingLine.payer_id == school.id)
        ).one()
        terms = {key: fact for key, fact in bulk.terms.items() if key != "school_ceilings"}
        number = f"{code}-OWN"
        open_agreement(
            unit,
            AgreementDraft(
                number=number,
                payer_id=school.id,
                vendor_id=bulk.vendor_id,
                resource_id=bulk.resource_id,
                version_id=bulk.version_id,
                terms={**terms, "kind": "single"},
                ceiling_fen=5_000,
                starts_on=FIRST,
                ends_on=LAST,
                draws=[Draw(line_id, 5_000)],
                school_ids=[school.id],
            ),
        )
    return number


def test_runs_are_cut_at_the_agreements_days() -> None:
    """R24."""
    runs = [Run(None, date(2026, 9, 7)), Run(date(2027, 1, 1), None)]
    assert runs_within(runs, FIRST, LAST) == [(FIRST, date(2026, 9, 7))]
