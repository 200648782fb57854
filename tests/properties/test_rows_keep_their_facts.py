"""A delivery is numbered, sorted and looked up as a whole: each row keeps what it says (R32)."""

from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st
from sqlalchemy import select

from kernel.identity.models import Learner, Person
from kernel.identity.secret import person_hash
from kernel.unit import Units
from settlement.metering.models import UsageEvent, UsageQuarantine
from tests.support.settlement_builders import SYSTEM, Market, a_market, a_use, at, deliver

LEARNERS = ("L1", "L2", "L3")
STRANGER = "L9"
rows = st.lists(
    st.tuples(
        st.text("abZ测-\x1f", min_size=1, max_size=8),  # ids in no order
        st.sampled_from((*LEARNERS, STRANGER)),
        st.sampled_from(["SKU-1", "SKU-?"]),
        st.sampled_from(["", "lesson", "另一节"]),
        st.integers(0, 59),
    ),
    max_size=25,
    unique_by=lambda row: row[0],
)


@pytest.fixture
def market(units: Units) -> Market:
    return a_market(units, learners=LEARNERS)


@profile(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(given_rows=rows, batch_size=st.sampled_from([1, 7, 100]))
def test_each_row_is_stored_with_its_own_facts_whatever_their_order(
    units: Units,
    market: Market,
    given_rows: list[tuple[str, str, str, str, int]],
    batch_size: int,
) -> None:
    """R32: sorting and numbering a delivery mixes up no two rows."""
    run = uuid4().hex
    uses = [
        a_use(
            units,
            market,
            f"{run}-{key}",
            at(2, 8, 0, second),
            learner=who,
            session=session,
            sku=sku,
        )
        for key, who, sku, session, second in given_rows
    ]
    outcomes = deliver(units, uses, name=run, batch_size=batch_size)
    expected = [
        "unknown-learner" if who == STRANGER else "" if sku == market.sku else "unknown-resource"
        for _, who, sku, _, _ in given_rows
    ]
    assert [one.reason for one in outcomes] == expected
    with units(SYSTEM) as unit:
        people = {
            learner_id: number
            for number in LEARNERS
            for learner_id in unit.session.scalars(
                select(Learner.id)
                .join(Person, Person.id == Learner.person_id)
                .where(Person.person_no_hash == person_hash(unit.settings, number))
            )
        }
        events = {
            event.event_id: (people[event.learner_id], event.session_id, event.occurred_at)
            for event in unit.session.scalars(
                select(UsageEvent).where(UsageEvent.event_id.startswith(f"{run}-"))
            )
        }
        kept = {
            row.event_id: (
                row.position,
                row.reason,
                row.body["sku"],
                row.body["session"],
                row.body["learner"],
            )
            for row in unit.session.scalars(
                select(UsageQuarantine).where(UsageQuarantine.event_id.startswith(f"{run}-"))
            )
        }
    assert events == {
        use.event_id: (who, session, use.occurred_at)
        for use, (_, who, _, session, _), reason in zip(uses, given_rows, expected, strict=True)
        if not reason
    }
    assert kept == {
        use.event_id: (position, reason, sku, session, use.learner_hash.hex()[:16])
        for position, (use, (_, _, sku, session, _), reason) in enumerate(
            zip(uses, given_rows, expected, strict=True)
        )
        if reason
    }
