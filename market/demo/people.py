"""The sample county's people: staff with their roles, learners in their classes, the census.

Names are drawn from short lists of common characters; numbers and logins are made up. A few
learners leave in the term: a later roster file says so, as schools report it month by month.
"""

from dataclasses import dataclass
from datetime import date
from functools import cache

from kernel.clock import Month, month_of
from market.demo.county import (
    BUREAUS,
    CITY,
    COUNTY,
    SCHOOLS,
    VENDORS,
    YEAR,
    Row,
    School,
    chance,
)

GRADES: dict[str, tuple[str, ...]] = {
    "primary": ("一年级", "二年级", "三年级", "四年级", "五年级", "六年级"),
    "junior": ("七年级", "八年级", "九年级"),
    "senior": ("高一", "高二", "高三"),
}
POINT_GRADES = ("一年级", "二年级", "三年级")
LARGEST_CLASS = 42
PUPILS_PER_TEACHER = 24
JOINED_ON = "2025-09-01"
LEARNERS_WHO_LEAVE = 18

SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩"
    "唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶"
)
GIVEN = (
    "安博晨成冬帆芳刚国涵浩禾恒虹佳嘉建洁静军可乐磊丽琳露曼梅萌敏明宁"
    "鹏平倩青然荣蕊睿森珊思涛彤薇文熙霞欣轩雪雅妍阳怡毅颖宇雨媛悦云泽哲子紫"
)

SCHOOL_ROLES = (
    ("principal", "principal"),
    ("academic", "academic"),
    ("finance", "school_finance"),
    ("research", "research_lead"),
)
BUREAU_ROLES: dict[str, tuple[tuple[str, str], ...]] = {
    CITY: (
        ("yunlan-admission", "admission"),
        ("yunlan-finance", "bureau_finance"),
        ("yunlan-auditor", "auditor"),
    ),
    COUNTY: (
        ("qinghe-admission", "admission"),
        ("qinghe-admission2", "admission"),
        ("qinghe-finance", "bureau_finance"),
        ("qinghe-finance2", "bureau_finance"),
        ("qinghe-auditor", "auditor"),
        ("qinghe-operator", "operator"),
    ),
}

SIGNING_TEACHER, SIGNING_PUPIL = "shiyan-teacher", "shiyan-pupil"
"""Logins of the first school's first teacher, and of its first pupil who stays."""
SIGNING_SCHOOL = "shiyan"

CENSUSES = (("autumn", date(YEAR - 1, 9, 1)), ("spring", date(YEAR, 2, 20)))
"""What is known when the year's lines are issued: the autumn's stands in for the next autumn."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Learner:
    number: str
    school: School
    stage: str
    grade: str
    class_name: str
    left_on: date | None = None


def _name(purpose: str) -> str:
    random = chance(f"name/{purpose}")
    given = random.choice(GIVEN)
    if random.random() < 0.8:
        given += random.choice(GIVEN)
    return random.choice(SURNAMES) + given


def staff_number(login: str) -> str:
    """Return the person number of a member of staff: the login is as unique, and readable."""
    return f"{COUNTY}-{login}"


def requester_of(school: School) -> str:
    """Return the person number of the teacher who asks for the school's resources."""
    return staff_number(f"{school.slug}-t01")


@cache
def learners() -> tuple[Learner, ...]:
    """Return all learners, numbered; those who leave have their day."""
    everyone: list[Learner] = []
    for school in SCHOOLS:
        for stage, pupils in school.pupils.items():
            grades = POINT_GRADES if school.parent else GRADES[stage]
            for position, grade in enumerate(grades):
                size = pupils // len(grades) + (position < pupils % len(grades))
                classes = -(-size // LARGEST_CLASS)
                everyone.extend(
                    Learner(
                        number=f"{COUNTY}S{school.code[-3:]}{len(everyone) + 1:05d}",
                        school=school,
                        stage=stage,
                        grade=grade,
                        class_name=f"{index % classes + 1}班",
                    )
                    for index in range(size)
                )
    random = chance("leaving")
    leaving = set(random.sample(range(len(everyone)), LEARNERS_WHO_LEAVE))
    return tuple(
        _leaving(learner, on=date(YEAR, random.randint(3, 5), random.randint(2, 28)))
        if index in leaving
        else learner
        for index, learner in enumerate(everyone)
    )


def _leaving(learner: Learner, *, on: date) -> Learner:
    return Learner(
        number=learner.number,
        school=learner.school,
        stage=learner.stage,
        grade=learner.grade,
        class_name=learner.class_name,
        left_on=on,
    )


def _person(
    number: str, *, kind: str, organisation: str, role: str, login: str = "", name: str = ""
) -> Row:
    return {
        "person_no": number,
        "name": name or _name(number),
        "organisation_kind": kind,
        "organisation_code": organisation,
        "role": role,
        "stage": "",
        "grade": "",
        "class_name": "",
        "joined_on": JOINED_ON,
        "left_on": "",
        "login": login,
    }


def staff_rows() -> list[Row]:
    """Return the roster of bureaus, vendors and schools without their learners."""
    rows = [
        _person(staff_number(login), kind="bureau", organisation=code, role=role, login=login)
        for code, _ in BUREAUS
        for login, role in BUREAU_ROLES[code]
    ]
    rows += [
        _person(
            staff_number(vendor.slug),
            kind="vendor",
            organisation=vendor.code,
            role="vendor_manager",
            login=vendor.slug,
            name=vendor.name.removesuffix("（教师）") if vendor.school else "",
        )
        for vendor in VENDORS
    ]
    for school in SCHOOLS:
        if not school.parent:
            rows += [
                _person(
                    staff_number(f"{school.slug}-{post}"),
                    kind="school",
                    organisation=school.code,
                    role=role,
                    login=f"{school.slug}-{post}",
                )
                for post, role in SCHOOL_ROLES
            ]
        teachers = max(2, sum(school.pupils.values()) // PUPILS_PER_TEACHER)
        rows += [
            _person(
                staff_number(f"{school.slug}-t{index + 1:02d}"),
                kind="school",
                organisation=school.code,
                role="teacher",
                login=SIGNING_TEACHER if school.slug == SIGNING_SCHOOL and index == 0 else "",
            )
            for index in range(teachers)
        ]
    return rows


def signing_pupil() -> Learner:
    """Return the pupil who has a login."""
    return next(
        learner
        for learner in learners()
        if learner.school.slug == SIGNING_SCHOOL and learner.left_on is None
    )


def learner_rows() -> list[Row]:
    """Return the roster of learners as it stood when the term began: everybody was there."""
    signing = signing_pupil()
    return [
        _person(
            learner.number,
            kind="school",
            organisation=learner.school.code,
            role="learner",
            login=SIGNING_PUPIL if learner is signing else "",
        )
        | {"stage": learner.stage, "grade": learner.grade, "class_name": learner.class_name}
        for learner in learners()
    ]


def departure_rows(month: Month) -> list[Row]:
    """Return the roster file that a month ends with: who left in it, and on which day."""
    return [
        _person(learner.number, kind="", organisation="", role="learner")
        | {"joined_on": "", "left_on": learner.left_on.isoformat()}
        for learner in learners()
        if learner.left_on and month_of(learner.left_on) == month
    ]


def census_rows() -> list[Row]:
    """Return two terms' census; special-education pupils are counted by themselves (R15)."""
    rows: list[Row] = []
    for basis, as_of in CENSUSES:
        for school in SCHOOLS:
            left_out = school.special + school.uncounted
            counts = []
            for stage, pupils in school.pupils.items():
                counts.append((stage, "enrolled", pupils - left_out))
                left_out = 0
            counts += [("", "boarding", school.boarding), ("", "special", school.special)]
            rows += [
                {
                    "school_code": school.code,
                    "stage": stage,
                    "kind": kind,
                    "as_of": as_of.isoformat(),
                    "basis": basis,
                    "pupils": str(pupils),
                }
                for stage, kind, pupils in counts
                if pupils
            ]
    return rows


def quota_rows(region_code: str) -> list[Row]:
    """Return the sample province's quotas: invented figures, and they say so."""
    return [
        {
            "region_code": region_code,
            "stage": stage,
            "kind": kind,
            "valid_from": f"{YEAR}-01-01",
            "amount_yuan": amount,
            "source": "示例数据：虚构的生均公用经费标准，不得用于实际拨款",
            "verified": "yes",
        }
        for stage, kind, amount in (
            ("primary", "base", "700"),
            ("junior", "base", "900"),
            ("senior", "base", "1200"),
            ("", "boarding", "250"),
            ("", "special", "6500"),
        )
    ]


def budget_rows(region_code: str) -> list[Row]:
    """Return what the sample county's budget was approved at, by source."""
    return [
        {
            "region_code": region_code,
            "fiscal_year": str(YEAR),
            "source": source,
            "amount_yuan": amount,
            "document": f"示例财预〔{YEAR}〕{number}号",
            "approved_on": f"{YEAR}-01-20",
        }
        for number, (source, amount) in enumerate(
            (("per_student", "300000.00"), ("surcharge", "80000.00"), ("special_fund", "50000.00")),
            start=1,
        )
    ]
