"""The states of a selection and of the signatures it waits for."""

from enum import StrEnum


class SelectionState(StrEnum):
    """draft → requested → approved | returned | refused; until approved also cancelled."""

    DRAFT = "draft"
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
