"""What treasuries returned and no order explains, and what of it was dismissed and why (R63)."""

from sqlalchemy import ColumnElement, Select, exists, select
from sqlalchemy.orm import aliased

from kernel.actors import OrganisationKind
from kernel.identity.models import Organisation
from kernel.identity.visibility import visible_organisations
from kernel.unit import Unit
from settlement.payment_models import TreasuryDismissal, TreasuryReturn

Matched = aliased(TreasuryReturn, name="matched")


def unknown_returns(unit: Unit) -> list[TreasuryReturn]:
    """Return what waits for a person, by its order."""
    wanted = select_waiting(unit).order_by(TreasuryReturn.order_no, TreasuryReturn.id)
    return list(unit.session.scalars(wanted))


def select_waiting(unit: Unit) -> Select[TreasuryReturn]:
    """Select what no order explains, nor a later row of its voucher, and nobody dismissed."""
    explained = exists().where(
        Matched.payment_id.is_not(None),
        Matched.order_no == TreasuryReturn.order_no,
        Matched.voucher_no == TreasuryReturn.voucher_no,
    )
    dismissed = exists().where(TreasuryDismissal.return_id == TreasuryReturn.id)
    return select(TreasuryReturn).where(is_unknown(unit), ~explained, ~dismissed)


def dismissed_returns(unit: Unit) -> list[tuple[TreasuryReturn, TreasuryDismissal]]:
    """Return what was dismissed, with why and by whom, the latest first."""
    wanted = (
        select(TreasuryReturn, TreasuryDismissal)
        .join(TreasuryDismissal, TreasuryDismissal.return_id == TreasuryReturn.id)
        .where(is_unknown(unit))
        .order_by(TreasuryDismissal.dismissed_at.desc(), TreasuryReturn.id)
    )
    return [(row, dismissal) for row, dismissal in unit.session.execute(wanted)]


def is_unknown(unit: Unit) -> ColumnElement[bool]:
    """Tell a row that no order was found for, of the bureaus that the actor may see."""
    unknown = TreasuryReturn.outcome == "unknown"
    if unit.actor.is_system:
        return unknown
    bureaus = visible_organisations(unit, OrganisationKind.BUREAU)
    return unknown & TreasuryReturn.bureau_id.in_(bureaus.with_only_columns(Organisation.id))
