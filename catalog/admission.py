"""Admission: a reviewer claims and proposes, another of the same bureau decides (R9, R11, R13).

Decides who may do which and what becomes of the version. The bureau that claimed answers for what
it lets in (R10): it and both reviewers stand on the record. Any bureau may claim what none has
claimed yet. A whole catalogue that came as a file may be proposed at once: what is noted then is
the evidence of every finding.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, or_, select

from catalog.changes import changes_of
from catalog.criteria import (
    Criterion,
    Depth,
    Finding,
    Reason,
    criteria_of,
    depth_of,
    failed,
    unjudged,
)
from catalog.life_cycle import move
from catalog.models import Admission, Version
from catalog.opening import refuse_under_takedown
from catalog.ownership import require_confirmed
from catalog.packs import require_parts_listed
from catalog.proposed_offers import enter_offers, enter_policy, hold_prices
from catalog.reviewers import (
    Reviewer,
    lock_versions,
    refuse_interest,
    require_reviewer,
)
from catalog.states import (
    ADMISSION_TRANSITIONS,
    VERDICTS,
    AdmissionState,
    VersionState,
    require_verdict,
)
from catalog.wording import require_statement
from kernel.errors import (
    ClaimedByAnother,
    Conflict,
    FindingsAgainst,
    FindingsMissing,
    NotClaimed,
    NoteRequired,
    NotFound,
    NotProposed,
    OwnInterest,
    ReasonRequired,
    TookPart,
)
from kernel.identity.recording import among
from kernel.ids import VersionId, new_id
from kernel.trail import record
from kernel.unit import Unit


def claim(unit: Unit, version_ids: Collection[VersionId]) -> None:
    """Claim submitted versions for the actor and their bureau.

    Raises `ClaimedByAnother` for one that a colleague has, `Conflict` for one that is not submitted
    any more, `VendorInterest`, and `TookPart` for one that was refused with the actor's part and
    reopened.
    """
    _claim(unit, version_ids, lambda _depth: {"state": AdmissionState.CLAIMED})


def propose_admission(unit: Unit, version_ids: Collection[VersionId], *, note: str) -> None:
    """Claim submitted versions and propose at once to admit them, all on the evidence of `note`.

    Raises as `claim` does, `NoteRequired`, and `InvalidInput` for a note that is too long.
    """
    if not note.strip():
        raise NoteRequired
    require_statement(note, field="note")
    now = unit.clock.now()
    person_id = require_reviewer(unit, "propose an admission").person_id
    finding = {"finding": Finding.MEETS, "evidence": note.strip()}

    def proposed(depth: Depth) -> dict[str, Any]:
        return {
            "state": AdmissionState.PROPOSED,
            "findings": {one.value: finding for one in criteria_of(depth)},
            "verdict": AdmissionState.ADMITTED,
            "proposed_by": person_id,
            "proposed_at": now,
            "note": note,
        }

    waiting = lock_versions(unit, version_ids)
    require_confirmed(unit, waiting)
    refuse_under_takedown(unit, waiting)
    versions = _claim(unit, version_ids, proposed)
    _trail(unit, "admission.proposed", versions, note=note, verdict=AdmissionState.ADMITTED)


def release(unit: Unit, version_id: VersionId, *, note: str = "") -> None:
    """Give a version back to the queue: one's own claim, or with the reason a colleague's review.

    So a second reviewer who does not follow a proposal leaves it to others.
    """
    require_statement(note, field="note")
    reviewer = require_reviewer(unit, "release an admission")
    (version,) = lock_versions(unit, [version_id])
    admission = _open_admission(unit, reviewer, version)
    is_own_claim = (
        admission.state == AdmissionState.CLAIMED and admission.claimed_by == reviewer.person_id
    )
    if not is_own_claim and not note.strip():
        raise ReasonRequired
    admission.state = AdmissionState.RELEASED
    admission.decision_note = note
    unit.session.flush()
    move(unit, [version], VersionState.SUBMITTED, note=note)


def judge(
    unit: Unit, version_id: VersionId, criterion: Criterion, *, finding: Finding, evidence: str
) -> None:
    """Write one criterion's finding with its evidence, on the actor's own claim (R11)."""
    _version, admission = _own_claim(unit, version_id)
    if not evidence.strip():
        raise FindingsMissing(missing=[criterion])
    require_statement(evidence, field="evidence")
    admission.findings = {
        **admission.findings,
        criterion.value: {"finding": finding.value, "evidence": evidence.strip()},
    }
    unit.session.flush()


def propose(
    unit: Unit,
    version_id: VersionId,
    *,
    verdict: AdmissionState,
    note: str,
    reasons: Sequence[Reason] = (),
    suits: Mapping[str, Any] | None = None,
) -> None:
    """Propose a verdict on one's own claim; `suits`: for which schools, on which conditions (R60).

    Raises `FindingsMissing` while a criterion has no finding, `FindingsAgainst` for a proposal to
    admit what fails one, `OwnershipUnconfirmed` for a teacher's work that the school has not
    confirmed, `UnderTakedown`, `NoteRequired` for one to return or refuse that says no reason.
    """
    version, admission = _own_claim(unit, version_id)
    depth = Depth(admission.depth)
    require_verdict(verdict)
    require_statement(note, field="note")
    missing = unjudged(admission.findings, depth)
    if missing:
        raise FindingsMissing(missing=missing)
    against = failed(admission.findings)
    if verdict is AdmissionState.ADMITTED and against:
        raise FindingsAgainst(criteria=against)
    if verdict is AdmissionState.ADMITTED:
        require_confirmed(unit, [version])
        refuse_under_takedown(unit, [version])
    elif not (note.strip() or reasons):
        raise NoteRequired
    refuse_interest(unit, require_reviewer(unit, "propose an admission"), [version])
    admission.state = AdmissionState.PROPOSED
    admission.verdict = verdict
    admission.note = note.strip()
    admission.reasons = [reason.value for reason in reasons]
    admission.suits = dict(suits or {})
    admission.proposed_by = unit.actor.person_id
    admission.proposed_at = unit.clock.now()
    _trail(unit, "admission.proposed", [version], note=note, verdict=verdict, reasons=reasons)


def decide_admission(
    unit: Unit,
    version_ids: Collection[VersionId],
    *,
    note: str,
    verdict: AdmissionState = AdmissionState.ADMITTED,
    price_from: date | None = None,
) -> None:
    """Decide what another reviewer of the bureau proposed; what is admitted is listed at once.

    `price_from`: the day of the price that the decision rests on, if the actor was shown one.
    Raises `OwnInterest` for one's own proposal, `NotFound` for another bureau's, `NotClaimed` for
    what nobody has under review, `NoteRequired` for a refusal or a return without its reason,
    `NotProposed` for admitting what the first reviewer would not, `UnderTakedown`, `Conflict` for
    what is decided already, `PriceDayMoved` for a price that would begin on another day by now.
    """
    require_verdict(verdict)
    require_statement(note, field="note")
    reviewer = require_reviewer(unit, "decide an admission")
    if verdict is AdmissionState.ADMITTED:
        hold_prices(unit, version_ids)
    versions = lock_versions(unit, version_ids)
    admissions = _lock_admissions(unit, versions, reviewer)
    refuse_interest(unit, reviewer, versions)
    now = unit.clock.now()
    for version in versions:
        admission = admissions.get(version.id)
        if admission is None:
            _refuse_unclaimed(version)
            raise NotFound(what="proposal", key=version.title)
        before = AdmissionState(admission.state)
        if verdict not in ADMISSION_TRANSITIONS[before]:
            raise Conflict(what="admission", key=version.title, state=before, wanted=verdict)
        if admission.proposed_by == reviewer.person_id:
            raise OwnInterest(act="decide an admission", person=unit.actor.name)
        if verdict is AdmissionState.ADMITTED and admission.verdict != verdict:
            raise NotProposed(key=version.title, verdict=admission.verdict)
        if verdict is not AdmissionState.ADMITTED and not _says_why(note, admission, verdict):
            raise NoteRequired
        admission.state = verdict
        admission.decided_by = reviewer.person_id
        admission.decided_at = now
        admission.decision_note = note
    if verdict is AdmissionState.ADMITTED:
        refuse_under_takedown(unit, versions)
        require_parts_listed(unit, versions)
    unit.session.flush()  # the database asks for the decision before it lets a version be listed
    for state in VERDICTS[verdict]:
        noted = note or _notes(admissions.values())
        move(unit, versions, state, note=noted, bureau=reviewer.bureau_id, at=now)
    if verdict is AdmissionState.ADMITTED:
        enter_offers(unit, versions, shown=price_from)
        enter_policy(unit, {version.resource_id for version in versions})


def _claim(
    unit: Unit, version_ids: Collection[VersionId], facts: Callable[[Depth], dict[str, Any]]
) -> list[Version]:
    """Insert an admission for each version with the `facts` of its depth, and move them on."""
    reviewer = require_reviewer(unit, "claim an admission")
    versions = lock_versions(unit, version_ids)
    if not versions:
        return []
    _refuse_claimed(unit, reviewer, versions)
    _refuse_earlier_part(unit, reviewer, versions)
    changes = changes_of(unit, versions)
    rounds = _rounds(unit, versions)
    rows = []
    for version in versions:
        depth = depth_of(changes[version.id])
        rows.append(
            {
                "id": new_id(),
                "version_id": version.id,
                "round": rounds.get(version.id, 0) + 1,
                "bureau_id": reviewer.bureau_id,
                "depth": depth,
                "changes": [change.value for change in changes[version.id]],
                "claimed_by": reviewer.person_id,
                "claimed_at": unit.clock.now(),
                "findings": {},
                "suits": {},
                "reasons": [],
                **facts(depth),
            }
        )
    move(unit, versions, VersionState.IN_REVIEW)
    unit.session.execute(insert(Admission), rows)
    return versions


def _refuse_claimed(unit: Unit, reviewer: Reviewer, versions: Sequence[Version]) -> None:
    """Raise `ClaimedByAnother` if another reviewer has one of the versions under review."""
    title = unit.session.scalars(
        select(Version.title)
        .join(Admission, Admission.version_id == Version.id)
        .where(
            among(Version.id, [version.id for version in versions]),
            Admission.state.in_((AdmissionState.CLAIMED, AdmissionState.PROPOSED)),
            Admission.claimed_by != reviewer.person_id,
        )
        .limit(1)
    ).first()
    if title is not None:
        raise ClaimedByAnother(key=title)


def _refuse_earlier_part(unit: Unit, reviewer: Reviewer, versions: Sequence[Version]) -> None:
    """Raise `TookPart` if the reviewer proposed or decided the refusal of one of the versions."""
    title = unit.session.scalars(
        select(Version.title)
        .join(Admission, Admission.version_id == Version.id)
        .where(
            among(Version.id, [version.id for version in versions]),
            Admission.state == AdmissionState.REFUSED,
            or_(
                Admission.proposed_by == reviewer.person_id,
                Admission.decided_by == reviewer.person_id,
            ),
        )
        .limit(1)
    ).first()
    if title is not None:
        raise TookPart(person=unit.actor.name, key=title)


def _rounds(unit: Unit, versions: Sequence[Version]) -> dict[UUID, int]:
    rows = unit.session.execute(
        select(Admission.version_id, func.max(Admission.round).label("last"))
        .where(among(Admission.version_id, [version.id for version in versions]))
        .group_by(Admission.version_id)
    )
    return {row.version_id: row.last for row in rows}


def _lock_admissions(
    unit: Unit, versions: Sequence[Version], reviewer: Reviewer
) -> dict[UUID, Admission]:
    """Return the last admission of each version that the reviewer's bureau has claimed."""
    found = unit.session.scalars(
        select(Admission)
        .where(
            among(Admission.version_id, [version.id for version in versions]),
            Admission.bureau_id == reviewer.bureau_id,
            Admission.state != AdmissionState.RELEASED,
        )
        .order_by(Admission.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return {admission.version_id: admission for admission in found}


def _open_admission(unit: Unit, reviewer: Reviewer, version: Version) -> Admission:
    admission = _lock_admissions(unit, [version], reviewer).get(version.id)
    if admission is None or admission.state not in (
        AdmissionState.CLAIMED,
        AdmissionState.PROPOSED,
    ):
        _refuse_unclaimed(version)
        raise NotFound(what="admission", key=version.title)
    return admission


def _refuse_unclaimed(version: Version) -> None:
    """Raise `NotClaimed` for what waits in the queue, where every bureau sees it."""
    if version.state == VersionState.SUBMITTED:
        raise NotClaimed(key=version.title)


def _own_claim(unit: Unit, version_id: VersionId) -> tuple[Version, Admission]:
    """Return a version and its admission, which the actor has claimed and not proposed yet."""
    reviewer = require_reviewer(unit, "review")
    (version,) = lock_versions(unit, [version_id])
    admission = _open_admission(unit, reviewer, version)
    if admission.state != AdmissionState.CLAIMED:
        raise Conflict(
            what="admission",
            key=version.title,
            state=AdmissionState(admission.state),
            wanted=AdmissionState.PROPOSED,
        )
    if admission.claimed_by != reviewer.person_id:
        raise ClaimedByAnother(key=version.title)
    return version, admission


def _says_why(note: str, admission: Admission, verdict: AdmissionState) -> bool:
    """Whether a refusal or return has its reason: the second's own, or the one it follows."""
    follows = admission.verdict == verdict
    return bool(note.strip() or (follows and (admission.note or admission.reasons)))


def _notes(admissions: Iterable[Admission]) -> str:
    return "; ".join(sorted({one.note or ", ".join(one.reasons) for one in admissions}))


def _trail(unit: Unit, act: str, versions: Sequence[Version], **facts: Any) -> None:
    for version in versions:
        record(
            unit,
            act,
            subject_kind="version",
            subject_id=version.id,
            resource=version.resource_id,
            number=version.number,
            title=version.title,
            **facts,
        )
    unit.session.flush()
