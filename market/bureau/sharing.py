"""Beside the admission desk: samples for a blind audit, and what the region's schools need."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import URLEncodedBody

from catalog.blind_audit import AUDITED_FOR_DAYS, draw_sample, judge_sample, samples
from catalog.misses import READERS, Miss, misses
from catalog.needs import needs
from kernel.actors import Role
from kernel.clock import month_of, next_month, shanghai_day
from kernel.errors import InvalidInput, MarketError, NotFound
from kernel.http.pages import Form, Page, Pages, only
from kernel.http.problems import AnyRequest
from kernel.i18n import msgid, translate, translate_error
from kernel.web.tables import Column, tabulate
from market.bureau.places import bureau_root

REVIEWERS: Final = only(Role.ADMISSION)
DESK: Final = "/bureau/admission"
SAMPLES: Final = f"{DESK}/samples"
NEEDS: Final = f"{DESK}/needs"
MISSES: Final = f"{DESK}/searches"
MOST_MISSES: Final = 1_000


class SampleForm(Form, frozen=True):
    """A draw (`size`), or the finding of one sample."""

    act: str = ""
    size: str = ""
    sample: str = ""
    passed: str = ""
    note: str = ""


@get(SAMPLES, opt=REVIEWERS, sync_to_thread=True)
def list_samples(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_samples(page)


@post(SAMPLES, opt=REVIEWERS, status_code=200, sync_to_thread=True)
def act_on_samples(
    request: AnyRequest, pages: Pages, *, data: URLEncodedBody[SampleForm]
) -> Response[Any]:
    with pages.open(request) as page:
        return post_samples(page, data)


@get(NEEDS, opt=REVIEWERS, sync_to_thread=True)
def list_needs(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return page.render("bureau/needs.html", root=_root(page), needs=needs(page.unit))


@get(MISSES, opt=only(*READERS), sync_to_thread=True)
def list_misses(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_misses(page)


def show_misses(page: Page) -> Response[Any]:
    """List what was looked for in vain: what nobody offers, or offers under other words."""
    view = page.view(MISS_COLUMNS, sort="-times")
    table = tabulate(
        translate(msgid("Searches in vain"), page.locale),
        MISS_COLUMNS,
        misses(page.unit, limit=MOST_MISSES),
        view=view,
        empty=msgid("Whatever was looked for was found."),
    )
    root = _root(page) if page.actor.may(Role.ADMISSION) else bureau_root(page)
    return page.render_table("bureau/misses.html", table, file_name="searches", root=root)


def show_samples(
    page: Page, *, form: SampleForm | None = None, errors: Mapping[str, str] | None = None
) -> Response[Any]:
    """List what was drawn, without whose it is, and the form for another draw."""
    found = samples(page.unit)
    month = month_of(shanghai_day(page.unit.clock.now()))
    return page.render(
        "bureau/samples.html",
        root=_root(page),
        address=SAMPLES,
        samples=found,
        overdue=sum(one.standing == "overdue" for one in found),
        again=AUDITED_FOR_DAYS,
        drawn=month if any(one.month == month for one in found) else None,
        next_draw=next_month(month),
        form=form or SampleForm(size="5"),
        errors=dict(errors or {}),
    )


def post_samples(page: Page, form: SampleForm) -> Response[Any]:
    """Draw a sample, or say what was found of one."""
    try:
        with page.unit.session.begin_nested():
            if form.act == "draw":
                if not (form.size.isascii() and form.size.isdigit()):
                    raise InvalidInput(field="size", value=form.size, expected="5 to 500")
                draw_sample(page.unit, size=int(form.size[:6]))
            else:
                judge_sample(
                    page.unit,
                    _known(page, form.sample),
                    passed=form.passed == "yes",
                    note=form.note,
                )
    except NotFound:
        raise
    except MarketError as error:
        return show_samples(page, form=form, errors={"": translate_error(error, page.locale)})
    return page.redirect(SAMPLES)


def _known(page: Page, given: str) -> UUID:
    for one in samples(page.unit):
        if str(one.id) == given:
            return one.id
    raise NotFound(what="sample", key=given)


def _root(page: Page) -> tuple[tuple[str, str], ...]:
    return (*bureau_root(page), (translate(msgid("Admission"), page.locale), DESK))


MISS_COLUMNS: Final[list[Column[Miss]]] = [
    Column(
        key="words",
        title=msgid("Words"),
        value=lambda row: row.words,
        href=lambda row: f"/catalog?{urlencode({'q': row.words})}",
        sortable=True,
    ),
    Column(
        key="times",
        title=msgid("Times"),
        value=lambda row: row.times,
        kind="number",
        sortable=True,
    ),
    Column(
        key="last_at", title=msgid("Last"), value=lambda row: row.last_at, kind="day", sortable=True
    ),
]

HANDLERS: tuple[HTTPRouteHandler, ...] = (
    list_samples,
    act_on_samples,
    list_needs,
    list_misses,
)
