"""Tables of the storefront: what is listed, as search reads it, and what people do with it.

All but favourites can be made anew from the catalogue and from what settlement publishes.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Numeric,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base

UNPLACED: Final = 1_000_000_000
"""What no ranking has placed comes behind, by its prior, as in its migration."""
UNPLACED_FROM: Final = UNPLACED // 2
"""Places from here on are none of a ranking."""


class Listing(Base):
    """One listed resource: its newest listed version, as it is shown and ranked.

    Written in the transaction that lists the version; gone with it as soon as it is listed no more
    (trigger). `prior`: before anything is typed, the order of what is shown first. `plan` and
    `unit_price` are the offer in force, None without one; at `reprice_on` the next one begins;
    `price_order` has those without a price last.
    `place`: the order by ranking that settlement published, `is_slot` if it is kept for a newcomer;
    what has none comes behind, by its prior.
    `schools`, `renewals`, `ratings` and `stars` (their sum) are what settlement published last.
    """

    __tablename__ = "listing"

    resource_id: Mapped[UUID] = mapped_column(ForeignKey("resource.id"), primary_key=True)
    version_id: Mapped[UUID] = mapped_column(ForeignKey("version.id"), unique=True)
    vendor_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    vendor_code: Mapped[str]
    vendor_name: Mapped[str]
    sku: Mapped[str]
    title: Mapped[str]
    kind: Mapped[str]
    tier: Mapped[str]
    stage: Mapped[str]
    subject: Mapped[str]
    grade: Mapped[str]
    edition: Mapped[str]
    type: Mapped[str]
    language: Mapped[str]
    licence: Mapped[str]
    reach: Mapped[str]
    listed_at: Mapped[datetime]
    plan: Mapped[str | None]
    unit_price: Mapped[Decimal | None] = mapped_column(Numeric(14, 4))
    price_order: Mapped[Decimal] = mapped_column(Numeric(14, 4))
    reprice_on: Mapped[date | None] = mapped_column(index=True)
    schools: Mapped[int]
    renewals: Mapped[int]
    ratings: Mapped[int]
    stars: Mapped[int]
    prior: Mapped[int]
    place: Mapped[int]
    is_newcomer: Mapped[bool]
    is_slot: Mapped[bool]
    tokens: Mapped[Any] = mapped_column(TSVECTOR)

    __table_args__ = (
        Index("ix_listing_vendor", "vendor_id"),
        Index("ix_listing_key", "vendor_code", "sku"),
        Index("ix_listing_prior", text("prior DESC"), text("resource_id DESC")),
    )


class ListingSuited(Base):
    """For whom listings are made: each combination of these words once, never changed."""

    __tablename__ = "listing_suited"

    id: Mapped[int] = mapped_column(Integer, Identity(always=True), primary_key=True)
    stage: Mapped[str]
    subject: Mapped[str]
    grade: Mapped[str]
    edition: Mapped[str]
    kind: Mapped[str]

    __table_args__ = (
        UniqueConstraint(
            *("stage", "subject", "grade", "edition", "kind"), name="uq_listing_suited_words"
        ),
    )


class ListingMade(Base):
    """How listings are made and sold: each combination of these words once, never changed.

    `price`: unpriced, free or priced; `plan` is empty without one.
    """

    __tablename__ = "listing_made"

    id: Mapped[int] = mapped_column(Integer, Identity(always=True), primary_key=True)
    type: Mapped[str]
    language: Mapped[str]
    reach: Mapped[str]
    tier: Mapped[str]
    price: Mapped[str]
    plan: Mapped[str]
    licence: Mapped[str]

    __table_args__ = (
        UniqueConstraint(
            *("type", "language", "reach", "tier", "price", "plan", "licence"),
            name="uq_listing_made_words",
        ),
    )


class ListingMatch(Base):
    """What search matches, narrows, orders and counts: the listing again in a row of 160 bytes.

    Kept alike by the database, statement by statement (triggers of `listing`). Some thousand rows
    of it are read for a search, of the listings only those that are ranked or shown. `tokens`,
    without weights, lie out of the row, for the index alone; `ballast` is there to make them.
    """

    __tablename__ = "listing_match"

    resource_id: Mapped[UUID] = mapped_column(
        ForeignKey("listing.resource_id", ondelete="CASCADE"), primary_key=True
    )
    vendor_id: Mapped[UUID]
    prior: Mapped[int]
    renewals: Mapped[int]
    place: Mapped[int]
    listed_at: Mapped[datetime]
    price_order: Mapped[Decimal] = mapped_column(Numeric(14, 4))
    suited_id: Mapped[int] = mapped_column(Integer, ForeignKey("listing_suited.id"))
    made_id: Mapped[int] = mapped_column(Integer, ForeignKey("listing_made.id"))
    tokens: Mapped[Any] = mapped_column(TSVECTOR)
    ballast: Mapped[str] = mapped_column(server_default=text("repeat(' ', 2000)"))

    __table_args__ = (
        Index("ix_listing_match_tokens", "tokens", postgresql_using="gin"),
        Index("ix_listing_match_prior", text("prior DESC"), text("resource_id DESC")),
        Index("ix_listing_match_newest", text("listed_at DESC"), text("resource_id DESC")),
        Index("ix_listing_match_renewals", text("renewals DESC"), text("resource_id DESC")),
        Index("ix_listing_match_price", "price_order", "resource_id"),
        Index("ix_listing_match_place", "place", "resource_id"),
        Index("ix_listing_match_suited", "suited_id", "made_id"),
        Index("ix_listing_match_made", "made_id"),
        Index("ix_listing_match_vendor", "vendor_id"),
    )


class ResourceSignal(Base):
    """What settlement last published of a resource's use: it outlives what is listed of it."""

    __tablename__ = "resource_signal"

    resource_id: Mapped[UUID] = mapped_column(ForeignKey("resource.id"), primary_key=True)
    schools: Mapped[int]
    renewals: Mapped[int]
    ratings: Mapped[int]
    stars: Mapped[int]
    published_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint(
            "schools >= 0 AND renewals >= 0 AND ratings >= 0 AND stars BETWEEN ratings "
            "AND 5 * ratings",
            name="counts",
        ),
    )


class ResourcePlace(Base):
    """The place that settlement's ranking last gave a resource: it outlives what is listed of it.

    `is_slot`: the place is kept for it as a newcomer.
    """

    __tablename__ = "resource_place"

    resource_id: Mapped[UUID] = mapped_column(ForeignKey("resource.id"), primary_key=True)
    place: Mapped[int]
    is_newcomer: Mapped[bool]
    is_slot: Mapped[bool]
    published_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("place > 0", name="place"),
        CheckConstraint("is_newcomer OR NOT is_slot", name="slot"),
    )


class NewcomerExposure(Base):
    """How often a newcomer was shown on a place kept for newcomers in a month; never to whom."""

    __tablename__ = "newcomer_exposure"

    resource_id: Mapped[UUID] = mapped_column(ForeignKey("resource.id"), primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    shown: Mapped[int]

    __table_args__ = (CheckConstraint("shown > 0", name="shown"),)


class SearchMiss(Base):
    """What was searched for and not found, how often and when last; never by whom."""

    __tablename__ = "search_miss"

    words: Mapped[str] = mapped_column(primary_key=True)
    times: Mapped[int]
    last_at: Mapped[datetime] = mapped_column(index=True)


class Favourite(Base):
    """A resource that a person keeps for later; nobody else sees it."""

    __tablename__ = "favourite"

    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"), primary_key=True)
    resource_id: Mapped[UUID] = mapped_column(ForeignKey("resource.id"), primary_key=True)
    at: Mapped[datetime]
