"""Pages of the storefront that list: the search with its facets, favourites, a vendor's profile."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from litestar import Response

from catalog.counts import count_results
from catalog.facets import FIELDS, Facet
from catalog.favourites import (
    drop_favourite,
    favourites,
    keep_favourite,
    kept_among,
    unlisted_favourites,
)
from catalog.misses import note_miss
from catalog.places import PER_PAGE, note_shown
from catalog.search import Hit, Sort, Wanted, search
from catalog.storefront import plans_today, vendor_profile
from catalog.web.addresses import (
    CATALOGUE,
    FAVOURITES,
    narrowed_address,
    read_wanted,
    resource_address,
    search_address,
    vendor_address,
)
from catalog.web.exporting import FORMATS, send_search
from catalog.web.words import FACET_TITLES, price_words, suits_words, why_words, word_of
from kernel.errors import NotFound
from kernel.http.pages import Form, Page
from kernel.http.sessions import local_address
from kernel.i18n import translate

SHOWN_FIRST: Final = 8
"""Words of a facet that are shown at once; the others open."""
ENTRANCES: Final = ("stage", "subject", "type")
"""The facets by which a visitor's home leads in."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownRow:
    """A hit as a row: its addresses, for whom it is, its price and why it stands here, in words.

    `standing`: its vendor's, where that keeps schools from choosing it.
    """

    hit: Hit
    href: str
    vendor_href: str
    suits: str
    type: str
    price: str
    why: str
    is_kept: bool
    standing: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownWord:
    text: str
    count: int
    href: str
    is_set: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownFacet:
    """A facet's words: those in sight, those behind; `is_set` where one of them is chosen."""

    title: str
    first: Sequence[ShownWord]
    more: Sequence[ShownWord]
    is_set: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Entrances:
    """How much is listed, and by which words of which facets one gets to it."""

    total: int
    facets: Sequence[ShownFacet]


StandingsOf = Callable[[Sequence[UUID]], Mapping[UUID, str]]
"""Asks once for all versions of a page: the standing of each that schools are kept from choosing,
which is settlement's to know."""
FAVOURITE_ACTS: Final = {"keep": keep_favourite, "drop": drop_favourite}


class FavouriteForm(Form, frozen=True):
    """A resource to keep, or to keep no longer; `next`: where to go on."""

    resource: str
    act: str = "keep"
    next: str = FAVOURITES


def show_catalogue(page: Page, *, standings: StandingsOf) -> Response[Any]:
    """Show what fits the address, with the facets by which it can be narrowed."""
    query = {name: str(value) for name, value in page.request.query_params.items()}
    wanted = read_wanted(query, limit=PER_PAGE)
    if query.get("format") in FORMATS:
        return send_search(page, wanted, form=query["format"])
    total, facets = count_results(page.unit, wanted)
    found = search(page.unit, wanted)
    if not total and wanted.words and not wanted.filters:
        note_miss(page.unit, wanted.words)
    if wanted.sort is Sort.RANKED:
        note_shown(page.unit, [hit.resource_id for hit in found.hits if hit.is_slot])
    chosen = [
        (
            translate(FACET_TITLES[name], page.locale),
            _word(page, name, word, found.hits),
            search_address(wanted, **{name: ""}),
        )
        for name, word in wanted.filters.items()
    ]
    return page.render(
        "catalog/browse.html",
        wanted=wanted,
        rows=shown_rows(page, found.hits, words=wanted.words, standings=standings),
        total=total,
        facets=[_shown_facet(page, wanted, facet) for facet in facets],
        chosen=chosen,
        sorts=[(sort, search_address(replace(wanted, sort=sort))) for sort in Sort],
        first=search_address(wanted) if wanted.after else "",
        next=search_address(wanted, after=found.next) if found.next else "",
        clear=search_address(replace(wanted, filters={})),
        exports=[(form.upper(), search_address(wanted, format=form)) for form in FORMATS],
    )


def entrances(page: Page) -> Entrances:
    """Return the ways into the catalogue for who has not asked for anything yet."""
    everything = read_wanted({}, limit=PER_PAGE)
    total, facets = count_results(page.unit, everything)
    return Entrances(
        total=total,
        facets=[_shown_facet(page, everything, one) for one in facets if one.field in ENTRANCES],
    )


def show_favourites(page: Page, *, standings: StandingsOf) -> Response[Any]:
    """Show what the person keeps."""
    rows = shown_rows(page, favourites(page.unit), words="", standings=standings)
    unlisted = unlisted_favourites(page.unit)
    return page.render("catalog/favourites.html", rows=rows, unlisted=unlisted, here=FAVOURITES)


def post_favourite(page: Page, form: FavouriteForm) -> Response[Any]:
    """Keep a resource or keep it no longer, and go back to where that was said."""
    act = FAVOURITE_ACTS.get(form.act)
    if act is None:
        raise NotFound(what="act", key=form.act)
    act(page.unit, form.resource)
    return page.redirect(local_address(form.next))


def show_vendor(
    page: Page, code: str, *, closed: Sequence[tuple[str, str, str]], standings: StandingsOf
) -> Response[Any]:
    """Show who offers: how much of what, and the way to it; `closed`: where it takes no schools, as
    state, place and what follows."""
    profile = vendor_profile(page.unit, code)
    of_vendor = Wanted(filters={"vendor": code}, sort=Sort.NEWEST, limit=10)

    def words(facet: str, counts: Sequence[tuple[str, int]]) -> list[ShownWord]:
        return [
            ShownWord(
                text=word_of(facet, word, page.locale),
                count=count,
                href=search_address(of_vendor, **{facet: word}),
                is_set=False,
            )
            for word, count in counts
        ]

    return page.render(
        "catalog/vendor.html",
        profile=profile,
        against=closed,
        subjects=words("subject", profile.subjects),
        types=words("type", profile.types),
        rows=shown_rows(page, search(page.unit, of_vendor).hits, words="", standings=standings),
        everything=search_address(of_vendor),
        catalogue=CATALOGUE,
    )


def shown_rows(
    page: Page, hits: Sequence[Hit], *, words: str, standings: StandingsOf
) -> list[ShownRow]:
    ids = [hit.resource_id for hit in hits]
    standing_of = standings([hit.version_id for hit in hits])
    plans = plans_today(page.unit, ids)
    kept = kept_among(page.unit, ids)
    return [
        ShownRow(
            hit=hit,
            href=resource_address(hit.vendor_code, hit.sku),
            vendor_href=vendor_address(hit.vendor_code),
            suits=suits_words(hit, page.locale),
            type=word_of("type", hit.type, page.locale),
            price=price_words(plans.get(hit.resource_id), page.locale),
            why=why_words(hit, words, page.locale),
            is_kept=hit.resource_id in kept,
            standing=standing_of.get(hit.version_id, ""),
        )
        for hit in hits
    ]


def _shown_facet(page: Page, wanted: Wanted, facet: Facet) -> ShownFacet:
    name = facet.field
    chosen = wanted.filters.get(name, "")
    without = search_address(wanted, **{name: ""})

    def href(word: str) -> str:
        if word == chosen:
            return without
        if chosen:
            return search_address(wanted, **{name: word})
        return narrowed_address(without, name, word)

    words = [
        ShownWord(
            text=word_of(name, word, page.locale),
            count=count,
            href=href(word),
            is_set=word == chosen,
        )
        for word, count in facet.counts
    ]
    words.sort(key=lambda one: not one.is_set)
    return ShownFacet(
        title=translate(FACET_TITLES[name], page.locale),
        first=words[:SHOWN_FIRST],
        more=words[SHOWN_FIRST:],
        is_set=bool(chosen),
    )


def _word(page: Page, name: str, word: str, hits: Sequence[Hit]) -> str:
    if name not in FIELDS:  # the vendor: by its name where something of it is found
        return next((hit.vendor_name for hit in hits if hit.vendor_code == word), word)
    return word_of(name, word, page.locale)
