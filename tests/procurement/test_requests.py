"""Requesting for one's own school: baskets, trials, two fiscal years, withdrawal (R19, R21)."""

from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy import select

from kernel.actors import Role, system_actor
from kernel.errors import (
    Conflict,
    CrossesFiscalYear,
    InvalidInput,
    MissingValue,
    NotFound,
    TrialUsed,
)
from kernel.ids import SelectionId
from kernel.trail import TrailRow
from kernel.unit import Units
from procurement.approvals import return_, sign_all, withdraw
from procurement.models import ApprovalStep, Selection
from procurement.policy import Threshold
from procurement.queries import budget_board, selection
from procurement.requests import Wanted, request_basket
from settlement.agreement_models import AgreementYear
from settlement.models import Agreement
from tests.support.funding_builders import SCHOOL, VENDOR, CountyBuilder, a_county
from tests.support.worlds import a_world

TEACHER, ACADEMIC, FINANCE, PRINCIPAL = (
    f"{role}-{SCHOOL}" for role in ("teacher", "academic", "school_finance", "principal")
)


@pytest.fixture
@a_world
def county(units: Units) -> CountyBuilder:
    """A county whose school has 6,500.00 yuan on its line of 2026, and two resources."""
    county = a_county(units)
    county.listed("maths-2")
    county.issue()
    return county


def wanted(sku: str = "maths-1", **facts: object) -> Wanted:
    plain = Wanted(
        vendor_code=VENDOR,
        sku=sku,
        starts_on=date(2026, 9, 1),
        ends_on=date(2026, 12, 31),
        ceiling_fen=50_000,
        reason="五年级数学练习",
    )
    return replace(plain, **facts)


def ask(county: CountyBuilder, *ones: Wanted, login: str = TEACHER) -> list[SelectionId]:
    with county.units(county.actor(login)) as unit:
        return request_basket(unit, ones)


def roles_of(county: CountyBuilder, selection_id: SelectionId) -> list[str]:
    with county.units(system_actor("test")) as unit:
        return list(
            unit.session.scalars(
                select(ApprovalStep.role)
                .where(ApprovalStep.selection_id == selection_id)
                .order_by(ApprovalStep.position)
            )
        )


def test_a_basket_is_one_request_with_several_positions(county: CountyBuilder) -> None:
    """R21: each is approved or returned by itself, under a reference of its own."""
    first, second = ask(county, wanted(), wanted("maths-2", ceiling_fen=60_000))
    with county.units(system_actor("test")) as unit:
        views = [selection(unit, one) for one in (first, second)]
    assert [(one.reference, one.basket) for one in views] == [
        ("2026-0001-1", "2026-0001"),
        ("2026-0001-2", "2026-0001"),
    ]
    with county.units(county.actor(ACADEMIC)) as unit:
        return_(unit, second, note="上限偏高")
        assert sign_all(unit, basket="2026-0001").signed == 1
    (third,) = ask(county, wanted("maths-2"))
    with county.units(system_actor("test")) as unit:
        assert selection(unit, third).reference == "2026-0002"


def test_what_is_requested_together_is_signed_for_together(county: CountyBuilder) -> None:
    """R22: two halves of a purchase need the signatures of the whole."""
    (alone,) = ask(county, wanted(ceiling_fen=300_000))
    together = ask(county, wanted(ceiling_fen=300_000), wanted("maths-2", ceiling_fen=300_000))
    assert roles_of(county, alone) == ["academic", "school_finance"]
    assert [roles_of(county, one) for one in together] == [
        ["academic", "school_finance", "principal"]
    ] * 2


def test_a_basket_is_requested_whole_or_not_at_all(county: CountyBuilder) -> None:
    for bad, error in (
        ((wanted(), wanted("maths-9")), NotFound),
        ((wanted(), wanted()), InvalidInput),
        ((wanted(), wanted("maths-2", reason=" ")), MissingValue),
        ((), MissingValue),
    ):
        with pytest.raises(error) as caught:
            ask(county, *bad)
        assert caught.value.facts.get("item", 2) == 2
    with county.units(system_actor("test")) as unit:
        assert unit.session.scalars(select(Selection)).all() == []


def a_trial(**facts: object) -> Wanted:
    return wanted(trial=True, ceiling_fen=0, ends_on=date(2026, 9, 30), **facts)


def test_a_trial_costs_nothing_and_is_bounded_by_its_days(county: CountyBuilder) -> None:
    """R21, R33: thirty days at the price of nothing, and no money is committed."""
    (selection_id,) = ask(county, a_trial())
    county.sign_as(ACADEMIC, FINANCE)
    with county.units(system_actor("test")) as unit:
        view = selection(unit, selection_id)
        agreement = unit.session.get_one(Agreement, view.agreement_id)
    assert (agreement.ceiling_fen, agreement.terms["unit_price"]) == (0, "0.0000")
    assert (agreement.terms["trial"], agreement.ends_on) == (True, date(2026, 9, 30))
    with county.units(county.actor(FINANCE)) as unit:
        assert unit.actor.organisation_id is not None
        board = budget_board(unit, unit.actor.organisation_id, fiscal_year=2026)
    assert board.total.committed_fen == 0


@pytest.mark.parametrize(
    ("facts", "field"),
    [({"ends_on": date(2026, 10, 1)}, "ends_on"), ({"ceiling_fen": 1}, "ceiling_yuan")],
)
def test_a_trial_that_is_too_long_or_costs_money_is_refused(
    county: CountyBuilder, facts: dict[str, object], field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        ask(county, replace(a_trial(), **facts))
    assert caught.value.facts["field"] == field


def test_a_resource_is_tried_once(county: CountyBuilder) -> None:
    """R21: no second trial while one is asked for or was made; buying is another matter."""
    (first,) = ask(county, a_trial())
    with pytest.raises(TrialUsed):
        ask(county, a_trial())
    with county.units(county.actor(TEACHER)) as unit:
        withdraw(unit, first)
    ask(county, a_trial())
    county.sign_as(ACADEMIC, FINANCE)
    with pytest.raises(TrialUsed):
        ask(county, a_trial())
    ask(county, wanted())


def test_across_new_year_each_fiscal_year_has_its_part(county: CountyBuilder) -> None:
    """R19: the first part is committed with the approval, the later one waits for its year."""
    with pytest.raises(CrossesFiscalYear):
        ask(county, wanted(ends_on=date(2027, 6, 30)))
    (selection_id,) = ask(
        county, wanted(ends_on=date(2027, 6, 30), ceiling_fen=50_000, later_fen=30_000)
    )
    county.sign_as(ACADEMIC, FINANCE)
    with county.units(system_actor("test")) as unit:
        view = selection(unit, selection_id)
        years = unit.session.scalars(
            select(AgreementYear).order_by(AgreementYear.fiscal_year)
        ).all()
        board = budget_board(unit, view.school_id, fiscal_year=2026)
    assert [(one.fiscal_year, one.ceiling_fen, one.waiting_fen) for one in years] == [
        (2026, 20_000, 0),
        (2027, 30_000, 30_000),
    ]
    assert (board.total.committed_fen, board.total.available_fen) == (20_000, 630_000)


@pytest.mark.parametrize(
    ("ends_on", "later_fen"), [(date(2027, 6, 30), 50_001), (date(2026, 12, 31), 1)]
)
def test_a_part_that_does_not_fit_is_refused(
    county: CountyBuilder, ends_on: date, later_fen: int
) -> None:
    with pytest.raises(InvalidInput) as caught:
        ask(county, wanted(ends_on=ends_on, later_fen=later_fen))
    assert caught.value.facts["field"] == "next_year_ceiling_yuan"


def test_who_requested_may_take_it_back_until_it_is_approved(county: CountyBuilder) -> None:
    first, second = ask(county, wanted(), wanted("maths-2"))
    with pytest.raises(NotFound), county.units(county.actor(ACADEMIC)) as unit:
        withdraw(unit, first)
    with county.units(county.actor(TEACHER)) as unit:
        assert withdraw(unit, first).state == "cancelled"
    with pytest.raises(Conflict), county.units(county.actor(TEACHER)) as unit:
        withdraw(unit, first)
    county.sign_as(ACADEMIC, FINANCE)
    with pytest.raises(Conflict), county.units(county.actor(TEACHER)) as unit:
        withdraw(unit, second)
    with county.units(system_actor("test")) as unit:
        acts = unit.session.scalars(
            select(TrailRow.act).where(TrailRow.subject_id == str(first))
        ).all()
    assert list(acts) == ["selection.requested", "selection.cancelled"]


def test_the_resources_kind_and_tier_decide_too(county: CountyBuilder) -> None:
    """R22: a table may ask more of innovations, of one kind, or of money from one source."""
    county.rules(
        Threshold(position=1, role=Role.ACADEMIC, from_amount_fen=0),
        Threshold(position=2, role=Role.PRINCIPAL, from_amount_fen=0, tier="innovation"),
        Threshold(position=3, role=Role.SCHOOL_FINANCE, from_amount_fen=0, kind="personalised"),
        Threshold(position=4, role=Role.BUREAU_FINANCE, from_amount_fen=0, source="special_fund"),
    )
    (plain,) = ask(county, wanted())
    assert roles_of(county, plain) == ["academic", "school_finance"]
    county.line(fen=10_000, source="special_fund", restriction={"subjects": ["math"]})
    (earmarked,) = ask(county, wanted())
    assert roles_of(county, earmarked) == ["academic", "school_finance", "bureau_finance"]
    (uncovered,) = ask(county, wanted(ceiling_fen=9_000_000))
    assert roles_of(county, uncovered)[-1] == "bureau_finance"  # any source may have to pay
