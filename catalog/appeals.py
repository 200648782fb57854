"""Appeals against a refusal or a takedown, decided by another reviewer (R14).

Decides who may judge: a reviewer of the bureau that decided, or of one above it, who had no part in
what is appealed and no interest in the vendor. Upheld, a refused version goes back to the queue for
others to review, and a suspended one is listed again. Lifting the takedown ends its appeal, too.
"""

from uuid import UUID

from sqlalchemy import select

from catalog.admission_models import AdmissionAppeal, Takedown
from catalog.appeal_ends import end_appeal
from catalog.life_cycle import move, require_own_vendor
from catalog.models import Admission, Version
from catalog.reviewers import (
    Reviewer,
    answered_for,
    lock_versions,
    refuse_interest,
    require_reviewer,
)
from catalog.states import AdmissionState, VersionState
from catalog.takedowns import open_takedown, restore
from kernel.errors import (
    AppealedAlready,
    Conflict,
    NotFound,
    ReasonRequired,
    TookPart,
)
from kernel.ids import VersionId, new_id
from kernel.trail import record
from kernel.unit import Unit


def appeal(unit: Unit, version_id: VersionId, *, claim: str) -> UUID:
    """Appeal against the refusal or the takedown of one's own version; return the appeal.

    Raises `ReasonRequired`, `AppealedAlready`, `Conflict` for what is not refused or suspended.
    """
    (version,) = lock_versions(unit, [version_id])
    require_own_vendor(unit, [version])
    if not claim.strip():
        raise ReasonRequired
    kind, against = _appealable(unit, version)
    known = unit.session.scalar(
        select(AdmissionAppeal.id).where(AdmissionAppeal.against == against)
    )
    if known is not None:
        raise AppealedAlready(key=version.title)
    made = AdmissionAppeal(
        id=new_id(),
        version_id=version.id,
        kind=kind,
        against=against,
        claim=claim.strip(),
        made_by=unit.actor.person_id,
        made_at=unit.clock.now(),
        note="",
    )
    unit.session.add(made)
    record(
        unit,
        "appeal.made",
        subject_kind="version",
        subject_id=version.id,
        title=version.title,
        kind=kind,
        claim=claim,
    )
    unit.session.flush()
    return made.id


def decide_appeal(unit: Unit, version_id: VersionId, *, upheld: bool, note: str) -> None:
    """Decide the open appeal about a version, as a reviewer who had no part in it.

    Raises `ReasonRequired`, `NotFound`, `TookPart`, `VendorInterest`.
    """
    reviewer = require_reviewer(unit, "decide an appeal")
    if not note.strip():
        raise ReasonRequired
    (version,) = lock_versions(unit, [version_id])
    made = unit.session.scalars(
        select(AdmissionAppeal)
        .where(AdmissionAppeal.version_id == version.id, AdmissionAppeal.decided_at.is_(None))
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if made is None:
        raise NotFound(what="appeal", key=version.title)
    refuse_interest(unit, reviewer, [version])
    _require_another(unit, reviewer, version, made)
    end_appeal(unit, made, reviewer, upheld=upheld, note=note, by="decision")
    if upheld and made.kind == "refusal":
        move(unit, [version], VersionState.SUBMITTED, note=note)
    elif upheld:
        restore(unit, version_id, note=note)


def _appealable(unit: Unit, version: Version) -> tuple[str, UUID]:
    """Return what of a version can be appealed against, and its id."""
    if version.state == VersionState.REFUSED:
        refusal = unit.session.scalars(
            select(Admission.id)
            .where(Admission.version_id == version.id, Admission.state == AdmissionState.REFUSED)
            .order_by(Admission.round.desc())
            .limit(1)
        ).one()
        return "refusal", refusal
    takedown = open_takedown(unit, version)
    if takedown is not None:
        return "takedown", takedown.id
    raise Conflict(
        what="version", key=version.title, state=VersionState(version.state), wanted="appealed"
    )


def _require_another(
    unit: Unit, reviewer: Reviewer, version: Version, made: AdmissionAppeal
) -> None:
    """Raise unless the reviewer's bureau answers for the decision and they had no part in it."""
    part: set[UUID | None]
    if made.kind == "refusal":
        admission = unit.session.get_one(Admission, made.against)
        bureau_id, part = admission.bureau_id, {admission.proposed_by, admission.decided_by}
    else:
        takedown = unit.session.get_one(Takedown, made.against)
        bureau_id, part = takedown.bureau_id, {takedown.taken_by}
    if bureau_id not in set(unit.session.scalars(answered_for(unit))):
        raise NotFound(what="appeal", key=version.title)
    if reviewer.person_id in part:
        raise TookPart(person=unit.actor.name, key=version.title)
