"""What each school of the sample county selects for its two terms, and up to which ceiling.

A school takes what suits its stages: some that everybody may use free of charge, more that cost.
Ceilings follow the use that the plan expects; a few are set too low on purpose, so that use above
a ceiling can be seen. How use really runs is decided by `usage`. For the autumn, which has no use
of the sample's own, a school goes on with the first of what it had.
"""

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_UP, Decimal
from functools import cache

from market.demo.county import SCHOOLS, YEAR, Row, School, chance
from market.demo.people import Learner, learners, requester_of
from market.demo.resources import Resource, resources

TERM_START = date(YEAR, 3, 1)
TERM_END = date(YEAR, 6, 30)
AUTUMN_START = date(YEAR, 9, 1)
AUTUMN_END = date(YEAR + 1, 1, 31)
SCHOOL_DAYS = 83
TERM_MONTHS = 4

LESSON_SHARE = 0.060
"""Chance that a class works with a resource for lessons on a school day."""
EVENING_SHARE = 0.038
"""Chance that one learner works with a resource for the evening on a school day."""
EVENING_TYPES = frozenset({"习题", "批改服务", "测评服务", "音频", "数据服务"})

PRICED_PER_SCHOOL = (5, 8)
FREE_PER_SCHOOL = (1, 2)
CONTINUED_PER_SCHOOL = 4
LATER_SHARE = 5  # one part in so many of an autumn's ceiling is for the days after New Year
TOO_LOW = 9  # one selection in so many gets a ceiling that the term's use will pass
CEILING_STEP = Decimal(10)

REASONS = (
    "教研组试用后一致推荐，用于本学期常规教学",
    "弥补本校专任教师和实验条件不足",
    "作为课后服务与分层作业的补充",
    "配合本学期教学进度，减轻教师批改负担",
    "学生自主学习需要，家校反馈良好",
)

# Whom a school would be expected to take in any case: its own teacher's work, its pupils' language.
ALWAYS: dict[str, tuple[str, ...]] = {
    "shiyan": ("HZY-01",),
    "yizhong": ("ZYX-01", "YJ-PG-SX02", "HS-KY-0701"),
    "erzhong": ("ZYX-01",),
    "minzu": ("YH-BO-SX03", "YH-BO-YW04", "YH-BO-KX07", "CRYZ-01"),
    "yunling": ("YJ-PG-SX01",),
}

# So that in two places (primary and junior mathematics, exercises) vendors stand beside each other.
BESIDES: dict[str, tuple[str, ...]] = {"songlin": ("YJ-PG-SX01",), "erzhong": ("SJ-LX-SX08",)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """One school's selection; its teaching points use it too."""

    reference: str
    school: School
    resource: Resource
    starts_on: date
    ceiling_yuan: Decimal
    reason: str

    @property
    def for_evenings(self) -> bool:
        return self.resource.type in EVENING_TYPES


def served_learners(school: School, resource: Resource) -> list[Learner]:
    """Return the learners of a payer (teaching points included) whom a resource suits."""
    return [
        learner
        for learner in learners()
        if learner.school.payer == school.code
        and resource.suits(learner.stage, grade=learner.grade)
    ]


@cache
def selections() -> tuple[Selection, ...]:
    """Return every school's selections, in the order of schools and references."""
    chosen: list[Selection] = []
    for school in SCHOOLS:
        if school.parent:
            continue
        random = chance(f"selections/{school.slug}")
        always = [one for one in resources() if one.sku in ALWAYS.get(school.slug, ())]
        suited = [
            one
            for one in resources()
            if any(one.suits(stage) for stage in school.pupils)
            and one not in always
            and not one.vendor.school
            and (one.facts["language"] == "zh")
        ]
        free = [one for one in suited if one.is_free]
        priced = [one for one in suited if not one.is_free]
        taken = (
            always
            + random.sample(free, random.randint(*FREE_PER_SCHOOL))
            + random.sample(priced, random.randint(*PRICED_PER_SCHOOL))
        )
        taken += [
            one for one in priced if one.sku in BESIDES.get(school.slug, ()) and one not in taken
        ]
        for number, resource in enumerate(taken, start=1):
            starts_on = date(YEAR, 4, 1) if random.random() < 0.12 else TERM_START
            factor = Decimal(random.choice(("1.15", "1.3", "1.6")))
            if len(chosen) % TOO_LOW == TOO_LOW - 1:
                factor = Decimal("0.55")
            chosen.append(
                Selection(
                    reference=f"{YEAR}C-{number:02d}",
                    school=school,
                    resource=resource,
                    starts_on=starts_on,
                    ceiling_yuan=_ceiling(school, resource, factor=factor),
                    reason=random.choice(REASONS),
                )
            )
    return tuple(chosen)


def _ceiling(school: School, resource: Resource, *, factor: Decimal) -> Decimal:
    """Return the expected cost of the term times `factor`, in whole steps; 0 if it is free."""
    if resource.is_free:
        return Decimal(0)
    served = len(served_learners(school, resource))
    match resource.plan:
        case "flat":
            units = Decimal(TERM_MONTHS)
        case "per_learner":
            units = Decimal(served * TERM_MONTHS)
        case _:
            share = EVENING_SHARE if resource.type in EVENING_TYPES else LESSON_SHARE
            units = served * SCHOOL_DAYS * Decimal(str(share))
    steps = units * resource.unit_price * factor / CEILING_STEP
    return max(CEILING_STEP, steps.to_integral_value(ROUND_UP) * CEILING_STEP)


def selection_rows() -> list[Row]:
    return [
        {
            "reference": one.reference,
            "school_code": one.school.code,
            "vendor_code": one.resource.vendor.code,
            "sku": one.resource.sku,
            "starts_on": one.starts_on.isoformat(),
            "ends_on": TERM_END.isoformat(),
            "ceiling_yuan": str(one.ceiling_yuan),
            "reason": one.reason,
            "requested_by": requester_of(one.school),
        }
        for one in selections()
    ]


def autumn_rows() -> list[Row]:
    """Return what the schools go on with: across New Year, with a part for each fiscal year (R19).

    The first of what they had, so that free ones and paid ones are among them.
    """
    rows: list[Row] = []
    for school in SCHOOLS:
        chosen = [one for one in selections() if one.school == school]
        for number, one in enumerate(chosen[:CONTINUED_PER_SCHOOL], start=1):
            later_yuan = one.ceiling_yuan / LATER_SHARE
            rows.append(
                {
                    "reference": f"{YEAR}Q-{number:02d}",
                    "school_code": school.code,
                    "vendor_code": one.resource.vendor.code,
                    "sku": one.resource.sku,
                    "starts_on": AUTUMN_START.isoformat(),
                    "ends_on": AUTUMN_END.isoformat(),
                    "ceiling_yuan": str(one.ceiling_yuan),
                    "next_year_ceiling_yuan": str(later_yuan),
                    "reason": "上学期使用效果好，本学期继续使用",
                    "requested_by": requester_of(school),
                }
            )
    return rows
