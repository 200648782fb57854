"""Closing a month on the bureau's pages: asked once, then done by the workers, seen as it goes."""

from typing import Any
from uuid import UUID

from litestar import Response

from kernel.clock import Month, parse_month, show_month
from kernel.errors import EarlierPeriodOpen, MarketError
from kernel.http.pages import Page, Pages
from kernel.http.problems import AnyRequest
from kernel.unit import Unit
from market.bureau.places import PERIODS
from settlement.closing import begin_to_close
from settlement.metering.rematch import release_waiting
from settlement.periods import check_earlier_settled, check_over, payers_of, payers_seen, unsealed
from settlement.summaries import tally


def show_question(page: Page, month_text: str) -> Response[Any]:
    """Ask once, naming whose month will be sealed and what came in; a sealed month is shown."""
    month = parse_month(month_text)
    payers = unsealed(page.unit, month, _payers(page.unit, month))
    if not payers:
        return page.redirect(f"{PERIODS}/{show_month(month)}")
    return page.render(
        "bureau/close.html",
        month=month,
        payers=len(payers),
        received=tally(page.unit, month),
        address=f"{PERIODS}/{show_month(month)}",
        periods_address=PERIODS,
    )


def begin_close(request: AnyRequest, pages: Pages, month_text: str) -> Response[Any]:
    """Seal the month and hand it to the workers; the period's page shows how far they are.

    What waits for a launch is matched in a unit before, which shares the lock that a seal needs.
    """
    month = parse_month(month_text)
    with pages.open(request) as page:
        _payers(page.unit, month)
        release_waiting(page.unit)
    with pages.open(request) as page:
        begin_to_close(page.unit, month, payers=_payers(page.unit, month))
        return page.redirect(f"{PERIODS}/{show_month(month)}")


def hindrance(unit: Unit, month: Month) -> MarketError | None:
    """Return why a month that is over can't be closed now, None if it can."""
    try:
        check_earlier_settled(unit, month, payer_ids=payers_seen(unit, month))
    except EarlierPeriodOpen as error:
        return error
    return None


def _payers(unit: Unit, month: Month) -> list[UUID]:
    check_over(unit, month)
    payers = payers_of(unit, month)
    check_earlier_settled(unit, month, payer_ids=payers)
    return payers
