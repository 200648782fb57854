"""Appeals against a standing on pages: a vendor makes one, another reviewer decides, asked once."""

from typing import Any
from uuid import UUID

from litestar import Response

from kernel.errors import MarketError, NotFound
from kernel.http.pages import Form, Page
from kernel.i18n import msgid, translate
from settlement.queries.standings import standing_view
from settlement.ranking.standing_appeals import appeal_standing, decide_standing_appeal
from settlement.web.standings import StandingDesk, again, show_standing

Texts = str | tuple[str, ...]
"""What a form sends of what is ticked: one, or several."""
NOTHING_TO_STRIKE = msgid("An appeal that is dismissed strikes nothing out: untick the items.")


class AppealForm(Form, frozen=True):
    """A vendor's appeal; `event`: the number of the step that was shown with the form, `contested`:
    numbers of items, as they are ticked."""

    event: str = ""
    claim: str = ""
    contested: Texts = ()


class AppealDecisionForm(Form, frozen=True):
    """What becomes of an appeal; `struck`: numbers of items whose evidence is taken out."""

    appeal: str = ""
    upheld: str = ""
    note: str = ""
    struck: Texts = ()
    confirmed: str = ""

    @property
    def numbers(self) -> list[int]:
        return _numbers(self.struck)


def post_appeal(
    page: Page, desk: StandingDesk, standing_id: UUID, form: AppealForm
) -> Response[Any]:
    """Appeal as the vendor, or show the form again with what is wrong."""
    try:
        with page.unit.session.begin_nested():
            appeal_standing(
                page.unit,
                standing_id,
                event=next(iter(_numbers(form.event)), 0),
                claim=form.claim,
                contested=_numbers(form.contested),
            )
    except MarketError as error:
        return again(page, desk, standing_id, form, error, field="claim")
    return page.redirect(desk.standing(standing_id))


def post_appeal_decision(
    page: Page, desk: StandingDesk, standing_id: UUID, form: AppealDecisionForm
) -> Response[Any]:
    """Ask once, naming what the decision does; then decide the appeal that waits."""
    appeals = standing_view(page.unit, standing_id).appeals
    waiting = next((one for one in appeals if not one.outcome), None)
    if waiting is None:
        raise NotFound(what="appeal", key=standing_id)
    errors = {}
    if form.upheld not in {"yes", "no"}:
        errors["upheld"] = translate(msgid("Choose one."), page.locale)
    elif form.upheld == "no" and form.numbers:
        errors["struck"] = translate(NOTHING_TO_STRIKE, page.locale)
    if not form.note.strip():
        errors["decision_note"] = translate(msgid("Fill this in."), page.locale)
    if errors:
        return show_standing(page, desk, standing_id, form=form, errors=errors)
    if not form.confirmed:
        return show_standing(page, desk, standing_id, form=form, verdict=form)
    try:
        with page.unit.session.begin_nested():
            decide_standing_appeal(
                page.unit,
                waiting.id,
                upheld=form.upheld == "yes",
                note=form.note,
                struck=form.numbers,
            )
    except MarketError as error:
        return again(page, desk, standing_id, form, error, field="decision_note")
    return page.redirect(desk.standing(standing_id))


def _numbers(given: Texts) -> list[int]:
    ticked = (given,) if isinstance(given, str) else given
    return [int(one) for one in ticked if one.isascii() and one.isdigit() and len(one) < 6]
