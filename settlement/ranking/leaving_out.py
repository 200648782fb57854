"""What a score would be without each school in turn, out of sums and in one pass (R45). Pure.

A score is a function of sums over schools, so that leaving one out takes its part off each sum. The
cap alone hangs on all the others; what they carry under it is read off the sums of their weights in
order. So n schools cost about what sorting them does, and the digits are those of a score of the
others alone.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from settlement.ranking.columns import MICRO, Columns, capped, columns_of, weights
from settlement.ranking.config import RankingConfig
from settlement.ranking.inputs import SubjectEvidence
from settlement.ranking.numbers import Flags, Real, Whole
from settlement.ranking.priors import Priors
from settlement.ranking.scoring import (
    Sums,
    adjusted,
    counting,
    in_arrays,
    measure_sums,
    renewals,
    sums_of,
)


class LeftOut(NamedTuple):
    """By school, in the order of the evidence: `score` and `sd` without it, to 4 places.

    `opinion`: its own less its leniency, `weight`: as it counts under the cap, both in millionths;
    `is_capped`: it would weigh more.
    """

    score: Real
    sd: Real
    opinion: Whole
    weight: Whole
    is_capped: Flags


def each_left_out(evidence: SubjectEvidence, *, priors: Priors, config: RankingConfig) -> LeftOut:
    """Return what a subject's score is without each of its schools in turn."""
    columns = columns_of([evidence])
    known = in_arrays(priors, columns)
    weight, opinion = weights(columns, config), adjusted(columns, known)
    counted = capped(columns, weight, config)
    carried, said = _others(weight, opinion, config)
    whole = sums_of(columns, known, config)
    found = measure_sums(
        Sums(
            known=carried,
            said=said,
            renewed=whole.renewed - renewals(columns),
            decided=whole.decided - (columns.renewed + columns.ended > 0),
            severity=whole.severity - columns.defects,
            months=whole.months - columns.months,
            schools=whole.schools - counting(columns, config),
        ),
        _for_each(columns),
        known,
        config,
    )
    return LeftOut(found.score, found.sd, opinion, counted, counted < weight)


def _others(weight: Whole, opinion: Whole, config: RankingConfig) -> tuple[Whole, Whole]:
    """Return by school what all others weigh under their own cap, and that times what they say.

    Of weights in order, those up to the cap are summed as they are, and the cap stands for the
    rest; then the school itself is taken off.
    """
    others = weight.sum() - weight
    heard = (weight > 0).sum() - (weight > 0)
    share = others * int(config.cap * MICRO) // MICRO
    most: Whole = np.maximum(share, -(-others // np.maximum(heard, 1)))
    order = np.argsort(weight, kind="stable")
    light, words = weight[order], opinion[order]
    below = np.searchsorted(light, most, side="right")
    own = np.minimum(weight, most)
    carried = _up_to(light)[below] + most * (len(weight) - below) - own
    loud = _up_to(words)
    said = _up_to(light * words)[below] + most * (loud[-1] - loud[below]) - own * opinion
    return carried, said


def _up_to(values: Whole) -> Whole:
    """Return the sums of the first 0, 1, … values."""
    return np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(values)))


def _for_each(columns: Columns) -> Columns:
    """Return the one subject once for each of its schools, as far as it is no sum of them."""
    schools = len(columns.school)
    return replace(
        columns,
        subjects=[columns.subjects[0]] * schools,
        cell_of=np.repeat(columns.cell_of, schools),
        audits_passed=np.repeat(columns.audits_passed, schools),
        audits=np.repeat(columns.audits, schools),
        listed_days=np.repeat(columns.listed_days, schools),
    )
