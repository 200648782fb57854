"""What the pages of a case show alike, at the desk and for the vendor whose it is."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from catalog.attachments.reading import AttachedFile
from catalog.cases import Case, case
from catalog.infringements import notices
from catalog.plan_words import plan_words
from catalog.web.addresses import comparison_of_versions
from catalog.web.differences import depth_words, difference_rows
from catalog.web.files import file_address
from kernel.errors import MarketError, NotFound
from kernel.http.pages import Page
from kernel.i18n import label
from kernel.identity.stages import Stage
from kernel.unit import Unit


def shown_case(page: Page, version_id: UUID) -> tuple[Case, dict[str, Any]]:
    """Return a case, and what the templates of both sides need of it."""
    found = case(page.unit, version_id)
    return found, {
        "case": found,
        "notices": notices(page.unit, version_id=found.version_id),
        "price": plan_words(found.plan, page.locale) if found.plan else "",
        "differing": difference_rows(found.differences, page.locale),
        "why": depth_words(found.depth, page.locale),
        "compare": comparison_of_versions(found.vendor_code, found.sku, after=found.number),
        "file_link": _link,
        "stages": list(Stage),
        "history": [
            (one.at, _said(one.act, one.note, page.locale), one.who) for one in found.history
        ],
    }


def tried(page: Page, act: Callable[[Unit], object]) -> MarketError | None:
    """Do what a form asks; return what stands against it, nothing of it being done then.

    What is not there is answered by another page: `NotFound` passes.
    """
    try:
        with page.unit.session.begin_nested():
            act(page.unit)
    except NotFound:
        raise
    except MarketError as error:
        return error
    return None


def _link(one: AttachedFile) -> str:
    return file_address(one.id)


def _said(act: str, note: str, locale: str) -> str:
    words = label(act, locale, kind="trail-act")
    return f"{words}: {note}" if note else words
