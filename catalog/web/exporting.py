"""A search of the storefront as a file: all that is filtered, in the order that is shown."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from litestar import Response

from catalog.search import MOST, Hit, Wanted, search
from catalog.storefront import plans_today
from catalog.web.words import price_words, word_of
from kernel.http.pages import Page, download
from kernel.i18n import msgid, translate
from kernel.web.exports import CSV_TYPE, XLSX_TYPE, export_csv, export_xlsx
from kernel.web.tables import Column

FORMATS: Final[Mapping[str, str]] = {"csv": CSV_TYPE, "xlsx": XLSX_TYPE}


@dataclass(frozen=True, slots=True)
class _Row:
    hit: Hit
    price: str


def send_search(page: Page, wanted: Wanted, *, form: str) -> Response[Any]:
    """Answer with everything that a search finds, as `csv` or `xlsx`."""
    rows = list(_rows(page, wanted))
    columns = _columns(page.locale)
    if form == "csv":
        content = export_csv(rows, columns, locale=page.locale)
    else:
        sheet = translate(msgid("Catalogue"), page.locale)
        content = export_xlsx(rows, columns, locale=page.locale, sheet=sheet)
    return download(content, FORMATS[form], f"catalogue.{form}")


def _rows(page: Page, wanted: Wanted) -> Iterator[_Row]:
    wanted = replace(wanted, after="", limit=MOST)
    while True:
        found = search(page.unit, wanted)
        plans = plans_today(page.unit, [hit.resource_id for hit in found.hits])
        for hit in found.hits:
            yield _Row(hit, price_words(plans.get(hit.resource_id), page.locale))
        if not found.next:
            return
        wanted = replace(wanted, after=found.next)


def _columns(locale: str) -> list[Column[_Row]]:
    def of(name: str) -> Any:
        return lambda row: word_of(name, str(getattr(row.hit, name)), locale)

    return [
        Column(key="title", title=msgid("Title"), value=lambda row: row.hit.title),
        Column(key="vendor_name", title=msgid("Vendor"), value=lambda row: row.hit.vendor_name),
        Column(
            key="vendor_code",
            title=msgid("Vendor code"),
            value=lambda row: row.hit.vendor_code,
            kind="code",
        ),
        Column(
            key="sku", title=msgid("Article number"), value=lambda row: row.hit.sku, kind="code"
        ),
        Column(key="kind", title=msgid("Kind"), value=of("kind")),
        Column(key="tier", title=msgid("Tier"), value=of("tier")),
        Column(key="stage", title=msgid("Stage"), value=of("stage")),
        Column(key="subject", title=msgid("Subject"), value=of("subject")),
        Column(key="grade", title=msgid("Grade"), value=of("grade")),
        Column(key="edition", title=msgid("Textbook edition"), value=of("edition")),
        Column(key="type", title=msgid("Type"), value=of("type")),
        Column(key="language", title=msgid("Language"), value=of("language")),
        Column(key="licence", title=msgid("Licence"), value=of("licence")),
        Column(key="reach", title=msgid("Fit for"), value=of("reach")),
        Column(key="price", title=msgid("Price, tax included"), value=lambda row: row.price),
        Column(
            key="schools", title=msgid("Schools"), value=lambda row: row.hit.schools, kind="number"
        ),
        Column(
            key="renewals",
            title=msgid("Schools that renewed"),
            value=lambda row: row.hit.renewals,
            kind="number",
        ),
        Column(
            key="listed_at",
            title=msgid("Listed on"),
            value=lambda row: row.hit.listed_at,
            kind="day",
        ),
    ]
