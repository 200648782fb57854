"""Approval rules: the table of signatures that a region requires from a day on (R22).

Decides whose table applies to a school: that of the nearest region above it (or its own) that has
one in force; of its tables the latest. A table is the rows of one region and day, taken as a whole.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import func, insert, select

from catalog.kinds import KINDS, TIERS
from kernel.actors import ROLES_OF, OrganisationKind, Role
from kernel.clock import shanghai_day
from kernel.errors import (
    AlreadyExists,
    InvalidInput,
    NoSignature,
    NotFound,
    Refused,
    SignsTwice,
)
from kernel.identity.models import Region, RegionClosure
from kernel.identity.recording import among, lock_recording
from kernel.identity.visibility import visible_regions
from kernel.ids import new_id
from kernel.money import LARGEST_AMOUNT_FEN, plain_yuan, yuan
from kernel.trail import record
from kernel.unit import Unit
from procurement.models import ApprovalRule
from procurement.policy import BULK, Threshold, signs_twice
from procurement.proposal_models import RecordProposal

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
LAST_POSITION: Final = 99
BULK_SIGNERS: Final = SIGNING_ROLES & ROLES_OF[OrganisationKind.BUREAU]


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleTable:
    """A region's table from a day on, until that of a later day; `in_force`: today's.

    Who proposed and who checked it, when and why; empty for what the installation brought.
    """

    region_code: str
    region_name: str
    valid_from: date
    in_force: bool
    thresholds: Sequence[Threshold]
    made_by: str = ""
    checked_by: str = ""
    checked_at: datetime | None = None
    reason: str = ""
    number: str = ""


def record_approval_rules(
    unit: Unit, region_code: str, *, valid_from: date, thresholds: Sequence[Threshold]
) -> bool:
    """Record a table that the installation brings; return False if it is recorded already.

    For the system alone: what people record, two of them do (`approval_rule_proposals`). Raises as
    `judge_table`.
    """
    if not unit.actor.is_system:
        raise Refused(act="record approval rules alone", needs=Role.SYSTEM, actor=unit.actor.name)
    lock_recording(unit)
    if not judge_table(unit, region_code, valid_from=valid_from, thresholds=thresholds):
        return False
    write_table(unit, region_code, valid_from=valid_from, thresholds=thresholds)
    return True


def judge_table(
    unit: Unit, region_code: str, *, valid_from: date, thresholds: Sequence[Threshold]
) -> bool:
    """Return whether a table is new; False if it is what is recorded already.

    Raises `NotFound` for a region that is not the actor's, `NoSignature` for a table by which some
    selection would need none, `SignsTwice` where one role would sign the same selection at two
    positions, `InvalidInput` for a position given twice and for a role that signs nothing,
    `AlreadyExists` for another table of the same day.
    """
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
    if known and known != wanted:
        raise AlreadyExists(what="approval rule", key=f"{region_code} {valid_from}")
    return not known


def write_table(
    unit: Unit,
    region_code: str,
    *,
    valid_from: date,
    thresholds: Sequence[Threshold],
    proposal_id: UUID | None = None,
) -> None:
    """Write a table that was judged, with the trail."""
    wanted = sorted(thresholds, key=lambda threshold: threshold.position)
    unit.session.execute(
        insert(ApprovalRule),
        [
            {
                "id": new_id(),
                "region_code": region_code,
                "valid_from": valid_from,
                "proposal_id": proposal_id,
                **asdict(threshold),
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

    The first that is in force decides for the region's own schools. Raises `NotFound` for a region
    that there is not.
    """
    today = shanghai_day(unit.clock.now())
    rows = unit.session.execute(
        select(Region.name, ApprovalRule)
        .join(RegionClosure, RegionClosure.ancestor_code == ApprovalRule.region_code)
        .join(Region, Region.code == ApprovalRule.region_code)
        .where(RegionClosure.region_code == region_code)
        .order_by(RegionClosure.distance, ApprovalRule.valid_from.desc(), ApprovalRule.position)
    ).all()
    if not rows and unit.session.get(Region, region_code) is None:
        raise NotFound(what="region", key=region_code)
    proposals = {
        one.id: one
        for one in unit.session.scalars(
            select(RecordProposal).where(
                among(RecordProposal.id, {rule.proposal_id for _, rule in rows if rule.proposal_id})
            )
        )
    }
    tables: dict[tuple[str, date], list[Threshold]] = {}
    origins = {(rule.region_code, rule.valid_from): rule.proposal_id for _, rule in rows}
    names = {rule.region_code: name for name, rule in rows}
    for _, rule in rows:
        tables.setdefault((rule.region_code, rule.valid_from), []).append(_threshold(rule))
    deciding = next((key for key in tables if key[1] <= today), None)
    found = []
    for key, thresholds in tables.items():
        table = RuleTable(
            region_code=key[0],
            region_name=names[key[0]],
            valid_from=key[1],
            in_force=key == deciding,
            thresholds=thresholds,
        )
        origin = origins[key]
        proposal = proposals.get(origin) if origin is not None else None
        if proposal is not None:
            table = replace(
                table,
                made_by=proposal.made_by_name,
                checked_by=proposal.decided_by_name or "",
                checked_at=proposal.decided_at,
                reason=proposal.reason,
                number=proposal.number,
            )
        found.append(table)
    return found


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
    for threshold in thresholds:
        check_threshold(threshold)
    positions = [threshold.position for threshold in thresholds]
    if len(set(positions)) != len(positions):
        raise InvalidInput(value=str(positions), field="position", expected="each position once")
    general = [threshold.from_amount_fen for threshold in thresholds if threshold.is_general]
    lowest_fen = min(general, default=LARGEST_AMOUNT_FEN)
    if lowest_fen:
        raise NoSignature(below_yuan=yuan(lowest_fen), field="from_amount")
    bulk = [one for one in thresholds if one.kind == BULK]
    lowest_fen = min(
        (one.from_amount_fen for one in bulk if not (one.tier or one.source)),
        default=LARGEST_AMOUNT_FEN,
    )
    if bulk and lowest_fen:
        raise NoSignature(below_yuan=yuan(lowest_fen), field="from_amount")
    overlap = signs_twice(thresholds)
    if overlap is not None:
        first, second = overlap
        raise SignsTwice(
            role=first.role, first=first.position, second=second.position, field="role"
        )


def check_threshold(threshold: Threshold) -> None:
    """Raise `InvalidInput` for the first thing that is wrong with one row by itself."""
    signers = BULK_SIGNERS if threshold.kind == BULK else SIGNING_ROLES
    if threshold.role not in signers:
        raise InvalidInput(value=threshold.role, field="role", expected=", ".join(sorted(signers)))
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
    if not 1 <= threshold.position <= LAST_POSITION:
        raise InvalidInput(
            value=threshold.position, field="position", expected=f"1 – {LAST_POSITION}"
        )
    if not 0 <= threshold.from_amount_fen <= LARGEST_AMOUNT_FEN:
        raise InvalidInput(
            value=plain_yuan(threshold.from_amount_fen),
            field="from_amount",
            expected=f"0.00 – {plain_yuan(LARGEST_AMOUNT_FEN)}",
        )
