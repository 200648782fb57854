"""What a resource needs of a school (R5): bandwidth, devices, a network; and whom that leaves out.

Decides which resources only well-equipped schools can use. The reach is computed from what the
vendor states, never typed, so that an urban-biased resource is seen as such by everyone.
"""

from collections.abc import Collection
from decimal import Decimal
from enum import StrEnum
from typing import Final

HIGHEST_MBPS: Final = Decimal(10_000)
GOOD_NETWORK_MBPS: Final = Decimal(4)
"""More per class at once than a school at the end of a copper line has left for one lesson."""
FAST_NETWORK_MBPS: Final = Decimal(20)
SHARED_DEVICES: Final = frozenset({"投影", "音箱", "计算机", "打印机", "触控一体机"})
"""One for the whole class: what the national programme brought to every school."""
RARE_DEVICES: Final = frozenset({"每生一台设备", "平板", "虚拟现实设备", "手机或平板"})
"""One for each pupil, or what hardly a village school has."""


class Reach(StrEnum):
    """For which schools a resource is fit as they are equipped."""

    EVERYWHERE = "everywhere"
    SOME_EQUIPMENT = "some_equipment"
    WELL_EQUIPPED = "well_equipped"  # urban-biased
    UNSTATED = "unstated"


def reach_of(*, bandwidth_mbps: Decimal | None, devices: Collection[str], offline: str) -> Reach:
    """Return who can use a resource: without the network a slow one does no harm."""
    if bandwidth_mbps is None and not devices and not offline:
        return Reach.UNSTATED
    mbps = Decimal(0) if offline == "full" else bandwidth_mbps or Decimal(0)
    wanted = set(devices)
    if wanted & RARE_DEVICES or mbps >= FAST_NETWORK_MBPS:
        return Reach.WELL_EQUIPPED
    if wanted - SHARED_DEVICES or mbps >= GOOD_NETWORK_MBPS:
        return Reach.SOME_EQUIPMENT
    return Reach.EVERYWHERE
