"""How far a ceiling is used: within, nearly (from four fifths on), or used up (R33). Pure."""

from decimal import Decimal
from enum import StrEnum
from typing import Final

WARNED_AT: Final = Decimal("0.8")
"""Part of a ceiling from which on a running estimate warns (R33)."""


class CeilingUse(StrEnum):
    """How a ceiling stands with an estimate; from four fifths on it is nearly used."""

    WITHIN = "within"
    NEARLY_USED = "nearly_used"
    USED_UP = "used_up"

    @property
    def warns(self) -> bool:
        return self is not CeilingUse.WITHIN


def used_share(ceiling_fen: int, *, left_fen: int) -> Decimal:
    """Return the part of a ceiling that is used; 0 where nothing is ever due."""
    if not ceiling_fen:
        return Decimal(0)
    return Decimal(ceiling_fen - left_fen) / ceiling_fen


def ceiling_use(ceiling_fen: int, *, left_fen: int) -> CeilingUse:
    """Return how a ceiling stands of which this much is left."""
    if used_share(ceiling_fen, left_fen=left_fen) < WARNED_AT:
        return CeilingUse.WITHIN
    return CeilingUse.NEARLY_USED if left_fen > 0 else CeilingUse.USED_UP
