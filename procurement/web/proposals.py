"""One proposal on a page: its lines, and what its maker or a second person may do with it.

Whether an act may happen is the services' question; what stands against it is said on this page.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from litestar import Response

from kernel.errors import MarketError, NotFound
from kernel.http.pages import Form, Page
from kernel.i18n import label, msgid, translate, translate_error
from kernel.identity.names import names_of_actors
from kernel.web.tables import Column, tabulate
from procurement.funding.desk import ProposalLineRow, ProposalRow, proposal, proposal_lines
from procurement.funding.explanation import explain, restriction_words
from procurement.funding.issuing import issue_proposal
from procurement.funding.proposals import ProposalState, return_proposal, withdraw_proposal
from procurement.web.allocations import LeftOut, left_out_table, may_propose
from procurement.web.budgets import DESK, desk_root
from procurement.web.explained import printed
from settlement.budgets import budgets
from settlement.web.columns import money


class ReturnForm(Form, frozen=True):
    """Why a proposal goes back to who made it."""

    note: str = ""


def show_proposal(
    page: Page, number_: str, *, errors: Mapping[str, str] | None = None
) -> Response[Any]:
    """Show a proposal with its lines and totals, and what may be done with it."""
    row = proposal(page.unit, number_)
    lines = proposal_lines(page.unit, row)
    columns = _line_columns(row, page.locale)
    table = tabulate(
        translate(msgid("Lines of the proposal"), page.locale),
        columns,
        lines,
        view=page.view(columns),
        summed=[column.key for column in columns if column.is_figure],
    )
    is_own = row.bureau_code == page.actor.organisation_code
    waits = row.state is ProposalState.WAITING and is_own and may_propose(page)
    is_maker = row.made_by == page.actor.person_id
    return page.render_table(
        "procurement/proposal.html",
        table,
        status=409 if "" in (errors or {}) else 422 if errors else 200,
        file_name=f"allocation-{row.number}",
        row=row,
        root=desk_root(page),
        address=f"{DESK}/{row.number}",
        errors=errors or {},
        may_check=waits and not is_maker,
        may_withdraw=waits and is_maker,
        history=_history(page, row),
        budget=next(
            (
                one
                for one in budgets(page.unit, fiscal_year=row.fiscal_year)
                if (one.bureau_code, one.source) == (row.bureau_code, row.source)
            ),
            None,
        ),
        left_out=left_out_table(
            page,
            [
                LeftOut(code=code, name=facts["name"], reason=facts[page.locale])
                for code, facts in sorted(row.left_out.items())
            ],
        ),
    )


def show_proposal_line(page: Page, number_: str, position: int) -> Response[Any]:
    """Show how one amount of a proposal came about."""
    row = proposal(page.unit, number_)
    found = [line for line in proposal_lines(page.unit, row) if line.position == position]
    if not found:
        raise NotFound(what="line", key=position)
    (line,) = found
    return page.render(
        "procurement/computation.html",
        root=(*desk_root(page), (row.number, f"{DESK}/{row.number}")),
        name=line.school_name,
        amounts=[
            {"term": translate(msgid("Worth"), page.locale), "amount_fen": line.line_fen},
            {
                "term": translate(msgid("Issued so far"), page.locale),
                "amount_fen": line.issued_before_fen,
            },
            {
                "term": translate(msgid("In this proposal"), page.locale),
                "amount_fen": line.amount_fen,
            },
        ],
        text=printed(explain(line.computation, locale=page.locale)),
    )


def post_issue(page: Page, number_: str) -> Response[Any]:
    """Issue a proposal as its second person."""
    try:
        with page.unit.session.begin_nested():
            issue_proposal(page.unit, number_)
    except NotFound:
        raise
    except MarketError as error:
        return show_proposal(page, number_, errors={"": translate_error(error, page.locale)})
    return page.redirect(f"{DESK}/{number_}")


def post_return(page: Page, number_: str, form: ReturnForm) -> Response[Any]:
    """Give a proposal back with its reason."""
    if not form.note.strip():
        text = translate(msgid("A proposal is returned only with its reason."), page.locale)
        return show_proposal(page, number_, errors={"note": text})
    try:
        return_proposal(page.unit, number_, note=form.note)
    except NotFound:
        raise
    except MarketError as error:
        return show_proposal(page, number_, errors={"": translate_error(error, page.locale)})
    return page.redirect(f"{DESK}/{number_}")


def post_withdraw(page: Page, number_: str) -> Response[Any]:
    """Take one's own proposal back."""
    try:
        withdraw_proposal(page.unit, number_)
    except NotFound:
        raise
    except MarketError as error:
        return show_proposal(page, number_, errors={"": translate_error(error, page.locale)})
    return page.redirect(f"{DESK}/{number_}")


def _history(page: Page, row: ProposalRow) -> list[tuple[datetime, str, str]]:
    """Return what happened to a proposal, the latest first: (moment, text, by whom)."""
    locale = page.locale
    people = {row.made_by_name, row.decided_by_name}
    names = names_of_actors(page.unit, people, locale=locale)
    history = [(row.made_at, translate(msgid("Proposed"), locale), names[row.made_by_name])]
    if row.decided_at is not None:
        text = label(row.state, locale)
        if row.note:
            text = f"{text}: {row.note}"
        history.append((row.decided_at, text, names[row.decided_by_name]))
    return history[::-1]


def _line_columns(row: ProposalRow, locale: str) -> list[Column[ProposalLineRow]]:
    def href(line: ProposalLineRow) -> str:
        return f"{DESK}/{row.number}/lines/{line.position}"

    columns: list[Column[ProposalLineRow]] = [
        Column(
            key="school_name",
            title=msgid("School"),
            value=lambda line: line.school_name,
            href=href,
            sortable=True,
        ),
        Column(
            key="school_code",
            title=msgid("School code"),
            value=lambda line: line.school_code,
            kind="code",
            export_only=True,
        ),
        Column(
            key="payer_name",
            title=msgid("On the line of"),
            value=lambda line: line.payer_name,
            secondary=True,
        ),
    ]
    if row.kind == "listed":
        columns += [
            Column(
                key="document",
                title=msgid("Document"),
                value=lambda line: line.document,
                secondary=True,
            ),
            Column(
                key="restriction",
                title=msgid("Only for"),
                value=lambda line: restriction_words(line.restriction, locale=locale) or None,
                secondary=True,
            ),
        ]
    else:
        columns += [
            money("line_fen", msgid("Worth"), href=href),
            money("issued_before_fen", msgid("Issued so far"), href=href, secondary=True),
        ]
    return [*columns, money("amount_fen", msgid("In this proposal"), href=href)]
