"""A vendor's earnings: by period, what was used, billed and shared, and what is owed now."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import func, select

from kernel.actors import OrganisationKind
from kernel.errors import NotFound
from kernel.identity.models import Organisation
from kernel.identity.visibility import visible_organisations
from kernel.unit import Unit
from settlement.ledger.models import Account, Leg
from settlement.ledger.posting import AccountKind
from settlement.models import StatementLine


@dataclass(frozen=True, kw_only=True, slots=True)
class EarningsRow:
    """One period of a vendor, in fen; `posted_fen` is what of its share is in the books."""

    month: date
    schools: int
    lines: int
    uses: int
    amount_fen: int
    above_ceiling_fen: int
    uncovered_fen: int
    vendor_fen: int
    school_fen: int
    fee_fen: int
    retention_fen: int
    posted_fen: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Earnings:
    """A vendor's periods, newest first, and what the ledger owes it now, in fen."""

    vendor_id: UUID
    vendor_code: str
    vendor_name: str
    payable_fen: int
    retention_fen: int
    periods: Sequence[EarningsRow]


def earnings_of(unit: Unit, vendor_id: UUID) -> Earnings:
    """Return the earnings of a vendor that the actor may see, or raise `NotFound`."""
    vendor = unit.session.execute(
        visible_organisations(unit, OrganisationKind.VENDOR)
        .with_only_columns(Organisation.id, Organisation.code, Organisation.name)
        .where(Organisation.id == vendor_id)
    ).first()
    if vendor is None:
        raise NotFound(what="vendor", key=vendor_id)
    line = StatementLine
    rows = unit.session.execute(
        select(
            line.month,
            func.count(func.distinct(line.payer_id)).label("schools"),
            func.count(line.id).label("lines"),
            *(
                func.sum(column).label(name)
                for name, column in (
                    ("uses", line.quantity),
                    ("amount_fen", line.amount_fen),
                    ("above_ceiling_fen", line.above_ceiling_fen),
                    ("uncovered_fen", line.uncovered_fen),
                    ("vendor_fen", line.vendor_fen),
                    ("school_fen", line.school_fen),
                    ("fee_fen", line.fee_fen),
                    ("retention_fen", line.retention_fen),
                )
            ),
            func.coalesce(func.sum(line.vendor_fen).filter(line.state == "posted"), 0).label(
                "posted_fen"
            ),
        )
        .where(line.vendor_id == vendor_id)
        .group_by(line.month)
        .order_by(line.month.desc())
    )
    owed = _owed(unit, vendor_id)
    return Earnings(
        vendor_id=vendor_id,
        vendor_code=vendor.code,
        vendor_name=vendor.name,
        payable_fen=owed.get(AccountKind.PAYABLE, 0),
        retention_fen=owed.get(AccountKind.RETENTION, 0),
        periods=[
            EarningsRow(
                month=row.month,
                **{name: int(value) for name, value in row._mapping.items() if name != "month"},
            )
            for row in rows
        ],
    )


def _owed(unit: Unit, vendor_id: UUID) -> dict[str, int]:
    """Return the vendor's payable and retention from the ledger: credits less debits, in fen."""
    signed = func.sum(Leg.amount_fen).filter(Leg.side == "C")
    paid = func.sum(Leg.amount_fen).filter(Leg.side == "D")
    rows = unit.session.execute(
        select(Account.kind, func.coalesce(signed, 0) - func.coalesce(paid, 0))
        .join(Leg, Leg.account_id == Account.id)
        .where(Account.owner_id == vendor_id, Account.book == "money")
        .group_by(Account.kind)
    )
    return {kind: int(fen) for kind, fen in rows}
