"""One case of the admission desk with all that a reviewer, or its vendor, needs to see.

Decides what of it the actor may do now, so that pages offer just that; whether it may happen is
still the services' question. A vendor sees its own cases without the reviewers' names.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ScalarSelect, or_, select
from sqlalchemy.orm import aliased

from catalog.admission_models import AdmissionAppeal, ProposedOffer, Submission, Takedown
from catalog.attachments.reading import AttachedFile, files_of
from catalog.changes import changes_of, described
from catalog.criteria import Change, Criterion, Depth, criteria_of, depth_of
from catalog.desk import OPEN, factor_counts
from catalog.differences import Difference, differences
from catalog.models import Admission, Resource, Version
from catalog.opening import may_open
from catalog.oversight import require_audited
from catalog.price_days import shown_day
from catalog.risk import Factor, Points, weigh
from catalog.states import LIFE_CYCLE, AdmissionState, VersionState
from catalog.visibility import visible_versions
from kernel.actors import OrganisationKind, Role
from kernel.errors import NotFound
from kernel.identity.models import Organisation, PersonPrivate
from kernel.ids import VersionId
from kernel.trail import TrailRow
from kernel.unit import Unit

QUIET: Final = frozenset({"admission.proposed", "admission.released"})
"""What the desk keeps to itself until it has decided."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """One criterion: what the vendor answered, what was found, on which evidence."""

    criterion: Criterion
    answer: str
    finding: str
    evidence: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Round:
    """One review, as it stands or ended; names are empty where they are not to be read."""

    number: int
    state: str
    bureau_name: str
    claimed_by: str
    proposed_by: str
    decided_by: str
    claimed_at: datetime
    proposed_at: datetime | None
    decided_at: datetime | None
    verdict: str
    reasons: tuple[str, ...]
    note: str
    decision_note: str
    suits: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class AppealView:
    kind: str
    claim: str
    made_at: datetime
    outcome: str
    note: str
    decided_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class TakedownView:
    ground: str
    reason: str
    bureau_name: str
    taken_by: str
    taken_at: datetime
    restored_by: str
    restored_at: datetime | None
    note: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """One act out of the trail; `who` is empty where the name is not the reader's to know."""

    at: datetime
    act: str
    who: str
    note: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """A version at the desk. `acts`: what the actor may try now.

    `price_from`: the day from which its price holds, or would if it were admitted today.
    """

    version_id: VersionId
    resource_id: UUID
    title: str
    sku: str
    number: int
    state: str
    vendor_name: str
    vendor_code: str
    described: Mapping[str, Any]
    differences: tuple[Difference, ...]
    changes: tuple[Change, ...]
    depth: Depth
    files: tuple[AttachedFile, ...]
    judged: tuple[Judged, ...]
    commitment: str
    filing_number: str
    suits: Mapping[str, Any]
    submitted_at: datetime | None
    price_from: date | None
    plan: Mapping[str, Any] | None
    factors: tuple[Points, ...]
    rounds: tuple[Round, ...]
    takedowns: tuple[TakedownView, ...]
    appeals: tuple[AppealView, ...]
    history: tuple[Event, ...]
    acts: frozenset[str]

    @property
    def points(self) -> int:
        return sum(one.points for one in self.factors)


def case(unit: Unit, version_id: UUID) -> Case:
    """Return one version's case, or raise `NotFound`: a bureau's, or the vendor's own.

    An auditor's: what the bureaus of its subtree reviewed.
    """
    actor = unit.actor
    before = aliased(Version)
    found = unit.session.execute(
        visible_versions(unit)
        .join(Organisation, Organisation.id == Resource.vendor_id)
        .outerjoin(Submission, Submission.version_id == Version.id)
        .outerjoin(ProposedOffer, ProposedOffer.version_id == Version.id)
        .outerjoin(before, before.id == _admitted_before())
        .where(Version.id == version_id)
        .with_only_columns(Version, Resource, Organisation, Submission, ProposedOffer, before)
    ).one_or_none()
    is_desk = actor.organisation_kind is OrganisationKind.BUREAU or actor.is_system
    if found is None or not (is_desk or found.Organisation.id == actor.organisation_id):
        raise NotFound(what="version", key=version_id)
    version, resource, vendor, submission, offer, earlier = found
    require_audited(unit, version)
    claimer, proposer, decider = (aliased(PersonPrivate) for _ in range(3))
    reviews: Sequence[Any] = unit.session.execute(
        select(Admission, Organisation.name, claimer, proposer, decider)
        .join(Organisation, Organisation.id == Admission.bureau_id)
        .outerjoin(claimer, claimer.person_id == Admission.claimed_by)
        .outerjoin(proposer, proposer.person_id == Admission.proposed_by)
        .outerjoin(decider, decider.person_id == Admission.decided_by)
        .where(Admission.version_id == version.id)
        .order_by(Admission.round)
    ).all()
    admissions = [admission for admission, *_ in reviews]
    taker, restorer = aliased(PersonPrivate), aliased(PersonPrivate)
    downs: Sequence[Any] = unit.session.execute(
        select(Takedown, Organisation.name, taker, restorer)
        .join(Organisation, Organisation.id == Takedown.bureau_id)
        .outerjoin(taker, taker.person_id == Takedown.taken_by)
        .outerjoin(restorer, restorer.person_id == Takedown.restored_by)
        .where(
            Takedown.resource_id == resource.id,
            or_(Takedown.restored_at.is_(None), Takedown.versions.contains([str(version.id)])),
        )
        .order_by(Takedown.taken_at)
    ).all()
    takedowns = [takedown for takedown, *_ in downs]
    bureaus = {one.bureau_id: name for one, name, *_ in (*reviews, *downs)}
    appeals = unit.session.scalars(
        select(AdmissionAppeal)
        .where(AdmissionAppeal.version_id == version.id)
        .order_by(AdmissionAppeal.made_at)
    ).all()
    last = admissions[-1] if admissions else None
    # What is still being weighed is the desk's; its vendor reads what was decided.
    told = [one for one in admissions if is_desk or one.state not in OPEN]
    changes = [Change(one) for one in last.changes] if last else []
    if not last:
        changes = changes_of(unit, [version])[version.id]
    depth = Depth(last.depth) if last else depth_of(changes)
    people = [one for _, _, *people in (*reviews, *downs) for one in people if one is not None]
    names = {one.person_id: one.name for one in people} if is_desk else {}
    admitted = (one.decided_at for one in admissions if one.state == AdmissionState.ADMITTED)
    is_later = earlier is not None and earlier.number < version.number
    files = files_of(unit, [version.id, *((earlier.id,) if is_later else ())])
    factors = _factors(unit, version, changes) if is_desk else ()
    return Case(
        version_id=VersionId(version.id),
        resource_id=resource.id,
        title=version.title,
        sku=resource.sku,
        number=version.number,
        state=version.state,
        vendor_name=vendor.name,
        vendor_code=vendor.code,
        described=described(version),
        differences=differences(unit, earlier, version, files=files) if is_later else (),
        changes=tuple(changes),
        depth=depth,
        files=tuple(files.get(version.id, ())),
        judged=_judged(depth, submission, last if last in told else None),
        commitment=submission.commitment if submission else "",
        filing_number=submission.filing_number if submission else "",
        suits=_suits(last if last in told else None, submission),
        submitted_at=submission.submitted_at if submission else None,
        price_from=shown_day(unit, offer, resource.id, admitted_at=next(admitted, None))
        if offer
        else None,
        plan=offer.plan if offer else None,
        factors=factors,
        rounds=tuple(_round(one, names, bureaus) for one in told),
        takedowns=tuple(
            TakedownView(
                ground=one.ground,
                reason=one.reason,
                bureau_name=bureaus[one.bureau_id],
                taken_by=names.get(one.taken_by, ""),
                taken_at=one.taken_at,
                restored_by=names.get(one.restored_by, ""),
                restored_at=one.restored_at,
                note=one.note,
            )
            for one in takedowns
        ),
        appeals=tuple(
            AppealView(
                kind=one.kind,
                claim=one.claim,
                made_at=one.made_at,
                outcome=one.outcome or "",
                note=one.note,
                decided_at=one.decided_at,
            )
            for one in appeals
        ),
        history=_history(unit, version, is_desk=is_desk),
        acts=_acts(
            unit,
            version,
            last,
            waits=any(one.decided_at is None for one in appeals),
            is_down=any(
                one.restored_at is None and str(version.id) in one.versions for one in takedowns
            ),
        ),
    )


def _factors(unit: Unit, version: Version, changes: Collection[Change]) -> tuple[Points, ...]:
    """Return what weighs for a version; what it changes, as its last review has it."""
    counts = factor_counts(unit, VersionId(version.id))
    of_changes = {
        Factor.FIRST_VERSION: int(Change.FIRST in changes),
        Factor.CONTENT_CHANGED: int(Change.CONTENT in changes),
    }
    return tuple(weigh(counts | of_changes))


def _history(unit: Unit, version: Version, *, is_desk: bool) -> tuple[Event, ...]:
    """Return what befell a version, the latest first; its vendor reads no reviewer's name."""
    rows = unit.session.execute(
        select(TrailRow, PersonPrivate.name)
        .outerjoin(PersonPrivate, PersonPrivate.person_id == TrailRow.actor_id)
        .where(TrailRow.subject_id == str(version.id), TrailRow.subject_kind == "version")
        .order_by(TrailRow.at.desc(), TrailRow.id.desc())
    )
    return tuple(
        Event(
            at=row.at,
            act=row.act,
            who=(name or row.actor_name) if is_desk else "",
            note=str(row.facts.get("note", "")),
        )
        for row, name in rows
        if is_desk or row.act not in QUIET
    )


def _acts(
    unit: Unit, version: Version, last: Admission | None, *, waits: bool, is_down: bool
) -> frozenset[str]:
    """Return what the actor may try; `waits`: an appeal is open; `is_down`: a takedown is."""
    state = VersionState(version.state)
    found: set[str] = set()
    if unit.actor.may(Role.VENDOR_MANAGER):
        found |= _vendor_acts(state, waits=waits, is_down=is_down)
    if unit.actor.may(Role.ADMISSION) and unit.actor.person_id is not None:
        if last is not None and last.bureau_id == unit.actor.organisation_id:
            found |= _review_acts(last, unit.actor.person_id)
        found |= {
            act
            for act, may in (
                ("claim", state is VersionState.SUBMITTED),
                ("take_down", may_open(unit, version)),
                ("restore", not waits and is_down),
                ("decide_appeal", waits),
            )
            if may
        }
    return frozenset(found)


def _vendor_acts(state: VersionState, *, waits: bool, is_down: bool) -> set[str]:
    if state is VersionState.DRAFT:
        return {"edit", "submit"}
    found = {"withdraw"} if (state, VersionState.WITHDRAWN) in LIFE_CYCLE else set()
    if (state is VersionState.REFUSED or is_down) and not waits:
        found.add("appeal")
    return found


def _review_acts(last: Admission, person_id: UUID) -> set[str]:
    if last.state == AdmissionState.CLAIMED:
        return {"release", *(("judge", "propose") if last.claimed_by == person_id else ())}
    if last.state == AdmissionState.PROPOSED:
        return {"release", *(("decide",) if last.proposed_by != person_id else ())}
    return set()


def _judged(
    depth: Depth, submission: Submission | None, admission: Admission | None
) -> tuple[Judged, ...]:
    answers = submission.self_check if submission else {}
    findings = admission.findings if admission else {}
    return tuple(
        Judged(
            criterion=one,
            answer=str(answers.get(one, "")),
            finding=str(findings.get(one, {}).get("finding", "")),
            evidence=str(findings.get(one, {}).get("evidence", "")),
        )
        for one in criteria_of(depth)
    )


def _suits(admission: Admission | None, submission: Submission | None) -> Mapping[str, Any]:
    """Return for which schools it suits: as it was judged, else as its vendor offers it (R60)."""
    if admission is not None and admission.suits:
        return admission.suits
    return submission.suits if submission else {}


def _admitted_before() -> ScalarSelect[UUID]:
    """Select the id of the newest admitted version of the version's resource."""
    other = aliased(Version)
    return (
        select(other.id)
        .join(Admission, Admission.version_id == other.id)
        .where(other.resource_id == Version.resource_id, Admission.state == AdmissionState.ADMITTED)
        .order_by(other.number.desc())
        .limit(1)
        .correlate(Version)
        .scalar_subquery()
    )


def _round(one: Admission, names: Mapping[Any, str], bureaus: Mapping[UUID, str]) -> Round:
    return Round(
        number=one.round,
        state=one.state,
        bureau_name=bureaus[one.bureau_id],
        claimed_by=names.get(one.claimed_by, ""),
        proposed_by=names.get(one.proposed_by, ""),
        decided_by=names.get(one.decided_by, ""),
        claimed_at=one.claimed_at,
        proposed_at=one.proposed_at,
        decided_at=one.decided_at,
        verdict=one.verdict or "",
        reasons=tuple(one.reasons),
        note=one.note,
        decision_note=one.decision_note,
        suits=one.suits,
    )
