"""Appeals against a standing on pages: a vendor makes one, another reviewer decides, asked once."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from litestar import Response

from kernel.errors import DoneAlready, MarketError, NotFound
from kernel.http.pages import Form, Page
from kernel.i18n import label, msgid, translate
from kernel.identity.names import names_of_actors
from settlement.queries.standing_course import AppealView
from settlement.queries.standings import standing_view
from settlement.ranking.standing_appeals import appeal_standing, decide_standing_appeal
from settlement.web.standing_people import barred_words
from settlement.web.standings import StandingDesk, again, show_standing

Texts = str | tuple[str, ...]
"""What a form sends of what is ticked: one, or several."""
YOUR_APPEAL = msgid("Your appeal")
REASON_OF_DECISION = msgid("Reason of the decision")
DECIDED = msgid(
    "This appeal was decided already, by %(person)s on %(day)s: %(outcome)s. Nothing was changed."
)
NOTHING_TO_STRIKE = msgid("An appeal that is dismissed strikes nothing out: untick the items.")


class AppealForm(Form, frozen=True):
    """A vendor's appeal; `event`: the number of the step that was shown with the form, `contested`:
    numbers of items, as they are ticked."""

    event: str = ""
    claim: str = ""
    contested: Texts = ()


class AppealDecisionForm(Form, frozen=True):
    """What becomes of an `appeal`, the one that was read; `struck`: numbers of items whose evidence
    is taken out."""

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
        return again(page, desk, standing_id, form, error, field="claim", title=YOUR_APPEAL)
    return page.redirect(desk.standing(standing_id))


def post_appeal_decision(
    page: Page, desk: StandingDesk, standing_id: UUID, form: AppealDecisionForm
) -> Response[Any]:
    """Ask once, naming what the decision does; then decide the appeal that was read.

    Who signed a step of it is told so at once; who comes late, who decided it and how.
    """
    found = standing_view(page.unit, standing_id)
    read = _read(found.appeals, form.appeal)
    if read is None:
        raise NotFound(what="appeal", key=form.appeal or standing_id)
    if read.outcome:
        return _late(page, desk, standing_id, form, read)
    if errors := _wrong(page, form, barred=barred_words(page, found)):
        return show_standing(page, desk, standing_id, form=form, errors=errors)
    if not form.confirmed:
        return show_standing(page, desk, standing_id, form=form, verdict=form)
    try:
        with page.unit.session.begin_nested():
            decide_standing_appeal(
                page.unit,
                read.id,
                upheld=form.upheld == "yes",
                note=form.note,
                struck=form.numbers,
            )
    except DoneAlready:  # by somebody at the same moment
        appeals = standing_view(page.unit, standing_id).appeals
        decided = _read(appeals, str(read.id)) or read
        return _late(page, desk, standing_id, form, decided)
    except MarketError as error:
        field, title = "decision_note", REASON_OF_DECISION
        return again(page, desk, standing_id, form, error, field=field, title=title)
    return page.redirect(desk.standing(standing_id))


def _wrong(page: Page, form: AppealDecisionForm, *, barred: str) -> dict[str, str]:
    """Return what keeps a decision from being made, by field; `barred`: why not by this reader."""
    if barred:
        return {"": barred}
    errors = {}
    if form.upheld not in {"yes", "no"}:
        errors["upheld"] = translate(msgid("Choose one."), page.locale)
    elif form.upheld == "no" and form.numbers:
        errors["struck"] = translate(NOTHING_TO_STRIKE, page.locale)
    if not form.note.strip():
        errors["decision_note"] = translate(msgid("Fill this in."), page.locale)
    return errors


def _read(appeals: Sequence[AppealView], appeal: str) -> AppealView | None:
    """Return the appeal that a form names, of a standing's, the latest first; one without a name
    means the one that waits, or else the last."""
    if appeal:
        return next((one for one in appeals if str(one.id) == appeal), None)
    return next((one for one in appeals if not one.outcome), next(iter(appeals), None))


def _late(
    page: Page, desk: StandingDesk, standing_id: UUID, form: Form, decided: AppealView
) -> Response[Any]:
    """Say on the standing's page who decided an appeal, when and how."""
    who = f"person:{decided.decided_by}"
    words = translate(DECIDED, page.locale) % {
        "person": names_of_actors(page.unit, [who], locale=page.locale)[who],
        "day": decided.decided_on.isoformat() if decided.decided_on else "",
        "outcome": label(decided.outcome, page.locale, kind="appeal-standing"),
    }
    return show_standing(page, desk, standing_id, form=form, errors={"": words}, status=409)


def _numbers(given: Texts) -> list[int]:
    ticked = (given,) if isinstance(given, str) else given
    return [int(one) for one in ticked if one.isascii() and one.isdigit() and len(one) < 6]
