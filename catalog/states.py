"""The life cycle of a version and of its admission (R4): every state, where it may go, by whom.

`LIFE_CYCLE` is the one table of a version's transitions; the database keeps the same one in a
trigger, and besides refuses every listing that two people of one bureau have not admitted. Who acts
is looked up by `catalog.life_cycle`, which is the only module that moves a version.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from kernel.errors import InvalidInput


class VersionState(StrEnum):
    DRAFT = "draft"
    SUBMITTED = "submitted"
    IN_REVIEW = "in_review"
    ADMITTED = "admitted"
    LISTED = "listed"
    SUSPENDED = "suspended"
    WITHDRAWN = "withdrawn"
    RETURNED = "returned"  # answered by a new version
    REFUSED = "refused"


class Party(StrEnum):
    """Who moves a version."""

    VENDOR = "vendor"  # a manager of the vendor whose it is
    REVIEWER = "reviewer"  # of a bureau, without an interest in the vendor
    SECOND_REVIEWER = "second_reviewer"  # another one of the bureau whose first one proposed
    ANOTHER_REVIEWER = "another_reviewer"  # one who had no part in what is decided again


class Guard(StrEnum):
    """What has to hold besides; the service that moves asks for it."""

    NOTHING = "nothing"
    SELF_CHECKED = "self_checked"  # R12: every criterion answered, the commitment signed
    PROPOSED = "proposed"  # R13: the findings are complete, and a verdict is proposed
    TWO_REVIEWERS = "two_reviewers"  # R13: the database asks for it, too
    APPEAL_UPHELD = "appeal_upheld"


@dataclass(frozen=True, slots=True)
class Transition:
    """What the trail calls the move, who makes it, what must hold, whether it says why."""

    act: str
    party: Party
    guard: Guard = Guard.NOTHING
    says_why: bool = False


LIFE_CYCLE: Final[dict[tuple[VersionState, VersionState], Transition]] = {
    (VersionState.DRAFT, VersionState.SUBMITTED): Transition(
        "version.submitted", Party.VENDOR, Guard.SELF_CHECKED
    ),
    (VersionState.SUBMITTED, VersionState.IN_REVIEW): Transition(
        "admission.claimed", Party.REVIEWER
    ),
    (VersionState.SUBMITTED, VersionState.WITHDRAWN): Transition("version.withdrawn", Party.VENDOR),
    (VersionState.IN_REVIEW, VersionState.SUBMITTED): Transition(
        "admission.released", Party.REVIEWER
    ),
    (VersionState.IN_REVIEW, VersionState.ADMITTED): Transition(
        "admission.admitted", Party.SECOND_REVIEWER, Guard.TWO_REVIEWERS
    ),
    (VersionState.IN_REVIEW, VersionState.RETURNED): Transition(
        "admission.returned", Party.SECOND_REVIEWER, Guard.PROPOSED, says_why=True
    ),
    (VersionState.IN_REVIEW, VersionState.REFUSED): Transition(
        "admission.refused", Party.SECOND_REVIEWER, Guard.PROPOSED, says_why=True
    ),
    (VersionState.ADMITTED, VersionState.LISTED): Transition(
        "version.listed", Party.SECOND_REVIEWER, Guard.TWO_REVIEWERS
    ),
    (VersionState.ADMITTED, VersionState.WITHDRAWN): Transition("version.withdrawn", Party.VENDOR),
    (VersionState.LISTED, VersionState.SUSPENDED): Transition(
        "version.taken_down", Party.REVIEWER, says_why=True
    ),
    (VersionState.LISTED, VersionState.WITHDRAWN): Transition("version.withdrawn", Party.VENDOR),
    (VersionState.SUSPENDED, VersionState.LISTED): Transition(
        "version.restored", Party.ANOTHER_REVIEWER, Guard.TWO_REVIEWERS, says_why=True
    ),
    (VersionState.SUSPENDED, VersionState.WITHDRAWN): Transition("version.withdrawn", Party.VENDOR),
    (VersionState.REFUSED, VersionState.SUBMITTED): Transition(
        "version.reopened", Party.ANOTHER_REVIEWER, Guard.APPEAL_UPHELD, says_why=True
    ),
}

FIRST_STATES: Final = frozenset({VersionState.DRAFT, VersionState.SUBMITTED})
"""A version begins as its vendor's draft, or submitted with a file that somebody sends."""

OVER: Final = frozenset({VersionState.SUSPENDED, VersionState.WITHDRAWN})
"""Not opened any more, and still seen by those who owe or are owed for it."""


class AdmissionState(StrEnum):
    CLAIMED = "claimed"
    PROPOSED = "proposed"
    RELEASED = "released"  # given back to the queue
    ADMITTED = "admitted"
    REFUSED = "refused"
    RETURNED = "returned"


ADMISSION_TRANSITIONS: Final[dict[AdmissionState, frozenset[AdmissionState]]] = {
    AdmissionState.CLAIMED: frozenset({AdmissionState.PROPOSED, AdmissionState.RELEASED}),
    AdmissionState.PROPOSED: frozenset(
        {
            AdmissionState.ADMITTED,
            AdmissionState.REFUSED,
            AdmissionState.RETURNED,
            AdmissionState.RELEASED,
        }
    ),
    AdmissionState.RELEASED: frozenset(),
    AdmissionState.ADMITTED: frozenset(),
    AdmissionState.REFUSED: frozenset(),
    AdmissionState.RETURNED: frozenset(),
}

VERDICTS: Final[dict[AdmissionState, tuple[VersionState, ...]]] = {
    AdmissionState.ADMITTED: (VersionState.ADMITTED, VersionState.LISTED),
    AdmissionState.REFUSED: (VersionState.REFUSED,),
    AdmissionState.RETURNED: (VersionState.RETURNED,),
}
"""The states a version goes through when its admission is decided so."""


def require_verdict(verdict: AdmissionState) -> None:
    """Raise `InvalidInput` for a state that is no verdict."""
    if verdict not in VERDICTS:
        raise InvalidInput(field="verdict", value=verdict, expected=" | ".join(VERDICTS))
