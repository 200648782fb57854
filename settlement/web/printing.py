"""The printed statement: one A4 document to be signed, sealed and filed, with its way back online.

A payer's has its draws by funding line and its credit notes; a vendor's shows its own lines over
all schools. The amount stands in figures and in capitals.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import segno
from litestar import Response
from markupsafe import Markup

from kernel.clock import Month, parse_month
from kernel.errors import NotFound
from kernel.http.pages import Page
from kernel.money import capitals
from settlement.queries.disputes import DisputeRow, disputes_of
from settlement.queries.lines import LineRow, draws_of_lines, lines_of
from settlement.queries.statements import statement_row
from settlement.web.places import Place


def show_printed(page: Page, place: Place, month_text: str) -> Response[Any]:
    """Show a payer's statement as it is printed."""
    month = parse_month(month_text)
    statement = statement_row(page.unit, place.payer_code, month)
    lines = lines_of(page.unit, payer_code=place.payer_code, month=month)
    return _render(
        page,
        place,
        month,
        lines,
        statement=statement,
        due=statement.confirm_by + timedelta(days=page.unit.settings.due_days),
        draws=draws_of_lines(page.unit, [line.id for line in lines]),
        disputes=disputes_of(page.unit, payer_code=place.payer_code, month=month),
    )


def show_printed_earnings(page: Page, place: Place, month_text: str) -> Response[Any]:
    """Show a vendor's lines of a month, over all schools, as they are printed."""
    month = parse_month(month_text)
    lines = lines_of(page.unit, month=month, vendor_id=page.actor.organisation_id)
    if not lines:
        raise NotFound(what="period", key=month_text)
    return _render(
        page,
        place,
        month,
        sorted(lines, key=lambda line: (line.payer_code, line.agreement_number, line.of_month)),
        statement=None,
        due=None,
        draws=[],
        disputes=disputes_of(page.unit, month=month),
    )


def _render(
    page: Page,
    place: Place,
    month: Month,
    lines: Sequence[LineRow],
    *,
    disputes: Sequence[DisputeRow],
    **context: Any,
) -> Response[Any]:
    credited = sum(line.credited_fen for line in lines)
    net = sum(line.amount_fen for line in lines) - credited
    online = f"{page.unit.settings.site}{place.statement(month)}"
    return page.render(
        "settlement/printed.html",
        place=place,
        month=month,
        lines=lines,
        credits=[row for row in disputes if row.credit_number],
        waiting=[row for row in disputes if row.is_open],
        credited_fen=credited,
        net_fen=net,
        in_words=capitals(net),
        online=online,
        code=_code(online),
        printed_at=page.unit.clock.now(),
        **context,
    )


def _code(address: str) -> Markup:
    """Return a QR code of an address as an inline SVG."""
    drawn = segno.make(address, error="m").svg_inline(scale=2, border=2, omitsize=False)
    return Markup(drawn)  # noqa: S704 (drawn from modules, holds no text of ours)
