"""The trial of the ranking: what it measures is right, and it says what it was run on."""

import math
from decimal import Decimal
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from settlement.ranking.config import SHIPPED
from settlement.ranking.simulation.living import HONEST, Market
from settlement.ranking.simulation.measures import exposure, kendall_tau, ndcg, tally, truth_of
from settlement.ranking.simulation.methods import OURS, Variant, ablations, baseline_views
from settlement.ranking.simulation.process import suspended
from settlement.ranking.simulation.running import run_trial
from settlement.ranking.simulation.survival import survival, time_at
from settlement.ranking.simulation.watching import removed_by, watch
from settlement.ranking.simulation.world import BAD_BELOW, MONTHS, draw_world

SHARE = SHIPPED.newcomers.share


def test_kaplan_meier_by_hand():
    """Of five, one leaves at 2, one is lost at 3, one leaves at 4: 4/5, then 4/5 · 2/3."""
    curve = survival([2, 3, 4, 6, 6], [True, False, True, False, False])

    assert [(step.time, round(step.share, 6)) for step in curve] == [
        (0, 1.0),
        (2, 0.8),
        (4, round(0.8 * 2 / 3, 6)),
    ]
    assert time_at(curve, 0.8) == 2
    assert time_at(curve, 0.5) is None


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), min_size=2, max_size=9))
def test_kendalls_tau_is_that_of_its_definition(pairs):
    one, other = (np.array(values, dtype=float) for values in zip(*pairs, strict=True))
    signs = [(np.sign(a[0] - b[0]), np.sign(a[1] - b[1])) for a, b in combinations(pairs, 2)]
    apart = math.sqrt(sum(x != 0 for x, _ in signs) * sum(y != 0 for _, y in signs))

    expected = sum(x * y for x, y in signs) / apart if apart else 0.0

    assert kendall_tau(one, other) == pytest.approx(expected)


def test_the_true_order_has_the_whole_gain_and_its_reverse_the_least():
    truth = np.arange(12.0)

    assert ndcg(truth, truth) == 1.0
    assert ndcg(-truth, truth) < ndcg(np.roll(truth, 3), truth) < 1.0


def test_reserved_places_show_newcomers_who_would_not_be_seen():
    order = np.arange(20.0)
    new = order < 5

    assert exposure(order, new, Decimal(0)) == (0.0, 0.25)
    shown, share = exposure(order, new, SHARE)
    assert share == 0.25 and 0.1 < shown < 0.25
    already = order >= 18
    assert exposure(order, already, SHARE) == exposure(order, already, Decimal(0))


def process(bad_months: list[int], *, affected: int = 3, recovered: tuple[int, ...] = ()) -> int:
    shape = (1, 1, MONTHS)
    bad, back = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    bad[0, 0, bad_months] = True
    back[0, 0, list(recovered)] = True
    removed = suspended(
        bad,
        back,
        judged=np.ones((1, MONTHS), dtype=bool),
        affected=np.full((1, MONTHS, MONTHS), affected),
        gates=SHIPPED.gates,
    )
    return int(removed[0, 0])


def test_nobody_is_suspended_without_notice_term_looks_and_schools():
    """The process that the trial puts every method through is that of the standings."""
    always = list(range(5, MONTHS))

    assert process(always) == 11  # a notice in month 5, and a term of 183 days
    assert process([5, 11, 12]) == 12  # two looks in a row after the notice
    assert process([5, 11, 13]) == -1
    assert process(always, affected=2) == -1
    assert process(always, recovered=(8,)) == 14  # another notice, another term


def test_a_marketplace_is_the_same_for_the_same_seed_and_another_for_another():
    one, again, other = (draw_world(np.random.default_rng(seed), 40) for seed in (1, 1, 2))

    assert np.array_equal(one.quality, again.quality)
    assert not np.array_equal(one.quality[:50], other.quality[:50])


def test_people_in_it_do_what_it_says():
    """Good vendors are rated and renewed better; what is bought is bought; nobody rates at home."""
    market = Market(np.random.default_rng(3), draw_world(np.random.default_rng(3), 120))
    for _ in range(MONTHS):
        market.live()
    honest = market.kind == HONEST
    good = market.world.quality[market.vendor, -1] > 0.5
    bad = market.world.quality[market.vendor, -1] < BAD_BELOW

    def mean_stars(rows: "np.ndarray") -> float:
        said = market.stars[rows]
        return float(said[said > 0].mean())

    assert mean_stars(honest & good) > mean_stars(honest & bad) + 1
    assert (~honest).any()
    own = market.world.home[market.vendor] == market.school
    assert not (own & honest).any()
    views = baseline_views(market)
    assert all(np.isfinite(view.order).all() for view in views.values())


def test_who_is_removed_is_counted_right_or_wrong_by_what_it_really_was():
    seen = watch(1, 60, variants={OURS: Variant()}, baselines=[])
    truth = truth_of(seen.world, seen.served)
    last = MONTHS - 1
    is_bad = truth.bad[:, last] & truth.seen[:, last]
    everyone = np.full(len(is_bad), last)

    counted = tally(truth, everyone)
    nobody = tally(truth, np.full(len(is_bad), -1))

    assert counted.unjust == int((~truth.bad[:, last]).sum())
    assert counted.long_bad_removed <= counted.long_bad
    assert (nobody.unjust, nobody.long_bad_removed) == (0, 0)
    assert set(removed_by(seen, OURS, SHIPPED.gates)) - {-1}, "somebody is removed"


def test_each_ablation_leaves_out_one_part_and_keeps_weights_of_one():
    for name, variant in ablations(SHIPPED).items():
        by = variant.config.weights
        total = by.satisfaction + by.renewal + by.defects + by.audit
        assert abs(total - 1) < 1e-9, name
        assert variant != Variant(), name


def test_a_trial_says_what_it_was_run_on_and_what_came_of_it():
    """R42: better ordered than by any of the others, on marketplaces that nothing was tuned on."""
    reports: list[tuple[int, int]] = []
    found = run_trial(
        seeds=3, tuning=2, sizes=[60], report=lambda done, total: reports.append((done, total))
    )

    assert found["seeds"] == {"held_out": [1, 3], "tuning": [1001, 1002]}
    assert found["config_digest"] == SHIPPED.digest()
    assert reports == [(done, 5) for done in range(1, 6)]
    methods = found["schools"]["60"]
    assert list(methods) == ["ours", "raw_average", "raw_usage", "wilson", "bayesian_average"]
    best = max(one["kendall_tau"] for name, one in methods.items() if name != "ours")
    assert methods["ours"]["kendall_tau"] > best
    assert {
        "kendall_tau",
        "ndcg10",
        "bad_removed",
        "false_elimination",
        "brushers_caught",
        "months_to_exit",
        "newcomer_exposure",
    } <= set(methods["ours"])
    assert found["goals"] is None, "goals are for 150 schools"
