"""Confirmation of stated lines: by the school's finance person, or by silence (R36).

Silence confirms a line, never a payment. Disputes are decided elsewhere; a disputed line is left
alone here.
"""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import select, update

from kernel.actors import OrganisationKind, Role
from kernel.clock import Month, shanghai_day, show_month
from kernel.errors import NotFound
from kernel.identity.recording import among
from kernel.identity.visibility import require_visible
from kernel.ids import OrganisationId
from kernel.trail import record
from kernel.unit import Unit
from settlement.models import Statement, StatementLine
from settlement.periods import periods_in

BY_SILENCE = "silence"


def confirm_lines(
    unit: Unit, payer_id: OrganisationId, month: Month, *, line_ids: Sequence[UUID] | None = None
) -> int:
    """Confirm the payer's stated lines of a month (all, or the named ones); return how many.

    Only a finance person of the paying organisation may. Repeating it changes nothing. Raises
    `NotFound` if there is no statement.
    """
    unit.actor.require("statement.confirm", Role.SCHOOL_FINANCE, Role.BUREAU_FINANCE)
    require_visible(unit, payer_id)
    _require_payer(unit, payer_id)
    statement = unit.session.scalars(
        select(Statement).where(Statement.payer_id == payer_id, Statement.month == month)
    ).first()
    if statement is None:
        raise NotFound(what="statement", key=show_month(month))
    # The close takes the period first, too: then a confirmation and a close never cross.
    periods_in(unit, month, payer_ids=[payer_id], states=["stated", "posted", "closed"])
    wanted = (
        update(StatementLine)
        .where(StatementLine.statement_id == statement.id, StatementLine.state == "stated")
        .values(state="confirmed", confirmed_at=unit.clock.now(), confirmed_by=unit.actor.name)
        .returning(StatementLine.id)
        .execution_options(synchronize_session=False)
    )
    if line_ids is not None:
        wanted = wanted.where(among(StatementLine.id, line_ids))
    confirmed = len(unit.session.execute(wanted).all())
    if confirmed:
        record(
            unit,
            "statement.confirmed",
            subject_kind="statement",
            subject_id=statement.id,
            number=statement.number,
            lines=confirmed,
        )
        unit.after_commit("settlement.post", payer_id=str(payer_id), month=show_month(month))
    return confirmed


def _require_payer(unit: Unit, payer_id: OrganisationId) -> None:
    """A bureau's finance person confirms what the bureau pays, not what its schools pay."""
    actor = unit.actor
    if actor.is_system or actor.organisation_id == payer_id:
        return
    kind = actor.organisation_kind or OrganisationKind.SCHOOL
    raise NotFound(what="statement of yours", key=f"{kind}:{payer_id}")


def confirm_by_silence(unit: Unit, month: date, *, payer_ids: Sequence[UUID]) -> int:
    """Confirm what nobody confirmed or disputed by its day; return how many lines."""
    today = shanghai_day(unit.clock.now())
    overdue = select(Statement.id).where(
        among(Statement.payer_id, payer_ids), Statement.month == month, Statement.confirm_by < today
    )
    confirmed = unit.session.execute(
        update(StatementLine)
        .where(StatementLine.statement_id.in_(overdue), StatementLine.state == "stated")
        .values(state="confirmed", confirmed_at=unit.clock.now(), confirmed_by=BY_SILENCE)
        .returning(StatementLine.id)
        .execution_options(synchronize_session=False)
    )
    return len(confirmed.all())
