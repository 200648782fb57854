"""States of selections: the database lets through what the table says, and nothing else (R22)."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from kernel.unit import Units
from procurement.states import TRANSITIONS, SelectionState
from tests.support.funding_builders import SCHOOL, CountyBuilder, a_county, a_selection
from tests.support.settlement_builders import SYSTEM
from tests.support.worlds import a_world

APPROVED = SelectionState.APPROVED
MOVE = (
    "UPDATE selection SET state = :state, agreement_id = CASE WHEN :agreed "
    "THEN (SELECT id FROM agreement) END WHERE reference = 'S-1'"
)


@pytest.fixture
@a_world
def county(units: Units) -> CountyBuilder:
    """A county with a selection that opened an agreement, and one that is requested."""
    county = a_county(units)
    county.issue()
    county.select(a_selection("S-0", ceiling_fen=30_000))
    county.sign_as(f"academic-{SCHOOL}", f"school_finance-{SCHOOL}")
    county.select(a_selection("S-1", ceiling_fen=30_000))
    return county


def move(county: CountyBuilder, state: SelectionState, *, agreed: bool | None = None) -> None:
    """Write a state by hand, with an agreement if it asks for one."""
    given = {"state": state, "agreed": state is APPROVED if agreed is None else agreed}
    with county.units(SYSTEM) as unit:
        assert unit.session.execute(text(MOVE), given)


@pytest.mark.parametrize("before", SelectionState)
@pytest.mark.parametrize("after", SelectionState)
def test_a_state_follows_only_where_the_table_says(
    county: CountyBuilder, before: SelectionState, after: SelectionState
) -> None:
    """R22, R59: what was decided is not decided again, nor taken back to the desk."""
    if before is not SelectionState.REQUESTED:
        move(county, before)
    if after in TRANSITIONS[before] or before is after is SelectionState.REQUESTED:
        move(county, after)
    else:
        with pytest.raises(DBAPIError, match="is refused"):
            move(county, after)


@pytest.mark.parametrize("state", SelectionState)
def test_what_is_approved_has_an_agreement_and_nothing_else_has(
    county: CountyBuilder, state: SelectionState
) -> None:
    """R23."""
    with pytest.raises(DBAPIError, match="ck_selection_agreed"):
        move(county, state, agreed=state is not APPROVED)
