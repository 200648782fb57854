"""The states of a selection and of the signatures it waits for, and what may follow what."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class SelectionState(StrEnum):
    """requested → approved | returned | refused; until approved also cancelled by who requested.

    What is typed and not requested yet is a draft: its person's own, and no selection.
    """

    REQUESTED = "requested"
    APPROVED = "approved"
    RETURNED = "returned"
    REFUSED = "refused"
    CANCELLED = "cancelled"


class StepState(StrEnum):
    """waiting → approved | returned | refused."""

    WAITING = "waiting"
    APPROVED = "approved"
    RETURNED = "returned"
    REFUSED = "refused"


class SelectionKind(StrEnum):
    """What is asked for: a resource (to buy, to try, for another term, by a bureau for schools), or
    another ceiling."""

    PURCHASE = "purchase"
    TRIAL = "trial"
    RENEWAL = "renewal"
    RAISE = "raise"
    LOWER = "lower"
    BULK = "bulk"


CHANGES: Final = frozenset({SelectionKind.RAISE, SelectionKind.LOWER})
"""Kinds that change an agreement in place of opening one."""

FROM_DRAFTS: Final = frozenset({SelectionKind.PURCHASE, SelectionKind.TRIAL})
"""Kinds that a person types as a draft; the others begin at an agreement or at a bureau."""

TRANSITIONS: Final[Mapping[SelectionState, frozenset[SelectionState]]] = {
    SelectionState.REQUESTED: frozenset(SelectionState) - {SelectionState.REQUESTED},
    SelectionState.APPROVED: frozenset(),
    SelectionState.RETURNED: frozenset(),
    SelectionState.REFUSED: frozenset(),
    SelectionState.CANCELLED: frozenset(),
}
