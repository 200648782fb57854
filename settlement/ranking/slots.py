"""The storefront's order: by the ranking in each cell, with places kept for newcomers (R43).

Of the places of each of a cell's pages a published share (10 to 20 %), rounded up, is kept for who
is not ranked yet, in an order that is drawn anew each day, so that all have their turns and nobody
who looks at the storefront decides whose it is; they are labelled. A cell's first place is as good
as another cell's, so that the whole list begins with the best of each. What was listed long ago and
nothing is known of had its chance: it comes behind everything of every cell, until a run knows of
its use. What is ranked in another cell than that of its newest version follows those that are
ranked here, and stands no better than there: another word for its type makes it no newcomer.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from sqlalchemy import select, text

from catalog.places import PER_PAGE, Listed, Placed, listed_cells, publish_places
from kernel.clock import shanghai_day
from kernel.unit import Unit
from settlement.ranking.config import Newcomers
from settlement.ranking.evidence_queries import RESOURCE
from settlement.ranking.kept_places import kept_of, spread
from settlement.ranking.models import ScoreRun, ScoreSnapshot
from settlement.ranking.runs import last_run, rules_of

# First let in when it was first admitted, or recorded, if it came with a catalogue; anew where its
# vendor left the cell and came back. A new version is no new resource. Days
# under a takedown do not count: it had no chance then.
SILENT: Final = text(
    """
SELECT l.resource_id
FROM listing l JOIN resource r ON r.id = l.resource_id
CROSS JOIN LATERAL (
    SELECT COALESCE(min(m.decided_at) FILTER (WHERE m.state = 'admitted'), min(v.created_at)) AS at
    FROM version v LEFT JOIN admission m ON m.version_id = v.id WHERE v.resource_id = r.id
) first
WHERE first.at + (
        SELECT COALESCE(sum(t.restored_at - t.taken_at), interval '0')
        FROM takedown t WHERE t.resource_id = r.id AND t.taken_at > first.at
    ) <= :until
    AND NOT EXISTS (
        SELECT FROM score_snapshot s WHERE s.run_id = :run_id AND s.kind = 'resource'
            AND s.subject_id = r.id AND s.cell = l.stage || '/' || l.subject || '/' || l.type)
    AND NOT EXISTS (
        SELECT FROM standing stood JOIN standing_event back ON back.standing_id = stood.id
        WHERE stood.vendor_id = r.vendor_id
            AND stood.cell = l.stage || '/' || l.subject || '/' || l.type
            AND back.because = 'return' AND back.at > :until)
"""
)


@dataclass(frozen=True, slots=True)
class Spot:
    """A resource at a position of its cell, from 1; `is_newcomer`: not ranked."""

    position: int
    resource_id: UUID
    is_newcomer: bool
    is_slot: bool


def interleaved(
    ranked: Sequence[UUID],
    newcomers: Sequence[UUID],
    *,
    share: Decimal,
    silent: Sequence[UUID] = (),
) -> Iterator[Spot]:
    """Yield a cell's order, page by page: at the kept places newcomers, else the ranked.

    Where the newcomers are at an end the ranked take their places; where the ranked are, the other
    newcomers follow. On a page without ranked nothing is kept from anybody. The `silent` come last.
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
    for place, one in enumerate(silent, start=before + 1):
        yield Spot(place, one, True, False)


def arranged(
    listed: Sequence[Listed],
    places: Mapping[tuple[UUID, str], int],
    *,
    share: Decimal,
    turn: str,
    silent: Set[UUID] = frozenset(),
) -> list[Placed]:
    """Return the order of all that is listed.

    `places`: of the ranked, by resource and cell, also of other cells than those in which they are
    listed; `turn`: by which newcomers' order is drawn. `silent`: of whom nothing is known for so
    long that no place is kept for them, and all others of all cells come before them.
    """
    cells: dict[str, list[Listed]] = defaultdict(list)
    for one in listed:
        cells[one.cell].append(one)
    prior = {one.resource_id: one.prior for one in listed}
    elsewhere: dict[UUID, int] = {}
    for (resource_id, _), place in places.items():
        elsewhere[resource_id] = max(place, elsewhere.get(resource_id, place))
    spots: list[Spot] = []
    for cell, members in sorted(cells.items()):
        ranked = sorted(
            (one for one in members if (one.resource_id, cell) in places),
            key=lambda one: (places[one.resource_id, cell], one.resource_id),
        )
        moved = sorted(
            (
                one
                for one in members
                if one.resource_id in elsewhere and (one.resource_id, cell) not in places
            ),
            key=lambda one: (elsewhere[one.resource_id], one.resource_id),
        )
        known = {one.resource_id for one in (*ranked, *moved)}
        newcomers = sorted(
            (one for one in members if one.resource_id not in known),
            key=lambda one: hashlib.sha256(f"{turn}:{one.resource_id}".encode()).digest(),
        )
        arrived = {one.resource_id for one in moved}
        for spot in interleaved(
            [one.resource_id for one in (*ranked, *moved)],
            [one.resource_id for one in newcomers if one.resource_id not in silent],
            share=share,
            silent=[one.resource_id for one in newcomers if one.resource_id in silent],
        ):
            least = elsewhere[spot.resource_id] if spot.resource_id in arrived else 1
            spots.append(replace(spot, position=max(spot.position, least)))
    spots.sort(
        key=lambda one: (
            one.is_newcomer and one.resource_id in silent,
            one.position,
            -prior[one.resource_id],
            one.resource_id,
        )
    )
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
    newcomers = rules_of(unit, run).ranking.newcomers
    placed = arranged(
        listed_cells(unit),
        _places(unit, run),
        share=newcomers.share,
        turn=shanghai_day(unit.clock.now()).isoformat(),
        silent=_silent(unit, run, newcomers),
    )
    publish_places(unit, placed)
    return len(placed)


def _silent(unit: Unit, run: ScoreRun, newcomers: Newcomers) -> set[UUID]:
    """Return what was listed for `silent_days` since it was let in, and a run knows nothing of."""
    if not isinstance(newcomers.silent_days, int):
        return set()
    until = unit.clock.now() - timedelta(days=newcomers.silent_days)
    return {*unit.session.scalars(SILENT, {"run_id": run.id, "until": until})}


def _places(unit: Unit, run: ScoreRun) -> dict[tuple[UUID, str], int]:
    rows = unit.session.execute(
        select(ScoreSnapshot.subject_id, ScoreSnapshot.cell, ScoreSnapshot.place).where(
            ScoreSnapshot.run_id == run.id,
            ScoreSnapshot.kind == RESOURCE,
            ScoreSnapshot.place.is_not(None),
        )
    )
    return {(subject_id, cell): place for subject_id, cell, place in rows if place is not None}
