"""The rules on billable use for agreements that the seal of their month knew nothing of (R30, R37).

A seal keeps what the rules rest on for the agreements of that moment. Late use may fall under
others: those that were backdated into the month since, and all of a month that was over without a
use and so was never sealed by itself. What is known when such use is first counted is kept then.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from kernel.clock import Month, next_month
from kernel.unit import Unit
from settlement.metering.exclusions import Exclusions, Limit, find_rules, keep_rules


@dataclass(frozen=True, slots=True)
class Unsealed:
    """What the rules rest on for agreements that the seal of their month knew nothing of."""

    own: Sequence[Row[Any]] = ()
    staff: Sequence[Row[Any]] = ()
    limits: Sequence[Row[Any]] = ()


# Agreements of a month that its seal knew nothing of: opened when it was sealed already, or of a
# month that was over without a use. Once a line of theirs is stated, what was kept with it stands.
UNKNOWN_TO_SEAL = text(
    """
SELECT a.id FROM agreement a
JOIN period p ON p.payer_id = a.payer_id AND p.month = :month
    AND (p.sealed_at <= a.opened_at OR (p.counts ->> 'events')::bigint = 0)
WHERE a.payer_id = ANY(:payers) AND a.starts_on < :next_month AND a.ends_on >= :month
    AND NOT EXISTS (
        SELECT FROM statement_line s WHERE s.agreement_id = a.id AND s.of_month = :month)
"""
)


def unsealed_rules(unit: Unit, month: Month, *, payer_ids: Sequence[UUID]) -> Unsealed:
    """Return what the rules rest on now for agreements that the month's seal did not see.

    Late use may fall under them: backdated ones, and all of a month that was over without a use.
    """
    unknown = set(
        unit.session.scalars(
            UNKNOWN_TO_SEAL,
            {"payers": list(payer_ids), "month": month, "next_month": next_month(month)},
        )
    )
    if not unknown:
        return Unsealed()
    own, staff, limits = find_rules(unit, month, payer_ids=payer_ids)
    used_by = set(
        unit.session.execute(
            text(
                "SELECT a.payer_id, g.school_id FROM agreement_school g "
                "JOIN agreement a ON a.id = g.agreement_id WHERE a.id = ANY(:agreements)"
            ),
            {"agreements": list(unknown)},
        ).all()
    )
    return Unsealed(
        own=[row for row in own if row.agreement_id in unknown],
        staff=[row for row in staff if row.agreement_id in unknown],
        limits=[row for row in limits if (row.payer_id, row.school_id) in used_by],
    )


def keep_unsealed(unit: Unit, month: Month, *, payer_ids: Sequence[UUID]) -> None:
    """Keep with a sealed month what `unsealed_rules` finds; what was kept already stays."""
    found = unsealed_rules(unit, month, payer_ids=payer_ids)
    keep_rules(unit, month, own=found.own, staff=found.staff, limits=found.limits)


def with_unsealed(known: Exclusions, found: Unsealed) -> Exclusions:
    """Return the exclusions with those that `unsealed_rules` found and nobody kept yet."""
    own = [(row.agreement_id, row.school_id) for row in found.own]
    staff = [(row.agreement_id, row.learner_id) for row in found.staff]
    limits = {
        (row.payer_id, row.school_id): Limit(row.pupils, row.pupils + 1) for row in found.limits
    }
    return replace(
        known,
        own_school=list(dict.fromkeys([*known.own_school, *own])),
        vendor_staff=list(dict.fromkeys([*known.vendor_staff, *staff])),
        limits={**limits, **known.limits},
    )
