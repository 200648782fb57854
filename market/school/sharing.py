"""A school's needs, and whose works its teachers declare (R40, R61)."""

from collections.abc import Mapping
from typing import Any, Final

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import URLEncodedBody

from catalog.needs import close_need, needs, post_need
from catalog.ownership import decide_work, works
from kernel.actors import Role
from kernel.errors import InvalidInput, MarketError, NotFound
from kernel.http.pages import Form, Page, Pages, only
from kernel.http.problems import AnyRequest
from kernel.http.typed import Typed
from kernel.i18n import label, translate_error
from kernel.identity.stages import Stage
from market.school.home import school_place

STAFF: Final = only(
    Role.TEACHER, Role.RESEARCH_LEAD, Role.ACADEMIC, Role.SCHOOL_FINANCE, Role.PRINCIPAL
)
CONFIRMERS: Final = only(Role.ACADEMIC, Role.PRINCIPAL)
NEEDS: Final = "/school/needs"
WORKS: Final = "/school/works"
Texts = str | list[str]


class NeedForm(Form, frozen=True):
    """What is lacked (`post`), or a need to close with what was chosen (`close`)."""

    act: str = ""
    title: str = ""
    stage: str = ""
    subject: str = ""
    description: str = ""
    wanted_by: str = ""
    need: str = ""
    chosen: Texts = ""


class WorkForm(Form, frozen=True):
    """Whether the school confirms a declaration."""

    work: str = ""
    confirms: str = ""
    note: str = ""


@get(NEEDS, opt=STAFF, sync_to_thread=True)
def list_needs(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_needs(page)


@post(NEEDS, opt=STAFF, status_code=200, sync_to_thread=True)
def act_on_needs(
    request: AnyRequest, pages: Pages, *, data: URLEncodedBody[NeedForm]
) -> Response[Any]:
    with pages.open(request) as page:
        return post_needs(page, data)


@get(WORKS, opt=CONFIRMERS, sync_to_thread=True)
def list_works(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_works(page)


@post(WORKS, opt=CONFIRMERS, status_code=200, sync_to_thread=True)
def confirm_work(
    request: AnyRequest, pages: Pages, *, data: URLEncodedBody[WorkForm]
) -> Response[Any]:
    with pages.open(request) as page:
        return post_work(page, data)


def show_needs(
    page: Page, *, form: NeedForm | None = None, errors: Mapping[str, str] | None = None
) -> Response[Any]:
    """List the school's needs with what was offered, and the form for another one."""
    return page.render(
        "school/needs.html",
        place=school_place(page),
        address=NEEDS,
        needs=needs(page.unit),
        form=form or NeedForm(),
        stages=[("", "–"), *((one.value, label(one, page.locale)) for one in Stage)],
        errors=dict(errors or {}),
    )


def post_needs(page: Page, form: NeedForm) -> Response[Any]:
    """Post a need, or close one."""
    typed = Typed(page.locale)
    try:
        if form.act == "close":
            _close(page, form)
        else:
            title = typed.text("title", form.title)
            description = typed.text("description", form.description)
            wanted_by = typed.day("wanted_by", form.wanted_by)
            if typed.errors:
                return show_needs(page, form=form, errors=typed.errors)
            post_need(
                page.unit,
                title=title,
                stage=form.stage if form.stage in frozenset(Stage) else "",
                subject=form.subject,
                description=description,
                wanted_by=wanted_by,
            )
    except NotFound:
        raise
    except MarketError as error:
        typed.refuse(error, {})
        return show_needs(page, form=form, errors=typed.errors)
    return page.redirect(NEEDS)


def show_works(page: Page, *, errors: Mapping[str, str] | None = None) -> Response[Any]:
    """List what teachers of the school declared as theirs or as a service work."""
    return page.render(
        "school/works.html",
        place=school_place(page),
        address=WORKS,
        works=works(page.unit),
        errors=dict(errors or {}),
    )


def post_work(page: Page, form: WorkForm) -> Response[Any]:
    """Confirm a declaration, or reject it with the reason."""
    known = {str(one.version_id): one.version_id for one in works(page.unit)}
    try:
        if form.work not in known:
            raise InvalidInput(field="work", value=form.work, expected="a declared work")
        decide_work(page.unit, known[form.work], confirmed=form.confirms == "yes", note=form.note)
    except MarketError as error:
        return show_works(page, errors={"": translate_error(error, page.locale)})
    return page.redirect(WORKS)


def _close(page: Page, form: NeedForm) -> None:
    known = {str(one.id): one for one in needs(page.unit)}
    need = known.get(form.need)
    if need is None:
        raise NotFound(what="need", key=form.need)
    given = [form.chosen] if isinstance(form.chosen, str) else form.chosen
    close_need(
        page.unit,
        need.id,
        chosen=[one.version_id for one in need.answers if str(one.version_id) in given],
    )


HANDLERS: tuple[HTTPRouteHandler, ...] = (list_needs, act_on_needs, list_works, confirm_work)
