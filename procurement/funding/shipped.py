"""What the product ships for the nation: quotas, the funding rule, year's ends, thresholds.

Decides nothing once a region has recorded its own. Each row says where it comes from and whether it
is verified; rows that are not are shown and never used until an operator confirms them.
"""

import csv
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from importlib.resources import files
from typing import Final

from sqlalchemy import select

from kernel.actors import Role
from kernel.clock import parse_day, start_of_day
from kernel.identity.models import NATION
from kernel.identity.regions import ensure_nation
from kernel.ids import new_id
from kernel.money import parse_fen
from kernel.trail import record
from kernel.unit import Unit
from procurement.approval_rules import record_approval_rules
from procurement.funding.funding_rules import FundingRuleRow
from procurement.funding.quotas import QuotaRow
from procurement.funding.year_end_rules import Commitments, YearEnd, YearEndRuleRow
from procurement.models import ApprovalRule, FundingRule, Quota
from procurement.policy import BULK, Threshold
from procurement.proposal_models import YearEndRule

QUOTAS_FILE: Final = "shipped_quotas.csv"

SHIPPED_RULE: Final = FundingRuleRow(
    region_code=NATION,
    source="per_student",
    # The floor of 100 pupils for village schools and teaching points was set in September 2012.
    valid_from=date(2013, 1, 1),
    floor_pupils=100,
    short_stage="primary",
    digital_share=Decimal("0.0500"),
    share_minimum=Decimal("0.0200"),
    share_maximum=Decimal("0.1000"),
    origin=(
        "国办发〔2012〕48号：不足100人的村小学和教学点按100人核定公用经费；"
        "数字资源占比为系统默认值，待本地区确认"
    ),
)

_YEAR_END_ORIGIN: Final = "系统默认值：年末结余收回财政；待本地区财政部门确认"
SHIPPED_YEAR_ENDS: Final = (
    *(
        YearEndRuleRow(
            region_code=NATION,
            source=source,
            valid_from=date(2013, 1, 1),
            outcome=YearEnd.LAPSE,
            origin=_YEAR_END_ORIGIN,
        )
        for source in ("per_student", "surcharge", "special_fund")
    ),
    YearEndRuleRow(
        region_code=NATION,
        source="own_funds",
        valid_from=date(2013, 1, 1),
        outcome=YearEnd.CARRY_OVER,
        carry_until="12-31",
        commitments=Commitments.CARRIED,
        origin="系统默认值：学校自有资金结转下年；待本地区财政部门确认",
    ),
)
SHIPPED_THRESHOLDS: Final = (
    Threshold(position=1, role=Role.ACADEMIC, from_amount_fen=0),
    Threshold(position=2, role=Role.SCHOOL_FINANCE, from_amount_fen=0),
    Threshold(position=3, role=Role.PRINCIPAL, from_amount_fen=500_000),
    Threshold(position=4, role=Role.BUREAU_FINANCE, from_amount_fen=5_000_000),
    # What a bureau buys for schools: somebody else of its finance than who requests it.
    Threshold(position=5, role=Role.BUREAU_FINANCE, from_amount_fen=0, kind=BULK),
)
THRESHOLDS_FROM: Final = date(2013, 1, 1)


def shipped_quotas() -> list[QuotaRow]:
    """Read the shipped quotas from the package."""
    text = (files("procurement.funding") / QUOTAS_FILE).read_text(encoding="utf-8")
    return [
        QuotaRow(
            region_code=row["region_code"],
            stage=row["stage"],
            kind=row["kind"],
            valid_from=parse_day(row["valid_from"]),
            amount_fen=parse_fen(row["amount_yuan"]),
            source=row["source"],
            verified=row["verified"] == "yes",
        )
        for row in csv.DictReader(text.splitlines())
    ]


def record_shipped(unit: Unit) -> int:
    """Record what is shipped and not there yet; return how many rows and tables that was.

    The unit's actor is the system. What the nation has under the same key, shipped earlier or
    recorded since by an operator, is left alone, so that an upgrade never overrules a correction.
    A shipped row counts as known since the day it came into force, whenever it is installed.
    """
    ensure_nation(unit)
    added = _add_quotas(unit) + _add_funding_rule(unit) + _add_year_ends(unit)
    thresholds = select(ApprovalRule.id).where(
        ApprovalRule.region_code == NATION, ApprovalRule.valid_from == THRESHOLDS_FROM
    )
    if unit.session.scalars(thresholds).first() is None:
        added += record_approval_rules(
            unit, NATION, valid_from=THRESHOLDS_FROM, thresholds=SHIPPED_THRESHOLDS
        )
    if added:
        record(unit, "shipped.recorded", subject_kind="region", subject_id=NATION, rows=added)
    return added


def _add_quotas(unit: Unit) -> int:
    known = {
        (quota.region_code, quota.kind, quota.stage, quota.valid_from)
        for quota in unit.session.scalars(select(Quota).where(Quota.region_code == NATION))
    }
    missing = [row for row in shipped_quotas() if row.key not in known]
    unit.session.add_all(
        Quota(id=new_id(), recorded_at=start_of_day(row.valid_from), **asdict(row))
        for row in missing
    )
    return len(missing)


def _add_funding_rule(unit: Unit) -> int:
    known = select(FundingRule.id).where(
        FundingRule.region_code == NATION,
        FundingRule.source == SHIPPED_RULE.source,
        FundingRule.valid_from == SHIPPED_RULE.valid_from,
    )
    if unit.session.scalars(known).first() is not None:
        return 0
    recorded_at = start_of_day(SHIPPED_RULE.valid_from)
    unit.session.add(FundingRule(id=new_id(), recorded_at=recorded_at, **asdict(SHIPPED_RULE)))
    unit.session.flush()
    return 1


def _add_year_ends(unit: Unit) -> int:
    known = {
        (rule.source, rule.valid_from)
        for rule in unit.session.scalars(
            select(YearEndRule).where(YearEndRule.region_code == NATION)
        )
    }
    missing = [row for row in SHIPPED_YEAR_ENDS if (row.source, row.valid_from) not in known]
    unit.session.add_all(
        YearEndRule(id=new_id(), recorded_at=start_of_day(row.valid_from), **asdict(row))
        for row in missing
    )
    unit.session.flush()
    return len(missing)
