"""Guards: evidence that says more about who gave it than about what was used (R42, R51).

Four signs, each over plain rows and each with its threshold in the configuration:
- mutual: a school and the school of another seller give each other's works the best rating only;
- one voice: several schools give one subject only the best rating and its rival only the worst,
  and nobody else sees it so;
- captive (or hostile): many teachers of one school are of one extreme mind about a subject, which
  the subject's other schools do not share;
- metering: uses per learner and month are a multiple of what is usual in the cell.
What is found is set aside, said with its reason, and judged by people; it is no penalty. Opinions
alone are: what went wrong at such a school stays, since a vendor could bring a sign about itself.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, NamedTuple

import numpy as np
from msgspec import UNSET

from settlement.ranking.columns import MICRO, OF_SCHOOL, Columns, columns_of, opinions
from settlement.ranking.config import Guards, RankingConfig
from settlement.ranking.inputs import SubjectEvidence, apart
from settlement.ranking.numbers import Flags, Whole
from settlement.ranking.priors import Priors
from settlement.ranking.scoring import score

STARS: Final = 4
"""Points of the best rating."""
ALONE: Final = 3
"""Teachers of whom one may say otherwise."""


class Sign(StrEnum):
    """Why a school's opinion is set aside."""

    MUTUAL = "rating-ring"
    ONE_VOICE = "one-voice"
    CAPTIVE = "captive-school"
    HOSTILE = "hostile-school"
    METERING = "abnormal-metering"


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What guards know besides the evidence.

    `homes`: by subject, the schools of who sells it. `learners`: enrolled, by school.
    """

    homes: Mapping[str, Collection[str]]
    learners: Mapping[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """A school's opinion of a subject that is set aside, why, and the score with and without it.

    `score_without` leaves out this opinion alone; both are what the run's priors make of it.
    """

    subject: str
    cell: str
    school: str
    sign: Sign
    score_with: Decimal
    score_without: Decimal


class Signs(NamedTuple):
    """Rows with each sign."""

    mutual: Flags
    one_voice: Flags
    captive: Flags
    hostile: Flags
    metering: Flags

    def any(self) -> Flags:
        """Return the rows with any sign."""
        found: Flags = self.mutual | self.one_voice | self.captive | self.hostile | self.metering
        return found


def find(
    evidence: Sequence[SubjectEvidence], known: Known, *, priors: Priors, config: RankingConfig
) -> tuple[Finding, ...]:
    """Return what is to be set aside, with its effect; a school's first sign is named."""
    columns = columns_of(evidence)
    school_at = {school: at for at, school in enumerate(columns.schools)}
    signs = signs_of(
        columns,
        uses=_per_row(evidence, "uses"),
        learners=np.array(
            [known.learners.get(columns.schools[at], 0) for at in columns.school], dtype=np.int64
        ),
        homes={
            at: [school_at[one] for one in known.homes[subject] if one in school_at]
            for at, subject in enumerate(columns.subjects)
            if subject in known.homes
        },
        guards=config.guards,
    )
    flagged = np.flatnonzero(signs.any())
    named = [(int(row), _first(signs, int(row))) for row in flagged]
    pairs: list[SubjectEvidence] = []
    for row, _ in named:
        whole = evidence[int(columns.subject[row])]
        found = {columns.schools[columns.school[row]]: ""}
        pairs += [whole, moved(whole, found, wrongs_stay=config.guards.wrongs_stay is True)]
    scores = score(pairs, priors, config).scores if pairs else ()
    return tuple(
        Finding(
            subject=scores[2 * at].subject,
            cell=scores[2 * at].cell,
            school=columns.schools[columns.school[row]],
            sign=sign,
            score_with=scores[2 * at].score,
            score_without=scores[2 * at + 1].score,
        )
        for at, (row, sign) in enumerate(named)
    )


def signs_of(
    columns: Columns,
    *,
    uses: Whole,
    learners: Whole,
    homes: Mapping[int, Collection[int]],
    guards: Guards,
) -> Signs:
    """Return the rows with each sign; `homes`: positions of a subject's own schools."""
    if guards.dissent is UNSET:
        best = columns.rating_points == STARS * columns.raters
        worst = columns.rating_points == 0
    else:
        below = STARS * columns.raters - columns.rating_points
        best = _of_one_mind(columns.raters, columns.best, below, guards.dissent)
        worst = _of_one_mind(columns.raters, columns.worst, columns.rating_points, guards.dissent)
    captive, hostile = _extreme(columns, best, worst, guards)
    return Signs(
        mutual=_mutual(columns, best, homes, guards),
        one_voice=_one_voice(columns, best, worst, guards),
        captive=captive,
        hostile=hostile,
        metering=_metering(columns, uses, learners, guards),
    )


def _of_one_mind(raters: Whole, alike: Whole, off: Whole, dissent: int) -> Flags:
    """Return where nearly all teachers gave the same extreme rating.

    One in `dissent` may say otherwise, of three teachers or more at least one; of two only by one
    star (`off`: by how many all of them together are off the extreme).
    """
    others = raters - alike
    allowed = np.maximum(raters // dissent, (raters >= ALONE).astype(np.int64))
    found: Flags = (alike > 0) & ((others <= allowed) | (off <= 1))
    return found


def _mutual(
    columns: Columns, best: Flags, homes: Mapping[int, Collection[int]], guards: Guards
) -> Flags:
    owns: dict[int, list[int]] = defaultdict(list)
    for subject, schools in homes.items():
        for school in schools:
            owns[school].append(subject)
    sells = np.zeros(len(columns.schools), dtype=bool)
    sells[list(owns)] = True
    praised = np.flatnonzero(
        best & (columns.raters >= guards.mutual_raters) & sells[columns.school]
    )
    schools, subjects = columns.school[praised].tolist(), columns.subject[praised].tolist()
    row_of = dict(zip(zip(schools, subjects, strict=True), praised.tolist(), strict=True))
    found = np.zeros(len(columns.subject), dtype=bool)
    for (school, subject), row in row_of.items():
        for own in owns[school]:
            back = [row_of.get((home, own)) for home in homes.get(subject, ())]
            if own != subject and any(one is not None for one in back):
                found[[row, *(one for one in back if one is not None)]] = True
    return found


def _one_voice(columns: Columns, best: Flags, worst: Flags, guards: Guards) -> Flags:
    """Group schools by the pairs of subjects of a cell that they praise and damn with one voice."""
    loud = (columns.raters >= guards.alike_raters) & (best | worst)
    loud &= _contradicted(columns, best, ~loud, guards)
    voices: dict[int, list[int]] = defaultdict(list)
    for row in np.flatnonzero(loud):
        voices[int(columns.school[row])].append(int(row))
    together: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    for rows in voices.values():
        for up in rows:
            for down in rows:
                subjects = int(columns.subject[up]), int(columns.subject[down])
                same_cell = columns.cell_of[subjects[0]] == columns.cell_of[subjects[1]]
                if best[up] and worst[down] and same_cell:
                    together[subjects].append((up, down))
    found = np.zeros(len(columns.subject), dtype=bool)
    for pairs in together.values():
        if len(pairs) >= guards.alike_schools:
            found[[row for pair in pairs for row in pair]] = True
    return found


def _extreme(columns: Columns, best: Flags, worst: Flags, guards: Guards) -> tuple[Flags, Flags]:
    loud = (columns.raters >= guards.unanimous_raters) & (best | worst)
    found = loud & _contradicted(columns, best, ~loud, guards)
    return found & best, found & worst


def _contradicted(columns: Columns, best: Flags, others: Flags, guards: Guards) -> Flags:
    """Whether enough other schools, each as one, lie far from an extreme opinion."""
    heard = (others & (columns.raters > 0)).astype(np.int64)
    count = columns.per_subject(heard)
    mean = columns.per_subject(heard * opinions(columns)) // np.maximum(count, 1)
    enough = (count >= guards.other_schools)[columns.subject]
    off = np.where(best, MICRO - mean[columns.subject], mean[columns.subject])
    found: Flags = enough & (off >= int(guards.gap * MICRO))
    return found


def _metering(columns: Columns, uses: Whole, learners: Whole, guards: Guards) -> Flags:
    known = (learners > 0) & (columns.months > 0)
    rate = uses * MICRO // np.maximum(learners * columns.months, 1)
    cell = columns.cell_of[columns.subject]
    found = np.zeros(len(rate), dtype=bool)
    for one in range(len(columns.cells)):
        rows = np.flatnonzero(known & (cell == one))
        if len(rows) >= guards.metering_schools:
            found[rows] = rate[rows] > guards.metering_times * max(int(np.median(rate[rows])), 1)
    if guards.wrongs_stay is True:
        # Who is used up to praise does not complain; who complains is heard, however much it uses.
        found &= (columns.raters == 0) | (2 * columns.rating_points >= STARS * columns.raters)
    return found


def _first(signs: Signs, row: int) -> Sign:
    named = zip(
        (Sign.MUTUAL, Sign.ONE_VOICE, Sign.CAPTIVE, Sign.HOSTILE, Sign.METERING), signs, strict=True
    )
    return next(sign for sign, rows in named if rows[row])


def _per_row(evidence: Sequence[SubjectEvidence], fact: str) -> Whole:
    return np.array(
        [getattr(school, fact) for one in evidence for school in one.schools], dtype=np.int64
    )


def moved(
    evidence: SubjectEvidence,
    found: Mapping[str, str],
    *,
    wrongs_stay: bool,
    low_stays: bool = False,
) -> SubjectEvidence:
    """Return a subject's evidence without the opinions of these schools, each with its reason.

    The reason is the last one, of a school of which something was set aside before.
    """
    if not found:
        return evidence
    kept = [
        apart(one, low_stays=low_stays)[0] if wrongs_stay and one.school in found else one
        for one in evidence.schools
        if wrongs_stay or one.school not in found
    ]
    return replace(
        evidence,
        schools=tuple(one for one in kept if one is not None),
        excluded=tuple(sorted({**dict(evidence.excluded), **found}.items())),
    )


def heard(columns: Columns, aside: Flags, *, wrongs_stay: bool) -> Columns:
    """Return columns without the opinions of these rows; as `moved`, for all subjects at once."""
    wrong = aside & wrongs_stay & ((columns.defects > 0) | (columns.ended > 0))
    rows = ~aside | wrong
    nothing = {
        **dict.fromkeys(("rating_points", "raters", "rating_age_days", "best", "worst"), wrong),
        "renewed": wrong & (columns.ended == 0),
        "months": wrong & (columns.defects == 0),
    }
    kept: dict[str, Any] = {
        name: np.where(nothing[name], 0, getattr(columns, name))[rows]
        if name in nothing
        else getattr(columns, name)[rows]
        for name in ("subject", "school", *OF_SCHOOL)
    }
    for name in ("independent", "wronged"):
        kept[name] = np.where(aside, 0, getattr(columns, name))[rows]
    return replace(columns, **kept)
