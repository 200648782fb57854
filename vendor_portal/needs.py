"""What schools lack, as vendors and selling teachers read it, and their answers (R61)."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import URLEncodedBody

from catalog.needs import answer_need, needs
from catalog.states import VersionState
from catalog.versions import Looked, own_versions_shown
from kernel.actors import Role
from kernel.errors import MarketError
from kernel.http.pages import Form, Page, Pages, only
from kernel.http.problems import AnyRequest
from kernel.i18n import msgid, translate_error
from kernel.ids import VersionId
from kernel.web.tables import Filter
from vendor_portal.earnings import vendor_place

MANAGER: Final = only(Role.VENDOR_MANAGER)
NEEDS: Final = "/vendor/needs"
OFFERED: Final = frozenset(VersionState) - {
    VersionState.SUSPENDED,
    VersionState.WITHDRAWN,
    VersionState.REFUSED,
}
MOST_OFFERED: Final = 50
"""How many versions the form shows, the newest first: further ones are looked for by words."""
SOUGHT: Final = (Filter(key="q", title=msgid("Title or article number")),)
NOTHING: Final = UUID(int=0)


class AnswerForm(Form, frozen=True):
    """Which version answers which need."""

    need: UUID = NOTHING
    version: UUID = NOTHING
    note: str = ""


@get(NEEDS, opt=MANAGER, sync_to_thread=True)
def list_needs(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_needs(page)


@post(NEEDS, opt=MANAGER, status_code=200, sync_to_thread=True)
def answer(request: AnyRequest, pages: Pages, *, data: URLEncodedBody[AnswerForm]) -> Response[Any]:
    with pages.open(request) as page:
        return post_answer(page, data)


def show_needs(
    page: Page, *, form: AnswerForm | None = None, errors: Mapping[str, str] | None = None
) -> Response[Any]:
    """List what is open, each with what the vendor may offer for it: what is looked for (`q`)."""
    words = page.view((), filters=SOUGHT, at=NEEDS).filters.get("q", "")
    offered = own_versions_shown(
        page.unit,
        Looked(words=words, only_newest=True, states=OFFERED),
        sort="created_at",
        descending=True,
        limit=MOST_OFFERED + 1,
    )
    return page.render(
        "vendor/needs.html",
        place=vendor_place(page),
        address=NEEDS,
        needs=needs(page.unit, only_open=True),
        words=words,
        most=MOST_OFFERED if len(offered) > MOST_OFFERED else None,
        versions=[
            (str(one.version_id), f"{one.title} · {one.sku} · {one.number}")
            for one in offered[:MOST_OFFERED]
        ],
        form=form or AnswerForm(),
        errors=dict(errors or {}),
    )


def post_answer(page: Page, form: AnswerForm) -> Response[Any]:
    """Offer a version for a need."""
    try:
        answer_need(page.unit, form.need, version_id=VersionId(form.version), note=form.note)
    except MarketError as error:
        return show_needs(page, form=form, errors={"": translate_error(error, page.locale)})
    return page.redirect(NEEDS)


HANDLERS: tuple[HTTPRouteHandler, ...] = (list_needs, answer)
