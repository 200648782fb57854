"""What the interfaces answer of cases and the queue, to reviewers and to vendors alike."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec

from catalog.attachments.reading import AttachedFile
from catalog.cases import Case
from catalog.desk import QueueRow
from catalog.differences import Comparison, Difference


class FactorAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A factor that counts, with the points it brings and the most that it may bring."""

    factor: str
    count: int
    points: int
    cap: int


class QueuedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One version at the desk; `standing`: waiting, mine, to-decide, with-a-colleague."""

    version_id: UUID
    title: str
    vendor_code: str
    sku: str
    number: int
    standing: str
    holder: str
    depth: str
    changes: list[str]
    since: datetime
    points: int
    factors: list[FactorAnswer]


class QueueAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The desk's queue, the highest points first; `waiting`: how many there are in all."""

    items: list[QueuedAnswer]
    waiting: int


class JudgedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One criterion with the vendor's answer, the finding and its evidence."""

    criterion: str
    answer: str
    finding: str
    evidence: str


class FileAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One attached file; `digest` is its SHA-256."""

    id: UUID
    name: str
    purpose: str
    media_type: str
    size_bytes: int
    digest: str


class DifferenceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is said otherwise; null where one of the two says nothing of it."""

    part: str
    name: str
    before: Any
    after: Any


class ComparisonAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What two versions of a resource say differently, by their numbers."""

    before: int
    after: int
    differences: list[DifferenceAnswer]


class RoundAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One review of a version."""

    number: int
    state: str
    bureau: str
    verdict: str
    reasons: list[str]
    note: str
    decision_note: str
    proposed_by: str
    decided_by: str


class CaseAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A version with its review; `acts`: what the caller may try now.

    `price_from`: from which day the price proposed with it holds, or would if admitted today.
    """

    version_id: UUID
    title: str
    vendor_code: str
    sku: str
    number: int
    state: str
    depth: str
    changes: list[str]
    differences: list[DifferenceAnswer]
    files: list[FileAnswer]
    criteria: list[JudgedAnswer]
    rounds: list[RoundAnswer]
    suits: dict[str, Any]
    plan: dict[str, Any] | None
    price_from: date | None
    points: int
    acts: list[str]


def case_answer(found: Case) -> CaseAnswer:
    """Return a case as the interface answers it."""
    return CaseAnswer(
        version_id=found.version_id,
        title=found.title,
        vendor_code=found.vendor_code,
        sku=found.sku,
        number=found.number,
        state=found.state,
        depth=found.depth,
        changes=list(found.changes),
        differences=difference_answers(found.differences),
        files=[file_answer(one) for one in found.files],
        criteria=[
            JudgedAnswer(
                criterion=one.criterion,
                answer=one.answer,
                finding=one.finding,
                evidence=one.evidence,
            )
            for one in found.judged
        ],
        rounds=[
            RoundAnswer(
                number=one.number,
                state=one.state,
                bureau=one.bureau_name,
                verdict=one.verdict,
                reasons=list(one.reasons),
                note=one.note,
                decision_note=one.decision_note,
                proposed_by=one.proposed_by,
                decided_by=one.decided_by,
            )
            for one in found.rounds
        ],
        suits=dict(found.suits),
        plan=dict(found.plan) if found.plan else None,
        price_from=found.price_from,
        points=found.points,
        acts=sorted(found.acts),
    )


def queued_answer(row: QueueRow) -> QueuedAnswer:
    return QueuedAnswer(
        version_id=row.version_id,
        title=row.title,
        vendor_code=row.vendor_code,
        sku=row.sku,
        number=row.number,
        standing=row.standing,
        holder=row.holder,
        depth=row.depth,
        changes=list(row.changes),
        since=row.since,
        points=row.points,
        factors=[
            FactorAnswer(factor=one.factor, count=one.count, points=one.points, cap=one.cap)
            for one in row.factors
        ],
    )


def file_answer(one: AttachedFile) -> FileAnswer:
    return FileAnswer(
        id=one.id,
        name=one.name,
        purpose=one.purpose,
        media_type=one.media_type,
        size_bytes=one.size_bytes,
        digest=one.digest,
    )


def difference_answers(found: Sequence[Difference]) -> list[DifferenceAnswer]:
    return [
        DifferenceAnswer(part=one.part, name=one.name, before=one.before, after=one.after)
        for one in found
    ]


def comparison_answer(found: Comparison) -> ComparisonAnswer:
    return ComparisonAnswer(
        before=found.before.number,
        after=found.after.number,
        differences=difference_answers(found.differences),
    )
