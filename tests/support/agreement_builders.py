"""Agreements that cross 1 January, and the days of a market, for tests of what becomes of them."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

from kernel.clock import SHANGHAI
from kernel.ids import AgreementId, FundingLineId
from kernel.unit import Units
from settlement.agreements import AgreementDraft, Draw, YearPart, open_agreement
from settlement.funding_lines import LineBalance, issue_amount, line_balances, open_line
from tests.support.builders import a_listed_version
from tests.support.settlement_builders import SYSTEM, Market

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
