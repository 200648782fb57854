"""Routes of what is attached to versions and of what differs between two of them.

Whoever sees a version sees what it says and how it changed; who may read a file is decided by
`catalog.attachments.reading`.
"""

from pathlib import Path
from typing import Any
from uuid import UUID

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from catalog.attachments.reading import readable_file
from catalog.attachments.vault import Vault
from catalog.case_answers import ComparisonAnswer, comparison_answer
from catalog.differences import Comparison, compare_versions
from catalog.web.addresses import CATALOGUE, comparison_of_versions, resource_address
from catalog.web.differences import show_differences
from catalog.web.files import FILES, send_file
from kernel.actors import OrganisationKind
from kernel.http.callers import Callers
from kernel.http.pages import PUBLIC, Page, Pages
from kernel.http.problems import AnyRequest
from kernel.i18n import msgid, translate


@get(f"{FILES}/{{attachment_id:uuid}}", opt=PUBLIC, sync_to_thread=True)
def file(
    request: AnyRequest,
    pages: Pages,
    vault: NamedDependency[Vault],
    attachment_id: FromPath[UUID],
) -> Response[Any]:
    with pages.open(request) as page:
        found = readable_file(page.unit, attachment_id)
    return send_file(request, vault, found)


@get("/catalog/differences/{vendor:str}/{sku:path}", opt=PUBLIC, sync_to_thread=True)
def differences(
    request: AnyRequest, pages: Pages, *, vendor: FromPath[str], sku: FromPath[Path]
) -> Response[Any]:
    article = sku.as_posix().removeprefix("/")
    with pages.open(request) as page:
        return show_differences(
            page,
            vendor,
            article,
            address=comparison_of_versions(vendor, article),
            root=lambda found: _root(page, found),
        )


@get(
    "/attachments/{attachment_id:uuid}",
    opt=PUBLIC,
    sync_to_thread=True,
    operation_id="getAttachment",
    summary="An attached file",
)
def get_attachment(
    request: AnyRequest,
    callers: Callers,
    vault: NamedDependency[Vault],
    attachment_id: FromPath[UUID],
) -> Response[Any]:
    """Answer the bytes of a file that the caller may read; `Range` is honoured."""
    with callers.open(request) as unit:
        found = readable_file(unit, attachment_id)
    return send_file(request, vault, found)


@get(
    "/differences",
    opt=PUBLIC,
    sync_to_thread=True,
    operation_id="compareVersions",
    summary="What two versions say differently",
)
def get_differences(
    request: AnyRequest,
    callers: Callers,
    *,
    vendor: FromQuery[str],
    sku: FromQuery[str],
    before: FromQuery[int | None] = None,
    after: FromQuery[int | None] = None,
) -> ComparisonAnswer:
    """Compare two versions of a resource by their numbers, by default the two newest."""
    with callers.open(request) as unit:
        return comparison_answer(
            compare_versions(unit, vendor_code=vendor, sku=sku, before=before, after=after)
        )


def _root(page: Page, found: Comparison) -> tuple[tuple[str, str], ...]:
    """Return the way back: to the reader's own page of the version, or to the storefront's."""
    match page.actor.organisation_kind:
        case OrganisationKind.BUREAU:
            place, base = translate(msgid("Admission"), page.locale), "/bureau/admission"
        case OrganisationKind.VENDOR if page.actor.organisation_code == found.vendor_code:
            place, base = translate(msgid("Resources"), page.locale), "/vendor/resources"
        case _:
            home = translate(msgid("Catalogue"), page.locale)
            return (
                (home, CATALOGUE),
                (found.after.title, resource_address(found.vendor_code, found.sku)),
            )
    return (place, base), (found.after.title, f"{base}/{found.after.id}")


PAGES = (file, differences)
HANDLERS = (get_attachment, get_differences)
