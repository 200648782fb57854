"""What differs between two versions, in words, on the pages of vendors, desk and public alike."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from urllib.parse import urlencode

from litestar import Response

from catalog.criteria import Change, Depth, depth_of
from catalog.differences import Comparison, Difference, Part, compare_versions
from catalog.plan_words import plan_words
from catalog.vocabularies import VOCABULARIES
from kernel.http.pages import Page
from kernel.i18n import LIST_SEPARATOR, label, msgid, term, translate
from kernel.web.rendering import day, file_size, percent

WORDS_OF: Final = {
    "kind": "ResourceKind",
    "tier": "Tier",
    "stage": "Stage",
    "ownership": "Ownership",
    "language": "language",
}
"""Metadata whose words are codes, by the context of their names; others are terms or as typed."""
BEFORE, AFTER = "before", "after"
LICENCE: Final = "licence"
SHARE: Final = "school_share"
DIGEST_SHOWN: Final = 12

Place = Callable[[Comparison], tuple[tuple[str, str], ...]]


@dataclass(frozen=True, kw_only=True, slots=True)
class DifferenceRow:
    """One difference in the reader's words; empty where nothing is said."""

    part: Part
    title: str
    before: str
    after: str


def difference_rows(found: Sequence[Difference], locale: str) -> list[DifferenceRow]:
    """Return differences as they are read."""
    return [
        DifferenceRow(
            part=one.part,
            title=one.name if one.part is Part.FILES else label(one.name, locale, kind="described"),
            before=_said(one, one.before, locale),
            after=_said(one, one.after, locale),
        )
        for one in found
    ]


def show_differences(
    page: Page, vendor_code: str, sku: str, *, address: str, root: Place
) -> Response[Any]:
    """Compare two versions of a resource that the reader sees; `address` is of this very page."""
    query = page.request.query_params
    found = compare_versions(
        page.unit,
        vendor_code=vendor_code,
        sku=sku,
        before=_number(query.get(BEFORE)),
        after=_number(query.get(AFTER)),
    )
    depth = depth_of(_changes(found.differences))
    return page.render(
        "catalog/differences.html",
        found=found,
        rows=difference_rows(found.differences, page.locale),
        depth=depth if found.differences else None,
        address=address,
        root=root(found),
    )


def differences_address(
    address: str, *, before: int | None = None, after: int | None = None
) -> str:
    query = {BEFORE: before, AFTER: after}
    kept = urlencode({name: number for name, number in query.items() if number is not None})
    return f"{address}?{kept}" if kept else address


def depth_words(depth: Depth, locale: str) -> str:
    """Return why a review goes so deep."""
    return translate(WHY[depth], locale)


WHY: Final = {
    Depth.FULL: msgid(
        "It is new, or its content or files change: all eight criteria are judged anew."
    ),
    Depth.LIGHT: msgid(
        "Only price or licence change: the rules that are kept and the public benefit are judged "
        "anew, the rest stands as it was admitted."
    ),
}


def _changes(found: Sequence[Difference]) -> list[Change]:
    kinds = {
        Part.TERMS: Change.PRICE,
        Part.FILES: Change.CONTENT,
    }
    return [
        kinds.get(one.part, Change.LICENCE if one.name == LICENCE else Change.CONTENT)
        for one in found
    ]


def _number(given: str | None) -> int | None:
    return int(given) if given and given.isascii() and given.isdigit() and len(given) < 9 else None


def _said(one: Difference, value: Any, locale: str) -> str:
    if value is None or value in ("", [], ()):
        return ""
    if one.part is Part.TERMS:
        return day(value) if isinstance(value, date) else plan_words(value, locale)
    if one.part is Part.FILES:
        return _file(value, locale)
    if isinstance(value, list | tuple):
        return LIST_SEPARATOR[locale].join(_word(one.name, str(part), locale) for part in value)
    return _word(one.name, str(value), locale)


def _word(name: str, word: str, locale: str) -> str:
    if name == SHARE:
        return percent(word)
    if name in WORDS_OF:
        return label(word, locale, kind=WORDS_OF[name])
    vocabulary = VOCABULARIES.get("device" if name == "devices" else name)
    return term(word, locale, kind=vocabulary.kind) if vocabulary else word


def _file(value: Mapping[str, Any], locale: str) -> str:
    purpose = label(value["purpose"], locale, kind="attachment-purpose")
    digest = str(value["digest"])[:DIGEST_SHOWN]
    return f"{purpose} · {file_size(value['size_bytes'])} · {digest}"
