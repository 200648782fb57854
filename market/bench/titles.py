"""A generated catalogue: titles as vendors write them, over subjects, grades and types.

The same number gives the same rows. One word stands in about every second title, as in real
catalogues the words for courseware and exercises do.
"""

import csv
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from catalog.packs import PACK
from catalog.vocabularies import VOCABULARIES

SEED: Final = 20261129
VENDORS: Final = 50
COMMON: Final = "同步"
"""The very common word."""
SUBJECTS: Final = VOCABULARIES["subject"].terms[:24]
STAGES: Final = (
    ("primary", VOCABULARIES["grade"].terms[4:10]),
    ("junior", VOCABULARIES["grade"].terms[10:13]),
    ("senior", VOCABULARIES["grade"].terms[13:16]),
)
EDITIONS: Final = VOCABULARIES["edition"].terms[:12]
TYPES: Final = [one for one in VOCABULARIES["type"].terms if one != PACK]
"""All but packs, whose parts a row would have to name."""
TOPICS: Final = [
    "小数乘法",
    "分数加减法",
    "长方体和正方体",
    "圆柱与圆锥",
    "一元二次方程",
    "勾股定理",
    "三角形的认识",
    "统计图表",
    "古诗词诵读",
    "荷花",
    "燕子",
    "习作指导",
    "整本书阅读",
    "文言文入门",
    "议论文写作",
    "说明文阅读",
    "口语交际",
    "植物的生长变化",
    "物体的运动",
    "声音的产生",
    "电路连接",
    "欧姆定律",
    "浮力",
    "酸和碱",
    "金属的性质",
    "细胞的结构",
    "血液循环",
    "生态系统",
    "丝绸之路",
    "辛亥革命",
    "中国的地形",
    "气候与天气",
    "世界的海陆分布",
    "经纬网",
    "音标拼读",
    "现在完成时",
    "听力训练",
    "情境会话",
    "五线谱入门",
    "合唱训练",
    "素描基础",
    "水墨画",
    "篆刻欣赏",
    "足球基本功",
    "武术操",
    "图形化编程",
    "人工智能初步",
    "物联网",
    "传统节日",
    "防溺水",
    "情绪管理",
]
FORMS: Final = [
    "互动练习",
    "课件包",
    "单元测评",
    "微课",
    "导学案",
    "实验演示",
    "情境动画",
    "复习专题",
    "错题精讲",
    "任务单",
]
CONDITIONS: Final = (
    ("2", "投影", "none"),
    ("", "", "full"),
    ("8", "触控一体机", "none"),
    ("", "", ""),
)
NAMES: Final = (
    *("vendor_code", "sku", "title", "kind", "tier", "stage", "subject", "grade", "type"),
    *("language", "licence", "author", "keywords", "edition", "chapter"),
    *("bandwidth_mbps", "devices", "offline"),
)

Row = dict[str, str]


def rows(count: int, vendor_codes: list[str]) -> Iterator[Row]:
    """Yield so many resources of these vendors."""
    chance = random.Random(SEED)  # noqa: S311 - invented titles, no secrets
    for number in range(count):
        stage, grades = chance.choice(STAGES)
        grade, subject = chance.choice(grades), chance.choice(SUBJECTS)
        edition, topic = chance.choice(EDITIONS), chance.choice(TOPICS)
        common = COMMON if chance.random() < 0.5 else ""
        mbps, devices, offline = chance.choice(CONDITIONS)
        yield {
            "vendor_code": vendor_codes[number % len(vendor_codes)],
            "sku": f"B-{number:06}",
            "title": f"{edition}{subject}{grade}《{topic}》{common}{chance.choice(FORMS)}",
            "kind": "personalised",
            "tier": chance.choice(("basic", "growth", "innovation")),
            "stage": stage,
            "subject": subject,
            "grade": grade,
            "type": chance.choice(TYPES),
            "language": "zh-CN",
            "licence": "授权学校教学使用",
            "author": f"教研组{chance.randrange(400)}",
            "keywords": ";".join({topic, chance.choice(TOPICS), subject}),
            "edition": edition,
            "chapter": f"第{chance.randrange(1, 9)}单元/{topic}",
            "bandwidth_mbps": mbps,
            "devices": devices,
            "offline": offline,
        }


def write_rows(path: Path, count: int, vendor_codes: list[str]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, NAMES)
        writer.writeheader()
        writer.writerows(rows(count, vendor_codes))
    return path
