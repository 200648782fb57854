"""A vendor's resources on pages: its versions, a draft, and what the desk said of each.

Whether an act may happen is the services' question; what stands against it is said beside the form.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, URLEncodedBody

from catalog.appeals import appeal
from catalog.cases import case
from catalog.criteria import criteria_of
from catalog.drafts import save_draft
from catalog.infringements import counter_notice, notices
from catalog.kinds import Ownership, ResourceKind, Tier
from catalog.lineage import ancestors, declare_parents, derivatives
from catalog.offers import OfferRow
from catalog.plan_words import plan_words
from catalog.queries import ResourceKey
from catalog.resources import CatalogueRow
from catalog.submissions import SelfCheck, submit, withdraw
from catalog.versions import OwnVersion, own_versions
from kernel.actors import Role
from kernel.clock import parse_day
from kernel.errors import InvalidAmount, InvalidInput, LicenceForbids, MarketError, NotFound
from kernel.http.pages import Form, Page, Pages, only
from kernel.http.problems import AnyRequest
from kernel.http.typed import Typed
from kernel.i18n import label, msgid, translate, translate_error
from kernel.identity.stages import Stage
from kernel.ids import VersionId
from kernel.money import parse_rate
from kernel.unit import Unit
from kernel.web.tables import Column, Filter, tabulate
from vendor_portal.earnings import vendor_place

MANAGER: Final = only(Role.VENDOR_MANAGER)
RESOURCES: Final = "/vendor/resources"
ONE: Final = f"{RESOURCES}/{{version_id:uuid}}"
COMMITMENT: Final = msgid(
    "We answer for the content we submit: it is lawful and correct, suits minors, carries no "
    "advertising, infringes nobody's rights, and collects no more personal data than it needs."
)
Texts = str | list[str]


class DraftForm(Form, frozen=True):
    """A resource as its next version is to be; the price only where it is to change, too."""

    sku: str = ""
    title: str = ""
    kind: str = ResourceKind.PERSONALISED
    tier: str = Tier.BASIC
    stage: str = ""
    subject: str = ""
    grade: str = ""
    type: str = ""
    language: str = "zh-CN"
    licence: str = ""
    author: str = ""
    keywords: str = ""
    conditions: str = ""
    address: str = ""
    launch_url: str = ""
    ownership: str = Ownership.PERSONAL
    school_share: str = ""
    price: str = ""
    price_from: str = ""
    derived_from: str = ""


class VersionForm(Form, frozen=True):
    """One act on a version; `criterion` and `answer` go together, one of each for every one."""

    act: str = ""
    reason: str = ""
    notice: str = ""
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


@get(f"{RESOURCES}/new", opt=MANAGER, sync_to_thread=True)
def begin_draft(
    request: AnyRequest, pages: Pages, *, of: FromQuery[UUID | None] = None
) -> Response[Any]:
    with pages.open(request) as page:
        return show_draft(page, _form_of(page, of) if of else DraftForm())


@post(f"{RESOURCES}/new", opt=MANAGER, status_code=200, sync_to_thread=True)
def keep_draft(
    request: AnyRequest, pages: Pages, *, data: URLEncodedBody[DraftForm]
) -> Response[Any]:
    with pages.open(request) as page:
        return post_draft(page, data)


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
    wanted = view.filters.get("q", "").casefold()
    rows = [
        row
        for row in own_versions(page.unit)
        if (row.is_newest or view.filters["versions"] == "all")
        and wanted in f"{row.title} {row.sku}".casefold()
    ]
    table = tabulate(
        translate(msgid("Your resources"), page.locale),
        COLUMNS,
        rows,
        view=view,
        filters=filters,
        empty=msgid("You have offered nothing yet. A draft is seen by nobody but you."),
        next_step=(msgid("Draft a resource"), f"{RESOURCES}/new"),
    )
    return page.render_table(
        "vendor/resources.html", table, file_name="resources", place=vendor_place(page)
    )


def show_draft(
    page: Page, form: DraftForm, *, errors: Mapping[str, str] | None = None
) -> Response[Any]:
    """Show the form of a draft."""
    return page.render(
        "vendor/draft.html",
        place=vendor_place(page),
        address=f"{RESOURCES}/new",
        resources=RESOURCES,
        form=form,
        errors=dict(errors or {}),
        kinds=_options(ResourceKind, page.locale),
        tiers=_options(Tier, page.locale),
        stages=[("", "–"), *_options(Stage, page.locale)],
        ownerships=_options(Ownership, page.locale),
        is_teacher=page.actor.organisation_code.startswith("T-"),
    )


def post_draft(page: Page, form: DraftForm) -> Response[Any]:
    """Save a draft and go on to its version, or show what is wrong with it."""
    typed = Typed(page.locale)
    for name in ("sku", "title"):
        typed.text(name, getattr(form, name))
    row, offer = _row(page, form, typed), None
    if form.price.strip() or form.price_from.strip():
        offer = _offer(row, form, typed)
    if typed.errors:
        return show_draft(page, form, errors=typed.errors)
    try:
        with page.unit.session.begin_nested():
            version_id = save_draft(page.unit, row, offer=offer)
            declare_parents(page.unit, version_id, _parents(form.derived_from))
    except MarketError as error:
        if isinstance(error, NotFound | LicenceForbids):
            error.facts["field"] = "derived_from"
        typed.refuse(error, {"unit_price_yuan": "price", "valid_from": "price_from"})
        return show_draft(page, form, errors=typed.errors)
    return page.redirect(f"{RESOURCES}/{version_id}")


def show_version(
    page: Page,
    version_id: UUID,
    *,
    form: VersionForm | None = None,
    errors: Mapping[str, str] | None = None,
) -> Response[Any]:
    """Show one version with what was decided, and the form of what may be done."""
    found = case(page.unit, version_id)
    typed = form or VersionForm()
    answers = dict(zip(_texts(typed.criterion), _texts(typed.answer), strict=False))
    return page.render(
        "vendor/version.html",
        place=vendor_place(page),
        resources=RESOURCES,
        address=f"{RESOURCES}/{found.version_id}",
        case=found,
        price=plan_words(found.plan, page.locale) if found.plan else "",
        notices=notices(page.unit, version_id=found.version_id),
        made_from=ancestors(page.unit, found.version_id),
        made_of_it=derivatives(page.unit, found.version_id),
        form=typed,
        answers=answers,
        errors=dict(errors or {}),
        asked=criteria_of(found.depth),
        commitment=translate(COMMITMENT, page.locale),
        stages=list(Stage),
        history=[(one.at, _said(one.act, one.note, page.locale), one.who) for one in found.history],
    )


def post_version(page: Page, version_id: UUID, form: VersionForm) -> Response[Any]:
    """Do what the form asks, or show the version again with what stands against it."""
    acts: dict[str, Callable[[Unit], object]] = {
        "submit": lambda unit: submit(unit, VersionId(version_id), _self_check(page, form)),
        "withdraw": lambda unit: withdraw(unit, VersionId(version_id), note=form.reason),
        "appeal": lambda unit: appeal(unit, VersionId(version_id), claim=form.reason),
        "counter": lambda unit: _counter(unit, version_id, form),
    }
    act = acts.get(form.act)
    if act is None:
        raise NotFound(what="act", key=form.act)
    try:
        with page.unit.session.begin_nested():
            act(page.unit)
    except NotFound:
        raise
    except MarketError as error:
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


def _parents(typed: str) -> list[ResourceKey]:
    """Read `vendor code/resource code` pairs, separated by commas."""
    pairs = [one.strip().partition("/") for one in typed.replace("，", ",").split(",")]
    return [(vendor.strip(), sku.strip()) for vendor, _, sku in pairs if vendor.strip()]


def _self_check(page: Page, form: VersionForm) -> SelfCheck:
    return SelfCheck(
        answers=dict(zip(_texts(form.criterion), _texts(form.answer), strict=False)),
        commitment=translate(COMMITMENT, page.locale),
        commits=form.commits == "yes",
        filing_number=form.filing_number,
        stages=[one for one in _texts(form.stage) if one in frozenset(Stage)],
        conditions=form.conditions,
    )


def _row(page: Page, form: DraftForm, typed: Typed) -> CatalogueRow:
    share = Decimal(0)
    if form.school_share.strip():
        try:
            share = parse_rate(form.school_share)
        except InvalidAmount as error:
            typed.tell("school_share", error)
    given = msgspec.structs.asdict(form)
    names = {one.name for one in fields(CatalogueRow)} & given.keys()
    return CatalogueRow(
        **{
            **{name: given[name].strip() for name in names},
            "vendor_code": page.actor.organisation_code,
            "keywords": tuple(form.keywords.replace("，", ",").replace("、", ",").split(","))
            if form.keywords.strip()
            else (),
            "school_share": share,
        }
    )


def _offer(row: CatalogueRow, form: DraftForm, typed: Typed) -> OfferRow | None:
    day = typed.day("price_from", form.price_from)
    try:
        price = parse_rate(form.price)
    except InvalidInput as error:
        typed.tell("price", error)
        return None
    return OfferRow(
        vendor_code=row.vendor_code,
        sku=row.sku,
        valid_from=day if "price_from" not in typed.errors else parse_day("2000-01-01"),
        plan="per_use",
        unit_price_yuan=price,
    )


def _form_of(page: Page, version_id: UUID) -> DraftForm:
    """Return the form filled with what a version says."""
    found = case(page.unit, version_id)
    parents = [one for one in ancestors(page.unit, version_id) if one.distance == 1]
    made_from = ", ".join(f"{one.vendor_code}/{one.sku}" for one in parents)
    names = DraftForm.__struct_fields__
    known = {
        name: ", ".join(value) if isinstance(value, list) else str(value)
        for name, value in found.described.items()
        if name in names and value is not None
    }
    price = str(found.plan["unit_price"]) if found.plan else ""
    day = found.price_from.isoformat() if found.price_from else ""
    return DraftForm(
        **{
            **known,
            "sku": found.sku,
            "price": price,
            "price_from": day,
            "derived_from": made_from,
        }
    )


def _texts(given: Texts) -> list[str]:
    return [given] if isinstance(given, str) else given


def _options(words: Any, locale: str) -> list[tuple[str, str]]:
    return [(one.value, label(one, locale)) for one in words]


def _said(act: str, note: str, locale: str) -> str:
    words = label(act, locale, kind="trail-act")
    return f"{words}: {note}" if note else words


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
    begin_draft,
    keep_draft,
    one_version,
    act_on_version,
)
