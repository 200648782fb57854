"""What resources are sorted by: kind (R1), tier (R2), and whose work a teacher's is (R40)."""

from enum import StrEnum


class ResourceKind(StrEnum):
    BASIC = "basic"  # 基础性: free by policy
    PERSONALISED = "personalised"  # 个性化: priced by the market
    SCHOOL_BASED = "school_based"  # 校本


class Tier(StrEnum):
    BASIC = "basic"  # 基础
    GROWTH = "growth"  # 发展
    INNOVATION = "innovation"  # 创新


class Ownership(StrEnum):
    PERSONAL = "personal"  # the vendor's own
    SERVICE_WORK = "service_work"  # 职务作品: made in a school's service, which has a share


KINDS = frozenset(ResourceKind)
TIERS = frozenset(Tier)
OWNERSHIPS = frozenset(Ownership)
