"""The way back on pages: a vendor that left applies anew, and a reviewer decides (R44)."""

from typing import Any
from uuid import UUID

from litestar import Response

from kernel.errors import MarketError
from kernel.http.pages import Form, Page
from kernel.i18n import msgid, translate
from settlement.queries.standings import standing_view
from settlement.ranking.returning import apply_to_return, decide_return
from settlement.web.standing_appeals import REASON_OF_DECISION
from settlement.web.standing_people import barred_words
from settlement.web.standings import StandingDesk, again, show_standing

CHANGED = msgid("What changed since")


class ReturnForm(Form, frozen=True):
    """A vendor that left applies anew: what changed since."""

    claim: str = ""


class ReturnDecisionForm(Form, frozen=True):
    """What becomes of an application to return, with its reason."""

    granted: str = ""
    note: str = ""


def post_return(
    page: Page, desk: StandingDesk, standing_id: UUID, form: ReturnForm
) -> Response[Any]:
    """Apply anew as the vendor, or show the form again with what is wrong."""
    try:
        with page.unit.session.begin_nested():
            apply_to_return(page.unit, standing_id, claim=form.claim)
    except MarketError as error:
        return again(page, desk, standing_id, form, error, field="claim", title=CHANGED)
    return page.redirect(desk.standing(standing_id))


def post_return_decision(
    page: Page, desk: StandingDesk, standing_id: UUID, form: ReturnDecisionForm
) -> Response[Any]:
    """Decide an application to return, or show the form again with what is wrong."""
    if barred := barred_words(page, standing_view(page.unit, standing_id)):
        return show_standing(page, desk, standing_id, form=form, errors={"": barred})
    if form.granted not in {"yes", "no"}:
        errors = {"granted": translate(msgid("Choose one."), page.locale)}
        return show_standing(page, desk, standing_id, form=form, errors=errors)
    try:
        with page.unit.session.begin_nested():
            granted = form.granted == "yes"
            decide_return(page.unit, standing_id, granted=granted, note=form.note)
    except MarketError as error:
        field, title = "decision_note", REASON_OF_DECISION
        return again(page, desk, standing_id, form, error, field=field, title=title)
    return page.redirect(desk.standing(standing_id))
