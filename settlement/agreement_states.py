"""The states of an agreement: one table of what may follow what.

Decides nothing about when; statements mark what is used up, `agreement_ends` what is over. The
database refuses every other move (trigger).
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class AgreementStanding(StrEnum):
    """open ⇄ exhausted; both → ended (its last day is over) | terminated (given up before)."""

    OPEN = "open"
    EXHAUSTED = "exhausted"
    ENDED = "ended"
    TERMINATED = "terminated"


RUNNING: Final = frozenset({AgreementStanding.OPEN, AgreementStanding.EXHAUSTED})
OVER: Final = frozenset({AgreementStanding.ENDED, AgreementStanding.TERMINATED})

TRANSITIONS: Final[Mapping[AgreementStanding, frozenset[AgreementStanding]]] = {
    AgreementStanding.OPEN: OVER | {AgreementStanding.EXHAUSTED},
    AgreementStanding.EXHAUSTED: OVER | {AgreementStanding.OPEN},
    AgreementStanding.ENDED: frozenset(),
    AgreementStanding.TERMINATED: frozenset(),
}
