"""What a year's end freed and what an agreement's end releases are one commitment, counted once."""

from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy import text

from kernel.clock import FixedClock, parse_month
from kernel.unit import Units
from procurement.verification import verify
from settlement import agreement_ends
from settlement.agreements import AgreementDraft, Draw, open_agreement
from settlement.ceilings import CeilingUse
from settlement.estimates import estimate_ceilings
from settlement.line_ends import End, EndingLine, end_lines, ending_lines
from settlement.metering.launches import is_exhausted
from settlement.models import Agreement
from settlement.queries.agreements import agreement_life
from settlement.queries.ceilings import running_ceilings
from settlement.tasks import end_agreements
from tests.support.agreement_builders import (
    TERMS,
    a_signing_market,
    across,
    closed,
    number,
    on,
    the_line,
    used,
)
from tests.support.builders import a_listed_version
from tests.support.settlement_builders import SYSTEM, Market, a_use, at, deliver

MONTHS = [parse_month(f"2026-{month:02d}") for month in (3, 4, 5, 6)]


@pytest.fixture
def market(units: Units, clock: FixedClock) -> Market:
    return a_signing_market(units, clock)


def freed_by_the_years_end(units: Units, *, agreement: str) -> None:
    """End the school's line, carried over, and free what one agreement still held of it."""
    with units(SYSTEM) as unit:
        unit.session.execute(text("UPDATE funding_line SET lapses_on = '2026-07-01'"))
        (line,) = ending_lines(unit, closed_year=2026, for_update=True)
        end_lines(
            unit,
            [
                End(
                    line=only(line, agreement),
                    because="test",
                    carried_until=date(2026, 12, 31),
                    frees=True,
                )
            ],
        )


def only(line: EndingLine, agreement: str) -> EndingLine:
    return replace(
        line, commitments=[one for one in line.commitments if one.number.endswith(agreement)]
    )


def test_what_was_freed_already_does_not_hold_up_the_release_of_others(
    units: Units, market: Market, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R23: the rest of each agreement that is over is released, however many there are."""
    monkeypatch.setattr(agreement_ends, "AT_ONCE", 1)
    with units(SYSTEM) as unit:
        open_agreement(
            unit,
            AgreementDraft(
                number=f"{market.school.code}-B-1",
                payer_id=market.school.id,
                vendor_id=market.vendor.id,
                resource_id=market.resource_id,
                version_id=a_listed_version(unit, market.resource_id),
                terms=TERMS,
                ceiling_fen=500,
                starts_on=date(2026, 3, 1),
                ends_on=date(2026, 6, 30),
                draws=[Draw(market.line_id, 500)],
                school_ids=[market.school.id],
            ),
        )
    clock.at = at(1, month=7)
    used(units, market, 1)
    end_agreements(units)
    closed(units, market, *MONTHS)
    freed_by_the_years_end(units, agreement="A-1")
    assert the_line(units, market).committed_fen == 500
    clock.at = at(5, month=8)
    for _ in range(3):
        end_agreements(units)
    assert the_line(units, market).committed_fen == 0
    assert verify(units, SYSTEM) == []


def test_what_is_shown_as_committed_is_what_the_line_holds(units: Units, market: Market) -> None:
    """R20: a commitment that a year's end freed is nobody's any more."""
    freed_by_the_years_end(units, agreement="A-1")
    assert the_line(units, market).committed_fen == 0
    with units(SYSTEM) as unit:
        life = agreement_life(unit, number(market))
    assert life is not None and life.committed_fen == 0


def test_the_ceiling_of_the_years_part_warns_before_it_stops(
    units: Units, market: Market, clock: FixedClock
) -> None:
    """R19, R33: 5.00 of 2026 are used up, although 8.00 of 2027 are untouched."""
    clock.at = on(2026, 9, 1)
    agreement_id = across(units, market, first_fen=500, later_fen=800, stop_at_ceiling=True)
    clock.at = on(2026, 9, 20)
    uses = [a_use(units, market, f"s{day}", on(2026, 9, day)) for day in range(2, 7)]
    deliver(units, uses, name="september.csv")
    with units(SYSTEM) as unit:
        estimate_ceilings(unit)
    with units(SYSTEM) as unit:
        agreement = unit.session.get_one(Agreement, agreement_id)
        assert is_exhausted(unit, agreement, day=date(2026, 9, 20))
        assert running_ceilings(unit, [agreement_id])[agreement_id].use is CeilingUse.USED_UP
