"""The self-check and commitment that a catalogue carries, row by row, as a file or JSON (R12, R60).

Decides what a file has to say so that its versions are submitted with a self-check of their vendor:
all eight criteria, the commitment, an app's filing number. Only the vendor's own file can: nobody
else commits in its name. A file that says nothing of it brings versions without, as before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import insert

from catalog.admission_models import Submission
from catalog.criteria import Criterion
from catalog.submissions import EXAMPLE_NUMBER, FILING_NUMBER, suitability
from kernel.actors import OrganisationKind
from kernel.errors import (
    CommitmentMissing,
    FilingNumberMissing,
    InvalidInput,
    SelfCheckMissing,
)
from kernel.identity.recording import FieldError
from kernel.unit import Unit

COLUMN: Final = "check_{}"


@dataclass(frozen=True, kw_only=True, slots=True)
class SelfCheckColumns:
    """What a row of a catalogue says of its vendor's self-check; all empty: nothing."""

    check_political: str = ""
    check_guidance: str = ""
    check_scientific: str = ""
    check_safety: str = ""
    check_suitability: str = ""
    check_normative: str = ""
    check_timeliness: str = ""
    check_public_benefit: str = ""
    commitment: str = ""
    filing_number: str = ""
    suits_stages: tuple[str, ...] = ()
    suits_conditions: str = ""

    @property
    def answers(self) -> dict[str, str]:
        """The answers by criterion, without the empty ones."""
        found = {one.value: getattr(self, COLUMN.format(one.value)).strip() for one in Criterion}
        return {name: answer for name, answer in found.items() if answer}

    @property
    def carries_self_check(self) -> bool:
        """Whether the row says anything that only a self-check says."""
        return bool(self.answers or self.commitment.strip() or self.filing_number.strip())


def require_whole_check(unit: Unit, row: SelfCheckColumns, *, launch_url: str) -> None:
    """Raise `FieldError` unless the row carries no self-check, or a whole one of its own vendor."""
    if not row.carries_self_check:
        return
    if unit.actor.organisation_kind is not OrganisationKind.VENDOR and not unit.actor.is_system:
        expected = "nothing, since only the vendor itself commits"
        error = InvalidInput(field="commitment", value=row.commitment, expected=expected)
        raise FieldError(error, field="commitment")
    missing = [one for one in Criterion if one.value not in row.answers]
    if missing:
        raise FieldError(SelfCheckMissing(missing=missing), field=COLUMN.format(missing[0].value))
    if not row.commitment.strip():
        raise FieldError(CommitmentMissing(), field="commitment")
    number = row.filing_number.strip()
    if launch_url and not FILING_NUMBER.fullmatch(number):
        wrong = FilingNumberMissing(field="filing_number", value=number, expected=EXAMPLE_NUMBER)
        raise FieldError(wrong, field="filing_number")


def keep_checks(unit: Unit, checked: Sequence[tuple[UUID, SelfCheckColumns]]) -> None:
    """Keep the self-checks of versions that are submitted with them."""
    rows: list[dict[str, Any]] = [
        {
            "version_id": version_id,
            "self_check": row.answers,
            "commitment": row.commitment.strip(),
            "filing_number": row.filing_number.strip(),
            "suits": suitability(row.suits_stages, row.suits_conditions),
            "submitted_by": unit.actor.person_id,
            "submitted_at": unit.clock.now(),
        }
        for version_id, row in checked
    ]
    if rows:
        unit.session.execute(insert(Submission), rows)


def columns_of(submission: Submission | None) -> dict[str, Any]:
    """Return what was declared with a version as columns of a row."""
    if submission is None:
        return {}
    suits = submission.suits
    return {
        **{COLUMN.format(name): answer for name, answer in submission.self_check.items()},
        "commitment": submission.commitment,
        "filing_number": submission.filing_number,
        "suits_stages": tuple(suits.get("stages", ())),
        "suits_conditions": str(suits.get("conditions", "")),
    }
