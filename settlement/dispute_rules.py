"""Words and deadlines of disputes: why a line is disputed, who has the ball, by when.

Who acts and what follows is decided in `disputes`; here is only what pages and queries share.
"""

from datetime import date
from enum import StrEnum

from kernel.settings import Settings
from settlement.workdays import after_workdays


class DisputeReason(StrEnum):
    """Why a payer objects to a line. The last one is given by the system alone."""

    QUANTITY_WRONG = "quantity-wrong"
    NOT_OUR_LEARNERS = "not-our-learners"
    PRICE_WRONG = "price-wrong"
    UNUSABLE = "unusable"
    SERVICE_INTERRUPTED = "service-interrupted"
    OTHER = "other"
    FISCAL_YEAR_CLOSED = "fiscal-year-closed"


PAYER_REASONS = tuple(one for one in DisputeReason if one is not DisputeReason.FISCAL_YEAR_CLOSED)
"""The reasons that a person may give."""


class DisputeOutcome(StrEnum):
    """`dismissed`: the line stands. `upheld`: a credit note takes a part of it off."""

    DISMISSED = "dismissed"
    UPHELD = "upheld"


class DisputeStanding(StrEnum):
    """Where a dispute stands on a day."""

    AWAITING_ANSWER = "awaiting-answer"
    AWAITING_DECISION = "awaiting-decision"
    OVERDUE = "overdue"
    DISMISSED = "dismissed"
    UPHELD = "upheld"


def answer_by(settings: Settings, opened_on: date) -> date:
    """Return the last day on which the vendor may answer."""
    return after_workdays(opened_on, settings.answer_workdays)


def decide_by(settings: Settings, since: date) -> date:
    """Return the day by which the bureau has to decide what it can decide since `since`."""
    return after_workdays(since, settings.decide_workdays)


def standing_of(
    *, today: date, answered: bool, outcome: str | None, last_answer: date, last_decision: date
) -> DisputeStanding:
    """Return where a dispute stands: a vendor's silence after its last day gives up the ball."""
    if outcome is not None:
        return DisputeStanding(outcome)
    if not answered and today <= last_answer:
        return DisputeStanding.AWAITING_ANSWER
    return DisputeStanding.OVERDUE if today > last_decision else DisputeStanding.AWAITING_DECISION
