"""A county whose bureau buys for its schools, for tests of bulk purchases."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from kernel.actors import OrganisationKind, Role
from kernel.clock import SHANGHAI, FixedClock, parse_month
from kernel.identity.census import CensusRow, record_census
from kernel.identity.models import Organisation
from kernel.identity.organisations import SchoolRow, record_schools
from kernel.identity.people import RosterRow, record_roster
from kernel.identity.secret import person_hash
from kernel.ids import FundingLineId, OrganisationId, SelectionId, new_id
from kernel.unit import Units
from procurement.approvals import sign
from procurement.bulk import BulkWanted, request_bulk
from procurement.bulk_school_proposals import check_schools, propose_schools
from settlement.agreement_schools import SchoolWish
from settlement.closing import settle
from settlement.funding_lines import issue_amount, open_line
from settlement.metering.ingest import UsageRow
from settlement.metering.sources import admit_source
from settlement.models import Agreement, FundingLine
from settlement.school_standings import school_standings
from tests.support.funding_builders import (
    COUNTY,
    JOINED,
    VENDOR,
    CountyBuilder,
    must,
)
from tests.support.settlement_builders import PLAYER, SYSTEM, deliver
from tests.support.worlds import a_world

SKU = "maths-1"
FIRST, LAST = date(2026, 9, 1), date(2026, 12, 31)


@dataclass(slots=True)
class Buyer:
    """A county with a bureau that has 10,000.00 yuan of its own, and schools with one learner."""

    county: CountyBuilder
    codes: list[str]
    line_id: FundingLineId

    @property
    def units(self) -> Units:
        return self.county.units

    @property
    def payer_id(self) -> OrganisationId:
        with self.units(SYSTEM) as unit:
            return OrganisationId(
                unit.session.scalars(
                    select(FundingLine.payer_id).where(FundingLine.id == self.line_id)
                ).one()
            )

    def earmarked(self, codes: Sequence[str], *, fen: int) -> FundingLineId:
        """Give the bureau money that may pay for these schools alone; it pays before its own."""
        payer_id = self.payer_id
        with self.units(SYSTEM) as unit:
            line_id = open_line(
                unit,
                payer_id,
                fiscal_year=2026,
                source="special_fund",
                restriction={"schools": list(codes)},
            )
            issue_amount(unit, line_id, amount_fen=fen, key=f"bulk:{new_id()}", memo="test")
        return line_id

    def wanted(self, ceilings: Mapping[str, int], **facts: Any) -> BulkWanted:
        given: dict[str, Any] = {
            "vendor_code": VENDOR,
            "sku": SKU,
            "starts_on": FIRST,
            "ends_on": LAST,
            "ceiling_fen": sum(ceilings.values()),
            "reason": "全县数学练习",
            "ceilings": ceilings,
        }
        return BulkWanted(**{**given, **facts})

    def request(self, ceilings: Mapping[str, int], **facts: Any) -> SelectionId:
        with self.units(self.county.actor("bureau")) as unit:
            return request_bulk(unit, self.wanted(ceilings, **facts))

    def sign(self, selection_id: SelectionId, *, login: str = "checker") -> UUID | None:
        with self.units(self.county.actor(login)) as unit:
            return sign(unit, selection_id).agreement_id

    def bought(self, ceilings: Mapping[str, int], **facts: Any) -> str:
        """Request and sign a bulk purchase; return its agreement's number."""
        agreement_id = self.sign(self.request(ceilings, **facts))
        with self.units(SYSTEM) as unit:
            return unit.session.scalars(
                select(Agreement.number).where(Agreement.id == agreement_id)
            ).one()

    def propose(self, number: str, *wishes: SchoolWish, reason: str = "用量变化") -> str:
        """Propose other schools or ceilings as the finance person; return the number."""
        with self.units(self.county.actor("bureau")) as unit:
            return propose_schools(unit, number, wishes, reason=reason)

    def check(self, proposal: str, *, login: str = "checker") -> None:
        with self.units(self.county.actor(login)) as unit:
            check_schools(unit, proposal)

    def change(self, number: str, *wishes: SchoolWish, reason: str = "用量变化") -> None:
        """Have a change of schools proposed by one person and checked by another."""
        self.check(self.propose(number, *wishes, reason=reason))

    def rows(
        self,
        used: Mapping[str, int],
        *,
        month: int = 9,
        day: int = 2,
        name: str = "uses",
        from_minute: int = 0,
    ) -> list[UsageRow]:
        """Return uses of schools, each a minute after the other, by each school's learner."""
        first = datetime(2026, month, day, 8, tzinfo=SHANGHAI).astimezone(UTC)
        return [
            UsageRow(
                event_id=f"{name}-{month}-{code}-{number}",
                occurred_at=first + timedelta(minutes=from_minute + number),
                learner_hash=person_hash(self.units.settings, learner_of(code)),
                vendor_code=VENDOR,
                sku=SKU,
                school_code=code,
                session="",
                quantity=1,
                error="",
            )
            for code, count in used.items()
            for number in range(count)
        ]

    def use(
        self,
        used: Mapping[str, int],
        *,
        month: int = 9,
        day: int = 2,
        name: str = "uses",
        from_minute: int = 0,
    ) -> None:
        """Deliver such uses as one file."""
        rows = self.rows(used, month=month, day=day, name=name, from_minute=from_minute)
        deliver(self.units, rows, source=PLAYER, name=f"{name}-{month}.csv")


def joins(code: str, ceiling_fen: int, from_day: date) -> SchoolWish:
    return SchoolWish(code=code, ceiling_fen=ceiling_fen, from_day=from_day)


def another_ceiling(code: str, ceiling_fen: int) -> SchoolWish:
    return SchoolWish(code=code, ceiling_fen=ceiling_fen)


def learner_of(code: str) -> str:
    return f"L-{code}"


@a_world
def a_buyer(units: Units, *, schools: int = 3, price: str = "1.0000") -> Buyer:
    """Build it: schools 3299010101 … of the county, pupils 100, 200, 300 …, one resource."""
    county = CountyBuilder(units).with_bureau()
    county.listed(SKU, price=price)
    codes = [f"{3_299_010_101 + number}" for number in range(schools)]
    with units(SYSTEM) as unit:
        must(record_schools(unit, [_school(code) for code in codes]))
        must(record_roster(unit, _people(codes)))
        must(
            record_census(
                unit,
                [
                    CensusRow(
                        school_code=code,
                        stage="primary",
                        kind="enrolled",
                        as_of=date(2026, 3, 10),
                        basis="spring",
                        pupils=100 * place,
                    )
                    for place, code in enumerate(codes, start=1)
                ],
            )
        )
    with units(county.actor("reviewer-1")) as unit:
        admit_source(unit, code=PLAYER, name="播放器", trust="player")
    with units(SYSTEM) as unit:
        bureau_id = unit.session.scalars(
            select(Organisation.id).where(
                Organisation.kind == OrganisationKind.BUREAU, Organisation.code == COUNTY
            )
        ).one()
        line_id = open_line(
            unit, OrganisationId(bureau_id), fiscal_year=2026, source="special_fund"
        )
        issue_amount(unit, line_id, amount_fen=1_000_000, key=f"bulk:{new_id()}", memo="test")
    return Buyer(county, codes, line_id)


def _school(code: str) -> SchoolRow:
    return SchoolRow(
        code=code,
        name=f"第{code}学校",
        region_code=COUNTY,
        parent_code="",
        stages=("primary",),
        setting="rural",
        small_rural=False,
    )


def _people(codes: Sequence[str]) -> list[RosterRow]:
    """A learner of each school, and a finance person and a head of the first."""
    learners = [
        RosterRow(
            person_no=learner_of(code),
            name="学生",
            organisation_kind=OrganisationKind.SCHOOL,
            organisation_code=code,
            roles=(Role.LEARNER,),
            stage="primary",
            joined_on=JOINED,
            login=learner_of(code),
        )
        for code in codes
    ]
    staff = [
        RosterRow(
            person_no=f"{role}-{codes[0]}",
            name=str(role),
            organisation_kind=OrganisationKind.SCHOOL,
            organisation_code=codes[0],
            roles=(role,),
            joined_on=JOINED,
            login=f"{role}-{codes[0]}",
        )
        for role in (Role.SCHOOL_FINANCE, Role.PRINCIPAL)
    ]
    return [*learners, *staff]


def on(month: int, day: int, hour: int = 10) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=SHANGHAI).astimezone(UTC)


def standings(buyer: Buyer, number: str) -> list[tuple[int | None, int, int]]:
    """Return each school's ceiling, billed and above, by code."""
    with buyer.units(SYSTEM) as unit:
        agreement_id = unit.session.scalars(
            select(Agreement.id).where(Agreement.number == number)
        ).one()
        return [
            (one.ceiling_fen, one.billed_fen, one.above_fen)
            for one in school_standings(unit, [agreement_id])
        ]


def closed(buyer: Buyer, clock: FixedClock, month: int) -> None:
    clock.at = on(month + 1, 3)
    settle(buyer.units, SYSTEM, parse_month(f"2026-{month:02d}"))
