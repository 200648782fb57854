"""The forms of a dispute: raised by the payer, answered by the vendor, decided by the bureau.

Each reads what a person typed, in yuan and in lines of text, and turns a refused value into a
sentence beside its field; whether the act may happen at all is the service's question.
"""

import re
from typing import Final

from kernel.errors import InvalidAmount, InvalidInput, MarketError, MissingValue, NoteRequired
from kernel.http.pages import Form
from kernel.i18n import msgid, translate, translate_error
from kernel.money import parse_fen
from settlement.dispute_rules import PAYER_REASONS, DisputeOutcome, DisputeReason

CHOOSE: Final = msgid("Choose one.")
EMPTY: Final = msgid("Fill this in.")
SEPARATORS: Final = re.compile(r"[\s,，、;；]+")

FIELD_OF: Final = {
    "claimed_fen": "claimed",
    "offered_fen": "offered",
    "credit_fen": "credit",
}
"""Form fields by the service's names where they differ: people type yuan."""


class DisputeForm(Form, frozen=True):
    """What a payer says against a line. `evidence`: a text a line; `uses`: ids of events."""

    reason: str = ""
    claimed: str = ""
    claim: str = ""
    evidence: str = ""
    uses: str = ""

    def chosen_reason(self) -> DisputeReason | None:
        return next((one for one in PAYER_REASONS if one == self.reason), None)

    def texts(self) -> list[str]:
        return [line.strip() for line in self.evidence.splitlines() if line.strip()]

    def event_ids(self) -> list[str]:
        return list(dict.fromkeys(one for one in SEPARATORS.split(self.uses) if one))


class AnswerForm(Form, frozen=True):
    """What a vendor says to it, and what it would credit, in yuan."""

    answer: str = ""
    offered: str = ""


class DecisionForm(Form, frozen=True):
    """What a bureau decides; `confirmed` once it has seen what will happen."""

    outcome: str = ""
    credit: str = ""
    note: str = ""
    confirmed: str = ""

    def chosen_outcome(self) -> DisputeOutcome | None:
        return next((one for one in DisputeOutcome if one == self.outcome), None)


def read_fen(text: str, *, field: str) -> int:
    """Read an amount in yuan; an empty one raises `MissingValue`."""
    if not text.strip():
        raise MissingValue(field=field)
    try:
        return parse_fen(text)
    except InvalidAmount as error:
        raise InvalidAmount(field=field, **error.facts) from None


def field_errors(error: MarketError, locale: str) -> dict[str, str]:
    """Return what is wrong by form field, or under "" what concerns the whole form."""
    name = str(error.facts.get("field", ""))
    field = FIELD_OF.get(name, name)
    if isinstance(error, NoteRequired):
        return {"note": translate(EMPTY, locale)}
    if isinstance(error, MissingValue):
        return {field: translate(EMPTY, locale)}
    if isinstance(error, InvalidAmount | InvalidInput):
        return {field: translate_error(error, locale)}
    raise error
