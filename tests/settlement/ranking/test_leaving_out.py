"""Each school left out in turn: at once, and to the digits of the plain way (R45)."""

from dataclasses import replace
from time import perf_counter

from hypothesis import given

from settlement.ranking.config import SHIPPED
from settlement.ranking.explaining import explain
from settlement.ranking.inputs import SchoolEvidence, SubjectEvidence, in_order
from settlement.ranking.priors import estimate_priors
from settlement.ranking.scoring import score
from tests.support.evidence_builders import vendors


def in_the_plain_way(evidence: SubjectEvidence) -> list[tuple[str, str]]:
    """Score the evidence anew without each school; return what each does to score and sd."""
    whole = in_order(evidence)
    priors = estimate_priors([whole], SHIPPED)
    own = score([whole], priors, SHIPPED).scores[0]
    found = []
    for school in whole.schools:
        others = replace(whole, schools=tuple(one for one in whole.schools if one is not school))
        other = score([others], priors, SHIPPED).scores[0]
        found.append((str(own.score - other.score), str(own.sd - other.sd)))
    return found


def at_once(evidence: SubjectEvidence) -> list[tuple[str, str]]:
    told = explain(evidence, priors=estimate_priors([evidence], SHIPPED), config=SHIPPED)
    return [(str(one.effect), str(one.sd_effect)) for one in told.schools]


@given(vendors())
def test_leaving_out_at_once_gives_the_digits_of_the_plain_way(vendor: SubjectEvidence) -> None:
    """R45: also where the cap of the others moves with who is left out."""
    assert at_once(vendor) == in_the_plain_way(vendor)


def a_large_one(schools: int) -> SubjectEvidence:
    """Return a vendor with many schools of all ages, sizes, opinions and fates."""
    return SubjectEvidence(
        subject="v",
        cell="c",
        audits=3,
        audits_passed=2,
        first_listed_days=400,
        schools=tuple(
            SchoolEvidence(
                school=f"{n:05}",
                raters=n % 7,
                rating_points=(n * 5) % (4 * (n % 7) + 1),
                rating_age_days=(n * 37) % 1500,
                renewed=n % 3,
                ended=n % 2,
                defects=(0, 0, 0, 1, 3, 10)[n % 6],
                months=n % 13,
            )
            for n in range(schools)
        ),
    )


def test_many_schools_give_the_digits_of_the_plain_way() -> None:
    """R45."""
    vendor = a_large_one(150)
    assert at_once(vendor) == in_the_plain_way(vendor)


def test_a_page_about_three_thousand_schools_is_cheap() -> None:
    """R45: what grew with the square of the schools took half a minute; now it follows them."""
    vendor = a_large_one(3_000)
    priors = estimate_priors([vendor], SHIPPED)
    began = perf_counter()
    told = explain(vendor, priors=priors, config=SHIPPED)
    took = perf_counter() - began
    assert len(told.schools) == 3_000
    assert took < 1, took
