"""A vendor's draft on a page: the next version of a resource as it is to be, with its price.

What is wrong is said beside its field; what may be drafted is decided by `catalog.drafts`.
"""

from collections.abc import Mapping
from dataclasses import fields
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery, URLEncodedBody

from catalog.cases import Case, case
from catalog.drafts import save_draft
from catalog.kinds import Ownership, ResourceKind, Tier
from catalog.lineage import ancestors, declare_parents
from catalog.plans import Plan
from catalog.queries import ResourceKey
from catalog.resources import CatalogueRow
from catalog.vocabularies import VOCABULARIES
from kernel.actors import Role
from kernel.errors import InvalidAmount, LicenceForbids, MarketError, NotFound
from kernel.http.pages import Form, Page, Pages, only
from kernel.http.problems import AnyRequest
from kernel.http.typed import Typed
from kernel.i18n import label, term
from kernel.identity.stages import Stage
from kernel.money import parse_rate
from vendor_portal.draft_prices import FIELD_OF, read_price
from vendor_portal.earnings import vendor_place

MANAGER: Final = only(Role.VENDOR_MANAGER)
RESOURCES: Final = "/vendor/resources"


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
    edition: str = ""
    chapter: str = ""
    bandwidth_mbps: str = ""
    devices: str = ""
    parts: str = ""
    offline: str = ""
    conditions: str = ""
    address: str = ""
    launch_url: str = ""
    ownership: str = Ownership.PERSONAL
    school_share: str = ""
    plan: str = Plan.PER_USE
    price: str = ""
    tiers: str = ""
    free_allowance: str = ""
    period_cap: str = ""
    learner_cap: str = ""
    price_from: str = ""
    derived_from: str = ""


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
        plans=_options(Plan, page.locale),
        words={
            one.field: [(word, term(word, page.locale, kind=one.kind)) for word in one.terms]
            for one in VOCABULARIES.values()
        },
        is_teacher=page.actor.organisation_code.startswith("T-"),
    )


def post_draft(page: Page, form: DraftForm) -> Response[Any]:
    """Save a draft and go on to its version, or show what is wrong with it."""
    typed = Typed(page.locale)
    for name in ("sku", "title"):
        typed.text(name, getattr(form, name))
    row = _row(page, form, typed)
    offer = read_price(row, form, typed)
    if typed.errors:
        return show_draft(page, form, errors=typed.errors)
    try:
        with page.unit.session.begin_nested():
            version_id = save_draft(page.unit, row, offer=offer)
            declare_parents(page.unit, version_id, _parents(form.derived_from))
    except MarketError as error:
        if isinstance(error, NotFound | LicenceForbids):
            error.facts["field"] = "derived_from"
        typed.refuse(error, FIELD_OF)
        return show_draft(page, form, errors=typed.errors)
    return page.redirect(f"{RESOURCES}/{version_id}")


def _parents(typed: str) -> list[ResourceKey]:
    """Read `vendor code/resource code` pairs, separated by commas."""
    pairs = [one.strip().partition("/") for one in typed.replace("，", ",").split(",")]
    return [(vendor.strip(), sku.strip()) for vendor, _, sku in pairs if vendor.strip()]


def _row(page: Page, form: DraftForm, typed: Typed) -> CatalogueRow:
    given = msgspec.structs.asdict(form)
    names = {one.name for one in fields(CatalogueRow)} & given.keys()
    return CatalogueRow(
        **{
            **{name: given[name].strip() for name in names},
            "vendor_code": page.actor.organisation_code,
            "keywords": _listed(form.keywords),
            "devices": _listed(form.devices),
            "parts": _listed(form.parts),
            "school_share": _rate("school_share", form.school_share, typed) or Decimal(0),
            "bandwidth_mbps": _rate("bandwidth_mbps", form.bandwidth_mbps, typed),
        }
    )


def _rate(field: str, given: str, typed: Typed) -> Decimal | None:
    """Read a decimal that may be left empty."""
    if not given.strip():
        return None
    try:
        return parse_rate(given)
    except InvalidAmount as error:
        typed.tell(field, error)
        return None


def _listed(given: str) -> tuple[str, ...]:
    """Read words that are separated by commas of either script."""
    parts = given.replace("，", ",").replace("、", ",").split(",")
    return tuple(part.strip() for part in parts if part.strip())


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
    return DraftForm(
        **{
            **known,
            "sku": found.sku,
            **_price_of(found),
            "derived_from": made_from,
        }
    )


def _price_of(found: Case) -> dict[str, str]:
    """Return the fields of the price that was proposed with a version."""
    if not found.plan or not found.price_from:
        return {}
    plan = found.plan
    tiers = [f"{one['up_to'] or '*'}:{one['unit_price']}" for one in plan.get("tiers", ())]
    return {
        "plan": str(plan["plan"]),
        "price": str(plan["unit_price"]),
        "tiers": "; ".join(tiers),
        **{
            name: str(plan[name])
            for name in ("free_allowance", "period_cap", "learner_cap")
            if name in plan
        },
        "price_from": found.price_from.isoformat(),
    }


def _options(words: Any, locale: str) -> list[tuple[str, str]]:
    return [(one.value, label(one, locale)) for one in words]


HANDLERS: tuple[HTTPRouteHandler, ...] = (begin_draft, keep_draft)
