"""Agreements and what becomes of them: across 1 January, with other ceilings, closed by months."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime

from kernel.actors import Actor, Role
from kernel.clock import SHANGHAI, FixedClock, Month
from kernel.ids import AgreementId, FundingLineId, SelectionId
from kernel.unit import Units
from procurement.agreement_requests import request_ceiling
from procurement.approval_rules import record_approval_rules
from procurement.approvals import sign
from procurement.policy import Threshold
from settlement.agreements import AgreementDraft, Draw, YearPart, open_agreement
from settlement.closing import settle
from settlement.funding_lines import LineBalance, issue_amount, line_balances, open_line
from settlement.models import Agreement
from tests.support.builders import a_listed_version, a_person
from tests.support.settlement_builders import (
    SYSTEM,
    Market,
    a_market,
    a_use,
    at,
    confirm_all,
    deliver,
)
from tests.support.worlds import a_world

TERMS = {
    "plan": "per_use",
    "unit_price": "1.0000",
    "fee_rate": "0.0000",
    "retention_rate": "0.0000",
    "title": "资源",
    "sku": "SKU-1",
}


def across(
    units: Units,
    market: Market,
    *,
    first_fen: int,
    later_fen: int,
    reference: str = "X-1",
    starts_on: date = date(2026, 9, 1),
    ends_on: date = date(2027, 6, 30),
    **terms: object,
) -> AgreementId:
    """Open an agreement across New Year at 1 yuan a use, whose later part waits for its money."""
    with units(SYSTEM) as unit:
        return open_agreement(
            unit,
            AgreementDraft(
                number=f"{market.school.code}-{reference}",
                payer_id=market.school.id,
                vendor_id=market.vendor.id,
                resource_id=market.resource_id,
                version_id=a_listed_version(unit, market.resource_id),
                terms={**TERMS, **terms},
                ceiling_fen=first_fen + later_fen,
                starts_on=starts_on,
                ends_on=ends_on,
                draws=[Draw(market.line_id, first_fen)],
                school_ids=[market.school.id],
                years=[YearPart(2026, first_fen), YearPart(2027, later_fen, later_fen)],
            ),
        )


def a_line_of_2027(units: Units, market: Market, *, fen: int, key: str = "") -> FundingLineId:
    """Issue the school's general line of 2027, or some more on it."""
    with units(SYSTEM) as unit:
        line_id = open_line(unit, market.school.id, fiscal_year=2027, source="per_student")
        issue_amount(unit, line_id, amount_fen=fen, key=f"test:2027:{key}", memo="allocation")
        return line_id


def balances(units: Units, lines: Sequence[FundingLineId]) -> list[LineBalance]:
    with units(SYSTEM) as unit:
        found = line_balances(unit, lines)
        return [found[line_id] for line_id in lines]


def on(year: int, month: int, day: int, hour: int = 10) -> datetime:
    """Return a moment in Asia/Shanghai, in UTC."""
    return datetime(year, month, day, hour, tzinfo=SHANGHAI).astimezone(UTC)


@a_world
def a_signing_market(units: Units, clock: FixedClock) -> Market:
    """A market on 15 March: 1,000.00 on the line, an agreement of March to June up to 100.00."""
    market = a_market(units, unit_price="1.0000")
    clock.at = at(15)
    with units(SYSTEM) as unit:
        once = [Threshold(position=1, role=Role.SCHOOL_FINANCE, from_amount_fen=0)]
        record_approval_rules(unit, "100000", valid_from=date(2026, 1, 1), thresholds=once)
    return market


def a_teacher(units: Units, market: Market) -> Actor:
    with units(SYSTEM) as unit:
        return a_person(unit, market.school, [Role.TEACHER], person_no="T-1")


def number(market: Market) -> str:
    return f"{market.school.code}-A-1"


def the_line(units: Units, market: Market) -> LineBalance:
    return balances(units, [market.line_id])[0]


def asked(
    units: Units, market: Market, ceilings: Mapping[int, int], *, of: str = ""
) -> SelectionId:
    with units(a_teacher(units, market)) as unit:
        return request_ceiling(
            unit, of or number(market), ceilings=ceilings, reason="使用量高于预期"
        )


def signed(units: Units, market: Market, selection_id: SelectionId) -> None:
    with units(market.finance) as unit:
        sign(unit, selection_id)


def used(units: Units, market: Market, times: int, *, month: int = 3, name: str = "uses") -> None:
    rows = [a_use(units, market, f"{name}-{n}", at(n, month=month)) for n in range(1, times + 1)]
    deliver(units, rows, name=f"{name}.csv")


def closed(units: Units, market: Market, *months: Month) -> None:
    """Close months, confirm and post them."""
    for month in months:
        settle(units, SYSTEM, month)
        confirm_all(units, market, month)
        settle(units, SYSTEM, month)


def state(units: Units, market: Market) -> str:
    with units(SYSTEM) as unit:
        return unit.session.get_one(Agreement, market.agreement_id, populate_existing=True).state
