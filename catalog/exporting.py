"""A catalogue as rows of its own import: what is taken out can be brought in again as it is.

Decides whose catalogue an actor takes out: a vendor its own with its drafts, a bureau any vendor's,
nobody else one. Each resource comes as its newest version says.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on

from catalog.admission_models import Submission
from catalog.kinds import Ownership
from catalog.models import Resource, Version
from catalog.queries import CATALOGUE_RECORDERS
from catalog.resources import COLUMNS, CatalogueRow
from catalog.self_checks import columns_of
from kernel.actors import OrganisationKind, Role
from kernel.errors import NotFound
from kernel.identity.models import Organisation
from kernel.unit import Unit

AT_ONCE: Final = 2_000


def catalogue_rows(unit: Unit, *, vendor_code: str = "") -> Iterator[CatalogueRow]:
    """Yield the resources of one vendor, or of all that the actor may take out, by their keys.

    Raises `Refused`, and `NotFound` for a vendor that is not the actor's.
    """
    unit.actor.require("export a catalogue", *CATALOGUE_RECORDERS, Role.VENDOR_MANAGER)
    vendors = select(Organisation.id).where(Organisation.kind == OrganisationKind.VENDOR)
    if not unit.actor.may(*CATALOGUE_RECORDERS):
        vendors = vendors.where(Organisation.id == unit.actor.organisation_id)
    if vendor_code:
        vendors = vendors.where(Organisation.code == vendor_code)
        if unit.session.scalar(vendors) is None:
            raise NotFound(what="vendor", key=vendor_code)
    # What a vendor declared is taken out by it alone: nobody else could bring it in again.
    is_own = unit.actor.organisation_kind is OrganisationKind.VENDOR or unit.actor.is_system
    newest = (
        select(Version)
        .ext(distinct_on(Version.resource_id))
        .order_by(Version.resource_id, Version.number.desc())
        .subquery()
    )
    rows = unit.session.execute(
        select(Organisation.code, Resource.sku, newest, Submission)
        .join(Resource, Resource.vendor_id == Organisation.id)
        .join(newest, newest.c.resource_id == Resource.id)
        .outerjoin(Submission, Submission.version_id == newest.c.id)
        .where(Organisation.id.in_(vendors))
        .order_by(Organisation.code, Resource.sku)
        .execution_options(yield_per=AT_ONCE)
    )
    for row in rows:
        columns = {name: getattr(row, name) for name in COLUMNS}
        if is_own:
            columns |= columns_of(row.Submission)
        yield _row(row.code, row.sku, columns, row.metadata)


def _row(
    code: str, sku: str, columns: Mapping[str, Any], stated: Mapping[str, Any]
) -> CatalogueRow:
    mbps = stated.get("bandwidth_mbps")
    return CatalogueRow(
        vendor_code=code,
        sku=sku,
        **columns,
        language=str(stated.get("language", "")),
        licence=str(stated.get("licence", "")),
        author=str(stated.get("author", "")),
        keywords=tuple(stated.get("keywords", ())),
        conditions=str(stated.get("conditions", "")),
        address=str(stated.get("address", "")),
        launch_url=str(stated.get("launch_url", "")),
        ownership=str(stated.get("ownership", Ownership.PERSONAL)),
        school_share=Decimal(stated.get("school_share", 0)),
        edition=str(stated.get("edition", "")),
        chapter=str(stated.get("chapter", "")),
        bandwidth_mbps=Decimal(mbps) if mbps else None,
        devices=tuple(stated.get("devices", ())),
        offline=str(stated.get("offline", "")),
        parts=tuple(stated.get("parts", ())),
    )
