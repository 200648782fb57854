"""Approval rules: the table of signatures that a region requires from a day on (R22).

Decides whose table applies to a school: that of the nearest region above it (or its own) that has
one in force; of its tables the latest. A table is the rows of one region and day, taken as a whole.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Final

from sqlalchemy import func, insert, select

from catalog.kinds import KINDS, TIERS
from kernel.actors import ROLES_OF, OrganisationKind, Role
from kernel.clock import shanghai_day
from kernel.errors import AlreadyExists, InvalidInput, NotFound
from kernel.identity.models import Region, RegionClosure
from kernel.identity.recording import among, lock_recording
from kernel.identity.visibility import visible_regions
from kernel.ids import new_id
from kernel.trail import record
from kernel.unit import Unit
from procurement.models import ApprovalRule
from procurement.policy import BULK, Threshold

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

SOURCES: Final = frozenset({"per_student", "surcharge", "special_fund", "own_funds"})
LONGEST_WORKDAYS: Final = 60
BULK_SIGNERS: Final = SIGNING_ROLES & ROLES_OF[OrganisationKind.BUREAU]


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleTable:
    """A region's table from a day on, until that of a later day; `in_force`: today's."""

    region_code: str
    region_name: str
    valid_from: date
    in_force: bool
    thresholds: Sequence[Threshold]


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
                "kind": threshold.kind,
                "tier": threshold.tier,
                "source": threshold.source,
                "may_repeat": threshold.may_repeat,
                "due_workdays": threshold.due_workdays,
            }
            for threshold in wanted
        ],
    )
    record(
        unit,
        "approval_rules.recorded",
        subject_kind="approval_rule",
        subject_id=f"{region_code}/{valid_from}",
        thresholds=[asdict(threshold) for threshold in wanted],
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


def approval_rule_history(unit: Unit, region_code: str) -> list[RuleTable]:
    """Return the tables of a region and all above it, the nearest region's latest first.

    The first that is in force decides for the region's own schools.
    """
    today = shanghai_day(unit.clock.now())
    rows = unit.session.execute(
        select(Region.name, ApprovalRule)
        .join(RegionClosure, RegionClosure.ancestor_code == ApprovalRule.region_code)
        .join(Region, Region.code == ApprovalRule.region_code)
        .where(RegionClosure.region_code == region_code)
        .order_by(RegionClosure.distance, ApprovalRule.valid_from.desc(), ApprovalRule.position)
    ).all()
    tables: dict[tuple[str, date], list[Threshold]] = {}
    names = {rule.region_code: name for name, rule in rows}
    for _, rule in rows:
        tables.setdefault((rule.region_code, rule.valid_from), []).append(_threshold(rule))
    deciding = next((key for key in tables if key[1] <= today), None)
    return [
        RuleTable(
            region_code=key[0],
            region_name=names[key[0]],
            valid_from=key[1],
            in_force=key == deciding,
            thresholds=thresholds,
        )
        for key, thresholds in tables.items()
    ]


def _threshold(rule: ApprovalRule) -> Threshold:
    return Threshold(
        position=rule.position,
        role=Role(rule.role),
        from_amount_fen=rule.from_amount_fen,
        kind=rule.kind,
        tier=rule.tier,
        source=rule.source,
        may_repeat=rule.may_repeat,
        due_workdays=rule.due_workdays,
    )


def _check(thresholds: Sequence[Threshold]) -> None:
    positions = [threshold.position for threshold in thresholds]
    if len(set(positions)) != len(positions):
        raise InvalidInput(value=str(positions), field="position", expected="each position once")
    general = [threshold for threshold in thresholds if threshold.is_general]
    if not any(threshold.from_amount_fen == 0 for threshold in general):
        raise InvalidInput(
            value=str([threshold.from_amount_fen for threshold in general]),
            field="from_amount",
            expected="at least one signature from 0 on, whatever the kind, tier and source",
        )
    bulk = [threshold for threshold in thresholds if threshold.kind == BULK]
    if bulk and not any(
        threshold.from_amount_fen == 0 and not (threshold.tier or threshold.source)
        for threshold in bulk
    ):
        raise InvalidInput(
            value=str([threshold.from_amount_fen for threshold in bulk]),
            field="from_amount",
            expected="for bulk purchases, too, one signature from 0 on, whatever tier and source",
        )
    for threshold in thresholds:
        signers = BULK_SIGNERS if threshold.kind == BULK else SIGNING_ROLES
        if threshold.role not in signers:
            raise InvalidInput(
                value=threshold.role, field="role", expected=", ".join(sorted(signers))
            )
        for field, words in (("kind", {*KINDS, BULK}), ("tier", TIERS), ("source", SOURCES)):
            value = getattr(threshold, field)
            if value and value not in words:
                raise InvalidInput(value=value, field=field, expected=", ".join(sorted(words)))
        if not 0 <= threshold.due_workdays <= LONGEST_WORKDAYS:
            raise InvalidInput(
                value=threshold.due_workdays,
                field="due_workdays",
                expected=f"0 – {LONGEST_WORKDAYS}",
            )
        if threshold.from_amount_fen < 0:
            raise InvalidInput(
                value=threshold.from_amount_fen, field="from_amount", expected="0 or more"
            )
