"""Approval rules: the table of signatures that a region requires from a day on (R22).

Decides whose table applies to a school: that of the nearest region above it (or its own) that has
one in force; of its tables the latest. A table is the rows of one region and day, taken as a whole.
"""

from collections.abc import Collection, Sequence
from datetime import date
from typing import Final

from sqlalchemy import func, insert, select

from kernel.actors import Role
from kernel.errors import AlreadyExists, InvalidInput, NotFound
from kernel.identity.models import Region, RegionClosure
from kernel.identity.recording import among, lock_recording
from kernel.identity.visibility import visible_regions
from kernel.ids import new_id
from kernel.trail import record
from kernel.unit import Unit
from procurement.models import ApprovalRule
from procurement.policy import Threshold

RULE_RECORDERS: Final = (Role.BUREAU_FINANCE, Role.OPERATOR)
SIGNING_ROLES: Final = frozenset(
    {
        Role.RESEARCH_LEAD,
        Role.ACADEMIC,
        Role.SCHOOL_FINANCE,
        Role.PRINCIPAL,
        Role.BUREAU_FINANCE,
    }
)


def record_approval_rules(
    unit: Unit, region_code: str, *, valid_from: date, thresholds: Sequence[Threshold]
) -> bool:
    """Record a region's table from a day on; return False if it is what is recorded already.

    Raises `InvalidInput` for a table by which some selection would need no signature, for a
    position given twice and for a role that signs nothing; `AlreadyExists` for another table of the
    same day.
    """
    unit.actor.require("record approval rules", *RULE_RECORDERS)
    lock_recording(unit)
    reach = visible_regions(unit).where(Region.code == region_code)
    if unit.session.scalars(reach).one_or_none() is None:
        raise NotFound(what="region", key=region_code)
    _check(thresholds)
    wanted = sorted(thresholds, key=lambda threshold: threshold.position)
    known = [
        _threshold(rule)
        for rule in unit.session.scalars(
            select(ApprovalRule)
            .where(ApprovalRule.region_code == region_code, ApprovalRule.valid_from == valid_from)
            .order_by(ApprovalRule.position)
        )
    ]
    if known == wanted:
        return False
    if known:
        raise AlreadyExists(what="approval rule", key=f"{region_code} {valid_from}")
    unit.session.execute(
        insert(ApprovalRule),
        [
            {
                "id": new_id(),
                "region_code": region_code,
                "valid_from": valid_from,
                "position": threshold.position,
                "role": threshold.role,
                "from_amount_fen": threshold.from_amount_fen,
            }
            for threshold in wanted
        ],
    )
    record(
        unit,
        "approval_rules.recorded",
        subject_kind="approval_rule",
        subject_id=f"{region_code}/{valid_from}",
        thresholds=[
            [threshold.position, threshold.role, threshold.from_amount_fen] for threshold in wanted
        ],
    )
    return True


def approval_rules_in_force(
    unit: Unit, region_codes: Collection[str], *, day: date
) -> dict[str, list[Threshold]]:
    """Return for each region the table that decides on `day`; a region without one is left out."""
    ranked = (
        select(
            RegionClosure.region_code.label("for_region"),
            ApprovalRule.id.label("rule_id"),
            func.rank()
            .over(
                partition_by=RegionClosure.region_code,
                order_by=(RegionClosure.distance, ApprovalRule.valid_from.desc()),
            )
            .label("rank"),
        )
        .join(RegionClosure, RegionClosure.ancestor_code == ApprovalRule.region_code)
        .where(among(RegionClosure.region_code, region_codes), ApprovalRule.valid_from <= day)
        .subquery()
    )
    rows = unit.session.execute(
        select(ranked.c.for_region, ApprovalRule)
        .join(ApprovalRule, ApprovalRule.id == ranked.c.rule_id)
        .where(ranked.c.rank == 1)
        .order_by(ranked.c.for_region, ApprovalRule.position)
    )
    tables: dict[str, list[Threshold]] = {}
    for region, rule in rows:
        tables.setdefault(region, []).append(_threshold(rule))
    return tables


def _threshold(rule: ApprovalRule) -> Threshold:
    return Threshold(
        position=rule.position, role=Role(rule.role), from_amount_fen=rule.from_amount_fen
    )


def _check(thresholds: Sequence[Threshold]) -> None:
    positions = [threshold.position for threshold in thresholds]
    if len(set(positions)) != len(positions):
        raise InvalidInput(value=str(positions), field="position", expected="each position once")
    if not any(threshold.from_amount_fen == 0 for threshold in thresholds):
        raise InvalidInput(
            value=str([threshold.from_amount_fen for threshold in thresholds]),
            field="from_amount",
            expected="at least one signature from 0 on",
        )
    for threshold in thresholds:
        if threshold.role not in SIGNING_ROLES:
            raise InvalidInput(
                value=threshold.role, field="role", expected=", ".join(sorted(SIGNING_ROLES))
            )
        if threshold.from_amount_fen < 0:
            raise InvalidInput(
                value=threshold.from_amount_fen, field="from_amount", expected="0 or more"
            )
