"""Funding rules: a region's floor and the stage that pays its shortfall, headcount, digital share.

Decides which rule is in force for a region (R15, R17): that of the nearest region above it (or its
own), with the latest `valid_from`, then the latest recorded. Rules are never changed.
"""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on

from kernel.actors import Role
from kernel.errors import AlreadyExists, InvalidInput, NotFound
from kernel.identity.models import RegionClosure
from kernel.identity.recording import among, lock_recording
from kernel.identity.stages import SCHOOL_STAGES
from kernel.ids import new_id
from kernel.trail import record
from kernel.unit import Unit
from procurement.funding.quotas import regions_in_reach
from procurement.funding.rules import HeadcountBasis, Holder
from procurement.models import FundingRule
from settlement.budgets import SOURCES

FUNDING_RULE_RECORDERS: Final = (Role.BUREAU_FINANCE, Role.OPERATOR)


@dataclass(frozen=True, kw_only=True, slots=True)
class FundingRuleRow:
    """A rule to record. `origin` says where it comes from; shares are fractions of 1, 4 places."""

    region_code: str
    source: str = "per_student"
    valid_from: date
    floor_pupils: int
    short_stage: str
    digital_share: Decimal
    share_minimum: Decimal
    share_maximum: Decimal
    headcount: str = HeadcountBasis.EACH_TERM
    holder: str = Holder.SCHOOL
    origin: str

    def as_data(self) -> dict[str, Any]:
        """Return the rule as it is kept in a computation: amounts as text."""
        return {
            "region_code": self.region_code,
            "valid_from": self.valid_from.isoformat(),
            "floor_pupils": self.floor_pupils,
            "short_stage": self.short_stage,
            "digital_share": f"{self.digital_share:.4f}",
            "share_minimum": f"{self.share_minimum:.4f}",
            "share_maximum": f"{self.share_maximum:.4f}",
            "headcount": str(self.headcount),
            "holder": str(self.holder),
            "origin": self.origin,
        }


def record_funding_rule(unit: Unit, row: FundingRuleRow) -> bool:
    """Record a region's rule, known from now on; return False if it is what is recorded already.

    Raises `InvalidInput` for a share outside its own bounds, `NotFound` for a region that is not
    the actor's, `AlreadyExists` if another one was recorded at this very moment.
    """
    unit.actor.require("record a funding rule", *FUNDING_RULE_RECORDERS)
    lock_recording(unit)
    _check(unit, row)
    last = unit.session.scalars(
        select(FundingRule)
        .where(
            FundingRule.region_code == row.region_code,
            FundingRule.source == row.source,
            FundingRule.valid_from == row.valid_from,
        )
        .order_by(FundingRule.recorded_at.desc())
        .limit(1)
    ).first()
    if last is not None and _row_of(last) == row:
        return False
    if last is not None and last.recorded_at == unit.clock.now():
        raise AlreadyExists(what="funding rule", key=f"{row.region_code} {row.valid_from}")
    unit.session.add(FundingRule(id=new_id(), recorded_at=unit.clock.now(), **asdict(row)))
    record(
        unit,
        "funding_rule.recorded",
        subject_kind="funding_rule",
        subject_id=f"{row.region_code}/{row.source}/{row.valid_from}",
        **row.as_data(),
    )
    unit.session.flush()
    return True


def funding_rules_in_force(
    unit: Unit, region_codes: Collection[str], *, source: str, day: date, known_at: datetime
) -> dict[str, FundingRuleRow]:
    """Return for each region the rule that decides on `day`; a region without one is left out."""
    rows = unit.session.execute(
        select(RegionClosure.region_code, FundingRule)
        .join(RegionClosure, RegionClosure.ancestor_code == FundingRule.region_code)
        .where(
            among(RegionClosure.region_code, region_codes),
            FundingRule.source == source,
            FundingRule.valid_from <= day,
            FundingRule.recorded_at <= known_at,
        )
        .ext(distinct_on(RegionClosure.region_code))
        .order_by(
            RegionClosure.region_code,
            RegionClosure.distance,
            FundingRule.valid_from.desc(),
            FundingRule.recorded_at.desc(),
        )
    )
    return {region: _row_of(rule) for region, rule in rows}


def _row_of(rule: FundingRule) -> FundingRuleRow:
    return FundingRuleRow(
        region_code=rule.region_code,
        source=rule.source,
        valid_from=rule.valid_from,
        floor_pupils=rule.floor_pupils,
        short_stage=rule.short_stage,
        digital_share=rule.digital_share,
        share_minimum=rule.share_minimum,
        share_maximum=rule.share_maximum,
        headcount=rule.headcount,
        holder=rule.holder,
        origin=rule.origin,
    )


def _check(unit: Unit, row: FundingRuleRow) -> None:
    if not regions_in_reach(unit, {row.region_code}):
        raise NotFound(what="region", key=row.region_code)
    if row.source not in SOURCES:
        raise InvalidInput(value=row.source, field="source", expected=", ".join(SOURCES))
    if row.short_stage not in SCHOOL_STAGES:
        raise InvalidInput(
            value=row.short_stage, field="short_stage", expected=", ".join(sorted(SCHOOL_STAGES))
        )
    if row.floor_pupils < 0:
        raise InvalidInput(value=row.floor_pupils, field="floor_pupils", expected="0 or more")
    if not 0 <= row.share_minimum <= row.digital_share <= row.share_maximum <= 1:
        raise InvalidInput(
            value=f"{row.digital_share}",
            field="digital_share",
            expected=f"{row.share_minimum} to {row.share_maximum}, both between 0 and 1",
        )
    for field, value, words in (
        ("headcount", row.headcount, [*HeadcountBasis]),
        ("holder", row.holder, [*Holder]),
    ):
        if value not in words:
            raise InvalidInput(value=value, field=field, expected=", ".join(words))
    if not row.origin.strip():
        raise InvalidInput(value="", field="origin", expected="where the rule comes from")
