"""Selections on pages: a school's own, the inbox of who signs, and one with its decision."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from litestar import Response
from sqlalchemy import and_, or_

from catalog.plan_words import plan_words
from kernel.errors import MarketError, NoteRequired
from kernel.http.pages import Form, Page
from kernel.i18n import label, msgid, translate, translate_error
from kernel.ids import OrganisationId, SelectionId
from kernel.web.tables import Column, Filter, tabulate
from procurement.approvals import refuse, return_, sign, sign_all, withdraw
from procurement.bulk import schools_bought_for
from procurement.due_steps import WaitingStep, due_steps, read_steps, signable, waiting_steps
from procurement.models import Selection
from procurement.policy import BULK
from procurement.queries import (
    SelectionView,
    selection,
    selection_with_basket,
    selections_of,
)
from procurement.requests import BUYING_ROLES, REQUESTING_ROLES
from procurement.signing_previews import signing_preview
from procurement.states import CHANGES, FROM_DRAFTS, SelectionKind, SelectionState
from procurement.web.funding import line_name
from procurement.web.waiting import waiting_columns
from settlement.web.places import Crumb

History = list[tuple[datetime, str, str]]

REQUESTED = msgid("Requested")
SIGNED, RETURNED, REFUSED = msgid("Signed"), msgid("Returned"), msgid("Refused")
DECIDED: Final = {"approved": SIGNED, "returned": RETURNED, "refused": REFUSED}
AS_ROLE, NOTED = msgid("{act} as {role}"), msgid("{act}: {note}")
IN_PLACE_OF = msgid("{person}, in place of {holder}")
CANNED: Final = (
    msgid("The ceiling is too high for the expected use."),
    msgid("The school has something like it already."),
    msgid("The budget is needed for something else."),
    msgid("The reason does not show what it is needed for."),
    msgid("It does not suit the pupils or the equipment."),
)
NO_SELECTIONS = msgid("Nothing was requested yet.")
NOTHING_WAITS = msgid("Nothing waits for your signature.")
FILL_IN = msgid("Give the reason: choose one or write it.")
COLON: Final = msgid("{reason} {note}")


@dataclass(frozen=True, kw_only=True, slots=True)
class SelectionDesk:
    """Where selections hang for those who look; `agreement` is the address of one by number."""

    root: tuple[Crumb, ...]
    address: str
    title: str
    inbox: str
    agreement: Callable[[SelectionView], str]

    def one(self, selection_id: UUID) -> str:
        return f"{self.address}/{selection_id}"

    @property
    def above(self) -> tuple[Crumb, ...]:
        return (*self.root, (self.title, self.address))


class DecisionForm(Form, frozen=True):
    """What a signatory decides: approve | all (of the same request) | return | refuse.

    `canned`: the place of a ready-made reason, from 1.
    """

    act: str = ""
    canned: str = ""
    note: str = ""

    def reason(self, locale: str) -> str:
        """Return the ready-made reason and the note as one text."""
        places = {str(place): text for place, text in enumerate(CANNED, start=1)}
        canned = places.get(self.canned)
        if canned is None:
            return self.note.strip()
        words = translate(canned, locale)
        note = self.note.strip()
        return translate(COLON, locale).format(reason=words, note=note) if note else words


class SelectionAct(Form, frozen=True):
    """Nothing but the proof that the form is ours."""


def show_selections(page: Page, desk: SelectionDesk) -> Response[Any]:
    """List the selections of the actor's own school."""
    by_state = Filter(
        key="state",
        title=msgid("State"),
        options=tuple((one.value, label(one, page.locale)) for one in SelectionState),
    )
    columns = _columns(desk)
    view = page.view(columns, filters=(by_state,))
    school_id = page.actor.organisation_id
    assert school_id is not None  # the route is a school's
    state = view.filters.get("state")
    rows = [
        row
        for row in selections_of(page.unit, OrganisationId(school_id))
        if state in {None, row.state}
    ]
    table = tabulate(
        desk.title,
        columns,
        rows,
        view=view,
        summed=("ceiling_fen",),
        filters=(by_state,),
        empty=NO_SELECTIONS,
    )
    return page.render_table(
        "procurement/selections.html", table, file_name="selections", desk=desk
    )


def show_inbox(page: Page, desk: SelectionDesk) -> Response[Any]:
    """List what the actor may sign now, what is overdue first."""
    columns = waiting_columns(desk.one)
    steps = waiting_steps(page.unit)
    table = tabulate(
        translate(msgid("Waiting for your signature"), page.locale),
        columns,
        sorted(steps, key=lambda step: (step.due_on is None, step.due_on)),
        view=page.view(columns),
        summed=("ceiling_fen",),
        empty=NOTHING_WAITS,
    )
    return page.render_table(
        "procurement/inbox.html",
        table,
        file_name="to-sign",
        desk=desk,
        overdue=sum(step.is_overdue for step in steps),
    )


def show_selection(
    page: Page,
    desk: SelectionDesk,
    selection_id: UUID,
    *,
    form: DecisionForm | None = None,
    errors: dict[str, str] | None = None,
    status: int = 200,
) -> Response[Any]:
    """Show one selection: where it stands, what it asks for, and the form of who signs it."""
    view, siblings = selection_with_basket(page.unit, selection_id)
    steps = _own_steps(page, view)
    step = next((one for one in steps if one.selection_id == view.id), None)
    requesters = BUYING_ROLES if view.kind is SelectionKind.BULK else REQUESTING_ROLES
    money = signing_preview(page.unit, view.id, together=[one.id for one in siblings])
    return page.render(
        "procurement/selection.html",
        status=status,
        desk=desk,
        row=view,
        plan=plan_words(view.terms, page.locale),
        history=history_of(view, page.locale),
        holder=_holder(view, page.locale),
        step=step,
        money_asked=money,
        paying=[(line_name(one.line, page.locale), one) for one in money.lines] if money else [],
        form=form or DecisionForm(),
        errors=errors or {},
        canned=[
            ("", ""),
            *((str(place), translate(one, page.locale)) for place, one in enumerate(CANNED, 1)),
        ],
        siblings=siblings,
        waiting_siblings=sum(one.selection_id != view.id for one in steps),
        may_withdraw=view.state is SelectionState.REQUESTED
        and view.requested_by == page.actor.person_id,
        may_ask_anew=view.state is SelectionState.RETURNED
        and view.school_id == page.actor.organisation_id
        and page.actor.may(*requesters),
        from_draft=view.kind in FROM_DRAFTS,
        changes=view.kind in CHANGES,
        is_bulk=view.terms.get("kind") == BULK,
        bought=schools_bought_for(page.unit, view.id) if view.kind is SelectionKind.BULK else [],
    )


def post_decision(
    page: Page, desk: SelectionDesk, selection_id: UUID, *, form: DecisionForm
) -> Response[Any]:
    """Decide, or show the selection again with what stands against it."""
    wanted = SelectionId(selection_id)
    try:
        with page.unit.session.begin_nested():
            _decide(page, wanted, form)
    except NoteRequired:
        errors = {"note": translate(FILL_IN, page.locale)}
        return show_selection(page, desk, wanted, form=form, errors=errors, status=422)
    except MarketError as error:
        if error.status in {403, 404}:
            raise
        errors = {"": translate_error(error, page.locale)}
        return show_selection(page, desk, wanted, form=form, errors=errors, status=error.status)
    return page.redirect(desk.one(selection_id))


def post_withdrawal(page: Page, desk: SelectionDesk, selection_id: UUID) -> Response[Any]:
    """Take one's own request back."""
    withdraw(page.unit, SelectionId(selection_id))
    return page.redirect(desk.one(selection_id))


def history_of(view: SelectionView, locale: str) -> History:
    """Return what happened to a selection, the latest first."""
    happened = [
        (view.requested_at, translate(REQUESTED, locale), view.requested_by_name),
    ]
    for step in view.steps:
        act = DECIDED.get(step.state)
        if act is None or step.signed_at is None:
            continue
        words = translate(AS_ROLE, locale).format(
            act=translate(act, locale), role=label(step.role, locale)
        )
        if step.note:
            words = translate(NOTED, locale).format(act=words, note=step.note)
        who = step.signed_by_name
        if step.signed_for_name:
            who = translate(IN_PLACE_OF, locale).format(person=who, holder=step.signed_for_name)
        happened.append((step.signed_at, words, who))
    return list(reversed(happened))


def _decide(page: Page, selection_id: SelectionId, form: DecisionForm) -> None:
    note = form.reason(page.locale)
    match form.act:
        case "approve":
            sign(page.unit, selection_id, note=note)
        case "all":
            basket = selection(page.unit, selection_id).basket
            sign(page.unit, selection_id, note=note)
            summary = sign_all(page.unit, basket=basket, note=note)
            for _, error in summary.left:
                raise error
        case "return":
            return_(page.unit, selection_id, note=note)
        case "refuse":
            refuse(page.unit, selection_id, note=note)
        case _:
            raise NoteRequired


def _own_steps(page: Page, view: SelectionView) -> list[WaitingStep]:
    """Return what the actor may sign now of a selection and of what was requested with it."""
    if view.state is not SelectionState.REQUESTED:
        return []
    wanted = Selection.id == view.id
    if view.basket:
        together = and_(Selection.school_id == view.school_id, Selection.basket == view.basket)
        wanted = or_(wanted, together)
    return signable(page.unit, read_steps(page.unit, due_steps().where(wanted)))


def _holder(view: SelectionView, locale: str) -> str:
    step = view.open_step
    if step is None:
        return ""
    return f"{step.organisation_name} · {label(step.role, locale)}"


def _columns(desk: SelectionDesk) -> Sequence[Column[SelectionView]]:
    return [
        Column(
            key="title",
            title=msgid("Resource"),
            value=lambda row: row.title,
            href=lambda row: desk.one(row.id),
            sortable=True,
        ),
        Column(
            key="reference",
            title=msgid("Reference"),
            value=lambda row: row.reference,
            kind="code",
            sortable=True,
        ),
        Column(
            key="kind",
            title=msgid("Asks for"),
            value=lambda row: row.kind,
            kind="label",
            label_kind=SelectionKind.__name__,
            secondary=True,
        ),
        Column(
            key="starts_on",
            title=msgid("From"),
            value=lambda row: row.starts_on,
            kind="day",
            secondary=True,
        ),
        Column(key="ends_on", title=msgid("Until"), value=lambda row: row.ends_on, kind="day"),
        Column(
            key="ceiling_fen",
            title=msgid("Ceiling"),
            value=lambda row: row.ceiling_fen,
            kind="money",
            sortable=True,
        ),
        Column(
            key="requested_at",
            title=msgid("Requested"),
            value=lambda row: row.requested_at,
            kind="moment",
            sortable=True,
            secondary=True,
        ),
        Column(key="holder", title=msgid("Now with"), value=lambda row: row.holder),
        Column(
            key="due_on", title=msgid("To be signed by"), value=lambda row: row.due_on, kind="day"
        ),
        Column(
            key="state",
            title=msgid("State"),
            value=lambda row: row.state,
            kind="state",
            label_kind=SelectionState.__name__,
            sortable=True,
        ),
    ]
