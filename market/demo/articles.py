"""Articles that the sample's teachers read for continuing-education credits, and who read some.

The articles are free and nobody selects them: reading is for oneself. Each act may be repeated.
"""

from datetime import datetime, timedelta
from typing import Final

from kernel.clock import SHANGHAI
from kernel.identity.grants import actor_of
from kernel.unit import Units
from market.demo.county import SCHOOLS, VENDOR_BY_SLUG, YEAR, Row
from market.demo.people import staff_number
from market.demo.rehearsal import SYSTEM, VIA, mark_done, on_day, steps_done
from market.demo.resources import OFFERED_FROM, SHARED
from settlement.credits import book_credits
from settlement.reading import begin_reading, finish_reading

VENDOR: Final = VENDOR_BY_SLUG["qingyan"]
AUTHOR: Final = "青砚编辑部"
SUBJECTS: Final = (
    ("QY-WZ-0001", "复式教学怎样同时照顾三个年级", "primary", "", "文本"),
    ("QY-WZ-0002", "乡村学校的阅读角：从两百本书开始", "primary", "语文", "文本"),
    ("QY-WZ-0003", "分数教学中的错例分析", "primary", "数学", "文本"),
    ("QY-WZ-0004", "初中物理演示实验的替代器材", "junior", "物理", "文本"),
    ("QY-JA-0001", "《荷花》第一课时教学设计", "primary", "语文", "教案"),
    ("QY-JA-0002", "一元一次方程复习课教学设计", "junior", "数学", "教案"),
    ("QY-AL-0001", "双师课堂中主讲与辅导教师的分工", "junior", "", "案例"),
    ("QY-AL-0002", "用作业数据组织讲评课", "junior", "数学", "案例"),
)
"""Number, title, stage, subject (none: any) and type."""
READERS: Final = ("t01", "t02")
READ_EACH: Final = 3
FROM: Final = datetime(YEAR, 9, 14, 16, 30, tzinfo=SHANGHAI)
BETWEEN: Final = timedelta(minutes=10)
READING: Final = timedelta(minutes=6)
STEP: Final = "articles"


def article_rows() -> list[Row]:
    """Return the articles as rows of the import `catalogue`."""
    return [
        {
            "vendor_code": VENDOR.code,
            "sku": sku,
            "title": title,
            "kind": "basic",
            "tier": "basic",
            "stage": stage,
            "subject": subject,
            "type": type_,
            "language": "zh",
            "author": AUTHOR,
            "licence": SHARED,
            "address": f"https://{VENDOR.slug}.example/{sku.lower()}",
        }
        for sku, title, stage, subject, type_ in SUBJECTS
    ]


def article_offer_rows() -> list[Row]:
    """Return their prices as rows of the import `offers`: nothing."""
    return [
        {
            "vendor_code": VENDOR.code,
            "sku": sku,
            "valid_from": OFFERED_FROM,
            "plan": "per_use",
            "unit_price_yuan": "0",
        }
        for sku, *_ in SUBJECTS
    ]


def read_articles(units: Units) -> None:
    """Have two teachers of each of two schools read some, one after the other, once."""
    with units(SYSTEM) as unit:
        if STEP in steps_done(unit):
            return
    for place, number in enumerate(_readers()):
        for position in range(READ_EACH):
            at = FROM + timedelta(days=place) + position * BETWEEN
            sku = SUBJECTS[(place + position) % len(SUBJECTS)][0]
            key = f"{VENDOR.code}/{sku}"
            with units(SYSTEM) as unit:
                actor = actor_of(unit, person_no=number, via=VIA)
            with on_day(units, at)(actor) as unit:
                begin_reading(unit, key)
            with on_day(units, at + READING)(actor) as unit:
                finish_reading(unit, key)
    booked_at = FROM + timedelta(days=len(_readers()))
    with on_day(units, booked_at)(SYSTEM) as unit:
        book_credits(unit).require_all()
        mark_done(unit, STEP)


def _readers() -> list[str]:
    whole = [school for school in SCHOOLS if not school.parent][:2]
    return [staff_number(f"{school.slug}-{post}") for school in whole for post in READERS]
