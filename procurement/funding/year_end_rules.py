"""Year-end rules: whether a source's lines lapse or are carried over, by region and day (R19).

Decides which rule is in force: that of the nearest region above a payer (or its own), with the
latest `valid_from`, then the latest recorded. Rules are never changed.
"""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on

from kernel.actors import Role
from kernel.errors import AlreadyExists, InvalidInput, NotFound
from kernel.identity.models import RegionClosure
from kernel.identity.recording import among, lock_recording
from kernel.ids import new_id
from kernel.trail import record
from kernel.unit import Unit
from procurement.funding.quotas import regions_in_reach
from procurement.proposal_models import YearEndRule
from settlement.budgets import SOURCES

YEAR_END_RULE_RECORDERS: Final = (Role.BUREAU_FINANCE, Role.OPERATOR)


class YearEnd(StrEnum):
    LAPSE = "lapse"
    CARRY_OVER = "carry_over"


class Commitments(StrEnum):
    """What becomes of agreements' commitments on a line that is carried over."""

    CARRIED = "carried"
    RELEASED = "released"


@dataclass(frozen=True, kw_only=True, slots=True)
class YearEndRuleRow:
    """A rule to record; `carry_until` is MM-DD of the following year, empty where lines lapse."""

    region_code: str
    source: str
    valid_from: date
    outcome: str
    carry_until: str = ""
    commitments: str = Commitments.RELEASED
    origin: str

    def last_day(self, fiscal_year: int) -> date | None:
        """Return until when a line of the year is carried over; None where it lapses."""
        if self.outcome == YearEnd.LAPSE:
            return None
        return date.fromisoformat(f"{fiscal_year + 1}-{self.carry_until}")


def record_year_end_rule(unit: Unit, row: YearEndRuleRow) -> bool:
    """Record a region's rule, known from now on; return False if it is what is recorded already.

    Raises `NotFound` for a region that is not the actor's, `InvalidInput` for what is no rule,
    `AlreadyExists` if another one was recorded at this very moment.
    """
    unit.actor.require("record a year-end rule", *YEAR_END_RULE_RECORDERS)
    lock_recording(unit)
    _check(unit, row)
    last = unit.session.scalars(
        select(YearEndRule)
        .where(
            YearEndRule.region_code == row.region_code,
            YearEndRule.source == row.source,
            YearEndRule.valid_from == row.valid_from,
        )
        .order_by(YearEndRule.recorded_at.desc())
        .limit(1)
    ).first()
    if last is not None and _row_of(last) == row:
        return False
    if last is not None and last.recorded_at == unit.clock.now():
        raise AlreadyExists(what="year-end rule", key=f"{row.region_code} {row.valid_from}")
    unit.session.add(YearEndRule(id=new_id(), recorded_at=unit.clock.now(), **asdict(row)))
    facts = asdict(row)
    record(
        unit,
        "year_end_rule.recorded",
        subject_kind="year_end_rule",
        subject_id=f"{row.region_code}/{row.source}/{row.valid_from}",
        outcome=facts["outcome"],
        carry_until=facts["carry_until"],
        commitments=facts["commitments"],
        origin=facts["origin"],
    )
    unit.session.flush()
    return True


def year_end_rules_in_force(
    unit: Unit, region_codes: Collection[str], *, day: date, known_at: datetime
) -> dict[tuple[str, str], YearEndRuleRow]:
    """Return the rule that decides on `day` by (region, source); what has none is left out."""
    rows = unit.session.execute(
        select(RegionClosure.region_code, YearEndRule)
        .join(RegionClosure, RegionClosure.ancestor_code == YearEndRule.region_code)
        .where(
            among(RegionClosure.region_code, region_codes),
            YearEndRule.valid_from <= day,
            YearEndRule.recorded_at <= known_at,
        )
        .ext(distinct_on(RegionClosure.region_code, YearEndRule.source))
        .order_by(
            RegionClosure.region_code,
            YearEndRule.source,
            RegionClosure.distance,
            YearEndRule.valid_from.desc(),
            YearEndRule.recorded_at.desc(),
        )
    )
    return {(region, rule.source): _row_of(rule) for region, rule in rows}


def _row_of(rule: YearEndRule) -> YearEndRuleRow:
    return YearEndRuleRow(
        region_code=rule.region_code,
        source=rule.source,
        valid_from=rule.valid_from,
        outcome=rule.outcome,
        carry_until=rule.carry_until,
        commitments=rule.commitments,
        origin=rule.origin,
    )


def _check(unit: Unit, row: YearEndRuleRow) -> None:
    if not regions_in_reach(unit, {row.region_code}):
        raise NotFound(what="region", key=row.region_code)
    for field, value, words in (
        ("source", row.source, SOURCES),
        ("outcome", row.outcome, tuple(YearEnd)),
        ("commitments", row.commitments, tuple(Commitments)),
    ):
        if value not in words:
            raise InvalidInput(value=value, field=field, expected=", ".join(words))
    if row.outcome == YearEnd.LAPSE:
        if row.carry_until:
            raise InvalidInput(value=row.carry_until, field="carry_until", expected="nothing")
        if row.commitments != Commitments.RELEASED:
            # Money that goes back to the treasury can't stay promised to anybody.
            raise InvalidInput(
                value=row.commitments, field="commitments", expected=Commitments.RELEASED
            )
    elif not _is_day(row.carry_until):
        raise InvalidInput(
            value=row.carry_until, field="carry_until", expected="a day of every year, as MM-DD"
        )
    if not row.origin.strip():
        raise InvalidInput(value="", field="origin", expected="where the rule comes from")


def _is_day(text: str) -> bool:
    try:
        day = date.fromisoformat(f"2001-{text}")  # no leap year: the day is in every year
    except ValueError:
        return False
    return f"{day:%m-%d}" == text
