"""A school that pays for itself beside a bureau that buys for it: each is judged alone (R30)."""

from datetime import date, datetime
from uuid import UUID

import pytest
from sqlalchemy import select

from kernel.identity.census import CensusRow, record_census
from kernel.identity.models import Learner, Person
from kernel.identity.secret import person_hash
from kernel.unit import Units
from settlement.agreements import AgreementDraft, Draw, open_agreement
from settlement.closing import settle
from settlement.funding_lines import issue_amount, open_line
from settlement.models import Agreement
from settlement.queries.lines import lines_of
from settlement.verify.recompute import verify
from tests.settlement.test_counting import departs
from tests.support.builders import took
from tests.support.settlement_builders import (
    LOG,
    MARCH,
    SYSTEM,
    Market,
    a_market,
    a_use,
    at,
    deliver,
)
from tests.support.usage_builders import TICKETS, a_launch, a_report, a_ticketed_source
from tests.support.worlds import a_world


@pytest.fixture
@a_world
def market(units: Units) -> Market:
    """A school with an agreement of its own; its bureau bought the same until 2 March (`bulk`)."""
    found = a_market(units)
    a_ticketed_source(units, found)
    return found


@pytest.fixture
def bulk(units: Units, market: Market) -> UUID:
    with units(SYSTEM) as unit:
        line = open_line(unit, market.bureau.id, fiscal_year=2026, source="per_student")
        issue_amount(unit, line, amount_fen=100_000, key="bulk", memo="allocation")
        own = unit.session.get_one(Agreement, market.agreement_id)
        return open_agreement(
            unit,
            AgreementDraft(
                number="BULK-1",
                payer_id=market.bureau.id,
                vendor_id=market.vendor.id,
                resource_id=market.resource_id,
                version_id=own.version_id,
                terms={**own.terms, "kind": "bulk"},
                ceiling_fen=50_000,
                starts_on=date(2026, 3, 1),
                ends_on=date(2026, 3, 2),
                draws=[Draw(line, 50_000)],
                school_ids=[market.school.id],
            ),
        )


def launched(units: Units, market: Market, bulk: UUID, learner: str, when: datetime) -> None:
    """Report a use of a launch under the bureau's agreement."""
    with units(SYSTEM) as unit:
        learner_id = unit.session.scalars(
            select(Learner.id)
            .join(Person, Person.id == Learner.person_id)
            .where(Person.person_no_hash == person_hash(units.settings, learner))
        ).one()
    launch_id = a_launch(
        units,
        market,
        issued_at=when,
        agreement_id=bulk,
        payer_id=market.bureau.id,
        learner_id=learner_id,
    )
    report = a_report(launch_id, f"bulk-{learner}", occurred_at=when)
    deliver(units, [report], source=TICKETS, name=learner)


def counted(units: Units, market: Market) -> dict[str, int]:
    """Return the quantities of the school's own line (`own`) and the bureau's (`bulk`)."""
    names = {f"{market.school.code}-A-1": "own", "BULK-1": "bulk"}
    with units(SYSTEM) as unit:
        return {names[line.agreement_number]: line.quantity for line in lines_of(unit)}


def a_census_of_one(units: Units, market: Market) -> None:
    row = CensusRow(
        school_code=market.school.code,
        stage="primary",
        kind="enrolled",
        as_of=date(2026, 2, 1),
        basis="spring",
        pupils=1,
    )
    with units(SYSTEM) as unit:
        took(record_census(unit, [row]))


def test_a_learner_who_left_is_not_billed_twice_if_two_payers_paid_for_them(
    units: Units, market: Market, bulk: UUID
) -> None:
    """R30, R39: rows that are counts already have no 30-second rule to hide a doubled join."""
    departs(units, market, "L1", date(2026, 3, 20))
    launched(units, market, bulk, "L1", at(2))
    deliver(units, [a_use(units, market, "c", at(3), quantity=7)], source=LOG, pre_counted=True)
    settle(units, SYSTEM, MARCH)
    assert counted(units, market) == {"own": 7, "bulk": 1}
    assert verify(units, SYSTEM) == []


@pytest.mark.parametrize("apart", [True, False])
def test_whose_months_are_closed_together_does_not_change_who_is_beyond_the_enrolment(
    units: Units, market: Market, bulk: UUID, apart: bool
) -> None:
    """R39: a payer's bill does not hang on the shard in which its month is closed."""
    a_census_of_one(units, market)
    launched(units, market, bulk, "L1", at(2))
    deliver(units, [a_use(units, market, "own", at(3), learner="L2")])
    if apart:
        settle(units, SYSTEM, MARCH, payer_code=market.school.code)
    settle(units, SYSTEM, MARCH)
    assert counted(units, market) == {"own": 1, "bulk": 1}
    assert verify(units, SYSTEM) == []


@pytest.mark.parametrize("apart", [True, False])
def test_what_a_bureau_buys_is_not_billed_for_more_learners_than_enrolled(
    units: Units, market: Market, bulk: UUID, apart: bool
) -> None:
    """R30: the limit holds for every payer, also where the school itself is closed before."""
    a_census_of_one(units, market)
    for hour, learner in enumerate(("L1", "L2")):
        launched(units, market, bulk, learner, at(2, 8 + hour))
    if apart:
        settle(units, SYSTEM, MARCH, payer_code=market.school.code)
    settle(units, SYSTEM, MARCH)
    assert counted(units, market) == {"bulk": 1}
    assert verify(units, SYSTEM) == []


def test_an_attested_use_falls_under_the_bulk_agreement_first(
    units: Units, market: Market, bulk: UUID
) -> None:
    """R33: bulk before single, and its payer pays, also for a use that needs no launch."""
    deliver(units, [a_use(units, market, "c", at(2))], source=LOG)
    settle(units, SYSTEM, MARCH)
    assert counted(units, market) == {"bulk": 1}
    assert verify(units, SYSTEM) == []


@pytest.mark.parametrize("apart", [True, False])
def test_what_a_bureau_buys_is_not_billed_for_a_learner_who_had_left(
    units: Units, market: Market, bulk: UUID, apart: bool
) -> None:
    """R30: that a bureau's bill knows a roster does not hang on whose month is closed."""
    departs(units, market, "L1", date(2026, 3, 2))
    launched(units, market, bulk, "L1", at(2))
    if apart:
        settle(units, SYSTEM, MARCH, payer_code=market.bureau.code)
    settle(units, SYSTEM, MARCH)
    with units(SYSTEM) as unit:
        [line] = lines_of(unit)
    assert (line.agreement_number, line.quantity) == ("BULK-1", 0)
    assert verify(units, SYSTEM) == []
