"""A third party that evaluates in the sample county, as its files and findings would have it."""

from datetime import date
from typing import Final

from stdnum.cn import uscc

from market.demo.county import CITY, SCHOOLS
from market.demo.people import JOINED_ON, staff_number
from settlement.evaluation.finding_rows import FindingRow

LOGIN: Final = "yunlan-pinggu"
NAME: Final = "云澜市教育评估中心（示例）"
INTEREST: Final = "与资源提供方无投资、任职关系；2025 年曾受云澜市教育局委托评估"
BODY: Final = f"12{CITY}MB0000001"
CODE: Final = BODY + uscc.calc_check_digit(BODY)
FOUND_ON: Final = date(2026, 1, 12)

Row = dict[str, str]


def evaluator_rows() -> list[Row]:
    return [{"code": CODE, "name": NAME, "region_code": CITY}]


def evaluator_people() -> list[Row]:
    """Return the roster of its people: one, who signs in."""
    return [
        {
            "person_no": staff_number(LOGIN),
            "name": "罗静怡",
            "organisation_kind": "evaluator",
            "organisation_code": CODE,
            "role": "evaluator",
            "joined_on": JOINED_ON,
            "login": LOGIN,
        }
    ]


def finding_rows() -> list[FindingRow]:
    """Return what it found of a school and of the platform."""
    return [
        FindingRow(
            kind="school",
            key=SCHOOLS[0].code,
            finding="现场听课八节，数字资源与教学内容衔接紧密，教师能够自主选用。",
            source="青禾县数字教育资源应用走访记录第 3 号（示例）",
            found_on=FOUND_ON,
        ),
        FindingRow(
            kind="platform",
            key="",
            finding="抽测二十个资源详情页，均写明适用条件；其中两处视频缺少字幕。",
            source="青禾县平台可用性抽测报告（示例）",
            found_on=FOUND_ON,
        ),
    ]
