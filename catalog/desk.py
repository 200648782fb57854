"""The admission desk: what waits for a bureau, in the order of its risk factors (R13, R14).

Shows what any bureau may claim and what the actor's own has under review. Who claimed something
stands beside it. After a large import tens of thousands wait: the database narrows, weighs, orders
and counts them. One case with all its facts is the matter of `catalog.cases`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    SQLColumnExpression,
    case,
    cast,
    func,
    literal,
    or_,
    select,
    true,
)
from sqlalchemy.orm import aliased

from catalog.admission_models import AdmissionAppeal, Submission, Takedown
from catalog.changes import admitted_before, change_columns, changes_in
from catalog.criteria import Change, Depth, depth_of
from catalog.models import Admission, Resource, Version
from catalog.needs import needs_answered
from catalog.oversight import only_audits, was_reviewed_below
from catalog.reviewers import answered_for, require_reviewer
from catalog.risk import WEIGHTS, Factor, Points, weigh
from catalog.sharing_models import InfringementNotice
from catalog.states import AdmissionState, VersionState
from kernel.actors import Role
from kernel.identity.models import Organisation, PersonPrivate
from kernel.ids import VersionId
from kernel.unit import Unit

OPEN = (AdmissionState.CLAIMED, AdmissionState.PROPOSED)
YOUNGEST = frozenset({"kindergarten", "preschool", "primary"})
WAITING, MINE, TO_DECIDE, ELSEWHERE = "waiting", "mine", "to-decide", "with-a-colleague"
APPEALED = "appealed"
LET_IN: Final = (VersionState.LISTED, VersionState.SUSPENDED)
"""Where what is no longer in the queue stands."""


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueRow:
    """One version at the desk.

    `standing`: waiting, mine, to-decide, with-a-colleague, appealed; listed, suspended; for an
    auditor appealed, or the version's state.
    """

    version_id: VersionId
    title: str
    sku: str
    number: int
    vendor_name: str
    vendor_code: str
    stage: str
    subject: str
    state: str
    standing: str
    holder: str
    depth: Depth
    changes: tuple[Change, ...]
    since: datetime
    factors: tuple[Points, ...]

    @property
    def points(self) -> int:
        return sum(one.points for one in self.factors)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sought:
    """What is looked for at the desk: a `standing`, `words` in title, vendor or article number."""

    standing: str = ""
    words: str = ""


EVERYTHING: Final = Sought()


def queue(
    unit: Unit,
    sought: Sought = EVERYTHING,
    *,
    sort: str = "",
    descending: bool = False,
    limit: int | None = None,
    offset: int = 0,
) -> list[QueueRow]:
    """Return a page of what waits at the actor's desk, or with `limit` None all of it.

    The highest points first, then the oldest; `sort` by title, vendor_name, points or since. With
    the standing `listed` or `suspended`, what the actor's bureau, or one below it, let in and
    answers for (R10), by title; nothing of it is weighed. An auditor reads what was reviewed.
    """
    wanted = _sought(unit, sought)
    before = admitted_before()
    is_let_in = sought.standing in LET_IN
    counts = {} if is_let_in else _counts(unit, before)
    points = sum(
        (
            func.least(count * WEIGHTS[one].points, WEIGHTS[one].cap)
            for one, count in counts.items()
        ),
        literal(0),
    )
    since = Version.created_at if is_let_in else SINCE
    orders: dict[str, SQLColumnExpression[Any]] = {
        "title": Version.title,
        "vendor_name": Organisation.name,
        "points": points,
        "since": since,
    }
    if sort in orders:
        first = orders[sort].desc() if descending else orders[sort].asc()
    else:
        first = Version.title.asc() if is_let_in else points.desc()
    wanted = wanted.add_columns(since.label("since"), *_labelled(counts)).order_by(
        first, since, Version.id
    )
    if counts:
        wanted = _weighed(wanted.add_columns(*change_columns(before)), before)
    return [
        _row(row, counts=counts) for row in unit.session.execute(wanted.limit(limit).offset(offset))
    ]


def count_queue(unit: Unit, sought: Sought = EVERYTHING) -> int:
    """Return how many are sought at the actor's desk."""
    counted = _sought(unit, sought).with_only_columns(Version.id).subquery()
    return unit.session.scalar(select(func.count()).select_from(counted)) or 0


def _sought(unit: Unit, sought: Sought) -> Select[*tuple[Any, ...]]:
    wanted = _audited(unit, sought) if only_audits(unit) else _to_review(unit, sought)
    if sought.words:
        named = Version.title + " " + Organisation.name + " " + Resource.sku
        wanted = wanted.where(named.icontains(sought.words, autoescape=True))
    return wanted


def _audited(unit: Unit, sought: Sought) -> Select[*tuple[Any, ...]]:
    """Select what was reviewed, where it stands now: an auditor has no part in what waits."""
    standing = case((_is_appealed(), APPEALED), else_=Version.state)
    wanted = _rows().add_columns(standing.label("standing")).where(was_reviewed_below(unit))
    return wanted.where(standing == sought.standing) if sought.standing else wanted


def _to_review(unit: Unit, sought: Sought) -> Select[*tuple[Any, ...]]:
    reviewer = require_reviewer(unit, "see what awaits admission")
    standing = _standing(reviewer.person_id)
    wanted = _rows().add_columns(standing.label("standing"))
    if sought.standing in LET_IN:
        wanted = wanted.where(
            Version.state == sought.standing, Admission.bureau_id.in_(answered_for(unit))
        )
    else:
        wanted = wanted.where(
            or_(
                Version.state == VersionState.SUBMITTED,
                (Version.state == VersionState.IN_REVIEW)
                & (Admission.bureau_id == reviewer.bureau_id),
                _is_appealed() & Admission.bureau_id.in_(answered_for(unit)),
            )
        )
    if sought.standing:
        wanted = wanted.where(standing == sought.standing)
    return wanted


def _rows() -> Select[*tuple[Any, ...]]:
    """Select versions with their vendor and their last review."""
    rounds = aliased(Admission)
    last = select(func.max(rounds.round)).where(rounds.version_id == Version.id).scalar_subquery()
    return (
        select(
            Version.id,
            Version.title,
            Version.number,
            Version.stage,
            Version.subject,
            Version.state,
            Resource.sku,
            Organisation.name,
            Organisation.code,
            Admission.state.label("admission_state"),
            PersonPrivate.name.label("holder"),
        )
        .select_from(Version)
        .join(Resource, Resource.id == Version.resource_id)
        .join(Organisation, Organisation.id == Resource.vendor_id)
        .outerjoin(Admission, (Admission.version_id == Version.id) & (Admission.round == last))
        .outerjoin(PersonPrivate, PersonPrivate.person_id == Admission.claimed_by)
        .outerjoin(Submission, Submission.version_id == Version.id)
    )


def _is_appealed() -> ColumnElement[bool]:
    return (
        select(AdmissionAppeal.id)
        .where(AdmissionAppeal.version_id == Version.id, AdmissionAppeal.decided_at.is_(None))
        .exists()
    )


def _row(row: Any, *, counts: Mapping[Factor, ColumnElement[int]]) -> QueueRow:
    changes = changes_in(row) if counts else []
    return QueueRow(
        version_id=VersionId(row.id),
        title=row.title,
        sku=row.sku,
        number=row.number,
        vendor_name=row.name,
        vendor_code=row.code,
        stage=row.stage,
        subject=row.subject,
        state=row.state,
        standing=row.standing,
        holder=row.holder or "" if row.admission_state in OPEN else "",
        depth=depth_of(changes),
        changes=tuple(changes),
        since=row.since,
        factors=tuple(weigh({one: row._mapping[one] for one in counts})),
    )


def waiting_cases(unit: Unit) -> int:
    """Return how many cases wait for the actor: unclaimed, claimed, or to be decided by them."""
    if not unit.actor.may(Role.ADMISSION) or unit.actor.person_id is None:
        return 0
    found = unit.session.scalar(
        select(func.count())
        .select_from(Version)
        .outerjoin(Admission, (Admission.version_id == Version.id) & Admission.state.in_(OPEN))
        .where(
            or_(
                Version.state == VersionState.SUBMITTED,
                (Admission.state == AdmissionState.CLAIMED)
                & (Admission.claimed_by == unit.actor.person_id),
                (Admission.state == AdmissionState.PROPOSED)
                & (Admission.bureau_id == unit.actor.organisation_id)
                & (Admission.proposed_by != unit.actor.person_id),
            )
        )
    )
    return int(found or 0)


def factor_counts(unit: Unit, version_id: VersionId) -> dict[Factor, int]:
    """Return how often each factor counts for a version, by what it changes now."""
    before = admitted_before()
    counts = _counts(unit, before)
    wanted = _weighed(
        select(*_labelled(counts))
        .select_from(Version)
        .join(Resource, Resource.id == Version.resource_id)
        .outerjoin(Submission, Submission.version_id == Version.id)
        .where(Version.id == version_id),
        before,
    )
    row = unit.session.execute(wanted).one()
    return {one: row._mapping[one] for one in counts}


def _counts(unit: Unit, before: type[Version]) -> dict[Factor, ColumnElement[int]]:
    """Return how often each factor counts, for rows that `_weighed` has joined."""
    opened_at = Version.metadata_["launch_url"].as_string()
    changes = {column.name: column for column in change_columns(before)}
    days = func.extract("epoch", unit.clock.now() - SINCE) / 86_400
    return {
        Factor.SCHOOL_NEED: func.coalesce(NEEDED.c.needs, 0),
        Factor.OPEN_CLAIMS: func.coalesce(CLAIMS.c.open, 0),
        Factor.NO_SELF_CHECK: _one_if(Submission.version_id.is_(None)),
        Factor.NEW_VENDOR: _one_if(func.coalesce(REVIEWS.c.admitted, 0) == 0),
        Factor.EARLIER_REFUSALS: func.coalesce(REVIEWS.c.refused, 0),
        Factor.EARLIER_TAKEDOWNS: func.coalesce(TAKEDOWNS.c.all, 0),
        Factor.OPENED_OUTSIDE: _one_if(func.coalesce(opened_at, "") != ""),
        Factor.FOR_THE_YOUNGEST: _one_if(Version.stage.in_(sorted(YOUNGEST))),
        Factor.FIRST_VERSION: _one_if(changes[Change.FIRST].element),
        Factor.CONTENT_CHANGED: _one_if(changes[Change.CONTENT].element),
        Factor.WAITING: cast(func.floor(days), Integer),
    }


def _one_if(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return case((condition, 1), else_=0)


def _labelled(counts: Mapping[Factor, ColumnElement[int]]) -> list[ColumnElement[int]]:
    return [count.label(one) for one, count in counts.items()]


def _weighed(wanted: Select[*tuple[Any, ...]], before: type[Version]) -> Select[*tuple[Any, ...]]:
    """Join what the factors count: it, and what befell its vendor before."""
    return (
        wanted.outerjoin(before, true())
        .outerjoin(NEEDED, NEEDED.c.version_id == Version.id)
        .outerjoin(REVIEWS, REVIEWS.c.vendor_id == Resource.vendor_id)
        .outerjoin(TAKEDOWNS, TAKEDOWNS.c.vendor_id == Resource.vendor_id)
        .outerjoin(CLAIMS, CLAIMS.c.vendor_id == Resource.vendor_id)
    )


def _by_vendor(of: Any, *counts: ColumnElement[int]) -> Any:
    return (
        select(Resource.vendor_id, *counts)
        .join(Version, Version.resource_id == Resource.id)
        .join(of, of.version_id == Version.id)
        .group_by(Resource.vendor_id)
    )


def _standing(person_id: UUID) -> ColumnElement[str]:
    """Return where a version stands for a reviewer."""
    claimed = Admission.state == AdmissionState.CLAIMED
    proposed = Admission.state == AdmissionState.PROPOSED
    return case(
        (_is_appealed(), APPEALED),
        (Version.state.in_(LET_IN), Version.state),
        (claimed & (Admission.claimed_by == person_id), MINE),
        (proposed & (Admission.proposed_by != person_id), TO_DECIDE),
        (claimed | proposed, ELSEWHERE),
        else_=WAITING,
    )


SINCE: Final = func.coalesce(Submission.submitted_at, Version.created_at)
"""When it was submitted with a self-check, or brought by a file."""
REVIEWS: Final = _by_vendor(
    Admission,
    func.count().filter(Admission.state == AdmissionState.ADMITTED).label("admitted"),
    func.count().filter(Admission.state == AdmissionState.REFUSED).label("refused"),
).subquery("reviews")
CLAIMS: Final = (
    _by_vendor(InfringementNotice, func.count().label("open"))
    .where(InfringementNotice.outcome.is_(None))
    .subquery("claims")
)
TAKEDOWNS: Final = (
    select(Resource.vendor_id, func.count().label("all"))
    .join(Takedown, Takedown.resource_id == Resource.id)
    .where(
        # What its vendor rightly appealed against speaks against nobody.
        ~select(AdmissionAppeal.id)
        .where(AdmissionAppeal.against == Takedown.id, AdmissionAppeal.outcome == "upheld")
        .exists()
    )
    .group_by(Resource.vendor_id)
    .subquery("takedowns")
)
NEEDED: Final = needs_answered().subquery("needed")
