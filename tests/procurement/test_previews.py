"""What a request would mean before it is made: money, forecast, signers; drafts (R21, R23)."""

from datetime import date
from decimal import Decimal

import pytest
from sqlalchemy import text

from kernel.actors import Role
from kernel.errors import Refused
from kernel.ids import OrganisationId
from kernel.unit import Units
from procurement.drafts import Draft, DraftItem, drop_draft, keep_draft, own_draft
from procurement.forecasts import forecasts
from procurement.request_previews import preview_basket
from procurement.requests import Wanted
from settlement.closing import settle
from tests.support.funding_builders import SCHOOL, VENDOR, CountyBuilder, a_county
from tests.support.plan_builders import a_neighbour, counted_pupils
from tests.support.settlement_builders import MARCH, SYSTEM, a_market, a_use, at, deliver
from tests.support.worlds import a_world

TEACHER = f"teacher-{SCHOOL}"


@pytest.fixture
@a_world
def county(units: Units) -> CountyBuilder:
    """A county whose school has 6,500.00 yuan on its line of 2026."""
    county = a_county(units)
    county.listed("maths-2")
    county.issue()
    return county


def wanted(sku: str, ceiling_fen: int, **facts: object) -> Wanted:
    plain = {"starts_on": date(2026, 9, 1), "ends_on": date(2026, 12, 31), "reason": "数学"}
    return Wanted(vendor_code=VENDOR, sku=sku, ceiling_fen=ceiling_fen, **{**plain, **facts})


def test_a_basket_says_which_lines_would_pay_and_who_would_sign(county: CountyBuilder) -> None:
    """R21, R23: 4,000.00 and 3,000.00 of 6,500.00: the second is 500.00 short; nothing is kept."""
    with county.units(county.actor(TEACHER)) as unit:
        found = preview_basket(unit, [wanted("maths-1", 400_000), wanted("maths-2", 300_000)])
        assert unit.session.scalar(text("SELECT count(*) FROM selection")) == 0
    first, second = found.items
    assert [(one.line.source, one.amount_fen) for one in first.draws] == [("per_student", 400_000)]
    assert [one.amount_fen for one in second.draws] == [250_000]
    assert (first.short_fen, second.short_fen, found.short_fen) == (0, 50_000, 50_000)
    assert found.amount_fen == 700_000
    assert found.signers == [Role.ACADEMIC, Role.SCHOOL_FINANCE, Role.PRINCIPAL]
    assert found.is_right


def test_what_would_wait_for_the_next_year_is_told(county: CountyBuilder) -> None:
    """R19."""
    crossing = wanted("maths-1", 50_000, ends_on=date(2027, 6, 30), later_fen=30_000)
    with county.units(county.actor(TEACHER)) as unit:
        (item,) = preview_basket(unit, [crossing]).items
    assert ([one.amount_fen for one in item.draws], item.waiting_fen) == ([20_000], 30_000)
    assert item.later_year == 2027


def test_an_error_stays_with_its_resource(county: CountyBuilder) -> None:
    with county.units(county.actor(TEACHER)) as unit:
        found = preview_basket(unit, [None, wanted("maths-2", 1), wanted("nothing", 1)])
    assert [one.is_read for one in found.items] == [False, True, True]
    assert [one.error and one.error.code for one in found.items] == [None, None, "not-found"]
    assert not found.is_right


def test_a_draft_is_its_persons_own_and_kept_as_typed(county: CountyBuilder) -> None:
    draft = Draft(
        starts_on="nonsense", items=(DraftItem(resource=f"{VENDOR}/maths-1", ceiling="一百"),)
    )
    with county.units(county.actor(TEACHER)) as unit:
        keep_draft(unit, Draft())
        keep_draft(unit, draft)
    with county.units(county.actor(TEACHER)) as unit:
        assert own_draft(unit) == draft
        assert own_draft(unit).with_resources([f"{VENDOR}/maths-1", "a/b"]).items[1].resource == (
            "a/b"
        )
    with county.units(county.actor(f"academic-{SCHOOL}")) as unit:
        assert own_draft(unit) == Draft()
    with county.units(county.actor(TEACHER)) as unit:
        drop_draft(unit)
        assert own_draft(unit) == Draft()
    with pytest.raises(Refused), county.units(county.actor("bureau")) as unit:
        own_draft(unit)


def test_a_forecast_tells_the_median_of_three_schools_and_of_no_fewer(units: Units) -> None:
    """R21: 1, 2 and 6 uses by 10 pupils each in March: 0.20 each; 50 pupils make 10 uses."""
    market = a_market(units, unit_price="1.0000")
    schools = [a_neighbour(units, market, code=f"219900070{n}", learner=f"N{n}") for n in range(3)]
    for times, one in zip((1, 2, 6), schools, strict=True):
        counted_pupils(units, one.school, 10)
        rows = [
            a_use(units, one, f"{one.school.code}-{n}", at(n), learner=f"N{one.school.code[-1]}")
            for n in range(1, times + 1)
        ]
        deliver(units, rows, name=one.school.code)
    counted_pupils(units, market.school, 50)
    terms = {"plan": "per_use", "unit_price": "0.5000"}
    settle(units, SYSTEM, MARCH)
    with units(SYSTEM) as unit:
        own = OrganisationId(market.school.id)
        found = forecasts(unit, own, terms={market.resource_id: terms})[market.resource_id]
        seen_by_another = forecasts(
            unit, OrganisationId(schools[0].school.id), terms={market.resource_id: terms}
        )[market.resource_id]
    assert (found.schools, found.per_pupil, found.quantity) == (3, Decimal("0.20"), 10)
    assert (found.month_fen, found.is_told) == (500, True)
    assert (seen_by_another.schools, seen_by_another.is_told) == (2, False)
