"""`/api/v1/versions`: a vendor's drafts and versions for its people's scripts.

Nothing of another vendor's is there, by whatever id. A commitment is a person's: for signed-in
managers (cookie, and `X-CSRF-Token` for what changes something). `Idempotency-Key` is honoured.
"""

from datetime import date
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter, RawBody

from catalog.appeals import appeal
from catalog.case_answers import CaseAnswer, case_answer
from catalog.cases import case
from catalog.drafts import save_draft
from catalog.offers import OfferRow
from catalog.plans import Plan, Tier
from catalog.resources import CatalogueRow
from catalog.search import MOST
from catalog.submissions import SelfCheck, submit, withdraw
from catalog.versions import OwnVersion, own_versions
from kernel.actors import Role
from kernel.http.callers import Callers
from kernel.http.once import answered_once
from kernel.http.pages import only
from kernel.http.problems import AnyRequest
from kernel.ids import VersionId
from kernel.money import parse_rate
from kernel.unit import Unit

MANAGER: Final = only(Role.VENDOR_MANAGER)
ONE: Final = "/versions/{version_id:uuid}"
Limit = Annotated[int | None, QueryParameter(ge=1, le=MOST)]


class OwnVersionAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One version in the vendor's list."""

    version_id: UUID
    sku: str
    number: int
    title: str
    state: str


class OwnVersions(msgspec.Struct, frozen=True, kw_only=True):
    """Versions of the caller's vendor; `next`, if there are more, is the next page's `after`."""

    items: list[OwnVersionAnswer]
    next: UUID | None


class DraftTier(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One price of several, for the units up to `up_to`."""

    up_to: int | None
    unit_price_yuan: str


class DraftPrice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The price proposed with a draft: any plan, amounts in yuan as text, from a day on.

    A day to come is a scheduled change. `tiers`: the units up to which a price holds, null in the
    last; `unit_price_yuan` is then the first tier's.
    """

    unit_price_yuan: str
    valid_from: date
    plan: Plan = Plan.PER_USE
    tiers: list[DraftTier] = []
    free_allowance: int | None = None
    period_cap_yuan: str | None = None
    learner_cap: int | None = None


class DraftRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A resource as its next version is to be; `price` where the price is to change, too."""

    sku: str
    title: str
    kind: str
    tier: str
    stage: str = ""
    subject: str = ""
    grade: str = ""
    type: str = ""
    language: str = "zh-CN"
    licence: str = ""
    author: str = ""
    keywords: list[str] = []
    edition: str = ""
    chapter: str = ""
    bandwidth_mbps: str = ""
    devices: list[str] = []
    offline: str = ""
    parts: list[str] = []
    conditions: str = ""
    address: str = ""
    launch_url: str = ""
    ownership: str = "personal"
    school_share: str = "0"
    price: DraftPrice | None = None


class SelfCheckRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The self-check by criterion, and the commitment that is signed with it."""

    answers: dict[str, str]
    commitment: str
    commits: bool
    filing_number: str = ""
    stages: list[str] = []
    conditions: str = ""


class ReasonRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why."""

    reason: str = ""


@get("/versions", opt=MANAGER, sync_to_thread=True, operation_id="listVersions", summary="Versions")
def list_versions(
    request: AnyRequest,
    callers: Callers,
    *,
    after: FromQuery[UUID | None] = None,
    limit: Limit = None,
) -> OwnVersions:
    """Answer versions of the caller's vendor, drafts too: a page, or all if no `limit` is given."""
    with callers.open(request) as unit:
        rows = own_versions(
            unit,
            after=VersionId(after) if after else None,
            limit=limit + 1 if limit else None,
        )
        shown = rows[:limit]
        more = shown[-1].version_id if len(rows) > len(shown) else None
        return OwnVersions(items=[_own(row) for row in shown], next=more)


@get(ONE, opt=MANAGER, sync_to_thread=True, operation_id="getVersion", summary="One version")
def get_version(request: AnyRequest, callers: Callers, version_id: FromPath[UUID]) -> CaseAnswer:
    """Answer one version with what was decided about it."""
    with callers.open(request) as unit:
        return case_answer(case(unit, version_id))


@post(
    "/versions",
    opt=MANAGER,
    status_code=201,
    sync_to_thread=True,
    operation_id="saveDraft",
    summary="Save a draft",
)
def save(
    request: AnyRequest, callers: Callers, data: JSONBody[DraftRequest], body: RawBody
) -> Response[Any]:
    """Save the draft of a resource's next version; nobody else sees it."""

    def act(unit: Unit) -> msgspec.Struct:
        facts = msgspec.structs.asdict(data)
        facts.pop("price")
        row = CatalogueRow(
            **{
                **facts,
                "vendor_code": unit.actor.organisation_code,
                "keywords": tuple(data.keywords),
                "devices": tuple(data.devices),
                "parts": tuple(data.parts),
                "bandwidth_mbps": parse_rate(data.bandwidth_mbps) if data.bandwidth_mbps else None,
                "school_share": parse_rate(data.school_share),
            }
        )
        return case_answer(case(unit, save_draft(unit, row, offer=_offer(row, data.price))))

    return answered_once(request, callers, body, act=act, status=201)


@post(
    f"{ONE}/submission",
    opt=MANAGER,
    status_code=200,
    sync_to_thread=True,
    operation_id="submitVersion",
    summary="Submit a draft",
)
def submit_version(
    request: AnyRequest,
    callers: Callers,
    version_id: FromPath[UUID],
    data: JSONBody[SelfCheckRequest],
    body: RawBody,
) -> Response[Any]:
    """Submit a draft with its self-check and commitment."""

    def act(unit: Unit) -> msgspec.Struct:
        submit(unit, VersionId(version_id), SelfCheck(**msgspec.structs.asdict(data)))
        return case_answer(case(unit, version_id))

    return answered_once(request, callers, body, act=act)


@post(
    f"{ONE}/withdrawal",
    opt=MANAGER,
    status_code=200,
    sync_to_thread=True,
    operation_id="withdrawVersion",
    summary="Withdraw a version",
)
def withdraw_version(
    request: AnyRequest,
    callers: Callers,
    version_id: FromPath[UUID],
    data: JSONBody[ReasonRequest],
    body: RawBody,
) -> Response[Any]:
    """Withdraw a version; its history and its bills stay."""

    def act(unit: Unit) -> msgspec.Struct:
        withdraw(unit, VersionId(version_id), note=data.reason)
        return case_answer(case(unit, version_id))

    return answered_once(request, callers, body, act=act)


@post(
    f"{ONE}/appeal",
    opt=MANAGER,
    status_code=200,
    sync_to_thread=True,
    operation_id="appeal",
    summary="Appeal against a refusal or takedown",
)
def appeal_version(
    request: AnyRequest,
    callers: Callers,
    version_id: FromPath[UUID],
    data: JSONBody[ReasonRequest],
    body: RawBody,
) -> Response[Any]:
    """Appeal; another reviewer decides."""

    def act(unit: Unit) -> msgspec.Struct:
        appeal(unit, VersionId(version_id), claim=data.reason)
        return case_answer(case(unit, version_id))

    return answered_once(request, callers, body, act=act)


HANDLERS: tuple[HTTPRouteHandler, ...] = (
    list_versions,
    get_version,
    save,
    submit_version,
    withdraw_version,
    appeal_version,
)


def _offer(row: CatalogueRow, price: DraftPrice | None) -> OfferRow | None:
    if price is None:
        return None
    return OfferRow(
        vendor_code=row.vendor_code,
        sku=row.sku,
        valid_from=price.valid_from,
        plan=price.plan,
        unit_price_yuan=parse_rate(price.unit_price_yuan),
        tiers=[Tier(one.up_to, parse_rate(one.unit_price_yuan)) for one in price.tiers],
        free_allowance=price.free_allowance,
        period_cap_yuan=parse_rate(price.period_cap_yuan) if price.period_cap_yuan else None,
        learner_cap=price.learner_cap,
    )


def _own(row: OwnVersion) -> OwnVersionAnswer:
    return OwnVersionAnswer(
        version_id=row.version_id,
        sku=row.sku,
        number=row.number,
        title=row.title,
        state=row.state,
    )
