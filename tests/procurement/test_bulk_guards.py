"""Who uses a bulk agreement: what the database refuses, and what `verify` finds all the same."""

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from kernel.clock import FixedClock
from kernel.ids import new_id
from kernel.unit import Units
from procurement.verification import verify
from settlement.agreement_schools import decline
from tests.support.bulk_builders import (
    Buyer,
    a_buyer,
    another_ceiling,
    closed,
    joins,
    on,
    standings,
)
from tests.support.funding_builders import COUNTY
from tests.support.settlement_builders import SYSTEM

REPLICA = "SET LOCAL session_replication_role = replica"
SCHOOL_BY_HAND = (
    "INSERT INTO agreement_school (agreement_id, school_id, ceiling_fen) "
    "SELECT a.id, o.id, 900 FROM agreement a, organisation o "
    "WHERE a.number = :number AND o.code = :code"
)
CHANGE_BY_HAND = (
    "INSERT INTO agreement_school_change (id, agreement_id, number, school_id, kind, ceiling_fen, "
    "from_day, reference, reason, at, by) SELECT :id, a.id, :place, o.id, :kind, :fen, "
    "CAST(:day AS date), :reference, 'x', :at, 'nobody' FROM agreement a, organisation o "
    "WHERE a.number = :number AND o.code = :code"
)
ADDED = (
    "INSERT INTO agreement_school (agreement_id, school_id, ceiling_fen, days) "
    "SELECT agreement_id, school_id, ceiling_fen, datemultirange(daterange(from_day, NULL)) "
    "FROM agreement_school_change"
)


@pytest.fixture
def buyer(units: Units, clock: FixedClock) -> Buyer:
    clock.at = datetime(2026, 8, 20, 1, tzinfo=UTC)
    return a_buyer(units)


def for_two(buyer: Buyer) -> str:
    return buyer.bought(dict.fromkeys(buyer.codes[:2], 500), ceiling_fen=1_000)


def by_hand(buyer: Buyer, *statements: str, **values: Any) -> None:
    with buyer.units(SYSTEM) as unit:
        for statement in statements:
            done = unit.session.connection().execute(text(statement), values)
            assert done.rowcount


def planted(buyer: Buyer, *statements: str, **values: Any) -> list[str]:
    """Write by hand what the database refuses, and return what `verify` finds then."""
    by_hand(buyer, REPLICA, *statements, **values)
    return verify(buyer.units, SYSTEM)


# Schools


def test_no_school_comes_to_an_agreement_by_hand(buyer: Buyer) -> None:
    """R24, R59: neither alone nor after a touch of the agreement's own row."""
    number = for_two(buyer)
    for before in ((), ("UPDATE agreement SET state = state",)):
        with pytest.raises(DBAPIError, match="it was opened without"):
            by_hand(buyer, *before, SCHOOL_BY_HAND, number=number, code=buyer.codes[2])
    assert verify(buyer.units, SYSTEM) == []


def test_a_school_that_nobody_signed_for_is_named(buyer: Buyer, clock: FixedClock) -> None:
    """R24, R50: its days are no change's, and its uses were paid."""
    number = for_two(buyer)
    clock.at = on(9, 20)
    found = planted(buyer, SCHOOL_BY_HAND, number=number, code=buyer.codes[2])
    (one,) = found
    assert one == (
        f"agreement {number}: school {buyer.codes[2]} uses it, with a ceiling of 9.00, "
        "and nobody signed for it"
    )


def test_a_school_that_is_gone_and_a_ceiling_of_its_own_are_named(buyer: Buyer) -> None:
    """R24, R50."""
    number = for_two(buyer)
    ceiling, gone = planted(
        buyer,
        "UPDATE agreement_school SET ceiling_fen = 600 FROM organisation o "
        "WHERE o.id = school_id AND o.code = :raised",
        "DELETE FROM agreement_school USING organisation o "
        "WHERE o.id = school_id AND o.code = :gone",
        raised=buyer.codes[0],
        gone=buyer.codes[1],
    )
    assert ceiling == (
        f"agreement {number}: ceiling of school {buyer.codes[0]} is 6.00, "
        "what was signed and changed makes 5.00"
    )
    assert gone == f"agreement {number}: school {buyer.codes[1]} was signed for, but is not in it"


# Proposals


def a_change(buyer: Buyer, number: str, **facts: Any) -> dict[str, Any]:
    """A change by hand: the third school joins on 10 September, up to 3.00."""
    return {
        "id": new_id(),
        "number": number,
        "place": 1,
        "code": buyer.codes[2],
        "kind": "added",
        "fen": 300,
        "day": date(2026, 9, 10),
        "at": on(9, 1),
        **facts,
    }


def test_no_change_is_written_that_two_people_did_not_agree_to(buyer: Buyer) -> None:
    """R22, R24: none without a proposal, with one that waits, or otherwise than it says."""
    number = for_two(buyer)
    waiting = buyer.propose(number, joins(buyer.codes[2], 300, date(2026, 9, 10)))
    checked = buyer.propose(number, another_ceiling(buyer.codes[0], 700))
    buyer.check(checked)
    for facts in (
        {"reference": ""},
        {"reference": "no-such-proposal"},
        {"reference": waiting},
        {"reference": checked},
        {"reference": checked, "code": buyer.codes[0]},
        {"reference": checked, "code": buyer.codes[0], "kind": "ceiling", "day": None},
        {"reference": checked, "kind": "declined"},
    ):
        with pytest.raises(DBAPIError):
            by_hand(buyer, CHANGE_BY_HAND, **a_change(buyer, number, place=2, **facts))
    assert [one[0] for one in standings(buyer, number)] == [700, 500]
    buyer.check(waiting)
    assert verify(buyer.units, SYSTEM) == []


def test_the_table_takes_no_change_without_a_reference_whatever_writes_it(buyer: Buyer) -> None:
    """R24: what is older than the second person stands, and nothing more joins it."""
    number = for_two(buyer)
    with pytest.raises(DBAPIError, match="ck_agreement_school_change_reference"):
        planted(buyer, CHANGE_BY_HAND, **a_change(buyer, number, reference=""))


@pytest.mark.parametrize(
    ("day", "refused"), [(date(2026, 9, 9), "can not be added"), (None, "from_day")]
)
def test_the_database_lets_no_school_join_that_goes_on(
    buyer: Buyer, day: date | None, refused: str
) -> None:
    """R24, R59: whatever was checked; and asks for a day."""
    number = buyer.bought(dict.fromkeys(buyer.codes, 500))
    joining = a_change(buyer, number, reference="x", day=day)
    with pytest.raises(DBAPIError, match=refused):
        by_hand(
            buyer,
            "ALTER TABLE agreement_school_change DISABLE TRIGGER was_proposed_and_checked",
            CHANGE_BY_HAND,
            **joining,
        )


@pytest.mark.parametrize("reference", ["no-such-proposal", None])
def test_a_change_that_nobody_checked_is_named(buyer: Buyer, reference: str | None) -> None:
    """R22, R50: nobody proposed it, or it waits."""
    number = for_two(buyer)
    wish = joins(buyer.codes[2], 300, date(2026, 9, 10))
    named = reference or buyer.propose(number, wish)
    found = planted(
        buyer,
        CHANGE_BY_HAND,
        ADDED,
        **a_change(buyer, number, reference=named),
    )
    (one,) = found
    assert one == (
        f"agreement {number}: a change of school {buyer.codes[2]} names {named}, which no second "
        "person checked for it"
    )


def test_a_change_that_is_not_what_was_checked_is_named(buyer: Buyer) -> None:
    """R22, R50: another day, or another ceiling."""
    number = for_two(buyer)
    buyer.change(number, another_ceiling(buyer.codes[0], 700))
    checked = buyer.propose(number, another_ceiling(buyer.codes[0], 600))
    buyer.check(checked)
    assert verify(buyer.units, SYSTEM) == []
    found = planted(
        buyer,
        "UPDATE agreement_school_change SET ceiling_fen = -150 WHERE reference = :checked",
        "UPDATE agreement_school SET ceiling_fen = 550 WHERE ceiling_fen = 600",
        checked=checked,
    )
    assert found == [
        f"agreement {number}: school {buyer.codes[0]} was changed otherwise than {checked} says"
    ]


def test_one_person_for_both_is_named(buyer: Buyer) -> None:
    """R22, R50: the database refuses it, and `verify` looks again."""
    number = for_two(buyer)
    checked = buyer.propose(number, another_ceiling(buyer.codes[0], 700))
    buyer.check(checked)
    found = planted(
        buyer,
        "ALTER TABLE record_proposal DROP CONSTRAINT ck_record_proposal_two_people",
        "UPDATE record_proposal SET decided_by = made_by",
    )
    (one,) = found
    assert "which no second person checked" in one


# Days


def test_use_after_a_school_declined_is_named(buyer: Buyer, clock: FixedClock) -> None:
    """R24, R50: a refusal that was known when the uses came in; they were billed all the same."""
    number = buyer.bought(dict.fromkeys(buyer.codes, 500))
    first = buyer.codes[0]
    clock.at = on(9, 20)
    buyer.use({first: 3}, day=15)
    assert verify(buyer.units, SYSTEM) == []
    declined = {"kind": "declined", "code": first, "fen": 0, "day": date(2026, 9, 5)}
    by_hand(buyer, CHANGE_BY_HAND, **a_change(buyer, number, reference="", **declined))
    closed(buyer, clock, 9)
    assert standings(buyer, number)[0][1] == 300
    (one,) = verify(buyer.units, SYSTEM)
    assert one == (
        f"agreement {number}: 3 uses of school {first} are of days on which it was not in it, "
        "2026-09-15 – 2026-09-15: it had declined from 2026-09-05 on"
    )


def test_use_that_came_in_before_the_school_declined_stays(buyer: Buyer, clock: FixedClock) -> None:
    """R24: from the same day on; after it joins again that holds for both."""
    number = buyer.bought(dict.fromkeys(buyer.codes, 500))
    first = buyer.codes[0]
    clock.at = on(9, 8, 9)
    buyer.use({first: 2}, day=8, name="before")
    clock.at = on(9, 8, 10)
    with buyer.units(buyer.county.actor(f"principal-{first}")) as unit:
        decline(unit, number, from_day=date(2026, 9, 8), reason="自己选用")
    clock.at = on(9, 8, 11)
    buyer.use({first: 1}, day=8, name="after", from_minute=30)
    buyer.change(number, joins(first, 500, date(2026, 9, 10)))
    clock.at = on(9, 12)
    buyer.use({first: 1}, day=11, name="again")
    clock.at = on(9, 13)
    with buyer.units(buyer.county.actor(f"principal-{first}")) as unit:
        decline(unit, number, from_day=date(2026, 9, 14), reason="再次自己选用")
    closed(buyer, clock, 9)
    assert standings(buyer, number)[0][1] == 300
    assert verify(buyer.units, SYSTEM) == []


# Money


RESTRICTED = "UPDATE funding_line SET restriction = CAST(:restriction AS jsonb)"
LINE_ENDED = (
    "INSERT INTO line_end (id, line_id, position, closed_year, outcome, freed_fen, lapsed_fen, "
    "held_fen, because, ended_at, ended_by) SELECT :end_id, id, 1, 2026, 'lapsed', 1, 0, 0, '', "
    ":ended_at, 'x' FROM funding_line"
)
FREED = "INSERT INTO freed_commitment SELECT :end_id, id, 1 FROM agreement"


def named(found: list[str], number: str) -> bool:
    return any(
        one.startswith(f"agreement {number}: {COUNTY} 2026") and "may not pay" in one
        for one in found
    )


def test_money_that_may_not_pay_for_a_school_is_named(buyer: Buyer) -> None:
    """R18, R50: a line for other schools among those that pay; and nothing of one that may."""
    number = for_two(buyer)
    for codes, is_wrong in ((buyer.codes[:2], False), (buyer.codes[1:], True)):
        schools = json.dumps({"schools": codes})
        assert named(planted(buyer, RESTRICTED, restriction=schools), number) is is_wrong


def test_money_that_a_years_end_freed_paid_for_those_who_used_it_by_then(buyer: Buyer) -> None:
    """R18, R19: for whom a school that joins later is none."""
    number = for_two(buyer)
    schools = json.dumps({"schools": buyer.codes[:2]})
    joined = a_change(buyer, number, reference="x")
    found = planted(buyer, RESTRICTED, CHANGE_BY_HAND, ADDED, restriction=schools, **joined)
    assert named(found, number)
    after, before = on(9, 2), on(8, 31)
    assert named(planted(buyer, LINE_ENDED, FREED, end_id=new_id(), ended_at=after), number)
    by_hand(buyer, REPLICA, "UPDATE line_end SET ended_at = :before", before=before)
    assert not named(verify(buyer.units, SYSTEM), number)
