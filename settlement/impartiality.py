"""Who may decide between a payer and a vendor: a person of a bureau above the payer, impartial."""

from uuid import UUID

from sqlalchemy import select

from kernel.actors import OrganisationKind, Role
from kernel.errors import Refused, VendorInterest
from kernel.identity.models import Organisation, RoleGrant
from kernel.identity.visibility import require_visible
from kernel.unit import Unit


def require_judge(unit: Unit, act: str, *, payer_id: UUID, vendor_id: UUID) -> None:
    """Raise unless a person of a bureau above the payer acts, with no part in the matter."""
    actor = unit.actor
    if (
        actor.person_id is None
        or actor.organisation_kind is not OrganisationKind.BUREAU
        or Role.BUREAU_FINANCE not in actor.roles
    ):
        raise Refused(act=act, needs=Role.BUREAU_FINANCE, actor=actor.name)
    payer = require_visible(unit, payer_id)
    if payer.kind == OrganisationKind.BUREAU and payer.region_code == actor.region_code:
        raise Refused(act=act, needs="the bureau above the payer", actor=actor.name)
    vendor = unit.session.scalars(
        select(Organisation.name)
        .join(RoleGrant, RoleGrant.organisation_id == Organisation.id)
        .where(Organisation.id == vendor_id, RoleGrant.person_id == actor.person_id)
        .limit(1)
    ).first()
    if vendor is not None:
        raise VendorInterest(act=act, person=actor.name, vendor=vendor)
