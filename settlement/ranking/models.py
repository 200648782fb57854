"""Tables of the ranking: the published configuration, each run with its snapshots, the standings.

What a score rests on never changes: configurations, runs, snapshots, looks, events and what was
struck out are insert-only (triggers). A standing moves only with its event (trigger), and an event
only as the table of `standing_states` and the gates of due process say (trigger, R44).
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    Numeric,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base


class PublishedConfig(Base):
    """One version of all numbers of the ranking, published and kept. Insert-only.

    `content`: {"scoring": …, "evidence": …, "gates": …}; `digest` is SHA-256 over its canonical
    JSON.
    """

    __tablename__ = "ranking_config"

    version: Mapped[str] = mapped_column(primary_key=True)
    content: Mapped[dict[str, Any]]
    digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    published_at: Mapped[datetime]


class ScoreRun(Base):
    """One ranking of a month: the same inputs are the same run (R45). Insert-only.

    `number` counts the runs of a month; the last one holds. `priors`: {"vendor": …, "resource": …}
    as estimated from all evidence. `counts`: how much of what went in. `digest` covers
    configuration, priors and the digests of all inputs.
    """

    __tablename__ = "score_run"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    month: Mapped[date]
    number: Mapped[int]
    config_version: Mapped[str] = mapped_column(ForeignKey("ranking_config.version"))
    priors: Mapped[dict[str, Any]]
    counts: Mapped[dict[str, Any]]
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    ran_at: Mapped[datetime]
    ran_by: Mapped[str]

    __table_args__ = (
        UniqueConstraint("month", "number"),
        CheckConstraint("number > 0", name="number"),
    )


class ScoreSnapshot(Base):
    """What one subject's score in one cell rests on, and what it is. Insert-only.

    `kind`: vendor | resource; `cell`: stage/subject/type. `inputs`: the evidence by school, as
    `inputs.SubjectEvidence` has it. `result`: the four components, guards with their effect, and
    what else the pages tell. `place` is None for newcomers, who are not ranked yet.
    """

    __tablename__ = "score_snapshot"

    run_id: Mapped[UUID] = mapped_column(ForeignKey("score_run.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    subject_id: Mapped[UUID] = mapped_column(primary_key=True)
    cell: Mapped[str] = mapped_column(primary_key=True)
    inputs: Mapped[dict[str, Any]]
    inputs_digest: Mapped[bytes] = mapped_column(LargeBinary)
    score: Mapped[Decimal] = mapped_column(Numeric(9, 4))
    sd: Mapped[Decimal] = mapped_column(Numeric(9, 4))
    p_bad: Mapped[Decimal] = mapped_column(Numeric(7, 6))
    schools: Mapped[int]
    is_newcomer: Mapped[bool]
    place: Mapped[int | None]
    place_low: Mapped[int | None]
    place_high: Mapped[int | None]
    band: Mapped[str]
    result: Mapped[dict[str, Any]]

    __table_args__ = (
        CheckConstraint("kind IN ('vendor', 'resource')", name="kind"),
        CheckConstraint("p_bad BETWEEN 0 AND 1", name="p_bad"),
        CheckConstraint("sd >= 0", name="sd"),
        CheckConstraint(
            "(place IS NULL) = is_newcomer AND (place IS NULL) = (place_low IS NULL) "
            "AND (place IS NULL) = (place_high IS NULL)",
            name="place",
        ),
        Index("ix_score_snapshot_cell", "run_id", "kind", "cell", "place"),
        Index("ix_score_snapshot_subject", "subject_id", "cell"),
    )


class Standing(Base):
    """Where a vendor stands in a cell; it moves only with a `StandingEvent` (trigger).

    `since`: the day of the last move.
    """

    __tablename__ = "standing"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    vendor_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    cell: Mapped[str]
    state: Mapped[str]
    since: Mapped[date]

    __table_args__ = (
        UniqueConstraint("vendor_id", "cell"),
        CheckConstraint(
            "state IN ('newcomer', 'normal', 'watch', 'probation', 'no_new_schools', 'exiting', "
            "'left')",
            name="state",
        ),
        Index("ix_standing_state", "state"),
    )


class StandingLook(Base):
    """One look at a standing: what a run says of it, and what schools said newly. Insert-only.

    `fresh`: the schools that were affected since the last notice, each with what and when:
    [{"school": uuid, "what": […], "on": day}]. One for each run; of a month the last run's holds.
    """

    __tablename__ = "standing_look"

    standing_id: Mapped[UUID] = mapped_column(ForeignKey("standing.id"), primary_key=True)
    run_id: Mapped[UUID] = mapped_column(ForeignKey("score_run.id"), primary_key=True)
    month: Mapped[date]
    at: Mapped[datetime]
    score: Mapped[Decimal] = mapped_column(Numeric(9, 4))
    sd: Mapped[Decimal] = mapped_column(Numeric(9, 4))
    p_bad: Mapped[Decimal] = mapped_column(Numeric(7, 6))
    is_newcomer: Mapped[bool]
    fresh: Mapped[list[Any]] = mapped_column(JSONB)

    __table_args__ = (Index("ix_standing_look_month", "standing_id", "month", "at"),)


class StandingNotice(Base):
    """What a vendor has to mend, item by item, within a term (R44). Insert-only.

    `items`: [{"number": 1, "school": uuid, "component": …, "what": {…}}]. `mend_by`: the last day
    of the term. Against it can be appealed until `appeal_by`.
    """

    __tablename__ = "standing_notice"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    standing_id: Mapped[UUID] = mapped_column(ForeignKey("standing.id"), index=True)
    run_id: Mapped[UUID] = mapped_column(ForeignKey("score_run.id"))
    items: Mapped[list[Any]] = mapped_column(JSONB)
    note: Mapped[str]
    issued_at: Mapped[datetime]
    issued_by: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    mend_by: Mapped[date]

    __table_args__ = (CheckConstraint("jsonb_array_length(items) > 0", name="items"),)


class StandingEvent(Base):
    """One move of a standing: from where to where, why, and who signed it. Insert-only.

    `because`: look | notice | suspension | exit | appeal | ended | return. `signed_by` is the
    person who decided, None where a look alone moves it; `appeal_id` the appeal that was upheld
    (trigger).
    `appeal_by`: the last day to appeal, where one may.
    """

    __tablename__ = "standing_event"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    standing_id: Mapped[UUID] = mapped_column(ForeignKey("standing.id"))
    number: Mapped[int]
    from_state: Mapped[str]
    to_state: Mapped[str]
    because: Mapped[str]
    run_id: Mapped[UUID | None] = mapped_column(ForeignKey("score_run.id"))
    notice_id: Mapped[UUID | None] = mapped_column(ForeignKey("standing_notice.id"))
    appeal_id: Mapped[UUID | None]
    signed_by: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))
    note: Mapped[str]
    at: Mapped[datetime]
    day: Mapped[date]
    appeal_by: Mapped[date | None]

    __table_args__ = (
        UniqueConstraint("standing_id", "number"),
        CheckConstraint(
            "because IN ('look', 'notice', 'suspension', 'exit', 'appeal', 'ended', 'return')",
            name="because",
        ),
        CheckConstraint("because IN ('look', 'ended') OR signed_by IS NOT NULL", name="signed"),
        CheckConstraint(
            "(because IN ('notice', 'suspension', 'exit')) = (appeal_by IS NOT NULL)",
            name="appeal_by",
        ),
        CheckConstraint("because IN ('look', 'ended') OR note <> ''", name="note"),
    )


class StandingAppeal(Base):
    """A vendor's appeal against one event: made once, decided once, by another reviewer (R44).

    `contested`: the numbers of the notice's items that it denies.
    """

    __tablename__ = "standing_appeal"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    standing_id: Mapped[UUID] = mapped_column(ForeignKey("standing.id"), index=True)
    event_id: Mapped[UUID] = mapped_column(ForeignKey("standing_event.id"), unique=True)
    claim: Mapped[str]
    contested: Mapped[list[Any]] = mapped_column(JSONB)
    made_at: Mapped[datetime]
    made_on: Mapped[date]
    made_by: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))
    outcome: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))
    note: Mapped[str]

    __table_args__ = (
        CheckConstraint("outcome IN ('upheld', 'dismissed')", name="outcome"),
        CheckConstraint("(outcome IS NULL) = (decided_at IS NULL)", name="decided"),
        CheckConstraint("(outcome IS NULL) = (decided_by IS NULL)", name="decided_by"),
        CheckConstraint("claim <> ''", name="claim"),
        CheckConstraint("outcome IS NULL OR note <> ''", name="note"),
    )


class StandingReturn(Base):
    """A vendor that left applies anew: made after the term, decided once, by another reviewer."""

    __tablename__ = "standing_return"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    standing_id: Mapped[UUID] = mapped_column(ForeignKey("standing.id"), index=True)
    claim: Mapped[str]
    made_at: Mapped[datetime]
    made_on: Mapped[date]
    made_by: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))
    outcome: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))
    note: Mapped[str]

    __table_args__ = (
        CheckConstraint("claim <> ''", name="claim"),
        CheckConstraint("outcome IN ('granted', 'refused')", name="outcome"),
        CheckConstraint(
            "(outcome IS NULL) = (decided_at IS NULL) AND (outcome IS NULL) = (decided_by IS NULL)",
            name="decided",
        ),
        CheckConstraint("outcome IS NULL OR note <> ''", name="note"),
        Index(
            "uq_standing_return_open",
            "standing_id",
            unique=True,
            postgresql_where=text("outcome IS NULL"),
        ),
    )


class StruckEvidence(Base):
    """Evidence that an upheld appeal took out, of a school about a vendor in a cell. Insert-only.

    `component`: ratings | renewal | defects. What the school says after `until` counts again.
    """

    __tablename__ = "struck_evidence"

    appeal_id: Mapped[UUID] = mapped_column(ForeignKey("standing_appeal.id"), primary_key=True)
    school_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"), primary_key=True)
    component: Mapped[str] = mapped_column(primary_key=True)
    vendor_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    cell: Mapped[str]
    until: Mapped[datetime]
    reason: Mapped[str]

    __table_args__ = (
        CheckConstraint("component IN ('ratings', 'renewal', 'defects')", name="component"),
        CheckConstraint("reason <> ''", name="reason"),
        Index("ix_struck_evidence_vendor", "vendor_id", "cell", "school_id"),
    )


Index(
    "uq_standing_appeal_open",
    StandingAppeal.standing_id,
    unique=True,
    postgresql_where=text("outcome IS NULL"),
)
