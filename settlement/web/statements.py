"""Statements on pages: the list of a payer's, one with its lines, and its confirmation."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from litestar import Response

from kernel.actors import Role
from kernel.clock import Month, parse_month, shanghai_day
from kernel.http.pages import Form, Page
from kernel.i18n import msgid, translate
from kernel.identity.names import names_of_actors
from kernel.ids import OrganisationId
from kernel.web.tables import Table, excerpt, tabulate
from settlement.confirmations import BY_SILENCE, confirm_lines
from settlement.queries.disputes import disputes_of
from settlement.queries.lines import LineRow, lines_of
from settlement.queries.statements import StatementRow, statement_row, statements_of
from settlement.web.columns import (
    STATEMENT_LINE_SUMS,
    STATEMENT_SUMS,
    line_columns,
    statement_columns,
)
from settlement.web.places import Place

NO_STATEMENTS = msgid(
    "There is no statement yet. The first comes when a month with use is over and closed."
)
STATED, CONFIRMED, SILENT = (
    msgid("Statement made"),
    msgid("{lines} lines confirmed"),
    msgid("{lines} lines confirmed by silence"),
)

History = list[tuple[datetime, str, str]]


class ConfirmForm(Form, frozen=True):
    """The amount that the person was asked about: what is confirmed is what was shown."""

    amount_fen: int
    line_id: str | list[str] = ""

    def chosen(self) -> set[str]:
        """The ids of the ticked lines: a form posts one as a text, several as a list."""
        ids = self.line_id if isinstance(self.line_id, list) else [self.line_id]
        return {one for one in ids if one}


def show_statements(page: Page, place: Place) -> Response[Any]:
    """List a payer's statements."""
    columns = statement_columns(place)
    table = tabulate(
        translate(msgid("Statements"), page.locale),
        columns,
        statements_of(page.unit, payer_code=place.payer_code),
        view=page.view(columns, sort="-month"),
        summed=STATEMENT_SUMS,
        empty=NO_STATEMENTS,
    )
    return page.render_table(
        "settlement/statements.html",
        table,
        file_name=f"statements-{place.payer_code}",
        place=place,
    )


def latest_statements(
    page: Page, place: Place, rows: Sequence[StatementRow]
) -> Table[StatementRow]:
    """Return a payer's statements as a table beside others."""
    return excerpt(
        translate(msgid("Statements"), page.locale),
        statement_columns(place),
        rows,
        path=place.statements,
        summed=STATEMENT_SUMS,
        empty=NO_STATEMENTS,
    )


def show_statement(page: Page, place: Place, month_text: str) -> Response[Any]:
    """Show one statement with its lines, whose totals are its sums."""
    month = parse_month(month_text)
    statement = statement_row(page.unit, place.payer_code, month)
    lines = lines_of(page.unit, payer_code=place.payer_code, month=month)
    columns = line_columns(place)
    table = tabulate(
        translate(msgid("Lines"), page.locale),
        columns,
        lines,
        view=page.view(columns),
        summed=STATEMENT_LINE_SUMS,
        empty=msgid("Nothing was used in this month, so there is nothing to pay."),
    )
    return page.render_table(
        "settlement/statement.html",
        table,
        file_name=f"statement-{statement.number}",
        export_totals=True,
        due=statement.confirm_by + timedelta(days=page.unit.settings.due_days),
        disputes=disputes_of(page.unit, payer_code=place.payer_code, month=month),
        place=place,
        statement=statement,
        history=_history(page, statement, lines),
        may_confirm=bool(statement.unconfirmed) and _is_its_finance(page, statement),
        may_dispute=bool(statement.unconfirmed) and may_dispute(page, statement),
    )


def ask_to_confirm(
    page: Page,
    place: Place,
    month_text: str,
    *,
    asked_before: bool = False,
    none_chosen: bool = False,
) -> Response[Any]:
    """Ask once, naming what will be confirmed; nothing waiting leads back to the statement."""
    month = parse_month(month_text)
    statement = statement_row(page.unit, place.payer_code, month)
    if not statement.unconfirmed:
        return page.redirect(place.statement(month))
    return page.render(
        "settlement/confirm.html",
        status=409 if asked_before else 422 if none_chosen else 200,
        place=place,
        statement=statement,
        waiting=_waiting(page, place, month),
        asked_before=asked_before,
        none_chosen=none_chosen,
    )


def confirm_statement(
    page: Page, place: Place, month_text: str, *, form: ConfirmForm
) -> Response[Any]:
    """Confirm the ticked lines of those asked about; if these are others by now, ask again."""
    month = parse_month(month_text)
    statement = statement_row(page.unit, place.payer_code, month)
    if statement.unconfirmed and statement.unconfirmed_fen != form.amount_fen:
        return ask_to_confirm(page, place, month_text, asked_before=True)
    waiting = _waiting(page, place, month)
    chosen = form.chosen()
    if waiting and not chosen:
        return ask_to_confirm(page, place, month_text, none_chosen=True)
    confirm_lines(
        page.unit,
        OrganisationId(statement.payer_id),
        month,
        line_ids=[line.id for line in waiting if str(line.id) in chosen],
    )
    return page.redirect(place.statement(month))


def may_dispute(page: Page, statement: StatementRow) -> bool:
    """Return whether the actor may object to a stated line of this statement today."""
    actor = page.actor
    return (
        actor.may(Role.SCHOOL_FINANCE, Role.PRINCIPAL)
        and actor.organisation_id == statement.payer_id
        and shanghai_day(page.unit.clock.now()) <= statement.confirm_by
    )


def _waiting(page: Page, place: Place, month: Month) -> list[LineRow]:
    lines = lines_of(page.unit, payer_code=place.payer_code, month=month)
    return [line for line in lines if line.state == "stated"]


def _is_its_finance(page: Page, statement: StatementRow) -> bool:
    actor = page.actor
    return actor.may(Role.SCHOOL_FINANCE) and actor.organisation_id == statement.payer_id


def _history(page: Page, statement: StatementRow, lines: Sequence[LineRow]) -> History:
    """Return what happened to a statement, the latest first: (moment, text, by whom)."""
    locale = page.locale
    confirmed: dict[tuple[datetime, str], int] = {}
    for line in lines:
        if line.confirmed_at and line.confirmed_by:
            key = (line.confirmed_at, line.confirmed_by)
            confirmed[key] = confirmed.get(key, 0) + 1
    people = {who for _, who in confirmed if who != BY_SILENCE}
    names = names_of_actors(page.unit, people, locale=locale)
    history: History = []
    for (at, who), count in sorted(confirmed.items(), reverse=True):
        silent = who == BY_SILENCE
        text = translate(SILENT if silent else CONFIRMED, locale).format(lines=count)
        history.append((at, text, "" if silent else names[who]))
    return [*history, (statement.stated_at, translate(STATED, locale), "")]
