"""A proposed record on a page: what it holds, what it would mean, and what may be done with it.

A budget's approval, a table of signatures, or schools of a bulk purchase. Whether an act may happen
is the services' question; what stands against it is said on this page.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from litestar import Response

from kernel.actors import OrganisationKind, Role
from kernel.errors import MarketError, NotFound
from kernel.http.pages import Form, Page
from kernel.i18n import label, msgid, translate, translate_error
from kernel.unit import Unit
from kernel.web.tables import Column, Table, excerpt
from procurement.approval_rule_previews import TablePreview, preview_table, sign_table
from procurement.approval_rule_proposals import check_table
from procurement.budget_proposals import budget_row, check_budget
from procurement.bulk_school_proposals import check_schools
from procurement.record_proposals import (
    RecordKind,
    RecordRow,
    RecordState,
    record_proposal,
    return_record,
    withdraw_record,
)
from procurement.web.budgets import BUDGETS, desk_root
from procurement.web.bulk_schools import BULK, wanted_schools
from procurement.web.waiting_records import RECORDS
from settlement.budgets import budgets
from settlement.web.columns import money
from settlement.web.places import Crumb

RULES: Final = "/bureau/approvals/rules"


class RecordReturn(Form, frozen=True):
    """Why a proposal goes back to who made it."""

    note: str = ""


def show_record(
    page: Page, number: str, *, errors: Mapping[str, str] | None = None
) -> Response[Any]:
    """Show a proposal with what it would record, and what may be done with it."""
    row = record_proposal(page.unit, number)
    waits = row.state is RecordState.WAITING
    is_maker = row.made_by is not None and row.made_by == page.actor.person_id
    may_check = (
        page.actor.organisation_kind is OrganisationKind.BUREAU
        and page.actor.person_id is not None
        and page.actor.may(Role.BUREAU_FINANCE)
    )
    shown: dict[str, Any] = {
        "row": row,
        "address": f"{RECORDS}/{row.number}",
        "errors": dict(errors or {}),
        "may_check": waits and may_check and not is_maker,
        "may_withdraw": waits and is_maker,
        "history": _history(row, page.locale),
        "root": _root(page, row),
    }
    if row.kind is RecordKind.BUDGET:
        budget = budget_row(row.content)
        unallocated = next(
            (
                one.unallocated_fen
                for one in budgets(page.unit, fiscal_year=budget.fiscal_year)
                if (one.bureau_code, one.source) == (budget.region_code, budget.source)
            ),
            0,
        )
        return page.render(
            "procurement/budget_record.html", budget=budget, unallocated_fen=unallocated, **shown
        )
    if row.kind is RecordKind.BULK_SCHOOLS:
        return page.render(
            "procurement/bulk_schools_record.html", **wanted_schools(page, row), **shown
        )
    table = sign_table(row.content)
    preview: TablePreview | None = None
    if waits:
        try:
            preview = preview_table(page.unit, table)
        except MarketError as error:
            shown["errors"].setdefault("", translate_error(error, page.locale))
    return page.render(
        "procurement/table_record.html",
        table=table,
        preview=preview,
        open_selections=open_table(page, preview) if preview is not None else None,
        **shown,
    )


def post_check(page: Page, number: str) -> Response[Any]:
    """Record a proposal as its second person."""
    check = {
        RecordKind.BUDGET: _check_budget,
        RecordKind.APPROVAL_RULES: _check_table,
        RecordKind.BULK_SCHOOLS: _check_schools,
    }
    return _act(page, number, check[record_proposal(page.unit, number).kind])


def post_record_return(page: Page, number: str, form: RecordReturn) -> Response[Any]:
    """Give a proposal back with its reason."""
    if not form.note.strip():
        text = translate(msgid("A proposal is returned only with its reason."), page.locale)
        return show_record(page, number, errors={"note": text})
    return _act(page, number, lambda unit, one: return_record(unit, one, note=form.note))


def post_record_withdrawal(page: Page, number: str) -> Response[Any]:
    """Take one's own proposal back."""
    return _act(page, number, withdraw_record)


def open_table(page: Page, preview: TablePreview) -> Table[Any]:
    """Return the table of open selections with both chains of signatures."""

    def chain(roles: Any) -> str:
        return " → ".join(label(role, page.locale, kind=Role.__name__) for role in roles)

    return excerpt(
        translate(msgid("Open selections, which keep their signatures"), page.locale),
        [
            Column(
                key="reference",
                title=msgid("Selection"),
                value=lambda one: one.reference,
                href=lambda one: f"/bureau/approvals/{one.id}",
            ),
            Column(key="school_name", title=msgid("School"), value=lambda one: one.school_name),
            Column(
                key="title", title=msgid("Resource"), value=lambda one: one.title, secondary=True
            ),
            money("signed_fen", msgid("Amount that is signed for")),
            Column(key="keeps", title=msgid("Keeps"), value=lambda one: chain(one.keeps)),
            Column(
                key="would_need",
                title=msgid("By the new table"),
                value=lambda one: chain(one.would_need) if one.differs else None,
            ),
        ],
        preview.open,
        path=RULES,
        empty=msgid("No selection is open."),
    )


def _act(page: Page, number: str, act: Callable[[Unit, str], None]) -> Response[Any]:
    try:
        with page.unit.session.begin_nested():
            act(page.unit, number)
    except NotFound:
        raise
    except MarketError as error:
        return show_record(page, number, errors={"": translate_error(error, page.locale)})
    return page.redirect(f"{RECORDS}/{number}")


def _check_budget(unit: Unit, number: str) -> None:
    check_budget(unit, number)


def _check_table(unit: Unit, number: str) -> None:
    check_table(unit, number)


def _check_schools(unit: Unit, number: str) -> None:
    check_schools(unit, number)


def _root(page: Page, row: RecordRow) -> tuple[Crumb, ...]:
    if row.kind is RecordKind.BUDGET:
        return (*desk_root(page), (translate(msgid("Budgets"), page.locale), BUDGETS))
    if row.kind is RecordKind.BULK_SCHOOLS:
        number = row.content["agreement"]
        return (
            (translate(msgid("Home"), page.locale), "/bureau"),
            (translate(msgid("Bulk purchases"), page.locale), BULK),
            (number, f"{BULK}/{number}"),
        )
    return (
        (translate(msgid("Approvals"), page.locale), "/bureau/approvals"),
        (translate(msgid("Who has to sign what"), page.locale), RULES),
    )


def _history(row: RecordRow, locale: str) -> list[tuple[datetime, str, str]]:
    """Return what happened to a proposal, the latest first: (moment, text, by whom)."""
    made = f"{translate(msgid('Proposed'), locale)}: {row.reason}"
    history = [(row.made_at, made, row.made_by_name)]
    if row.decided_at is not None:
        text = label(row.state, locale)
        if row.note:
            text = f"{text}: {row.note}"
        history.append((row.decided_at, text, row.decided_by_name))
    return history[::-1]
