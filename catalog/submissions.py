"""Submitting a draft: the vendor's self-check and commitment come first (R12, R60).

Decides what has to be there before a bureau looks: an answer to each of the eight criteria, the
commitment signed, the filing number of an app that is opened outside the platform, and for which
stages the vendor offers it. A change of price or licence alone answers the criteria it bears on.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import func, select

from catalog.admission_models import Submission
from catalog.changes import changes_of
from catalog.criteria import criteria_of, depth_of
from catalog.life_cycle import move, require_own_vendor
from catalog.models import Version
from catalog.ownership import declare_work
from catalog.reviewers import lock_versions
from catalog.states import VersionState
from catalog.wording import require_statement, require_suits
from kernel.errors import (
    CommitmentMissing,
    Conflict,
    FilingNumberMissing,
    NothingChanged,
    SelfCheckMissing,
)
from kernel.identity.recording import among, lock_recording
from kernel.ids import VersionId
from kernel.unit import Unit

FILING_NUMBER: Final = re.compile(r"教APP备\d{7,10}号", re.ASCII)
"""教育移动互联网应用程序备案号: 教APP备, digits, 号."""
EXAMPLE_NUMBER: Final = "教APP备1101234号"


@dataclass(frozen=True, kw_only=True, slots=True)
class SelfCheck:
    """What a vendor declares of its version: `answers` by criterion; `commits` as it is signed."""

    answers: Mapping[str, str]
    commitment: str
    commits: bool
    filing_number: str = ""
    stages: Sequence[str] = field(default=())
    conditions: str = ""


def submit(unit: Unit, version_id: VersionId, check: SelfCheck) -> None:
    """Submit a draft with its self-check, as a manager of its vendor.

    Raises `SelfCheckMissing`, `CommitmentMissing`, `FilingNumberMissing`, `NothingChanged` for what
    was admitted just so, `InvalidInput` for a text that is too long, and what `move` raises.
    """
    lock_recording(unit)  # who records numbers versions, too
    (version,) = lock_versions(unit, [version_id])
    require_own_vendor(unit, [version])
    if version.state != VersionState.DRAFT:
        raise Conflict(
            what="version",
            key=version.title,
            state=VersionState(version.state),
            wanted=VersionState.SUBMITTED,
        )
    _number_last(unit, version)
    changes = changes_of(unit, [version])[version.id]
    if not changes:
        raise NothingChanged(key=version.title)
    asked = criteria_of(depth_of(changes))
    missing = [one for one in asked if not check.answers.get(one, "").strip()]
    if missing:
        raise SelfCheckMissing(missing=missing)
    for one in asked:
        require_statement(check.answers[one], field=f"check_{one}")
    require_statement(check.commitment, field="commitment")
    if not (check.commits and check.commitment.strip()):
        raise CommitmentMissing
    number = check.filing_number.strip()
    if needs_filing_number(version) and not FILING_NUMBER.fullmatch(number):
        raise FilingNumberMissing(field="filing_number", value=number, expected=EXAMPLE_NUMBER)
    unit.session.add(
        Submission(
            version_id=version.id,
            self_check={one.value: check.answers[one].strip() for one in asked},
            commitment=check.commitment.strip(),
            filing_number=number,
            suits=suitability(check.stages, check.conditions),
            submitted_by=unit.actor.person_id,
            submitted_at=unit.clock.now(),
        )
    )
    unit.session.flush()
    declare_work(unit, version)
    move(unit, [version], VersionState.SUBMITTED, changes=changes, filing_number=number)


def _number_last(unit: Unit, version: Version) -> None:
    """Make a draft the last version of its resource: a file may have brought others meanwhile."""
    last = unit.session.scalars(
        select(func.max(Version.number)).where(Version.resource_id == version.resource_id)
    ).one()
    if version.number < last:
        version.number = last + 1
        unit.session.flush()


def withdraw(unit: Unit, version_id: VersionId, *, note: str = "") -> None:
    """Withdraw a version as a manager of its vendor; its history and its bills stay (R4)."""
    (version,) = lock_versions(unit, [version_id])
    require_own_vendor(unit, [version])
    move(unit, [version], VersionState.WITHDRAWN, note=note)


def needs_filing_number(version: Version) -> bool:
    """Whether the version opens an app outside the platform, which has to be filed (备案)."""
    return bool(version.metadata_.get("launch_url"))


def submissions_of(unit: Unit, versions: Sequence[Version]) -> dict[Any, Submission]:
    """Return the versions' submissions by version; a version that came in a file has none."""
    rows = unit.session.scalars(
        select(Submission).where(among(Submission.version_id, [version.id for version in versions]))
    )
    return {row.version_id: row for row in rows}


def suitability(stages: Sequence[str], conditions: str) -> dict[str, Any]:
    """Return for which stages and on which conditions something suits, as it is kept (R60).

    Raises `InvalidInput` for what is no stage, or too long.
    """
    require_suits(stages, conditions)
    return {"stages": list(dict.fromkeys(stages)), "conditions": conditions.strip()}
