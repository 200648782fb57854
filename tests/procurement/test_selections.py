"""Requesting selections: what is asked of one, and what becomes of it (R21)."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select

from catalog.admission import decide_admission, propose_admission
from catalog.awaiting import awaiting_decision, awaiting_proposal
from catalog.offers import OfferRow, record_offers
from catalog.plans import Tier, plan_of
from catalog.resources import CatalogueRow, record_catalogue
from kernel.actors import Role, system_actor
from kernel.clock import shanghai_day
from kernel.errors import (
    AlreadyExists,
    BasicIsFree,
    CrossesFiscalYear,
    InvalidInput,
    MissingValue,
    NoOffer,
    NotFound,
    NotListed,
    Refused,
)
from kernel.i18n import translate_error
from kernel.outcomes import Fate
from kernel.unit import Units
from procurement.approval_rules import record_approval_rules
from procurement.models import ApprovalStep, Selection
from procurement.policy import Threshold
from procurement.queries import selections_of
from procurement.requests import Wanted, request_selection
from procurement.selection_facts import SelectionRow
from procurement.selections import record_selections
from settlement.pricing import check_terms
from tests.support.funding_builders import (
    COUNTY,
    OTHER_COUNTY,
    SCHOOL,
    VENDOR,
    CountyBuilder,
    a_county,
    a_selection,
)

POINT = "3299010002"


@pytest.fixture
def county(units: Units) -> CountyBuilder:
    return a_county(units)


def steps_of(county: CountyBuilder) -> list[tuple[int, str, bool]]:
    """(position, role, at the school) of all steps."""
    with county.units(system_actor("test")) as unit:
        rows = unit.session.execute(
            select(ApprovalStep.position, ApprovalStep.role, ApprovalStep.organisation_id)
            .join(Selection, Selection.id == ApprovalStep.selection_id)
            .order_by(ApprovalStep.position)
        ).all()
        schools = set(unit.session.scalars(select(Selection.school_id)))
    return [(position, role, signer in schools) for position, role, signer in rows]


def test_a_selection_carries_the_offer_of_its_first_day(county: CountyBuilder) -> None:
    """R21, R23: the offer and the installation's rates are copied, decimals as text."""
    (outcome,) = county.select(a_selection())
    assert outcome.fate is Fate.ACCEPTED
    with county.units(county.actor(f"principal-{SCHOOL}")) as unit:
        assert unit.actor.organisation_id is not None
        (view,) = selections_of(unit, unit.actor.organisation_id)
    assert view.state == "requested"
    assert view.terms == {
        "plan": "per_use",
        "unit_price": "0.0200",
        "fee_rate": "0.0500",
        "retention_rate": "0.0500",
        "retention_months": 6,
        "resource_kind": "personalised",
        "title": "资源 maths-1",
        "sku": "maths-1",
        "trial": False,
        "stop_at_ceiling": False,
    }
    assert view.requested_by == county.actor(f"teacher-{SCHOOL}").person_id


def test_a_selection_freezes_the_whole_plan(county: CountyBuilder) -> None:
    """R23: what the offer says of tiers, allowance and caps stands in the terms."""
    tiers = [Tier(1000, Decimal("0.02")), Tier(None, Decimal("0.01"))]
    plan = {"tiers": tiers, "free_allowance": 100, "period_cap_yuan": Decimal(30)}
    county.listed("tiered", price="0.0200", learner_cap=40, **plan)
    county.select(a_selection(sku="tiered"))
    with county.units(county.actor(f"principal-{SCHOOL}")) as unit:
        assert unit.actor.organisation_id is not None
        (view,) = selections_of(unit, unit.actor.organisation_id)
    check_terms(view.terms)
    assert plan_of(view.terms) == {
        "plan": "per_use",
        "unit_price": "0.0200",
        "tiers": [
            {"up_to": 1000, "unit_price": "0.0200"},
            {"up_to": None, "unit_price": "0.0100"},
        ],
        "free_allowance": 100,
        "period_cap": "30.0000",
        "learner_cap": 40,
    }


@pytest.mark.parametrize(
    ("ceiling_fen", "roles"),
    [
        (1, ["academic", "school_finance"]),
        (500_000, ["academic", "school_finance", "principal"]),
        (5_000_000, ["academic", "school_finance", "principal", "bureau_finance"]),
    ],
)
def test_the_ceiling_decides_who_signs(
    county: CountyBuilder, ceiling_fen: int, roles: list[str]
) -> None:
    """R22."""
    county.select(a_selection(ceiling_fen=ceiling_fen))
    assert steps_of(county) == [
        (position, role, role != "bureau_finance") for position, role in enumerate(roles, start=1)
    ]


def test_a_region_s_own_table_decides_from_its_day_on(county: CountyBuilder) -> None:
    """R22: thresholds are tables per region; a table is taken as a whole."""
    with county.units(system_actor("test")) as unit:
        own = [Threshold(position=1, role=Role.PRINCIPAL, from_amount_fen=0)]
        assert record_approval_rules(unit, COUNTY, valid_from=date(2026, 8, 1), thresholds=own)
        assert not record_approval_rules(unit, COUNTY, valid_from=date(2026, 8, 1), thresholds=own)
        later = [Threshold(position=1, role=Role.BUREAU_FINANCE, from_amount_fen=0)]
        record_approval_rules(unit, COUNTY, valid_from=date(2026, 8, 4), thresholds=later)
    county.select(a_selection(ceiling_fen=5_000_000))
    assert steps_of(county) == [(1, "principal", True)]


def test_a_table_by_which_nobody_signs_is_refused(county: CountyBuilder) -> None:
    for thresholds in (
        [],
        [Threshold(position=1, role=Role.PRINCIPAL, from_amount_fen=1)],
        [Threshold(position=1, role=Role.LEARNER, from_amount_fen=0)],
    ):
        with pytest.raises(InvalidInput), county.units(system_actor("test")) as unit:
            record_approval_rules(unit, COUNTY, valid_from=date(2026, 8, 1), thresholds=thresholds)


def test_a_free_resource_may_have_a_ceiling_of_nothing(county: CountyBuilder) -> None:
    county.listed("basic-1", kind="basic", price="0")
    (free,) = county.select(a_selection(sku="basic-1", ceiling_fen=0))
    assert free.fate is Fate.ACCEPTED
    assert [role for _, role, _ in steps_of(county)] == ["academic", "school_finance"]


def test_a_resource_that_was_listed_as_basic_since_its_price_is_not_selected(
    county: CountyBuilder,
) -> None:
    """R1: basic resources are free, whatever was offered before."""
    with county.units(system_actor("test")) as unit:
        basic = CatalogueRow(
            vendor_code=VENDOR, sku="maths-1", title="资源", kind="basic", tier="basic"
        )
        record_catalogue(unit, [basic])
    with county.units(county.actor("reviewer-1")) as unit:
        propose_admission(unit, awaiting_proposal(unit), note="逐项核对")
    with county.units(county.actor("reviewer-2")) as unit:
        decide_admission(unit, awaiting_decision(unit), note="逐项核对")
    today = shanghai_day(county.units.clock.now())
    (outcome,) = county.select(a_selection(starts_on=today))
    assert outcome.field == "sku"
    assert isinstance(outcome.error, BasicIsFree)
    assert outcome.error.facts["price"] == "0.0200"
    assert outcome.error.facts["free_from"] == today + timedelta(days=1)
    assert f"自 {today + timedelta(days=1)} 起免费" in translate_error(outcome.error, "zh_CN")
    (later,) = county.select(a_selection("S-2", starts_on=today + timedelta(days=1)))
    assert later.error is None  # free since the day after it was listed so


BROKEN = [
    (a_selection(school="3299019999"), "school_code", NotFound),
    (a_selection(school=POINT, requested_by=f"teacher-{SCHOOL}"), "school_code", InvalidInput),
    (a_selection(requested_by="learner-1"), "requested_by", InvalidInput),
    (a_selection(requested_by="bureau"), "requested_by", InvalidInput),
    (a_selection(requested_by="nobody"), "requested_by", InvalidInput),
    (a_selection(sku="maths-9"), "sku", NotFound),
    (a_selection(sku="unlisted"), "sku", NotListed),
    (a_selection(starts_on=date(2025, 9, 1), ends_on=date(2025, 12, 1)), "starts_on", NoOffer),
    (a_selection(ends_on=date(2026, 8, 31)), "ends_on", InvalidInput),
    (a_selection(ends_on=date(2027, 1, 1)), "next_year_ceiling_yuan", CrossesFiscalYear),
    (a_selection(ends_on=date(2028, 1, 1)), "ends_on", CrossesFiscalYear),
    (replace(a_selection(), later_fen=1), "next_year_ceiling_yuan", InvalidInput),
    (a_selection(ceiling_fen=0), "ceiling_yuan", InvalidInput),
    (a_selection(ceiling_fen=-1), "ceiling_yuan", InvalidInput),
    (a_selection(reference=" "), "reference", MissingValue),
]


def test_each_broken_row_is_rejected_with_its_field_and_reason(county: CountyBuilder) -> None:
    county.school(POINT, parent=SCHOOL)
    unlisted(county)
    outcomes = county.select(*(row for row, _, _ in BROKEN))
    seen = [(outcome.field, type(outcome.error)) for outcome in outcomes]
    assert seen == [(field, error) for _, field, error in BROKEN]
    assert {outcome.fate for outcome in outcomes} == {Fate.REJECTED}
    with county.units(system_actor("test")) as unit:
        assert unit.session.scalars(select(Selection)).all() == []


def unlisted(county: CountyBuilder) -> None:
    """A resource with a price that no bureau has admitted."""
    from_now = date(2026, 1, 1)
    with county.units(system_actor("test")) as unit:
        record_catalogue(
            unit,
            [
                CatalogueRow(
                    vendor_code=VENDOR,
                    sku="unlisted",
                    title="未准入",
                    kind="personalised",
                    tier="growth",
                )
            ],
        )
        record_offers(
            unit,
            [
                OfferRow(
                    vendor_code=VENDOR,
                    sku="unlisted",
                    valid_from=from_now,
                    plan="per_use",
                    unit_price_yuan=Decimal("0.02"),
                )
            ],
        )


def test_the_same_row_again_is_a_duplicate_and_another_a_conflict(county: CountyBuilder) -> None:
    """The reference is the school's own: another school may use it, too."""
    row = a_selection()
    other = replace(row, ceiling_fen=row.ceiling_fen + 1)
    first = county.select(row, row, other)
    again = county.select(row, other)
    assert [outcome.fate for outcome in first] == [Fate.ACCEPTED, Fate.DUPLICATE, Fate.CONFLICT]
    assert [outcome.fate for outcome in again] == [Fate.DUPLICATE, Fate.CONFLICT]
    assert isinstance(again[1].error, AlreadyExists)
    county.school("3299010003")
    (elsewhere,) = county.select(a_selection(school="3299010003"))
    assert elsewhere.fate is Fate.ACCEPTED


def test_a_price_that_changed_since_makes_no_conflict(county: CountyBuilder) -> None:
    row = a_selection()
    county.select(row)
    with county.units(system_actor("test")) as unit:
        dearer = OfferRow(
            vendor_code=VENDOR,
            sku="maths-1",
            valid_from=date(2026, 8, 15),
            plan="per_use",
            unit_price_yuan=Decimal("0.03"),
        )
        record_offers(unit, [dearer])
    (again,) = county.select(row)
    assert again.fate is Fate.DUPLICATE
    county.select(a_selection("S-2"))
    with county.units(system_actor("test")) as unit:
        prices = unit.session.execute(
            select(Selection.reference, Selection.terms["unit_price"].astext).order_by(
                Selection.reference
            )
        ).all()
    assert prices == [("S-1", "0.0200"), ("S-2", "0.0300")]


def test_a_bureau_records_only_for_schools_below_it(county: CountyBuilder) -> None:
    county.school("3299020001", region=OTHER_COUNTY)
    (outcome,) = county.select(a_selection(school="3299020001"))
    assert isinstance(outcome.error, NotFound)
    with pytest.raises(Refused), county.units(county.actor(f"principal-{SCHOOL}")) as unit:
        record_selections(unit, [a_selection()])


def ask(county: CountyBuilder, login: str, row: SelectionRow) -> object:
    with county.units(county.actor(login)) as unit:
        wanted = Wanted(
            vendor_code=row.vendor_code,
            sku=row.sku,
            starts_on=row.starts_on,
            ends_on=row.ends_on,
            ceiling_fen=row.ceiling_fen,
            reason=row.reason,
        )
        return request_selection(unit, wanted, reference=row.reference)


def test_a_teacher_requests_for_the_own_school(county: CountyBuilder) -> None:
    row = a_selection()
    first = ask(county, f"teacher-{SCHOOL}", row)
    assert ask(county, f"teacher-{SCHOOL}", row) == first
    with pytest.raises(AlreadyExists):
        ask(county, f"academic-{SCHOOL}", row)
    with pytest.raises(CrossesFiscalYear):
        ask(county, f"teacher-{SCHOOL}", replace(row, reference="S-2", ends_on=date(2027, 1, 31)))
    with pytest.raises(Refused):
        ask(county, "operator", row)
