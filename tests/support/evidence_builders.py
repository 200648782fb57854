"""Evidence of schools on vendors, made by hand or by Hypothesis, for tests of the ranking."""

from hypothesis import strategies as st

from settlement.ranking.explaining import Rival
from settlement.ranking.inputs import SchoolEvidence, SubjectEvidence
from settlement.ranking.scoring import Score

CELLS = ("primary/math/video", "primary/chinese/exercise")


def says(school: str, *stars: int, age_days: int = 0, **facts: int) -> SchoolEvidence:
    """Return a school of which each teacher gave so many stars."""
    return SchoolEvidence(
        school=school,
        rating_points=sum(star - 1 for star in stars),
        raters=len(stars),
        best=stars.count(5),
        worst=stars.count(1),
        rating_age_days=age_days,
        **facts,
    )


def a_vendor(
    name: str, *schools: SchoolEvidence, cell: str = CELLS[0], **facts: int
) -> SubjectEvidence:
    """Return a vendor that is no newcomer by its days, as these schools see it."""
    known = {"first_listed_days": 400} | facts
    return SubjectEvidence(subject=name, cell=cell, schools=schools, **known)


def rival_of(score: Score) -> Rival:
    """Return a score as its rivals are compared with it."""
    parts = (score.satisfaction, score.renewal, score.defects, score.audit)
    means = tuple(one.mean for one in parts)
    return Rival(subject=score.subject, score=score.score, sd=score.sd, means=means)


@st.composite
def schools(draw: st.DrawFn, name: str) -> SchoolEvidence:
    stars = draw(st.lists(st.integers(1, 5), max_size=6))
    return says(
        name,
        *stars,
        age_days=draw(st.integers(0, 1500)) if stars else 0,
        renewed=draw(st.integers(0, 3)),
        ended=draw(st.integers(0, 3)),
        defects=draw(st.sampled_from((0, 0, 0, 1, 3, 10))),
        months=draw(st.integers(0, 12)),
        uses=draw(st.integers(0, 10**6)),
        rural=draw(st.booleans()),
    )


@st.composite
def vendors(draw: st.DrawFn, name: str = "v00", fewest: int = 0) -> SubjectEvidence:
    names = draw(st.sets(st.integers(0, 12), min_size=fewest, max_size=7))
    audits = draw(st.integers(0, 4))
    return SubjectEvidence(
        subject=name,
        cell=draw(st.sampled_from(CELLS)),
        schools=tuple(draw(schools(f"s{number:02d}")) for number in sorted(names)),
        audits=audits,
        audits_passed=draw(st.integers(0, audits)),
        first_listed_days=draw(st.integers(0, 800)),
    )


@st.composite
def runs(draw: st.DrawFn, fewest: int = 2) -> tuple[SubjectEvidence, ...]:
    """Return the evidence of a run: some vendors in two cells, by schools that know several."""
    count = draw(st.integers(fewest, 5))
    return tuple(draw(vendors(f"v{number:02d}")) for number in range(count))
