"""A vendor's part in use before the funds arrive: its consent, what waits, write-offs to answer."""

from collections.abc import Mapping
from typing import Any, Final

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, URLEncodedBody

from kernel.actors import Role
from kernel.clock import parse_day, shanghai_day
from kernel.errors import InvalidInput, MarketError, MissingValue, NotFound
from kernel.http.pages import Form, Page, Pages, only
from kernel.http.problems import AnyRequest
from kernel.i18n import msgid, translate, translate_error
from kernel.money import parse_fen
from kernel.web.tables import Column, excerpt, tabulate
from settlement.early_use import consent_history, consents_on, record_consent
from settlement.early_use_models import DecisionState, EarlyUseConsent
from settlement.queries.unfunded import memoranda
from settlement.unfunded_decisions import (
    ProposedWriteOff,
    answer_write_off,
    write_offs_of_vendor,
)
from settlement.web.columns import money
from settlement.web.unfunded import memorandum_columns
from vendor_portal.earnings import vendor_place

MANAGER: Final = only(Role.VENDOR_MANAGER)
EARLY_USE: Final = "/vendor/early-use"
SUMS: Final = ("cap_fen", "billed_fen", "settled_fen", "standing_fen")


class ConsentForm(Form, frozen=True):
    """What each agreement may use before its money arrives; typed in yuan, 0 takes it back."""

    cap: str = ""
    valid_from: str = ""


class WriteOffForm(Form, frozen=True):
    """Whether the vendor agrees: `yes` or `no`."""

    agrees: str = ""


@get(EARLY_USE, opt=MANAGER, sync_to_thread=True)
def early_use(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_early_use(page)


@post(EARLY_USE, opt=MANAGER, status_code=200, sync_to_thread=True)
def consent(
    request: AnyRequest, pages: Pages, *, data: URLEncodedBody[ConsentForm]
) -> Response[Any]:
    with pages.open(request) as page:
        return post_consent(page, data)


@post(f"{EARLY_USE}/{{proposal:str}}/answer", opt=MANAGER, status_code=200, sync_to_thread=True)
def answer(
    request: AnyRequest,
    pages: Pages,
    *,
    proposal: FromPath[str],
    data: URLEncodedBody[WriteOffForm],
) -> Response[Any]:
    with pages.open(request) as page:
        return post_answer(page, proposal, data)


def show_early_use(
    page: Page, *, form: ConsentForm | None = None, errors: Mapping[str, str] | None = None
) -> Response[Any]:
    """Show what the vendor consents to, what waits for its schools' money, what it is asked."""
    vendor_id = page.actor.organisation_id
    assert vendor_id is not None, "the route admits people of vendors only"
    today = shanghai_day(page.unit.clock.now())
    held = consents_on(page.unit, [vendor_id], day=today).get(vendor_id)
    rows = memoranda(page.unit)
    write_offs = write_offs_of_vendor(page.unit)
    columns = memorandum_columns(for_vendor=True)
    table = tabulate(
        translate(msgid("What waits for money"), page.locale),
        columns,
        rows,
        view=page.view(columns),
        summed=SUMS,
        empty=msgid("No agreement may be used before its money arrives."),
    )
    return page.render_table(
        "vendor/early_use.html",
        table,
        file_name=f"early-use-{page.actor.organisation_code}",
        place=vendor_place(page),
        address=EARLY_USE,
        cap_fen=held.cap_fen if held else 0,
        standing_fen=sum(row.standing_fen for row in rows),
        asked=[one for one in write_offs if one.state == DecisionState.PROPOSED],
        answered=excerpt(
            translate(msgid("Write-offs you were asked about"), page.locale),
            _write_off_columns(),
            [one for one in write_offs if one.state != DecisionState.PROPOSED],
            path=EARLY_USE,
            summed=("amount_fen",),
        ),
        history=excerpt(
            translate(msgid("Your consent"), page.locale),
            _consent_columns(),
            consent_history(page.unit, vendor_id),
            path=EARLY_USE,
            empty=msgid("You have not consented: nothing is used before its money is there."),
        ),
        form=form or ConsentForm(valid_from=today.isoformat()),
        errors=errors or {},
    )


def post_consent(page: Page, form: ConsentForm) -> Response[Any]:
    """Record what the vendor consents to from a day on."""
    try:
        recorded = record_consent(
            page.unit, cap_fen=_fen(form.cap), valid_from=parse_day(form.valid_from)
        )
    except MarketError as error:
        name = "cap" if error.facts.get("field") in ("cap", "cap_fen") else "valid_from"
        return show_early_use(page, form=form, errors={name: translate_error(error, page.locale)})
    if not recorded:
        text = translate(msgid("This is what holds from that day already."), page.locale)
        return show_early_use(page, form=form, errors={"cap": text})
    return page.redirect(EARLY_USE)


def post_answer(page: Page, number: str, form: WriteOffForm) -> Response[Any]:
    """Agree to a write-off, or refuse it."""
    if form.agrees not in ("yes", "no"):
        error = InvalidInput(field="agrees", value=form.agrees, expected="yes, no")
        return show_early_use(page, errors={"": translate_error(error, page.locale)})
    try:
        answer_write_off(page.unit, number, agrees=form.agrees == "yes")
    except NotFound:
        raise
    except MarketError as refused:
        return show_early_use(page, errors={"": translate_error(refused, page.locale)})
    return page.redirect(EARLY_USE)


def _fen(text: str) -> int:
    if not text.strip():
        raise MissingValue(field="cap")
    try:
        return parse_fen(text.strip())
    except MarketError as error:
        error.facts["field"] = "cap"
        raise


def _consent_columns() -> list[Column[EarlyUseConsent]]:
    return [
        Column(key="valid_from", title=msgid("From"), value=lambda row: row.valid_from, kind="day"),
        money("cap_fen", msgid("At most per agreement")),
        Column(key="recorded_by", title=msgid("Recorded by"), value=lambda row: row.recorded_by),
        Column(
            key="recorded_at",
            title=msgid("Recorded"),
            value=lambda row: row.recorded_at,
            kind="moment",
            secondary=True,
        ),
    ]


def _write_off_columns() -> list[Column[ProposedWriteOff]]:
    return [
        Column(key="payer_name", title=msgid("School"), value=lambda row: row.payer_name),
        Column(key="title", title=msgid("Resource"), value=lambda row: row.title),
        Column(
            key="of_month", title=msgid("Used in"), value=lambda row: row.of_month, kind="month"
        ),
        money("amount_fen", msgid("Amount")),
        Column(key="reason", title=msgid("Reason"), value=lambda row: row.reason, secondary=True),
        Column(
            key="state",
            title=msgid("State"),
            value=lambda row: row.state,
            kind="state",
            label_kind="unfunded-decision",
        ),
    ]


HANDLERS: tuple[HTTPRouteHandler, ...] = (early_use, consent, answer)
