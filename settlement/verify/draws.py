"""Blind draws made again: seeds from the trail, samples from seeds, and what the trail tells (R42).

Draws of before the trail made the seeds have one that somebody chose, and nothing to compare.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from sqlalchemy import select

from catalog.blind_audit import DrawView, digest_of_pool, draws, seed_of
from catalog.sharing_models import BlindDraw, BlindSample
from kernel.clock import month_bounds, show_month
from kernel.trail import TrailLink, TrailRow
from kernel.unit import Unit


def check_draws(unit: Unit) -> Iterator[str]:
    """Compare each draw with its link of the trail, its samples and its row in the trail."""
    sampled: dict[UUID | None, set[UUID]] = defaultdict(set)
    for draw_id, version_id in unit.session.execute(
        select(BlindSample.draw_id, BlindSample.version_id).where(BlindSample.draw_id.is_not(None))
    ):
        sampled[draw_id].add(version_id)
    told = {
        (row.subject_id, row.facts["month"]): row.facts
        for row in unit.session.scalars(
            select(TrailRow).where(TrailRow.act == "sample.drawn", TrailRow.facts.has_key("anchor"))
        )
    }
    for one in draws(unit):
        named = f"draw of {one.bureau_code} for {show_month(one.month)}"
        yield from (f"{named}: {fault}" for fault in _of_seed(unit, one))
        if sampled[one.id] != set(one.drawn):
            yield f"{named}: its samples are not what its seed draws"
        facts = told.pop((str(one.bureau_id), show_month(one.month)), None)
        if facts is None or _told(one) != {key: facts.get(key) for key in _told(one)}:
            yield f"{named}: it is not what the trail tells"
    for bureau_id, month in sorted(told):
        yield f"draw of {bureau_id} for {month}: the trail tells of it, and there is none"


def _of_seed(unit: Unit, one: DrawView) -> Iterator[str]:
    found = unit.session.execute(
        select(TrailLink.digest, TrailRow.at)
        .join(TrailRow, TrailRow.id == TrailLink.trail_id)
        .where(TrailLink.sequence == one.anchor)
    ).one_or_none()
    is_it = (
        one.anchor == 0 and not one.anchor_digest
        if found is None
        else found.digest.hex() == one.anchor_digest and found.at < month_bounds(one.month)[0]
    )
    later = select(TrailLink.sequence).join(TrailRow, TrailRow.id == TrailLink.trail_id)
    passed_over = unit.session.scalar(
        later.where(
            TrailLink.sequence > one.anchor,
            TrailLink.sequence
            <= select(BlindDraw.reached).where(BlindDraw.id == one.id).scalar_subquery(),
            TrailRow.at < month_bounds(one.month)[0],
        ).limit(1)
    )
    if not is_it or passed_over is not None:
        yield f"link {one.anchor} of the trail is not the one of before the month that it names"
    if seed_of(one.anchor_digest, bureau_code=one.bureau_code, month=one.month) != one.seed:
        yield "its seed is not made of the trail"


def _told(one: DrawView) -> dict[str, Any]:
    return {
        "anchor": one.anchor,
        "seed": one.seed,
        "size": one.size,
        "of": len(one.pool),
        "pool": digest_of_pool(one.pool),
        "drawn": len(one.drawn),
        "versions": [str(version_id) for version_id in sorted(one.drawn)],
    }
