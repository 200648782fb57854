"""The forms of a dispute: raised by the payer, answered by the vendor, decided by the bureau.

Each reads what a person typed, in yuan and in lines of text, and says all that is wrong at once,
beside its field; whether the act may happen at all is the service's question.
"""

import re
from typing import Final

from kernel.http.pages import Form

SEPARATORS: Final = re.compile(r"[\s,，、;；]+")

FIELD_OF: Final = {"credit_fen": "credit"}
"""Form fields by the service's names where they differ: people type yuan."""


class DisputeForm(Form, frozen=True):
    """What a payer says against a line. `evidence`: a text a line; `uses`: ids of events.

    `part`: of a pack's line, the resource that it is about; empty for the whole pack.
    """

    reason: str = ""
    claimed: str = ""
    claim: str = ""
    evidence: str = ""
    uses: str = ""
    part: str = ""

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
