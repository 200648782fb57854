"""What schools lack, as vendors and selling teachers read it, and their answers (R61)."""

from collections.abc import Mapping
from typing import Any, Final

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import URLEncodedBody

from catalog.needs import answer_need, needs
from catalog.versions import own_versions
from kernel.actors import Role
from kernel.errors import InvalidInput, MarketError
from kernel.http.pages import Form, Page, Pages, only
from kernel.http.problems import AnyRequest
from kernel.i18n import translate_error
from vendor_portal.earnings import vendor_place

MANAGER: Final = only(Role.VENDOR_MANAGER)
NEEDS: Final = "/vendor/needs"
OFFERED: Final = frozenset({"draft", "submitted", "in_review", "admitted", "listed", "returned"})


class AnswerForm(Form, frozen=True):
    """Which version answers which need."""

    need: str = ""
    version: str = ""
    note: str = ""


@get(NEEDS, opt=MANAGER, sync_to_thread=True)
def list_needs(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_needs(page)


@post(NEEDS, opt=MANAGER, status_code=200, sync_to_thread=True)
def answer(request: AnyRequest, pages: Pages, *, data: URLEncodedBody[AnswerForm]) -> Response[Any]:
    with pages.open(request) as page:
        return post_answer(page, data)


def show_needs(page: Page, *, errors: Mapping[str, str] | None = None) -> Response[Any]:
    """List what is open, each with what the vendor may offer for it."""
    return page.render(
        "vendor/needs.html",
        place=vendor_place(page),
        address=NEEDS,
        needs=needs(page.unit, only_open=True),
        versions=[
            (str(one.version_id), f"{one.title} · {one.sku} · {one.number}")
            for one in own_versions(page.unit)
            if one.is_newest and one.state in OFFERED
        ],
        errors=dict(errors or {}),
    )


def post_answer(page: Page, form: AnswerForm) -> Response[Any]:
    """Offer a version for a need."""
    known = {str(one.id): one.id for one in needs(page.unit, only_open=True)}
    own = {str(one.version_id): one.version_id for one in own_versions(page.unit)}
    try:
        if form.need not in known or form.version not in own:
            raise InvalidInput(field="need", value=form.need, expected="an open need")
        answer_need(page.unit, known[form.need], version_id=own[form.version], note=form.note)
    except MarketError as error:
        return show_needs(page, errors={"": translate_error(error, page.locale)})
    return page.redirect(NEEDS)


HANDLERS: tuple[HTTPRouteHandler, ...] = (list_needs, answer)
