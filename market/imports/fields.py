"""Texts of a file read as values: days, amounts, words in Chinese or English.

A reader takes the stripped text of a cell that is not empty and returns the value, or raises the
`MarketError` that says what was expected. Whether a field may be empty is the kind's decision.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from kernel.actors import OrganisationKind, Role
from kernel.clock import FIRST_YEAR, LAST_YEAR, parse_day
from kernel.errors import InvalidInput
from kernel.money import parse_fen, parse_rate, parse_signed_fen
from settlement.evaluation.outside import SUBJECTS

Reader = Callable[[str], Any]

STAGES = {
    "kindergarten": "kindergarten",
    "幼儿园": "kindergarten",
    "学前": "kindergarten",
    "primary": "primary",
    "小学": "primary",
    "junior": "junior",
    "初中": "junior",
    "senior": "senior",
    "高中": "senior",
    "higher": "higher",
    "高等": "higher",
    "大学": "higher",
}
KINDS = {
    "basic": "basic",
    "基础性": "basic",
    "personalised": "personalised",
    "个性化": "personalised",
    "school_based": "school_based",
    "校本": "school_based",
}
RULE_KINDS = KINDS | {"bulk": "bulk", "集中采购": "bulk"}
TIERS = {
    "basic": "basic",
    "基础": "basic",
    "growth": "growth",
    "发展": "growth",
    "innovation": "innovation",
    "创新": "innovation",
}
OWNERSHIPS = {
    "personal": "personal",
    "个人": "personal",
    "service_work": "service_work",
    "职务作品": "service_work",
}
SETTINGS = {
    "urban": "urban",
    "城市": "urban",
    "county_town": "county_town",
    "县镇": "county_town",
    "镇区": "county_town",
    "rural": "rural",
    "乡村": "rural",
}
LEVELS = {
    "nation": "nation",
    "国家": "nation",
    "province": "province",
    "省": "province",
    "city": "city",
    "市": "city",
    "county": "county",
    "县": "county",
    "区": "county",
}
VENDOR_KINDS = {"firm": "firm", "企业": "firm", "teacher": "teacher", "教师": "teacher"}
CENSUS_KINDS = {
    "enrolled": "enrolled",
    "在籍": "enrolled",
    "boarding": "boarding",
    "寄宿": "boarding",
    "heating": "heating",
    "取暖": "heating",
    "special": "special",
    "特殊教育": "special",
}
QUOTA_KINDS = {
    "base": "base",
    "基准": "base",
    "boarding": "boarding",
    "寄宿": "boarding",
    "heating": "heating",
    "取暖": "heating",
    "special": "special",
    "特殊教育": "special",
}
SOURCES = {
    "per_student": "per_student",
    "生均公用经费": "per_student",
    "surcharge": "surcharge",
    "教育费附加": "surcharge",
    "special_fund": "special_fund",
    "专项": "special_fund",
    "专项资金": "special_fund",
    "own_funds": "own_funds",
    "学校自有资金": "own_funds",
    "自有资金": "own_funds",
}
RETURN_RESULTS = {
    "paid": "paid",
    "已支付": "paid",
    "成功": "paid",
    "returned": "returned",
    "退回": "returned",
    "退票": "returned",
}
BASES = {"spring": "spring", "春季": "spring", "autumn": "autumn", "秋季": "autumn"}
PLANS = {
    "per_use": "per_use",
    "按次": "per_use",
    "per_unique_use": "per_unique_use",
    "按去重使用": "per_unique_use",
    "per_learner": "per_learner",
    "按学生": "per_learner",
    "按人": "per_learner",
    "per_class": "per_class",
    "按课堂": "per_class",
    "flat": "flat",
    "按月包干": "flat",
    "包干": "flat",
}
YES_NO = {"yes": True, "是": True, "true": True, "no": False, "否": False, "false": False}
ROLES = {role.value: role for role in Role if role is not Role.SYSTEM} | {
    "学生": Role.LEARNER,
    "教师": Role.TEACHER,
    "教研组": Role.RESEARCH_LEAD,
    "教务": Role.ACADEMIC,
    "财务": Role.SCHOOL_FINANCE,
    "校长": Role.PRINCIPAL,
    "准入": Role.ADMISSION,
    "审计": Role.AUDITOR,
}
ORGANISATION_KINDS = {kind.value: kind for kind in OrganisationKind} | {
    "教育局": OrganisationKind.BUREAU,
    "学校": OrganisationKind.SCHOOL,
    "资源提供方": OrganisationKind.VENDOR,
    "第三方评价机构": OrganisationKind.EVALUATOR,
}
FINDING_SUBJECTS = {one: one for one in SUBJECTS} | {
    "资源提供方": "vendor",
    "资源": "resource",
    "学校": "school",
    "教育局": "bureau",
    "平台": "platform",
}
PAYEE_KINDS = {
    "vendor": OrganisationKind.VENDOR,
    "资源提供方": OrganisationKind.VENDOR,
    "school": OrganisationKind.SCHOOL,
    "学校": OrganisationKind.SCHOOL,
}


KEY_CHARACTERS = 100
"""The longest code or reference: an index can't hold texts of any length."""
TEXT_CHARACTERS = 2_000


def text(cell: str) -> str:
    return _within(cell, TEXT_CHARACTERS)


def key(cell: str) -> str:
    return _within(cell, KEY_CHARACTERS)


def _within(cell: str, limit: int) -> str:
    if len(cell) > limit:
        raise InvalidInput(field="", value=cell[:40] + "…", expected=f"at most {limit} characters")
    return cell


def day(cell: str) -> Any:
    return parse_day(cell.replace("/", "-"))


def fen(cell: str) -> int:
    return parse_fen(cell)


def signed_fen(cell: str) -> int:
    """Read an amount that may be below zero."""
    return parse_signed_fen(cell)


def year(cell: str) -> int:
    if not (cell.isascii() and cell.isdigit() and FIRST_YEAR <= int(cell[:5]) <= LAST_YEAR):
        raise InvalidInput(field="", value=cell, expected="a year such as 2026")
    return int(cell)


def unit_price(cell: str) -> Decimal:
    return parse_rate(cell)


def whole_number(cell: str) -> int:
    cleaned = cell.replace(",", "")
    if not cleaned.isascii() or not cleaned.isdigit() or len(cleaned) > 12:
        expected = "a whole number that is not negative, of at most 12 digits"
        raise InvalidInput(field="", value=cell, expected=expected)
    return int(cleaned)


def listed(cell: str) -> tuple[str, ...]:
    """Read texts with `;` between them, in their order and without repeats."""
    parts = text(cell).replace("；", ";").replace("、", ";").split(";")
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


def one_of(words: dict[str, Any]) -> Reader:
    """Return a reader of one word, in Chinese or English."""
    expected = " | ".join(word for word in words if word.isascii())

    def read(cell: str) -> Any:
        try:
            return words[cell.lower()]
        except KeyError:
            raise InvalidInput(field="", value=cell, expected=expected) from None

    return read


def several_of(words: dict[str, Any]) -> Reader:
    """Return a reader of words with `;` between them, as a tuple without repeats."""
    read_one = one_of(words)

    def read(cell: str) -> tuple[Any, ...]:
        return tuple(dict.fromkeys(read_one(part) for part in listed(cell)))

    return read


def digits(*lengths: int) -> Reader:
    """Return a reader of a code of exactly so many digits."""
    expected = " or ".join(str(length) for length in lengths) + " digits"

    def read(cell: str) -> str:
        if not (cell.isascii() and cell.isdigit() and len(cell) in lengths):
            raise InvalidInput(field="", value=cell, expected=expected)
        return cell

    return read
