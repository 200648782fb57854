"""One line of a statement on a page: its arithmetic, from received events to who gets what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from litestar import Response

from catalog.plan_words import plan_words
from kernel.actors import OrganisationKind
from kernel.clock import parse_month
from kernel.http.pages import Page
from kernel.money import FEN_PER_YUAN
from settlement.explaining import whole_rated_fen
from settlement.queries.lines import LineRow, LineView, line_view
from settlement.queries.statements import statement_row
from settlement.queries.uses import events_judged
from settlement.web.disputes import panel_of
from settlement.web.places import Place
from settlement.web.statements import may_dispute


@dataclass(frozen=True, kw_only=True, slots=True)
class Arithmetic:
    """How a line's amount comes about, in fen but for the exact amount in yuan.

    exact → whole month, rounded once (less what was stated before: a correction) → rated → cut at
    what was left of the ceiling → amount. `quantity` is the whole month's, too.
    """

    quantity: int
    steps: Sequence[Mapping[str, Any]]
    exact_yuan: Decimal
    is_rounded: bool
    whole_fen: int
    stated_fen: int | None
    ceiling_fen: int
    before_fen: int
    left_before_fen: int
    left_after_fen: int


def show_line(page: Page, place: Place, month_text: str, line_id: UUID) -> Response[Any]:
    """Show one line with all that it is made of; every figure leads on."""
    view = line_view(page.unit, line_id)
    month = parse_month(month_text)
    place.require_line(view, month)
    return page.render(
        "settlement/line.html",
        place=place,
        view=view,
        line=view.line,
        judged=events_judged(view.explanation),
        arithmetic=arithmetic_of(view),
        plan=plan_words(view.terms, page.locale),
        for_vendor=page.actor.organisation_kind is OrganisationKind.VENDOR,
        may_dispute=_may_dispute(page, place, view.line),
        **panel_of(page, line_id),
    )


def _may_dispute(page: Page, place: Place, line: LineRow) -> bool:
    if line.state != "stated" or line.amount_fen <= 0 or not place.payer_code:
        return False
    return may_dispute(page, statement_row(page.unit, place.payer_code, line.month))


def arithmetic_of(view: LineView) -> Arithmetic:
    """Return a line's arithmetic from what was kept with it."""
    line, kept = view.line, view.explanation
    steps, whole = kept["steps"], whole_rated_fen(view)
    capped = [Decimal(step["yuan"]) for step in steps if step["kind"] == "cap"]
    priced = sum((Decimal(one["yuan"]) for one in steps if one["kind"] == "price"), Decimal(0))
    exact = capped[0] if capped else priced
    left_before = int(kept["ceiling_left_before_fen"])
    return Arithmetic(
        quantity=int(kept["quantity"]),
        steps=steps,
        exact_yuan=exact,
        is_rounded=exact * FEN_PER_YUAN != whole,
        whole_fen=whole,
        stated_fen=whole - line.rated_fen if "stated" in kept else None,
        ceiling_fen=int(kept["ceiling_fen"]),
        before_fen=int(kept["ceiling_fen"]) - left_before,
        left_before_fen=left_before,
        left_after_fen=left_before - line.amount_fen,
    )
