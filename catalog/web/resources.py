"""Pages of single resources: one with its prices, versions and who admitted it; up to four beside
each other."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

from litestar import Response

from catalog.attachments.reading import files_of
from catalog.favourites import kept_among
from catalog.packs import PACK, Part, packs_with, parts_of
from catalog.storefront import (
    MOST_COMPARED,
    Detail,
    OfferTime,
    PublicOffer,
    resource_detail,
    resource_details,
)
from catalog.suitability import Suitability, assessed
from catalog.web.addresses import (
    CATALOGUE,
    DIFFERENCES,
    RESOURCE,
    SHOWN,
    comparison_address,
    comparison_of_versions,
    resource_address,
    vendor_address,
)
from catalog.web.files import file_address
from catalog.web.words import FACET_TITLES, price_words, suits_words, word_of
from kernel.actors import ROLES_OF, OrganisationKind, Role
from kernel.clock import parse_day
from kernel.errors import InvalidInput
from kernel.http.pages import Page
from kernel.i18n import LIST_SEPARATOR, label, msgid, term, translate, translate_error

Fact = tuple[str, str]

CHOOSERS: Final = ROLES_OF[OrganisationKind.SCHOOL] - {Role.LEARNER}
"""What an address begins with that may be a link; anything else is shown as text."""
MBPS: Final = msgid("{mbps} Mbit/s for one class")


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """How many teachers gave how many stars, the most first; whether the reader may, and did.

    `why_not`: what a teacher who may not is told.
    """

    spread: Sequence[tuple[int, int]] = ()
    may_rate: bool = False
    own_stars: int | None = None
    why_not: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Notes:
    """What stands against choosing: the state, where it is (a cell) and what follows, in words.

    `is_refused`: the reader's school gets no agreement on it.
    """

    notes: Sequence[tuple[str, str, str]] = ()
    is_refused: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """One of several: what is compared, row by row, and the address without it."""

    detail: Detail
    href: str
    price: str
    facts: Sequence[str]
    without: str


def show_resource(
    page: Page,
    vendor_code: str,
    sku: str,
    *,
    said: Callable[[UUID, str], Said],
    closed: Callable[[UUID], Notes],
) -> Response[Any]:
    """Show one listed resource whole; `said` asks what its teachers say of it, `closed` what stands
    against choosing a version."""
    detail = resource_detail(page.unit, f"{vendor_code}/{sku}")
    day, error = _day(page)
    is_pack = detail.hit.type == PACK
    offer = detail.offer_on(day) if day else None
    against = closed(detail.hit.version_id)
    return page.render(
        "catalog/resource.html",
        detail=detail,
        hit=detail.hit,
        suits=suits_words(detail.hit, page.locale),
        facts=_facts(detail, page.locale),
        conditions=_conditions(detail, page.locale)
        + _assessed(assessed(page.unit, [detail.hit.version_id]), page.locale),
        preview=str(detail.details.get("address", "")),
        price=price_words(detail.plan, page.locale),
        offers=[(offer, price_words(offer.plan, page.locale)) for offer in _by_time(detail)],
        on=day,
        on_price=price_words(offer.plan, page.locale) if offer else "",
        on_error=error,
        vendor_href=vendor_address(detail.hit.vendor_code),
        here=resource_address(detail.hit.vendor_code, detail.hit.sku),
        compare=comparison_address([detail.hit.key]),
        catalogue=CATALOGUE,
        is_kept=detail.hit.resource_id in kept_among(page.unit, [detail.hit.resource_id]),
        chooses=not page.actor.roles.isdisjoint(CHOOSERS) and not against.is_refused,
        against=against.notes,
        said=said(detail.hit.resource_id, detail.hit.title),
        files=files_of(page.unit, [detail.hit.version_id]).get(detail.hit.version_id, []),
        file_link=lambda one: "" if one.is_content else file_address(one.id),
        parts=_linked(parts_of(page.unit, detail.hit.version_id)) if is_pack else [],
        packs=[] if is_pack else _linked(packs_with(page.unit, detail.hit.resource_id)),
        differences=comparison_of_versions(vendor_code, sku),
        machine=f"/api/v1/resources/{quote(vendor_code, safe='')}/{quote(sku)}",
    )


def show_comparison(page: Page) -> Response[Any]:
    """Show up to four resources beside each other, by the same facts, or by those that differ."""
    shown = str(page.request.query_params.get(SHOWN, ""))
    keys = [str(one) for one in page.request.query_params.getall(RESOURCE, [])]
    details = resource_details(page.unit, keys[:MOST_COMPARED])
    kept = [detail.hit.key for detail in details]
    columns = [
        Compared(
            detail=detail,
            href=resource_address(detail.hit.vendor_code, detail.hit.sku),
            price=price_words(detail.plan, page.locale),
            facts=[value for _, value in _compared(detail, page.locale)],
            without=comparison_address([key for key in kept if key != detail.hit.key], shown=shown),
        )
        for detail in details
    ]
    return page.render(
        "catalog/compare.html",
        columns=columns,
        terms=[title for title, _ in _compared(details[0], page.locale)] if details else [],
        only_differences=shown == DIFFERENCES,
        all_facts=comparison_address(kept),
        differences=comparison_address(kept, shown=DIFFERENCES),
        catalogue=CATALOGUE,
        dropped=max(0, len(dict.fromkeys(keys)) - MOST_COMPARED),
        most=MOST_COMPARED,
    )


def _linked(parts: Sequence[Part]) -> list[tuple[Part, str]]:
    """Return parts with their addresses; what is listed no more has none."""
    return [
        (one, resource_address(one.vendor_code, one.sku) if one.state == "listed" else "")
        for one in parts
    ]


def _day(page: Page) -> tuple[date | None, str]:
    """Return the day for which the price is asked, or what is wrong with it."""
    typed = str(page.request.query_params.get("on", "")).strip()
    if not typed:
        return None, ""
    try:
        return parse_day(typed), ""
    except InvalidInput as error:
        return None, translate_error(error, page.locale)


def _by_time(detail: Detail) -> list[PublicOffer]:
    """Return what holds and what is to come, then what was."""
    return sorted(detail.offers, key=lambda one: one.time is OfferTime.FORMER)


def _facts(detail: Detail, locale: str) -> list[Fact]:
    """Return what describes a resource, each with its title, without what is not stated."""
    hit, stated = detail.hit, detail.details
    facts = [
        *((name, getattr(hit, name)) for name in ("stage", "subject", "grade", "edition")),
        ("chapter", str(stated.get("chapter", ""))),
        *((name, getattr(hit, name)) for name in ("type", "language", "kind", "tier", "licence")),
        ("author", str(stated.get("author", ""))),
        ("keywords", LIST_SEPARATOR[locale].join(stated.get("keywords", ()))),
    ]
    any_one = translate(msgid("any"), locale)
    return [
        (
            translate(TITLES[name], locale),
            word_of(name, value, locale) if value else any_one,
        )
        for name, value in facts
        if value or name in {"stage", "subject", "grade"}
    ]


TITLES: Final = {
    **FACET_TITLES,
    "chapter": msgid("Chapter"),
    "author": msgid("Author"),
    "keywords": msgid("Keywords"),
}


def _conditions(detail: Detail, locale: str) -> list[Fact]:
    """Return what a school needs for it, without what is not stated."""
    stated = detail.details
    mbps = stated.get("bandwidth_mbps")
    offline = str(stated.get("offline", ""))
    devices = [term(one, locale, kind="Device") for one in stated.get("devices", ())]
    facts = [
        (msgid("Fit for"), label(detail.hit.reach, locale, kind="Reach")),
        (msgid("Bandwidth"), translate(MBPS, locale).format(mbps=mbps) if mbps else ""),
        (msgid("Devices"), LIST_SEPARATOR[locale].join(devices)),
        (msgid("Without a network"), label(offline, locale, kind="Offline") if offline else ""),
        (msgid("Further conditions"), str(stated.get("conditions", ""))),
    ]
    return [(translate(title, locale), value) for title, value in facts if value]


def _assessed(found: Mapping[UUID, Suitability], locale: str) -> list[Fact]:
    """Return for whom it was found to suit, and on which conditions (R60)."""
    separator = LIST_SEPARATOR[locale]
    facts: list[Fact] = []
    for one in found.values():
        stages = separator.join(label(stage, locale, kind="Stage") for stage in one.stages)
        conditions = separator.join(part for part in (one.conditions, one.evidence) if part)
        facts += [(msgid("Assessed for"), stages), (msgid("On which conditions"), conditions)]
    return [(translate(title, locale), value) for title, value in facts if value]


def _compared(detail: Detail, locale: str) -> list[Fact]:
    """Return the same facts of every resource, empty where one is not stated."""
    hit, stated = detail.hit, detail.details
    newest = detail.versions[0] if detail.versions else None
    facts = {name: word_of(name, getattr(hit, name), locale) for name in COMPARED}
    described = [(translate(FACET_TITLES[name], locale), word) for name, word in facts.items()]
    needs = dict(_conditions(detail, locale))
    return [
        *described,
        *(
            (translate(title, locale), needs.get(translate(title, locale), ""))
            for title in (msgid("Bandwidth"), msgid("Devices"), msgid("Without a network"))
        ),
        (translate(msgid("Author"), locale), str(stated.get("author", ""))),
        (translate(msgid("Schools"), locale), str(hit.schools)),
        (translate(msgid("Schools that renewed"), locale), str(hit.renewals)),
        (translate(msgid("Admitted by"), locale), newest.bureau if newest else ""),
    ]


COMPARED: Final = (
    *("stage", "subject", "grade", "edition", "type", "language", "reach", "kind", "tier"),
    "licence",
)
