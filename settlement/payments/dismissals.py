"""Dismissals: a treasury's row that fits no order is seen to elsewhere, and waits no more (R63).

The row stays as it was returned. Who dismisses it says why, on the trail; what the treasury sends
of its voucher later is matched all the same.
"""

from uuid import UUID

from sqlalchemy import exists, insert, select

from kernel.errors import DoneAlready, NotFound, ReasonRequired
from kernel.identity.recording import lock_recording
from kernel.trail import record
from kernel.unit import Unit
from settlement.payment_models import TreasuryDismissal, TreasuryReturn
from settlement.payments.treasury import MAY_ORDER
from settlement.queries.treasury_returns import is_unknown


def dismiss_return(unit: Unit, return_id: UUID, *, because: str) -> None:
    """Dismiss an unknown row, with the reason; whoever returned it, it moves no money.

    Raises `Refused`, `NotFound`, `ReasonRequired`, `DoneAlready` for one that was dismissed.
    """
    unit.actor.require("treasury_return.dismiss", *MAY_ORDER)
    lock_recording(unit)
    row = unit.session.scalars(
        select(TreasuryReturn).where(is_unknown(unit), TreasuryReturn.id == return_id)
    ).one_or_none()
    if row is None:
        raise NotFound(what="treasury return", key=str(return_id))
    if not because.strip():
        raise ReasonRequired()
    key = f"{row.order_no} {row.voucher_no}"
    if unit.session.scalar(select(exists().where(TreasuryDismissal.return_id == return_id))):
        raise DoneAlready(what="treasury return", done="dismissed")
    unit.session.execute(
        insert(TreasuryDismissal).values(
            return_id=return_id,
            because=because.strip(),
            dismissed_at=unit.clock.now(),
            dismissed_by=unit.actor.name,
        )
    )
    record(
        unit,
        "treasury_return.dismissed",
        subject_kind="treasury_return",
        subject_id=key,
        amount_fen=row.amount_fen,
        result=row.result,
        reason=because.strip(),
    )
