"""Fiscal years: until when the books of one are open, and the end of its periods (R19, R37).

A year's books stay open for December's use until the configured day of the following year. After
it a posted period is closed: what comes later for it draws nothing and is decided by a bureau.
"""

from datetime import date

from sqlalchemy import select, update

from kernel.trail import record
from kernel.unit import Unit
from settlement.models import Period
from settlement.queries.statements import visible_payers
from settlement.year_ends import last_closed_year


def close_periods(unit: Unit) -> int:
    """Close the actor's posted periods of the years whose books are closed; return how many."""
    year = last_closed_year(unit)
    closing = (
        Period.state == "posted",
        Period.month <= date(year, 12, 1),
        Period.payer_id.in_(visible_payers(unit)),
    )
    locked = unit.session.execute(
        select(Period.payer_id)
        .where(*closing)
        .order_by(Period.payer_id, Period.month)
        .with_for_update()
    ).all()
    if locked:
        unit.session.execute(
            update(Period)
            .where(*closing)
            .values(state="closed")
            .execution_options(synchronize_session=False)
        )
        record(
            unit,
            "periods.closed",
            subject_kind="fiscal-year",
            subject_id=year,
            periods=len(locked),
        )
    return len(locked)
