"""Samples for a blind audit: drawn so that anybody can draw again, judged by the uninvolved.

Decides who is drawn (versions that the bureau let in, by the order of SHA-256 over the seed and the
version's id) and who may judge (a reviewer who had no part in the admission). Who judges reads the
content, never the vendor or the earlier findings.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select

from catalog.changes import described
from catalog.models import Admission, Version
from catalog.reviewers import lock_versions, refuse_interest, require_reviewer
from catalog.sharing_models import BlindSample
from catalog.states import AdmissionState, VersionState
from kernel.errors import AlreadyExists, Conflict, InvalidInput, MissingValue, NotFound, TookPart
from kernel.ids import VersionId, new_id
from kernel.trail import record
from kernel.unit import Unit

HIDDEN = frozenset({"author", "address", "launch_url", "author_school_id", "author_school_code"})
"""What would tell whose the version is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleView:
    """A drawn version without its vendor; `standing`: waiting, passed, failed."""

    id: UUID
    seed: str
    title: str
    content: dict[str, Any]
    drawn_at: datetime
    standing: str
    note: str


def draw_sample(unit: Unit, *, seed: str, size: int) -> list[UUID]:
    """Draw listed versions of the actor's bureau; return the samples.

    Raises `AlreadyExists` for a seed that was drawn with: nobody draws until it suits them.
    """
    reviewer = require_reviewer(unit, "draw a sample")
    if not seed.strip():
        raise MissingValue(field="seed")
    if not 1 <= size <= 500:
        raise InvalidInput(field="size", value=size, expected="1 to 500")
    known = unit.session.scalars(
        select(BlindSample.id).where(
            BlindSample.bureau_id == reviewer.bureau_id, BlindSample.seed == seed.strip()
        )
    ).first()
    if known is not None:
        raise AlreadyExists(what="sample", key=seed.strip())
    ids = unit.session.scalars(
        select(Version.id)
        .join(Admission, Admission.version_id == Version.id)
        .where(
            Version.state == VersionState.LISTED,
            Admission.state == AdmissionState.ADMITTED,
            Admission.bureau_id == reviewer.bureau_id,
        )
    ).all()
    drawn = drawn_from(list(ids), seed=seed.strip(), size=size)
    now = unit.clock.now()
    samples = [
        BlindSample(
            id=new_id(),
            bureau_id=reviewer.bureau_id,
            seed=seed.strip(),
            version_id=version_id,
            drawn_by=reviewer.person_id,
            drawn_at=now,
            note="",
        )
        for version_id in drawn
    ]
    unit.session.add_all(samples)
    record(
        unit,
        "sample.drawn",
        subject_kind="bureau",
        subject_id=reviewer.bureau_id,
        seed=seed.strip(),
        of=len(ids),
        drawn=len(drawn),
        versions=sorted(drawn),
        at=now,
    )
    unit.session.flush()
    return [one.id for one in samples]


def drawn_from(ids: list[UUID], *, seed: str, size: int) -> list[UUID]:
    """Return the first `size` ids by SHA-256 over seed and id, whatever order they came in."""
    return sorted(ids, key=lambda one: hashlib.sha256(f"{seed}:{one}".encode()).digest())[:size]


def judge_sample(unit: Unit, sample_id: UUID, *, passed: bool, note: str) -> None:
    """Say whether a drawn version meets the criteria, as somebody without a part in it.

    Raises `TookPart`, `Conflict` once judged, `MissingValue` without a note.
    """
    reviewer = require_reviewer(unit, "judge a sample")
    if not note.strip():
        raise MissingValue(field="note")
    sample = unit.session.scalars(
        select(BlindSample)
        .where(BlindSample.id == sample_id, BlindSample.bureau_id == reviewer.bureau_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if sample is None:
        raise NotFound(what="sample", key=sample_id)
    (version,) = lock_versions(unit, [VersionId(sample.version_id)])
    if sample.passed is not None:
        raise Conflict(what="sample", key=version.title, state="judged", wanted="judged")
    part = unit.session.scalar(
        select(Admission.id)
        .where(
            Admission.version_id == version.id,
            or_(
                Admission.proposed_by == reviewer.person_id,
                Admission.decided_by == reviewer.person_id,
            ),
        )
        .limit(1)
    )
    if part is not None or sample.drawn_by == reviewer.person_id:
        raise TookPart(person=unit.actor.name, key=version.title)
    refuse_interest(unit, reviewer, [version])
    sample.passed, sample.note = passed, note.strip()
    sample.judged_by, sample.judged_at = reviewer.person_id, unit.clock.now()
    record(
        unit,
        "sample.judged",
        subject_kind="version",
        subject_id=version.id,
        passed=passed,
        seed=sample.seed,
        note=note.strip(),
        at=sample.judged_at,
    )
    unit.session.flush()


def samples(unit: Unit) -> list[SampleView]:
    """Return the actor's bureau's samples, those that wait first, without whose they are."""
    reviewer = require_reviewer(unit, "see samples")
    rows = unit.session.execute(
        select(BlindSample, Version)
        .join(Version, Version.id == BlindSample.version_id)
        .where(BlindSample.bureau_id == reviewer.bureau_id)
        .order_by(BlindSample.judged_at.is_not(None), BlindSample.drawn_at.desc(), BlindSample.id)
    )
    standing = {None: "waiting", True: "passed", False: "failed"}
    return [
        SampleView(
            id=one.id,
            seed=one.seed,
            title=version.title,
            content={
                name: value
                for name, value in described(version).items()
                if value and name not in HIDDEN
            },
            drawn_at=one.drawn_at,
            standing=standing[one.passed],
            note=one.note,
        )
        for one, version in rows
    ]
