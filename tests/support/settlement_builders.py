"""A school with a funding line, an agreement and a source of usage, for settlement tests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from stdnum.cn import uscc

from kernel.actors import Actor, Role, system_actor
from kernel.clock import SHANGHAI, Month, parse_month
from kernel.identity.models import Organisation
from kernel.identity.secret import person_hash
from kernel.ids import AgreementId, FundingLineId, ResourceId
from kernel.unit import Unit, Units
from settlement.agreements import AgreementDraft, Draw, open_agreement
from settlement.confirmations import confirm_lines
from settlement.funding_lines import issue_amount, open_line
from settlement.metering.ingest import (
    UsageOutcome,
    UsageRow,
    begin_batch,
    finish_batch,
    ingest_rows,
)
from settlement.metering.sources import admit_source
from tests.support.builders import (
    a_learner,
    a_listed_version,
    a_person,
    a_region_tree,
    a_resource,
    a_school,
    a_vendor,
    acting_as,
)
from tests.support.worlds import a_world

MARCH, APRIL = parse_month("2026-03"), parse_month("2026-04")
SYSTEM = system_actor("test")
VENDOR_BODY = "91990121MA9999999"
VENDOR = VENDOR_BODY + uscc.calc_check_digit(VENDOR_BODY)
FREE_TERMS = {
    "plan": "per_use",
    "unit_price": "0.0000",
    "fee_rate": "0.0500",
    "retention_rate": "0.0500",
    "resource_kind": "basic",
    "title": "资源",
    "sku": "A",
    "trial": False,
}
PLAYER, LOG = "player", "school-log"


@dataclass(frozen=True, slots=True)
class Market:
    """One county's market: a bureau, a vendor with one resource, two sources, a school."""

    bureau: Organisation
    vendor: Organisation
    school: Organisation
    finance: Actor
    resource_id: ResourceId
    sku: str
    line_id: FundingLineId
    agreement_id: AgreementId


@a_world
def a_market(
    units: Units,
    *,
    available_fen: int = 100_000,
    ceiling_fen: int = 10_000,
    unit_price: str = "0.3333",
    learners: Sequence[str] = ("L1", "L2"),
    school_code: str = "2199000001",
    terms: Mapping[str, Any] | None = None,
) -> Market:
    """Open a county with one school that has one agreement of March to June 2026."""
    with units(SYSTEM) as unit:
        bureau = a_region_tree(unit)
        reviewer = a_person(unit, bureau, [Role.ADMISSION], person_no="S-1")
        with acting_as(unit, reviewer):
            admit_source(unit, code=PLAYER, name="播放器", trust="player")
            admit_source(unit, code=LOG, name="学校日志", trust="attested")
        vendor = a_vendor(unit, code=VENDOR)
        resource_id = a_resource(unit, vendor, "SKU-1", unit_price=unit_price)
        school = a_school(unit, code=school_code)
        finance = a_person(unit, school, [Role.SCHOOL_FINANCE])
        for number in learners:
            a_learner(unit, school, number)
        line_id = open_line(unit, school.id, fiscal_year=2026, source="per_student")
        issue_amount(
            unit, line_id, amount_fen=available_fen, key=f"test:{school.code}", memo="allocation"
        )
        agreement_id = an_agreement(
            unit,
            school,
            vendor_id=vendor.id,
            resource_id=resource_id,
            draws=[Draw(line_id, ceiling_fen)],
            unit_price=unit_price,
            terms=terms,
        )
    return Market(bureau, vendor, school, finance, resource_id, "SKU-1", line_id, agreement_id)


def an_agreement(
    unit: Unit,
    school: Organisation,
    *,
    vendor_id: UUID,
    resource_id: ResourceId,
    draws: Sequence[Draw],
    unit_price: str = "0.3333",
    reference: str = "A-1",
    starts_on: date = date(2026, 3, 1),
    ends_on: date = date(2026, 6, 30),
    terms: Mapping[str, Any] | None = None,
) -> AgreementId:
    """Open an agreement whose ceiling is what its draws commit; `terms` stand beside the usual."""
    return open_agreement(
        unit,
        AgreementDraft(
            number=f"{school.code}-{reference}",
            payer_id=school.id,
            vendor_id=vendor_id,
            resource_id=resource_id,
            version_id=a_listed_version(unit, resource_id),
            terms={
                "plan": "per_use",
                "unit_price": unit_price,
                "fee_rate": "0.0500",
                "retention_rate": "0.0500",
                "title": "资源",
                "sku": "SKU-1",
                **(terms or {}),
            },
            ceiling_fen=sum(draw.ceiling_fen for draw in draws),
            starts_on=starts_on,
            ends_on=ends_on,
            draws=draws,
            school_ids=[school.id],
        ),
    )


def at(day: int, hour: int = 8, minute: int = 0, second: int = 0, *, month: int = 3) -> datetime:
    """Return a moment of 2026 in Asia/Shanghai, in UTC."""
    return datetime(2026, month, day, hour, minute, second, tzinfo=SHANGHAI).astimezone(UTC)


def a_use(
    units: Units,
    market: Market,
    event_id: str,
    occurred_at: datetime | None,
    *,
    learner: str = "L1",
    session: str = "",
    quantity: int = 1,
    sku: str = "",
    vendor_code: str = "",
    school_code: str = "",
    error: str = "",
) -> UsageRow:
    """Return a report of one use by a learner of the market's school."""
    return UsageRow(
        event_id=event_id,
        occurred_at=occurred_at,
        learner_hash=person_hash(units.settings, learner),
        vendor_code=vendor_code or market.vendor.code,
        sku=sku or market.sku,
        school_code=school_code,
        session=session,
        quantity=quantity,
        error=error,
    )


def deliver(
    units: Units,
    rows: Sequence[UsageRow],
    *,
    source: str = PLAYER,
    name: str = "uses.csv",
    pre_counted: bool = False,
    batch_size: int = 5_000,
    all_new: bool = False,
) -> list[UsageOutcome]:
    """Deliver rows as one file, in batches of a size; return their fates."""
    with units(SYSTEM) as unit:
        digest = repr((name, rows)).encode()
        batch = begin_batch(
            unit, source, file_name=name, file_digest=digest, pre_counted=pre_counted
        )
    outcomes: list[UsageOutcome] = []
    for start in range(0, len(rows), batch_size):
        with units(SYSTEM) as unit:
            chunk = rows[start : start + batch_size]
            outcomes += ingest_rows(unit, batch, chunk, first_position=start, all_new=all_new)
    with units(SYSTEM) as unit:
        finish_batch(unit, batch)
    return outcomes


def confirm_all(units: Units, market: Market, month: Month = MARCH) -> None:
    """Confirm the school's statement as its finance person."""
    with units(market.finance) as unit:
        confirm_lines(unit, market.school.id, month)
