"""The terms a selection freezes: the offer's whole plan, the installation's rates, what it is.

A trial costs nothing and is bounded by its days (R21, R33); otherwise the offer of the first day
counts as it stands.
"""

from collections.abc import Mapping
from typing import Any, Final

from catalog.kinds import Ownership
from catalog.models import Offer, Version
from catalog.packs import PACK
from catalog.plans import is_free, normalised
from kernel.settings import Settings
from procurement.states import SelectionKind
from settlement.models import Agreement

FREE_OF_CHARGE: Final = "0"


def terms_of(
    offer: Offer, version: Version, *, sku: str, settings: Settings, trial: bool
) -> dict[str, Any]:
    """Return an offer's terms with the rates of this moment, decimals as text of 4 places."""
    plan = {"plan": offer.plan["plan"], "unit_price": FREE_OF_CHARGE} if trial else offer.plan
    return {
        **normalised(plan),
        "fee_rate": f"{settings.platform_fee_rate:.4f}",
        "retention_rate": f"{settings.retention_rate:.4f}",
        "retention_months": settings.retention_months,
        **_school_share(version),
        "resource_kind": version.kind,
        "title": version.title,
        "sku": sku,
        "trial": trial,
        **({"kind": "pack"} if version.type == PACK else {}),
        # What costs nothing has no ceiling at which to stop.
        "stop_at_ceiling": settings.stop_at_ceiling and not is_free(plan),
    }


def amount_to_commit(terms: Mapping[str, Any], ceiling_fen: int) -> int:
    """Return the fen a selection needs on funding lines: none if its price is zero, else all."""
    return 0 if is_free(terms) else ceiling_fen


def amount_to_sign(kind: str, ceiling_fen: int, agreement: Agreement | None) -> int:
    """Return the fen whose threshold decides who signs (R22): of a raise the whole new ceiling.

    `agreement`: the one that a selection is about.
    """
    if kind == SelectionKind.RAISE and agreement is not None:
        return agreement.ceiling_fen + ceiling_fen
    return ceiling_fen


def _school_share(version: Version) -> dict[str, Any]:
    """Return what the terms say of the author's school, for a teacher's service work (R40)."""
    metadata = version.metadata_
    if metadata.get("ownership") != Ownership.SERVICE_WORK:
        return {}
    return {
        "school_rate": metadata["school_share"],
        "author_school_id": metadata["author_school_id"],
        "author_school_code": metadata["author_school_code"],
    }
