"""What the sample county's bureau buys for its primary schools, and how the schools use it (R24).

One resource that no school has selected for itself, for the fifth grades of the county. Ceilings
follow the use that the plan expects; the largest school's is set too low on purpose, so that use
above a school's own ceiling can be seen.
"""

from decimal import ROUND_UP, Decimal
from functools import cache

from kernel.money import parse_fen
from market.demo.county import COUNTY, SCHOOLS, YEAR
from market.demo.resources import resources
from market.demo.selections import (
    EVENING_SHARE,
    SCHOOL_DAYS,
    TERM_END,
    TERM_START,
    Selection,
    served_learners,
)
from procurement.bulk import BulkRow
from procurement.funding.listed import ListedRow

SKU = "SJ-LX-SX05"
REFERENCE = f"{YEAR}J-01"
REASON = "全县小学五年级数学分层练习，统一采购"
ENOUGH, TOO_LOW = Decimal("1.4"), Decimal("0.6")
TOO_LOW_AT = "shiyan"
"""Slug of the school whose own ceiling the term's use will pass."""
LINE_YUAN = "200.00"


@cache
def parts_of_purchase() -> tuple[Selection, ...]:
    """Return each school's part of the bulk purchase, as if it had selected it by itself."""
    (resource,) = (one for one in resources() if one.sku == SKU)
    found: list[Selection] = []
    for school in SCHOOLS:
        if school.parent:
            continue
        served = len(served_learners(school, resource))
        if not served:
            continue
        factor = TOO_LOW if school.slug == TOO_LOW_AT else ENOUGH
        units = served * SCHOOL_DAYS * Decimal(str(EVENING_SHARE))
        ceiling = (units * resource.unit_price * factor).to_integral_value(ROUND_UP)
        found.append(
            Selection(
                reference=REFERENCE,
                school=school,
                resource=resource,
                starts_on=TERM_START,
                ceiling_yuan=ceiling,
                reason=REASON,
            )
        )
    return tuple(found)


def bulk_rows() -> list[BulkRow]:
    """Return the bulk purchase as its list, a row for each school."""
    parts = parts_of_purchase()
    together_fen = sum(_fen(one.ceiling_yuan) for one in parts)
    return [
        BulkRow(
            reference=REFERENCE,
            vendor_code=one.resource.vendor.code,
            sku=SKU,
            starts_on=TERM_START,
            ends_on=TERM_END,
            ceiling_fen=together_fen,
            reason=REASON,
            school_code=one.school.code,
            school_ceiling_fen=_fen(one.ceiling_yuan),
        )
        for one in parts
    ]


def line_rows() -> list[ListedRow]:
    """Return what the bureau's own line is issued, from a document of the year."""
    return [
        ListedRow(
            payer_code=COUNTY,
            fiscal_year=YEAR,
            source="special_fund",
            document=f"示例教财〔{YEAR}〕11号",
            amount_fen=parse_fen(LINE_YUAN),
        )
    ]


def _fen(yuan: Decimal) -> int:
    return parse_fen(str(yuan))
