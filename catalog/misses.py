"""What is searched for and not found: counted for those who procure, never by whom (R8, R61).

Decides what is kept: short texts, folded, with how often and when last; old ones are forgotten.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from catalog.listing_models import SearchMiss
from catalog.tokens import normal, query_of
from kernel.actors import Role
from kernel.unit import Unit

LONGEST_KEPT: Final = 40
KEPT_FOR: Final = timedelta(days=180)
READERS: Final = (Role.ADMISSION, Role.AUDITOR, Role.OPERATOR)


@dataclass(frozen=True, slots=True)
class Miss:
    words: str
    times: int
    last_at: datetime


def note_miss(unit: Unit, words: str) -> None:
    """Count a search that found nothing; what is too long to be a resource's name is not kept."""
    folded = " ".join(normal(words).split())
    if not folded or len(folded) > LONGEST_KEPT or not query_of(folded):
        return
    now = unit.clock.now()
    unit.session.execute(
        insert(SearchMiss)
        .values(words=folded, times=1, last_at=now)
        .on_conflict_do_update(
            index_elements=["words"], set_={"times": SearchMiss.times + 1, "last_at": now}
        )
    )


def misses(unit: Unit, *, limit: int = 100) -> list[Miss]:
    """Return what was looked for in vain, the most frequent first."""
    unit.actor.require("see what was not found", *READERS)
    rows = unit.session.scalars(
        select(SearchMiss).order_by(SearchMiss.times.desc(), SearchMiss.words).limit(limit)
    )
    return [Miss(row.words, row.times, row.last_at) for row in rows]


def forget_misses(unit: Unit) -> None:
    """Drop what nobody has looked for in a long while."""
    unit.session.execute(
        delete(SearchMiss)
        .where(SearchMiss.last_at < unit.clock.now() - KEPT_FOR)
        .execution_options(synchronize_session=False)
    )
