"""Who may decide between a payer and a vendor: a person of a bureau above the payer, impartial.

Impartial is who never had a role at the vendor nor a part in the agreement or its bill, wherever
they were then. Where the payer is a bureau and none on this installation is above it, a person of
that very bureau decides; what is decided so says it on its record.
"""

from uuid import UUID

from sqlalchemy import select

from kernel.actors import OrganisationKind, Role
from kernel.errors import MarketError, OwnPart, Refused, VendorInterest
from kernel.identity.models import Organisation, RegionClosure, RoleGrant
from kernel.identity.visibility import require_visible
from kernel.unit import Unit
from settlement.parties import has_a_part


def require_judge(
    unit: Unit, act: str, *, payer_id: UUID, vendor_id: UUID, agreement_id: UUID
) -> bool:
    """Raise unless an impartial person acts; return whether they are of the payer's own bureau."""
    actor = unit.actor
    if (
        actor.person_id is None
        or actor.organisation_kind is not OrganisationKind.BUREAU
        or Role.BUREAU_FINANCE not in actor.roles
    ):
        raise Refused(act=act, needs=Role.BUREAU_FINANCE, actor=actor.name)
    payer = require_visible(unit, payer_id)
    vendor = unit.session.scalars(
        select(Organisation.name)
        .join(RoleGrant, RoleGrant.organisation_id == Organisation.id)
        .where(Organisation.id == vendor_id, RoleGrant.person_id == actor.person_id)
        .limit(1)
    ).first()
    if vendor is not None:
        raise VendorInterest(act=act, person=actor.name, vendor=vendor)
    is_own = payer.id == actor.organisation_id
    if is_own and _has_bureau_above(unit, payer):
        raise Refused(act=act, needs="the bureau above the payer", actor=actor.name)
    if has_a_part(unit, actor.person_id, agreement_id=agreement_id):
        raise OwnPart(act=act, person=actor.name, bureau=actor.organisation_name)
    return is_own


def may_judge(unit: Unit, *, payer_id: UUID, vendor_id: UUID, agreement_id: UUID) -> bool:
    """Return whether the actor could decide, for pages that offer it."""
    try:
        require_judge(
            unit, "judge", payer_id=payer_id, vendor_id=vendor_id, agreement_id=agreement_id
        )
    except MarketError:
        return False
    return True


def _has_bureau_above(unit: Unit, bureau: Organisation) -> bool:
    above = unit.session.scalar(
        select(Organisation.id)
        .join(RegionClosure, RegionClosure.ancestor_code == Organisation.region_code)
        .where(
            Organisation.kind == OrganisationKind.BUREAU,
            Organisation.id != bureau.id,
            RegionClosure.region_code == bureau.region_code,
        )
        .limit(1)
    )
    return above is not None
