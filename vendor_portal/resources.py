"""A vendor's resources on pages: its versions, and what the desk said of each.

Whether an act may happen is the services' question; what stands against it is said beside the form.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, URLEncodedBody

from catalog.appeals import appeal
from catalog.attachments.attaching import PURPOSES, detach
from catalog.attachments.kinds import ENDINGS
from catalog.criteria import criteria_of
from catalog.infringements import counter_notice, notices
from catalog.lineage import ancestors, derivatives
from catalog.submissions import SelfCheck, submit, withdraw
from catalog.versions import Looked, OwnVersion, count_own_versions, own_versions_shown
from catalog.web.cases import shown_case, tried
from kernel.actors import Role
from kernel.errors import NotFound
from kernel.http.pages import Form, Page, Pages, only
from kernel.http.problems import AnyRequest
from kernel.i18n import label, msgid, translate, translate_error
from kernel.ids import VersionId
from kernel.unit import Unit
from kernel.web.tables import Column, Filter, Table
from vendor_portal.drafting import RESOURCES
from vendor_portal.earnings import vendor_place

MANAGER: Final = only(Role.VENDOR_MANAGER)
ONE: Final = f"{RESOURCES}/{{version_id:uuid}}"
COMMITMENT: Final = msgid(
    "We answer for the content we submit: it is lawful and correct, suits minors, carries no "
    "advertising, infringes nobody's rights, and collects no more personal data than it needs."
)
Texts = str | list[str]
NOWHERE: Final = UUID(int=0)


class VersionForm(Form, frozen=True):
    """One act on a version; `criterion` and `answer` go together, one of each for every one."""

    act: str = ""
    reason: str = ""
    notice: str = ""
    attachment: UUID | None = None
    criterion: Texts = ""
    answer: Texts = ""
    commits: str = ""
    filing_number: str = ""
    stage: Texts = ""
    conditions: str = ""


@get(RESOURCES, opt=MANAGER, sync_to_thread=True)
def resources(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_resources(page)


@get(ONE, opt=MANAGER, sync_to_thread=True)
def one_version(request: AnyRequest, pages: Pages, *, version_id: FromPath[UUID]) -> Response[Any]:
    with pages.open(request) as page:
        return show_version(page, version_id)


@post(ONE, opt=MANAGER, status_code=200, sync_to_thread=True)
def act_on_version(
    request: AnyRequest,
    pages: Pages,
    *,
    version_id: FromPath[UUID],
    data: URLEncodedBody[VersionForm],
) -> Response[Any]:
    with pages.open(request) as page:
        return post_version(page, version_id, data)


def show_resources(page: Page) -> Response[Any]:
    """List the vendor's versions, drafts among them."""
    filters = (
        Filter(
            key="versions",
            title=msgid("Versions"),
            options=(("newest", msgid("Only the newest")), ("all", msgid("All versions"))),
            default="newest",
        ),
        Filter(key="q", title=msgid("Title or article number")),
    )
    view = page.view(COLUMNS, filters=filters, sort="sku")
    looked = Looked(
        words=view.filters.get("q", ""), only_newest=view.filters["versions"] == "newest"
    )
    count = count_own_versions(page.unit, looked)
    view = view.within(count)
    table = Table(
        caption=translate(msgid("Your resources"), page.locale),
        columns=COLUMNS,
        rows=own_versions_shown(
            page.unit,
            looked,
            sort=view.sort,
            descending=view.descending,
            limit=view.per_page,
            offset=view.offset,
        ),
        view=view,
        count=count,
        filters=filters,
        empty=msgid("You have offered nothing yet. A draft is seen by nobody but you."),
        next_step=(msgid("Draft a resource"), f"{RESOURCES}/new"),
    )
    return page.render_table(
        "vendor/resources.html", table, file_name="resources", place=vendor_place(page)
    )


def show_version(
    page: Page,
    version_id: UUID,
    *,
    form: VersionForm | None = None,
    errors: Mapping[str, str] | None = None,
) -> Response[Any]:
    """Show one version with what was decided, and the form of what may be done."""
    found, shown = shown_case(page, version_id)
    typed = form or VersionForm()
    answers = dict(zip(_texts(typed.criterion), _texts(typed.answer), strict=False))
    return page.render(
        "vendor/version.html",
        place=vendor_place(page),
        resources=RESOURCES,
        address=f"{RESOURCES}/{found.version_id}",
        **shown,
        purposes=[(one, label(one, page.locale, kind="attachment-purpose")) for one in PURPOSES],
        most_mb=page.unit.settings.attachment_mb,
        endings=", ".join(ENDINGS),
        made_from=ancestors(page.unit, found.version_id),
        made_of_it=derivatives(page.unit, found.version_id),
        form=typed,
        answers=answers,
        errors=dict(errors or {}),
        asked=criteria_of(found.depth),
        commitment=translate(COMMITMENT, page.locale),
    )


def post_version(page: Page, version_id: UUID, form: VersionForm) -> Response[Any]:
    """Do what the form asks, or show the version again with what stands against it."""
    acts: dict[str, Callable[[Unit], object]] = {
        "submit": lambda unit: submit(unit, VersionId(version_id), _self_check(page, form)),
        "withdraw": lambda unit: withdraw(unit, VersionId(version_id), note=form.reason),
        "appeal": lambda unit: appeal(unit, VersionId(version_id), claim=form.reason),
        "counter": lambda unit: _counter(unit, version_id, form),
        "detach": lambda unit: detach(unit, VersionId(version_id), form.attachment or NOWHERE),
    }
    act = acts.get(form.act)
    if act is None:
        raise NotFound(what="act", key=form.act)
    error = tried(page, act)
    if error is not None:
        field = str(error.facts.get("field", ""))
        name = field if field == "filing_number" else ""
        text = translate_error(error, page.locale)
        return show_version(page, version_id, form=form, errors={name: text})
    return page.redirect(f"{RESOURCES}/{version_id}")


def _counter(unit: Unit, version_id: UUID, form: VersionForm) -> None:
    known = {str(one.id): one.id for one in notices(unit, version_id=version_id)}
    if form.notice not in known:
        raise NotFound(what="notice", key=form.notice)
    counter_notice(unit, known[form.notice], statement=form.reason)


def _self_check(page: Page, form: VersionForm) -> SelfCheck:
    return SelfCheck(
        answers=dict(zip(_texts(form.criterion), _texts(form.answer), strict=False)),
        commitment=translate(COMMITMENT, page.locale),
        commits=form.commits == "yes",
        filing_number=form.filing_number,
        stages=[one for one in _texts(form.stage) if one],
        conditions=form.conditions,
    )


def _texts(given: Texts) -> list[str]:
    return [given] if isinstance(given, str) else given


COLUMNS: Final[list[Column[OwnVersion]]] = [
    Column(
        key="sku",
        title=msgid("Article number"),
        value=lambda row: row.sku,
        kind="code",
        sortable=True,
    ),
    Column(
        key="title",
        title=msgid("Title"),
        value=lambda row: row.title,
        href=lambda row: f"{RESOURCES}/{row.version_id}",
        sortable=True,
    ),
    Column(key="number", title=msgid("Version"), value=lambda row: row.number, kind="number"),
    Column(
        key="kind",
        title=msgid("Kind"),
        value=lambda row: row.kind,
        kind="label",
        label_kind="ResourceKind",
        secondary=True,
    ),
    Column(key="subject", title=msgid("Subject"), value=lambda row: row.subject, secondary=True),
    Column(
        key="state",
        title=msgid("State"),
        value=lambda row: row.state,
        kind="state",
        label_kind="VersionState",
        sortable=True,
    ),
    Column(
        key="created_at",
        title=msgid("Recorded"),
        value=lambda row: row.created_at,
        kind="day",
        sortable=True,
        secondary=True,
    ),
]

HANDLERS: tuple[HTTPRouteHandler, ...] = (
    resources,
    one_version,
    act_on_version,
)
