"""Resources with titles of their own, listed or left as drafts of their vendor."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from catalog.offers import OfferRow, record_offers
from catalog.queries import latest_versions, resources_by_key
from catalog.resources import CatalogueRow, record_catalogue
from catalog.search import Sort, Wanted, search
from kernel.identity.models import Organisation
from kernel.ids import VersionId
from kernel.unit import Unit
from tests.support.builders import admit, took

OFFERED_FROM = date(2026, 1, 1)


def a_row(vendor: Organisation, sku: str, title: str, **facts: Any) -> CatalogueRow:
    """Return a row with what every resource needs; `facts` are the others."""
    needed = {"kind": "personalised", "tier": "growth", "stage": "primary", "subject": "数学"}
    return CatalogueRow(vendor_code=vendor.code, sku=sku, title=title, **needed | facts)


def listed(
    unit: Unit, rows: Sequence[CatalogueRow], *, price: str = "0.1000", is_priced: bool = True
) -> None:
    """Record rows, price them, and have two reviewers admit them."""
    submitted(unit, rows)
    if is_priced:
        took(
            record_offers(
                unit,
                [
                    OfferRow(
                        vendor_code=row.vendor_code,
                        sku=row.sku,
                        valid_from=OFFERED_FROM,
                        plan="per_use",
                        unit_price_yuan=Decimal(0 if row.kind == "basic" else price),
                    )
                    for row in rows
                ],
            )
        )
    admit(unit, newest_versions(unit, rows))


def submitted(unit: Unit, rows: Sequence[CatalogueRow]) -> None:
    """Record rows and leave them to admission."""
    took(record_catalogue(unit, rows))


def newest_versions(unit: Unit, rows: Sequence[CatalogueRow]) -> list[VersionId]:
    found = resources_by_key(unit, [(row.vendor_code, row.sku) for row in rows])
    newest = latest_versions(unit, [resource.id for resource in found.values()])
    return [VersionId(version.id) for version in newest.values()]


def titles(
    unit: Unit, words: str = "", *, sort: Sort = Sort.RELEVANCE, **filters: str
) -> list[str]:
    """Return the titles that a search finds, in their order."""
    found = search(unit, Wanted(words=words, filters=filters, sort=sort, limit=200))
    return [hit.title for hit in found.hits]
