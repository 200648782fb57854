"""Holds: a payee that is not paid for now, by a person who says why; lifted by a person, too.

For reviews and disputes with a payee as such. What single lines are disputed for waits by itself,
since they are not posted.
"""

from sqlalchemy import select

from kernel.actors import OrganisationKind, Role
from kernel.errors import NotFound, ReasonRequired
from kernel.identity.organisations import organisation_by_code
from kernel.ids import new_id
from kernel.trail import record
from kernel.unit import Unit
from settlement.payment_models import PaymentHold
from settlement.payments.runs import lock_planning


def hold_payee(unit: Unit, code: str, *, because: str) -> None:
    """Leave a vendor out of payment runs from now on; one that is held stays so.

    A run that is proposed already is not released while it would pay the vendor.

    Raises `Refused`, `NotFound`, `ReasonRequired`.
    """
    unit.actor.require("payment.hold", Role.BUREAU_FINANCE)
    if not because.strip():
        raise ReasonRequired()
    lock_planning(unit)  # no run that pays it is proposed or released meanwhile
    vendor = organisation_by_code(unit, OrganisationKind.VENDOR, code=code)
    if _open_hold(unit, vendor.id) is not None:
        return
    unit.session.add(
        PaymentHold(
            id=new_id(),
            payee_id=vendor.id,
            because=because.strip(),
            placed_at=unit.clock.now(),
            placed_by=unit.actor.name,
            lifted_at=None,
            lifted_by="",
        )
    )
    unit.session.flush()
    record(
        unit,
        "payment.held",
        subject_kind="organisation",
        subject_id=vendor.id,
        because=because.strip(),
    )


def lift_hold(unit: Unit, code: str) -> None:
    """Let a vendor be paid again; raise `NotFound` if it is not held."""
    unit.actor.require("payment.hold", Role.BUREAU_FINANCE)
    vendor = organisation_by_code(unit, OrganisationKind.VENDOR, code=code)
    hold = _open_hold(unit, vendor.id)
    if hold is None:
        raise NotFound(what="hold", key=code)
    hold.lifted_at, hold.lifted_by = unit.clock.now(), unit.actor.name
    unit.session.flush()
    record(unit, "payment.hold_lifted", subject_kind="organisation", subject_id=vendor.id)


def _open_hold(unit: Unit, payee_id: object) -> PaymentHold | None:
    return unit.session.scalars(
        select(PaymentHold)
        .where(PaymentHold.payee_id == payee_id, PaymentHold.lifted_at.is_(None))
        .with_for_update()
    ).one_or_none()
