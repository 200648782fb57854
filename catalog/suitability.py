"""For which schools a listed version suits, as two reviewers assessed it before release (R60).

Reads the admission, never the vendor's own word: what was not assessed is said to be so.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import select

from catalog.criteria import Criterion, Finding
from catalog.models import Admission
from catalog.states import AdmissionState
from kernel.identity.recording import among
from kernel.unit import Unit

ON_CONDITION: Final = Finding.ON_CONDITION


@dataclass(frozen=True, kw_only=True, slots=True)
class Suitability:
    """The stages it was found to suit (none named: any), on which conditions, by which bureau.

    `evidence`: of the finding on the criterion 适用性, where it is met only on conditions.
    """

    stages: tuple[str, ...] = ()
    conditions: str = ""
    evidence: str = ""

    def leaves_out(self, stages: Collection[str]) -> bool:
        """Whether a school of these stages is none of those that it was found to suit."""
        return bool(self.stages) and bool(stages) and set(self.stages).isdisjoint(stages)


def assessed(unit: Unit, version_ids: Sequence[UUID]) -> dict[UUID, Suitability]:
    """Return what was assessed of each admitted version, without those of which nothing was."""
    found: dict[UUID, Suitability] = {}
    for version_id, suits, findings in unit.session.execute(
        select(Admission.version_id, Admission.suits, Admission.findings).where(
            among(Admission.version_id, version_ids),
            Admission.state == AdmissionState.ADMITTED,
        )
    ):
        judged = findings.get(Criterion.SUITABILITY, {})
        one = Suitability(
            stages=tuple(suits.get("stages", ())),
            conditions=str(suits.get("conditions", "")),
            evidence=str(judged.get("evidence", ""))
            if judged.get("finding") == ON_CONDITION
            else "",
        )
        if one != Suitability():
            found[version_id] = one
    return found
