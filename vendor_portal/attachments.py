"""Routes by which a vendor attaches files to its drafts: the form on the page, and the interface.

The file is taken in by `kernel.http.uploads` before a handler runs, as these routes' router says.
"""

from typing import Any, Final
from uuid import UUID

from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath, RawBody

from catalog.attachments.attaching import detach
from catalog.attachments.vault import Vault
from catalog.case_answers import CaseAnswer, case_answer
from catalog.cases import case
from kernel.actors import Role
from kernel.errors import MarketError, NotFound
from kernel.http.callers import Callers
from kernel.http.once import answered_once
from kernel.http.pages import Pages, only, redirect
from kernel.http.problems import AnyRequest
from kernel.http.uploads import taken_in
from kernel.i18n import translate_error
from kernel.ids import VersionId
from kernel.settings import Settings
from kernel.unit import Unit
from vendor_portal.drafting import RESOURCES
from vendor_portal.resources import show_version
from vendor_portal.uploads import take_in

MANAGER: Final = only(Role.VENDOR_MANAGER)
ATTACHMENTS: Final = "/api/v1/versions/{version_id:uuid}/attachments"


@post(f"{RESOURCES}/{{version_id:uuid}}/files", opt=MANAGER, status_code=200, sync_to_thread=True)
def post_file(
    request: AnyRequest,
    pages: Pages,
    callers: Callers,
    settings: NamedDependency[Settings],
    vault: NamedDependency[Vault],
    *,
    version_id: FromPath[UUID],
) -> Response[Any]:
    """Attach the file of the form, or show what speaks against it."""
    with taken_in(request) as upload:
        try:
            take_in(
                upload,
                lambda: callers.open(request),
                vault=vault,
                settings=settings,
                version_id=version_id,
                purpose=upload.fields.get("purpose", "content"),
            )
        except NotFound:
            raise
        except MarketError as error:
            if error.status >= 500 or error.status == 403:
                raise
            with pages.open(request) as page:
                text = translate_error(error, page.locale)
                return show_version(page, version_id, errors={"file": text})
    return redirect(f"{RESOURCES}/{version_id}#files")


@post(
    ATTACHMENTS,
    opt=MANAGER,
    status_code=201,
    sync_to_thread=True,
    operation_id="attachFile",
    summary="Attach a file to a draft",
)
def attach_file(
    request: AnyRequest,
    callers: Callers,
    settings: NamedDependency[Settings],
    vault: NamedDependency[Vault],
    *,
    version_id: FromPath[UUID],
) -> CaseAnswer:
    """Attach the file `file` of a multipart form; `purpose` is content or preview.

    The same file under the same name once more changes nothing.
    """
    with taken_in(request) as upload:
        take_in(
            upload,
            lambda: callers.open(request),
            vault=vault,
            settings=settings,
            version_id=version_id,
            purpose=upload.fields.get("purpose", "content"),
        )
    with callers.open(request) as unit:
        return case_answer(case(unit, version_id))


@post(
    "/versions/{version_id:uuid}/attachments/{attachment_id:uuid}/removal",
    opt=MANAGER,
    status_code=200,
    sync_to_thread=True,
    operation_id="detachFile",
    summary="Take a file off a draft",
)
def detach_file(
    request: AnyRequest,
    callers: Callers,
    version_id: FromPath[UUID],
    attachment_id: FromPath[UUID],
    body: RawBody,
) -> Response[Any]:
    """Take a file off a draft."""

    def act(unit: Unit) -> CaseAnswer:
        detach(unit, VersionId(version_id), attachment_id)
        return case_answer(case(unit, version_id))

    return answered_once(request, callers, body, act=act)


UPLOADS = (post_file, attach_file)
HANDLERS = (detach_file,)
