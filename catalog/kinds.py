"""What resources are sorted by: kind (R1) and tier (R2)."""

from enum import StrEnum


class ResourceKind(StrEnum):
    BASIC = "basic"  # 基础性: free by policy
    PERSONALISED = "personalised"  # 个性化: priced by the market
    SCHOOL_BASED = "school_based"  # 校本


class Tier(StrEnum):
    BASIC = "basic"  # 基础
    GROWTH = "growth"  # 发展
    INNOVATION = "innovation"  # 创新


KINDS = frozenset(ResourceKind)
TIERS = frozenset(Tier)
