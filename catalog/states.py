"""The life cycle of a version and of its admission (R4): every state, and where it may go."""

from enum import StrEnum


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


VERSION_TRANSITIONS: dict[VersionState, frozenset[VersionState]] = {
    VersionState.DRAFT: frozenset({VersionState.SUBMITTED, VersionState.WITHDRAWN}),
    VersionState.SUBMITTED: frozenset({VersionState.IN_REVIEW, VersionState.WITHDRAWN}),
    VersionState.IN_REVIEW: frozenset(
        {VersionState.ADMITTED, VersionState.RETURNED, VersionState.REFUSED}
    ),
    VersionState.ADMITTED: frozenset({VersionState.LISTED, VersionState.WITHDRAWN}),
    VersionState.LISTED: frozenset({VersionState.SUSPENDED, VersionState.WITHDRAWN}),
    VersionState.SUSPENDED: frozenset({VersionState.LISTED, VersionState.WITHDRAWN}),
    VersionState.WITHDRAWN: frozenset(),
    VersionState.RETURNED: frozenset(),
    VersionState.REFUSED: frozenset(),
}


class AdmissionState(StrEnum):
    CLAIMED = "claimed"
    PROPOSED = "proposed"
    ADMITTED = "admitted"
    REFUSED = "refused"
    RETURNED = "returned"


ADMISSION_TRANSITIONS: dict[AdmissionState, frozenset[AdmissionState]] = {
    AdmissionState.CLAIMED: frozenset({AdmissionState.PROPOSED}),
    AdmissionState.PROPOSED: frozenset(
        {AdmissionState.ADMITTED, AdmissionState.REFUSED, AdmissionState.RETURNED}
    ),
    AdmissionState.ADMITTED: frozenset(),
    AdmissionState.REFUSED: frozenset(),
    AdmissionState.RETURNED: frozenset(),
}
