"""Rules on use before the funds arrive: a bureau's finance proposes one, another person checks it.

Decides who may propose and put into force what for which region, fiscal year and day (R25). Which
rule holds for a payer, and what follows from it, is settlement's. Rules are never changed: another
one, from a later day on, takes their place; one with caps of 0 takes the permission back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from sqlalchemy import func, insert, or_, select

from kernel.actors import Role
from kernel.clock import FIRST_YEAR, LAST_YEAR, shanghai_day
from kernel.errors import (
    InvalidInput,
    MakerChecks,
    NotFound,
    ProposalDecided,
    ReasonRequired,
    Refused,
)
from kernel.identity.models import Region, RegionClosure
from kernel.identity.recording import lock_recording
from kernel.ids import new_id
from kernel.money import yuan
from kernel.trail import record
from kernel.unit import Unit
from procurement.funding.proposals import require_bureau
from settlement.early_use import IN_FORCE, promised_fen
from settlement.early_use_models import EarlyUseRule

WAITING, RETURNED, WITHDRAWN = "waiting", "returned", "withdrawn"
LONGEST_ORIGIN: Final = 500
MAY_PROPOSE: Final = (Role.BUREAU_FINANCE,)


@dataclass(frozen=True, kw_only=True, slots=True)
class EarlyUseRuleRow:
    """A rule to propose for the actor's region; both caps 0: not allowed any more."""

    fiscal_year: int
    valid_from: date
    total_cap_fen: int
    payer_cap_fen: int
    origin: str


@dataclass(frozen=True, kw_only=True, slots=True)
class EarlyUseRuleView:
    """A rule as it is shown; `holds`: it is the one that decides for the region today.

    `promised_fen` of the region's own that holds; of another region's it is not told.
    """

    number: str
    region_code: str
    region_name: str
    fiscal_year: int
    valid_from: date
    total_cap_fen: int
    payer_cap_fen: int
    promised_fen: int | None
    origin: str
    state: str
    made_at: datetime
    made_by: str
    decided_by: str
    note: str
    is_own: bool
    holds: bool

    @property
    def is_permission(self) -> bool:
        return self.total_cap_fen > 0


def propose_early_use(unit: Unit, row: EarlyUseRuleRow) -> str:
    """Propose a rule for the actor's bureau's region; return its number.

    Raises `Refused` for anyone but a bureau's finance person, `InvalidInput` naming the field.
    """
    _, person_id = require_bureau(unit, "propose a rule on use before the funds arrive")
    _check(unit, row)
    lock_recording(unit)
    region_code = unit.actor.region_code
    earlier = unit.session.scalar(
        select(func.count()).where(
            EarlyUseRule.region_code == region_code, EarlyUseRule.fiscal_year == row.fiscal_year
        )
    )
    number = f"{region_code}-{row.fiscal_year}-E{(earlier or 0) + 1:02d}"
    unit.session.execute(
        insert(EarlyUseRule).values(
            id=new_id(),
            number=number,
            region_code=region_code,
            fiscal_year=row.fiscal_year,
            valid_from=row.valid_from,
            total_cap_fen=row.total_cap_fen,
            payer_cap_fen=row.payer_cap_fen,
            origin=row.origin.strip(),
            state=WAITING,
            made_at=unit.clock.now(),
            made_by=person_id,
            made_by_name=unit.actor.name,
            note="",
        )
    )
    record(
        unit,
        "early_use_rule.proposed",
        subject_kind="early_use_rule",
        subject_id=number,
        fiscal_year=row.fiscal_year,
        valid_from=row.valid_from.isoformat(),
        total_cap_fen=row.total_cap_fen,
        payer_cap_fen=row.payer_cap_fen,
        origin=row.origin.strip(),
    )
    return number


def put_in_force(unit: Unit, number: str) -> None:
    """Check a proposed rule and put it into force, as another person than who made it.

    Nothing is allowed in hindsight. Raises `NotFound`, `ProposalDecided`, `MakerChecks`, and
    `InvalidInput` for one whose day has passed.
    """
    rule = _decidable(unit, number)
    if rule.made_by == unit.actor.person_id:
        raise MakerChecks(person=unit.actor.name, number=number)
    _require_day(unit, rule.valid_from)
    _decide(unit, rule, IN_FORCE)


def return_early_use(unit: Unit, number: str, *, note: str) -> None:
    """Give a proposed rule back to who made it, with the reason."""
    rule = _decidable(unit, number)
    if rule.made_by == unit.actor.person_id:
        raise MakerChecks(person=unit.actor.name, number=number)
    if not note.strip():
        raise ReasonRequired()
    _decide(unit, rule, RETURNED, note=note.strip())


def withdraw_early_use(unit: Unit, number: str) -> None:
    """Take a proposed rule back before it is checked; only who made it may."""
    rule = _decidable(unit, number)
    if rule.made_by != unit.actor.person_id:
        raise Refused(act="withdraw a proposal", needs=rule.made_by_name, actor=unit.actor.name)
    _decide(unit, rule, WITHDRAWN)


def early_use_rules(unit: Unit) -> Sequence[EarlyUseRuleView]:
    """Return the rules of the actor's region, and those in force above it, the latest year and day
    first; what is proposed above, or promised there, is not the actor's matter."""
    today = shanghai_day(unit.clock.now())
    rows = unit.session.execute(
        select(EarlyUseRule, Region.name)
        .join(RegionClosure, RegionClosure.ancestor_code == EarlyUseRule.region_code)
        .join(Region, Region.code == EarlyUseRule.region_code)
        .where(
            RegionClosure.region_code == unit.actor.region_code,
            or_(RegionClosure.distance == 0, EarlyUseRule.state == IN_FORCE),
        )
        .order_by(
            EarlyUseRule.fiscal_year.desc(),
            RegionClosure.distance,
            EarlyUseRule.valid_from.desc(),
            EarlyUseRule.decided_at.desc().nulls_first(),
            EarlyUseRule.id.desc(),
        )
    ).all()
    deciding: dict[int, str] = {}
    for rule, _ in rows:
        if rule.state == IN_FORCE and rule.valid_from <= today:
            deciding.setdefault(rule.fiscal_year, rule.number)
    return [
        EarlyUseRuleView(
            number=rule.number,
            region_code=rule.region_code,
            region_name=name,
            fiscal_year=rule.fiscal_year,
            valid_from=rule.valid_from,
            total_cap_fen=rule.total_cap_fen,
            payer_cap_fen=rule.payer_cap_fen,
            promised_fen=promised_fen(unit, rule.fiscal_year, region_code=rule.region_code)
            if deciding.get(rule.fiscal_year) == rule.number
            and rule.region_code == unit.actor.region_code
            else None,
            origin=rule.origin,
            state=rule.state,
            made_at=rule.made_at,
            made_by=rule.made_by_name,
            decided_by=rule.decided_by_name or "",
            note=rule.note,
            is_own=rule.region_code == unit.actor.region_code,
            holds=deciding.get(rule.fiscal_year) == rule.number,
        )
        for rule, name in rows
    ]


def _decidable(unit: Unit, number: str) -> EarlyUseRule:
    require_bureau(unit, "decide a rule on use before the funds arrive")
    rule = unit.session.scalars(
        select(EarlyUseRule)
        .where(EarlyUseRule.number == number, EarlyUseRule.region_code == unit.actor.region_code)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if rule is None:
        raise NotFound(what="proposal", key=number)
    if rule.state != WAITING:
        raise ProposalDecided(number=number, state=rule.state)
    return rule


def _decide(unit: Unit, rule: EarlyUseRule, state: str, *, note: str = "") -> None:
    rule.state = state
    rule.decided_at = unit.clock.now()
    rule.decided_by = unit.actor.person_id
    rule.decided_by_name = unit.actor.name
    rule.note = note
    record(
        unit,
        f"early_use_rule.{state}",
        subject_kind="early_use_rule",
        subject_id=rule.number,
        note=note,
    )
    unit.session.flush()


def _check(unit: Unit, row: EarlyUseRuleRow) -> None:
    if not FIRST_YEAR <= row.fiscal_year <= LAST_YEAR:
        raise InvalidInput(
            field="fiscal_year", value=row.fiscal_year, expected=f"{FIRST_YEAR} – {LAST_YEAR}"
        )
    _require_day(unit, row.valid_from)
    if row.total_cap_fen < 0:
        raise InvalidInput(field="total_cap", value=yuan(row.total_cap_fen), expected="0 or more")
    least = 1 if row.total_cap_fen else 0
    if not least <= row.payer_cap_fen <= row.total_cap_fen:
        raise InvalidInput(
            field="payer_cap",
            value=yuan(row.payer_cap_fen),
            expected=f"{yuan(least)} – {yuan(row.total_cap_fen)}",
        )
    if not 0 < len(row.origin.strip()) <= LONGEST_ORIGIN:
        raise InvalidInput(
            field="origin", value=row.origin[:20], expected="the document that the rule comes from"
        )


def _require_day(unit: Unit, day: date) -> None:
    today = shanghai_day(unit.clock.now())
    if day < today:
        raise InvalidInput(
            field="valid_from",
            value=day.isoformat(),
            expected="{first} or later",
            limits={"first": today},
        )
