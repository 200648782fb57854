"""What must always hold of a ranking, whatever schools do and say (R42, R45, R46)."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from settlement.ranking.columns import MICRO, OF_SCHOOL, capped, columns_of, weights
from settlement.ranking.config import SHIPPED
from settlement.ranking.evidence import Subject
from settlement.ranking.explaining import explain
from settlement.ranking.guards import heard, moved
from settlement.ranking.inputs import (
    SchoolEvidence,
    SubjectEvidence,
    apart,
    in_order,
    together,
)
from settlement.ranking.priors import CellPrior, Priors, estimate_priors
from settlement.ranking.rules import Rules, digest_of, rules_from
from settlement.ranking.runs import inputs_of, subject_from
from settlement.ranking.scoring import Score, score
from tests.support.evidence_builders import rival_of, runs, says, schools, vendors

FOURTH = Decimal("0.0002")
"""Two roundings of the fourth place."""

of_runs = settings(max_examples=40)
"""A run is large, and each of its vendors is an example."""

MICROS = Decimal("0.000002")
"""Two roundings of the sixth place."""

shares = st.decimals("0.05", "0.95", places=3)


def priors_of(
    satisfaction: Decimal = Decimal("0.6"), k: Decimal = Decimal(3), phi: Decimal = Decimal("0.25")
) -> Priors:
    cell = CellPrior(
        cell="*",
        satisfaction=satisfaction,
        renewal=Decimal("0.7"),
        defects=Decimal("0.05"),
        audit=Decimal("0.8"),
    )
    return Priors(k=k, phi=phi, everywhere=cell, cells=(), leniency=())


def scored(evidence: SubjectEvidence, priors: Priors | None = None) -> Score:
    return score([evidence], priors or priors_of(), SHIPPED).scores[0]


def with_school(evidence: SubjectEvidence, school: SchoolEvidence) -> SubjectEvidence:
    others = [one for one in evidence.schools if one.school != school.school]
    return in_order(replace(evidence, schools=(*others, school)))


@of_runs
@given(runs(), st.randoms(use_true_random=False))
def test_no_order_in_which_evidence_comes_changes_a_digit(run, random):
    """R45: subjects, schools and batches in any order give the same priors, scores and places."""
    shuffled = [
        replace(one, schools=tuple(random.sample(one.schools, len(one.schools)))) for one in run
    ]
    random.shuffle(shuffled)

    priors = estimate_priors(run, SHIPPED)
    whole = score(run, priors, SHIPPED)
    mixed = score(shuffled, estimate_priors(shuffled, SHIPPED), SHIPPED)

    assert estimate_priors(shuffled, SHIPPED) == priors
    assert {one.subject: one for one in mixed.scores} == {one.subject: one for one in whole.scores}
    assert {one.subject: one for one in mixed.places} == {one.subject: one for one in whole.places}
    assert [score([one], priors, SHIPPED).scores[0] for one in run] == list(whole.scores)


@of_runs
@given(runs())
def test_a_score_is_had_again_from_what_is_kept_as_text(run):
    """R45: JSON of evidence, priors and configuration gives the same digits."""
    priors = estimate_priors(run, SHIPPED)
    config = rules_from(as_text(Rules().content())).ranking
    inputs = [inputs_of(Subject(evidence=one)) for one in run]
    kept = [subject_from(as_text(one)) for one in inputs]

    again = score(
        [one.evidence for one in kept],
        msgspec.convert(as_text(msgspec.to_builtins(priors)), type=Priors),
        config,
    )

    assert config == SHIPPED and config.digest() == SHIPPED.digest()
    assert again == score(run, priors, SHIPPED)
    assert [digest_of(inputs_of(one)) for one in kept] == [digest_of(one) for one in inputs]


def as_text(content: Any) -> Any:
    """Return what a snapshot, a run or a published configuration reads back of its JSON."""
    return msgspec.json.decode(msgspec.json.encode(content))


@of_runs
@given(runs(), st.integers(2, 1000))
def test_uses_never_enter_a_score(run, times):
    """R46: a thousand times the traffic, and not a digit moves."""
    busy = [
        replace(one, schools=tuple(replace(s, uses=s.uses * times + 1) for s in one.schools))
        for one in run
    ]

    assert estimate_priors(busy, SHIPPED) == estimate_priors(run, SHIPPED)
    priors = estimate_priors(run, SHIPPED)
    assert score(busy, priors, SHIPPED) == score(run, priors, SHIPPED)


def of_one_mind(stars: int, ages: list[int], teachers: int) -> SubjectEvidence:
    """Return a vendor to whom so many teachers of each school gave the same stars."""
    said = [says(f"s{n}", *[stars] * teachers, age_days=age) for n, age in enumerate(ages)]
    return SubjectEvidence(subject="v", cell="c", schools=tuple(said))


ages_of_schools = st.lists(st.integers(0, 900), min_size=1, max_size=9)


@given(ages_of_schools, st.integers(1, 5), shares, st.integers(1, 5), st.integers(2, 6))
def test_more_voices_of_one_opinion_move_the_centre_towards_it_and_never_past_it(
    ages, stars, mean, few, times
):
    """R42: nor does what is known ever fall; the deviation only rises where the centre comes nearer
    to the middle."""
    opinion, priors = Decimal(stars - 1) / 4, priors_of(satisfaction=mean)

    before = scored(of_one_mind(stars, ages, few), priors)
    after = scored(of_one_mind(stars, ages, few * times), priors)

    one, other = before.satisfaction, after.satisfaction
    assert other.evidence >= one.evidence
    low, high = sorted((one.mean, opinion))
    assert low - MICROS <= other.mean <= high + MICROS
    rises = opinion >= mean
    assert after.score >= before.score if rises else after.score <= before.score
    half = Decimal("0.5")
    if abs(other.mean - half) >= abs(one.mean - half):
        assert other.variance <= one.variance and after.sd <= before.sd


@given(ages_of_schools, st.integers(1, 5), shares, st.integers(2, 300))
def test_from_the_third_teacher_on_more_of_the_same_mind_move_no_digit(ages, stars, mean, times):
    """R42: a school is one voice."""
    priors = priors_of(satisfaction=mean)

    three = scored(of_one_mind(stars, ages, 3), priors)

    assert scored(of_one_mind(stars, ages, 3 * times), priors) == three


@given(vendors(fewest=5), st.integers(1, 5), st.integers(0, 900))
def test_a_further_school_never_lowers_how_much_is_known(vendor, raters, age):
    """R42: from five schools that rate on, where the cap is a fifth."""
    assume(sum(one.raters > 0 and one.rating_age_days < 900 for one in vendor.schools) >= 5)
    joined = with_school(vendor, says("s99", *[3] * raters, age_days=age))

    assert scored(joined).satisfaction.evidence >= scored(vendor).satisfaction.evidence


@given(st.integers(1, 12), shares.map(lambda share: (share * 4).quantize(Decimal("0.01"))))
def test_volume_at_the_expected_opinion_moves_nothing_but_the_deviation(count, points):
    """R42: who is as everyone is stays there, and is known better the more schools say so."""
    said = [
        SchoolEvidence(school=f"s{n:02d}", rating_points=int(points * 100), raters=100)
        for n in range(count)
    ]
    priors = priors_of(satisfaction=points / 4)

    fewer = scored(SubjectEvidence(subject="v", cell="c", schools=tuple(said[:-1])), priors)
    more = scored(SubjectEvidence(subject="v", cell="c", schools=tuple(said)), priors)

    assert abs(more.score - fewer.score) <= FOURTH
    assert more.sd <= fewer.sd


@given(vendors(fewest=1), st.data(), st.decimals("1.5", 9, places=2))
def test_no_school_weighs_more_than_its_cap(vendor, data, k):
    """R42: whatever one school's teachers say, satisfaction moves by no more than the cap."""
    assume(any(one.raters for one in vendor.schools))
    chosen = data.draw(st.sampled_from([one for one in vendor.schools if one.raters]))
    rating = sum(one.raters > 0 and one.rating_age_days < 7000 for one in vendor.schools)
    cap = max(SHIPPED.cap, Decimal(1) / rating)
    best = replace(chosen, rating_points=4 * chosen.raters)
    worst = replace(chosen, rating_points=0)

    priors = priors_of(k=k)
    high, low = (scored(with_school(vendor, one), priors) for one in (best, worst))

    assert high.satisfaction.mean - low.satisfaction.mean <= cap + MICROS
    assert high.score - low.score <= 40 * cap + FOURTH


@given(vendors(fewest=1))
def test_what_is_counted_is_the_least_of_weight_and_cap(vendor):
    """R42: max(20 %, 1/n) of the subject's weight, reckoned here with fractions."""
    columns = columns_of([vendor])
    weight = [int(one) for one in weights(columns, SHIPPED)]
    heard = sum(one > 0 for one in weight)
    most = sum(weight) * max(Fraction(1, 5), Fraction(1, heard)) if heard else Fraction(0)

    counted = [
        int(one) for one in capped(columns, columns_of([vendor]).raters * 0 + weight, SHIPPED)
    ]

    assert all(
        abs(mine - min(Fraction(one), most)) <= 1 for mine, one in zip(counted, weight, strict=True)
    )
    assert all(one <= MICRO for one in weight)


@given(vendors(), schools("s50"))
def test_what_is_excluded_has_no_effect(vendor, own):
    """R42: a school of the vendor's own is shown and never scored, whatever it says."""
    shown = replace(vendor, excluded=((own.school, "own-school"),))

    assert scored(shown) == scored(vendor)
    assert shown != vendor


@of_runs
@given(runs(), st.data())
def test_no_guard_takes_away_what_went_wrong(run, data):
    """R42, R51: whatever signs there are, defects, their months and terms that ended stay."""
    for vendor in run:
        names = [one.school for one in vendor.schools]
        named = data.draw(st.sets(st.sampled_from(names))) if names else set()
        left = moved(vendor, dict.fromkeys(named, "abnormal-metering"), wrongs_stay=True)
        kept = {one.school: one for one in left.schools}
        for one in vendor.schools:
            stays, aside = apart(one)
            assert one == (aside if stays is None else together(stays, aside))
            if one.school in named:
                assert kept.get(one.school) == stays
                assert stays is None or (stays.raters, stays.rating_points) == (0, 0)
            else:
                assert kept[one.school] == one
        for fact in ("defects", "ended"):
            assert sum(getattr(one, fact) for one in left.schools) == sum(
                getattr(one, fact) for one in vendor.schools
            )
        wronged = [one for one in vendor.schools if one.defects]
        assert all(kept[one.school].months == one.months for one in wronged)


@of_runs
@given(runs(), st.data())
def test_columns_are_set_aside_as_evidence_is(run, data):
    """R42: what the trial looks at is what the product does."""
    whole = columns_of(run)
    aside = np.array(
        data.draw(
            st.lists(st.booleans(), min_size=len(whole.subject), max_size=len(whole.subject))
        ),
        dtype=bool,
    )
    named: dict[str, dict[str, str]] = {}
    for row in np.flatnonzero(aside):
        named.setdefault(whole.subjects[whole.subject[row]], {})[
            whole.schools[whole.school[row]]
        ] = "rating-ring"
    for stay in (True, False):
        left = heard(whole, aside, wrongs_stay=stay)
        told = columns_of([moved(one, named.get(one.subject, {}), wrongs_stay=stay) for one in run])
        for name in ("subject", "independent", "wronged", *OF_SCHOOL):
            assert getattr(left, name).tolist() == getattr(told, name).tolist(), name


@given(vendors(fewest=1), st.data(), st.sampled_from((1, 3, 10)))
def test_one_more_upheld_defect_never_raises_a_score(vendor, data, severity):
    """R42: nor makes it less likely that the vendor is bad."""
    chosen = data.draw(st.sampled_from(vendor.schools))
    worse = with_school(vendor, replace(chosen, defects=chosen.defects + severity))

    before, after = scored(vendor), scored(worse)

    assert after.score <= before.score
    assert after.sd == before.sd
    assert after.p_bad >= before.p_bad


@given(vendors(fewest=1), st.data())
def test_a_better_rating_a_renewal_and_a_passed_audit_never_lower_a_score(vendor, data):
    """R42: what speaks for a vendor never speaks against it."""
    chosen = data.draw(st.sampled_from(vendor.schools))
    better = [replace(chosen, renewed=chosen.renewed + 1)]
    if chosen.rating_points < 4 * chosen.raters:
        better.append(replace(chosen, rating_points=chosen.rating_points + 1))
    passed = replace(vendor, audits=vendor.audits + 1, audits_passed=vendor.audits_passed + 1)
    before = scored(vendor)

    if chosen.renewed + chosen.ended:
        assert scored(with_school(vendor, better[0])).score >= before.score
    assert all(scored(with_school(vendor, one)).score >= before.score for one in better[1:])
    assert scored(passed).score >= before.score


@of_runs
@given(runs())
def test_scores_places_and_probabilities_are_within_their_bounds(run):
    """R42: a score is of 100, an interval holds the place, equal bounds have equal places."""
    found = score(run, estimate_priors(run, SHIPPED), SHIPPED)

    for one, place in zip(found.scores, found.places, strict=True):
        rivals = [other for other in found.scores if other.cell == one.cell]
        assert 0 <= one.score <= 100 and one.sd > 0 and 0 <= one.p_bad <= 1
        assert 1 <= place.best <= place.place <= place.worst <= place.among == len(rivals)
        assert place.place == 1 + sum(other.lower > one.lower for other in rivals)
        assert (place.band == "") == one.is_newcomer


@of_runs
@given(runs())
def test_parts_add_up_and_each_school_is_really_left_out(run):
    """R45: the points of the components are the score; an effect is the score without a school."""
    priors = estimate_priors(run, SHIPPED)
    found = score(run, priors, SHIPPED).scores
    for evidence, own in zip(run, found, strict=True):
        rivals = [rival_of(one) for one in found if one.cell == own.cell]
        told = explain(evidence, priors=priors, config=SHIPPED, rivals=rivals)

        assert told.score == own
        assert abs(sum(one.points for one in told.contributions) - own.score) <= 2 * FOURTH
        assert abs(sum(one.variance_share for one in told.contributions) - 1) <= 2 * FOURTH
        for one in told.schools:
            kept = tuple(other for other in evidence.schools if other.school != one.school)
            alone = score([replace(evidence, schools=kept)], priors, SHIPPED).scores[0]
            assert one.effect == own.score - alone.score
        if told.ahead is not None:
            assert told.ahead.lower_bound > own.lower
