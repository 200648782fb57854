"""A county with schools, counted pupils, listed resources and people who sign, for funding tests.

Everything goes through the services that imports use. A school's people are named `<role>-<code>`,
by login and by person number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from stdnum.cn import uscc

from catalog.admission import decide_admission, propose_admission
from catalog.awaiting import awaiting_decision, awaiting_proposal
from catalog.offers import OfferRow, record_offers
from catalog.resources import CatalogueRow, record_catalogue
from kernel.actors import Actor, OrganisationKind, Role, system_actor
from kernel.identity.census import CensusRow, record_census
from kernel.identity.grants import actor_of
from kernel.identity.models import Organisation
from kernel.identity.organisations import (
    BureauRow,
    SchoolRow,
    VendorRow,
    record_bureaus,
    record_schools,
    record_vendors,
)
from kernel.identity.people import RosterRow, record_roster
from kernel.identity.regions import RegionRow, record_regions
from kernel.ids import FundingLineId, OrganisationId, new_id
from kernel.outcomes import Fate, RowOutcome
from kernel.unit import Units
from market.issuing import issue_year
from procurement.approval_rules import record_approval_rules
from procurement.approvals import SigningSummary, sign_all
from procurement.budget_proposals import check_budget, propose_budgets
from procurement.funding.allocations import IssueSummary
from procurement.funding.shipped import record_shipped
from procurement.policy import Threshold
from procurement.record_proposals import RecordKind, checkable_records
from procurement.selection_facts import SelectionRow
from procurement.selections import record_selections
from settlement.budgets import SOURCES, BudgetRow
from settlement.funding_lines import issue_amount, open_line
from tests.support.worlds import a_world

PROVINCE, CITY, COUNTY, OTHER_COUNTY = "320000", "329900", "329901", "329902"
SCHOOL = "3299010001"
STAFF = (Role.TEACHER, Role.ACADEMIC, Role.SCHOOL_FINANCE, Role.PRINCIPAL)
BUREAU_STAFF = {
    "operator": Role.OPERATOR,
    "bureau": Role.BUREAU_FINANCE,
    "checker": Role.BUREAU_FINANCE,
    "reviewer-1": Role.ADMISSION,
    "reviewer-2": Role.ADMISSION,
}
VENDOR = "91320000MA1MK8QF0" + uscc.calc_check_digit("91320000MA1MK8QF0")
JOINED = date(2020, 1, 1)


AMPLE_BUDGETS = [
    BudgetRow(
        region_code=COUNTY,
        fiscal_year=year,
        source=source,
        amount_fen=10**10,
        document=f"青财预〔{year}〕1号",
        approved_on=date(year, 1, 15),
    )
    for year in (2025, 2026, 2027)
    for source in SOURCES
]
"""More than any test issues that is not about budgets."""


def must(outcomes: Sequence[RowOutcome]) -> None:
    """Fail with what is wrong unless every row was accepted."""
    assert [outcome for outcome in outcomes if outcome.fate is not Fate.ACCEPTED] == []


@dataclass(slots=True)
class CountyBuilder:
    """Adds to one county; every method commits."""

    units: Units

    def with_bureau(self) -> "CountyBuilder":
        """Regions, the county's bureau with its people, a vendor, and what the product ships."""
        with self.units(system_actor("test")) as unit:
            must(
                record_regions(
                    unit,
                    [
                        RegionRow(code=PROVINCE, name="江海省"),
                        RegionRow(code=CITY, name="青河市"),
                        RegionRow(code=COUNTY, name="青石县"),
                        RegionRow(code=OTHER_COUNTY, name="白沙县"),
                    ],
                )
            )
            record_shipped(unit)
            must(record_bureaus(unit, [BureauRow(region_code=COUNTY, name="青石县教育局")]))
            must(
                record_roster(
                    unit,
                    [
                        RosterRow(
                            person_no=login,
                            name=login,
                            organisation_kind=OrganisationKind.BUREAU,
                            organisation_code=COUNTY,
                            roles=(role,),
                            joined_on=JOINED,
                            login=login,
                        )
                        for login, role in BUREAU_STAFF.items()
                    ],
                )
            )
            must(
                record_vendors(
                    unit, [VendorRow(code=VENDOR, name="启明教育", region_code=PROVINCE)]
                )
            )
            must(propose_budgets(unit, AMPLE_BUDGETS))
        self.check_budgets()
        return self

    def check_budgets(self, *, login: str = "checker") -> None:
        """Have the budgets that wait checked by another person."""
        with self.units(self.actor(login)) as unit:
            for row in checkable_records(unit, RecordKind.BUDGET):
                check_budget(unit, row.number)

    def with_other_bureau(self) -> None:
        """The neighbouring county's bureau with a finance person, `elsewhere`."""
        with self.units(system_actor("test")) as unit:
            must(record_bureaus(unit, [BureauRow(region_code=OTHER_COUNTY, name="白沙县教育局")]))
            row = RosterRow(
                person_no="elsewhere",
                name="elsewhere",
                organisation_kind=OrganisationKind.BUREAU,
                organisation_code=OTHER_COUNTY,
                roles=(Role.BUREAU_FINANCE,),
                joined_on=JOINED,
                login="elsewhere",
            )
            must(record_roster(unit, [row]))

    def school(
        self,
        code: str = SCHOOL,
        *,
        region: str = COUNTY,
        parent: str = "",
        small_rural: bool = False,
        stages: tuple[str, ...] = ("primary",),
        staff: Sequence[Role] = STAFF,
    ) -> OrganisationId:
        """A school, or with `parent` a teaching point, with one person for each role of `staff`."""
        with self.units(system_actor("test")) as unit:
            row = SchoolRow(
                code=code,
                name=f"第{code}学校",
                region_code=region,
                parent_code=parent,
                stages=stages,
                setting="rural",
                small_rural=small_rural,
            )
            must(record_schools(unit, [row]))
            if not parent:
                must(
                    record_roster(
                        unit,
                        [
                            RosterRow(
                                person_no=f"{role}-{code}",
                                name=f"{role}-{code}",
                                organisation_kind=OrganisationKind.SCHOOL,
                                organisation_code=code,
                                roles=(role,),
                                joined_on=JOINED,
                                login=f"{role}-{code}",
                            )
                            for role in staff
                        ],
                    )
                )
            return OrganisationId(
                unit.session.scalars(
                    select(Organisation.id).where(
                        Organisation.kind == OrganisationKind.SCHOOL, Organisation.code == code
                    )
                ).one()
            )

    def with_person(self, school: str, login: str, *, roles: Sequence[Role]) -> None:
        """One more person of a school."""
        with self.units(system_actor("test")) as unit:
            row = RosterRow(
                person_no=login,
                name=login,
                organisation_kind=OrganisationKind.SCHOOL,
                organisation_code=school,
                roles=tuple(roles),
                joined_on=JOINED,
                login=login,
            )
            must(record_roster(unit, [row]))

    def counted(
        self,
        code: str = SCHOOL,
        *,
        pupils: int,
        stage: str = "primary",
        kind: str = "enrolled",
        as_of: date = date(2026, 3, 10),
        basis: str = "spring",
    ) -> None:
        """Count pupils at a school or teaching point."""
        with self.units(system_actor("test")) as unit:
            row = CensusRow(
                school_code=code, stage=stage, kind=kind, as_of=as_of, basis=basis, pupils=pupils
            )
            must(record_census(unit, [row]))

    def listed(
        self,
        *skus: str,
        price: str = "0.0200",
        kind: str = "personalised",
        subject: str = "math",
        valid_from: date = date(2026, 1, 1),
        **plan: Any,
    ) -> None:
        """Resources that two reviewers admitted, each with an offer (`plan`: of its row)."""
        with self.units(system_actor("test")) as unit:
            must(
                record_catalogue(
                    unit,
                    [
                        CatalogueRow(
                            vendor_code=VENDOR,
                            sku=sku,
                            title=f"资源 {sku}",
                            kind=kind,
                            tier="growth",
                            stage="primary",
                            subject=subject,
                        )
                        for sku in skus
                    ],
                )
            )
            must(
                record_offers(
                    unit,
                    [
                        OfferRow(
                            vendor_code=VENDOR,
                            sku=sku,
                            valid_from=valid_from,
                            unit_price_yuan=Decimal(price),
                            **{"plan": "per_use", **plan},
                        )
                        for sku in skus
                    ],
                )
            )
        with self.units(self.actor("reviewer-1")) as unit:
            propose_admission(unit, awaiting_proposal(unit), note="逐项核对")
        with self.units(self.actor("reviewer-2")) as unit:
            decide_admission(unit, awaiting_decision(unit), note="逐项核对")

    def actor(self, login: str) -> Actor:
        with self.units(system_actor("test")) as unit:
            return actor_of(unit, login=login, via="test")

    def issue(self, fiscal_year: int = 2026) -> IssueSummary:
        return issue_year(
            self.units, self.actor("bureau"), self.actor("checker"), fiscal_year=fiscal_year
        )

    def budgeted(
        self,
        amount_fen: int,
        *,
        source: str = "per_student",
        fiscal_year: int = 2026,
        document: str = "批复",
    ) -> RowOutcome:
        """One more approval of the county bureau's budget, made by one and checked by another."""
        row = BudgetRow(
            region_code=COUNTY,
            fiscal_year=fiscal_year,
            source=source,
            amount_fen=amount_fen,
            document=document,
            approved_on=date(fiscal_year, 1, 20),
        )
        with self.units(self.actor("bureau")) as unit:
            (outcome,) = propose_budgets(unit, [row])
        self.check_budgets()
        return outcome

    def line(
        self,
        *,
        fen: int,
        school: str = SCHOOL,
        year: int = 2026,
        source: str = "own_funds",
        restriction: dict[str, Any] | None = None,
    ) -> FundingLineId:
        """Money on another line of a school, or some more on one that is there."""
        with self.units(system_actor("test")) as unit:
            payer_id = unit.session.scalars(
                select(Organisation.id).where(
                    Organisation.kind == OrganisationKind.SCHOOL, Organisation.code == school
                )
            ).one()
            line_id = open_line(
                unit,
                OrganisationId(payer_id),
                fiscal_year=year,
                source=source,
                restriction=restriction,
            )
            issue_amount(unit, line_id, amount_fen=fen, key=f"test:{new_id()}", memo="test")
            return line_id

    def rules(self, *thresholds: Threshold, valid_from: date = date(2026, 8, 1)) -> None:
        """The county's own table of signatures."""
        with self.units(system_actor("test")) as unit:
            record_approval_rules(unit, COUNTY, valid_from=valid_from, thresholds=thresholds)

    def select(self, *rows: SelectionRow) -> list[RowOutcome]:
        with self.units(self.actor("operator")) as unit:
            return record_selections(unit, rows)

    def sign_as(self, *logins: str) -> list[SigningSummary]:
        """Have each sign all that waits for them, in turn."""
        summaries = []
        for login in logins:
            with self.units(self.actor(login)) as unit:
                summaries.append(sign_all(unit))
        return summaries


def a_selection(
    reference: str = "S-1",
    *,
    school: str = SCHOOL,
    sku: str = "maths-1",
    starts_on: date = date(2026, 9, 1),
    ends_on: date = date(2026, 12, 31),
    ceiling_fen: int = 50_000,
    reason: str = "五年级数学练习",
    requested_by: str = "",
) -> SelectionRow:
    """A selection requested by the school's teacher."""
    return SelectionRow(
        reference=reference,
        school_code=school,
        vendor_code=VENDOR,
        sku=sku,
        starts_on=starts_on,
        ends_on=ends_on,
        ceiling_fen=ceiling_fen,
        reason=reason,
        requested_by=requested_by or f"teacher-{school}",
    )


@a_world
def a_county(units: Units) -> CountyBuilder:
    """A county with a bureau, one school of 200 pupils counted in spring, and one resource."""
    county = CountyBuilder(units).with_bureau()
    county.school()
    county.counted(pupils=200)
    county.listed("maths-1")
    return county
