"""The sample county's catalogue: sixty resources over stages and subjects, and their prices.

The list itself is `resources.csv`, which names a vendor by its slug; here it becomes rows of the
imports `catalogue` and `offers`.
"""

import csv
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib.resources import files

from market.demo.county import VENDOR_BY_SLUG, YEAR, Row, Vendor

OFFERED_FROM = f"{YEAR}-01-01"
SHARED = "CC BY-NC-SA 4.0"
SOLD = "授权学校教学使用"


@dataclass(frozen=True, kw_only=True, slots=True)
class Resource:
    """One resource; an empty `stage` or `grade` suits every one."""

    vendor: Vendor
    sku: str
    title: str
    kind: str
    stage: str
    grade: str
    type: str
    plan: str
    unit_price: Decimal
    facts: Row

    @property
    def is_free(self) -> bool:
        return self.unit_price == 0

    def suits(self, stage: str, *, grade: str = "") -> bool:
        return self.stage in {"", stage} and (not grade or self.grade in {"", grade})


@cache
def resources() -> tuple[Resource, ...]:
    text = files("market.demo").joinpath("resources.csv").read_text(encoding="utf-8")
    return tuple(
        Resource(
            vendor=VENDOR_BY_SLUG[row["vendor"]],
            sku=row["sku"],
            title=row["title"],
            kind=row["kind"],
            stage=row["stage"],
            grade=row["grade"],
            type=row["type"],
            plan=row["plan"],
            unit_price=Decimal(row["unit_price_yuan"]),
            facts=row,
        )
        for row in csv.DictReader(text.splitlines())
    )


def catalogue_rows() -> list[Row]:
    copied = (
        "sku",
        "title",
        "kind",
        "tier",
        "stage",
        "subject",
        "grade",
        "type",
        "language",
        "author",
        "keywords",
        "conditions",
        "ownership",
        "school_share",
        "edition",
        "chapter",
        "bandwidth_mbps",
        "devices",
        "offline",
    )
    return [
        {name: resource.facts[name] for name in copied}
        | {
            "vendor_code": resource.vendor.code,
            "licence": SHARED if resource.is_free else SOLD,
            "address": f"https://{resource.vendor.slug}.example/{resource.sku.lower()}",
        }
        for resource in resources()
    ]


def offer_rows() -> list[Row]:
    return [
        {
            "vendor_code": resource.vendor.code,
            "sku": resource.sku,
            "valid_from": OFFERED_FROM,
            "plan": resource.plan,
            "unit_price_yuan": str(resource.unit_price),
            "tiers": resource.facts["tiers"],
            "free_allowance": resource.facts["free_allowance"],
        }
        for resource in resources()
    ]
