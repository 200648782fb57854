"""The eight criteria of admission, and which of them a change has to meet anew (R11, R14).

Pure. A first version and changed content are judged by all eight; a change of price or licence
alone by the criteria on which it bears. Which changes there are is found by `catalog.changes`.
"""

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Any, Final


class Criterion(StrEnum):
    POLITICAL = "political"  # 政治性
    GUIDANCE = "guidance"  # 导向性
    SCIENTIFIC = "scientific"  # 科学性
    SAFETY = "safety"  # 安全性
    SUITABILITY = "suitability"  # 适用性
    NORMATIVE = "normative"  # 规范性
    TIMELINESS = "timeliness"  # 时效性
    PUBLIC_BENEFIT = "public_benefit"  # 公益性


class Finding(StrEnum):
    MEETS = "meets"
    ON_CONDITION = "on_condition"  # meets it on the conditions that are named
    FAILS = "fails"


class Depth(StrEnum):
    FULL = "full"
    LIGHT = "light"


class Change(StrEnum):
    FIRST = "first"  # nothing of the resource was admitted before
    CONTENT = "content"
    LICENCE = "licence"
    PRICE = "price"


class Reason(StrEnum):
    """Canned reasons; what they leave open is said in the note."""

    ERRORS = "errors"
    BIAS = "bias"
    PERSONAL_DATA = "personal_data"
    OUTDATED = "outdated"
    UNCLEAR_RIGHTS = "unclear_rights"
    UNSUITABLE = "unsuitable"
    METADATA = "metadata"
    ADVERTISING = "advertising"
    PRICE = "price"
    OTHER = "other"


LIGHT_GROUP: Final = frozenset({Criterion.NORMATIVE, Criterion.PUBLIC_BENEFIT})
"""What licence and price bear on: the rules that are kept, and whom it serves."""


def depth_of(changes: Collection[Change]) -> Depth:
    """Return how deep the review of these changes goes."""
    deep = {Change.FIRST, Change.CONTENT}
    return Depth.FULL if deep & set(changes) or not changes else Depth.LIGHT


def criteria_of(depth: Depth) -> tuple[Criterion, ...]:
    """Return the criteria that a review of this depth judges, in their order."""
    return tuple(one for one in Criterion if depth is Depth.FULL or one in LIGHT_GROUP)


def unjudged(findings: Mapping[str, Any], depth: Depth) -> list[Criterion]:
    """Return the criteria of this depth that have no finding or no evidence yet."""
    return [
        one
        for one in criteria_of(depth)
        if not str(findings.get(one, {}).get("evidence", "")).strip()
    ]


def failed(findings: Mapping[str, Any]) -> list[Criterion]:
    """Return the criteria that were found not to be met."""
    return [one for one in Criterion if findings.get(one, {}).get("finding") == Finding.FAILS]
