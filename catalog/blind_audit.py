"""Samples for a blind audit: drawn so that nobody chooses them, judged by the uninvolved (R42).

Decides who can be drawn (what the bureau let in before the month began and is listed, but for what
was audited within a term or waits to be judged), who is drawn (by the order of SHA-256 over the
seed and the version's id) and who may judge (a reviewer who had no part in the admission). The seed
is the trail's: SHA-256 over its last link of before the month, the bureau's code and the month, so
that nobody has a say in it and anybody can draw again, once what was drawn is judged or its time
for that is over. There is one draw for a bureau and month.
Who judges reads the content, never the vendor or the earlier findings.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Date, cast, exists, func, or_, select
from sqlalchemy.dialects.postgresql import insert

from catalog.changes import described
from catalog.models import Admission, Version
from catalog.reviewers import lock_versions, refuse_interest, require_reviewer
from catalog.sharing_models import BlindDraw, BlindSample
from catalog.states import AdmissionState, VersionState
from kernel.clock import Month, month_bounds, month_of, shanghai_day, show_month
from kernel.errors import (
    Conflict,
    DrawnAlready,
    InvalidInput,
    MissingValue,
    NotFound,
    NothingToDraw,
    TookPart,
)
from kernel.identity.models import Organisation
from kernel.ids import VersionId, new_id
from kernel.trail import record
from kernel.unit import Unit

HIDDEN = frozenset({"author", "address", "launch_url", "author_school_id", "author_school_code"})
"""What would tell whose the version is."""

FEWEST: Final = 5
MOST: Final = 500
"""How many may be asked for. Fewer would be a choice: the order is known once a month has begun."""
AUDITED_FOR_DAYS: Final = 183
"""A term, as the rankings' `term_days`: what was audited within it is not drawn again."""
JUDGED_WITHIN_DAYS: Final = 30


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleView:
    """A drawn version without its vendor; `standing`: waiting, overdue, passed, failed.

    `month`: of the draw; None for one of before draws were the trail's.
    """

    id: UUID
    seed: str
    month: Month | None
    title: str
    content: dict[str, Any]
    drawn_at: datetime
    judge_by: date
    standing: str
    note: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DrawView:
    """A draw, with what it takes to draw again: `pool`, `seed` and `size` give `drawn`.

    `is_told`: whether all of it may be: its samples are judged, or the last day for that,
    `judge_by`, is over. Until then neither `anchor_digest` and `seed` nor `pool` and `drawn` are
    published, for whoever is drawn could prepare for it.
    """

    id: UUID
    bureau_id: UUID
    bureau_code: str
    bureau_name: str
    month: Month
    anchor: int
    anchor_digest: str
    seed: str
    size: int
    pool: tuple[UUID, ...]
    drawn: tuple[UUID, ...]
    drawn_at: datetime
    judge_by: date
    is_told: bool


def draw_sample(unit: Unit, *, size: int) -> list[UUID]:
    """Draw this month's sample of the actor's bureau; return the samples.

    Where there are fewer than `size`, all are drawn. Raises `InvalidInput` for another size than
    `FEWEST` to `MOST`, `NothingToDraw`, and `DrawnAlready`: nobody draws until it suits them.
    """
    reviewer = require_reviewer(unit, "draw a sample")
    if not FEWEST <= size <= MOST:
        raise InvalidInput(field="size", value=size, expected="5 to 500")
    now = unit.clock.now()
    month = month_of(shanghai_day(now))
    bureau = unit.session.get_one(Organisation, reviewer.bureau_id)
    facts = {"bureau": bureau.name, "period": show_month(month)}
    drawn_before = unit.session.scalar(
        select(BlindDraw.id).where(BlindDraw.bureau_id == bureau.id, BlindDraw.month == month)
    )
    if drawn_before is not None:
        raise DrawnAlready(**facts)
    pool = _pool(unit, bureau.id, month)
    if not pool:
        raise NothingToDraw(**facts, days=AUDITED_FOR_DAYS)
    made = unit.session.execute(
        insert(BlindDraw)
        .values(
            id=new_id(),
            bureau_id=bureau.id,
            month=month,
            size=size,
            pool=[str(one) for one in pool],
            drawn_by=reviewer.person_id,
            drawn_at=now,
        )
        .on_conflict_do_nothing(index_elements=[BlindDraw.bureau_id, BlindDraw.month])
        .returning(BlindDraw.id, BlindDraw.anchor, BlindDraw.seed)
    ).one_or_none()
    if made is None:
        raise DrawnAlready(**facts)  # a colleague drew meanwhile
    drawn = drawn_from(pool, seed=made.seed, size=size)
    samples = [
        BlindSample(
            id=new_id(),
            bureau_id=bureau.id,
            draw_id=made.id,
            seed=made.seed,
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
        subject_id=bureau.id,
        month=show_month(month),
        anchor=made.anchor,
        seed=made.seed,
        size=size,
        of=len(pool),
        pool=digest_of_pool(pool),
        drawn=len(drawn),
        versions=sorted(drawn),
        at=now,
    )
    unit.session.flush()
    return [one.id for one in samples]


def drawn_from(ids: Sequence[UUID], *, seed: str, size: int) -> list[UUID]:
    """Return the first `size` ids by SHA-256 over seed and id, whatever order they came in."""
    return sorted(ids, key=lambda one: hashlib.sha256(f"{seed}:{one}".encode()).digest())[:size]


def seed_of(anchor_digest: str, *, bureau_code: str, month: date) -> str:
    """Return the seed of a bureau's month, as the database makes it.

    `anchor_digest`: of the trail's last link of before the month, in hexadecimal; empty if there
    was none.
    """
    words = f"{anchor_digest}:{bureau_code}:{show_month(month)}"
    return hashlib.sha256(words.encode()).hexdigest()


def digest_of_pool(pool: Sequence[UUID]) -> str:
    """Return SHA-256 over the ids that could be drawn, in order, each on a line."""
    return hashlib.sha256("".join(f"{one}\n" for one in sorted(pool)).encode()).hexdigest()


def draws(unit: Unit, *, draw_id: UUID | None = None) -> list[DrawView]:
    """Return all draws that the trail seeded, or one of them, the latest first.

    Everybody may read them; of one that is not told yet only what `DrawView` says.
    """
    waits = exists().where(BlindSample.draw_id == BlindDraw.id, BlindSample.judged_at.is_(None))
    wanted = select(BlindDraw, Organisation, waits).join(
        Organisation, Organisation.id == BlindDraw.bureau_id
    )
    today = shanghai_day(unit.clock.now())
    if draw_id is not None:
        wanted = wanted.where(BlindDraw.id == draw_id)
    return [
        DrawView(
            id=one.id,
            bureau_id=bureau.id,
            bureau_code=bureau.code,
            bureau_name=bureau.name,
            month=Month(one.month),
            anchor=one.anchor,
            anchor_digest=one.anchor_digest,
            seed=one.seed,
            size=one.size,
            pool=(pool := tuple(UUID(version_id) for version_id in one.pool)),
            drawn=tuple(drawn_from(pool, seed=one.seed, size=one.size)),
            drawn_at=one.drawn_at,
            judge_by=(judge_by := last_day_of(one)),
            is_told=not is_waiting or judge_by < today,
        )
        for one, bureau, is_waiting in unit.session.execute(
            wanted.order_by(BlindDraw.month.desc(), Organisation.code)
        )
    ]


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
        select(BlindSample, Version, BlindDraw.month)
        .join(Version, Version.id == BlindSample.version_id)
        .outerjoin(BlindDraw, BlindDraw.id == BlindSample.draw_id)
        .where(BlindSample.bureau_id == reviewer.bureau_id)
        .order_by(BlindSample.judged_at.is_not(None), BlindSample.drawn_at.desc(), BlindSample.id)
    )
    today = shanghai_day(unit.clock.now())
    return [
        SampleView(
            id=one.id,
            seed=one.seed,
            month=None if month is None else Month(month),
            title=version.title,
            content={
                name: value
                for name, value in described(version).items()
                if value and name not in HIDDEN
            },
            drawn_at=one.drawn_at,
            judge_by=(judge_by := last_day_of(one)),
            standing=_standing(one, is_over=judge_by < today),
            note=one.note,
        )
        for one, version, month in rows
    ]


def count_overdue(unit: Unit) -> int:
    """Return how many samples of the actor's bureau should have been judged by now."""
    reviewer = require_reviewer(unit, "see samples")
    drawn_on = cast(func.timezone("Asia/Shanghai", BlindSample.drawn_at), Date)
    return unit.session.scalars(
        select(func.count()).where(
            BlindSample.bureau_id == reviewer.bureau_id,
            BlindSample.judged_at.is_(None),
            drawn_on < shanghai_day(unit.clock.now()) - timedelta(days=JUDGED_WITHIN_DAYS),
        )
    ).one()


def last_day_of(drawn: BlindSample | BlindDraw) -> date:
    """Return the last day on which a sample, or all of a draw, is judged in time."""
    return shanghai_day(drawn.drawn_at) + timedelta(days=JUDGED_WITHIN_DAYS)


def _standing(sample: BlindSample, *, is_over: bool) -> str:
    if sample.passed is None:
        return "overdue" if is_over else "waiting"
    return "passed" if sample.passed else "failed"


def _pool(unit: Unit, bureau_id: UUID, month: Month) -> list[UUID]:
    """Return the versions that can be drawn, in order: none that came once the seed was known."""
    begins, _ = month_bounds(month)
    audited = select(BlindSample.version_id).where(
        or_(
            BlindSample.judged_at.is_(None),
            BlindSample.judged_at >= begins - timedelta(days=AUDITED_FOR_DAYS),
        )
    )
    return sorted(
        unit.session.scalars(
            select(Version.id)
            .join(Admission, Admission.version_id == Version.id)
            .where(
                Version.state == VersionState.LISTED,
                Admission.state == AdmissionState.ADMITTED,
                Admission.bureau_id == bureau_id,
                Admission.decided_at < begins,
                Version.id.not_in(audited),
            )
        )
    )
