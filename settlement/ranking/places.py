"""Places: who stands where in a cell, how sure that is, and in which band (R42, R45).

Ordered by score - sd. A rank interval says which places a subject may well have: above it are only
those that are better beyond doubt, below it those that are worse beyond doubt, where two scores
are told apart by `interval_z` standard deviations of their difference.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from settlement.ranking.config import RankingConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A subject's place in its cell, from 1; equal bounds have equal places.

    `best`, `worst`: the rank interval, of `among` subjects. `band`: of the configuration's, empty
    for who is new. `to_next_band`: points by which the lower bound misses it; 0 in the topmost.
    """

    subject: str
    cell: str
    place: int
    best: int
    worst: int
    among: int
    band: str
    to_next_band: Decimal


def places_of(
    rows: Sequence[tuple[str, str, Decimal, Decimal, bool]], config: RankingConfig
) -> tuple[Place, ...]:
    """Return the place of each row: cell, subject, score, sd, whether it is new."""
    by_cell: dict[str, list[int]] = defaultdict(list)
    for at, row in enumerate(rows):
        by_cell[row[0]].append(at)
    found: dict[int, Place] = {}
    for cell, members in by_cell.items():
        score = np.array([float(rows[at][2]) for at in members])
        sd = np.array([float(rows[at][3]) for at in members])
        lower = [rows[at][2] - rows[at][3] for at in members]
        ranked = sorted(lower, reverse=True)
        first: dict[Decimal, int] = {}
        for place, bound in enumerate(ranked, 1):
            first.setdefault(bound, place)
        gap = score[None, :] - score[:, None]
        doubt = float(config.interval_z) * np.sqrt(sd[None, :] ** 2 + sd[:, None] ** 2)
        better = (gap > doubt).sum(axis=1)
        worse = (-gap > doubt).sum(axis=1)
        for position, at in enumerate(members):
            place = first[lower[position]]
            found[at] = Place(
                subject=rows[at][1],
                cell=cell,
                place=place,
                # A thin score may be ordered behind one that it is not worse than, and the
                # interval always holds the place that is shown.
                best=min(int(better[position]) + 1, place),
                worst=max(len(members) - int(worse[position]), place),
                among=len(members),
                band="" if rows[at][4] else band_of(lower[position], config),
                to_next_band=to_next_band(lower[position], config),
            )
    return tuple(found[at] for at in range(len(rows)))


def band_of(lower: Decimal, config: RankingConfig) -> str:
    """Return the band that a lower bound is in; the last holds everything below the others."""
    for band in config.bands:
        if lower >= band.least:
            return band.name
    return config.bands[-1].name


def to_next_band(lower: Decimal, config: RankingConfig) -> Decimal:
    """Return the points by which a lower bound misses the next band above it; 0 in the topmost."""
    missed = [band.least for band in config.bands if band.least > lower]
    # Below the last band's own bound the next is the last but one.
    above = [least for least in missed if least != config.bands[-1].least]
    return min(above) - lower if above else Decimal(0)
