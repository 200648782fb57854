"""Guards set aside what says more about who gave it than about what was used (R42, R51)."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from settlement.ranking.config import SHIPPED, Guards
from settlement.ranking.guards import Finding, Known, Sign, find, moved
from settlement.ranking.inputs import SubjectEvidence
from settlement.ranking.priors import Priors, estimate_priors
from settlement.ranking.scoring import score
from tests.support.evidence_builders import a_vendor, says

NOBODY = Known(homes={}, learners={})


def found(
    *evidence: SubjectEvidence, known: Known = NOBODY
) -> tuple[dict[tuple[str, str], Sign], tuple[Finding, ...], Priors]:
    priors = estimate_priors(evidence, SHIPPED)
    findings = find(evidence, known, priors=priors, config=SHIPPED)
    return {(one.subject, one.school): one.sign for one in findings}, findings, priors


def set_aside(
    vendor: SubjectEvidence, findings: Sequence[Finding], guards: Guards = SHIPPED.guards
) -> SubjectEvidence:
    """Return a vendor's evidence without what was found."""
    signs = {one.school: one.sign.value for one in findings}
    return moved(vendor, signs, wrongs_stay=guards.wrongs_stay is True)


def test_two_sellers_schools_that_praise_each_other_are_a_ring():
    """R42: mutual praise is set aside on both sides; who else praises them is not."""
    first = a_vendor("v1", says("home2", 5), says("s1", 4), says("s2", 5))
    second = a_vendor("v2", says("home1", 5, 5), says("s1", 3))
    homes = Known(homes={"v1": ["home1"], "v2": ["home2"]}, learners={})

    signs, _, _ = found(first, second, known=homes)

    assert signs == {("v1", "home2"): Sign.MUTUAL, ("v2", "home1"): Sign.MUTUAL}


def test_praise_of_another_seller_that_is_not_returned_is_no_ring():
    first = a_vendor("v1", says("home2", 5), says("s1", 4))
    second = a_vendor("v2", says("home1", 3, 5), says("s1", 3))
    homes = Known(homes={"v1": ["home1"], "v2": ["home2"]}, learners={})

    assert found(first, second, known=homes)[0] == {}


def test_schools_that_praise_one_and_damn_its_rival_with_one_voice_are_set_aside():
    """R42: three schools, the same two subjects, and nobody else sees it so."""
    voices = ("h1", "h2", "h3")
    honest = ("s1", "s2", "s3")
    attacker = a_vendor(
        "v1", *(says(one, 5, 5, 5) for one in voices), *(says(one, 3, 3) for one in honest)
    )
    victim = a_vendor(
        "v2", *(says(one, 1, 1, 1) for one in voices), *(says(one, 4, 4) for one in honest)
    )

    signs, findings, _ = found(attacker, victim)

    assert set(signs) == {(subject, one) for subject in ("v1", "v2") for one in voices}
    assert set(signs.values()) == {Sign.ONE_VOICE}
    assert all(one.score_without > one.score_with for one in findings if one.subject == "v2")
    assert all(one.score_without < one.score_with for one in findings if one.subject == "v1")


def test_two_schools_of_one_voice_are_too_few():
    honest = ("s1", "s2", "s3")
    attacker = a_vendor(
        "v1", *(says(one, 5, 5, 5) for one in ("h1", "h2")), *(says(one, 3, 3) for one in honest)
    )
    victim = a_vendor(
        "v2", *(says(one, 1, 1, 1) for one in ("h1", "h2")), *(says(one, 4, 4) for one in honest)
    )

    assert found(attacker, victim)[0] == {}


@pytest.mark.parametrize(("stars", "others", "sign"), [(5, 2, Sign.CAPTIVE), (1, 4, Sign.HOSTILE)])
def test_a_school_of_one_extreme_mind_against_all_others_is_set_aside(stars, others, sign):
    """R42: five teachers alike, and at least three schools that see it otherwise."""
    others_say = [says(f"s{n}", others, others) for n in range(3)]
    loud = says("loud", *[stars] * 5)

    assert found(a_vendor("v1", loud, *others_say))[0] == {("v1", "loud"): sign}
    assert found(a_vendor("v1", loud, *others_say[:2]))[0] == {}
    assert found(a_vendor("v1", says("loud", *[stars] * 4), *others_say))[0] == {}
    assert found(a_vendor("v1", says("loud", *[stars] * 3, 3, 3), *others_say))[0] == {}


@pytest.mark.parametrize("stars", [5, 1])
@pytest.mark.parametrize("other", [1, 2, 3, 4, 5])
def test_one_teacher_who_says_otherwise_disarms_no_guard(stars, other):
    """R42: whatever the one rating is, of five teachers or more."""
    others_say = [says(f"s{n}", 3, 3) for n in range(3)]
    loud = says("loud", *[stars] * 4, other)
    sign = Sign.CAPTIVE if stars == 5 else Sign.HOSTILE

    assert found(a_vendor("v1", loud, *others_say))[0] == {("v1", "loud"): sign}


@pytest.mark.parametrize("praise", [(5,), (5, 4), (5, 5, 4), (5, 5, 1), (5, 5, 5, 5, 3)])
def test_one_teacher_who_says_otherwise_disarms_no_ring(praise):
    """R42: of two teachers one that gives four stars, of three whatever one gives."""
    first = a_vendor("v1", says("home2", *praise), says("s1", 4))
    second = a_vendor("v2", says("home1", 5, 5), says("s1", 3))
    homes = Known(homes={"v1": ["home1"], "v2": ["home2"]}, learners={})

    assert set(found(first, second, known=homes)[0]) == {("v1", "home2"), ("v2", "home1")}


def test_one_voice_is_one_though_a_teacher_says_otherwise():
    """R42."""
    voices, honest = ("h1", "h2", "h3"), ("s1", "s2", "s3")
    attacker = a_vendor(
        "v1", *(says(one, 5, 5, 4) for one in voices), *(says(one, 3, 3) for one in honest)
    )
    victim = a_vendor(
        "v2", *(says(one, 1, 1, 2) for one in voices), *(says(one, 4, 4) for one in honest)
    )

    assert set(found(attacker, victim)[0].values()) == {Sign.ONE_VOICE}


def test_what_went_wrong_at_a_school_that_is_set_aside_stays():
    """R42, R51: a vendor that has a school use more and more washes nothing away by it."""
    schools = [says(f"s{n}", 4, months=2, uses=100 * 2) for n in range(8)]
    busy = says("busy", 5, months=2, uses=9_000, defects=10, ended=1, renewed=2)
    learners = {f"s{n}": 100 for n in range(8)} | {"busy": 100}
    vendor = a_vendor("v1", busy, *schools)
    _, findings, priors = found(vendor, known=Known(homes={}, learners=learners))

    left = set_aside(vendor, findings)

    (kept,) = [one for one in left.schools if one.school == "busy"]
    assert left.excluded == (("busy", "abnormal-metering"),)
    assert (kept.raters, kept.rating_points, kept.best) == (0, 0, 0)
    assert (kept.defects, kept.months, kept.ended, kept.renewed) == (10, 2, 1, 2)
    clean = replace(busy, defects=0, ended=0)
    rest = set_aside(a_vendor("v1", clean, *schools), findings)
    assert "busy" not in {one.school for one in rest.schools}
    assert score([left], priors, SHIPPED).scores[0].score < findings[0].score_with


def test_who_complains_is_heard_however_much_is_used():
    """R51: uses that a vendor brings about set no bad opinion of it aside."""
    schools = [says(f"s{n}", 4, months=2, uses=100 * 2) for n in range(8)]
    learners = {f"s{n}": 100 for n in range(8)} | {"busy": 100}
    known = Known(homes={}, learners=learners)

    for stars, signs in (((2, 2), {}), ((5, 1), {("v1", "busy"): Sign.METERING})):
        busy = says("busy", *stars, months=2, uses=9_000)
        assert found(a_vendor("v1", busy, *schools), known=known)[0] == signs


def test_guards_of_a_version_before_find_and_set_aside_as_they_did():
    """R45: a published version means what it meant."""
    before = replace(SHIPPED, version="2026-1", guards=Guards())
    others_say = [says(f"s{n}", 2, 2) for n in range(3)]
    for stars, sign in (((5,) * 5, {"captive-school"}), ((5, 5, 5, 5, 4), set())):
        vendor = a_vendor("v1", says("loud", *stars, defects=3, ended=1), *others_say)
        priors = estimate_priors([vendor], before)
        findings = find([vendor], NOBODY, priors=priors, config=before)
        left = set_aside(vendor, findings, before.guards)
        assert {one.sign.value for one in findings} == sign
        assert ("loud" in {one.school for one in left.schools}) is not bool(sign)


def test_unanimous_praise_that_others_share_stays():
    good = a_vendor("v1", says("s0", 5, 5, 5, 5, 5), *(says(f"s{n}", 4, 5) for n in range(1, 5)))

    assert found(good)[0] == {}


def test_uses_far_above_what_is_usual_in_the_cell_are_abnormal():
    """R51: eight times the median of uses per learner and month, with the learners enrolled."""
    schools = [says(f"s{n}", 4, months=2, uses=100 * 2) for n in range(8)]
    busy = says("busy", 5, months=2, uses=801 * 2)
    learners = {f"s{n}": 100 for n in range(8)} | {"busy": 100}
    known = Known(homes={}, learners=learners)

    assert found(a_vendor("v1", busy, *schools), known=known)[0] == {("v1", "busy"): Sign.METERING}
    usual = replace(busy, uses=800 * 2)
    assert found(a_vendor("v1", usual, *schools), known=known)[0] == {}
    large = Known(homes={}, learners=learners | {"busy": 200})
    assert found(a_vendor("v1", busy, *schools), known=large)[0] == {}


def test_what_is_found_is_shown_with_its_reason_and_scored_no_more():
    """R42: with its effect: the score with it and without it, by the run's priors."""
    vendor = a_vendor("v1", says("loud", *[5] * 6), *(says(f"s{n}", 2, 2) for n in range(4)))
    _, findings, priors = found(vendor)

    left = set_aside(vendor, findings)

    assert left.excluded == (("loud", "captive-school"),)
    assert left.schools == tuple(one for one in vendor.schools if one.school != "loud")
    before, after = score([vendor, left], priors, SHIPPED).scores
    assert (findings[0].score_with, findings[0].score_without) == (before.score, after.score)
    assert after.score < before.score


def test_a_subject_of_several_cells_is_known_by_its_home_in_each():
    homes = Known(homes={"v1": ["home1"], "v2": ["home2"]}, learners={})
    first = a_vendor("v1", says("home2", 5))
    second = [a_vendor("v2", says("home1", 5), cell=cell) for cell in ("a/b/c", "a/b/d")]

    signs = found(first, *second, known=homes)[1]

    assert {(one.subject, one.cell) for one in signs} == {
        ("v1", first.cell),
        ("v2", "a/b/c"),
        ("v2", "a/b/d"),
    }
