"""What the interface of resources answers; prices in yuan as text, moments as ISO times."""

from collections.abc import Sequence
from datetime import date, datetime
from operator import attrgetter
from typing import Any, Final

import msgspec

from catalog.attachments.reading import AttachedFile
from catalog.case_answers import FileAnswer, file_answer
from catalog.facets import Facet
from catalog.schema_org import learning_resource
from catalog.search import Hit
from catalog.storefront import Detail, PublicOffer


class ResourceItem(msgspec.Struct, frozen=True):
    """A listed resource in a result; `why` it stands there."""

    vendor_code: str
    vendor_name: str
    sku: str
    title: str
    kind: str
    tier: str
    stage: str
    subject: str
    grade: str
    edition: str
    type: str
    language: str
    licence: str
    reach: str
    listed_at: datetime
    plan: str | None
    unit_price: str | None
    schools: int
    renewals: int
    ratings: int
    stars: int
    why: list[str]


class FacetWord(msgspec.Struct, frozen=True, kw_only=True):
    word: str
    results: int


class ResourcePage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of results; `total` and `facets` only where they are asked for."""

    items: list[ResourceItem]
    next: str
    total: int | None
    facets: dict[str, list[FacetWord]] | None


class OfferAnswer(msgspec.Struct, frozen=True, kw_only=True):
    valid_from: date
    until: date | None
    time: str
    plan: dict[str, Any]


class VersionAnswer(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    title: str
    digest: str
    admitted_by: str
    admitted_at: datetime | None


class ResourceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A listed resource whole: its metadata, prices, versions, files, and the same in schema.org.

    `in_force`: the price on the day that was asked for, by default today.
    """

    resource: ResourceItem
    details: dict[str, Any]
    offers: list[OfferAnswer]
    in_force: OfferAnswer | None
    versions: list[VersionAnswer]
    files: list[FileAnswer]
    learning_resource: dict[str, Any]


values_of: Final = attrgetter(*ResourceItem.__struct_fields__)
PRICE_AT: Final = ResourceItem.__struct_fields__.index("unit_price")


def item_of(hit: Hit) -> ResourceItem:
    values = [*values_of(hit)]
    if hit.unit_price is not None:
        values[PRICE_AT] = f"{hit.unit_price:.4f}"
    values[-1] = [why.value for why in hit.why]
    return ResourceItem(*values)


def facets_of(facets: list[Facet]) -> dict[str, list[FacetWord]]:
    return {
        facet.field: [FacetWord(word=word, results=count) for word, count in facet.counts]
        for facet in facets
    }


def answer_of(detail: Detail, *, day: date, files: Sequence[AttachedFile]) -> ResourceAnswer:
    offer = detail.offer_on(day)
    return ResourceAnswer(
        resource=item_of(detail.hit),
        details=dict(detail.details),
        offers=[_offer(one) for one in detail.offers],
        in_force=_offer(offer) if offer else None,
        versions=[
            VersionAnswer(
                number=version.number,
                title=version.title,
                digest=version.digest,
                admitted_by=version.bureau,
                admitted_at=version.admitted_at,
            )
            for version in detail.versions
        ],
        files=[file_answer(one) for one in files],
        learning_resource=learning_resource(detail),
    )


def _offer(offer: PublicOffer) -> OfferAnswer:
    return OfferAnswer(
        valid_from=offer.valid_from,
        until=offer.until,
        time=offer.time.value,
        plan=dict(offer.plan),
    )
