"""The allocation desk: what would be issued, what one proposed, what another checks and issues.

Each amount opens the computation it came from. Whether an act may happen is the services' question;
what stands against it is said on the page from which it was tried.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from litestar import Response

from kernel.actors import Role
from kernel.clock import shanghai_day
from kernel.errors import InvalidInput, MarketError, NotFound
from kernel.http.pages import Form, Page
from kernel.i18n import label, msgid, translate, translate_error
from kernel.money import parse_fen
from kernel.outcomes import Fate
from kernel.web.tables import Column, Filter, excerpt, tabulate
from procurement.funding.allocations import LinePreview, preview_lines
from procurement.funding.desk import (
    ProposalLineRow,
    ProposalRow,
    proposal,
    proposal_lines,
    proposals,
)
from procurement.funding.explanation import explain, restriction_words
from procurement.funding.listed import ListedRow, propose_listed
from procurement.funding.proposals import (
    ProposalState,
    issue_proposal,
    propose_lines,
    return_proposal,
    withdraw_proposal,
)
from procurement.web.budgets import budget_columns, yuan_or_minus
from procurement.web.explained import printed
from settlement.budgets import SOURCES, budgets
from settlement.web.columns import money, number
from settlement.web.places import Crumb

DESK: Final = "/bureau/allocations"
YEARS_BACK, YEARS_AHEAD = 3, 1


class ProposeForm(Form, frozen=True):
    """Which year's lines are proposed, and whether what they are worth less is taken back."""

    year: str = ""
    takes_back: str = ""


class ListedForm(Form, frozen=True):
    """One amount of a document, typed in yuan; words with `;` between them."""

    payer_code: str = ""
    fiscal_year: str = ""
    source: str = ""
    document: str = ""
    amount: str = ""
    fund: str = ""
    subjects: str = ""
    tiers: str = ""
    stages: str = ""


class ReturnForm(Form, frozen=True):
    """Why a proposal goes back to who made it."""

    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class LeftOut:
    """A school that can't be computed, and why."""

    code: str
    name: str
    reason: str


def show_desk(page: Page) -> Response[Any]:
    """List what was proposed, beside what budgets hold."""
    years = _years(page)
    by_year = Filter(
        key="year",
        title=msgid("Fiscal year"),
        options=tuple((str(year), str(year)) for year in years),
        default=str(years[YEARS_AHEAD]),
    )
    columns = _proposal_columns()
    view = page.view(columns, filters=(by_year,))
    year = int(view.filters["year"])
    table = tabulate(
        translate(msgid("Proposals"), page.locale),
        columns,
        proposals(page.unit, fiscal_year=year),
        view=view,
        summed=("lines", "amount_fen"),
        filters=(by_year,),
        empty=msgid("Nothing was proposed for this year yet."),
    )
    return page.render_table(
        "procurement/allocations.html",
        table,
        file_name=f"allocations-{year}",
        year=year,
        desk=DESK,
        may_propose=_may_propose(page),
        budgets=excerpt(
            translate(msgid("Budgets"), page.locale),
            budget_columns(),
            budgets(page.unit, fiscal_year=year),
            path=DESK,
            summed=("approved_fen", "allocated_fen", "unallocated_fen", "treasury_fen"),
            empty=msgid("No budget was recorded for this year, so nothing can be issued."),
        ),
    )


def show_preview(page: Page, *, errors: Mapping[str, str] | None = None) -> Response[Any]:
    """Show what an issue of a year's computed lines would add now; nothing is written."""
    years = _years(page)
    by_year = Filter(
        key="year",
        title=msgid("Fiscal year"),
        options=tuple((str(year), str(year)) for year in years),
        default=str(years[YEARS_AHEAD]),
    )
    year = int(page.view((), filters=(by_year,)).filters["year"])
    columns = _preview_columns(year)
    view = page.view(columns, filters=(by_year,))
    previews = preview_lines(page.unit, fiscal_year=year)
    computed = [one for one in previews if one.error is None]
    table = tabulate(
        translate(msgid("What would be issued"), page.locale),
        columns,
        computed,
        view=view,
        summed=("line_fen", "issued_fen", "amount_fen", "reduction_fen", "above_fen"),
        filters=(by_year,),
        empty=msgid("No line can be computed for this year."),
    )
    return page.render_table(
        "procurement/allocation_preview.html",
        table,
        file_name=f"allocation-preview-{year}",
        year=year,
        root=desk_root(page),
        address=DESK,
        errors=errors or {},
        may_propose=_may_propose(page),
        adds_fen=sum(one.amount_fen for one in computed),
        takes_fen=sum(one.reduction_fen for one in computed),
        above_fen=sum(one.above_fen for one in computed),
        left_out=_left_out_table(
            page,
            [
                LeftOut(
                    code=one.code, name=one.name, reason=translate_error(one.error, page.locale)
                )
                for one in previews
                if one.error is not None
            ],
        ),
    )


def show_preview_line(page: Page, code: str) -> Response[Any]:
    """Show how one school's line of a year would be computed now."""
    text = str(page.request.query_params.get("year", ""))
    year = int(text) if text.isascii() and text.isdigit() and len(text) == 4 else 0
    found = [one for one in preview_lines(page.unit, fiscal_year=year) if one.code == code]
    if not found or found[0].error is not None:
        raise NotFound(what="school", key=code)
    (one,) = found
    return page.render(
        "procurement/computation.html",
        root=(
            *desk_root(page),
            (translate(msgid("What would be issued"), page.locale), f"{DESK}/new?year={year}"),
        ),
        name=one.name,
        amounts=[
            {"term": translate(msgid("Worth"), page.locale), "amount_fen": one.line_fen},
            {"term": translate(msgid("Issued so far"), page.locale), "amount_fen": one.issued_fen},
            {"term": translate(msgid("To be added"), page.locale), "amount_fen": one.amount_fen},
        ],
        text=printed(explain(one.computation, locale=page.locale)),
    )


def post_proposal(page: Page, form: ProposeForm) -> Response[Any]:
    """Propose what the preview shows."""
    try:
        if not (form.year.isascii() and form.year.isdigit() and len(form.year) == 4):
            raise InvalidInput(field="year", value=form.year, expected="a year such as 2026")
        number = propose_lines(
            page.unit, fiscal_year=int(form.year), takes_back=form.takes_back == "yes"
        )
    except MarketError as error:
        return show_preview(page, errors={"": translate_error(error, page.locale)})
    return page.redirect(f"{DESK}/{number}")


def show_listed_form(
    page: Page, *, form: ListedForm | None = None, errors: Mapping[str, str] | None = None
) -> Response[Any]:
    """Ask for one amount of a document."""
    return page.render(
        "procurement/listed.html",
        root=desk_root(page),
        address=DESK,
        form=form or ListedForm(fiscal_year=str(shanghai_day(page.unit.clock.now()).year)),
        errors=errors or {},
        sources=[(one, label(one, page.locale, kind="source")) for one in SOURCES],
    )


def post_listed(page: Page, form: ListedForm) -> Response[Any]:
    """Propose one listed amount, or say beside which field it is not right."""
    try:
        row = _listed_row(form)
        (outcome,) = propose_listed(page.unit, [row])
    except MarketError as error:
        return show_listed_form(page, form=form, errors=_errors(error, page.locale))
    if outcome.fate is not Fate.ACCEPTED:
        known = outcome.error
        if known is None:
            text = translate(
                msgid("This document gave the same amount to this line before."), page.locale
            )
            return show_listed_form(page, form=form, errors={"document": text})
        name = {"amount_yuan": "amount", "fund_yuan": "fund"}.get(outcome.field, outcome.field)
        return show_listed_form(page, form=form, errors={name: translate_error(known, page.locale)})
    return page.redirect(f"{DESK}?year={row.fiscal_year}")


def _listed_row(form: ListedForm) -> ListedRow:
    if not (form.fiscal_year.isascii() and form.fiscal_year.isdigit()):
        raise InvalidInput(
            field="fiscal_year", value=form.fiscal_year, expected="a year such as 2026"
        )
    return ListedRow(
        payer_code=form.payer_code.strip(),
        fiscal_year=int(form.fiscal_year[:6]),
        source=form.source,
        document=form.document,
        amount_fen=yuan_or_minus(form.amount, field="amount") if form.amount.strip() else None,
        fund_fen=parse_fen(form.fund) if form.fund.strip() else None,
        subjects=_words(form.subjects),
        tiers=_words(form.tiers),
        stages=_words(form.stages),
    )


def _words(text: str) -> tuple[str, ...]:
    parts = text.replace("；", ";").replace("、", ";").split(";")
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


def _errors(error: MarketError, locale: str) -> dict[str, str]:
    return {str(error.facts.get("field", "")): translate_error(error, locale)}


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
        summed=("line_fen", "issued_before_fen", "amount_fen"),
    )
    is_own = row.bureau_code == page.actor.organisation_code
    waits = row.state is ProposalState.WAITING and is_own and _may_propose(page)
    is_maker = row.made_by == page.actor.person_id
    return page.render_table(
        "procurement/proposal.html",
        table,
        file_name=f"allocation-{row.number}",
        row=row,
        root=desk_root(page),
        address=f"{DESK}/{row.number}",
        errors=errors or {},
        may_check=waits and not is_maker,
        may_withdraw=waits and is_maker,
        history=_history(row, page.locale),
        budget=next(
            (
                one
                for one in budgets(page.unit, fiscal_year=row.fiscal_year)
                if (one.bureau_code, one.source) == (row.bureau_code, row.source)
            ),
            None,
        ),
        left_out=_left_out_table(
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


def desk_root(page: Page) -> tuple[Crumb, ...]:
    return (
        (translate(msgid("Home"), page.locale), "/bureau"),
        (translate(msgid("Allocation"), page.locale), DESK),
    )


def _may_propose(page: Page) -> bool:
    return page.actor.may(Role.BUREAU_FINANCE)


def _years(page: Page) -> list[int]:
    now = shanghai_day(page.unit.clock.now()).year
    return list(range(now + YEARS_AHEAD, now - YEARS_BACK - 1, -1))


def _history(row: ProposalRow, locale: str) -> list[tuple[datetime, str, str]]:
    """Return what happened to a proposal, the latest first: (moment, text, by whom)."""
    history = [(row.made_at, translate(msgid("Proposed"), locale), row.made_by_name)]
    if row.decided_at is not None:
        text = label(row.state, locale)
        if row.note:
            text = f"{text}: {row.note}"
        history.append((row.decided_at, text, row.decided_by_name))
    return history[::-1]


def _left_out_table(page: Page, rows: Sequence[LeftOut]) -> Any:
    columns: list[Column[LeftOut]] = [
        Column(key="code", title=msgid("School code"), value=lambda row: row.code, kind="code"),
        Column(key="name", title=msgid("School"), value=lambda row: row.name),
        Column(key="reason", title=msgid("Why it is left out"), value=lambda row: row.reason),
    ]
    return excerpt(
        translate(msgid("Schools that can't be computed"), page.locale), columns, rows, path=DESK
    )


def _proposal_columns() -> list[Column[ProposalRow]]:
    def href(row: ProposalRow) -> str:
        return f"{DESK}/{row.number}"

    return [
        Column(
            key="number",
            title=msgid("Number"),
            value=lambda row: row.number,
            kind="code",
            href=href,
            sortable=True,
        ),
        Column(
            key="source",
            title=msgid("Source of the money"),
            value=lambda row: row.source,
            kind="label",
            label_kind="source",
        ),
        Column(
            key="kind",
            title=msgid("Kind"),
            value=lambda row: row.kind,
            kind="label",
            label_kind="proposal",
            secondary=True,
        ),
        number("lines", msgid("Lines"), href=href, secondary=True),
        money("amount_fen", msgid("Amount"), href=href),
        Column(
            key="made_by_name",
            title=msgid("Proposed by"),
            value=lambda row: row.made_by_name,
            secondary=True,
        ),
        Column(
            key="made_at",
            title=msgid("Proposed at"),
            value=lambda row: row.made_at,
            kind="moment",
            sortable=True,
            secondary=True,
        ),
        Column(
            key="state",
            title=msgid("State"),
            value=lambda row: row.state,
            kind="state",
            label_kind=ProposalState.__name__,
            sortable=True,
        ),
    ]


def _preview_columns(year: int) -> list[Column[LinePreview]]:
    def href(row: LinePreview) -> str:
        return f"{DESK}/new/{row.code}?year={year}"

    return [
        Column(
            key="name",
            title=msgid("School"),
            value=lambda row: row.name,
            href=href,
            sortable=True,
        ),
        Column(
            key="code",
            title=msgid("School code"),
            value=lambda row: row.code,
            kind="code",
            export_only=True,
        ),
        Column(
            key="payer_name",
            title=msgid("On the line of"),
            value=lambda row: row.payer_name,
            secondary=True,
        ),
        money("line_fen", msgid("Worth"), href=href),
        money("issued_fen", msgid("Issued so far"), href=href),
        money("amount_fen", msgid("To be added"), href=href),
        money("reduction_fen", msgid("Could be taken back"), secondary=True),
        money("above_fen", msgid("Above its worth, but committed"), secondary=True),
    ]


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
    return [
        *columns,
        money("line_fen", msgid("Worth"), href=href),
        money("issued_before_fen", msgid("Issued so far"), href=href, secondary=True),
        money("amount_fen", msgid("In this proposal"), href=href),
    ]
