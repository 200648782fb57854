"""The storefront's order: by the ranking in each cell, with places kept for newcomers (R43). Pure.

Of the places of each of a cell's pages a published share (10 to 20 %), rounded up, is kept for who
is not ranked yet, the least shown first; they are labelled. A cell's first place is as good as
another cell's, so that the whole list begins with the best of each.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select

from catalog.places import PER_PAGE, Listed, Placed, exposures, listed_cells, publish_places
from kernel.clock import month_of, shanghai_day
from kernel.unit import Unit
from settlement.ranking.evidence_queries import RESOURCE
from settlement.ranking.kept_places import kept_of, spread
from settlement.ranking.models import ScoreRun, ScoreSnapshot
from settlement.ranking.runs import last_run, rules_of


@dataclass(frozen=True, slots=True)
class Spot:
    """A resource at a position of its cell, from 1."""

    position: int
    resource_id: UUID
    is_newcomer: bool
    is_slot: bool


def interleaved(
    ranked: Sequence[UUID], newcomers: Sequence[UUID], *, share: Decimal
) -> Iterator[Spot]:
    """Yield a cell's order, page by page: at the kept places newcomers, else the ranked.

    Where the newcomers are at an end the ranked take their places; where the ranked are, the other
    newcomers follow. On a page without ranked nothing is kept from anybody.
    """
    new, best = iter(newcomers), iter(ranked)
    left_new, left_ranked = len(newcomers), len(ranked)
    before = 0
    while left_new or left_ranked:
        length = min(PER_PAGE, left_new + left_ranked)
        kept = set(spread(length, kept_of(length, share))) if left_ranked else set()
        for place in range(1, length + 1):
            if left_new and (not left_ranked or place in kept):
                left_new -= 1
                yield Spot(before + place, next(new), True, place in kept)
            else:
                left_ranked -= 1
                yield Spot(before + place, next(best), False, False)
        before += length


def arranged(
    listed: Sequence[Listed],
    places: Mapping[tuple[UUID, str], int],
    *,
    shown: Mapping[UUID, int],
    share: Decimal,
    turn: str,
) -> list[Placed]:
    """Return the order of all that is listed.

    `places`: of the ranked, by resource and cell; `shown`: how often newcomers were; `turn` has
    those that were shown equally often take turns.
    """
    cells: dict[str, list[Listed]] = defaultdict(list)
    for one in listed:
        cells[one.cell].append(one)
    prior = {one.resource_id: one.prior for one in listed}
    spots: list[Spot] = []
    for cell, members in sorted(cells.items()):
        ranked = sorted(
            (one for one in members if (one.resource_id, cell) in places),
            key=lambda one: (places[one.resource_id, cell], one.resource_id),
        )
        known = {one.resource_id for one in ranked}
        newcomers = sorted(
            (one for one in members if one.resource_id not in known),
            key=lambda one: (
                shown.get(one.resource_id, 0),
                hashlib.sha256(f"{turn}:{one.resource_id}".encode()).digest(),
            ),
        )
        spots += interleaved(
            [one.resource_id for one in ranked],
            [one.resource_id for one in newcomers],
            share=share,
        )
    spots.sort(key=lambda one: (one.position, -prior[one.resource_id], one.resource_id))
    return [
        Placed(
            resource_id=one.resource_id,
            place=place,
            is_newcomer=one.is_newcomer,
            is_slot=one.is_slot,
        )
        for place, one in enumerate(spots, start=1)
    ]


def publish_order(unit: Unit) -> int:
    """Publish the order by the run that holds down into the catalogue; return how many are placed.

    Nothing is published before the first ranking.
    """
    run = last_run(unit)
    if run is None:
        return 0
    today = shanghai_day(unit.clock.now())
    placed = arranged(
        listed_cells(unit),
        _places(unit, run),
        shown=exposures(unit, since=month_of(today)),
        share=rules_of(unit, run).ranking.newcomers.share,
        turn=today.isoformat(),
    )
    publish_places(unit, placed)
    return len(placed)


def _places(unit: Unit, run: ScoreRun) -> dict[tuple[UUID, str], int]:
    rows = unit.session.execute(
        select(ScoreSnapshot.subject_id, ScoreSnapshot.cell, ScoreSnapshot.place).where(
            ScoreSnapshot.run_id == run.id,
            ScoreSnapshot.kind == RESOURCE,
            ScoreSnapshot.place.is_not(None),
        )
    )
    return {(subject_id, cell): place for subject_id, cell, place in rows if place is not None}
