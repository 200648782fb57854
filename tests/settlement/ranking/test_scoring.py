"""Scores, priors and places by example; what always holds is in tests/properties."""

from dataclasses import replace
from decimal import Decimal

import pytest

from settlement.ranking.config import SHIPPED, Newcomers, Weights
from settlement.ranking.explaining import ScorePart, explain
from settlement.ranking.inputs import SchoolEvidence
from settlement.ranking.places import band_of, places_of, to_next_band
from settlement.ranking.priors import estimate_priors
from settlement.ranking.rules import Rules, rules_from
from settlement.ranking.scoring import score
from tests.support.evidence_builders import a_vendor, rival_of, says


def test_the_shipped_weights_add_up_to_one_and_bands_descend():
    by: Weights = SHIPPED.weights
    assert by.satisfaction + by.renewal + by.defects + by.audit == 1
    least = [band.least for band in SHIPPED.bands]
    assert least == sorted(least, reverse=True) and least[-1] == 0


def test_another_number_is_another_digest():
    """R45: a configuration is known by its digest."""
    other = replace(SHIPPED, tau=Decimal(53))

    assert other.digest() != SHIPPED.digest()
    assert rules_from(Rules(ranking=other).content()).ranking == other


def test_a_vendor_of_whom_nothing_is_known_has_its_cells_means_and_is_new():
    """R43: nothing known is neither good nor bad, and named so."""
    known = [a_vendor(f"v{n}", *(says(f"s{m}", 4, 5) for m in range(5))) for n in range(4)]
    unknown = a_vendor("new", first_listed_days=10)

    found = score([*known, unknown], estimate_priors(known, SHIPPED), SHIPPED)

    assert found.scores[-1].is_newcomer and found.places[-1].band == ""
    assert found.scores[-1].satisfaction.evidence == 0
    assert not found.scores[0].is_newcomer
    assert found.scores[-1].sd > found.scores[0].sd


@pytest.mark.parametrize(
    ("schools", "days", "is_new"), [(3, 60, False), (2, 60, True), (3, 59, True)]
)
def test_three_schools_and_sixty_days_end_being_new(schools, days, is_new):
    """R43."""
    vendor = a_vendor("v", *(says(f"s{n}", 4) for n in range(schools)), first_listed_days=days)

    found = score([vendor], estimate_priors([vendor], SHIPPED), SHIPPED)

    assert found.scores[0].is_newcomer is is_new


@pytest.mark.parametrize(("sign", "ends_it"), [("affiliate", True), ("hostile-school", False)])
def test_schools_that_are_set_aside_end_no_newness(sign, ends_it):
    """R43: what went wrong there is scored, and is no independent school; before, it was one.

    But with somebody at the vendor it is: a vendor would stay new for ever by giving roles.
    """
    wronged = SchoolEvidence(school="s0", defects=10, months=1)
    vendor = replace(
        a_vendor("v", wronged, says("s1", 4), says("s2", 4), first_listed_days=99),
        excluded=(("s0", sign),),
    )
    priors = estimate_priors([vendor], SHIPPED)
    third = replace(SHIPPED, newcomers=Newcomers(independent=True))
    first = replace(SHIPPED, newcomers=Newcomers())

    (now,), (then,), (before,) = (
        score([vendor], priors, one).scores for one in (SHIPPED, third, first)
    )

    assert (now.schools, now.is_newcomer) == ((3, False) if ends_it else (2, True))
    assert (then.schools, then.is_newcomer) == (2, True)
    assert (before.schools, before.is_newcomer) == (3, False)
    assert (now.score, now.defects) == (then.score, then.defects) == (before.score, before.defects)


def test_a_strict_schools_word_is_read_by_what_it_says_of_others():
    """R42: four vendors whom all like and one school likes less: that is the school."""
    liked = [
        a_vendor(f"v{n}", *(says(f"s{m}", 5, 5, 5) for m in range(4)), says("strict", 3, 3, 3))
        for n in range(6)
    ]
    alone = a_vendor("w", says("strict", 3, 3, 3))
    elsewhere = a_vendor("x", says("other", 3, 3, 3))
    priors = estimate_priors([*liked, alone, elsewhere], SHIPPED)

    by_strict, by_other = score([alone, elsewhere], priors, SHIPPED).scores

    assert dict(priors.leniency)["strict"] < Decimal("-0.1")
    assert by_strict.satisfaction.mean > by_other.satisfaction.mean


def test_a_thin_cell_is_expected_to_be_as_all_cells_are():
    """R42: one bad vendor alone in its cell is not what its cell is expected to be."""
    thick = [a_vendor(f"v{n}", *(says(f"s{m}", 5, 4, 4) for m in range(6))) for n in range(10)]
    thin = a_vendor("w", says("s1", 1, 1, 1), cell="junior/art/video")

    priors = estimate_priors([*thick, thin], SHIPPED)
    means = {one.cell: one.satisfaction for one in priors.cells}

    assert means["junior/art/video"] > Decimal("0.6")


def test_schools_that_agree_make_phi_small_and_schools_that_differ_make_it_large():
    """R42: phi and k are estimated anew from a run's evidence, within their bounds."""

    def run(*stars: int) -> Decimal:
        vendors = [
            a_vendor(f"v{n}", *(says(f"s{n}-{m}", *[star] * 3) for m, star in enumerate(stars)))
            for n in range(30)
        ]
        return estimate_priors(vendors, SHIPPED).phi

    assert run(3, 3, 4, 4) < run(1, 2, 4, 5) <= SHIPPED.phi_bounds[1]


def test_places_that_can_not_be_told_apart_share_an_interval():
    """R45: a rank interval says how sure a place is."""
    rows = [
        ("c", "a", Decimal(90), Decimal(2), False),
        ("c", "b", Decimal(70), Decimal(5), False),
        ("c", "d", Decimal(69), Decimal(5), False),
        ("c", "e", Decimal(20), Decimal(3), False),
        ("c", "f", Decimal(90), Decimal(2), True),
    ]
    found = {one.subject: one for one in places_of(rows, SHIPPED)}

    assert [(found[name].place, found[name].best, found[name].worst) for name in "abdef"] == [
        (1, 1, 2),
        (3, 3, 4),
        (4, 3, 4),
        (5, 5, 5),
        (1, 1, 2),
    ]
    assert (found["a"].band, found["b"].band, found["e"].band, found["f"].band) == (
        "A",
        "B",
        "D",
        "",
    )


@pytest.mark.parametrize(
    ("lower", "band", "missing"),
    [("80", "A", "0"), ("75", "A", "0"), ("74.9", "B", "0.1"), ("51", "D", "1"), ("-3", "D", "55")],
)
def test_points_to_the_next_band(lower, band, missing):
    assert band_of(Decimal(lower), SHIPPED) == band
    assert to_next_band(Decimal(lower), SHIPPED) == Decimal(missing)


def test_why_this_place_names_who_is_ahead_and_by_what():
    """R45: part by part, and what is missing to the next band."""
    good = a_vendor("good", *(says(f"s{n}", 5, 5, 5) for n in range(5)), audits=3, audits_passed=3)
    middling = a_vendor("fair", *(says(f"s{n}", 3, 4, 4) for n in range(5)), audits=3)
    run = [good, middling]
    priors = estimate_priors(run, SHIPPED)
    scores = [rival_of(one) for one in score(run, priors, SHIPPED).scores]

    told = explain(middling, priors=priors, config=SHIPPED, rivals=scores)

    assert told.ahead is not None and told.ahead.subject == "good"
    parts = dict(told.ahead.parts)
    assert (
        parts[ScorePart.SATISFACTION] > 0
        and parts[ScorePart.AUDIT] > 0
        and parts[ScorePart.DEFECTS] == 0
    )
    assert told.missing > 0 and told.next_band in {"A", "B", "C"}
    assert explain(good, priors=priors, config=SHIPPED, rivals=scores).ahead is None


def test_a_school_above_its_cap_is_said_to_be():
    old = [says(f"s{n}", 3, age_days=1000) for n in range(4)]
    loud = says("s9", 5, 5, 5)
    vendor = a_vendor("v", loud, *old)

    told = explain(vendor, priors=estimate_priors([vendor], SHIPPED), config=SHIPPED)

    assert [one.school for one in told.schools if one.is_capped] == ["s9"]
    assert next(one for one in told.schools if one.school == "s9").effect > 0


def test_a_school_without_ratings_has_no_opinion():
    quiet = SchoolEvidence(school="s1", renewed=1, months=3)
    vendor = a_vendor("v", quiet)

    (school,) = explain(vendor, priors=estimate_priors([vendor], SHIPPED), config=SHIPPED).schools

    assert school.opinion is None and school.weight == 0 and school.effect > 0


def test_a_vendor_that_breaks_all_the_time_is_not_what_is_expected_of_its_rivals():
    """R42: a rival without a defect keeps most of that component."""
    broken = a_vendor("bad", *(says(f"s{n}", 1, defects=20, months=2) for n in range(4)))
    sound = [a_vendor(f"v{n}", *(says(f"s{m}", 4, months=2) for m in range(4))) for n in range(2)]
    run = [broken, *sound]

    found = score(run, estimate_priors(run, SHIPPED), SHIPPED).scores

    assert found[0].defects.mean == 0
    assert all(one.defects.mean > Decimal("0.6") for one in found[1:])
