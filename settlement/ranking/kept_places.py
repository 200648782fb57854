"""Which places of a page are kept for newcomers (R43): the storefront's and the trial's. Pure."""

from decimal import Decimal
from math import ceil


def kept_of(length: int, share: Decimal) -> int:
    """Return how many places of a page are kept: the share, rounded up."""
    return ceil(length * share)


def spread(length: int, count: int) -> list[int]:
    """Return which places, from 1, are kept if a page keeps some: evenly, the last too."""
    return [number * length // count for number in range(1, count + 1)]
