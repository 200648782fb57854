"""Disputes on pages: raised from a line, listed, answered and decided, with what happened."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from litestar import Response

from kernel.actors import OrganisationKind, Role
from kernel.clock import parse_month
from kernel.errors import InvalidInput
from kernel.http.pages import Page
from kernel.http.typed import Typed
from kernel.i18n import label, msgid, translate
from kernel.identity.names import names_of_actors
from kernel.money import yuan
from kernel.web.tables import Column, Filter, tabulate
from settlement.dispute_rules import (
    PAYER_REASONS,
    DisputeOutcome,
    DisputeReason,
    DisputeStanding,
)
from settlement.disputes import (
    answer_dispute,
    check_decision,
    decide_dispute,
    dispute_line,
    part_named,
    require_amount,
    uses_named,
)
from settlement.impartiality import may_judge
from settlement.queries.disputes import DisputeRow, dispute_of_line, dispute_row, disputes_of
from settlement.queries.lines import line_head
from settlement.queries.parts import parts_of_line
from settlement.queries.statements import statement_row
from settlement.texts import words_of
from settlement.web.columns import money
from settlement.web.dispute_forms import FIELD_OF, AnswerForm, DecisionForm, DisputeForm
from settlement.web.places import Crumb, Place

History = list[tuple[datetime, str, str]]

NO_DISPUTES: Final = msgid("No line of a statement is disputed.")
OPENED, REFERRED = msgid("Disputed"), msgid("Referred to the education bureau by the close")
ANSWERED = msgid("Answered, offering a credit of {amount} yuan")
DISMISSED, UPHELD = msgid("Dismissed: the line stands"), msgid("Upheld: {amount} yuan credited")
WITHIN_PAYER: Final = msgid(
    "{text} (within the paying bureau, as none is above it, by somebody without a part in it)"
)
WHOLE: Final = msgid("The whole pack")
STANDINGS: Final = tuple((one.value, one) for one in DisputeStanding)


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """Where disputes are listed for those who look: its crumbs and address, and where lines are."""

    root: tuple[Crumb, ...]
    address: str
    title: str
    place_of: Callable[[DisputeRow], Place]

    def dispute(self, dispute_id: UUID) -> str:
        return f"{self.address}/{dispute_id}"

    def line(self, row: DisputeRow) -> str:
        return self.place_of(row).line(row.month, row.line_id)

    @property
    def above(self) -> tuple[Crumb, ...]:
        return (*self.root, (self.title, self.address))


def ask_dispute(
    page: Page,
    place: Place,
    month_text: str,
    line_id: UUID,
    *,
    form: DisputeForm | None = None,
    errors: dict[str, str] | None = None,
) -> Response[Any]:
    """Show the form by which a payer objects to a line; one that is not stated leads back."""
    head = line_head(page.unit, line_id)
    month = parse_month(month_text)
    place.require_line(head, month)
    if head.line.state != "stated" or head.line.amount_fen <= 0:
        return page.redirect(place.line(month, line_id))
    return page.render(
        "settlement/dispute_form.html",
        status=422 if errors else 200,
        place=place,
        line=head.line,
        statement=statement_row(page.unit, place.payer_code, month),
        form=form or DisputeForm(),
        errors=errors or {},
        parts=_parts(page, line_id),
        reasons=[("", ""), *((one.value, label(one, page.locale)) for one in PAYER_REASONS)],
        answer_workdays=page.unit.settings.answer_workdays,
    )


def raise_dispute(
    page: Page, place: Place, month_text: str, line_id: UUID, *, form: DisputeForm
) -> Response[Any]:
    """Dispute a line, or show the form again with what is wrong."""
    head = line_head(page.unit, line_id)
    month = parse_month(month_text)
    place.require_line(head, month)
    typed = Typed(page.locale)
    reason = typed.choice("reason", form.reason, PAYER_REASONS)
    claimed_fen = typed.yuan("claimed", form.claimed)
    most = max(0, head.line.amount_fen - 1)
    typed.check("claimed", lambda: require_amount("claimed", claimed_fen, least=0, most=most))
    typed.check("claim", lambda: words_of("claim", form.claim))
    typed.check("evidence", lambda: [words_of("evidence", text) for text in form.texts()])
    typed.check("uses", lambda: uses_named(page.unit, head, form.event_ids()))
    typed.check("part", lambda: part_named(page.unit, line_id, form.part))
    if reason is None or typed.errors:
        return ask_dispute(page, place, month_text, line_id, form=form, errors=typed.errors)
    dispute_line(
        page.unit,
        line_id,
        reason=reason,
        claim=form.claim,
        claimed_fen=claimed_fen,
        evidence=form.texts(),
        uses=form.event_ids(),
        part=form.part,
    )
    return page.redirect(f"{place.line(month, line_id)}#dispute")


def show_disputes(page: Page, desk: Desk) -> Response[Any]:
    """List the disputes that the actor may see, those with the next deadline first."""
    columns = _columns(page, desk)
    by_standing = Filter(
        key="standing",
        title=msgid("Progress"),
        options=tuple((value, label(one, page.locale)) for value, one in STANDINGS),
    )
    view = page.view(columns, filters=(by_standing,))
    wanted = view.filters.get("standing")
    rows = [row for row in disputes_of(page.unit) if wanted in {None, row.standing}]
    table = tabulate(
        desk.title,
        columns,
        rows,
        view=view,
        summed=("amount_fen", "difference_fen", "credit_fen"),
        filters=(by_standing,),
        empty=NO_DISPUTES,
    )
    return page.render_table("settlement/disputes.html", table, file_name="disputes", desk=desk)


def show_dispute(
    page: Page,
    desk: Desk,
    dispute_id: UUID,
    *,
    answer: AnswerForm | None = None,
    decision: DecisionForm | None = None,
    errors: dict[str, str] | None = None,
) -> Response[Any]:
    """Show one dispute with what happened, and the form of whoever has the ball."""
    row = dispute_row(page.unit, dispute_id)
    return page.render(
        "settlement/dispute.html",
        status=422 if errors else 200,
        desk=desk,
        place=desk.place_of(row),
        row=row,
        history=history_of(page, row),
        may_answer=_may_answer(page, row),
        may_decide=_may_decide(page, row),
        answer=answer or AnswerForm(),
        decision=decision or DecisionForm(),
        errors=errors or {},
    )


def post_answer(page: Page, desk: Desk, dispute_id: UUID, *, form: AnswerForm) -> Response[Any]:
    """Answer a dispute as its vendor, or show the form again with what is wrong."""
    most = dispute_row(page.unit, dispute_id).difference_fen
    typed = Typed(page.locale)
    typed.check("answer", lambda: words_of("answer", form.answer))
    offered_fen = typed.yuan("offered", form.offered)
    typed.check("offered", lambda: require_amount("offered", offered_fen, least=0, most=most))
    if typed.errors:
        return show_dispute(page, desk, dispute_id, answer=form, errors=typed.errors)
    answer_dispute(page.unit, dispute_id, answer=form.answer, offered_fen=offered_fen)
    return page.redirect(desk.dispute(dispute_id))


def post_decision(page: Page, desk: Desk, dispute_id: UUID, *, form: DecisionForm) -> Response[Any]:
    """Ask once, naming what the decision does; then decide."""
    row = dispute_row(page.unit, dispute_id)
    typed = Typed(page.locale)
    outcome = typed.choice("outcome", form.outcome, DisputeOutcome)
    upheld = outcome is DisputeOutcome.UPHELD
    credit_fen = typed.yuan("credit", form.credit) if upheld else 0
    if upheld and row.amount_fen > 0:
        most = row.amount_fen
        typed.check("credit", lambda: require_amount("credit", credit_fen, least=1, most=most))
    typed.check("note", lambda: words_of("note", form.note))
    if outcome is None or typed.errors:
        return show_dispute(page, desk, dispute_id, decision=form, errors=typed.errors)
    try:
        if form.confirmed:
            decide_dispute(
                page.unit, dispute_id, outcome=outcome, credit_fen=credit_fen, note=form.note
            )
            return page.redirect(desk.dispute(dispute_id))
        check_decision(
            page.unit, dispute_id, outcome=outcome, credit_fen=credit_fen, note=form.note
        )
    except InvalidInput as error:
        typed.refuse(error, FIELD_OF)  # such as more than late adjustments left to credit
        return show_dispute(page, desk, dispute_id, decision=form, errors=typed.errors)
    return page.render(
        "settlement/decision.html", desk=desk, row=row, form=form, credit_fen=credit_fen
    )


def panel_of(page: Page, line_id: UUID) -> dict[str, Any]:
    """Return what a line's page shows of its dispute: the row, if any, and its history."""
    row = dispute_of_line(page.unit, line_id)
    return {"dispute": row, "dispute_history": history_of(page, row) if row else []}


def history_of(page: Page, row: DisputeRow) -> History:
    """Return what happened in a dispute, the latest first: (moment, text, by whom)."""
    locale = page.locale
    people = {one for one in (row.opened_by, row.answered_by, row.decided_by) if one}
    names = names_of_actors(page.unit, people, locale=locale)
    opened = REFERRED if row.of_closed_year else OPENED
    history: History = [
        (
            row.opened_at,
            translate(opened, locale),
            "" if row.of_closed_year else names[row.opened_by],
        )
    ]
    if row.answered_at is not None:
        text = translate(ANSWERED, locale).format(amount=yuan(row.offered_fen))
        history.append((row.answered_at, text, names.get(row.answered_by or "", "")))
    if row.decided_at is not None:
        ended = UPHELD if row.outcome == DisputeOutcome.UPHELD else DISMISSED
        text = translate(ended, locale).format(amount=yuan(row.credit_fen))
        if row.within_payer:
            text = translate(WITHIN_PAYER, locale).format(text=text)
        history.append((row.decided_at, text, names.get(row.decided_by or "", "")))
    return history[::-1]


def _parts(page: Page, line_id: UUID) -> list[tuple[str, str]]:
    """Return what may be chosen of a pack's line: all of it, or a part with its uses."""
    found = [
        (str(o.resource_id), f"{o.title} · {o.uses}") for o in parts_of_line(page.unit, line_id)
    ]
    return [("", translate(WHOLE, page.locale)), *found] if found else []


def _may_answer(page: Page, row: DisputeRow) -> bool:
    return (
        page.actor.organisation_kind is OrganisationKind.VENDOR
        and page.actor.may(Role.VENDOR_MANAGER)
        and row.standing is DisputeStanding.AWAITING_ANSWER
    )


def _may_decide(page: Page, row: DisputeRow) -> bool:
    return (
        row.waits_for_decision
        and page.actor.may(Role.BUREAU_FINANCE)
        and may_judge(
            page.unit,
            payer_id=row.payer_id,
            vendor_id=row.vendor_id,
            agreement_id=row.agreement_id,
        )
    )


def _columns(page: Page, desk: Desk) -> list[Column[DisputeRow]]:
    def href(row: DisputeRow) -> str:
        return desk.dispute(row.id)

    kind = page.actor.organisation_kind
    columns: list[Column[DisputeRow]] = [
        Column(key="title", title=msgid("Resource"), value=lambda row: row.title, href=href),
        Column(
            key="payer_name",
            title=msgid("School"),
            value=lambda row: row.payer_name,
            sortable=True,
        ),
        Column(
            key="vendor_name",
            title=msgid("Vendor"),
            value=lambda row: row.vendor_name,
            sortable=True,
            secondary=True,
        ),
        Column(key="month", title=msgid("Period"), value=lambda row: row.month, kind="month"),
        Column(
            key="reason",
            title=msgid("Reason"),
            value=lambda row: row.reason,
            kind="label",
            label_kind=DisputeReason.__name__,
            secondary=True,
        ),
        money("amount_fen", msgid("Billed"), href=desk.line),
        money("difference_fen", msgid("Disputed amount"), href=href),
        money("credit_fen", msgid("Credited"), href=href, secondary=True),
        Column(key="due", title=msgid("By"), value=lambda row: row.due, kind="day", sortable=True),
        Column(
            key="standing",
            title=msgid("Progress"),
            value=lambda row: row.standing,
            kind="state",
            label_kind=DisputeStanding.__name__,
            sortable=True,
        ),
    ]
    own = "payer_name" if kind is OrganisationKind.SCHOOL else "vendor_name"
    is_party = kind in {OrganisationKind.SCHOOL, OrganisationKind.VENDOR}
    return [column for column in columns if not (is_party and column.key == own)]
