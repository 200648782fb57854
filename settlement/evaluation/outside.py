"""Third parties: what they found, and the subject's right of reply (R65).

Decides that an evaluator files findings about schools and bureaus of a region for which it is
admitted (`admissions`), about vendors, resources and the platform, and none about whom one of its
people worked for; that a finding stays as it was filed. Nothing of it is read by a score.
"""

import hashlib
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import aliased

from catalog.visibility import known_resources
from kernel.actors import OrganisationKind, Role
from kernel.clock import shanghai_day
from kernel.errors import (
    DoneAlready,
    FiledAlready,
    InvalidInput,
    MarketError,
    MissingValue,
    NotFound,
    Refused,
    VendorInterest,
)
from kernel.identity.models import Organisation, Region, RegionClosure, RoleGrant
from kernel.identity.organisations import organisation_by_code
from kernel.identity.visibility import visible_regions
from kernel.ids import new_id
from kernel.trail import record
from kernel.unit import Unit
from settlement.evaluation.admissions import running_admissions
from settlement.evaluation.models import EvaluatorAdmission, OutsideFinding
from settlement.texts import reason_of, words_of

REPLIERS: Final = (Role.VENDOR_MANAGER, Role.PRINCIPAL, Role.OPERATOR, Role.ADMISSION)
RESOURCE, PLATFORM = "resource", "platform"
WITHIN: Final = frozenset({OrganisationKind.SCHOOL.value, OrganisationKind.BUREAU.value})
LONGEST_SOURCE: Final = 500
OLDEST: Final = timedelta(days=3_653)
"""Ten years: how long ago what is filed may have been found."""
SUBJECTS: Final = (OrganisationKind.VENDOR.value, RESOURCE, *sorted(WITHIN), PLATFORM)


def file_finding(
    unit: Unit, kind: str, key: str, *, finding: str, source: str, found_on: date
) -> UUID:
    """File a finding about a subject as an evaluator; return it.

    `key`: a code, of a resource `vendor/sku`, of the platform nothing. Raises `InvalidInput`,
    `NotFound` for what lies outside the region, `VendorInterest`, `MissingValue`, `FiledAlready`.
    """
    actor = unit.actor
    actor.require("file a finding", Role.EVALUATOR)
    if actor.person_id is None or actor.organisation_id is None:
        raise Refused(act="file a finding", needs=Role.EVALUATOR, actor=actor.name)
    finding, source = words_of("finding", finding), words_of("source", source, most=LONGEST_SOURCE)
    _require_day(unit, found_on)
    admitted = running_admissions(unit, actor.organisation_id)
    if not admitted:
        raise Refused(act="file a finding", needs="an admission by a bureau", actor=actor.name)
    subject = _subject(unit, kind, key)
    admission = _admission_of(unit, subject, kind, admitted, key=key)
    if subject is not None:
        _refuse_interest(unit, subject)
    facts = [kind, key, finding, source, found_on.isoformat()]
    digest = hashlib.sha256(msgspec.json.encode(facts)).digest()
    known = unit.session.scalar(
        select(OutsideFinding.id).where(
            OutsideFinding.evaluator_id == actor.organisation_id, OutsideFinding.digest == digest
        )
    )
    if known is not None:
        raise FiledAlready(what="finding", key=key or kind)
    filed = OutsideFinding(
        id=new_id(),
        evaluator_id=actor.organisation_id,
        admission_id=admission.id,
        region_code=admission.region_code,
        subject_kind=kind,
        subject_key=key,
        subject_id=None if subject is None else subject.id,
        finding=finding,
        source=source,
        found_on=found_on,
        digest=digest,
        filed_by=actor.person_id,
        filed_at=unit.clock.now(),
    )
    unit.session.add(filed)
    unit.session.flush()
    record(
        unit,
        "finding.filed",
        subject_kind=kind,
        subject_id=key or kind,
        digest=digest.hex(),
    )
    return filed.id


def wrong_fields(
    unit: Unit, kind: str, key: str, *, finding: str, source: str, found_on: date | None
) -> dict[str, MarketError]:
    """Return by field all that speaks against a finding; `found_on`: None if it is no day."""
    found: dict[str, MarketError] = {}
    for field, check in (
        ("key", lambda: _require_subject(unit, kind, key)),
        ("finding", lambda: words_of("finding", finding)),
        ("source", lambda: words_of("source", source, most=LONGEST_SOURCE)),
        ("found_on", lambda: _require_day(unit, found_on) if found_on else None),
    ):
        try:
            check()
        except (InvalidInput, MissingValue, NotFound, VendorInterest) as error:
            found[str(error.facts.get("field", field))] = error
    return found


def _require_subject(unit: Unit, kind: str, key: str) -> None:
    subject = _subject(unit, kind, key)
    if subject is not None:
        _refuse_interest(unit, subject)


def withdraw_finding(unit: Unit, finding_id: UUID, *, because: str) -> None:
    """Withdraw an own finding with the reason; it stays to be read, struck out."""
    unit.actor.require("withdraw a finding", Role.EVALUATOR)
    found = _locked(unit, finding_id)
    if found.evaluator_id != unit.actor.organisation_id:
        raise NotFound(what="finding", key=finding_id)
    because = reason_of("because", because)
    if found.withdrawn_at is not None:
        raise DoneAlready(what="finding", done="withdrawn")
    found.withdrawn_because = because
    found.withdrawn_at = unit.clock.now()
    unit.session.flush()
    record(
        unit,
        "finding.withdrawn",
        subject_kind=found.subject_kind,
        subject_id=found.subject_key or found.subject_kind,
        because=because,
    )


def reply_to_finding(unit: Unit, finding_id: UUID, *, reply: str) -> None:
    """Reply, once, as the subject; for the platform as an operator over the finding's region."""
    actor = unit.actor
    actor.require("reply to a finding", *REPLIERS)
    found = _locked(unit, finding_id)
    if actor.person_id is None or not _is_subject(unit, found):
        raise NotFound(what="finding", key=finding_id)
    reply = words_of("reply", reply)
    if found.replied_at is not None:
        raise DoneAlready(what="finding", done="answered")
    found.reply = reply
    found.replied_by = actor.person_id
    found.replied_at = unit.clock.now()
    unit.session.flush()
    record(
        unit,
        "finding.replied",
        subject_kind=found.subject_kind,
        subject_id=found.subject_key or found.subject_kind,
    )


def may_reply(unit: Unit, finding_id: UUID) -> bool:
    """Return whether the actor speaks for a finding's subject."""
    found = unit.session.get(OutsideFinding, finding_id)
    return found is not None and unit.actor.may(*REPLIERS) and _is_subject(unit, found)


def may_withdraw(unit: Unit, finding_id: UUID) -> bool:
    """Return whether the actor's organisation filed a finding."""
    found = unit.session.get(OutsideFinding, finding_id)
    return (
        found is not None
        and unit.actor.may(Role.EVALUATOR)
        and found.evaluator_id == unit.actor.organisation_id
    )


def _require_day(unit: Unit, found_on: date) -> None:
    """Raise `InvalidInput` for a day that is ahead, or too long ago to say anything of today."""
    today = shanghai_day(unit.clock.now())
    first = today - OLDEST
    if not first <= found_on <= today:
        raise InvalidInput(
            field="found_on",
            value=found_on,
            expected="a day from {first} to {last}",
            limits={"first": first, "last": today},
        )


def _subject(unit: Unit, kind: str, key: str) -> Organisation | None:
    if kind not in SUBJECTS:
        raise InvalidInput(field="kind", value=kind, expected=" | ".join(SUBJECTS))
    if kind == PLATFORM:
        if key:
            raise InvalidInput(field="key", value=key, expected="nothing")
        return None
    if kind == RESOURCE:
        vendor_code, _, sku = key.partition("/")
        resource = known_resources(unit, [(vendor_code, sku)]).get((vendor_code, sku))
        if resource is None:
            raise NotFound(what="resource", key=key)
        return unit.session.get_one(Organisation, resource.vendor_id)
    return organisation_by_code(unit, OrganisationKind(kind), code=key)


def _admission_of(
    unit: Unit,
    subject: Organisation | None,
    kind: str,
    admitted: Sequence[EvaluatorAdmission],
    *,
    key: str,
) -> EvaluatorAdmission:
    """Return the admission under which a finding stands: for what lies in a region, the nearest."""
    if subject is None or kind not in WITHIN:
        return admitted[0]
    by_region = {one.region_code: one for one in admitted}
    found = unit.session.scalars(
        select(RegionClosure.ancestor_code)
        .where(
            RegionClosure.region_code == subject.region_code,
            RegionClosure.ancestor_code.in_(by_region),
        )
        .order_by(RegionClosure.distance)
        .limit(1)
    ).first()
    if found is None:
        raise NotFound(what=kind, key=key)
    return by_region[found]


def _refuse_interest(unit: Unit, subject: Organisation) -> None:
    """Raise where one of the evaluator's people holds or held a role at the subject."""
    theirs = aliased(RoleGrant)
    known = unit.session.scalar(
        select(RoleGrant.id)
        .join(theirs, theirs.person_id == RoleGrant.person_id)
        .where(
            RoleGrant.organisation_id == subject.id,
            theirs.organisation_id == unit.actor.organisation_id,
        )
        .limit(1)
    )
    if known is not None:
        raise VendorInterest(
            act="file a finding", person=unit.actor.organisation_name, vendor=subject.name
        )


def _locked(unit: Unit, finding_id: UUID) -> OutsideFinding:
    found = unit.session.scalars(
        select(OutsideFinding)
        .where(OutsideFinding.id == finding_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if found is None:
        raise NotFound(what="finding", key=finding_id)
    return found


def _is_subject(unit: Unit, found: OutsideFinding) -> bool:
    actor = unit.actor
    if found.subject_id is not None:
        return found.subject_id == actor.organisation_id
    if Role.OPERATOR not in actor.roles:
        return False
    region = visible_regions(unit).where(Region.code == found.region_code)
    return unit.session.scalars(region).first() is not None
