"""Bulk purchase: billed by school up to own ceilings, changed later, declined by a school (R24)."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from kernel.actors import Role
from kernel.clock import FixedClock, parse_month
from kernel.errors import (
    AlreadyExists,
    BelowWhatSchoolUsed,
    InvalidInput,
    OwnInterest,
    ReasonRequired,
    SchoolCeilingReached,
)
from kernel.identity.models import Organisation
from kernel.unit import Units
from procurement.agreement_requests import request_ceiling
from procurement.approvals import sign
from procurement.verification import verify
from settlement.agreement_ends import end_agreement
from settlement.agreement_schools import decline
from settlement.agreements import AgreementDraft, Draw, open_agreement
from settlement.closing import settle
from settlement.confirmations import confirm_lines
from settlement.dispute_rules import DisputeReason
from settlement.disputes import answer_dispute, dispute_line
from settlement.estimates import estimate_ceilings
from settlement.journal import export_journal
from settlement.metering.launches import agreement_in_force
from settlement.models import Agreement, StatementBreakdown
from settlement.queries.lines import lines_of
from tests.support.builders import a_listed_version, a_person
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
from tests.support.funding_builders import COUNTY, VENDOR
from tests.support.journals import hledger_balances
from tests.support.settlement_builders import SYSTEM

SEPTEMBER = parse_month("2026-09")
RATED_MORE = (
    "UPDATE statement_breakdown SET rated_fen = rated_fen + 1, "
    "above_ceiling_fen = above_ceiling_fen + 1"
)
LEFT_LESS = (
    "UPDATE statement_breakdown "
    "SET explanation = jsonb_set(explanation, '{ceiling_left_before_fen}', '1')"
)


@pytest.fixture
def buyer(units: Units, clock: FixedClock) -> Buyer:
    clock.at = datetime(2026, 8, 20, 1, tzinfo=UTC)
    return a_buyer(units)


# Billed by school


def test_each_schools_part_is_cut_at_its_own_ceiling_and_stands_in_the_breakdown(
    buyer: Buyer, clock: FixedClock
) -> None:
    """R24, R33: 4 + 8 + 2 uses at 1.00; the second may have 5.00; all may have 20.00."""
    number = buyer.bought(
        dict(zip(buyer.codes, [1_000, 500, 1_000], strict=True)), ceiling_fen=2_000
    )
    clock.at = on(9, 20)
    buyer.use(dict(zip(buyer.codes, [4, 8, 2], strict=True)))
    closed(buyer, clock, 9)
    assert standings(buyer, number) == [(1_000, 400, 0), (500, 500, 300), (1_000, 200, 0)]
    with buyer.units(SYSTEM) as unit:
        [line] = lines_of(unit)
        assert (line.rated_fen, line.above_ceiling_fen, line.amount_fen) == (1_400, 300, 1_100)
        parts = unit.session.scalars(
            select(StatementBreakdown)
            .join(Organisation, Organisation.id == StatementBreakdown.school_id)
            .order_by(Organisation.code)
        ).all()
        figures = [(one.rated_fen, one.above_ceiling_fen, one.amount_fen) for one in parts]
    assert figures == [(400, 0, 400), (800, 300, 500), (200, 0, 200)]
    assert verify(buyer.units, SYSTEM) == []


def test_late_use_is_billed_to_its_school_as_far_as_its_ceiling_goes(
    buyer: Buyer, clock: FixedClock
) -> None:
    """R37: the correction of September, on October's statement."""
    number = buyer.bought(dict.fromkeys(buyer.codes, 500))
    clock.at = on(9, 20)
    buyer.use(dict.fromkeys(buyer.codes, 4))
    closed(buyer, clock, 9)
    buyer.use({buyer.codes[0]: 3}, name="late", month=9, from_minute=30)
    buyer.use({buyer.codes[1]: 1}, month=10)
    closed(buyer, clock, 10)
    assert verify(buyer.units, SYSTEM) == []
    assert standings(buyer, number) == [(500, 500, 200), (500, 500, 0), (500, 400, 0)]


def test_a_credit_note_comes_back_to_the_schools_ceilings(buyer: Buyer, clock: FixedClock) -> None:
    """R41: by what each was billed; and verify makes it again."""
    number = buyer.bought(dict.fromkeys(buyer.codes, 500), ceiling_fen=1_500)
    clock.at = on(9, 20)
    buyer.use(dict(zip(buyer.codes, [1, 2, 3], strict=True)))
    closed(buyer, clock, 9)
    with buyer.units(buyer.county.actor("bureau")) as unit:
        [line] = lines_of(unit)
        dispute_id = dispute_line(
            unit, line.id, reason=DisputeReason.UNUSABLE, claim="打不开", claimed_fen=300
        )
    with buyer.units(SYSTEM) as unit:
        vendor = unit.session.scalars(select(Organisation).where(Organisation.code == VENDOR)).one()
        manager = a_person(unit, vendor, [Role.VENDOR_MANAGER])
    with buyer.units(manager) as unit:
        answer_dispute(unit, dispute_id, answer="属实", offered_fen=300)
    assert [billed for _, billed, _ in standings(buyer, number)] == [50, 100, 150]
    buyer.use(dict.fromkeys(buyer.codes, 1), month=10)
    closed(buyer, clock, 10)
    assert verify(buyer.units, SYSTEM) == []
    with buyer.units(SYSTEM) as unit:
        unit.session.execute(text("SET LOCAL session_replication_role = replica"))
        unit.session.execute(
            text("UPDATE credit_part SET amount_fen = amount_fen + 1 WHERE amount_fen = 150")
        )
    assert any(
        f"given back to school {buyer.codes[2]}" in one for one in verify(buyer.units, SYSTEM)
    )


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (RATED_MORE, "rated_fen of school"),
        ("UPDATE agreement_school SET ceiling_fen = 499", "ceiling of school"),
        (LEFT_LESS, "what was left of the ceiling of school"),
    ],
)
def test_a_planted_difference_is_named_with_its_school(
    buyer: Buyer, clock: FixedClock, change: str, named: str
) -> None:
    """R50."""
    buyer.bought(dict.fromkeys(buyer.codes, 500))
    clock.at = on(9, 20)
    buyer.use(dict.fromkeys(buyer.codes, 6))
    closed(buyer, clock, 9)
    assert verify(buyer.units, SYSTEM) == []
    with buyer.units(SYSTEM) as unit:
        unit.session.execute(text("SET LOCAL session_replication_role = replica"))
        place = "school_id = (SELECT id FROM organisation WHERE code = :code)"
        unit.session.execute(text(f"{change} WHERE {place}"), {"code": buyer.codes[1]})
    found = verify(buyer.units, SYSTEM)
    assert any(f"{named} {buyer.codes[1]}" in one for one in found), found


# Changed later


def test_a_school_is_added_and_a_ceiling_changed_with_a_reason_and_verify_follows(
    buyer: Buyer, clock: FixedClock
) -> None:
    """R24: September was cut at the ceiling of then, October at that of now."""
    number = buyer.bought(dict.fromkeys(buyer.codes[:2], 500), ceiling_fen=1_000)
    clock.at = on(9, 20)
    buyer.use({buyer.codes[0]: 7})
    closed(buyer, clock, 9)
    joining = joins(buyer.codes[2], 300, date(2026, 10, 3))
    buyer.change(number, joining, another_ceiling(buyer.codes[0], 800))
    with pytest.raises(AlreadyExists):
        buyer.propose(number, joining)
    with pytest.raises(ReasonRequired):
        buyer.propose(number, another_ceiling(buyer.codes[0], 900), reason=" ")
    clock.at = on(10, 10)
    buyer.use({buyer.codes[0]: 2, buyer.codes[2]: 4}, month=10, day=5)
    closed(buyer, clock, 10)
    assert standings(buyer, number) == [(800, 700, 200), (500, 0, 0), (300, 300, 100)]
    assert verify(buyer.units, SYSTEM) == []


def test_a_schools_ceiling_never_falls_below_what_it_used(buyer: Buyer, clock: FixedClock) -> None:
    """R24: what runs counts, too."""
    number = buyer.bought(dict.fromkeys(buyer.codes, 500), ceiling_fen=1_000)
    clock.at = on(9, 20)
    buyer.use({buyer.codes[0]: 3})
    with pytest.raises(BelowWhatSchoolUsed) as caught:
        buyer.propose(number, another_ceiling(buyer.codes[0], 299))
    assert caught.value.facts["used_fen"] == 300
    buyer.change(number, another_ceiling(buyer.codes[0], 300))
    assert standings(buyer, number)[0][0] == 300


def test_who_may_use_it_moves_only_with_a_change(buyer: Buyer) -> None:
    """R24, R59: the database refuses what is done by hand."""
    buyer.bought(dict.fromkeys(buyer.codes, 500))
    for statement in (
        "UPDATE agreement_school SET ceiling_fen = 1",
        "UPDATE agreement_school SET days = '{[2026-09-09,)}'",
        "DELETE FROM agreement_school",
    ):
        with (
            pytest.raises(DBAPIError, match=r"only a change|append-only"),
            buyer.units(SYSTEM) as u,
        ):
            u.session.execute(text(statement))


def test_the_total_is_raised_by_signatures_and_given_up_early(
    buyer: Buyer, clock: FixedClock
) -> None:
    """R22, R24: like any agreement, by the bureau's own table."""
    number = buyer.bought(dict.fromkeys(buyer.codes, 500), ceiling_fen=1_000)
    with buyer.units(buyer.county.actor("bureau")) as unit:
        asked = request_ceiling(unit, number, ceilings={2026: 1_400}, reason="用量高")
        with pytest.raises(OwnInterest):
            sign(unit, asked)
    buyer.sign(asked)
    clock.at = on(9, 10)
    with buyer.units(buyer.county.actor("bureau")) as unit:
        end_agreement(unit, number, last_day=date(2026, 9, 20), reason="不再需要")
        found = unit.session.scalars(select(Agreement).where(Agreement.number == number)).one()
        assert (found.ceiling_fen, found.ends_on) == (1_400, date(2026, 9, 20))
    assert verify(buyer.units, SYSTEM) == []


# A school may still choose otherwise


def own_agreement(buyer: Buyer, code: str) -> str:
    """Let a school buy the same resource itself; return the number."""
    buyer.county.line(fen=5_000, school=code)
    with buyer.units(SYSTEM) as unit:
        bulk = unit.session.scalars(select(Agreement)).first()
        assert bulk is not None
        school = unit.session.scalars(select(Organisation).where(Organisation.code == code)).one()
        terms = {key: fact for key, fact in bulk.terms.items() if key != "school_ceilings"}
        number = f"{code}-OWN"
        line_id = unit.session.execute(
            text("SELECT id FROM funding_line WHERE payer_id = :id"), {"id": school.id}
        ).scalar_one()
        open_agreement(
            unit,
            AgreementDraft(
                number=number,
                payer_id=school.id,
                vendor_id=bulk.vendor_id,
                resource_id=bulk.resource_id,
                version_id=a_listed_version(unit, bulk.resource_id),
                terms={**terms, "kind": "single"},
                ceiling_fen=5_000,
                starts_on=FIRST,
                ends_on=LAST,
                draws=[Draw(line_id, 5_000)],
                school_ids=[school.id],
            ),
        )
    return number


def in_force(buyer: Buyer, code: str, day: date) -> str:
    with buyer.units(SYSTEM) as unit:
        school = unit.session.scalars(select(Organisation).where(Organisation.code == code)).one()
        resource_id = unit.session.scalars(select(Agreement.resource_id)).first()
        assert resource_id is not None
        return agreement_in_force(
            unit, school=school, resource_id=resource_id, sku=SKU, day=day
        ).number


def test_a_school_that_declines_goes_by_its_own_agreement_from_that_day_on(
    buyer: Buyer, clock: FixedClock
) -> None:
    """R24, R33: launches and attested uses alike; the others are not concerned."""
    number = buyer.bought(dict.fromkeys(buyer.codes, 500))
    own = own_agreement(buyer, buyer.codes[0])
    assert in_force(buyer, buyer.codes[0], date(2026, 9, 2)) == number
    clock.at = on(9, 10)
    with buyer.units(buyer.county.actor(f"principal-{buyer.codes[0]}")) as unit:
        with pytest.raises(InvalidInput):
            decline(unit, number, from_day=date(2026, 9, 9), reason="自己选用")
        with pytest.raises(ReasonRequired):
            decline(unit, number, from_day=date(2026, 10, 1), reason="")
        decline(unit, number, from_day=date(2026, 10, 1), reason="自己选用")
        with pytest.raises(AlreadyExists):
            decline(unit, number, from_day=date(2026, 11, 1), reason="自己选用")
    assert in_force(buyer, buyer.codes[0], date(2026, 9, 30)) == number
    assert in_force(buyer, buyer.codes[0], date(2026, 10, 1)) == own
    assert in_force(buyer, buyer.codes[1], date(2026, 10, 1)) == number
    clock.at = on(10, 20)
    buyer.use({buyer.codes[0]: 2}, month=9)
    buyer.use({buyer.codes[0]: 3}, month=10)
    closed(buyer, clock, 9)
    closed(buyer, clock, 10)
    with buyer.units(SYSTEM) as unit:
        billed = {line.agreement_number: line.quantity for line in lines_of(unit)}
    assert billed == {number: 2, own: 3}
    assert verify(buyer.units, SYSTEM) == []


def test_a_school_at_its_own_ceiling_goes_on_under_its_own_agreement(
    buyer: Buyer, clock: FixedClock
) -> None:
    """R24, R33: where the terms stop at the ceiling, the school's own stops it alone."""
    number = buyer.bought(dict.fromkeys(buyer.codes, 500))
    clock.at = on(9, 3)
    buyer.use({buyer.codes[0]: 5, buyer.codes[1]: 4})
    with buyer.units(SYSTEM) as unit:
        estimate_ceilings(unit)
    with buyer.units(SYSTEM) as unit:
        trail = (
            unit.session.execute(
                text("SELECT act FROM trail WHERE act LIKE 'school_ceiling.%' ORDER BY id")
            )
            .scalars()
            .all()
        )
    assert sorted(trail) == ["school_ceiling.nearly_used", "school_ceiling.used_up"]
    stops = {"stop_at_ceiling": True}
    _terms(buyer, stops)
    with pytest.raises(SchoolCeilingReached):
        in_force(buyer, buyer.codes[0], date(2026, 9, 4))
    assert in_force(buyer, buyer.codes[1], date(2026, 9, 4)) == number


def _terms(buyer: Buyer, more: dict[str, Any]) -> None:
    with buyer.units(SYSTEM) as unit:
        unit.session.execute(text("SET LOCAL session_replication_role = replica"))
        for agreement in unit.session.scalars(select(Agreement)):
            agreement.terms = {**agreement.terms, **more}


# The Show


def test_a_bulk_purchase_for_200_schools_settles_with_one_statement_and_200_breakdowns(
    units: Units, clock: FixedClock, tmp_path: Path
) -> None:
    """R24: one agreement, one statement with one line, whose parts add up; verify is clean."""
    clock.at = datetime(2026, 8, 20, 1, tzinfo=UTC)
    buyer = a_buyer(units, schools=200, price="0.3333")
    ceilings = {code: 60 + place for place, code in enumerate(buyer.codes)}
    number, committed_fen = buyer.bought(ceilings), sum(ceilings.values())
    clock.at = on(9, 20)
    buyer.use({code: 1 + place % 7 for place, code in enumerate(buyer.codes)})
    closed(buyer, clock, 9)
    with buyer.units(buyer.county.actor("bureau")) as unit:
        [line] = lines_of(unit)
        assert line.agreement_number == number
        parts = unit.session.scalars(select(StatementBreakdown)).all()
        assert len(parts) == 200
        assert sum(one.quantity for one in parts) == line.quantity
        assert sum(one.rated_fen or 0 for one in parts) == line.rated_fen
        assert sum(one.amount_fen for one in parts) == line.amount_fen
        assert line.above_ceiling_fen > 0
        line_fen = line.amount_fen
        assert confirm_lines(unit, unit.actor.organisation_id, SEPTEMBER) == 1
    settle(units, SYSTEM, SEPTEMBER)
    assert verify(units, SYSTEM) == []
    with units(SYSTEM) as unit:
        journal = "".join(export_journal(unit, "hledger"))
    balances = hledger_balances(journal, tmp_path)
    line = f"{COUNTY}:2026:special_fund"
    assert balances[f"assets:budget:{line}:committed"] == committed_fen - line_fen
