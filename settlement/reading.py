"""Reading: a teacher begins an article and says when it is read; each article counts once (R47).

Decides what is an article: a listed resource of a type that the region's table names. One is read
at a time: whoever begins another puts aside what is open, which begins anew when it is begun again.
A reading keeps where its reader belonged, so that a move changes nothing of what was read. Reading
is for oneself: it opens no launch, is no use of an agreement, and nobody pays for it. Once the
year's cap is reached nothing is begun or finished: an article counts once, and would be wasted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, func, select

from catalog.listing_models import Listing
from catalog.models import Version
from catalog.search import hits_by_key
from kernel.actors import Role
from kernel.clock import shanghai_day
from kernel.errors import NotFound, ReadingPutAside, ReadTooSoon, Refused, YearRead
from kernel.identity.models import NATION, Person
from kernel.unit import Unit
from settlement.credit_evidence import articles_read
from settlement.credit_models import Reading
from settlement.credit_rules import CreditTable, credits_text, entitled
from settlement.rate_tables import RateKind, table_in_force

INSTANT: Final = timedelta(microseconds=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Article:
    """An article that a teacher may read; `address`: where it can be seen.

    `is_open`: it is the one that is read now; one that was begun and is not was put aside.
    """

    key: str
    title: str
    type: str
    address: str
    begun_at: datetime | None
    finished_at: datetime | None
    may_finish_at: datetime | None
    is_open: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadingYear:
    """What a teacher's reading earned in the year that runs, and may earn, in ten-thousandths."""

    year: int
    earned: int
    each: int
    most: int

    @property
    def left(self) -> int:
        """How many more articles earn something this year; the last one may earn a part."""
        return -(-max(0, self.most - self.earned) // self.each) if self.each else 0


def reading_year(unit: Unit, table: CreditTable) -> ReadingYear:
    """Return the acting teacher's year: what was read until now, each by the table of its time."""
    year = shanghai_day(unit.clock.now()).year
    earned = entitled(articles_read(unit, _person(unit)))
    return ReadingYear(
        year=year,
        earned=sum(one.amount for key, one in earned.items() if key.year == year),
        each=table.reading,
        most=table.reading_cap,
    )


def table_of_actor(unit: Unit) -> CreditTable:
    """Return the table in force today where the actor belongs."""
    return _table_of(unit, unit.actor.region_code or NATION)


def _table_of(unit: Unit, region_code: str) -> CreditTable:
    day = shanghai_day(unit.clock.now())
    table: CreditTable = table_in_force(
        unit, RateKind.CREDITS, day=day, region_code=region_code
    ).table
    return table


def count_articles(unit: Unit, table: CreditTable, *, title: str = "") -> int:
    """Return how many articles there are, with these words in their titles."""
    found = select(func.count()).select_from(Listing)
    wanted = _titled(found.join(Version, Version.id == Listing.version_id), title)
    return unit.session.scalar(wanted.where(Version.type.in_(table.reading_types))) or 0


def articles(
    unit: Unit, table: CreditTable, *, title: str = "", limit: int | None = None, offset: int = 0
) -> Sequence[Article]:
    """Return articles to be read, those that are begun first, read ones last."""
    person_id = _person(unit)
    wanted = (
        select(
            Listing.vendor_code,
            Listing.sku,
            Version.title,
            Version.type,
            Version.metadata_["address"].astext.label("address"),
            Reading.begun_at,
            Reading.finished_at,
        )
        .join(Version, Version.id == Listing.version_id)
        .outerjoin(
            Reading,
            (Reading.resource_id == Listing.resource_id) & (Reading.person_id == person_id),
        )
        .where(Version.type.in_(table.reading_types))
        .order_by(
            Reading.finished_at.is_not(None),
            Reading.begun_at.is_(None),
            Reading.begun_at.desc(),
            Version.title,
            Listing.vendor_code,
            Listing.sku,
        )
        .limit(limit)
        .offset(offset)
    )
    rows = unit.session.execute(_titled(wanted, title))
    wait = timedelta(seconds=table.reading_seconds)
    last = _last_begun(unit, person_id)
    return [
        Article(
            key=f"{row.vendor_code}/{row.sku}",
            title=row.title,
            type=row.type,
            address=row.address or "",
            begun_at=row.begun_at,
            finished_at=row.finished_at,
            may_finish_at=row.begun_at + wait if row.begun_at else None,
            is_open=row.begun_at is not None and row.finished_at is None and row.begun_at == last,
        )
        for row in rows
    ]


def begin_reading(unit: Unit, key: str) -> None:
    """Begin an article, `vendor/sku`, in place of whichever is open.

    The open one stays as it is; one that was put aside begins anew; one that is read stays read.
    Raises `Refused`, `NotFound` for what is not listed or no article, and `YearRead` where it would
    be read for nothing.
    """
    person_id = _locked_person(unit)
    resource_id, version_id, _ = _article(unit, key)
    known = unit.session.get(Reading, (person_id, resource_id), with_for_update=True)
    last = _last_begun(unit, person_id)
    if known is not None and (known.finished_at is not None or known.begun_at == last):
        return
    _require_earning(unit)
    region_code = unit.actor.region_code
    if unit.actor.organisation_id is None or region_code is None:
        raise Refused(act="credits.read", needs="a person of a school", actor=unit.actor.name)
    # Two that are begun in one instant are still one after the other.
    begun_at = unit.clock.now() if last is None else max(unit.clock.now(), last + INSTANT)
    facts = {
        "version_id": version_id,
        "organisation_id": unit.actor.organisation_id,
        "region_code": region_code,
        "begun_at": begun_at,
    }
    if known is None:
        unit.session.add(
            Reading(person_id=person_id, resource_id=resource_id, finished_at=None, **facts)
        )
    else:
        for name, value in facts.items():
            setattr(known, name, value)
    unit.session.flush()


def finish_reading(unit: Unit, key: str) -> None:
    """Say that the article that is open is read; said twice it changes nothing.

    Raises `NotFound` for one that was not begun, `ReadTooSoon`, `ReadingPutAside` where another was
    begun since, and `YearRead` where it would earn nothing.
    """
    person_id = _locked_person(unit)
    resource_id, _, title = _article(unit, key)
    reading = unit.session.get(Reading, (person_id, resource_id), with_for_update=True)
    if reading is None:
        raise NotFound(what="reading", key=key)
    if reading.finished_at is not None:
        return
    if reading.begun_at != _last_begun(unit, person_id):
        raise ReadingPutAside(title=title)
    # By the table of where it was begun, by which it earns, too.
    wait = timedelta(seconds=_table_of(unit, reading.region_code).reading_seconds)
    left = reading.begun_at + wait - unit.clock.now()
    if left > timedelta(0):
        raise ReadTooSoon(title=title, seconds=int(left.total_seconds()) + 1)
    _require_earning(unit)
    reading.finished_at = unit.clock.now()
    unit.session.flush()


def _require_earning(unit: Unit) -> None:
    """Raise `YearRead` if the year's cap is reached: an article counts once, and is not wasted."""
    found = reading_year(unit, table_of_actor(unit))
    if not found.left:
        raise YearRead(year=found.year, most=credits_text(found.most))


def _titled(wanted: Select[*tuple[Any, ...]], title: str) -> Select[*tuple[Any, ...]]:
    return wanted.where(Version.title.icontains(title, autoescape=True)) if title else wanted


def _last_begun(unit: Unit, person_id: UUID) -> datetime | None:
    """Return when a person began the article that they began last."""
    return unit.session.scalar(
        select(func.max(Reading.begun_at)).where(Reading.person_id == person_id)
    )


def _locked_person(unit: Unit) -> UUID:
    """Return the acting teacher, whose readings nobody else changes until the unit ends."""
    person_id = _person(unit)
    unit.session.execute(select(Person.id).where(Person.id == person_id).with_for_update())
    return person_id


def _person(unit: Unit) -> UUID:
    unit.actor.require("credits.read", Role.TEACHER)
    if unit.actor.person_id is None:
        raise Refused(act="credits.read", needs="a person of a school", actor=unit.actor.name)
    return unit.actor.person_id


def _article(unit: Unit, key: str) -> tuple[UUID, UUID, str]:
    """Return an article's resource, version and title."""
    found = hits_by_key(unit, [key])
    if not found:
        raise NotFound(what="article", key=key)
    version = unit.session.execute(
        select(Version.id, Version.type, Version.title)
        .join(Listing, Listing.version_id == Version.id)
        .where(Listing.resource_id == found[0].resource_id)
    ).one_or_none()
    if version is None or version.type not in table_of_actor(unit).reading_types:
        raise NotFound(what="article", key=key)
    return found[0].resource_id, version.id, version.title
