"""Packs of listed resources, for tests of the catalogue and of what is billed under them."""

from datetime import date
from decimal import Decimal
from typing import Any

from catalog.offers import OfferRow, record_offers
from catalog.queries import latest_versions, resources_by_key
from catalog.resources import CatalogueRow, record_catalogue
from kernel.identity.models import Organisation
from kernel.ids import ResourceId, VersionId
from kernel.unit import Unit
from tests.support.builders import admit, took


def a_pack(
    unit: Unit,
    vendor: Organisation,
    parts: tuple[str, ...],
    *,
    sku: str = "PACK",
    price: str = "0.5000",
    plan: str = "per_use",
    **facts: Any,
) -> ResourceId:
    """Make a listed pack with its price."""
    row = CatalogueRow(
        **{
            "vendor_code": vendor.code,
            "sku": sku,
            "title": f"资源包{sku}",
            "kind": "personalised",
            "tier": "growth",
            "stage": "primary",
            "parts": parts,
            **facts,
        }
    )
    took(record_catalogue(unit, [row]))
    offer = OfferRow(
        vendor_code=vendor.code,
        sku=sku,
        valid_from=date(2025, 9, 1),
        plan=plan,
        unit_price_yuan=Decimal(price),
    )
    took(record_offers(unit, [offer]))
    resource = resources_by_key(unit, [(vendor.code, sku)])[vendor.code, sku]
    version = latest_versions(unit, [resource.id])[ResourceId(resource.id)]
    admit(unit, [VersionId(version.id)])
    return ResourceId(resource.id)
