"""One case of the admission desk with all that a reviewer, or its vendor, needs to see.

Decides what of it the actor may do now, so that pages offer just that; whether it may happen is
still the services' question. A vendor sees its own cases without the reviewers' names.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select

from catalog.admission_models import AdmissionAppeal, ProposedOffer, Submission, Takedown
from catalog.changes import admitted_before, changes_of, described
from catalog.criteria import Change, Criterion, Depth, criteria_of, depth_of
from catalog.desk import OPEN, factor_counts
from catalog.models import Admission, Resource, Version
from catalog.risk import Points, weigh
from catalog.states import LIFE_CYCLE, AdmissionState, VersionState
from catalog.visibility import visible_versions
from kernel.actors import OrganisationKind, Role
from kernel.errors import NotFound
from kernel.identity.models import Organisation, PersonPrivate
from kernel.identity.recording import among
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
class Difference:
    """One thing that the version says otherwise than what was admitted before it."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """One act out of the trail; `who` is empty where the name is not the reader's to know."""

    at: datetime
    act: str
    who: str
    note: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """A version at the desk. `acts`: what the actor may try now."""

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
    """Return one version's case, or raise `NotFound`: a bureau's, or the vendor's own."""
    actor = unit.actor
    found = unit.session.execute(
        visible_versions(unit)
        .join(Organisation, Organisation.id == Resource.vendor_id)
        .outerjoin(Submission, Submission.version_id == Version.id)
        .outerjoin(ProposedOffer, ProposedOffer.version_id == Version.id)
        .where(Version.id == version_id)
        .with_only_columns(Version, Resource, Organisation, Submission, ProposedOffer)
    ).one_or_none()
    is_desk = actor.organisation_kind is OrganisationKind.BUREAU or actor.is_system
    if found is None or not (is_desk or found.Organisation.id == actor.organisation_id):
        raise NotFound(what="version", key=version_id)
    version, resource, vendor, submission, offer = found
    reviews = unit.session.execute(
        select(Admission, Organisation.name)
        .join(Organisation, Organisation.id == Admission.bureau_id)
        .where(Admission.version_id == version.id)
        .order_by(Admission.round)
    ).all()
    admissions = [admission for admission, _ in reviews]
    downs = unit.session.execute(
        select(Takedown, Organisation.name)
        .join(Organisation, Organisation.id == Takedown.bureau_id)
        .where(Takedown.resource_id == resource.id, Takedown.versions.contains([str(version.id)]))
        .order_by(Takedown.taken_at)
    ).all()
    takedowns = [takedown for takedown, _ in downs]
    bureaus = {one.bureau_id: name for one, name in reviews}
    bureaus |= {one.bureau_id: name for one, name in downs}
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
    names = _names(unit, admissions, takedowns) if is_desk else {}
    factors = _factors(unit, version, vendor, changes, submission) if is_desk else ()
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
        differences=_differences(unit, version),
        changes=tuple(changes),
        depth=depth,
        judged=_judged(depth, submission, last if last in told else None),
        commitment=submission.commitment if submission else "",
        filing_number=submission.filing_number if submission else "",
        suits=_suits(last if last in told else None, submission),
        submitted_at=submission.submitted_at if submission else None,
        price_from=offer.valid_from if offer else None,
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
        acts=_acts(unit, version, last, waits=any(one.decided_at is None for one in appeals)),
    )


def _factors(
    unit: Unit,
    version: Version,
    vendor: Organisation,
    changes: list[Change],
    submission: Submission | None,
) -> tuple[Points, ...]:
    counts = factor_counts(
        unit,
        [version],
        vendors={version.id: vendor.id},
        changes={version.id: changes},
        submitted={version.id: submission.submitted_at} if submission else {},
    )
    return tuple(weigh(counts[version.id]))


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


def _acts(unit: Unit, version: Version, last: Admission | None, *, waits: bool) -> frozenset[str]:
    """Return what the actor may try; `waits`: an appeal about the version is open."""
    state = VersionState(version.state)
    found: set[str] = set()
    if unit.actor.may(Role.VENDOR_MANAGER):
        found |= _vendor_acts(state, waits=waits)
    if unit.actor.may(Role.ADMISSION) and unit.actor.person_id is not None:
        if last is not None and last.bureau_id == unit.actor.organisation_id:
            found |= _review_acts(last, unit.actor.person_id)
        found |= {
            act
            for act, may in (
                ("claim", state is VersionState.SUBMITTED),
                ("take_down", state is VersionState.LISTED),
                ("restore", state is VersionState.SUSPENDED and not waits),
                ("decide_appeal", waits),
            )
            if may
        }
    return frozenset(found)


def _vendor_acts(state: VersionState, *, waits: bool) -> set[str]:
    if state is VersionState.DRAFT:
        return {"edit", "submit"}
    found = {"withdraw"} if (state, VersionState.WITHDRAWN) in LIFE_CYCLE else set()
    if state in (VersionState.REFUSED, VersionState.SUSPENDED) and not waits:
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


def _differences(unit: Unit, version: Version) -> tuple[Difference, ...]:
    before = admitted_before(unit, {version.resource_id}).get(version.resource_id)
    if before is None or before.number >= version.number:
        return ()
    old, new = described(before), described(version)
    return tuple(
        Difference(name=name, before=_said(old.get(name)), after=_said(new.get(name)))
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    )


def _said(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value or "")


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


def _names(unit: Unit, admissions: Any, takedowns: Any) -> dict[Any, str]:
    ids = {
        person_id
        for one in admissions
        for person_id in (one.claimed_by, one.proposed_by, one.decided_by)
    } | {person_id for one in takedowns for person_id in (one.taken_by, one.restored_by)}
    return {
        row.person_id: row.name
        for row in unit.session.scalars(
            select(PersonPrivate).where(among(PersonPrivate.person_id, ids - {None}))
        )
    }
