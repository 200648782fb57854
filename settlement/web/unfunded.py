"""What no funding line covered, on pages: the queue, the memoranda, and a bureau's decision."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from litestar import Response

from kernel.clock import parse_month, show_month
from kernel.errors import MarketError, NotFound
from kernel.http.pages import Form, Page
from kernel.i18n import msgid, translate, translate_error
from kernel.web.tables import Column, excerpt, tabulate
from settlement.early_use_models import UnfundedOutcome
from settlement.queries.unfunded import (
    MemorandumRow,
    Standing,
    UnfundedRow,
    UnfundedTotal,
    decisions_of,
    memoranda,
    totals,
    unfunded,
    unfunded_month,
)
from settlement.unfunded_decisions import (
    MAY_DECIDE,
    carried_fen,
    decidable_fen,
    decide_unfunded,
    may_write_off,
)
from settlement.web.columns import money
from settlement.web.places import Crumb, Place

QUEUE: Final = "/bureau/unfunded"
RULE: Final = "/bureau/early-use"
TITLE: Final = msgid("Unfunded use")


class UnfundedForm(Form, frozen=True):
    """What a bureau decides, and why."""

    outcome: str = ""
    reason: str = ""


def show_unfunded(
    page: Page,
    *,
    root: tuple[Crumb, ...],
    place_of: Callable[[UnfundedRow], Place],
    payer_code: str | None = None,
) -> Response[Any]:
    """List what waits for money: of one payer, or of all that the actor sees (R35, R25)."""
    is_desk = payer_code is None
    columns = _columns(place_of, is_desk=is_desk)
    rows = unfunded(page.unit, payer_code=payer_code)
    table = tabulate(
        translate(TITLE, page.locale),
        columns,
        rows,
        view=page.view(columns),
        summed=("amount_fen", "taken_up_fen", "unfunded_fen", "memorandum_fen"),
        empty=msgid("Nothing waits for money: funding lines covered all that was billed."),
    )
    noted = memoranda(page.unit, payer_code=payer_code)
    path = str(page.request.url.path)
    return page.render_table(
        "settlement/unfunded.html",
        table,
        file_name="unfunded",
        export_totals=True,
        root=root,
        rule=RULE if is_desk else "",
        to_decide=sum(row.standing is Standing.TO_DECIDE for row in rows),
        sums=excerpt(
            translate(msgid("By fiscal year and payer"), page.locale),
            _total_columns(),
            totals(rows),
            path=path,
            summed=("unfunded_fen", "memorandum_fen"),
        ),
        memoranda=excerpt(
            translate(msgid("Use before the funds arrive"), page.locale),
            memorandum_columns(),
            noted,
            path=path,
            summed=("cap_fen", "billed_fen", "settled_fen", "standing_fen"),
            empty=msgid("No agreement may be used before its money arrives."),
        ),
    )


def show_unfunded_month(
    page: Page,
    number: str,
    month_text: str,
    *,
    root: tuple[Crumb, ...],
    place_of: Callable[[UnfundedRow], Place],
    errors: Mapping[str, str] | None = None,
    form: UnfundedForm | None = None,
) -> Response[Any]:
    """Show what waits of an agreement's month, where it stands, and what may be decided."""
    of_month = parse_month(month_text)
    row = unfunded_month(page.unit, number, of_month)
    if row is None:
        raise NotFound(what="unfunded use", key=f"{number} {month_text}")
    carried = carried_fen(page.unit, row.agreement_id, of_month)
    return page.render(
        "settlement/unfunded_month.html",
        root=(*root, (translate(TITLE, page.locale), QUEUE)),
        row=row,
        place=place_of(row),
        address=_address(row),
        decisions=decisions_of(page.unit, row.agreement_id, row.of_month),
        decidable_fen=decidable_fen(row, carried=carried) if page.actor.may(*MAY_DECIDE) else 0,
        may_write_off=may_write_off(row, carried=carried),
        carried_fen=carried,
        errors=errors or {},
        form=form or UnfundedForm(),
    )


def post_unfunded(
    page: Page,
    number: str,
    month_text: str,
    form: UnfundedForm,
    *,
    root: tuple[Crumb, ...],
    place_of: Callable[[UnfundedRow], Place],
) -> Response[Any]:
    """Decide on what waits of an agreement's month."""
    try:
        outcome = UnfundedOutcome(form.outcome)
    except ValueError:
        text = translate(msgid("Choose what becomes of it."), page.locale)
        errors = {"outcome": text}
    else:
        try:
            decide_unfunded(
                page.unit,
                number,
                parse_month(month_text),
                outcome=outcome,
                reason=form.reason,
            )
        except NotFound:
            raise
        except MarketError as error:
            errors = {"": translate_error(error, page.locale)}
        else:
            return page.redirect(QUEUE)
    return show_unfunded_month(
        page, number, month_text, root=root, place_of=place_of, errors=errors, form=form
    )


def memorandum_columns(*, for_vendor: bool = False) -> list[Column[MemorandumRow]]:
    """Return the columns of memoranda: billed before the funds − settled = standing, of a cap."""
    columns: list[Column[MemorandumRow]] = [
        Column(
            key="fiscal_year",
            title=msgid("Fiscal year"),
            value=lambda row: str(row.fiscal_year),
            kind="code",
        ),
        Column(key="payer_name", title=msgid("School"), value=lambda row: row.payer_name),
        Column(key="title", title=msgid("Resource"), value=lambda row: row.title),
        Column(
            key="vendor_name",
            title=msgid("Vendor"),
            value=lambda row: row.vendor_name,
            secondary=True,
        ),
        Column(
            key="agreement_number",
            title=msgid("Agreement"),
            value=lambda row: row.agreement_number,
            kind="code",
            secondary=True,
        ),
        Column(
            key="since",
            title=msgid("Since"),
            value=lambda row: row.since,
            kind="month",
        ),
        money("cap_fen", msgid("At most")),
        money("billed_fen", msgid("Billed before the funds")),
        money("settled_fen", msgid("Settled since")),
        money("standing_fen", msgid("Still waits")),
    ]
    return [one for one in columns if not (for_vendor and one.key == "vendor_name")]


def _address(row: UnfundedRow) -> str:
    return f"{QUEUE}/{row.agreement_number}/{show_month(row.of_month)}"


def _columns(
    place_of: Callable[[UnfundedRow], Place], *, is_desk: bool
) -> list[Column[UnfundedRow]]:
    def href(row: UnfundedRow) -> str:
        return place_of(row).line(row.month, row.line_id)

    columns: list[Column[UnfundedRow]] = [
        Column(
            key="payer_name",
            title=msgid("School"),
            value=lambda row: row.payer_name,
            sortable=True,
        ),
        Column(key="title", title=msgid("Resource"), value=lambda row: row.title, href=href),
        Column(
            key="vendor_name",
            title=msgid("Vendor"),
            value=lambda row: row.vendor_name,
            secondary=True,
        ),
        Column(
            key="of_month",
            title=msgid("Used in"),
            value=lambda row: row.of_month,
            kind="month",
            sortable=True,
        ),
        Column(
            key="since",
            title=msgid("Stated on"),
            value=lambda row: row.since,
            kind="moment",
            secondary=True,
        ),
        money("amount_fen", msgid("Billed"), href=href),
        money("taken_up_fen", msgid("Taken up since"), secondary=True),
        money("unfunded_fen", msgid("Unfunded"), href=_address if is_desk else href),
        money("memorandum_fen", msgid("Of it agreed before the funds"), secondary=True),
        Column(
            key="standing",
            title=msgid("State"),
            value=lambda row: row.standing,
            kind="state",
            label_kind="Standing",
            href=_address if is_desk else None,
        ),
    ]
    return columns if is_desk else columns[1:]


def _total_columns() -> list[Column[UnfundedTotal]]:
    return [
        Column(
            key="fiscal_year",
            title=msgid("Fiscal year"),
            value=lambda row: str(row.fiscal_year),
            kind="code",
        ),
        Column(key="payer_name", title=msgid("School"), value=lambda row: row.payer_name),
        Column(key="months", title=msgid("Months"), value=lambda row: row.months, kind="number"),
        money("unfunded_fen", msgid("Unfunded")),
        money("memorandum_fen", msgid("Of it agreed before the funds")),
    ]
