"""The allocation desk: what was proposed, what budgets hold, and what would be issued now.

Each amount opens the computation it came from. One proposal has its own page (`proposals`), and so
have amounts by document (`listed`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from litestar import Response

from kernel.actors import Role
from kernel.clock import shanghai_day
from kernel.errors import InvalidInput, MarketError, NotFound, ProposalOpen
from kernel.http.pages import Form, Page
from kernel.i18n import label, msgid, translate, translate_error
from kernel.identity.census import CensusKind
from kernel.identity.names import names_of_actors
from kernel.web.tables import Column, Filter, Table, excerpt, tabulate
from procurement.funding.allocations import MAY_COMPUTE, LinePreview, preview_lines
from procurement.funding.desk import (
    ProposalRow,
    proposals,
)
from procurement.funding.explanation import explain
from procurement.funding.proposals import (
    ProposalState,
    propose_lines,
)
from procurement.web.budgets import DESK, budget_columns, desk_root
from procurement.web.explained import printed
from settlement.budgets import budgets
from settlement.web.columns import money, number

YEARS_BACK, YEARS_AHEAD = 3, 1


class ProposeForm(Form, frozen=True):
    """Which year's lines are proposed, and whether what they are worth less is taken back."""

    year: str = ""
    takes_back: str = ""


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
    year = int(page.view((), filters=(by_year,)).filters["year"])
    rows = proposals(page.unit, fiscal_year=year)
    makers = {row.made_by_name for row in rows}
    columns = _proposal_columns(names_of_actors(page.unit, makers, locale=page.locale))
    table = tabulate(
        translate(msgid("Proposals"), page.locale),
        columns,
        rows,
        view=page.view(columns, filters=(by_year,)),
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
        may_propose=may_propose(page),
        may_compute=page.actor.may(*MAY_COMPUTE),
        budgets=excerpt(
            translate(msgid("Budgets"), page.locale),
            budget_columns(),
            budgets(page.unit, fiscal_year=year),
            path=DESK,
            summed=("approved_fen", "allocated_fen", "unallocated_fen", "treasury_fen"),
            empty=msgid("No budget was recorded for this year, so nothing can be issued."),
        ),
    )


def show_preview(
    page: Page, *, errors: Mapping[str, str] | None = None, waiting: str = ""
) -> Response[Any]:
    """Show what an issue of a year's computed lines would add now; nothing is written.

    `waiting`: the address of a proposal of the same, for which another one was refused.
    """
    years = _years(page)
    by_year = Filter(
        key="year",
        title=msgid("Fiscal year"),
        options=tuple((str(year), str(year)) for year in years),
        default=str(years[YEARS_AHEAD]),
    )
    year = int(page.view((), filters=(by_year,)).filters["year"])
    columns = _preview_columns(year, page.locale)
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
        status=409 if errors else 200,
        file_name=f"allocation-preview-{year}",
        year=year,
        root=desk_root(page),
        address=DESK,
        errors=errors or {},
        waiting=waiting,
        may_propose=may_propose(page),
        adds_fen=sum(one.amount_fen for one in computed),
        takes_fen=sum(one.reduction_fen for one in computed),
        above_fen=sum(one.above_fen for one in computed),
        left_out=left_out_table(
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
    except ProposalOpen as waiting:
        open_one = f"{DESK}/{waiting.facts['number']}"
        words = translate_error(waiting, page.locale)
        return show_preview(page, errors={"": words}, waiting=open_one)
    except MarketError as error:
        return show_preview(page, errors={"": translate_error(error, page.locale)})
    return page.redirect(f"{DESK}/{number}")


def may_propose(page: Page) -> bool:
    return page.actor.may(Role.BUREAU_FINANCE)


def _years(page: Page) -> list[int]:
    now = shanghai_day(page.unit.clock.now()).year
    return list(range(now + YEARS_AHEAD, now - YEARS_BACK - 1, -1))


def left_out_table(page: Page, rows: Sequence[LeftOut]) -> Table[LeftOut]:
    """Return the schools that an issue leaves out, each with its reason."""
    columns: list[Column[LeftOut]] = [
        Column(key="code", title=msgid("School code"), value=lambda row: row.code, kind="code"),
        Column(key="name", title=msgid("School"), value=lambda row: row.name),
        Column(key="reason", title=msgid("Why it is left out"), value=lambda row: row.reason),
    ]
    return excerpt(
        translate(msgid("Schools that can't be computed"), page.locale), columns, rows, path=DESK
    )


def _proposal_columns(names: Mapping[str, str]) -> list[Column[ProposalRow]]:
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
            value=lambda row: names[row.made_by_name],
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


def _preview_columns(year: int, locale: str) -> list[Column[LinePreview]]:
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
        Column(
            key="kept",
            title=msgid("Counts kept from before"),
            value=lambda row: _kept(row, locale) or None,
            help=msgid(
                "What the census in use says nothing of keeps its last count, until a census says "
                "otherwise, zero as well."
            ),
            secondary=True,
        ),
    ]


def _kept(row: LinePreview, locale: str) -> str:
    """Return what a line is computed with though its census says nothing of it."""
    return "; ".join(
        " ".join(
            word
            for word in (
                code if code != row.code else "",
                label(one["kind"], locale, kind=CensusKind.__name__),
                label(one["stage"], locale, kind="Stage") if one["stage"] else "",
                f"{one['pupils']} ({one['as_of']})",
            )
            if word
        )
        for code, one in row.kept
    )
