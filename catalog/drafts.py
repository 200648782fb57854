"""Drafts: what a vendor prepares before it submits; nobody else sees it (R4, R14).

One draft per resource (the database says so, too). It becomes the next version; a draft that
repeats the listed content may carry another price, which is then reviewed for itself. Who else may
have a part in a teacher's work is declared in `catalog.ownership`.
"""

from typing import Any

from sqlalchemy import select

from catalog.models import Version
from catalog.offers import OfferRow
from catalog.packs import bind_parts
from catalog.proposed_offers import drop_offer, propose_offer
from catalog.queries import resources_by_key
from catalog.resources import CatalogueRow, record_catalogue, version_content
from catalog.states import VersionState
from kernel.actors import OrganisationKind
from kernel.errors import InvalidInput, MarketError
from kernel.identity.organisations import organisation_by_code
from kernel.identity.recording import FieldError, lock_recording
from kernel.ids import VersionId
from kernel.outcomes import Fate
from kernel.trail import record
from kernel.unit import Unit


def save_draft(unit: Unit, row: CatalogueRow, *, offer: OfferRow | None = None) -> VersionId:
    """Save a vendor's draft of one resource, with the price it is to have; return its version.

    Raises what is wrong with the row, with its field; `NotFound` for another vendor's.
    """
    lock_recording(unit)  # somebody may begin a draft of the same resource at this moment
    draft = _draft(unit, row)
    try:
        if draft is None:
            (outcome,) = record_catalogue(unit, [row], as_draft=True)
            if outcome.fate is not Fate.ACCEPTED:
                raise _error(outcome.error, field=outcome.field)
            draft = _draft(unit, row)
            assert draft is not None, "it was recorded just now"
        else:
            vendor = organisation_by_code(unit, OrganisationKind.VENDOR, code=row.vendor_code)
            for name, value in version_content(unit, row, vendor=vendor).items():
                setattr(draft, name, value)
            unit.session.flush()
            bind_parts(unit, [draft.id])
        if offer is None:
            drop_offer(unit, draft)
        else:
            propose_offer(unit, draft, offer)
    except FieldError as error:
        raise _error(error.error, field=error.field) from None
    record(
        unit,
        "version.drafted",
        subject_kind="version",
        subject_id=draft.id,
        resource=draft.resource_id,
        number=draft.number,
        title=draft.title,
    )
    unit.session.flush()
    return VersionId(draft.id)


def _draft(unit: Unit, row: CatalogueRow) -> Version | None:
    """Return the open draft of a resource, locked."""
    key = (row.vendor_code, row.sku)
    resource = resources_by_key(unit, [key]).get(key)
    if resource is None:
        return None
    return unit.session.scalars(
        select(Version)
        .where(Version.resource_id == resource.id, Version.state == VersionState.DRAFT)
        .order_by(Version.number.desc())
        .limit(1)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).first()


def _error(error: Any, *, field: str) -> MarketError:
    if isinstance(error, MarketError):
        error.facts.setdefault("field", field)
        return error
    return InvalidInput(field=field, value="", expected="another value")
