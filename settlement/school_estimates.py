"""The running estimate by school, where schools have ceilings of their own (R24, R33).

Kept beside the estimate of the agreement, from the same drafts. A school whose own ceiling comes to
four fifths, or is used up, leaves a trail of its own.
"""

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import delete, insert, select, text

from kernel.clock import Month, month_of, shanghai_day, show_month
from kernel.identity.recording import among
from kernel.trail import record
from kernel.unit import Unit
from settlement.ceilings import CeilingUse
from settlement.drafting import DraftLine
from settlement.models import SchoolEstimate
from settlement.school_standings import SchoolStanding, school_standings

SchoolKey = tuple[UUID, UUID]
"""An agreement and a school."""
LEVELS = tuple(CeilingUse)


def school_levels(unit: Unit) -> dict[SchoolKey, CeilingUse]:
    """Return how each school's ceiling stood at its last estimate."""
    found: dict[SchoolKey, CeilingUse] = {}
    for agreement_id, school_id, use in unit.session.execute(
        select(SchoolEstimate.agreement_id, SchoolEstimate.school_id, SchoolEstimate.ceiling_use)
    ):
        key = (agreement_id, school_id)
        found[key] = max(found.get(key, CeilingUse.WITHIN), CeilingUse(use), key=LEVELS.index)
    return found


def keep_by_school(
    unit: Unit, month: Month, *, payers: Sequence[UUID], lines: Iterable[DraftLine]
) -> None:
    """Keep what a month's drafted lines would bill each school, in place of what was kept."""
    amounts: dict[tuple[UUID, UUID, UUID], int] = {}
    for line in lines:
        for part in line.rated.parts:
            key = (line.agreement.payer_id, line.agreement_id, part.school_id)
            amounts[key] = amounts.get(key, 0) + part.amount_fen
    unit.session.execute(
        delete(SchoolEstimate).where(
            SchoolEstimate.month == month, among(SchoolEstimate.payer_id, payers)
        )
    )
    if amounts:
        unit.session.execute(
            insert(SchoolEstimate),
            [
                {
                    "payer_id": payer_id,
                    "agreement_id": agreement_id,
                    "month": month,
                    "school_id": school_id,
                    "amount_fen": fen,
                    "ceiling_use": CeilingUse.WITHIN,
                }
                for (payer_id, agreement_id, school_id), fen in amounts.items()
            ],
        )


def forget_stated_schools(unit: Unit) -> None:
    """Forget the estimates of months that are stated; their bill stands on the statement."""
    unit.session.execute(
        text(
            "DELETE FROM school_estimate e USING period p WHERE p.payer_id = e.payer_id "
            "AND p.month = e.month AND p.state IN ('stated', 'posted', 'closed')"
        )
    )


def mark_schools(
    unit: Unit, agreement_ids: Sequence[UUID], *, before: dict[SchoolKey, CeilingUse]
) -> None:
    """Note how the schools of agreements stand now; leave a trail of those that rose to a mark."""
    of_schools = unit.session.scalars(
        select(SchoolEstimate.agreement_id)
        .where(among(SchoolEstimate.agreement_id, agreement_ids))
        .distinct()
    ).all()
    if not of_schools:
        return
    standings = school_standings(unit, of_schools)
    unit.session.execute(
        text(
            "UPDATE school_estimate e SET ceiling_use = n.use FROM unnest(CAST(:ids AS uuid[]), "
            "CAST(:schools AS uuid[]), CAST(:uses AS text[])) AS n(agreement_id, school_id, use) "
            "WHERE e.agreement_id = n.agreement_id AND e.school_id = n.school_id "
            "AND e.ceiling_use <> n.use"
        ),
        {
            "ids": [one.agreement_id for one in standings],
            "schools": [one.school_id for one in standings],
            "uses": [one.use.value for one in standings],
        },
    )
    for one in standings:
        known = before.get((one.agreement_id, one.school_id), CeilingUse.WITHIN)
        if LEVELS.index(one.use) > LEVELS.index(known):
            _leave_trail(unit, one)


def _leave_trail(unit: Unit, one: SchoolStanding) -> None:
    record(
        unit,
        f"school_ceiling.{one.use}",
        subject_kind="agreement",
        subject_id=one.agreement_id,
        school=one.code,
        ceiling_fen=one.ceiling_fen or 0,
        billed_fen=one.billed_fen,
        estimated_fen=one.estimated_fen,
        month=show_month(month_of(shanghai_day(unit.clock.now()))),
    )
