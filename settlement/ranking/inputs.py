"""What is known of a vendor or a resource in one cell: whole numbers, school by school (R42).

These are a score's only inputs besides the run's priors and its configuration. Their canonical form
is what a snapshot keeps, so that its digits can be had again (R45). What becomes evidence is
decided where it is read from the settled facts; nothing here asks a database.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Final

OF_OPINION: Final = ("rating_points", "raters", "rating_age_days", "best", "worst")
"""What a school's teachers say."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SchoolEvidence:
    """One independent school's evidence on one subject in one cell.

    `rating_points`: the sum of stars - 1 over the latest rating of each teacher with settled use,
    `raters` of them. `rating_age_days`: of the latest of these ratings, at the end of the month.
    `renewed`, `ended`: terms of agreements that ended with and without another, changes of grade
    or curriculum left out. `defects`: severities (1, 3, 10) of upheld disputes, one per incident.
    `months`: months of settled use. `uses`: settled uses; exposure that is shown and never scored.
    `best`, `worst`: how many of these ratings are of five stars, and of one.
    """

    school: str
    rating_points: int = 0
    raters: int = 0
    rating_age_days: int = 0
    renewed: int = 0
    ended: int = 0
    defects: int = 0
    months: int = 0
    uses: int = 0
    rural: bool = False
    best: int = 0
    worst: int = 0

    @property
    def complains(self) -> bool:
        """Whether its teachers' opinion lies below the middle, three stars."""
        return self.rating_points < 2 * self.raters


@dataclass(frozen=True, kw_only=True, slots=True)
class SubjectEvidence:
    """A vendor or a resource in a cell, `stage/subject/type`; schools in the order of their ids.

    `first_listed_days`: days since it was first in use. `excluded`: schools whose evidence is
    shown and never scored, each with why: own-school, affiliate, rating-ring, abnormal-metering.
    But for the author's own school, what went wrong is scored all the same (`apart`), and what an
    affiliate's school says against the vendor.
    """

    subject: str
    cell: str
    schools: tuple[SchoolEvidence, ...] = ()
    audits_passed: int = 0
    audits: int = 0
    first_listed_days: int = 0
    excluded: tuple[tuple[str, str], ...] = ()


def in_order(evidence: SubjectEvidence) -> SubjectEvidence:
    """Return the evidence with its schools in the order of their ids."""
    return SubjectEvidence(
        subject=evidence.subject,
        cell=evidence.cell,
        schools=tuple(sorted(evidence.schools, key=lambda one: one.school)),
        audits_passed=evidence.audits_passed,
        audits=evidence.audits,
        first_listed_days=evidence.first_listed_days,
        excluded=tuple(sorted(evidence.excluded)),
    )


def apart(
    one: SchoolEvidence, *, low_stays: bool = False
) -> tuple[SchoolEvidence | None, SchoolEvidence]:
    """Return what stays of a school whose opinion is set aside, and what is set aside.

    What went wrong stays, whoever says it: upheld defects, with the months that they are a rate of,
    and terms that ended, as its whole decision on renewal; with `low_stays` also what its teachers
    say, if that lies below the middle. None if nothing stays. The two are the whole again
    (`together`).
    """
    is_low = low_stays and one.complains
    if not (one.defects or one.ended or is_low):
        return None, one
    kept = SchoolEvidence(
        school=one.school,
        renewed=one.renewed if one.ended else 0,
        ended=one.ended,
        defects=one.defects,
        months=one.months if one.defects else 0,
        uses=one.uses if one.defects else 0,
        rural=one.rural,
        **{name: getattr(one, name) if is_low else 0 for name in OF_OPINION},
    )
    aside = {
        name: getattr(one, name) - getattr(kept, name)
        for name in ("renewed", "ended", "defects", "months", "uses", *OF_OPINION)
    }
    return kept, replace(one, **aside)


def together(one: SchoolEvidence, other: SchoolEvidence) -> SchoolEvidence:
    """Return a school's evidence of two parts; one of them alone holds its ratings."""
    sums = {
        name: getattr(one, name) + getattr(other, name)
        for name, value in asdict(one).items()
        if isinstance(value, int) and not isinstance(value, bool)
    }
    return replace(one, **sums)


def all_in_order(evidence: Iterable[SubjectEvidence]) -> tuple[SubjectEvidence, ...]:
    """Return a run's evidence by cell and subject, so that no sum depends on how it came."""
    return tuple(sorted(evidence, key=lambda one: (one.cell, one.subject)))
